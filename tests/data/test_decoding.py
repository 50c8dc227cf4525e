"""A few faults are replaced and counted; another encoding is refused."""

import pytest

from distil_jax.data.decoding import DecodeStats, advice, decode, other_encoding


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


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("自然言語処理は人工知能の重要な分野です。学生は毎日論文を読んでいます。", "euc-jp"),
        ("自然语言处理是人工智能领域的一个重要方向。学生每天都要读很多论文。", "gb18030"),
        ("Обработка языка является важной областью. Студенты читают много статей.", "cp866"),
        ("Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi.", "iso-8859-2"),
        ("Die Straße ist schön und größer. Müller fährt über die Brücke nach Köln.", "macintosh"),
    ],
)
def test_the_advice_names_an_encoding_as_iconv_does(text: str, encoding: str) -> None:
    assert f"(iconv -f {encoding} -t utf-8)" in advice(text.encode(encoding))


@pytest.mark.parametrize("before", ["", "x"])
def test_an_excerpt_that_ends_amid_a_character_has_its_encoding(before: str) -> None:
    raw = (before + "今天天气很好。我们去公园散步吧。孩子们在草地上玩耍。" * 90).encode("gb18030")
    stats = DecodeStats()
    decode(raw, stats)
    assert "iconv -f gb18030 " in (other_encoding(stats) or "")
