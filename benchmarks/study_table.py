"""What a study holds so far, as one JSON file and Markdown tables."""

import json
import statistics
from pathlib import Path

from study_figure import draw

from distil_jax.report.ablations import MEASURES
from distil_jax.run.scores import DISTILLED

ROLES = {
    "teacher": "teacher",
    "student": "student",
    "cut": "same start, no teacher",
    "scratch": "random start, equal tokens",
    "scratch-flops": "random start, equal FLOPs",
    "student-second": "student, distilled twice",
}


TOKEN_TYPE_TITLES = {
    "unfolded": "positions without the token-type fold",
    "kept": "token types kept",
}


def write_tables(folder: Path) -> None:
    """Write study.json and study.md from the result files that are there."""
    scores = {role: _scores(folder / "scores" / role) for role in ROLES}
    found = {
        "scores": {role: tasks for role, tasks in scores.items() if tasks},
        "retention": _retention(scores["teacher"], scores["student"]),
        "ablations": _read(folder / "ablations" / "ablations.json").get("variants", []),
        "token_types": {
            name: models[DISTILLED]
            for name in TOKEN_TYPE_TITLES
            if (models := _read(folder / name / "results.json").get("models", {}))
        },
        "speed": _read(folder / "speed" / "speed.json"),
        "hours": _hours(folder / "hours.jsonl"),
    }
    (folder / "study.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "study.md").write_text(_markdown(found))
    if found["scores"]:
        (folder / "study.png").write_bytes(draw(found["scores"], ROLES))


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


def _retention(teacher: dict, student: dict) -> dict:
    """The student's mean over the teacher's, on the tasks that both were scored on."""
    shared = sorted((teacher.keys() & student.keys()) - {"mlm", "squad"})
    if not shared:
        return {}
    means = [statistics.mean(one[task]["score"] for task in shared) for one in (teacher, student)]
    return {"tasks": shared, "teacher": means[0], "student": means[1], "share": means[1] / means[0]}


def _hours(file: Path) -> dict:
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return {
        "wall": sum(line["seconds"] for line in lines) / 3600,
        "processor": sum(line["cpu_seconds"] for line in lines) / 3600,
    }


def _read(file: Path) -> dict:
    return json.loads(file.read_text()) if file.is_file() else {}


def _markdown(found: dict) -> str:
    scores = found["scores"]
    tasks = sorted({task for one in scores.values() for task in one})
    lines = [f"| model | {' | '.join(tasks)} |", "|---|" + "---:|" * len(tasks)]
    for role, one in scores.items():
        cells = [_cell(one.get(task)) for task in tasks]
        lines.append(f"| {ROLES[role]} | {' | '.join(cells)} |")
    if kept := found["retention"]:
        lines += [
            "",
            f"Mean of {', '.join(kept['tasks'])}: teacher {kept['teacher']:.1f}, student "
            f"{kept['student']:.1f}, kept {100 * kept['share']:.1f} %.",
        ]
    lines += [*_ablations(found), "", "![](study.png)"]
    return "\n".join(lines) + "\n"


def _ablations(found: dict) -> list[str]:
    """A row per variant with the medians over its seeds; the losses are of the run's own rows."""
    rows = {
        variant["name"]: {name: figure["median"] for name, figure in variant["figures"].items()}
        for variant in found["ablations"]
        if variant["figures"].keys() >= MEASURES.keys()
    }
    rows |= {TOKEN_TYPE_TITLES[name]: figures for name, figures in found["token_types"].items()}
    if not rows:
        return []
    titles = [title for title, _, _ in MEASURES.values()]
    lines = ["", f"| variant | {' | '.join(titles)} |", "|---|" + "---:|" * len(titles)]
    for name, figures in rows.items():
        cells = [
            f"{factor * figures[measure]:.{decimals}f}"
            for measure, (_, decimals, factor) in MEASURES.items()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(score: dict | None) -> str:
    if score is None:
        return ""
    spread = score["spread"]
    several = f" ({spread['min']:.1f} to {spread['max']:.1f})" if score["seeds"] > 1 else ""
    return f"{score['score']:.1f}{several}"
