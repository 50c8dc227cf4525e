import pytest

from distil_jax.models.local_attention import is_local, span


@pytest.mark.parametrize(
    ("length", "window", "keys"), [(8192, 64, 192), (192, 64, 192), (128, 64, 128), (512, 0, 512)]
)
def test_a_query_meets_three_windows_of_keys_or_the_row(length, window, keys):
    assert span(length, window) == keys


def test_a_length_that_is_not_known_yet_is_computed_whole():
    assert not is_local("symbolic", 4)
    assert is_local(13, 4)
    assert not is_local(12, 4)
