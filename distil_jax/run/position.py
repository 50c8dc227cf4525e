"""Where in its data a run is: a matter of the step alone until its batch changes."""

from dataclasses import asdict, dataclass
from typing import Any

from distil_jax.configuration.schema import Config
from distil_jax.data.store import Split
from distil_jax.training import assemble


@dataclass(frozen=True)
class Position:
    """After `step` steps `row` rows were read, counted over all epochs; then the batch is one."""

    step: int
    row: int

    def after(self, steps: int, sequences: int) -> int:
        """Rows read after `steps` steps, the later ones with `sequences` rows each."""
        return self.row + (steps - self.step) * sequences


START = Position(step=0, row=0)


def resume(saved: dict[str, Any] | None, step: int, config: Config, data: Split) -> Position:
    """The position of a run that goes on from `step` of what `saved` describes, None: anew.

    Rows of another length are another number of rows: the share of the epoch is kept.
    """
    if saved is None:
        return START
    before = Position(**saved.get("position", asdict(START)))
    size = saved["run"]["batch"]["size"]
    rows = saved.get("rows", {}).get("count", data.rows)
    if (size, rows) == (config.batch.size, data.rows):
        return before
    return Position(step, before.after(step, size) * data.rows // rows)


def total_steps(position: Position, config: Config, data: Split) -> int:
    """Optimizer steps of the whole run, those done with another batch included."""
    if config.total_steps or position == START:
        return assemble.steps(config, data)
    left = config.epochs * data.rows - position.row
    return position.step + max(0, round(left / config.batch.size))


def described(position: Position, data: Split) -> dict[str, Any]:
    """What a checkpoint keeps of it."""
    return {
        "position": asdict(position),
        "rows": {"count": data.rows, "length": data.length},
    }
