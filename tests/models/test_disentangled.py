"""disentangled: the table's rows are PyTorch's, and scores are what plain numpy computes."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

from distil_jax.models.disentangled import position_scores, table_rows

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(("span", "reach"), [(256, 512), (6, 20), (32, 512)])
def test_rows_are_those_of_pytorch_at_every_distance(span, reach):
    distances = np.arange(-700, 701)
    theirs = make_log_bucket_position(torch.tensor(distances), span, reach).long().numpy()
    np.testing.assert_array_equal(
        table_rows(span, reach, distances), np.clip(theirs + span, 0, 2 * span - 1)
    )


def test_without_a_reach_each_distance_has_its_row():
    rows = table_rows(4, 0, np.arange(-6, 7))
    assert rows.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7]


@pytest.mark.parametrize("length", [1, 7])
def test_scores_pair_by_pair(length):
    span, reach, heads, size = 4, 9, 2, 3
    query, key = (DRAW.normal(size=(2, length, heads, size)) for _ in range(2))
    of_queries, of_keys = (DRAW.normal(size=(2 * span, heads, size)) for _ in range(2))
    expected = np.zeros((2, heads, length, length))
    for row, head, q, k in np.ndindex(*expected.shape):
        place = table_rows(span, reach, np.asarray([q - k]))[0]
        expected[row, head, q, k] = (
            query[row, q, head] @ of_keys[place, head] + key[row, k, head] @ of_queries[place, head]
        )
    found = position_scores(
        *(jnp.asarray(array, jnp.float32) for array in (query, key, of_queries, of_keys)),
        reach=reach,
        positions=11,
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
