"""The command line of `distil_jax.evaluate`."""

import argparse
import difflib
from collections.abc import Callable
from pathlib import Path

from distil_jax import commandline
from distil_jax.commandline import (
    columns,
    length,
    natural,
    number,
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
from distil_jax.tasks.named import EARLIER_TASKS, TASKS, VECTOR_TASKS

DESCRIPTION = "Fine-tune and score a model folder on a task, over several seeds."
LISTED = (*(name for name in TASKS if name not in EARLIER_TASKS), *VECTOR_TASKS)


def parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = commandline.Parser(prog="python -m distil_jax.evaluate", description=DESCRIPTION)
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
    commandline.add_dtype(parser)
    add("--mode", choices=("jit", "pmap"), default="jit", help="how devices are used")
    add("--devices", type=natural, default=0, help="how many; 0: all")
    add("--models", choices=("all", "best"), default="all", help="seeds whose model folder stays")
    _add_fine_tuning(parser.add_argument_group("fine-tuning"))
    _add_masked_lm(parser.add_argument_group("for --task=mlm and --task=causal_lm"))
    vectors = parser.add_argument_group(f"for --task={' and '.join(VECTOR_TASKS)}")
    vectors.add_argument(
        "--dimensions", type=natural, default=0, help="of vectors, their first ones; 0: all"
    )
    vectors.add_argument(
        "--document-model",
        default="",
        help="embeds the documents of a retrieval, as a teacher whose index is kept",
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
    add("--dropout", type=_dropout, help="of hidden states and attention; the model's if left out")
    add(
        "--batch",
        type=positive,
        default=32,
        help="sequences of a step, over all devices; for rerank_margin and rerank_listwise queries",
    )
    add("--micro", type=natural, default=0, help="sequences a device computes at a time; 0: all")
    add(
        "--quantize-from",
        type=share,
        default=1.0,
        help="share of the steps after which the model learns as in int8; 1: none of them",
    )
    add("--patience", type=natural, default=0, help="early stopping: epochs without a better score")
    _add_objectives(add)


def _add_objectives(add: Callable[..., argparse.Action]) -> None:
    """What is learned from a teacher besides the labels."""
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


def _dropout(value: str) -> float:
    return number(value, lambda rate: 0 <= rate < 1, "a rate of at least 0 and below 1")


def _rates(value: str) -> tuple[float, ...]:
    return tuple(positive_number(rate) for rate in value.split(","))


def _weights(value: str) -> dict[str, float]:
    pairs = [pair.partition("=") for pair in value.split(",")]
    if not all(name.strip() and weight for name, _, weight in pairs):
        raise argparse.ArgumentTypeError(f"{value!r} is not NAME=WEIGHT,..., as cosine=1")
    return {name.strip(): positive_number(weight) for name, _, weight in pairs}
