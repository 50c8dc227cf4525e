"""GPT-2: from a trained tokenizer by prepare, main and evaluate to a student."""

import json
from pathlib import Path

import numpy as np
import pytest

from distil_jax import evaluate, prepare
from distil_jax.errors import UserError
from distil_jax.main import main

pytestmark = pytest.mark.usefixtures("blank_figures")

END = "<|endoftext|>"
LENGTH, STRIDE = 32, 8


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, text_file: Path) -> Path:
    """A random GPT-2 whose tokenizer has one special token, and neither mask nor padding."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        text_file.read_text().splitlines(), vocab_size=300, special_tokens=[END]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token=END, eos_token=END
    )
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=2, n_head=2,
        initializer_range=0.3, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("teacher") / "model"
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, teacher: Path, text_file: Path) -> Path:
    folder = tmp_path_factory.mktemp("rows") / "rows"
    prepare.main(
        [f"--input={text_file}", f"--tokenizer={teacher}", f"--output={folder}",
         f"--length={LENGTH}", "--heldout=0.1"]
    )  # fmt: skip
    return folder


def flags(teacher: Path, rows: Path, workdir: Path, **changes: object) -> list[str]:
    values: dict[str, object] = {
        "teacher": teacher, "data.train": rows, "batch.size": 8, "batch.micro_size": 4,
        "total_steps": 4, "student.layers": "first", "log.tensorboard": False,
        "loss.masked_lm": 0, "loss.causal_lm": 2, "parallel.devices": 1,
    }  # fmt: skip
    keys = [f"--config.{key}={value}" for key, value in (values | changes).items()]
    return ["--config=base", f"--workdir={workdir}", *keys]


@pytest.mark.slow
def test_a_student_of_gpt2_has_the_perplexity_that_transformers_finds(
    teacher: Path, rows: Path, text_file: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    main(flags(teacher, rows, tmp_path / "run"))
    student, scores = tmp_path / "run" / "student", tmp_path / "scores"
    results = json.loads((tmp_path / "run" / "results.json").read_text())["models"]
    assert all(
        "causal_lm" in figures and "masked_lm" not in figures for figures in results.values()
    )
    evaluate.main(
        [f"--model={student}", f"--teacher={teacher}", "--task=causal_lm", f"--data={text_file}",
         f"--output={scores}", f"--length={LENGTH}", f"--stride={STRIDE}", "--rows=6"]
    )  # fmt: skip
    metrics = json.loads((scores / "results.json").read_text())["metrics"]
    model, report = AutoModelForCausalLM.from_pretrained(student, output_loading_info=True)
    assert not any(report.values()), report
    tokenizer = AutoTokenizer.from_pretrained(student)
    ids: list[int] = []
    for line in text_file.read_text().splitlines():
        ids += [*tokenizer(line)["input_ids"], tokenizer.eos_token_id]
    step = LENGTH - STRIDE
    ids = ids[: 6 * step + STRIDE]
    total, count = 0.0, 0
    for start in range(0, len(ids) - STRIDE, step):
        part = torch.tensor([ids[start : start + LENGTH]])
        labels = part.clone()
        labels[:, : STRIDE if start else 0] = -100
        predicted = int((labels[:, 1:] != -100).sum())
        with torch.no_grad():
            total += float(model(input_ids=part, labels=labels).loss) * predicted
        count += predicted
    assert metrics["tokens"] == count == len(ids) - 1
    np.testing.assert_allclose(metrics["causal_lm"], total / count, atol=1e-4)


def test_an_objective_of_masked_tokens_is_refused(
    teacher: Path, rows: Path, tmp_path: Path
) -> None:
    from distil_jax.configuration import source
    from distil_jax.run.models import load_models

    masked = source.read("base", flags(teacher, rows, tmp_path, **{"loss.masked_lm": 1})[2:])
    with pytest.raises(
        UserError, match="masked_lm=1: a model of type gpt2 predicts each next token; set"
    ):
        load_models(masked)
    targets_alone = flags(teacher, rows, tmp_path, **{"loss.causal_lm": 0})[2:]
    assert load_models(source.read("base", targets_alone)).student.block.causal


def test_a_masked_model_refuses_next_tokens_and_a_tokenizer_without_a_mask(
    teacher: Path, teacher_folder: Path, rows: Path, rows_folder: Path, tmp_path: Path
) -> None:
    from distil_jax.configuration import source
    from distil_jax.run.models import load_models

    both = flags(teacher_folder, rows_folder, tmp_path, **{"loss.masked_lm": 1})
    with pytest.raises(
        UserError, match="causal_lm=2: a model of type distilbert predicts masked tokens"
    ):
        load_models(source.read("base", both[2:]))
    masked = flags(teacher_folder, rows, tmp_path, **{"loss.causal_lm": 0, "tokenizer": teacher})
    with pytest.raises(UserError, match="has no mask token, which masked language modelling needs"):
        load_models(source.read("base", masked[2:]))
