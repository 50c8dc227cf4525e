"""A run from Python: the same as `python -m distil_jax.main`, in this process."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from distil_jax.configuration import source
from distil_jax.errors import UsageError
from distil_jax.run import distillation
from distil_jax.run.finish import RESULTS, STUDENT
from distil_jax.storage.address import is_url
from distil_jax.training.metrics_file import read


@dataclass(frozen=True)
class Distilled:
    """What a run left in its workdir.

    Attributes:
      student: the model folder, which `distil_jax.pretrained.load` and transformers open.
      results: results.json: figures of teacher, student before and after, cost.
      metrics: the lines of metrics.jsonl.
    """

    student: Path
    results: Mapping[str, Any]
    metrics: tuple[Mapping[str, Any], ...]


def distil(
    config: ConfigDict | str | Path,
    workdir: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    on_log: Callable[[Mapping[str, Any]], None] = lambda _: None,
) -> Distilled:
    """Distil by a config into a folder; called again with the same arguments it resumes.

    Args:
      config: a `get_config()`'s value, a config file, or the name of a shipped config.
      workdir: a folder on this machine.
      overrides: other values by their keys: {"total_steps": 100, "batch.size": 16}.
      on_log: gets every line of metrics.jsonl as it is written. What it raises ends the run, which
        can be resumed from its last checkpoint.

    Raises:
      UsageError: an unknown key, or a value that it cannot have.
      UserError: whatever else the user can fix.
      Diverged: the loss is no longer finite.
      Stopped: SIGTERM came; all steps are saved.
    """
    if is_url(str(workdir)):
        raise UsageError(f"distil: workdir {workdir} must be a folder here; use distil_jax.main")
    folder = Path(workdir).expanduser()
    values = config if isinstance(config, ConfigDict) else source.load(os.path.expanduser(config))
    checked = source.from_values(values, overrides or {})
    shown = "a ConfigDict" if isinstance(config, ConfigDict) else repr(str(config))
    command = f"distil_jax.distil({shown}, {str(workdir)!r}, {dict(overrides or {})!r})"
    distillation.run(checked, folder, command, on_log=on_log)
    results = json.loads((folder / RESULTS).read_text("utf-8"))
    return Distilled(folder / STUDENT, results, tuple(read(folder / "metrics.jsonl")))
