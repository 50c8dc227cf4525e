"""A few faults are replaced and counted; another encoding is refused."""

import pytest

from distil_jax.data.decoding import DecodeStats, decode, other_encoding


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        (b"a few words \xff and more\n" * 9, False),
        (("café " * 50).encode() + b"caf\xe9 " * 9, False),
        (b"caf\xe9 of old times, and many words around it\n" * 9, True),
        (b"said \x93yes\x94 to the man and went on with it\n" * 9, True),
        (b"\xc4\xe3\xdd\xda " * 9, True),
        (b"once caf\xe9 in a text", False),
    ],
)
def test_another_encoding_is_told_from_damage(raw: bytes, refused: bool) -> None:
    stats = DecodeStats()
    for line in raw.splitlines(keepends=True):
        decode(line, stats)
    assert (other_encoding(stats) is not None) == refused
    assert stats.characters == len(raw.decode("utf-8", "replace")) or stats.invalid
