"""What a study holds so far, as one JSON file and Markdown tables."""

import json
import statistics
from collections.abc import Set
from pathlib import Path

from study_figure import draw

from distil_jax.report.sections.ablations import MEASURES
from distil_jax.run.model_figures import DISTILLED
from distil_jax.run.variants import Variant

ROLES = {
    "teacher": "teacher",
    "student": "student",
    "cut": "no teacher, equal tokens",
    "scratch": "random start, equal tokens",
    "cut-flops": "no teacher, equal FLOPs",
    "student-second": "student, distilled twice",
}
NOT_AVERAGED = {"mlm", "squad", "imdb"}
"""Beside GLUE's tasks."""
TOKEN_TYPE_TITLES = {
    "unfolded": "positions without the token-type fold",
    "kept": "token types kept",
}


def write_tables(folder: Path, not_averaged: Set[str] = NOT_AVERAGED) -> None:
    """Write study.json and study.md from the result files that are there."""
    scores = {role: _scores(folder / "scores" / role) for role in ROLES}
    content = {
        "scores": {role: tasks for role, tasks in scores.items() if tasks},
        "kept": _kept(scores, not_averaged),
        "ablations": _read(folder / "ablations" / "ablations.json").get("variants", []),
        "token_types": {
            name: models[DISTILLED]
            for name in TOKEN_TYPE_TITLES
            if (models := _read(folder / name / "results.json").get("models", {}))
        },
        "ablation_scores": {
            folder_of.name: _scores(folder_of)
            for folder_of in sorted((folder / "scores" / "ablations").glob("*/"))
        },
        "speed": _read(folder / "speed" / "speed.json"),
        "hours": _hours(folder / "hours.jsonl"),
    }
    (folder / "study.json").write_text(json.dumps(content, indent=2) + "\n")
    (folder / "study.md").write_text(_markdown(content))
    if content["scores"]:
        (folder / "study.png").write_bytes(draw(content["scores"], ROLES))


def _scores(folder: Path) -> dict:
    files = sorted(folder.glob("*/results.json"))
    wanted = ("score", "spread", "metrics", "parameters")
    return {
        file.parent.name: {
            **{name: content[name] for name in wanted},
            "seeds": len(content["seeds"]),
        }
        for file in files
        if (content := json.loads(file.read_text()))
    }


def _kept(scores: dict, not_averaged: Set[str]) -> dict:
    """Each model's mean over the teacher's tasks, and its share of the teacher's mean.

    A model that lacks one of them has no mean.
    """
    tasks = sorted(scores["teacher"].keys() - not_averaged)
    means = {
        role: statistics.mean(by_task[task]["score"] for task in tasks)
        for role, by_task in scores.items()
        if tasks and by_task.keys() >= set(tasks)
    }
    shares = {role: mean / means["teacher"] for role, mean in means.items()}
    return {"tasks": tasks, "means": means, "shares": shares}


def _hours(file: Path) -> dict:
    """Hours in which at least one program ran, and of processor time."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    ended = sorted((line for line in lines if line["status"] is not None), key=_start)
    wall, until = 0.0, 0.0
    for line in ended:
        end = line["started"] + line["seconds"]
        wall += max(0.0, end - max(until, line["started"]))
        until = max(until, end)
    return {"wall": wall / 3600, "processor": sum(line["cpu_seconds"] for line in ended) / 3600}


def _start(line: dict) -> float:
    return line["started"]


def _read(file: Path) -> dict:
    return json.loads(file.read_text()) if file.is_file() else {}


def _markdown(content: dict) -> str:
    scores, retention = content["scores"], content["kept"]
    tasks = sorted({task for by_task in scores.values() for task in by_task})
    averages = [f"mean of {len(retention['tasks'])}", "kept, %"] if retention["tasks"] else []
    titles = ["model", *tasks, *averages]
    lines = [f"| {' | '.join(titles)} |", "|---|" + "---:|" * (len(titles) - 1)]
    for role, by_task in scores.items():
        cells = [ROLES[role], *(_cell(by_task.get(task)) for task in tasks), *[""] * len(averages)]
        if role in retention["means"]:
            cells[-2:] = f"{retention['means'][role]:.1f}", f"{100 * retention['shares'][role]:.1f}"
        lines.append(f"| {' | '.join(cells)} |")
    lines += [*_speed(content["speed"]), *_ablations(content), "", "![](study.png)"]
    return "\n".join(lines) + "\n"


def _speed(speed: dict) -> list[str]:
    if not speed:
        return []
    student, teacher, ratios = speed["student"], speed["teacher"], speed["ratios"]
    return [
        "",
        f"On {speed['device']}, the student is {ratios['batch_1_speed']:.2f} times as fast as its "
        f"teacher on {speed['lengths']['sentences']} sentences one at a time, "
        f"{ratios['batch_32_speed']:.2f} times in batches of 32; it has "
        f"{student['parameters'] / 1e6:.1f} of {teacher['parameters'] / 1e6:.1f} million "
        f"parameters, {100 * ratios['parameters']:.0f} %.",
    ]


def _ablations(content: dict) -> list[str]:
    """A row per variant with the medians over its seeds; the losses are of the run's own rows."""
    rows = {
        variant["name"]: {name: figure["median"] for name, figure in variant["figures"].items()}
        for variant in content["ablations"]
        if "masked_lm" in variant["figures"]
    }
    rows |= {TOKEN_TYPE_TITLES[name]: figures for name, figures in content["token_types"].items()}
    if not rows:
        return []
    folders = {title: name for name, title in TOKEN_TYPE_TITLES.items()}
    scores = {
        name: content["ablation_scores"].get(folders.get(name) or Variant(name, {}).folder, {})
        for name in rows
    }
    tasks = sorted({task for by_task in scores.values() for task in by_task})
    shown = [name for name in MEASURES if all(name in figures for figures in rows.values())]
    titles = [*(MEASURES[name][0] for name in shown), *tasks]
    lines = ["", f"| variant | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    for title, figures in rows.items():
        cells = [f"{MEASURES[name][2] * figures[name]:.{MEASURES[name][1]}f}" for name in shown]
        cells += [_cell(scores[title].get(task)) for task in tasks]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return lines


def _cell(score: dict | None) -> str:
    if score is None:
        return ""
    spread = score["spread"]
    several = f" ({spread['min']:.1f} to {spread['max']:.1f})" if score["seeds"] > 1 else ""
    return f"{score['score']:.1f}{several}"
