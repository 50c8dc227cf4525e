"""What a run is made of once its command line, models and data are known to be right."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from distil_jax.configuration.schema import Config
from distil_jax.data.store import Split
from distil_jax.run import data_cursor
from distil_jax.run.data_cursor import DataCursor
from distil_jax.training import assemble
from distil_jax.training.assemble import Models
from distil_jax.training.parallel import Devices, Shares
from distil_jax.training.step import StepSpec
from distil_jax.training.workdir import Workdir


@dataclass(frozen=True)
class Setup:
    """A run before its first step.

    Attributes:
      command: the command line, for the model card.
      identity: what its checkpoints belong to.
      cursor: where in the data its batch was chosen.
    """

    config: Config
    workdir: Workdir
    command: str
    devices: Devices
    shares: Shares
    models: Models
    train_data: Split
    held_out: Split
    identity: dict[str, Any]
    cursor: DataCursor

    @property
    def folder(self) -> Path:
        """Where this process writes files."""
        return self.workdir.folder

    @cached_property
    def total_steps(self) -> int:
        return data_cursor.total_steps(self.cursor, self.config, self.train_data)

    @cached_property
    def distillation(self) -> StepSpec:
        return assemble.distillation(
            self.config,
            self.models,
            self.train_data,
            self.shares,
            total_steps=self.total_steps,
        )
