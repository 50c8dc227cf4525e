"""Save a run's checkpoint as a model folder, or a model folder as ONNX or StableHLO."""

import argparse
from pathlib import Path
from typing import Any

from distil_jax import commandline
from distil_jax.errors import UsageError
from distil_jax.storage.address import is_url

QUANTISATIONS = ("none", "float16", "int8", "int8-static")
OF_MODEL = (
    *("format", "pooling", "quantize", "layout", "target", "gate", "calibration"),
    "reduce_range",
)
OF_INT8 = ("target", "gate", "reduce_range")
OF_WORKDIR = ("step", "dtype")


def main(arguments: list[str]) -> None:
    """Parse the flags and export."""
    flags = parser().parse_args(arguments)
    command = commandline.typed("export", arguments)
    _refuse(flags, OF_WORKDIR if flags.model else OF_MODEL)
    if flags.model:
        _export_model(flags, command)
    else:
        _export_checkpoint(flags, command)


def _export_checkpoint(flags: argparse.Namespace, command: str) -> None:
    from distil_jax.run.export_checkpoint import export_checkpoint

    dtype = {"dtype": flags.dtype} if flags.dtype else {}
    step = export_checkpoint(flags.workdir, flags.output, flags.step, command, **dtype)
    print(f"step {step} of {flags.workdir} is saved in {flags.output}")


def _export_model(flags: argparse.Namespace, command: str) -> None:
    _check_model_flags(flags)
    if flags.format == "stablehlo":
        _export_stablehlo(flags, command)
        return
    from distil_jax.exporting.draft import scores_before
    from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
    from distil_jax.exporting.subject import open_subject
    from distil_jax.profiling import sentences

    texts = sentences.read(flags.calibration, most=flags.texts) if flags.calibration else []
    settings = OnnxSettings(
        quantisation=_quantisation(flags),
        reduce_range=flags.target in (None, "any") and flags.reduce_range != "no",
        calibration=texts,
        least=flags.gate,
        source=flags.model,
        scores=scores_before(flags.model),
        command=command,
        layout=flags.layout or "flat",
    )
    exported = export_onnx(open_subject(flags.model, flags.pooling), flags.output, settings)
    print(f"{flags.output}: {exported.bytes:,} bytes, {exported.head}, {exported.quantisation}")


def _export_stablehlo(flags: argparse.Namespace, command: str) -> None:
    from distil_jax.exporting.stablehlo import FILE, export_stablehlo
    from distil_jax.exporting.subject import open_subject

    for name in OF_MODEL[2:]:
        if getattr(flags, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} goes with --format=onnx (see --help)")
    subject = open_subject(flags.model, flags.pooling)
    size = export_stablehlo(subject, flags.output, flags.model, command)
    print(f"{flags.output}/{FILE}: {size:,} bytes")


def _check_model_flags(flags: argparse.Namespace) -> None:
    if is_url(flags.output):
        raise UsageError(f"--output={flags.output} goes with --workdir; name a folder here")
    if flags.format is None:
        raise UsageError("--model needs --format=onnx or --format=stablehlo (see --help)")
    if flags.format == "stablehlo":
        return
    if flags.calibration and flags.gate is None and flags.quantize != "int8-static":
        raise UsageError("--calibration goes with --quantize=int8-static or --gate (see --help)")
    for name in OF_INT8:
        int8 = _quantisation(flags).startswith("int8")
        if getattr(flags, name) is not None and not int8 and flags.layout != "transformers.js":
            raise UsageError(f"--{name.replace('_', '-')} goes with --quantize=int8 (see --help)")
    if flags.target and flags.reduce_range:
        raise UsageError("--reduce-range is what --target decides; give one of them (see --help)")


def _quantisation(flags: argparse.Namespace) -> Any:
    """What is opened: of transformers.js's three graphs the int8 one, else float32."""
    return flags.quantize or ("int8" if flags.layout == "transformers.js" else "none")


def _refuse(flags: argparse.Namespace, others: tuple[str, ...]) -> None:
    """Flags of the other source would be ignored."""
    for name in others:
        if getattr(flags, name) is not None:
            source = "--workdir" if flags.model else "--model"
            raise UsageError(f"--{name.replace('_', '-')} goes with {source} (see --help)")


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.export", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--workdir", type=commandline.folder_or_url, help="of a run of distil_jax.main"
    )
    source.add_argument("--model", help="model folder, hub id or builtin:teacher")
    add = parser.add_argument
    add("--output", required=True, type=commandline.folder_or_url, help="the folder to write")
    run = parser.add_argument_group("with --workdir")
    run.add_argument("--step", type=int, help="of a kept checkpoint; the latest if left out")
    run.add_argument("--dtype", choices=("float32", "float16"), help="float32 if left out")
    model = parser.add_argument_group("with --model")
    model.add_argument("--format", choices=("onnx", "stablehlo"))
    model.add_argument(
        "--pooling",
        choices=("graph", "client"),
        help="of vectors of texts: in the graph, beside the hidden states, or of these alone by "
        "the client; graph if left out for sentence-transformers folders",
    )
    model.add_argument("--quantize", choices=QUANTISATIONS, help="onnx alone; none if left out")
    model.add_argument(
        "--layout",
        choices=("flat", "transformers.js"),
        help="onnx alone; transformers.js: float32, float16 and int8 where that library looks for "
        "them, int8 by default; flat if left out",
    )
    _add_int8(model)
    return parser


def _add_int8(model: argparse._ArgumentGroup) -> None:
    model.add_argument(
        "--target",
        choices=("any", "vnni", "arm"),
        help="int8 weights for any processor (7 bits), for x86 with VNNI or for ARM (8 bits, wrong "
        "on x86 without VNNI); any if left out",
    )
    model.add_argument(
        "--gate",
        type=commandline.share,
        help="least agreement of int8 with float32, 0 to 1, on the calibration text; matmuls stay "
        "in float until it holds",
    )
    model.add_argument(
        "--calibration",
        type=Path,
        help="text for int8-static and --gate: .txt, .jsonl, .csv, .tsv",
    )
    model.add_argument(
        "--texts", type=commandline.positive, default=256, help="how many of its first are used"
    )
    model.add_argument(
        "--reduce-range",
        choices=("yes", "no"),
        help="the earlier --target: yes is any, no is vnni",
    )


if __name__ == "__main__":
    commandline.run(main)
