"""source_frames: call stacks read back from a compiled program's text."""

import jax
import jax.numpy as jnp

from distil_jax.planning import source_frames
from distil_jax.planning.source_frames import Frame

TABLES = """HloModule jit_f

FileNames
1 "/a/run.py"
2 "/a/models/layer.py"

FunctionNames
1 "main"
2 "Layer.__call__"

FileLocations
1 {file_name_id=1 function_name_id=1 line=2 end_line=2 column=1 end_column=9}
2 {file_name_id=2 function_name_id=2 line=3 end_line=3 column=1 end_column=9}

StackFrames
1 {file_location_id=1 parent_frame_id=PARENT}
2 {file_location_id=2 parent_frame_id=NEXT}


ENTRY %main () -> f32[] {
}
"""
STACKS = {
    1: (Frame("/a/run.py", "main"),),
    2: (Frame("/a/models/layer.py", "Layer.__call__"), Frame("/a/run.py", "main")),
}


def test_parents_are_followed_as_every_version_prints_them() -> None:
    plus_one = TABLES.replace("PARENT", "1").replace("NEXT", "2")
    as_is = TABLES.replace(" parent_frame_id=PARENT", "").replace("NEXT", "1")
    assert source_frames.parse(plus_one) == source_frames.parse(as_is) == STACKS


def test_a_text_without_tables_has_no_stacks() -> None:
    assert source_frames.parse("ENTRY %main () -> f32[] {\n}\n") == {}
    assert source_frames.number_of('metadata={op_name="jit(f)/add"}') == 0


def test_jax_notes_who_called() -> None:
    def inner(x):
        return jnp.sin(x) @ x

    def outer(x):
        return inner(x)

    text = jax.jit(outer).lower(jnp.ones((8, 8))).compile().as_text()
    line = next(line for line in text.splitlines() if "/dot_general" in line)
    stack = source_frames.parse(text)[source_frames.number_of(line)]
    names = [frame.function.rpartition(".")[2] for frame in stack]
    assert names[:2] == ["inner", "outer"]
    assert stack[0].file == __file__
