from dataclasses import replace

import pytest

from distil_jax.errors import UserError
from distil_jax.models.block import Block


def test_heads_must_divide_the_width(config):
    with pytest.raises(UserError, match="3 heads do not fit a hidden size of 16"):
        replace(config, heads=3)


def test_a_map_between_equal_widths_is_refused_as_folders_have_none(config):
    assert replace(config, embedding_size=8).table_size == 8
    with pytest.raises(UserError, match="an embedding_size of 16 equals the hidden size"):
        replace(config, embedding_size=16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_norm": False}, "only pre-norm layers"),
        ({"windows": (-1, 0)}, r"attention windows \[-1, 0\] must be 0 or more"),
    ],
)
def test_a_block_that_no_layer_computes_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Block(**options)


def test_there_is_a_window_for_each_layer_or_none(config):
    with pytest.raises(UserError, match="3 attention windows do not fit 2 layers"):
        replace(config, block=Block(windows=(1, 0, 1)))


def test_a_student_has_the_windows_of_its_layers(config):
    block = Block(windows=(0, 1, 2, 3), thetas=(1.0, 2.0, 3.0, 4.0))
    student = replace(config, layers=4, block=block).student((0, 3), keep_token_types=True)
    assert (student.layers, student.block.windows) == (2, (0, 3))
    assert student.block.thetas == (1.0, 4.0)
