"""traffic_kinds: what each byte of a step is moved for."""

import pytest

from distil_jax.planning import hlo
from distil_jax.planning.source_frames import Frame
from distil_jax.planning.traffic import memory_bytes
from distil_jax.planning.traffic_kinds import KINDS, REST, kind_of, kinds_of, traffic_by_kind

LAYER = "/x/distil_jax/models/layer.py"


@pytest.mark.parametrize(
    ("stack", "kind"),
    [
        ([("models/dense.py", "Dense"), ("models/attention.py", "attend")], "attention"),
        ([("distil_jax/kernels/attention_gpu.py", "forward")], "attention"),
        ([("models/dense.py", "Dense"), (LAYER, "Layer._feed_forward")], "feed-forward"),
        ([("models/dropout.py", "dropout"), (LAYER, "Layer._residual")], "norms and residuals"),
        ([("models/layer_loop.py", "scanned"), (LAYER, "Layer")], "layers' stack, in and out"),
        ([("models/encoder.py", "Embeddings.__call__")], "embeddings"),
        ([("distil_jax/losses/fused_vocabulary.py", "one")], "vocabulary losses"),
        ([("site-packages/optax/_src/transform.py", "f"), ("step.py", "train_step")], "optimizer"),
        ([("training/step.py", "train_step")], "rest"),
        ([], "rest"),
    ],
)
def test_the_innermost_telling_frame_decides(stack: list[tuple[str, str]], kind: str) -> None:
    assert kind_of([Frame(file, function) for file, function in stack]) == kind


def test_what_the_compiler_added_belongs_to_what_it_copies_or_feeds() -> None:
    program = hlo.parse("""HloModule m

ENTRY %main (a: f32[4]) -> f32[4] {
  %a = f32[4]{0} parameter(0)
  %before = f32[4]{0} copy(%a)
  %made = f32[4]{0} sine(%before), metadata={op_name="sin" stack_frame_id=7}
  ROOT %after = f32[4]{0} copy(%made)
}
""")
    stacks = {7: (Frame("models/attention.py", "attend"),)}
    found = kinds_of(program, program.computations["main"], stacks)
    assert {found[name] for name in ("before", "made", "after")} == {"attention"}


def test_the_kinds_of_a_step_sum_to_its_traffic(tiny_program) -> None:
    text = tiny_program().lower().compile().as_text()
    program = hlo.parse(text)
    traffic = traffic_by_kind(program, text)
    assert tuple(traffic) == KINDS
    assert sum(traffic.values()) == pytest.approx(memory_bytes(program))
    assert all(size > 0 for size in traffic.values())
    assert traffic[REST] < 0.3 * sum(traffic.values())
