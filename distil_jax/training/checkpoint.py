"""Checkpoints: Orbax writes them in the background, digests vouch for them, the best few are kept.

Orbax's CheckpointManager is not used: it commits a step, and deletes the one before, before digests
could be written, so that a kill in between leaves nothing to trust. The layout of the files is in
`checkpoint_folder`, and `checkpoint_bucket` for a `gs://` folder.
"""

import errno
import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from distil_jax.configuration.difference import difference
from distil_jax.distributed.coordination import is_primary
from distil_jax.errors import Diverged, Stopped, UserError
from distil_jax.models.earlier_names import with_current_names, with_earlier_names
from distil_jax.storage import address, atomic
from distil_jax.storage.address import is_url
from distil_jax.training import checkpoint_state, checkpoint_steps
from distil_jax.training.checkpoint_bucket import BucketSteps
from distil_jax.training.checkpoint_folder import FolderSteps
from distil_jax.training.checkpoint_state import State

CLIENTS = ("gcsfs", "google", "aiohttp", "requests")

# Orbax measures with the wall clock, which may be set forward in the middle of a save.
TIMEOUT_SECONDS = 10 * 365 * 24 * 3600


class Checkpoints:
    """One run's checkpoints. Every process makes one and calls the same methods in the same order.

    Args:
        folder: shared by all processes, a path or a `gs://` URL; nothing is made or removed there
            before the first `save`.
        keep: how many of the latest steps stay.
        keep_best: how many of the steps with the best metric stay besides; 0 keeps none for that.
        lower_is_better: how metrics compare.
        before_commit: called in the background before a step appears, by the process that writes.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        keep: int = 3,
        keep_best: int = 1,
        lower_is_better: bool = True,
        before_commit: Callable[[], None] = lambda: None,
    ) -> None:
        if keep < 1 or keep_best < 0:
            raise ValueError(f"keep {keep} must be at least 1 and keep_best {keep_best} at least 0")
        checkpoint_steps.check_path(folder)
        logging.getLogger("absl").addFilter(_not_from_orbax)
        self._files = BucketSteps(str(folder)) if is_url(folder) else FolderSteps(Path(folder))
        self.folder = self._files.address
        self._keep, self._keep_best = keep, keep_best
        self._lower_is_better = lower_is_better
        self._before_commit = before_commit
        self._orbax = ocp.AsyncCheckpointer(
            ocp.StandardCheckpointHandler(),
            # Folders made in the background would be waited for under a timeout of their own.
            async_options=ocp.AsyncOptions(
                timeout_secs=TIMEOUT_SECONDS, create_directories_asynchronously=False
            ),
        )
        self._committing: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._swept = False
        self._vouched: set[int] = set()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # An error of one process alone: the others would not reach the barrier.
        if jax.process_count() == 1 or kind is None or issubclass(kind, Stopped | Diverged):
            self.close()

    def save(
        self, step: int, state: State, *, config: dict[str, Any], metric: float | None = None
    ) -> None:
        """Start writing a step; returns once the state may be donated. A step that is there stays.

        Waits for the save before it. `config` must be JSON's; a step whose metric is None or not
        finite is never among the best.

        Raises:
            UserError: this save, or the one before it, could not be written.
        """
        self.wait()
        if step in self.steps():
            return
        description = checkpoint_state.description(step, state, config, metric)
        try:
            if is_primary():
                self._sweep_once()
                self._files.begin(step, description)
            arrays = ocp.args.StandardSave(checkpoint_state.unshared(state))
            self._orbax.save(self._files.draft(step), args=arrays)
        except Exception as error:
            self._files.discard(step)
            raise _explained(self.folder, error) from error
        self._committing = threading.Thread(target=self._commit, args=(step,))
        self._committing.start()

    def wait(self) -> None:
        """Return when the save under way is complete and its digests are written.

        Raises:
            UserError: it could not be written, for instance because the disk is full.
        """
        if self._committing is not None:
            self._committing.join()
            self._committing = None
            failure, self._failure = self._failure, None
            if failure is not None:
                raise _explained(self.folder, failure) from failure
            _barrier()

    def close(self) -> None:
        """Wait, and give Orbax's threads back."""
        try:
            self.wait()
        finally:
            self._orbax.close()

    def steps(self) -> list[int]:
        """The complete steps, in ascending order; their contents are not looked at."""
        return self._files.present()

    def best(self) -> int | None:
        """The step with the best metric, the first one of equals; None where no step has one."""
        ranked = self._ranked()
        return ranked[0] if ranked else None

    def latest(self) -> int | None:
        """The latest step whose files are what was written; None where there is none.

        A damaged step is named on standard output, set aside, and the one before it is tried.
        """
        self.wait()
        step = checkpoint_steps.latest_intact(self._files) if is_primary() else None
        step = _broadcast_step(step)
        if step is not None:
            self._vouched.add(step)
        return step

    def config(self, step: int) -> dict[str, Any]:
        """The config of the run that wrote a step.

        Raises:
            UserError: the step is not there or is damaged.
        """
        return self._about(step)["config"]

    def restore(self, target: State, step: int | None = None) -> tuple[int, State] | None:
        """The state of `step`, or of the `latest` intact one, after its number; None without any.

        Every leaf comes back as a `jax.Array`, bit for bit, committed to its target's sharding
        (the first device's, if it has none); the devices may be others than those that wrote it.

        Args:
            target: the same tree with arrays or `jax.ShapeDtypeStruct`s for leaves.

        Raises:
            UserError: `step` is not there or is damaged, or another kind of state was saved.
        """
        self.wait()
        chosen = self.latest() if step is None else step
        if chosen is None:
            return None
        abstract = jax.tree.map(checkpoint_state.abstract_leaf, target)
        earlier = with_earlier_names(abstract)
        if self._about(chosen)["leaves"].keys() == checkpoint_state.leaves_of(earlier).keys():
            abstract = earlier
        self._check_leaves(chosen, abstract)
        arguments = ocp.args.StandardRestore(abstract)
        restored = self._orbax.restore(self._files.state(chosen), args=arguments)
        return chosen, with_current_names(restored)

    def restore_part(self, step: int, name: str) -> State:
        """One entry of a step's state, a nested dict of arrays, on the first device.

        It needs no target: an export knows neither the optimizer nor its state.

        Raises:
            UserError: the step is not there or is damaged, or its state has no such entry.
        """
        self.wait()
        saved = self._about(step)["leaves"]
        leaves = {key: leaf for key, leaf in saved.items() if key.startswith(f"{name}/")}
        if not leaves:
            raise UserError(f"{self.where(step)} holds no {name}; it is another run's")
        item = jax.tree.map(checkpoint_state.abstract_leaf, checkpoint_state.nested(leaves))
        arguments = ocp.args.PyTreeRestore(
            item, ocp.checkpoint_utils.construct_restore_args(item), partial_restore=True
        )
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            restored = reader.restore(self._files.state(step), args=arguments)
        return with_current_names(restored)[name]

    def where(self, step: int) -> str:
        """The folder of a step."""
        return f"{self.folder}/{step}"

    def _commit(self, step: int) -> None:
        """In the background: wait for Orbax, show the step, then let go of older ones."""
        try:
            self._orbax.wait_until_finished()
            if is_primary():
                self._before_commit()
                self._files.commit(step)
                kept = {*self.steps()[-self._keep :], *self._ranked()[: self._keep_best]}
                self._files.retire(kept)
        except BaseException as error:
            self._failure = error
            self._files.discard(step)

    def _ranked(self) -> list[int]:
        return checkpoint_steps.ranked(self._files, lower_is_better=self._lower_is_better)

    def _sweep_once(self) -> None:
        if not self._swept:
            self._files.sweep()
            self._swept = True

    def _about(self, step: int) -> dict[str, Any]:
        if step not in self._vouched:
            checkpoint_steps.check_intact(self._files, step)
            self._vouched.add(step)
        about = self._files.about(step)
        if about is None:
            raise UserError(f"{self.where(step)} is not readable; name another step")
        return about

    def _check_leaves(self, step: int, abstract: State) -> None:
        wrong = difference(self._about(step)["leaves"], checkpoint_state.leaves_of(abstract))
        if wrong:
            raise UserError(
                f"{self.where(step)} holds another state ({len(wrong)} arrays: {wrong[0]});"
                " resume it with the config and the version that wrote it, or name another folder"
            )


