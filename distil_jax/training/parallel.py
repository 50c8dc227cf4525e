"""Data parallelism: one body of per-device code under one named axis, as jit(shard_map) or pmap."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from distil_jax.configuration.schema import Config, Parallel
from distil_jax.errors import UserError

AXIS = "data"


@dataclass(frozen=True)
class Devices:
    """The devices of a run and how a function is mapped over them.

    Attributes:
      mode: jit or pmap.
      devices: all of the run's devices, those of other processes included.
    """

    mode: str
    devices: tuple[jax.Device, ...]

    @property
    def mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (AXIS,))

    @property
    def count(self) -> int:
        return len(self.devices)

    def map(self, body: Callable[..., Any], *, donate: bool = False) -> Callable[..., Any]:
        """`body(*replicated, batch, sum_over_devices=, device=)` over all devices.

        The last positional argument is split along its first axis, the others are the same
        everywhere, and so must the results be. `donate` gives up the first argument's memory.
        """

        def per_device(*arguments: Any) -> Any:
            return body(
                *arguments,
                sum_over_devices=partial(jax.lax.psum, axis_name=AXIS),
                device=jax.lax.axis_index(AXIS),
            )

        return {"jit": self._jit, "pmap": self._pmap}[self.mode](per_device, donate)

    def split(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        """This process's rows of a global batch, on its devices."""
        sharding = NamedSharding(self.mesh, PartitionSpec(AXIS))
        local = sum(device.process_index == jax.process_index() for device in self.devices)

        def put(rows: np.ndarray) -> jax.Array:
            if self.mode == "pmap":
                rows = rows.reshape(local, -1, *rows.shape[1:])
            with jax.transfer_guard("allow"):  # over several processes it counts as implicit
                return jax.make_array_from_process_local_data(sharding, rows)

        return {name: put(rows) for name, rows in batch.items()}

    def replicate(self, tree: Any) -> Any:
        """The same values on every device; every process gives them."""
        if jax.process_count() == 1:
            return jax.device_put(tree, self.replicated)
        return jax.tree.map(self._everywhere, tree)

    def joined(self, tree: Any) -> Any:
        """What `map` returned, as arrays over all processes: pmap's are this process's alone."""
        if jax.process_count() == 1 or self.mode != "pmap":
            return tree

        def join(leaf: jax.Array) -> jax.Array:
            if not leaf.is_fully_addressable:
                return leaf
            copies = [shard.data for shard in leaf.addressable_shards]
            return jax.make_array_from_single_device_arrays(leaf.shape, self.replicated, copies)

        return jax.tree.map(join, tree)

    def _everywhere(self, leaf: Any) -> jax.Array:
        """As `device_put`, which would first compare the values between all processes."""
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return leaf
        local = [device for device in self.devices if device.process_index == jax.process_index()]
        # Through the host: copies that share no memory, so that each may be given up.
        copies = [jax.device_put(np.array(leaf), device) for device in local]
        return jax.make_array_from_single_device_arrays(np.shape(leaf), self.replicated, copies)

    @property
    def replicated(self) -> NamedSharding:
        return NamedSharding(self.mesh, PartitionSpec())

    def _jit(self, body: Callable[..., Any], donate: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            specs = (PartitionSpec(),) * (len(arguments) - 1) + (PartitionSpec(AXIS),)
            # check_vma would sum the gradients of replicated inputs a second time.
            mapped = jax.shard_map(
                body, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False
            )
            return mapped(*arguments)

        return jax.jit(call, donate_argnums=(0,) if donate else ())

    def _pmap(self, body: Callable[..., Any], donate: bool) -> Callable[..., Any]:
        compiled: dict[int, Callable[..., Any]] = {}

        def call(*arguments: Any) -> Any:
            count = len(arguments)
            if count not in compiled:
                compiled[count] = jax.pmap(
                    body,
                    axis_name=AXIS,
                    in_axes=(None,) * (count - 1) + (0,),
                    out_axes=None,
                    devices=self.devices,
                    donate_argnums=(0,) if donate else (),
                )
            return compiled[count](*arguments)

        return call


def devices(config: Parallel) -> Devices:
    """The first `config.devices` devices, or all where it is 0, those of a host side by side."""
    every = sorted(jax.devices(), key=_order)
    if config.devices > len(every):
        raise UserError(
            f"config.parallel.devices={config.devices} but there are {len(every)} devices "
            f"({every[0].platform}); set it to at most {len(every)}, or to 0 for all"
        )
    if jax.process_count() > 1:
        _check_processes(config, every)
    return Devices(config.mode, tuple(every[: config.devices] if config.devices else every))


def _order(device: jax.Device) -> tuple[int, int, int]:
    """Slice-major, then by process: sums go over the fast links of a slice first."""
    return (getattr(device, "slice_index", None) or 0, device.process_index, device.id)


def _check_processes(config: Parallel, every: Sequence[jax.Device]) -> None:
    owned = Counter(device.process_index for device in every)
    if config.devices not in (0, len(every)):
        raise UserError(
            f"config.parallel.devices={config.devices} of the {len(every)} devices of "
            f"{len(owned)} processes: some would have none; set it to 0 and start fewer processes"
        )
    if len(set(owned.values())) > 1:
        raise UserError(
            f"the processes have different numbers of devices ({dict(sorted(owned.items()))}); "
            "give each the same"
        )


@dataclass(frozen=True)
class Shares:
    """How the rows of a global batch are divided.

    Attributes:
      rows: of one optimizer step, over all devices.
      device_rows: of one device.
      micro_rows: of one device at one time.
    """

    rows: int
    device_rows: int
    micro_rows: int

    @property
    def micro_batches(self) -> int:
        return self.device_rows // self.micro_rows


def shares_of(config: Config, device_count: int) -> Shares:
    """The division of a config's batch, or an error with the nearest numbers that divide."""
    batch = config.batch
    return shares(batch.size, batch.micro_size, device_count, config.loss.group_rows)


def shares(sequences: int, micro: int, device_count: int, group_rows: int = 1) -> Shares:
    """The division of `sequences` rows, or an error with the nearest numbers that divide.

    `group_rows` are computed together, on one device and at one time.
    """
    if sequences % device_count:
        raise UserError(
            f"config.batch.size={sequences} does not divide by {device_count} devices; "
            f"set it to {_near(sequences, device_count)}"
        )
    device_rows = sequences // device_count
    micro_rows = micro or device_rows
    if device_rows % micro_rows:
        unit = device_count * micro_rows
        raise UserError(
            f"config.batch.size={sequences} over {device_count} devices is {device_rows} rows "
            f"each, which does not divide into micro-batches of config.batch.micro_size={micro} "
            f"rows; set config.batch.size to {_near(sequences, unit)} or config.batch.micro_size "
            f"to {_either(_divisors_near(device_rows, micro_rows))}"
        )
    if micro_rows % group_rows:
        raise UserError(
            f"config.batch.size={sequences} over {device_count} devices is {device_rows} rows "
            f"each, no multiple of the {group_rows} whose sentences are compared with each other "
            "(config.loss.options.NAME.rows); set config.batch.size to "
            f"{_near(sequences, device_count * group_rows)}, or use fewer devices"
        )
    return Shares(sequences, device_rows, micro_rows)


def _near(value: int, unit: int) -> str:
    below = value // unit * unit
    return _either([number for number in (below, below + unit) if number])


def _divisors_near(value: int, wanted: int) -> list[int]:
    divisors = [number for number in range(1, value + 1) if value % number == 0]
    below = [number for number in divisors if number < wanted][-1:]
    above = [number for number in divisors if number > wanted][:1]
    return below + above


def _either(numbers: Sequence[int]) -> str:
    return " or ".join(map(str, numbers))
