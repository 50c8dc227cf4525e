"""A model as StableHLO: one file that JAX runs without this package (`jax.export`).

The parameters are constants of the program; batch and length are symbolic, and it holds a lowering
for each of `PLATFORMS`. Source: https://docs.jax.dev/en/latest/export/export.html.
"""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import export
from jaxtyping import Array

from distil_jax.exporting.draft import atomic_dir, card_header, describe, scores_before
from distil_jax.exporting.extra import require
from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.exporting.subject import Subject
from distil_jax.pretrained import model_card, model_noun

FILE = "model.stablehlo"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
USE = """# pip install jax flatbuffers
from pathlib import Path

import numpy as np
from jax import export

model = export.deserialize(bytearray(Path("model.stablehlo").read_bytes()))
input_ids = np.asarray([[101, 7592, 102]], np.int32)
{outputs} = model.call({inputs})"""


def export_stablehlo(subject: Subject, output: Path, source: str, command: str) -> int:
    """Write program, config.json, tokenizer and card; returns the program's bytes.

    Raises `UserError` for a target that exists.
    """
    require("flatbuffers")
    with atomic_dir(output) as draft:
        describe(draft, subject)
        program = stablehlo(subject)
        (draft / FILE).write_bytes(program)
        (draft / "README.md").write_text(_card(subject, source, command, len(program)), "utf-8")
    return len(program)


def stablehlo(subject: Subject) -> bytearray:
    """The serialized program: int32 [batch, length] inputs in the order of `input_names`.

    Float32 logits [batch, length, vocabulary] of a masked LM, [batch, labels] of a classification,
    [batch, length, 2] of question answering; hidden states [batch, length, hidden_size] and
    vectors [batch, width] of an embedding model. Rows are padded behind the text; attention_mask
    is 1 at tokens.
    """
    config = subject.model.config
    names = input_names(config)
    symbols = export.symbolic_shape("batch, length", constraints=[f"length <= {config.positions}"])
    inputs = [jax.ShapeDtypeStruct(symbols, jnp.int32) for _ in names]
    return export.export(jax.jit(outputs_of(subject)), platforms=PLATFORMS)(*inputs).serialize()


def outputs_of(subject: Subject) -> Callable[..., Array | tuple[Array, ...]]:
    """The model as a function of the arrays in `input_names`."""
    params = jax.tree.map(jnp.asarray, dict(subject.model.params))

    def outputs(
        input_ids: Array, attention_mask: Array, *token_types: Array
    ) -> Array | tuple[Array, ...]:
        batch = {"tokens": input_ids, "segments": attention_mask}
        if token_types:
            batch["token_types"] = token_types[0]
        return subject.forward(params, batch)

    return outputs


def _card(subject: Subject, source: str, command: str, size: int) -> str:
    model = subject.model
    names = input_names(model.config)
    outputs = "logits" if model.head else ", ".join(subject.outputs)
    inputs = ["input_ids", "np.ones_like(input_ids)", "np.zeros_like(input_ids)"][: len(names)]
    use = USE.format(inputs=", ".join(inputs), outputs=outputs)
    return model_card(
        card_header(subject.head, "stablehlo", "jax"),
        recipe={
            "exported from": source,
            "head": subject.head,
            "size": f"{size:,} bytes",
            "platforms": ", ".join(PLATFORMS),
            "inputs": ", ".join(names) + " (int32, batch x length)",
            "longest input": f"{model.config.positions} tokens",
            "made with": f"jax {jax.__version__}",
        },
        data="See the model that this was exported from.",
        scores=scores_before(source),
        command=command,
        title="StableHLO export made with distil_jax",
        summary=f"A {model_noun(model.head)} ({model.config.model_type}) for `jax.export`, weights "
        f"included; batch and length are free.\n\n```python\n{use}\n```",
    )
