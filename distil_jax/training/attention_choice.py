"""Whether attention is a kernel: config.parallel.attention, and what is possible."""

from functools import cache

from distil_jax.distributed.coordination import any_process
from distil_jax.errors import UserError
from distil_jax.kernels import attention_check
from distil_jax.kernels.attention import LARGEST_HEAD
from distil_jax.notes import note


def uses_kernels(
    asked: str, head_size: int, length: int, dtype: str, *, accelerator: bool, here: bool
) -> bool:
    """Whether a model's attention is the accelerator's kernel, in rows of `length` tokens.

    Where the accelerator is `here`, auto tries it out first, and says so if all processes stay with
    the plain code. Raises `UserError` where a kernel is asked for that there is not.
    """
    if asked == "plain":
        return False
    missing = _missing(head_size, dtype, accelerator=accelerator)
    if missing and asked == "kernel":
        raise UserError(f"config.parallel.attention=kernel: {missing}, or set it to plain")
    if missing or asked == "kernel" or not here:
        return not missing
    problem = _problem(head_size, length)
    if problem:
        note(f"attention is plain: the kernel {problem}")
    return not problem


@cache
def _problem(head_size: int, length: int) -> str:
    """What any process has against the kernel: all compute one program."""
    own = attention_check.problem(head_size, length)
    name = f"attention kernel, heads of {head_size}, rows of {length}"
    return "does not work in another process" if any_process(name, bool(own)) and not own else own


def _missing(head_size: int, dtype: str, *, accelerator: bool) -> str:
    """What a kernel lacks, and how that is changed; empty: nothing."""
    if not accelerator:
        return "a CPU has none; run on a GPU or a TPU"
    if head_size > LARGEST_HEAD:
        return f"heads are {head_size} wide and it takes {LARGEST_HEAD}; use narrower heads"
    if dtype != "bfloat16":
        return (
            f"it computes in bfloat16 and a model in {dtype}; set config.precision.compute and "
            "config.precision.teacher to bfloat16"
        )
    return ""
