from pathlib import Path

import pytest

from distil_jax.configuration import source as config_source

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/[!_]*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_valid_and_found_by_name(path: Path) -> None:
    assert config_source.read(path.stem, []) == config_source.read(str(path), [])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_a_header_with_its_command(path: Path) -> None:
    if path.stem != "base":
        header = path.read_text().split('"""')[1]
        assert "python -m distil_jax.main --config=" in header
        assert "Hardware:" in header


@pytest.mark.parametrize("name", ["tpu_v4", "tpu_v5e", "gpu_h100"])
def test_hardware_configs_follow_the_papers_recipe(name: str) -> None:
    config = config_source.read(name, [])
    weights = [config.loss.weight(name) for name in ("soft_target", "masked_lm", "cosine")]
    assert weights == [5.0, 2.0, 1.0]
    assert config.loss.temperature == 2.0
    assert config.batch.size == 4096
    assert config.student.layers == "original"
    assert (config.optimizer.beta1, config.optimizer.beta2) == (0.9, 0.98)
