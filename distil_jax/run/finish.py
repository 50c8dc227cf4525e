"""What a finished run leaves: the student's folder, curves, figures, and the table it prints."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from distil_jax.configuration.objective_table import labels, language_loss
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained
from distil_jax.report import json_files, page, results_table, runs, write
from distil_jax.report.measurements import SPEED, read_speed, scores_in_run
from distil_jax.report.report_data import ReportData
from distil_jax.report.sections import loss_curves
from distil_jax.run import expectations, own_files, resource_usage
from distil_jax.run.layer_lines import layer_facts
from distil_jax.run.model_figures import DISTILLED, INITIALISED, TEACHER, Scores, final
from distil_jax.run.setup import Setup
from distil_jax.run.student_card import card
from distil_jax.run.student_folder import save_student
from distil_jax.storage import atomic
from distil_jax.storage.address import basename
from distil_jax.storage.atomic import write_text, writing
from distil_jax.training.metrics_file import read as read_metrics
from distil_jax.training.progress import Display
from distil_jax.training.workdir import Workdir

RESULTS, STUDENT, CURVES = "results.json", "student", "curves.png"
LOSS_TITLES = {"masked_lm": "MLM", "causal_lm": "LM"}
LEAST_GAP_NATS = 0.02
"""A share of a smaller gap between initialisation and teacher would be a share of noise."""


def earlier_results(setup: Setup) -> Scores | None:
    """The figures of a run that finished before, if all that it left is still there."""
    names = (RESULTS, CURVES, write.HTML, expectations.FILE, f"{STUDENT}/model.safetensors")
    left = [setup.folder / name for name in names]
    if not all(path.is_file() for path in left):
        return None
    results = own_files.read(left[0], _check_results)
    if results is None or own_files.read(setup.folder / expectations.FILE, _check_health) is None:
        return None
    return results["models"] if results["total_steps"] == setup.total_steps else None


def _check_results(results: dict[str, Any], path: Path) -> None:
    json_files.part(results, "total_steps", int, path)
    runs.check_models(json_files.part(results, "models", dict, path), path)


def _check_health(report: dict[str, Any], path: Path) -> None:
    json_files.part(report, "seen", dict, path)
    json_files.part(report, "warnings", list, path)


def finish(
    setup: Setup, before: Scores, after: Mapping[str, float | int], params: Params
) -> Scores:
    """Export, draw and measure; the results are written last, as the sign that all is there."""
    scores = final(setup, before, after, params)
    models = setup.models
    save_student(
        setup.folder / STUDENT,
        Pretrained(models.student, params, None, (), models.tokenizer),
        models.vectors,
        card=_card(setup, scores),
    )
    lines = read_metrics(setup.folder / "metrics.jsonl")
    title = setup.config.teacher or "MLM"
    content = {
        "total_steps": setup.total_steps,
        "models": scores,
        "environment": resource_usage.environment(),
        "cost": resource_usage.cost(setup, lines),
        "layers": _layers(setup),
        "teacher_shape": _teacher_shape(setup),
    }
    with writing(setup.folder):
        loss_curves.draw_file(
            lines, before[INITIALISED], labels(), setup.folder / CURVES, title=title
        )
    _write_report(setup, content, before, lines)
    write_text(setup.folder / RESULTS, json.dumps(content, indent=2) + "\n")
    return scores


def _write_report(
    setup: Setup,
    results: Mapping[str, Any],
    before: Scores,
    lines: Sequence[Mapping[str, Any]],
) -> None:
    """report.html, report.md and figures, with the scores and speeds measured here before."""
    workdir = setup.folder
    run = runs.Run(
        name=_run_name(setup.workdir),
        folder=setup.workdir.address,
        config=json.loads(json.dumps(setup.identity)),
        models=results["models"],
        initial=before[INITIALISED],
        lines=lines,
        total_steps=results["total_steps"],
        health=runs.health(workdir),
        objectives=runs.objectives(workdir),
        environment=results["environment"],
        cost=results["cost"],
        layers=results["layers"],
        teacher_shape=results["teacher_shape"],
    )
    measured = workdir / "speed"
    data = ReportData(
        runs=[run],
        scores=scores_in_run(workdir),
        speeds={run.name: read_speed(measured)} if (measured / SPEED).is_file() else {},
    )
    document = page.document(data, when=datetime.now(UTC).strftime("%Y-%m-%d"))
    files = write.files(document)
    with writing(workdir):
        (workdir / write.FIGURES).mkdir(exist_ok=True)
        for name, content in files.items():
            atomic.write_bytes(workdir / name, content)


def _layers(setup: Setup) -> dict[str, str]:
    """Which teacher layer feeds which student layer; empty without a teacher."""
    return layer_facts(setup.spec, setup.models.layers)


def _teacher_shape(setup: Setup) -> dict[str, int]:
    """The teacher's sizes; empty without a teacher."""
    teacher = setup.models.teacher
    if teacher is None:
        return {}
    return {"layers": teacher.config.layers, "hidden_size": teacher.config.hidden_size}


def show(setup: Setup, scores: Scores, display: Display) -> None:
    """Print the table, what it means, and where the results are."""
    display.console.print(results_table.terminal(scores, width=display.console.width))
    if setup.teacher_predicts:
        display.say(_gap(scores))
    display.say(f"peak memory of this process: {resource_usage.peak_bytes() / 1e9:.1f} GB")
    display.say(expectations.summary(setup.workdir))
    display.say(f"loss curves: {setup.workdir.join(CURVES)}")
    display.say(f"report: {setup.workdir.join(write.HTML)}")
    display.say(f"student: {setup.workdir.join(STUDENT)}")


def _gap(scores: Scores) -> str:
    name = language_loss(scores[TEACHER])
    teacher, first, last = (scores[n][name] for n in (TEACHER, INITIALISED, DISTILLED))
    if first - teacher < LEAST_GAP_NATS:
        return (
            f"held-out {LOSS_TITLES[name]} loss: teacher {teacher:.3f}, student {first:.3f} at its "
            f"start and {last:.3f} now; there was no gap to speak of"
        )
    return (
        f"the student closed {(first - last) / (first - teacher):.0%} of the held-out-loss gap "
        "between its initialisation and the teacher"
    )


def _card(setup: Setup, scores: Scores) -> str:
    data = setup.train_data.summary
    recipe: dict[str, Any] = {
        "teacher layers": ", ".join(map(str, setup.models.layers)) or "none",
        "optimizer steps": setup.total_steps,
    }
    return card(
        setup.config,
        recipe=recipe,
        data=f"{setup.config.data.train}: {data.sequences:,} sequences, {data.tokens:,} tokens",
        scores=results_table.by_model(scores),
        command=setup.command,
        head=setup.models.student.language_head,
    )


def _run_name(workdir: Workdir) -> str:
    return workdir.folder.resolve().name if workdir.bucket is None else basename(workdir.address)
