"""traffic: bytes of small programs, worked out by hand."""

import jax
import jax.numpy as jnp
import pytest

from distil_jax.planning import hlo
from distil_jax.planning.traffic import memory_bytes

MEGABYTE = 2**20


def moved(text: str) -> float:
    return memory_bytes(hlo.parse(text))


def test_a_product_reads_its_operands_and_writes_its_result() -> None:
    shapes = [jax.ShapeDtypeStruct((256, 256), jnp.float32)] * 2
    program = jax.jit(lambda a, b: a @ b).lower(*shapes).compile()
    assert moved(program.as_text()) == 3 * 256 * 256 * 4


def test_a_loop_counts_each_turn_and_slices_count_their_part() -> None:
    def summed(x):
        return jax.lax.scan(lambda c, row: (jnp.sin(c) + row, None), jnp.zeros(4096), x)[0]

    shape = jax.ShapeDtypeStruct((100, 4096), jnp.float32)
    text = jax.jit(summed).lower(shape).compile().as_text()
    # Each turn reads a row and the carry and writes the carry; a copy or two of a row is the
    # compiler's own business, the whole 1.6 MB in every turn would be 160 MB.
    assert 3 * 100 * 4096 * 4 <= moved(text) < 10 * 100 * 4096 * 4


ON_CHIP = """HloModule m
ENTRY %main (x: f32[1024,256]) -> f32[1024,256] {
  %x = f32[1024,256]{1,0} parameter(0)
  %near = f32[1024,256]{1,0:T(8,128)S(1)} sine(%x)
  ROOT %far = f32[1024,256]{1,0:T(8,128)} cosine(%near)
}
"""


def test_what_stays_on_the_chip_costs_nothing() -> None:
    assert moved(ON_CHIP) == 2 * MEGABYTE
    assert moved(ON_CHIP.replace("S(1)", "")) == 4 * MEGABYTE


UPDATE = """HloModule m
%fused (p0: f32[64,1024], p1: f32[1,1024], p2: s32[]) -> (f32[64,1024], f32[1,1024]) {
  %p0 = f32[64,1024]{1,0} parameter(0)
  %p1 = f32[1,1024]{1,0} parameter(1)
  %p2 = s32[] parameter(2)
  %zero = s32[] constant(0)
  %sine = f32[1,1024]{1,0} sine(%p1)
  %update = f32[64,1024]{1,0} dynamic-update-slice(%p0, %sine, %p2, %zero)
  ROOT %both = (f32[64,1024]{1,0}, f32[1,1024]{1,0}) tuple(%update, %sine)
}
ENTRY %main (x: f32[64,1024], y: f32[1,1024], i: s32[]) -> (f32[64,1024], f32[1,1024]) {
  %x = f32[64,1024]{1,0} parameter(0)
  %y = f32[1,1024]{1,0} parameter(1)
  %i = s32[] parameter(2)
  ROOT %fusion = (f32[64,1024]{1,0}, f32[1,1024]{1,0}) fusion(%x, %y, %i), kind=kLoop, calls=%fused
}
"""


def test_an_update_in_place_moves_what_it_updates() -> None:
    # y and i are read; the updated row and the second result are written.
    assert moved(UPDATE) == pytest.approx(3 * 4096 + 4)


STARTED = """HloModule m
ENTRY %main (x: f32[1024,256]) -> f32[1024,256] {
  %x = f32[1024,256]{1,0} parameter(0)
  %start = (f32[1024,256]{1,0:S(1)}, f32[1024,256]{1,0}, u32[]{:S(2)}) copy-start(%x)
  %near = f32[1024,256]{1,0:S(1)} copy-done(%start)
  ROOT %far = f32[1024,256]{1,0} cosine(%near)
}
"""

GATHERED = """HloModule m
ENTRY %main (x: f32[1024,256]) -> f32[4096,256] {
  %x = f32[1024,256]{1,0} parameter(0)
  %start = (f32[1024,256]{1,0}, f32[4096,256]{1,0}) all-gather-start(%x), dimensions={0}
  ROOT %done = f32[4096,256]{1,0} all-gather-done(%start)
}
"""


RELAID = """HloModule m
%inner (p: f32[64,1024]) -> f32[64,1024] {
  %p = f32[64,1024]{1,0} parameter(0)
  ROOT %copy = f32[64,1024]{1,0} copy(%p)
}
%fused (p0: f32[64,1024], p1: s32[]) -> f32[1,1024] {
  %p0 = f32[64,1024]{1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %relaid = f32[64,1024]{1,0} fusion(%p0), kind=kLoop, calls=%inner
  %zero = s32[] constant(0)
  ROOT %row = f32[1,1024]{1,0} dynamic-slice(%relaid, %p1, %zero), dynamic_slice_sizes={1,1024}
}
ENTRY %main (x: f32[64,1024], i: s32[]) -> f32[1,1024] {
  %x = f32[64,1024]{1,0} parameter(0)
  %i = s32[] parameter(1)
  ROOT %fusion = f32[1,1024]{1,0} fusion(%x, %i), kind=kLoop, calls=%fused
}
"""


def test_another_layout_inside_a_fusion_moves_what_is_sliced_of_it() -> None:
    assert moved(RELAID) == 2 * 4096 + 4


FETCHED = """HloModule m
ENTRY %main (x: s8[4194304]) -> s8[1048576] {
  %x = s8[4194304]{0} parameter(0)
  %a = ((s8[4194304]{0}), s8[1048576]{0:S(1)}, s32[]) slice-start(%x), slice={[0:1048576]}
  %near = s8[1048576]{0:S(1)} slice-done(%a)
  %b = ((s8[4194304]{0}), s8[1048576]{0}, s32[]) slice-start(%x), slice={[0:1048576]}
  %far = s8[1048576]{0} slice-done(%b)
  ROOT %sum = s8[1048576]{0} add(%near, %far)
}
"""


def test_a_part_that_is_fetched_moves_the_part() -> None:
    # Read on to the chip; read and written in memory; and the sum reads one and writes.
    assert moved(FETCHED) == (1 + 2 + 2) * MEGABYTE


def test_what_was_started_writes_its_result_once_and_its_operand_never() -> None:
    # On to the chip and, as the cosine, away from it again.
    assert moved(STARTED) == 2 * MEGABYTE
    assert moved(GATHERED) == (1 + 4) * MEGABYTE
