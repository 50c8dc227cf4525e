"""Fine-tune and score a model folder on a task, over several seeds."""

import argparse
import dataclasses
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distil_jax import commandline, huge_pages
from distil_jax.commandline import (
    columns,
    length,
    natural,
    positive,
    positive_number,
    share,
    size,
)
from distil_jax.configuration.flags import (
    ObjectiveOptions,
    candidate_labels,
    hypothesis_template,
    objective_option,
)
from distil_jax.configuration.optimizer_table import OPTIMIZERS, SCHEDULES
from distil_jax.errors import UsageError
from distil_jax.tasks.named import EARLIER_TASKS, TASKS, VECTOR_TASKS

LISTED = (*(name for name in TASKS if name not in EARLIER_TASKS), *VECTOR_TASKS)

if TYPE_CHECKING:
    from distil_jax.evaluation.masked_lm_scores import MaskedLMSettings
    from distil_jax.evaluation.settings import Settings


def main(arguments: list[str]) -> None:
    """Parse the flags and evaluate."""
    flags = parse(arguments)
    command = " ".join(["python -m distil_jax.evaluate", *arguments])
    from distil_jax.exporting.onnx_folder import is_onnx
    from distil_jax.run.compilation import keep_compiled

    if flags.task in VECTOR_TASKS:
        _evaluate_vectors(flags)
        return
    if flags.dimensions:
        raise UsageError(f"--dimensions goes with --task={' or '.join(VECTOR_TASKS)} (see --help)")
    if is_onnx(flags.model):
        _evaluate_export(flags)
        return
    if flags.card:
        raise UsageError("--card goes with an ONNX export as --model (see --help)")
    if TASKS[flags.task].on_text:
        keep_compiled()
        SCORE_TEXT[flags.task](flags)
        return
    from distil_jax.evaluation.evaluation import evaluate

    keep_compiled()
    from distil_jax.report.sections.loss_curves import draw_file

    def draw(lines: Any, titles: Any, path: Path) -> None:
        draw_file(lines, {}, titles, path, title=f"{flags.model}, {flags.task}")

    evaluate(_settings(flags), command, draw)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags of a command line; raises `UsageError`."""
    return parser().parse_args(arguments)


def _evaluate_vectors(flags: argparse.Namespace) -> None:
    """A sentence model is scored as it is."""
    from distil_jax.run.compilation import keep_compiled

    if flags.epochs:
        raise UsageError(f"--task={flags.task} scores a model as it is; leave --epochs out")
    from distil_jax.evaluation import vector_scores
    from distil_jax.exporting.layout import graph_file, model_folder
    from distil_jax.exporting.onnx_embedder import open_any_embedder
    from distil_jax.exporting.onnx_folder import is_onnx

    if flags.card and not is_onnx(flags.model):
        raise UsageError("--card goes with an ONNX export as --model (see --help)")
    keep_compiled()

    given = {split: getattr(flags, split) for split in ("train", "validation", "test")}
    splits = {split: path for split, path in given.items() if path}
    settings = vector_scores.VectorSettings(
        given=splits, **_of_fields(vector_scores.VectorSettings, flags)
    )
    results = vector_scores.evaluate(settings, open_any_embedder)
    if flags.card:
        from distil_jax.exporting.onnx_card import add_scores

        add_scores(model_folder(graph_file(Path(flags.model))), results)


def _evaluate_export(flags: argparse.Namespace) -> None:
    """An export is scored as it is."""
    from distil_jax.exporting import scoring

    if flags.epochs:
        raise UsageError("an ONNX export cannot be fine-tuned; leave --epochs out (see --help)")
    if flags.task == "causal_lm":
        raise UsageError(
            "--task=causal_lm scores model folders; give the one that the export was made from"
        )
    if TASKS[flags.task].on_text:
        scoring.evaluate_masked(_text_settings(flags), card=flags.card)
    else:
        scoring.evaluate(_settings(flags), card=flags.card)


def _settings(flags: argparse.Namespace) -> "Settings":
    from distil_jax.evaluation.settings import Settings

    given = {split: getattr(flags, split) for split in ("train", "validation", "test")}
    scored = TASKS[flags.task].validation[0]
    if scored == "test" and flags.validation and flags.test:
        raise UsageError(
            f"{flags.task} is scored on its test split: give --validation or --test, not both"
        )
    names = {"train": "train", "validation": scored}
    splits = {names.get(split, split): path for split, path in given.items() if path}
    return Settings(given=splits, **_of_fields(Settings, flags))


def _of_fields(kind: Any, flags: argparse.Namespace) -> dict[str, Any]:
    """The flags that are fields of these settings."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in vars(flags).items() if name in names}


def _score_masked(flags: argparse.Namespace) -> None:
    from distil_jax.evaluation import masked_lm_scores

    masked_lm_scores.evaluate(_text_settings(flags))


def _score_causal(flags: argparse.Namespace) -> None:
    from distil_jax.evaluation.causal_lm_scores import CausalLMSettings, evaluate

    evaluate(CausalLMSettings(**_of_text(flags), stride=flags.stride))


SCORE_TEXT = {"mlm": _score_masked, "causal_lm": _score_causal}
"""How a model's predictions of plain text are scored."""


def _text_settings(flags: argparse.Namespace) -> "MaskedLMSettings":
    from distil_jax.evaluation.masked_lm_scores import MaskedLMSettings

    return MaskedLMSettings(**_of_text(flags), seed=flags.seed)


