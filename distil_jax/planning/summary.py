"""A plan in one line: what the header of a config carries."""

import re

from distil_jax.planning.plan import Plan

GB = 1e9
HEADER = re.compile(r"^Plan for (\S+):", re.MULTILINE)
UTILISATION = 0.5


def summary(plan: Plan) -> str:
    """Topology, memory, micro-batch, limit, and hours at half of the compute peak."""
    memory, times = plan.measured.memory, plan.roofline
    hours = plan.hours(UTILISATION)
    return (
        f"Plan for {plan.topology.name}: {memory.total / GB:.1f} of "
        f"{plan.topology.chip.hbm_bytes / GB:.1f} GB, {plan.shares.micro_rows} rows at one time "
        f"({plan.largest_micro_rows} fit), {plan.measured.flops / 1e12:.0f} TFLOP a chip and step; "
        f"{plan.work.total_steps:,} steps of {times.step:.2f} s at the peaks; about {hours:.1f} h, "
        f"{hours * plan.topology.chips:.0f} chip-hours, at half of the compute peak."
    )


def planned_topology(header: str) -> str | None:
    """The topology that a config's header was planned for; None: it names none."""
    found = HEADER.search(header)
    return found.group(1) if found else None
