"""A model as LiteRT (.tflite), by converters that this project does not depend on.

    pip install litert-converter==0.5.0 ai-edge-litert==2.3.0 ai-edge-quantizer==0.10.0
    python benchmarks/litert.py MODEL --length=128 --output=FOLDER

Converts the model's StableHLO for one row of LENGTH tokens, quantises it to int8 with dynamic
ranges, and compares both files' outputs and milliseconds with JAX's. docs/litert.md has the story.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax import export

from distil_jax.exporting import processor
from distil_jax.exporting.latency import timed
from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.exporting.stablehlo import outputs_of
from distil_jax.exporting.subject import of_head
from distil_jax.pretrained import load

SIGNATURE, OUTPUT = "serving_default", "outputs"


def main() -> None:
    flags = parser().parse_args()
    flags.output.mkdir(parents=True)
    model = load(flags.model)
    names = input_names(model.config)
    inputs = example(names, model.config.vocabulary, flags.length)
    compiled = jax.jit(outputs_of(of_head(model)))
    expected = np.asarray(compiled(*inputs.values()))
    files = {kind: flags.output / f"{kind}.tflite" for kind in ("float32", "int8")}
    program = export.export(compiled, platforms=["cpu"])(*inputs.values())
    convert(program.mlir_module_serialized, names, files["float32"])
    quantise(files["float32"], files["int8"])
    runs = {kind: runner(file, inputs) for kind, file in files.items()}
    times = timed(runs, calls=flags.calls)
    print(f"{processor.name()}, 1 x {flags.length} tokens")
    for kind, file in files.items():
        error = np.abs(runs[kind]() - expected).max() / expected.std()
        print(
            f"{kind}: {file.stat().st_size:,} bytes, median {times[kind]['median']:.2f} ms, "
            f"largest error {error:.2g} of the outputs' deviation"
        )


def example(names: tuple[str, ...], vocabulary: int, length: int) -> dict[str, np.ndarray]:
    """A row of random tokens, none of it padding."""
    tokens = np.random.default_rng(0).integers(5, vocabulary, (1, length)).astype(np.int32)
    return dict(zip(names, (tokens, np.ones_like(tokens), np.zeros_like(tokens)), strict=False))


def convert(program: bytes, names: tuple[str, ...], target: Path) -> None:
    """StableHLO's portable form to a flat buffer, by litert-converter's own passes."""
    from litert_converter import converter_api_ext as converter
    from litert_converter.mlir import ir, passmanager
    from litert_converter.mlir.dialects import stablehlo

    context = ir.Context()
    converter.prepare_mlir_context(context)
    with context:
        module = stablehlo.deserialize_portable_artifact(context, program)
        converter.set_signature(
            module.operation,
            signature_name=SIGNATURE,
            input_names=list(names),
            output_names=[OUTPUT],
        )
        converter.run_convert_to_tfl_passes(
            module, passmanager.PassManager(), converter.ConvertToTFLConfig()
        )
        converter.export_flatbuffer_to_file(module.operation, str(target))


def quantise(source: Path, target: Path) -> None:
    """int8 weights, the range of what they multiply taken at run time."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    tool.quantize().export_model(str(target))


def runner(file: Path, inputs: dict[str, np.ndarray]) -> Callable[[], np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(file)).get_signature_runner(SIGNATURE)
    return lambda: run(**inputs)[OUTPUT]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="model folder, hub id or builtin:teacher")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--output", type=Path, required=True, help="a new folder")
    return parser


if __name__ == "__main__":
    main()