def _of_text(flags: argparse.Namespace) -> dict[str, Any]:
    if not flags.data:
        raise UsageError(f"--task={flags.task} needs --data, the text to predict (see --help)")
    return {
        "model": flags.model,
        "teacher": flags.teacher,
        "data": flags.data,
        "output": flags.output,
        "column": flags.columns[0] if flags.columns else "text",
        "document": flags.document,
        "length": flags.length,
        "rows": flags.rows,
    }


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.evaluate", description=__doc__)
    add = parser.add_argument
    add("--model", required=True, help="model folder, ONNX folder, hub id or builtin:teacher")
    add(
        "--task",
        required=True,
        type=_task,
        metavar="TASK",
        help=f"a task by name, or the kind of your own: {', '.join(LISTED)}",
    )
    add(
        "--data",
        default="",
        help="folder of the splits, or hub id; text files for mlm and causal_lm",
    )
    add("--output", type=commandline.folder, required=True, help="folder of the results")
    add("--teacher", default="", help="folder fine-tuned on the task: distil it")
    add("--card", action="store_true", help="write an ONNX export's scores into its model card too")
    for split in ("train", "validation", "test"):
        add(f"--{split}", type=Path, help=f"file of the {split} split, in place of the folder's")
    add("--columns", type=columns, default=(), help="column of the text, or the pair's: a,b")
    add("--label", default="", help="column of the label; multilabel: of the list, or A,B,C")
    add("--length", type=length, help="most tokens of a sequence; the task's if left out")
    add("--stride", type=natural, default=128, help="tokens that neighbouring windows share")
    add("--dtype", choices=("float32", "bfloat16"), default="float32", help="of the products")
    add("--mode", choices=("jit", "pmap"), default="jit", help="how devices are used")
    add("--devices", type=natural, default=0, help="how many; 0: all")
    add("--models", choices=("all", "best"), default="all", help="seeds whose model folder stays")
    _add_fine_tuning(parser.add_argument_group("fine-tuning"))
    _add_masked_lm(parser.add_argument_group("for --task=mlm and --task=causal_lm"))
    vectors = parser.add_argument_group(f"for --task={' and '.join(VECTOR_TASKS)}")
    vectors.add_argument(
        "--dimensions", type=natural, default=0, help="of vectors, their first ones; 0: all"
    )
    return parser


def _add_fine_tuning(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--seeds",
        type=positive,
        default=5,
        help="how many, from 0; more are kept where more are finished",
    )
    add("--epochs", type=natural, help="0: score the model as it is; the task's own if left out")
    add(
        "--learning-rate",
        dest="learning_rates",
        type=_rates,
        default=(5e-5,),
        help="a list a,b,c is a grid: seed 0 picks",
    )
    add("--optimizer", choices=tuple(OPTIMIZERS), default="adamw", help="as config.optimizer.name")
    add("--schedule", choices=tuple(SCHEDULES), default="linear", help="of the learning rate")
    add("--warmup", type=share, default=0.1, help="share of the steps")
    add("--decay", type=share, default=0.2, help="share of the steps, the last, for wsd")
    add("--weight-decay", type=size, default=0.0, help="times the rate")
    add("--clip", type=size, default=1.0, help="largest norm of the gradient; 0: none")
    add("--batch", type=positive, default=32, help="sequences of a step, over all devices")
    add("--micro", type=natural, default=0, help="sequences a device computes at a time; 0: all")
    add("--patience", type=natural, default=0, help="early stopping: epochs without a better score")
    add("--alpha", type=share, default=0.5, help="weight of the teacher; the labels have the rest")
    add(
        "--objectives",
        type=_weights,
        default={},
        metavar="NAME=WEIGHT,...",
        help="further objectives that compare hidden states with the teacher's, as cosine=1",
    )
    add(
        "--option",
        dest="options",
        type=objective_option,
        action=ObjectiveOptions,
        default={},
        metavar="NAME.KEY=VALUE",
        help="an option of an objective, as config.loss.options has them; repeatable",
    )
    add(
        "--task-weight",
        type=size,
        default=1.0,
        help="of labels and teacher's outputs together; 0: objectives alone (TinyBERT, stage 1)",
    )
    add("--unlabelled", default="", help="file of texts that only the teacher judges")
    add("--targets", default="", help="folder that keeps the teacher's outputs by text, shared")
    add(
        "--candidate-labels",
        type=candidate_labels,
        default={},
        metavar="NAME[=WORDS],...",
        help="labels that --teacher, a model of natural-language inference, judges by their names",
    )
    add(
        "--hypothesis-template",
        type=hypothesis_template,
        default="",
        help="sentence of such a label, {} being its words; 'This example is {}.' if left out",
    )
    add("--temperature", type=positive_number, default=2.0, help="of the teacher's distributions")


def _add_masked_lm(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--document", choices=("line", "block"), default="line", help="of text files")
    add("--rows", type=natural, default=0, help="about how many rows to predict; 0: all")
    add("--seed", type=natural, default=0, help="of the masks")


def _task(value: str) -> str:
    if value not in (*TASKS, *VECTOR_TASKS):
        nearest = difflib.get_close_matches(value, LISTED, n=1)
        meant = f"; did you mean {nearest[0]}?" if nearest else f"; there are {', '.join(LISTED)}"
        raise argparse.ArgumentTypeError(f"{value!r} is not a task{meant}")
    return value


def _rates(value: str) -> tuple[float, ...]:
    return tuple(positive_number(rate) for rate in value.split(","))


def _weights(value: str) -> dict[str, float]:
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(name.strip() and weight for name, _, weight in pairs):
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME=WEIGHT,..., as cosine=1")
    return {name.strip(): positive_number(weight) for name, _, weight in pairs}


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
