import subprocess
import sys


def test_losses_load_neither_flax_nor_transformers_nor_datasets_nor_grain() -> None:
    code = "import sys, distil_jax.losses; print(*{m.split('.')[0] for m in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "optax" in loaded
    assert not loaded & {"flax", "transformers", "datasets", "grain", "torch"}
