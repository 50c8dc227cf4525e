"""run_plan: figures of a GPU's plan (no compiler needed), advice, workload, shapes by name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.planning import gpu_compiler, tpu_compiler
from distil_jax.planning.model_shapes import KNOWN, model_shapes, shape_of
from distil_jax.planning.plan_text import fit_report, lines, parameters, planned_topology, summary
from distil_jax.planning.run_plan import RunPlan, Workload, plan_run, workload_of
from distil_jax.planning.step_program import step_program
from distil_jax.planning.topologies import find
from distil_jax.run.models import load_models
from distil_jax.training import parallel
from distil_jax.training.student import with_dropout


@pytest.fixture
def plan_for(
    tiny_config: Callable[..., Config], tiny_models, monkeypatch
) -> Callable[..., RunPlan]:
    """A plan of the tiny models for GPUs, counted from shapes."""
    monkeypatch.setenv("DISTIL_JAX_CACHE", "")

    def plan_for(topology: str = "h100-8", compiled: bool = False, **changes: object) -> RunPlan:
        config, workload = tiny_config(**changes), Workload(32, 100)
        return plan_run(
            config, tiny_models, find(topology), workload, search=True, compiled=compiled
        )

    return plan_for


def test_a_small_model_fits_whole(plan_for: Callable[..., RunPlan]) -> None:
    plan = plan_for()
    assert plan.fits
    assert plan.largest_micro_rows == plan.shares.device_rows == 4
    assert not plan.compiled
    assert plan.measured.flops == plan.minimum_flops
    assert fit_report(plan).startswith("it fits")
    text = "\n".join(lines(plan, utilisation=0.5))
    assert "from shapes alone" in text
    assert "3,200" not in text  # rows in all are given as tokens


def test_what_is_not_known_of_a_gpu_is_not_given(plan_for: Callable[..., RunPlan]) -> None:
    plan = plan_for()
    text = "\n".join(lines(plan, utilisation=0.5))
    assert "memory: not known without the chip's compiler" in text
    assert "at most" not in text
    values = plan.as_dict()
    assert (values["traffic_bytes"], values["traffic_by_kind"]) == (None, None)
    assert (values["seconds"]["memory"], values["seconds"]["expected"]) == (None, None)
    assert values["tokens_per_second"] is None


def test_devices_of_this_machine_are_not_asked_for(plan_for: Callable[..., RunPlan]) -> None:
    assert plan_for(**{"parallel.devices": 64}).shares == plan_for().shares


def test_what_goes_between_slices_is_counted(plan_for: Callable[..., RunPlan]) -> None:
    one, two = plan_for("h100-8"), plan_for("2xh100-8")
    assert two.network_bytes > one.network_bytes
    assert plan_for("h100-16").network_bytes == two.network_bytes


def test_hours_follow_from_the_compute_peak(plan_for: Callable[..., RunPlan]) -> None:
    plan = plan_for()
    seconds = 100 * (plan.measured.flops / 989e12 / 0.5 + plan.roofline.network)
    assert plan.hours(0.5) == pytest.approx(seconds / 3600)
    assert plan.hours(0.5) < 2 * plan.hours(1.0)


def test_everything_a_plan_says_is_json(plan_for: Callable[..., RunPlan]) -> None:
    values = json.loads(json.dumps(plan_for().as_dict()))
    assert values["chips"] == 8
    assert values["memory_bytes"]["total"] == pytest.approx(
        sum(v for k, v in values["memory_bytes"].items() if k not in ("total", "available"))
    )


def squeezed(plan: RunPlan, hbm_bytes: float, most: int) -> RunPlan:
    chip = dataclasses.replace(plan.topology.chip, hbm_bytes=hbm_bytes)
    return dataclasses.replace(
        plan,
        topology=dataclasses.replace(plan.topology, chip=chip),
        measured=dataclasses.replace(plan.measured, fits=False),
        largest_micro_rows=most,
    )


def test_what_does_not_fit_is_reported_with_what_to_change(
    plan_for: Callable[..., RunPlan],
) -> None:
    plan = plan_for()
    memory = plan.measured.memory
    assert "set config.batch.micro_size=2" in fit_report(squeezed(plan, memory.total / 2, 2))
    assert "remat=layer" in fit_report(squeezed(plan, memory.total * 0.9, 0))
    assert "fewer config.student.layers" in fit_report(squeezed(plan, memory.fixed * 0.9, 0))
    assert "the teacher alone" in fit_report(squeezed(plan, memory.teacher * 0.9, 0))
    assert all(
        "\n" not in fit_report(squeezed(plan, hbm_bytes, 0)) for hbm_bytes in (1.0, memory.fixed)
    )


def test_a_gpu_that_would_be_nearly_full_needs_a_setting(plan_for: Callable[..., RunPlan]) -> None:
    plan = plan_for()
    assert "MEM_FRACTION" not in fit_report(plan)
    hbm_bytes = plan.measured.memory.total / 0.8
    full = dataclasses.replace(squeezed(plan, hbm_bytes, 4), measured=plan.measured)
    assert "more than the 75% which JAX takes" in fit_report(full)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION=.95" in fit_report(full)


def test_a_batch_that_does_not_divide_is_refused(plan_for: Callable[..., RunPlan]) -> None:
    with pytest.raises(UserError, match=r"config\.batch\.size=36 does not divide by 8"):
        plan_for(**{"batch.size": 36})


def test_without_the_compiler_it_says_what_to_type(plan_for, monkeypatch) -> None:
    monkeypatch.setattr(tpu_compiler, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r"pip install -e '\.\[tpu\]'"):
        plan_for("v4-8", compiled=True)


def test_without_the_gpu_compiler_it_counts_and_says_what_to_type(plan_for, monkeypatch) -> None:
    monkeypatch.setattr(gpu_compiler, "is_installed", lambda: False)
    plan = plan_for("a100-8", compiled=True)
    assert not plan.compiled
    said = next(line for line in lines(plan, utilisation=0.5) if line.startswith("program"))
    assert "not installed" in said
    assert said.endswith("pip install -e '.[gpu-plan]'")


def test_a_header_names_its_topology(plan_for: Callable[..., RunPlan]) -> None:
    said = summary(plan_for())
    assert planned_topology(f"A run.\n\n{said}\n") == "h100-8"
    assert planned_topology("A run without one.") is None


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("bert-base-uncased", 109.5),
        ("google-bert/bert-large-uncased", 335.2),
        ("FacebookAI/xlm-roberta-large", 560.1),
        ("xlm-r-xl", 3482.0),
    ],
)
def test_known_shapes_have_the_published_sizes(name: str, millions: float) -> None:
    # BERT's with its pooler less, and the masked-LM head's dense map more.
    assert parameters(shape_of(name)) / 1e6 == pytest.approx(millions, rel=0.01)


def test_parameters_agree_with_the_model(tiny_program) -> None:
    import jax

    program = tiny_program()
    counted = sum(leaf.size for leaf in jax.tree.leaves(program.state.params))
    assert parameters(program.spec.student.config) == counted


def test_an_unknown_shape_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean bert-large"):
        shape_of("bert-larg")
    assert set(KNOWN) >= {"bert-base", "bert-large", "xlm-r-large", "xlm-r-xl"}


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("initialize", ["teacher", "random"])
def test_a_pair_is_what_a_run_derives(teacher_folder: Path, initialize: str, kept: bool) -> None:
    keys = [
        f"--config.teacher={teacher_folder}",
        "--config.student.layers=first",
        f"--config.student.initialize={initialize}",
        f"--config.student.keep_token_types={kept}",
    ]
    config = config_source.read("base", keys)
    shapes, models = model_shapes(config), load_models(config)
    assert models.teacher is not None
    assert shapes.teacher == models.teacher.config
    assert with_dropout(config, shapes.student) == models.student
    assert shapes.student.token_types == (shapes.teacher.token_types if kept else 0)
    assert shapes.teacher.token_types > 0


def test_work_comes_from_the_rows_that_are_here(rows_folder: Path) -> None:
    from distil_jax.data.store import open_split

    config = config_source.read("base", [f"--config.data.train={rows_folder}"])
    split = open_split(str(rows_folder), "train")
    workload = workload_of(config, None)
    assert workload.length == 32
    assert workload.total_steps == max(1, round(3.0 * split.rows / 256))
    assert workload_of(config, 256 * 128 * 50.0) == Workload(128, 150)


def test_work_without_rows_is_the_papers_corpus() -> None:
    config = config_source.read("tpu_v4", [])
    assert workload_of(config, None) == Workload(512, round(3 * round(4.2e9 / 512) / 4096))
    stepped = config_source.read("tpu_v4", ["--config.total_steps=7"])
    assert workload_of(stepped, None).total_steps == 7


def test_a_model_made_from_nothing_has_the_tokens_of_a_tokenizer_that_is_here() -> None:
    given = ["--config.tokenizer=builtin:teacher", "--config.student.folder="]
    shapes = model_shapes(config_source.read("pretrain_builtin_teacher", given))
    assert (shapes.teacher, shapes.student.vocabulary) == (None, 8192)
    absent = model_shapes(
        config_source.read("pretrain_builtin_teacher", ["--config.tokenizer=a/b"])
    )
    assert absent.student.vocabulary == 30522


def test_a_split_of_prepared_rows_is_planned_as_the_run_opens_it(
    tiny_config: Callable[..., Config], rows_folder: Path
) -> None:
    config = tiny_config()
    workloads = [
        workload_of(
            dataclasses.replace(config, data=dataclasses.replace(config.data, train=name)), None
        )
        for name in (str(rows_folder), str(rows_folder / "train"))
    ]
    assert workloads[0] == workloads[1]
    assert workloads[0].length == 32


def test_an_objective_that_the_models_cannot_learn_is_refused_as_the_run_does() -> None:
    config = config_source.read("distilbert", ["--config.teacher=gpt2"])
    with pytest.raises(UserError, match=r"config\.loss\.masked_lm=2: a model of type gpt2"):
        model_shapes(config)


def test_the_matrix_between_vectors_of_two_widths_is_counted() -> None:
    flags = ["--config.teacher=all-minilm-l6-v2", "--config.student.folder=bert-base"]
    config = config_source.read("embedding", flags)
    models = model_shapes(config)
    devices = parallel.devices(dataclasses.replace(config.parallel, devices=1))
    program = step_program(config, models, devices, length=64, total_steps=10)
    kernel = program.state.params["objectives"]["vector_cosine"]["vectors"]["kernel"]
    assert kernel.shape == (models.student.hidden_size, 384) == (768, 384)
