"""A plan as text: the lines that a terminal shows, whether it fits, and one line of summary."""

import math
import re
from functools import partial

import jax

from distil_jax.errors import to_install
from distil_jax.models import EncoderConfig, initialize
from distil_jax.planning import compiler, plan_times
from distil_jax.planning.flops import WindowedCost
from distil_jax.planning.plan_times import GB
from distil_jax.planning.run_plan import RunPlan

PREALLOCATED = 0.75
"""https://docs.jax.dev/en/latest/gpu_memory_allocation.html; newer versions grow beyond it."""

HEADER = re.compile(r"^Plan for (\S+):", re.MULTILINE)
UTILISATION = 0.5

KINDS = {
    "teacher": "teacher",
    "student": "student, master parameters",
    "optimizer": "optimizer's state",
    "gradients": "gradient sums",
    "activations": "activations kept for the backward pass",
    "batch": "batch",
    "temporaries": "temporaries and program",
}


def lines(plan: RunPlan, *, utilisation: float) -> list[str]:
    """The whole plan; hours are given at the peaks and at `utilisation` of the compute peak."""
    return [
        *_head(plan),
        "",
        *_memory(plan),
        "",
        fit_report(plan),
        *_micro(plan),
        "",
        *plan_times.step_lines(plan),
        *plan_times.traffic_lines(plan),
        "",
        *plan_times.network_lines(plan),
        "",
        *plan_times.run_lines(plan, utilisation),
    ]


def fit_report(plan: RunPlan) -> str:
    """One sentence: it fits and how much memory is left, or what to change so that it does."""
    memory, hbm_bytes = plan.measured.memory, _hbm_bytes(plan)
    where = f"{plan.topology.chip.name} chip of {hbm_bytes / GB:.1f} GB"
    if plan.fits:
        return f"it fits: {memory.total / GB:.1f} GB on a {where}{_more_than_preallocated(plan)}"
    start = f"it does not fit: {memory.total / GB:.1f} GB on a {where}; "
    if plan.largest_micro_rows:
        return start + f"set config.batch.micro_size={plan.largest_micro_rows}"
    if memory.teacher > hbm_bytes:
        return start + f"the teacher alone takes {memory.teacher / GB:.1f} GB: use a smaller one"
    if memory.fixed > hbm_bytes:
        return start + _smaller_student(plan)
    changes = []
    if plan.shares.micro_rows > 1:
        changes.append("a smaller config.batch.micro_size")
    if plan.config.parallel.remat != "layer":
        changes.append("config.parallel.remat=layer")
    chunk = plan.config.loss.chunk
    changes.append("a smaller config.loss.chunk" if chunk else "config.loss.chunk=1024")
    return start + "try " + " or ".join(changes)


def summary(plan: RunPlan) -> str:
    """Topology, memory, micro-batch, limit, and hours at half of the compute peak."""
    memory, times = plan.measured.memory, plan.roofline
    hours = plan.hours(UTILISATION)
    return (
        f"Plan for {plan.topology.name}: {memory.total / GB:.1f} of "
        f"{plan.topology.chip.hbm_bytes / GB:.1f} GB, {plan.shares.micro_rows} rows at one time, "
        f"{plan.measured.flops / 1e12:.0f} TFLOP a chip and step; "
        f"{plan.workload.total_steps:,} steps of {times.step:.2f} s at the peaks; "
        f"about {hours:.1f} h, {hours * plan.topology.chips:.0f} chip-hours, "
        "at half of the compute peak."
    )


def planned_topology(header: str) -> str | None:
    """The topology that a config's header was planned for; None: it names none."""
    match = HEADER.search(header)
    return match.group(1) if match else None


def parameters(shape: EncoderConfig) -> int:
    """Of an encoder with its language-model head, from its shape."""
    arrays = jax.eval_shape(partial(initialize, shape), jax.random.key(0))
    return sum(math.prod(array.shape) for array in jax.tree.leaves(arrays))


