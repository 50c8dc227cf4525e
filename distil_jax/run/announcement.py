"""What a run says before its first step: its models, its rows, and what follows from the batch."""

from typing import Any

from distil_jax.data.store import Split
from distil_jax.run.layer_lines import layer_lines
from distil_jax.run.models import Models
from distil_jax.run.setup import Setup
from distil_jax.training.progress import Display


def announce(setup: Setup, display: Display) -> None:
    """Print the models, the rows, and the numbers derived from the global batch."""
    models, shares, devices = setup.models, setup.shares, setup.devices
    if models.stored is not None:
        display.say(_stored_text(setup))
    if models.text_targets is not None:
        table = models.text_targets.table
        display.say(
            f"targets: {table.columns[0].name}s of {len(table.places):,} texts by "
            f"{table.notes['name']}, no teacher in memory; student: "
            f"{models.student.layers} layers"
        )
    if models.others:
        every = ", ".join(f"{name} {weight:.0%}" for name, weight in setup.config.every_teacher)
        display.say(f"teachers, their probabilities averaged: {every}")
    if models.teacher is not None:
        origin = f", from teacher layers {list(models.layers)}" if models.layers else ""
        display.say(
            f"teacher: {setup.config.teacher}, {models.teacher.config.layers} layers; "
            f"student: {models.student.layers} layers{origin}{_width(models)}"
        )
    for line in layer_lines(setup.spec):
        display.say(line)
    data = setup.train_data
    display.say(
        f"data: {data.rows:,} rows of {data.length} tokens, {data.summary.sequences:,} sequences, "
        f"{data.summary.tokens:,} tokens; held out {setup.validation_data.rows:,} rows"
    )
    if both := _in_both(setup.train_data, setup.validation_data):
        display.warn(
            f"{both} is trained on and validated on: held-out figures are not those of new text; "
            "let config.data.validation be other text, or empty (a share of config.data.train)"
        )
    parts = "micro-batch" if shares.micro_batches == 1 else "micro-batches"
    display.say(
        f"steps: {setup.total_steps} of {shares.rows} rows ({shares.device_rows} a device, in "
        f"{shares.micro_batches} {parts} of {shares.micro_rows}) on "
        f"{devices.count} x {devices.devices[0].device_kind} ({devices.mode})"
    )
    if setup.cursor.step == setup.latest:
        display.warn(
            f"the batch is another from step {setup.latest} on: {shares.rows} rows a step, "
            f"{setup.total_steps} steps in all; schedules continue at step {setup.latest} of those"
        )


def _in_both(train: Split, validation: Split) -> str:
    """The name of a text whose documents are in both splits, empty if there is none.

    Of the same text a smaller held-out share is a part of a larger one, so that nothing is in both.
    """
    trained, held_out = train.manifest.settings, validation.manifest.settings
    if held_out.get("heldout", 0) <= trained.get("heldout", 0):
        return ""
    known = [_content(text) for text in trained.get("inputs", [])]
    both = (text for text in held_out.get("inputs", []) if _content(text) in known)
    return next((text["name"] for text in both), "")


def _content(text: dict[str, Any]) -> dict[str, Any]:
    """What tells a text from others; of a file without its name."""
    return {key: text[key] for key in text if key != "name" or "sample_sha256" not in text}


def _width(models: Models) -> str:
    """What a narrower student's sizes are."""
    student, teacher = models.student, models.teacher
    assert teacher is not None
    sizes = [
        (shape.hidden_size, shape.heads, shape.mlp_size) for shape in (student, teacher.config)
    ]
    if sizes[0] == sizes[1]:
        return ""
    return f", {student.hidden_size} wide, {student.heads} heads, mlp {student.mlp_size}"


def _stored_text(setup: Setup) -> str:
    """What stands in the teacher's place."""
    stored = setup.models.stored
    assert stored is not None
    source = stored.source
    top_k = setup.spec.loss.options["soft_target"]["top_k"] or source.config.vocabulary
    parts = [f"hidden states of layers {list(source.layers)}"] if source.layers else []
    if source.projected:
        parts.append(f"queries, keys and values of layers {list(source.projected)}")
    if source.top_k:
        parts.insert(0, f"soft targets of {min(top_k, source.top_k)} tokens")
    return (
        f"targets: {stored.folder}, {' and '.join(parts)}, no teacher in memory; "
        f"student: {setup.models.student.layers} layers"
    )
