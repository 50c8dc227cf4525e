"""An exported ONNX folder, opened in onnxruntime."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int

from distil_jax.errors import UserError
from distil_jax.exporting.extra import require
from distil_jax.exporting.layout import graph_file, model_folder
from distil_jax.exporting.onnx_encoder import IDS, MASK, TYPES
from distil_jax.exporting.vector_outputs import EMBEDDING
from distil_jax.models import EncoderConfig
from distil_jax.models.head_kinds import HEADS
from distil_jax.pretrained.config_file import read_config, read_labels, read_threshold
from distil_jax.pretrained.model import Head
from distil_jax.pretrained.static_config import read_static_config
from distil_jax.pretrained.static_model import is_static
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.tokenizer import resolve

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FATAL = 4
EARLIER_HEADS = {"span": "question_answering"}
"""Names of heads in files that earlier versions wrote."""


@dataclass(frozen=True)
class OnnxModel:
    """A graph in its session, with what belongs to it.

    Attributes:
      folder: of config.json and the tokenizer.
      file: the graph.
      session: of onnxruntime.
      quantisation: as given to `export`; "unknown" for a graph that another program made.
      bytes: of the graph and its weights on disk.
    """

    folder: Path
    file: Path
    config: EncoderConfig
    head: Head
    labels: tuple[str, ...]
    tokenizer: "PreTrainedTokenizerFast"
    session: Any
    quantisation: str
    bytes: int
    problem_type: str = ""
    threshold: float | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(put.name for put in self.session.get_outputs())

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The graph's outputs; inputs that it does not have are left out."""
        known = {put.name for put in self.session.get_inputs()}
        return self.session.run(None, {name: inputs[name] for name in inputs if name in known})


def open_onnx(
    name: str | Path, *, threads: int = 0, open_tokenizer: Callable[[Path], Any] = load_tokenizer
) -> OnnxModel:
    """Open a folder that `export --format=onnx` wrote, or the .onnx file in it.

    `threads` 0 leaves their number to onnxruntime. Raises `UserError` naming the file.
    """
    path = resolve(name)
    file = graph_file(path)
    folder = model_folder(file)
    if not file.is_file():
        raise UserError(
            f"{file} does not exist; write it first: python -m distil_jax.export "
            "--model=MODEL --format=onnx --output=FOLDER"
        )
    config, content = (read_static_config if is_static(folder) else read_config)(folder)
    try:
        session = open_session(str(file), threads)
    except Exception as error:  # onnxruntime's exceptions have no common class of their own
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file} cannot be run ({reason}); export it again") from error
    about = session.get_modelmeta().custom_metadata_map
    head = about.get("head")
    from distil_jax.tasks.table import kind_of_head  # seconds, which other folders do not need

    head = EARLIER_HEADS.get(str(head), head)
    if head != EMBEDDING and kind_of_head(head) is None:
        raise UserError(f"{file} does not name its head; export it with distil_jax.export")
    labelled = head in HEADS and HEADS[head].labelled
    count = session.get_outputs()[0].shape[-1] if labelled else 0
    return OnnxModel(
        folder=folder,
        file=file,
        config=config,
        head=str(head),
        labels=read_labels(content, count),
        tokenizer=open_tokenizer(folder),
        session=session,
        quantisation=about.get("quantisation", "unknown"),
        bytes=sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*")),
        problem_type=str(content.get("problem_type") or ""),
        threshold=read_threshold(content, folder),
    )


def inputs_of(
    sequences: Sequence[Sequence[int] | np.ndarray],
    *,
    pad: int,
    token_types: Sequence[Sequence[int] | np.ndarray] | None = None,
) -> dict[str, Int[np.ndarray, "batch length"]]:
    """Sequences as int64 rows, padded behind to the longest, with their mask and token types."""
    shape = (len(sequences), max(map(len, sequences), default=0))
    ids, mask = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    types = np.zeros(shape, np.int64)
    for row, tokens in enumerate(sequences):
        ids[row, : len(tokens)] = tokens
        mask[row, : len(tokens)] = 1
        if token_types is not None:
            types[row, : len(tokens)] = token_types[row]
    return {IDS: ids, MASK: mask, TYPES: types}


def open_session(graph: str | bytes, threads: int = 0) -> Any:
    """A session of onnxruntime for a file or a graph's bytes, on this machine's processor."""
    runtime = require("onnxruntime")
    runtime.set_default_logger_severity(FATAL)
    options = runtime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
