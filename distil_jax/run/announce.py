"""What a run says before it starts: models, data, and how the batch is divided."""

from distil_jax.run.setup import Setup
from distil_jax.training.progress import Display


def announce(setup: Setup, display: Display) -> None:
    """Print the models, the rows, and the numbers derived from the global batch."""
    models, shares, devices = setup.models, setup.shares, setup.devices
    if models.teacher is not None:
        origin = f", from teacher layers {list(models.layers)}" if models.layers else ""
        display.say(
            f"teacher: {setup.config.teacher}, {models.teacher.config.layers} layers; "
            f"student: {models.student.layers} layers{origin}"
        )
    data = setup.train_data
    display.say(
        f"data: {data.rows:,} rows of {data.length} tokens, {data.summary.sequences:,} sequences, "
        f"{data.summary.tokens:,} tokens; held out {setup.held_out.rows:,} rows"
    )
    parts = "micro-batch" if shares.micro_batches == 1 else "micro-batches"
    display.say(
        f"steps: {setup.total_steps} of {shares.rows} rows ({shares.device_rows} a device, in "
        f"{shares.micro_batches} {parts} of {shares.micro_rows}) on "
        f"{devices.count} x {devices.devices[0].device_kind} ({devices.mode})"
    )