def _explained(folder: str, failure: BaseException) -> BaseException:
    """A disk's or a store's refusals become a `UserError`; TensorStore gives them by number."""
    if is_url(folder):
        return failure if isinstance(failure, UserError) else _of_store(folder, failure)
    if isinstance(failure, OSError):
        return UserError(atomic.refusal(Path(folder), failure))
    match = re.search(r"os_error_code='(\d+)'", str(failure))
    if match is None and os.strerror(errno.ENOSPC) not in str(failure):
        return failure
    number = int(match[1]) if match else errno.ENOSPC
    return UserError(atomic.refusal(Path(folder), OSError(number, os.strerror(number))))


def _of_store(folder: str, failure: BaseException) -> BaseException:
    """TensorStore's refusals begin with gRPC's names for them, as in PERMISSION_DENIED."""
    match = re.search(r"HTTP response code|[A-Z]+_[A-Z]+: |UNAVAILABLE: ", str(failure))
    client = type(failure).__module__.split(".")[0] in CLIENTS
    if match is None and not client and not isinstance(failure, OSError):
        return failure
    return UserError(address.refusal(folder, failure))


def _barrier() -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("checkpoint committed")


def _broadcast_step(step: int | None) -> int | None:
    if jax.process_count() == 1:
        return step
    chosen = int(multihost_utils.broadcast_one_to_all(np.int32(-1 if step is None else step)))
    return None if chosen < 0 else chosen


def _not_from_orbax(record: logging.LogRecord) -> bool:
    return f"{os.sep}orbax{os.sep}" not in record.pathname
