"""What a program imports, which is what its start takes: seconds for each large library."""

import subprocess
import sys

import pytest

COMMANDS = (
    "main prepare vocabulary prune_vocabulary ablate demo evaluate predict export plan benchmark "
    "fill_mask"
)
READING = """
import distil_jax.{}
from distil_jax.configuration.source import read
from distil_jax.distributed.processes import find_distributed_config

find_distributed_config(read("quickstart", ["--config.loss.schedules.cosine=0:1,1:0"]).processes)
"""
TRAINING = """
from distil_jax import commandline

def train(arguments):
    import distil_jax.run.distillation
    from distil_jax.tokenizer import load

    assert load("builtin:teacher").is_fast

try:
    commandline.run(train)
except SystemExit as end:
    assert end.code == 0
"""
FILLING = """
from distil_jax import fill_mask

fill_mask.main(["--model=builtin:teacher", "the [MASK]"])
"""
LABELLING = "import distil_jax.evaluation.predict_file"


def imported(program: str) -> set[str]:
    """The packages that a program of its own has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("command", COMMANDS.split())
def test_a_command_line_and_its_config_are_read_before_anything_large_is_imported(command: str):
    assert imported(READING.format(command)).isdisjoint(
        {"jax", "numpy", "optax", "flax", "transformers", "grain", "orbax", "matplotlib"}
    )


def test_a_program_loads_no_pytorch() -> None:
    pytest.importorskip("torch")
    modules = imported(TRAINING)
    assert {"jax", "tensorboardX", "transformers"} <= modules
    assert "torch" not in modules


def test_labelling_imports_no_statistics() -> None:
    modules = imported(LABELLING)
    assert "jax" in modules
    assert modules.isdisjoint({"sklearn", "pandas", "matplotlib", "torch"})


def test_a_mask_is_filled_without_jax_or_transformers() -> None:
    modules = imported(FILLING)
    assert {"numpy", "tokenizers", "rich"} <= modules
    assert modules.isdisjoint({"jax", "flax", "transformers", "huggingface_hub", "torch", "scipy"})
