"""A plan's times as text: the step by its limits, traffic, collectives, the whole run."""

from collections.abc import Sequence

from distil_jax.planning.hlo_counts import Collective
from distil_jax.planning.run_plan import RunPlan

GB = 1e9


def step_lines(plan: RunPlan) -> list[str]:
    """Milliseconds of a step by what limits them."""
    times, measured = plan.roofline, plan.measured
    if not measured.flops:
        return ["no program, so no times: it does not fit"]
    flops = f"{measured.flops / 1e12:.2f} TFLOP, {measured.flops / plan.minimum_flops:.3f}"
    rows = [(f"compute: {flops} of the counted minimum", times.compute)]
    if plan.compiled:
        rows.append((f"memory: {measured.traffic_bytes / GB:.0f} GB at most", times.memory))
    rows.append((f"network: {plan.network_bytes / GB:.3f} GB sent by a chip", times.network))
    rows.append((f"step, at the peaks; {times.limit} takes the longest", times.step))
    if plan.compiled:
        rows.append(("step, expected", times.expected))
    shown = aligned([(text, f"{s * 1e3:.1f}") for text, s in rows])
    unknown = "  memory: not known without the chip's compiler"
    shown.append(_expectation(plan) if plan.compiled else unknown)
    return ["one optimizer step, ms", *shown]


def _expectation(plan: RunPlan) -> str:
    reached, rate = plan.topology.chip.reached, plan.tokens_per_second
    return (
        f"  expected{'' if rate is None else f' {rate:,.0f} tokens/s'}: matmuls at "
        f"{reached.matmuls:.0%} of their peak, then memory at {reached.memory:.0%} "
        f"({reached.source})"
    )


def traffic_lines(plan: RunPlan) -> list[str]:
    """Bytes between memory and chip by what they are for; nothing where they are not known."""
    traffic = plan.measured.traffic
    if not traffic:
        return []
    tokens = plan.shares.device_rows * plan.workload.length
    kinds = {**traffic, "all": sum(traffic.values())}
    most = max(len(f"{size / GB:,.1f}") for size in kinds.values())
    rows = [
        (name, f"{size / GB:{most},.1f}   {size / tokens / 1e6:6.3f}")
        for name, size in kinds.items()
    ]
    width = max(len(name) for name, _ in rows)
    return [
        "",
        "memory traffic of one step, GB and MB a token",
        *(f"  {name:<{width}}  {value}" for name, value in rows),
    ]


def network_lines(plan: RunPlan) -> list[str]:
    """The collectives of a step."""
    collectives = plan.measured.collectives
    if not plan.roofline.network:
        return ["network: one device sends nothing"]
    if not collectives:
        return [f"network takes over below {_network_batch(plan)} rows a step"]
    rows = [
        (
            _collective_text(same),
            f"{sum(collective.bytes * collective.times for collective in same) / 1e6:.3f}",
        )
        for same in _alike(collectives)
    ]
    return [
        "collectives of one step, MB",
        *aligned(rows),
        f"network takes over below {_network_batch(plan)} rows a step",
    ]


def _network_batch(plan: RunPlan) -> str:
    return f"{plan.roofline.network_batch(plan.shares.rows):,}"


def _alike(collectives: Sequence[Collective]) -> list[list[Collective]]:
    groups: dict[tuple[str, bool], list[Collective]] = {}
    for collective in collectives:
        key = (collective.operation, collective.in_loop)
        groups.setdefault(key, []).append(collective)
    return list(groups.values())


def _collective_text(same: Sequence[Collective]) -> str:
    times = sum(collective.times for collective in same)
    where = "inside a loop" if same[0].in_loop else "outside every loop"
    return f"{same[0].operation}, {times} {'message' if times == 1 else 'messages'}, {where}"


def run_lines(plan: RunPlan, utilisation: float) -> list[str]:
    """Hours of the whole run, or minutes of a short one."""
    steps, chips, times = plan.workload.total_steps, plan.topology.chips, plan.roofline
    if not plan.measured.flops:
        return [f"whole run  {steps:,} steps"]
    tokens = steps * plan.shares.rows * plan.workload.length
    rows = [
        (f"{share:.0%} of the compute peak" if share < 1 else "at the peaks", plan.hours(share))
        for share in (1.0, utilisation)
    ]
    if plan.compiled:
        rows.append(("expected", times.expected * steps / 3600))
    amount = f"{tokens / 1e9:.2f} G" if tokens >= 1e8 else f"{tokens / 1e6:.2f} M"
    return [
        f"whole run: {steps:,} steps, {amount} tokens",
        *aligned([(text, _duration(hours, chips)) for text, hours in rows]),
    ]


def _duration(hours: float, chips: int) -> str:
    if hours < 0.1:
        return f"{60 * hours:.2f} minutes   {60 * hours * chips:.2f} chip-minutes"
    return f"{hours:.2f} h   {hours * chips:.1f} chip-hours"


def aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns, the numbers that begin the second one right-aligned."""
    width = max(len(text) for text, _ in rows)
    most = max(len(value.split(" ")[0]) for _, value in rows)
    return [
        f"  {text:<{width}}  {value.split(' ')[0]:>{most}}{value[len(value.split(' ')[0]) :]}"
        for text, value in rows
    ]
