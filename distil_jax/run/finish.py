"""What a finished run leaves: the student's folder, curves, figures, and the table in the terminal."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from distil_jax.data.store import Split
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained, save
from distil_jax.pretrained.card import model_card
from distil_jax.report import curves, table
from distil_jax.sizing.inference import one_sentence_a_row, sentences_per_second
from distil_jax.tokenizer import save as save_tokenizer
from distil_jax.tokenizer import special_ids
from distil_jax.training.assemble import Models, module
from distil_jax.training.config import Config
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.progress import Display
from distil_jax.training.step import Distillation
from distil_jax.training.workdir import replacing, write_text

TIMED_SENTENCES = 64


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run whose last step is done."""

    config: Config
    workdir: Path
    command: str
    models: Models
    run: Distillation
    total_steps: int
    baseline: dict[str, dict[str, float]]
    train_data: Split
    held_out: Split


def finish(
    done: Finished, params: Params, validate: Callable[[], dict[str, float]], display: Display
) -> None:
    """Export, draw, and print the table; what an earlier call already made is used again."""
    results = _results(done, params, validate)
    folder, picture = done.workdir / "student", done.workdir / "curves.png"
    student = Pretrained(done.models.student, params, "masked_lm", (), done.models.tokenizer)
    save(folder, student, card=_card(done, results))
    lines = read_metrics(done.workdir / "metrics.jsonl")
    curves.draw(
        lines, done.baseline["student, initialised"], picture, title=done.config.teacher or "MLM"
    )
    display.console.print(table.terminal(results))
    if "teacher" in results:
        display.say(_gap(results))
    display.say(f"loss curves: {picture}")
    display.say(f"student: {folder}")


def remember_model(workdir: Path, models: Models) -> None:
    """Keep what exporting a checkpoint needs besides it: the tokenizer."""
    folder = workdir / "tokenizer"
    if not folder.exists():
        with replacing(folder) as draft:
            save_tokenizer(draft, models.tokenizer)


def _results(
    done: Finished, params: Params, validate: Callable[[], dict[str, float]]
) -> dict[str, dict[str, float]]:
    path = done.workdir / "results.json"
    if path.exists():
        found = json.loads(path.read_text())
        if found["total_steps"] == done.total_steps:
            return found["models"]
    results = {**done.baseline, "student, distilled": validate()}
    if done.models.teacher is None:
        results["student, pretrained"] = results.pop("student, distilled")
    shapes = dict.fromkeys(results, params)
    modules = {name: module(done.config, done.models.student, "float32") for name in results}
    if done.models.teacher is not None:
        shapes["teacher"] = done.models.teacher.params
        modules["teacher"] = module(done.config, done.models.teacher.config, "float32")
        results["teacher"] = {**results["teacher"], "agreement": 1.0}
    # Initialised and distilled students are the same program: one of them is timed.
    timed = {name: (modules[name], shapes[name]) for name in results if "initialised" not in name}
    rates = sentences_per_second(timed, _sentences(done))
    last = list(results)[-1]
    results = {
        name: {
            **values,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes[name])),
            "sentences_per_second": rates.get(name, rates[last]),
        }
        for name, values in results.items()
    }
    text = json.dumps({"total_steps": done.total_steps, "models": results}, indent=2)
    write_text(path, text + "\n")
    return results


def _sentences(done: Finished) -> dict[str, Any]:
    rows = done.held_out.gather(range(min(done.held_out.rows, TIMED_SENTENCES)))
    return one_sentence_a_row(
        rows["tokens"],
        rows["segments"],
        sentences=TIMED_SENTENCES,
        pad=special_ids(done.models.tokenizer).pad,
    )


def _gap(results: dict[str, dict[str, float]]) -> str:
    teacher, first, last = (
        results[name]["masked_lm"]
        for name in ("teacher", "student, initialised", "student, distilled")
    )
    if first <= teacher:
        return f"the student began at the teacher's held-out MLM loss or below ({first:.3f})"
    return (
        f"the student closed {(first - last) / (first - teacher):.0%} of the held-out-loss gap "
        "between its initialisation and the teacher"
    )


def _card(done: Finished, results: dict[str, dict[str, float]]) -> str:
    data = done.train_data.summary
    return model_card(
        base_model=hub_name(done.config.teacher),
        recipe={
            **recipe(dataclasses.asdict(done.config)),
            "teacher layers": ", ".join(map(str, done.models.layers)) or "none",
            "optimizer steps": done.total_steps,
        },
        data=f"{done.config.data.train}: {data.sequences:,} sequences, {data.tokens:,} tokens",
        scores={
            f"{name}: {label}": form.format(values[key])
            for name, values in results.items()
            for key, label, form in table.COLUMNS
            if key in values
        },
        command=done.command,
    )


def recipe(config: dict[str, Any]) -> dict[str, Any]:
    """What a model card says of how a student was made."""
    loss = config["loss"]
    return {
        "loss weights (soft target / masked LM / cosine)": " / ".join(
            f"{loss[name]:g}" for name in ("soft_target", "masked_lm", "cosine")
        ),
        "temperature": loss["temperature"],
        "rows per step": config["batch"]["sequences"],
        "learning rate": config["optimizer"]["learning_rate"],
    }


def hub_name(teacher: str) -> str | None:
    """What a card calls the teacher: its hub id, or the name of its folder."""
    if not teacher:
        return None
    if teacher.startswith("builtin:"):
        return f"distil_jax/{teacher.replace(':', '-')}"
    return Path(teacher).resolve().name if Path(teacher).exists() else teacher
