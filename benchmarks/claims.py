"""DistilBERT's four claims beside this project's students: the table and the figure of README.md.

    python benchmarks/claims.py          # reads docs/claims.json, writes docs/claims.png

docs/claims.json has what the studies measured, and the command of each figure; the table is
printed.
"""

import json
from pathlib import Path

import matplotlib

from distil_jax.report import drawing, paper

DOCS = Path(__file__).parents[1] / "docs"
PANELS = {
    "parameters": "parameters, % of the teacher's",
    "kept": "score kept, % of the teacher's",
    "speed": "times as fast at batch 1, CPU",
    "edge": "megabytes of the model for a phone",
}
"""What each claim is of."""
INCHES = 1.1


def rows(models: list[dict]) -> list[str]:
    """The table's lines."""
    titles = ["", *(model["name"] for model in models), "measured by"]
    lines = [f"| {' | '.join(titles)} |", "|---|" + "---:|" * len(models) + "---|"]
    for claim, title in PANELS.items():
        cells = [model[claim]["text"] for model in models]
        commands = [model[claim]["command"] for model in models if model[claim].get("command")]
        lines.append(f"| {title} | {' | '.join(cells)} | {'; '.join(dict.fromkeys(commands))} |")
    return lines


def draw(models: list[dict]) -> bytes:
    """A panel for each claim, a bar for each model."""
    figure, panels = drawing.rows(len(PANELS), INCHES)
    colours = drawing.colours(model["name"] for model in models)
    with matplotlib.rc_context(drawing.STYLE):
        for axes, (claim, title) in zip(panels, PANELS.items(), strict=True):
            for y, model in enumerate(models):
                value = model[claim]["value"]
                axes.barh(y, value, height=0.8, color=colours[model["name"]])
                drawing.value(axes, value, y, f" {value:g}")
            axes.set_title(title, loc="left")
            axes.set_yticks([])
            axes.set_xlim(0, 1.15 * max(model[claim]["value"] for model in models))
            axes.invert_yaxis()
    drawing.legend(figure, colours)
    return drawing.png(figure)


def published() -> dict:
    """The paper's student."""
    student, teacher = (paper.SIZES_MILLIONS[name] for name in ("DistilBERT", "BERT-base"))
    share = 100 * student / teacher
    kept, size, speed = paper.KEPT_PERCENT, paper.PHONE_MEGABYTES, round(paper.SPEED_RATIO, 2)
    return {
        "name": "DistilBERT, published",
        "parameters": {"value": share, "text": f"{student} of {teacher} M, {share:.0f} %"},
        "kept": {"value": kept, "text": f"{kept} % of GLUE"},
        "speed": {"value": speed, "text": f"{speed}"},
        "edge": {"value": size, "text": f"{size} MB"},
    }


def compared() -> list[dict]:
    """The paper's student and this project's."""
    return [published(), *json.loads((DOCS / "claims.json").read_text())]


def main() -> None:
    models = compared()
    (DOCS / "claims.png").write_bytes(draw(models))
    print("\n".join(rows(models)))


if __name__ == "__main__":
    main()
