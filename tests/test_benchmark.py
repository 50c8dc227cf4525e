"""benchmark: a user's own figures of training and inference, and one line for what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import benchmark
from distil_jax.errors import UsageError, UserError
from distil_jax.planning.flops import training_flops
from distil_jax.planning.model_shapes import shape_of
from distil_jax.profiling import timing
from distil_jax.report import page, write
from distil_jax.report.measurements import SPEED, read_speed
from distil_jax.report.report_data import gather


@pytest.fixture(autouse=True)
def _small_matmuls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timing.MATMUL_SIZES, "cpu", 64)


@pytest.fixture
def training(flags: Callable[..., list[str]], tmp_path: Path) -> list[str]:
    """The command line that measures a tiny run's step."""
    keys = [key for key in flags(tmp_path, **{"batch.micro_size": 4}) if "--workdir" not in key]
    return [*keys, "--steps=3"]


@pytest.fixture
def inference(teacher_folder: Path, text_file: Path) -> list[str]:
    model = str(teacher_folder)
    chosen = ["--sentences=3", "--rounds=1", "--length=16"]
    return [f"--model={model}", f"--teacher={model}", f"--input={text_file}", *chosen]


def test_the_step_of_a_config_on_its_rows(training, teacher_folder: Path, capsys) -> None:
    benchmark.main([*training, "--json"])
    found = json.loads(capsys.readouterr().out)["training"]
    assert (found["rows"], found["micro_rows"], found["length"], found["steps"]) == (8, 4, 32, 3)
    # Packed rows are nearly full.
    places = 8 * 32 / found["step_seconds"]
    assert 0.8 * places < found["tokens_per_second"] <= places
    assert 0 <= found["input_wait"] < 1
    teacher = shape_of(str(teacher_folder))
    student = teacher.__class__(**{**vars(teacher), "layers": 2, "token_types": 0})
    said = training_flops(
        teacher, student, length=32, teacher_logits=True, teacher_hidden=True, decoded_share=1.0
    )
    assert found["model_flops_per_token"] == said.total
    assert found["model_flops_per_second"] == pytest.approx(said.total * places)
    rate = found["product_flops_per_second"]
    assert found["share_of_products"] == pytest.approx(said.total * places / rate)
    assert (found["peak_flops_per_second"], found["utilisation"]) == (None, None)
    assert found["program_flops"] >= said.total * 8 * 32
    assert found["traffic_bytes"] == pytest.approx(sum(found["traffic_by_kind"].values()))
    assert found["traffic_by_kind"]["vocabulary losses"] > 0
    assert (found["limit"], found["expected_tokens_per_second"]) == (None, None)
    assert found["memory_of"] == "the process"
    assert found["peak_bytes"] > 1e8


def test_json_stands_alone_where_text_is_prepared_first(
    training, text_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = [f"--config.data.train={text_file}", "--config.batch.length=16"]
    benchmark.main([*training, *text, "--json"])
    said = capsys.readouterr()
    assert json.loads(said.out)["training"]["tokens_per_second"] > 0
    assert "prepared" in said.err


def test_what_was_measured_before_stays(training, inference, tmp_path: Path, capsys) -> None:
    output = [f"--output={tmp_path / 'speed'}"]
    benchmark.main([*inference, *output])
    first = capsys.readouterr().out
    assert first.startswith("inference on 3 sentences")
    assert "times as fast at batch 32" in first
    benchmark.main([*training, *output])
    both = capsys.readouterr().out
    assert "share of the time waiting for rows" in both
    assert "unknown: no peak" in both
    assert "memory traffic of a device's step" in both
    assert both.endswith(first)
    found = read_speed(tmp_path / "speed")
    assert set(found.models) == {"student", "teacher"}
    assert dict(found.training)["tokens/s"]
    files = write.files(page.document(gather([], [], [tmp_path / "speed"]), when="today"))
    markdown = files[write.MARKDOWN].decode()
    assert "| tokens/s |" in markdown
    assert "ms a sentence, batch 1" in markdown


def test_another_model_leaves_nothing_of_the_one_before(
    inference, teacher_folder: Path, tmp_path: Path
) -> None:
    output = f"--output={tmp_path / 'speed'}"
    benchmark.main([*inference, output])
    benchmark.main([one for one in [*inference, output] if "--teacher" not in one])
    found = read_speed(tmp_path / "speed")
    assert (set(found.models), found.ratios) == ({"student"}, {})


def test_exports_of_one_name_have_different_names() -> None:
    assert benchmark._exports(["a/int8", "b/int8", "c/half"]) == {
        "export a/int8": "a/int8",
        "export b/int8": "b/int8",
        "export half": "c/half",
    }


def test_training_alone_makes_a_report(training, tmp_path: Path) -> None:
    benchmark.main([*training, f"--output={tmp_path / 'speed'}"])
    files = write.files(page.document(gather([], [], [tmp_path / "speed"]), when="today"))
    assert "| model FLOPs utilisation |" in files[write.MARKDOWN].decode()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], UsageError, "nothing to measure; give --config=NAME, or --model and --input"),
        (["--model=x"], UsageError, "--model needs sentences"),
        (["--config=base", "--export=x"], UsageError, "measured beside --model; give it"),
        (["--model=x", "--input=y", "--config.seed=1"], UsageError, "--config.seed=1"),
        (["--config=quickstat"], UsageError, "did you mean quickstart"),
        (["--config=base", "--config.sed=1"], UsageError, "did you mean"),
        (["--config=base", "--steps=0"], UsageError, "'0' is not a whole number of at least 1"),
        (["--config=base", "--config.data.train=absent.txt"], UserError, "absent.txt"),
        (["--config=base", "--config.batch.size=9"], UserError, "does not divide"),
        (["--model=builtin:teacher", "--input=absent.txt"], UserError, "absent.txt does not exist"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], error: type, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        benchmark.main(arguments)
    assert "\n" not in str(raised.value)


def test_a_damaged_file_is_named_before_anything_is_measured(training, tmp_path: Path) -> None:
    (tmp_path / SPEED).write_text("{")
    with pytest.raises(UserError, match=r"speed\.json is damaged"):
        benchmark.main([*training, f"--output={tmp_path}"])
    (tmp_path / SPEED).write_text('{"training": {"rows": 3}}')
    with pytest.raises(UserError, match="figures of training"):
        read_speed(tmp_path)
