"""This process's share of a run's batches."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from distil_jax.data import loader
from distil_jax.run.setup import Setup


def training_batches(setup: Setup, first_step: int) -> Iterator[Any]:
    """Training batches from the one after `first_step` steps on, for ever."""
    return loader.training_batches(
        setup.train_data,
        batch=setup.shares.rows,
        seed=setup.config.seed,
        start_step=first_step - setup.cursor.step,
        first_row=setup.cursor.row,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def held_out_batches(setup: Setup) -> Callable[[], Iterator[Any]]:
    """A function that goes through all held-out rows once."""
    devices = setup.devices.count
    rows = setup.config.eval.batch_size or setup.shares.micro_rows * devices

    def batches() -> Iterator[Any]:
        return loader.validation_batches(
            setup.held_out,
            batch=-(-rows // devices) * devices,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    return batches
