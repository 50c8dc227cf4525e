"""A plan as the lines that a terminal shows."""

from collections.abc import Sequence

from distil_jax.models import EncoderConfig
from distil_jax.planning.advice import GB, verdict
from distil_jax.planning.hlo import Collective
from distil_jax.planning.plan import Plan

KINDS = {
    "teacher": "teacher",
    "student": "student, master parameters",
    "optimizer": "optimizer, two moments and counts",
    "gradients": "gradient sums",
    "activations": "activations kept for the backward pass",
    "batch": "batch",
    "temporaries": "temporaries and program",
}


def lines(plan: Plan, *, utilisation: float) -> list[str]:
    """The whole plan; hours are given at the peaks and at `utilisation` of the compute peak."""
    return [
        *_head(plan),
        "",
        *_memory(plan),
        "",
        verdict(plan),
        *_micro(plan),
        "",
        *_time(plan),
        "",
        *_network(plan),
        "",
        *_run(plan, utilisation),
    ]


def parameters(shape: EncoderConfig) -> float:
    """Of an encoder with its tied masked-LM head, from its shape."""
    width, inner = shape.width, shape.inner_width
    rows = shape.vocabulary + shape.positions + shape.position_offset + shape.token_types
    layer = 4 * (width + 1) * width + (width + 1) * inner + (inner + 1) * width + 4 * width
    untied = 0 if shape.tied else shape.vocabulary * width
    head = (width + 1) * width + 2 * width + shape.vocabulary + untied
    return float(rows * width + 2 * width + shape.layers * layer + head)


def _head(plan: Plan) -> list[str]:
    topology, config, divided = plan.topology, plan.config, plan.shares
    slices = f", {topology.slices} slices" if topology.slices > 1 else ""
    chips = "chip" if topology.chips == 1 else "chips"
    grid = "x".join(map(str, topology.grid))
    teacher = "none" if plan.pair.teacher is None else _model(plan.pair.teacher)
    source = (
        f"TPU compiler, {plan.measured.compile_seconds:.0f} s"
        if plan.compiled
        else "from shapes alone: this jax has no compiler for the chip without the chip"
    )
    return [
        f"topology   {topology.name}: {topology.chips} {chips} ({grid}{slices})",
        f"teacher    {teacher}, {config.precision.teacher}, replicated",
        f"student    {_model(plan.pair.student)}, {config.precision.parameters} parameters, "
        f"{config.precision.compute} products",
        f"batch      {divided.rows} rows of {plan.work.length} tokens: {divided.device_rows} "
        f"a chip in {divided.micro_batches} micro-batches of {divided.micro_rows}",
        f"program    {source}",
        f"peaks      {topology.chip.source}",
    ]


def _model(shape: EncoderConfig) -> str:
    return f"{shape.layers} x {shape.width} {shape.model_type}, {parameters(shape) / 1e6:,.0f} M"


def _memory(plan: Plan) -> list[str]:
    memory = plan.measured.memory
    rows = [(text, f"{getattr(memory, kind) / GB:.2f}") for kind, text in KINDS.items()]
    rows.append(("all", f"{memory.total / GB:.2f}"))
    rows.append((f"a {plan.topology.chip.name} chip has", f"{_room(plan):.2f}"))
    return ["memory of one chip, GB", *_aligned(rows)]


def _room(plan: Plan) -> float:
    return plan.topology.chip.hbm_bytes / GB


def _micro(plan: Plan) -> list[str]:
    most = plan.largest_micro_rows
    if most is None:
        return []
    if not most:
        return ["largest micro-batch that fits: none"]
    whole = ", a chip's whole share" if most == plan.shares.device_rows else ""
    return [f"largest micro-batch that fits: {most} rows{whole}"]


def _time(plan: Plan) -> list[str]:
    times, measured = plan.roofline, plan.measured
    if not measured.flops:
        return ["no program, so no times: it does not fit"]
    more = measured.flops / plan.minimum_flops
    rows = [
        (
            f"compute: {measured.flops / 1e12:.2f} TFLOP, {more:.3f} of the counted minimum",
            times.compute,
        ),
        *(
            [(f"memory: {measured.traffic_bytes / GB:.0f} GB at most", times.memory)]
            * plan.compiled
        ),
        (f"network: {plan.network_bytes / GB:.3f} GB sent by a chip", times.network),
        (f"step, at the peaks; {times.limit} takes the longest", times.step),
    ]
    unknown = [] if plan.compiled else ["memory: not known without the chip's compiler"]
    shown = _aligned([(text, f"{s * 1e3:.1f}") for text, s in rows])
    return ["one optimizer step, ms", *shown, *(f"  {line}" for line in unknown)]


def _network(plan: Plan) -> list[str]:
    found = plan.measured.collectives
    if not found:
        return [f"network takes over below {_network_batch(plan)} rows a step"]
    rows = [
        (_told(same), f"{sum(one.bytes * one.times for one in same) / 1e6:.3f}")
        for same in _alike(found)
    ]
    return [
        "collectives of one step, MB",
        *_aligned(rows),
        f"network takes over below {_network_batch(plan)} rows a step",
    ]


def _network_batch(plan: Plan) -> str:
    return f"{plan.roofline.network_batch(plan.shares.rows):,}"


def _alike(found: Sequence[Collective]) -> list[list[Collective]]:
    groups: dict[tuple[str, bool], list[Collective]] = {}
    for one in found:
        groups.setdefault((one.operation, one.in_loop), []).append(one)
    return list(groups.values())


def _told(same: Sequence[Collective]) -> str:
    times = sum(one.times for one in same)
    place = "inside a loop" if same[0].in_loop else "outside every loop"
    return f"{same[0].operation}, {times} {'message' if times == 1 else 'messages'}, {place}"


def _run(plan: Plan, utilisation: float) -> list[str]:
    steps, chips = plan.work.total_steps, plan.topology.chips
    if not plan.measured.flops:
        return [f"whole run  {steps:,} steps"]
    tokens = steps * plan.shares.rows * plan.work.length
    rows = [
        (f"{share:.0%} of the compute peak" if share < 1 else "at the peaks", plan.hours(share))
        for share in (1.0, utilisation)
    ]
    return [
        f"whole run: {steps:,} steps, {tokens / 1e9:.2f} G tokens",
        *_aligned([(text, f"{h:.2f} h   {h * chips:.1f} chip-hours") for text, h in rows]),
    ]


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(text) for text, _ in rows)
    most = max(len(value.split(" ")[0]) for _, value in rows)
    return [
        f"  {text:<{width}}  {value.split(' ')[0]:>{most}}{value[len(value.split(' ')[0]) :]}"
        for text, value in rows
    ]
