"""gpu_compiler: GPUs in name only, and what is said where their compiler is not installed."""

import re
from collections.abc import Callable
from importlib.resources import files

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.planning import chips, compiler, gpu_compiler, hlo, hlo_counts
from distil_jax.planning.run_plan import Workload, plan_run
from distil_jax.planning.topologies import find
from distil_jax.training.parallel import AXIS

needs_compiler = pytest.mark.skipif(
    not gpu_compiler.is_installed(),
    reason="the GPU compiler is not installed (pip install -e '.[gpu-plan]')",
)
GPUS = [chip for chip in chips.CHIPS.values() if not chip.is_tpu]


@pytest.mark.parametrize("chip", GPUS, ids=lambda chip: chip.name)
def test_every_gpu_has_a_target_that_is_this_chip(chip: chips.Chip) -> None:
    text = files("distil_jax.planning").joinpath(f"gpu_targets/{chip.name}.txtpb").read_text()
    numbers = {name: float(value) for name, value in re.findall(r"(\w+): ([\d.]+)", text)}
    assert numbers["memory_bandwidth"] == pytest.approx(chip.hbm_bandwidth, rel=0.01)
    assert numbers["device_memory_size"] >= chip.hbm_bytes
    kinds = chips.BY_NAME[chip.name].device_kinds
    assert f'device_description_str: "{kinds[0]}"' in text


def test_without_the_plugin_it_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_compiler, "CUDA_VERSIONS", ("0",))
    assert not gpu_compiler.is_installed()
    with pytest.raises(UserError, match=r"compiled for h100-8; .*pip install -e '\.\[gpu-plan\]'"):
        gpu_compiler.described(find("h100-8"))


@needs_compiler
def test_another_version_than_jaxlib_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxlib.__version__", "0.0.1")
    with pytest.raises(UserError, match=r"is not the GPU compiler of jaxlib 0\.0\.1; .*gpu-plan"):
        gpu_compiler.described(find("h100-8"))


@needs_compiler
@pytest.mark.parametrize(("name", "machines"), [("a100-4", 1), ("2xh100-8", 2), ("h200-16", 2)])
def test_a_sum_over_gpus_that_are_not_here_compiles(name: str, machines: int) -> None:
    topology = find(name)
    devices = compiler.devices(topology, "jit")
    assert devices.count == topology.chips
    assert len({device.process_index for device in devices.devices}) == machines

    def gradient(weights, rows, *, sum_over_devices, device):
        return sum_over_devices(jax.grad(lambda w: (rows @ w).sum())(weights))

    rows = jax.ShapeDtypeStruct(
        (64 * devices.count, 128),
        jnp.bfloat16,
        sharding=NamedSharding(devices.mesh, PartitionSpec(AXIS)),
    )
    weights = jax.ShapeDtypeStruct((128, 128), jnp.bfloat16, sharding=devices.replicated)
    lowered = devices.map(gradient).lower(weights, rows)  # type: ignore[attr-defined]
    compiled = lowered.compile(compiler_options=compiler.options(topology.chip))
    sums = hlo_counts.collectives(hlo.parse(compiled.as_text()))
    assert [(each.operation, each.bytes) for each in sums] == [("all-reduce", 2 * 128 * 128)]


@needs_compiler
@pytest.mark.slow
def test_a_whole_step_compiles(tiny_models, tiny_config: Callable[..., Config]) -> None:
    plan = plan_run(
        tiny_config(**{"precision.compute": "bfloat16"}),
        tiny_models,
        find("h100-8"),
        Workload(32, 100),
        search=False,
    )
    assert plan.compiled
    assert plan.fits
    assert 1.0 <= plan.measured.flops / plan.minimum_flops <= 1.1
    assert plan.measured.traffic_bytes == pytest.approx(sum(plan.measured.traffic.values()))
    assert plan.measured.traffic["attention"] > 0
    assert {each.operation for each in plan.measured.collectives} == {"all-reduce"}
