"""What a comparison of objectives holds so far, as JSON and as a Markdown table."""

import json

from objectives_recipes import RECIPES, SHAPES, TITLES

from distil_jax.run.model_figures import DISTILLED, INITIALISED, TEACHER


def write_tables(comparison):
    """Write objectives.json and objectives.md from the result files that are there."""
    content = {"teacher": _teacher(comparison), "students": _students(comparison)}
    output = comparison.output
    (output / "objectives.json").write_text(json.dumps(content, indent=2) + "\n")
    (output / "objectives.md").write_text(_markdown(content, comparison))


def _students(comparison):
    """A row for each run that has ended."""
    seconds = _seconds(comparison.output / "hours.jsonl")
    rows = []
    for budget in comparison.size.budgets:
        for shape in SHAPES:
            for name in RECIPES:
                student = f"{name}-{shape}-{budget}"
                run = _read(comparison.output / "runs" / student / "results.json")
                if not run:
                    continue
                rows.append(
                    {
                        "recipe": name,
                        "shape": shape,
                        "budget": budget,
                        "steps": comparison.steps(shape, budget, name),
                        "mflops_per_token": comparison.flops(shape, name) / 1e6,
                        "processor_seconds": seconds.get(student),
                        "initial": run["models"][INITIALISED],
                        **run["models"][DISTILLED],
                        "scores": _scores(comparison, student),
                    }
                )
    return rows


def _teacher(comparison):
    """Its figures on the held-out rows, from any run, and its scores."""
    runs = sorted((comparison.output / "runs").glob("*/results.json"))
    held_out = _read(runs[0])["models"].get(TEACHER, {}) if runs else {}
    return {**held_out, "scores": _scores(comparison, "teacher")}


def _scores(comparison, name):
    found = {}
    for task in comparison.tasks:
        content = _read(comparison.output / "scores" / name / task.name / "results.json")
        if content:
            found[task.name] = {
                "score": content["score"],
                "min": content["spread"]["min"],
                "max": content["spread"]["max"],
                "seeds": len(content["seeds"]),
            }
    return found


def _seconds(file):
    """Processor seconds of each run, all its starts together."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    found = {}
    for line in lines:
        workdir = [arg for arg in line["command"] if arg.startswith("--workdir=")]
        if workdir and line["status"] is not None:
            name = workdir[0].rpartition("/")[2]
            found[name] = found.get(name, 0.0) + line["cpu_seconds"]
    return found


def _read(file):
    return json.loads(file.read_text()) if file.is_file() else {}


def _markdown(content, comparison):
    tasks = [task.name for task in comparison.tasks]
    titles = ["recipe", "steps", "MFLOP/token", "seconds", "masked LM", "accuracy", "agreement"]
    lines = []
    for budget in comparison.size.budgets:
        for shape in SHAPES:
            rows = [
                row
                for row in content["students"]
                if (row["shape"], row["budget"]) == (shape, budget)
            ]
            if not rows:
                continue
            lines += ["", f"{TITLES[shape]}, equal {budget}:", ""]
            lines.append(f"| {' | '.join([*titles, *tasks])} |")
            lines.append("|---|" + "---:|" * (len(titles) + len(tasks) - 1))
            lines.append(_row("teacher", content["teacher"], tasks))
            lines.append(_row("before the first step", rows[0]["initial"], tasks))
            lines += [_row(RECIPES[row["recipe"]].title, row, tasks) for row in rows]
    return "\n".join(lines).lstrip() + "\n"


def _row(title, figures, tasks):
    cells = [
        _number(figures.get("steps"), "d"),
        _number(figures.get("mflops_per_token"), ".1f"),
        _number(figures.get("processor_seconds"), ".0f"),
        _number(figures.get("masked_lm"), ".3f"),
        _percent(figures.get("accuracy")),
        _percent(figures.get("agreement")),
        *(_score(figures.get("scores", {}).get(task)) for task in tasks),
    ]
    return f"| {title} | {' | '.join(cells)} |"


def _number(value, form):
    return "" if value is None else format(value, form)


def _percent(value):
    return "" if value is None else f"{100 * value:.1f}"


def _score(score):
    if score is None:
        return ""
    several = f" ({score['min']:.1f} to {score['max']:.1f})" if score["seeds"] > 1 else ""
    return f"{score['score']:.1f}{several}"
