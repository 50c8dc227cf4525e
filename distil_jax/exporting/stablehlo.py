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

from distil_jax.exporting.draft import atomic_dir, check_head, describe, scores_before
from distil_jax.exporting.extra import require
from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.pretrained import CardHeader, Pretrained, model_card, model_noun
from distil_jax.tasks.table import kind_of_head

FILE = "model.stablehlo"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
USE = """# pip install jax flatbuffers
from pathlib import Path

import numpy as np
from jax import export

model = export.deserialize(bytearray(Path("model.stablehlo").read_bytes()))
input_ids = np.asarray([[101, 7592, 102]], np.int32)
logits = model.call({inputs})"""


def export_stablehlo(model: Pretrained, output: Path, source: str, command: str) -> int:
    """Write program, config.json, tokenizer and card; returns the program's bytes.

    Raises `UserError` for a target that exists and for a model without a head.
    """
    check_head(model, source)
    require("flatbuffers")
    with atomic_dir(output) as draft:
        describe(draft, model, source)
        program = stablehlo(model)
        (draft / FILE).write_bytes(program)
        (draft / "README.md").write_text(_card(model, source, command, len(program)), "utf-8")
    return len(program)


def stablehlo(model: Pretrained) -> bytearray:
    """The serialized program: int32 [batch, length] inputs in the order of `input_names`.

    Float32 logits [batch, length, vocabulary] of a masked LM, [batch, labels] of a classification,
    [batch, length, 2] of question answering. Rows are padded behind the text; attention_mask
    is 1 at tokens.
    """
    names = input_names(model.config)
    symbols = export.symbolic_shape(
        "batch, length", constraints=[f"length <= {model.config.positions}"]
    )
    inputs = [jax.ShapeDtypeStruct(symbols, jnp.int32) for _ in names]
    return export.export(jax.jit(outputs_of(model)), platforms=PLATFORMS)(*inputs).serialize()


def outputs_of(model: Pretrained) -> Callable[..., Array]:
    """The model as a function of the arrays in `input_names`."""
    config = model.config
    kind = kind_of_head(model.head)
    assert kind is not None
    module = kind.model(config, max(1, len(model.labels)))
    params = jax.tree.map(jnp.asarray, dict(model.params))

    def outputs(input_ids: Array, attention_mask: Array, *token_types: Array) -> Array:
        batch = {"tokens": input_ids, "segments": attention_mask}
        if token_types:
            batch["token_types"] = token_types[0]
        return module.apply({"params": params}, batch)  # type: ignore[return-value]

    return outputs


def _card(model: Pretrained, source: str, command: str, size: int) -> str:
    names = input_names(model.config)
    calls = ["input_ids", "np.ones_like(input_ids)", "np.zeros_like(input_ids)"][: len(names)]
    return model_card(
        CardHeader(head=model.head, tags=["stablehlo"], library="jax"),
        recipe={
            "exported from": source,
            "head": model.head,
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
        "included; batch and length are free.\n\n"
        f"```python\n{USE.format(inputs=', '.join(calls))}\n```",
    )
