"""The figure of a study: what each model scores on each task, over the seeds."""

import matplotlib

from distil_jax.report import drawing

BAR_INCHES, MARGIN_INCHES = 0.19, 0.35


def draw(scores: dict, titles: dict) -> bytes:
    """A PNG: for each task one bar per model, medians, with a line from the least to the most."""
    tasks = sorted({task for by_task in scores.values() for task in by_task})
    shown = {task: [role for role in scores if task in scores[role]] for task in tasks}
    bars = sum(map(len, shown.values())) + len(tasks)
    figure, axes = drawing.axes(MARGIN_INCHES + BAR_INCHES * bars)
    colours = drawing.colours(scores)
    middles, y = [], 0
    with matplotlib.rc_context(drawing.STYLE):
        for task, roles in shown.items():
            middles.append(y + (len(roles) - 1) / 2)
            for role in roles:
                score = scores[role][task]
                axes.barh(y, score["score"], height=0.85, color=colours[role])
                least, most = score["spread"]["min"], score["spread"]["max"]
                axes.plot([least, most], [y, y], color=drawing.INK, linewidth=1.2)
                end = max(score["score"], most)
                drawing.value(axes, max(end, 0) + 1, y, f"{score['score']:.1f}")
                y += 1
            y += 1
        axes.set_yticks(middles, tasks)
        axes.set_ylim(y - 1, -1)
        drawing.grid(axes, "x")
    drawing.legend(figure, {titles[role]: colour for role, colour in colours.items()})
    return drawing.png(figure)