def _head(plan: RunPlan) -> list[str]:
    topology, config, batch = plan.topology, plan.config, plan.shares
    slices = f", {topology.slices} slices" if topology.slices > 1 else ""
    chips = "chip" if topology.chips == 1 else "chips"
    grid = "x".join(map(str, topology.grid))
    return [
        f"topology   {topology.name}: {topology.chips} {chips} ({grid}{slices})",
        _teacher(plan),
        f"student    {_model(plan.models.student)}, {config.precision.parameters} parameters, "
        f"{config.precision.compute} matmuls",
        f"batch      {batch.rows} rows of {plan.workload.length} tokens: {batch.device_rows} "
        f"a chip in {batch.micro_batches} micro-batches of {batch.micro_rows}",
        *map(_windows, plan.windowed),
        f"program    {_source(plan)}",
        f"peaks      {topology.chip.source}",
    ]


def _source(plan: RunPlan) -> str:
    """Who says so: a compiler, or the shapes."""
    chip = plan.topology.chip
    if plan.compiled:
        kind = "TPU" if chip.is_tpu else "GPU"
        return f"{kind} compiler, {plan.measured.compile_seconds:.0f} s"
    if compiler.is_installed(chip):
        return "from shapes alone, nothing compiled"
    missing = to_install(compiler.extra(chip))
    return f"from shapes alone: the chip's compiler is not installed; {missing}"


def _teacher(plan: RunPlan) -> str:
    """What stands on the teacher's side."""
    models, config = plan.models, plan.config
    if models.stored is not None:
        token = sum(each.row_bytes for each in models.columns) / plan.workload.length
        return f"targets    {config.targets}, {token:,.0f} bytes a token; no teacher in memory"
    teacher = ", ".join(_model(shape) for shape, _ in models.teachers) or "none"
    return f"teacher    {teacher}, {config.precision.teacher}, replicated"


def _windows(windowed: tuple[str, WindowedCost]) -> str:
    role, cost = windowed
    return (
        f"attention  {role}: {cost.local_layers} local layers multiply a query with "
        f"{cost.local_keys:,} keys, {cost.global_layers} global ones with {cost.global_keys:,}; "
        f"forward {cost.flops / GB:.3f} GFLOP a token, all global {cost.all_global_flops / GB:.3f}"
    )


def _model(shape: EncoderConfig) -> str:
    return (
        f"{shape.layers} x {shape.hidden_size} {shape.model_type}, {parameters(shape) / 1e6:,.0f} M"
    )


def _memory(plan: RunPlan) -> list[str]:
    memory = plan.measured.memory
    rows = [(text, f"{getattr(memory, kind) / GB:.2f}") for kind, text in KINDS.items()]
    rows.append(("all", f"{memory.total / GB:.2f}"))
    rows.append((f"a {plan.topology.chip.name} chip has", f"{_hbm_bytes(plan) / GB:.2f}"))
    return ["memory of one chip, GB", *plan_times.aligned(rows)]


def _micro(plan: RunPlan) -> list[str]:
    most = plan.largest_micro_rows
    if most is None:
        return []
    if not most:
        return ["largest micro-batch that fits: none"]
    whole = ", a chip's whole share" if most == plan.shares.device_rows else ""
    line = "" if plan.largest_compiled else " (by the line through fewer rows)"
    return [f"largest micro-batch that fits: {most} rows{whole}{line}"]


def _more_than_preallocated(plan: RunPlan) -> str:
    if plan.topology.chip.is_tpu or plan.measured.memory.total <= PREALLOCATED * _hbm_bytes(plan):
        return ""
    return (
        f"; that is more than the {PREALLOCATED:.0%} which JAX takes of a GPU at first: should the "
        "run end for want of memory, set XLA_PYTHON_CLIENT_MEM_FRACTION=.95"
    )


def _hbm_bytes(plan: RunPlan) -> float:
    return plan.topology.chip.hbm_bytes


def _smaller_student(plan: RunPlan) -> str:
    memory = plan.measured.memory
    state = memory.student + memory.optimizer + memory.gradients
    text = (
        f"the teacher takes {memory.teacher / GB:.1f} GB, the student with its optimizer and "
        f"gradient {state / GB:.1f} GB: "
    )
    if plan.config.precision.parameters == "float32":
        text += "try config.precision.parameters=bfloat16, "
    return text + "fewer config.student.layers, or a narrower student (config.student.folder)"
