"""Whether attention is a kernel: config.parallel.attention, and what is possible."""

from functools import cache

from distil_jax.distributed.coordination import any_process
from distil_jax.errors import UserError
from distil_jax.kernels import attention_check
from distil_jax.kernels.attention import LARGEST_HEAD
from distil_jax.models.config import EncoderConfig
from distil_jax.notes import note


def uses_kernels(
    asked: str, shape: EncoderConfig, length: int, dtype: str, *, accelerator: bool, here: bool
) -> bool:
    """Whether a model's attention is the accelerator's kernel, in rows of `length` tokens.

    Where the accelerator is `here`, auto tries it out first, and says so if all processes stay with
    the plain code. It leaves float32 to the plain code, whose matmuls an accelerator rounds and the
    kernel does not. Raises `UserError` where a kernel is asked for that there is not.
    """
    if asked == "plain":
        return False
    missing = _missing(shape, accelerator=accelerator)
    if asked == "kernel":
        if missing:
            raise UserError(f"config.parallel.attention=kernel: {missing}, or set it to plain")
        return True
    if missing or dtype == "float32" or not here:
        return not missing and dtype != "float32"
    problem = _problem(shape.head_size, length, dtype, shape.block.relative_bias)
    if problem:
        note(f"attention is plain: the kernel {problem}")
    return not problem


@cache
def _problem(head_size: int, length: int, dtype: str, biased: bool) -> str:
    """What any process has against the kernel: all compute one program."""
    own = attention_check.problem(head_size, length, dtype, biased=biased)
    name = f"attention kernel, {dtype}, heads of {head_size}, rows of {length}, bias {biased}"
    return "does not work in another process" if any_process(name, bool(own)) and not own else own


def _missing(shape: EncoderConfig, *, accelerator: bool) -> str:
    """What a kernel lacks, and how that is changed; empty: nothing."""
    if not accelerator:
        return "a CPU has none; run on a GPU or a TPU"
    if shape.head_size > LARGEST_HEAD:
        return f"heads are {shape.head_size} wide and it takes {LARGEST_HEAD}; use narrower heads"
    if shape.block.relative_span:
        return "positions are disentangled, which it does not know; use another family"
    return ""
