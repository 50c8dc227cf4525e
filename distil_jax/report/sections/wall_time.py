"""Where the wall time of a run went."""

from distil_jax.report import amount
from distil_jax.report.document import Block, Table, Text
from distil_jax.report.report_data import ReportData
from distil_jax.report.runs import Run

KINDS = {
    "steps": "training steps",
    "compile": "compiling",
    "input": "waiting for data",
    "checkpoint": "saving checkpoints",
    "validation": "validation",
    "start": "start, until the first step",
    "restart": "restarts: steps done again, and starting again",
}


def blocks(data: ReportData) -> list[Block]:
    """Seconds and share of each kind, of every run that logged them."""
    runs = [run for run in data.runs if _seconds(run)]
    if not runs:
        return []
    rows = [
        [label, *(cell for run in runs for cell in _cells(run, kind))]
        for kind, label in KINDS.items()
    ]
    head = ["where the time went", *(label for run in runs for label in _head(data, run))]
    shares = [
        f"{data.of(run, 'Steps took')} {amount.percent(run.lines[-1]['goodput'])} of the time, "
        f"{amount.counted(run.lines[-1].get('restarts', 0), 'restart')}, "
        f"{amount.counted(run.lines[-1].get('lost_steps', 0), 'step')} done twice"
        for run in runs
    ]
    note = (
        ". Wall time of all attempts, up to the last logged step of each; the time in between, "
        "when nothing ran, is not counted."
    )
    return [Table("Wall time by kind", head, rows), Text(f"{'; '.join(shares)}{note}")]


def _seconds(run: Run) -> dict[str, float]:
    last = run.lines[-1] if run.lines else {}
    if "goodput" not in last:
        return {}
    return {kind: float(last.get(f"{kind}_seconds", 0.0)) for kind in KINDS}


def _cells(run: Run, kind: str) -> list[str]:
    seconds = _seconds(run)
    share = seconds[kind] / max(sum(seconds.values()), 1e-9)
    return [f"{seconds[kind]:,.1f}", amount.percent(share)]


def _head(data: ReportData, run: Run) -> list[str]:
    return [data.of(run, "seconds"), data.of(run, "share")]
