"""CSV as spreadsheets write it, and what is said of a line that is none."""

from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.tasks.files import records

ROWS = [{"text": "a, b", "label": "très"}, {"text": 'c "d"', "label": "pas"}]
COMMAS = 'text,label\n"a, b",très\n"c ""d""",pas\n'


@pytest.mark.parametrize(
    "content",
    [
        COMMAS,
        "\ufeff" + COMMAS.replace("\n", "\r\n"),
        COMMAS.replace("\n", "\r"),
        'text;label\na, b;très\n"c ""d""";pas\n',
        COMMAS.replace("text,label", "text, label"),
        'sep=;\r\ntext;label\r\na, b;très\r\n"c ""d""";pas\r\n',
        'text\tlabel\na, b\ttrès\n"c ""d"""\tpas\n',
        'text|label\na, b|très\n"c ""d"""|pas\n\n',
    ],
)
def test_every_dialect_holds_the_same_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode())
    assert list(records(tmp_path / "a.csv")) == ROWS


def test_a_quoted_cell_may_have_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\n"a\nb"\nc\n')
    assert [row["text"] for row in records(tmp_path / "a.csv")] == ["a\nb", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (COMMAS.encode("cp1252"), r"line 2 is not UTF-8, as byte 0xe8 .* may be in cp1252"),
        (b'text,label\n"a 32" screen",1\n', r'line 2 stands "a 32" screen",1 .*written twice'),
        (b'text,label\nb,1\n"a,1\nb,0\n', "row that begins on line 3 is never closed"),
        (b"text,label\na,1\nb, c,0\n", "line 3 has not the 2 columns of the first line, but 3: b"),
        (b"<html><table>", "HTML markup"),
        (b"PK\3\4 xl/workbook.xml", "an Excel workbook"),
    ],
)
def test_the_line_and_what_stands_there_are_named(tmp_path: Path, content, message) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(records(tmp_path / "a.csv"))
