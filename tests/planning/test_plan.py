"""plan: figures of a GPU's plan (no compiler needed), advice, work, shapes by name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.errors import UserError
from distil_jax.planning import compiler
from distil_jax.planning.advice import verdict
from distil_jax.planning.known_shapes import KNOWN, shape_of
from distil_jax.planning.pair import pair_of
from distil_jax.planning.plan import Plan, plan
from distil_jax.planning.plan_text import lines, parameters
from distil_jax.planning.summary import planned_topology, summary
from distil_jax.planning.topologies import find
from distil_jax.planning.work import Work, work_of
from distil_jax.training import assemble


@pytest.fixture
def made(tiny_config: Callable[..., Config], tiny_pair, monkeypatch) -> Callable[..., Plan]:
    """A plan of the tiny pair for GPUs, which takes no compiler."""
    monkeypatch.setenv("DISTIL_JAX_CACHE", "")

    def plan_for(topology: str = "h100-8", **changes: object) -> Plan:
        return plan(tiny_config(**changes), tiny_pair, find(topology), Work(32, 100), search=True)

    return plan_for


def test_a_small_model_fits_whole(made: Callable[..., Plan]) -> None:
    found = made()
    assert found.fits
    assert found.largest_micro_rows == found.shares.device_rows == 4
    assert not found.compiled
    assert found.measured.flops == found.minimum_flops
    assert verdict(found).startswith("it fits")
    text = "\n".join(lines(found, utilisation=0.5))
    assert "this jax has no compiler" in text
    assert "3,200" not in text  # rows in all are given as tokens


def test_what_is_not_known_of_a_gpu_is_not_given(made: Callable[..., Plan]) -> None:
    found = made()
    text = "\n".join(lines(found, utilisation=0.5))
    assert "memory: not known without the chip's compiler" in text
    assert "at most" not in text
    values = found.as_dict()
    assert (values["traffic_bytes"], values["seconds"]["memory"]) == (None, None)


def test_devices_of_this_machine_are_not_asked_for(made: Callable[..., Plan]) -> None:
    assert made(**{"parallel.devices": 64}).shares == made().shares


def test_what_goes_between_slices_is_counted(made: Callable[..., Plan]) -> None:
    one, two = made("h100-8"), made("2xh100-8")
    assert two.network_bytes > one.network_bytes
    assert made("h100-16").network_bytes == two.network_bytes


def test_hours_follow_from_the_compute_peak(made: Callable[..., Plan]) -> None:
    found = made()
    seconds = 100 * (found.measured.flops / 989e12 / 0.5 + found.roofline.network)
    assert found.hours(0.5) == pytest.approx(seconds / 3600)
    assert found.hours(0.5) < 2 * found.hours(1.0)


def test_everything_a_plan_says_is_json(made: Callable[..., Plan]) -> None:
    values = json.loads(json.dumps(made().as_dict()))
    assert values["chips"] == 8
    assert values["memory_bytes"]["total"] == pytest.approx(
        sum(v for k, v in values["memory_bytes"].items() if k not in ("total", "available"))
    )


def squeezed(found: Plan, room: float, most: int) -> Plan:
    chip = dataclasses.replace(found.topology.chip, hbm_bytes=room)
    return dataclasses.replace(
        found,
        topology=dataclasses.replace(found.topology, chip=chip),
        measured=dataclasses.replace(found.measured, fits=False),
        largest_micro_rows=most,
    )


def test_what_does_not_fit_is_told_with_what_to_change(made: Callable[..., Plan]) -> None:
    found = made()
    memory = found.measured.memory
    assert "set config.batch.micro=2" in verdict(squeezed(found, memory.total / 2, 2))
    assert "rematerialise=layer" in verdict(squeezed(found, memory.total * 0.9, 0))
    assert "fewer config.student.layers" in verdict(squeezed(found, memory.fixed * 0.9, 0))
    assert "the teacher alone" in verdict(squeezed(found, memory.teacher * 0.9, 0))
    assert all("\n" not in verdict(squeezed(found, room, 0)) for room in (1.0, memory.fixed))


def test_a_gpu_that_would_be_nearly_full_needs_a_setting(made: Callable[..., Plan]) -> None:
    found = made()
    assert "MEM_FRACTION" not in verdict(found)
    room = found.measured.memory.total / 0.8
    full = dataclasses.replace(squeezed(found, room, 4), measured=found.measured)
    assert "more than the 75% which JAX takes" in verdict(full)
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION=.95" in verdict(full)


def test_a_batch_that_does_not_divide_is_refused(made: Callable[..., Plan]) -> None:
    with pytest.raises(UserError, match=r"config\.batch\.sequences=36 does not divide by 8"):
        made(**{"batch.sequences": 36})


def test_without_the_compiler_it_says_what_to_type(made, monkeypatch) -> None:
    monkeypatch.setattr(compiler, "is_installed", lambda: False)
    with pytest.raises(UserError, match=r"pip install -e '\.\[tpu\]'"):
        made("v4-8")


def test_a_header_names_its_topology(made: Callable[..., Plan]) -> None:
    said = summary(made())
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
    assert parameters(program.run.student.config) == counted


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
    pair, models = pair_of(config), assemble.models(config)
    assert models.teacher is not None
    assert pair.teacher == models.teacher.config
    assert assemble.with_dropout(config, pair.student) == models.student
    assert pair.student.token_types == (pair.teacher.token_types if kept else 0)
    assert pair.teacher.token_types > 0


def test_work_comes_from_the_rows_that_are_here(rows_folder: Path) -> None:
    from distil_jax.data.store import open_split

    config = config_source.read("base", [f"--config.data.train={rows_folder}"])
    split = open_split(str(rows_folder), "train")
    work = work_of(config, None)
    assert work.length == 32
    assert work.total_steps == max(1, round(3.0 * split.rows / 256))
    assert work_of(config, 256 * 128 * 50.0) == Work(128, 150)


def test_work_without_rows_is_the_papers_corpus() -> None:
    config = config_source.read("tpu_v4", [])
    assert work_of(config, None) == Work(512, round(3 * round(4.2e9 / 512) / 4096))
    stepped = config_source.read("tpu_v4", ["--config.total_steps=7"])
    assert work_of(stepped, None).total_steps == 7


def test_a_model_made_from_nothing_has_the_tokens_of_a_tokenizer_that_is_here() -> None:
    given = ["--config.tokenizer=builtin:teacher", "--config.student.folder="]
    pair = pair_of(config_source.read("pretrain_builtin_teacher", given))
    assert (pair.teacher, pair.student.vocabulary) == (None, 8192)
    absent = pair_of(config_source.read("pretrain_builtin_teacher", ["--config.tokenizer=a/b"]))
    assert absent.student.vocabulary == 30522


def test_a_split_of_prepared_rows_is_planned_as_the_run_opens_it(
    tiny_config: Callable[..., Config], rows_folder: Path
) -> None:
    config = tiny_config()
    found = [
        work_of(
            dataclasses.replace(config, data=dataclasses.replace(config.data, train=name)), None
        )
        for name in (str(rows_folder), str(rows_folder / "train"))
    ]
    assert found[0] == found[1]
    assert found[0].length == 32
