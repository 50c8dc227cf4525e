"""Where in its data a run is: a matter of the step alone until its batch changes."""

from dataclasses import asdict, dataclass
from typing import Any

from distil_jax.configuration.schema import Config
from distil_jax.data.store import Split


@dataclass(frozen=True)
class DataCursor:
    """After `step` steps `row` rows were read, counted over all epochs; then the batch is one."""

    step: int
    row: int

    def after(self, steps: int, sequences: int) -> int:
        """Rows read after `steps` steps, the later ones with `sequences` rows each."""
        return self.row + (steps - self.step) * sequences


START = DataCursor(step=0, row=0)


def resume(saved: dict[str, Any] | None, step: int, config: Config, data: Split) -> DataCursor:
    """The cursor of a run that resumes from `step` of what `saved` describes, None: a new run.

    Rows of another length are another number of rows: the share of the epoch is kept.
    """
    if saved is None:
        return START
    before = DataCursor(**saved.get("position", asdict(START)))
    size = saved["run"]["batch"]["size"]
    rows = saved.get("rows", {}).get("count", data.rows)
    if (size, rows) == (config.batch.size, data.rows):
        return before
    return DataCursor(step, before.after(step, size) * data.rows // rows)


def total_steps(cursor: DataCursor, config: Config, data: Split) -> int:
    """Optimizer steps of the whole run, those done with another batch included."""
    if config.total_steps or cursor == START:
        return config.total_steps or max(1, round(config.epochs * data.rows / config.batch.size))
    left = config.epochs * data.rows - cursor.row
    return cursor.step + max(0, round(left / config.batch.size))


def described(cursor: DataCursor, data: Split) -> dict[str, Any]:
    """What a checkpoint keeps of it."""
    return {
        "position": asdict(cursor),
        "rows": {"count": data.rows, "length": data.length},
    }
