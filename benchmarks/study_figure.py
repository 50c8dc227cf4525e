"""The figure of a study: what each model scores on each task, over the seeds."""

import matplotlib

from distil_jax.report import drawing

BAR = 0.8


def draw(scores: dict, titles: dict) -> bytes:
    """A PNG: for each task one bar per model, medians, with a line from the least to the most."""
    tasks = sorted({task for one in scores.values() for task in one})
    figure, axes = drawing.axes(0.35 + 0.19 * (1 + len(scores)) * len(tasks))
    colours = drawing.colours(scores)
    with matplotlib.rc_context(drawing.STYLE):
        for place, task in enumerate(tasks):
            shown = [role for role in scores if task in scores[role]]
            height = BAR / len(scores)
            for number, role in enumerate(shown):
                score = scores[role][task]
                y = place + (number - (len(shown) - 1) / 2) * height
                axes.barh(y, score["score"], height=0.85 * height, color=colours[role])
                least, most = score["spread"]["min"], score["spread"]["max"]
                axes.plot([least, most], [y, y], color=drawing.INK, linewidth=1.2)
                end = max(score["score"], most)
                drawing.value(axes, max(end, 0) + 1, y, f"{score['score']:.1f}")
        axes.set_yticks(range(len(tasks)), tasks)
        axes.invert_yaxis()
        drawing.grid(axes, "x")
    drawing.legend(figure, {titles[role]: colour for role, colour in colours.items()})
    return drawing.png(figure)
