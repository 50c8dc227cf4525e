"""hlo: a program's text, parsed, and what is no program."""

import pytest

from distil_jax.planning import hlo

TPU_MATMUL = """HloModule jit_f

%fused_computation (a: bf16[32,512,12,64], b: bf16[32,512,12,64]) -> f32[32,12,512,512] {
  %a = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(0)
  %b = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(1)
  ROOT %convolution.1 = f32[32,12,512,512]{2,3,1,0:T(8,128)} convolution(%a, %b), \
window={size=32x12 stride=31x11 lhs_dilate=32x12}, dim_labels=0b1f_0o1i->01bf
}

ENTRY %main (x: bf16[32,512,12,64], y: bf16[32,512,12,64]) -> f32[32,12,512,512] {
  %x = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)} parameter(0)
  %y = bf16[32,512,12,64]{3,1,2,0:T(8,128)(2,1)S(1)} parameter(1)
  ROOT %fusion = f32[32,12,512,512]{2,3,1,0:T(8,128)} fusion(%x, %y), kind=kOutput, \
calls=%fused_computation
}
"""


def test_memory_spaces_are_distinguished() -> None:
    entry = hlo.parse(TPU_MATMUL).computations["main"]
    assert [instruction.result[0].on_chip for instruction in entry] == [False, True, False]


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.parse("a poem")
