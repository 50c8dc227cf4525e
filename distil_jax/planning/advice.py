"""What does not fit, in one line, with what to change."""

from distil_jax.planning.plan import Plan

GB = 1e9
TAKEN = 0.75
"""https://docs.jax.dev/en/latest/gpu_memory_allocation.html; newer versions grow beyond it."""


def verdict(plan: Plan) -> str:
    """One sentence: it fits and with how much room, or what to change so that it does."""
    memory, room = plan.measured.memory, _room(plan)
    where = f"{plan.topology.chip.name} chip of {room / GB:.1f} GB"
    if plan.fits:
        return f"it fits: {memory.total / GB:.1f} GB on a {where}{_more_than_taken(plan)}"
    start = f"it does not fit: {memory.total / GB:.1f} GB on a {where}; "
    if plan.largest_micro_rows:
        return start + f"set config.batch.micro={plan.largest_micro_rows}"
    if memory.teacher > room:
        return start + f"the teacher alone takes {memory.teacher / GB:.1f} GB: use a smaller one"
    if memory.fixed > room:
        return start + _smaller_student(plan)
    changes = []
    if plan.shares.micro_rows > 1:
        changes.append("a smaller config.batch.micro")
    if plan.config.parallel.rematerialise != "layer":
        changes.append("config.parallel.rematerialise=layer")
    changes.append("a smaller config.loss.chunk")
    return start + "try " + " or ".join(changes)


def _more_than_taken(plan: Plan) -> str:
    if plan.topology.chip.is_tpu or plan.measured.memory.total <= TAKEN * _room(plan):
        return ""
    return (
        f"; that is more than the {TAKEN:.0%} which JAX takes of a GPU at first: should the run "
        "end for want of memory, set XLA_PYTHON_CLIENT_MEM_FRACTION=.95"
    )


def _room(plan: Plan) -> float:
    return plan.topology.chip.hbm_bytes


def _smaller_student(plan: Plan) -> str:
    memory = plan.measured.memory
    state = memory.student + memory.optimizer + memory.gradients
    text = (
        f"the teacher takes {memory.teacher / GB:.1f} GB, the student with its optimizer and "
        f"gradient {state / GB:.1f} GB: "
    )
    if plan.config.precision.parameters == "float32":
        text += "try config.precision.parameters=bfloat16, "
    return text + "fewer config.student.layers, or a narrower student (config.student.folder)"
