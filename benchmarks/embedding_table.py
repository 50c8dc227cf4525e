"""What a study of sentence embeddings holds so far, as JSON and as Markdown tables."""

import json
from pathlib import Path

import embedding_texts
import numpy as np

VALIDATION = {"STS-B": "glue/stsb", "SICK": "sts/sick", "long": ""}
TEST = {"STS-B": "glue/stsb", "SICK": "sts/sick", "Cranfield": "retrieval/cranfield"}

OWN = ("teacher", "start", "student", "contrast", "states", "int8")
"""The models of each study; further ones have other names."""


def folder_of(name):
    return name.replace(" ", "-")


def kept(output, name):
    """The mean share of the teacher's three validation scores."""
    return float(
        np.mean(
            [
                read(output, "validation", name, task) / read(output, "validation", "teacher", task)
                for task in VALIDATION
            ]
        )
    )


def read(output, split, name, task):
    """A score, or None."""
    file = output / split / name / task / "results.json"
    return json.loads(file.read_text())["score"] if file.is_file() else None


def write_tables(flags, settings):
    """Write embedding.json and embedding.md from the result files that are there."""
    output = flags.output
    compared = {
        name: {
            task: read(output, "validation", f"compared/{folder_of(name)}", task)
            for task in VALIDATION
        }
        for name in settings
    }
    teacher = {task: read(output, "validation", "teacher", task) for task in VALIDATION}
    names = [*OWN, *(Path(one).name for one in flags.other)]
    tests = {name: {task: read(output, "test", name, task) for task in TEST} for name in names}
    contrasts = {name: contradiction_cosine(output, flags.data, name) for name in names}
    content = {
        "validation": {"teacher": teacher, **compared},
        "test": tests,
        "contradictions": contrasts,
    }
    (output / "embedding.json").write_text(json.dumps(content, indent=1) + "\n")
    lines = table({"teacher": teacher, **compared}, teacher, VALIDATION)
    lines += ["", *table(tests, tests["teacher"], TEST, {"contradictions' cosine": contrasts})]
    (output / "embedding.md").write_text("\n".join(lines) + "\n")


def contradiction_cosine(output, data, name):
    file = output / "test" / name / "SICK" / "predictions.jsonl"
    if not file.is_file():
        return None
    cosines = [json.loads(line)["cosine"] for line in file.read_text().splitlines()]
    found = [cosines[place] for place in embedding_texts.contradictions(data)]
    return float(np.mean(found)) if found else None


def table(rows, teacher, tasks, further=None):
    """Scores and the share of the teacher's that is kept; what is not there is left empty."""
    columns = [*tasks, *(further or {})]
    lines = ["| x 100 | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, scores in rows.items():
        cells = []
        for task in tasks:
            value, whole = scores[task], teacher[task]
            share = f" ({value / whole:.1%})" if value and whole else ""
            cells.append("" if value is None else f"{value:.1f}{share}")
        for values in (further or {}).values():
            cells.append("" if values[name] is None else f"{values[name]:.2f}")
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
