from pathlib import Path

import pytest

from distil_jax.data import docstrings

SENTENCE = "This is the {} sentence that is to be found in the file by us."
SOURCE = '''"""This is the module's sentence that is to be found in the file by us."""
import absent_module

class A:
    """This is the class's sentence that is to be found in the file by us."""

    if True:
        def f(self):
            "This is the method's sentence that is to be found in the file by us."
            """no"""

add_doc("f", """{long}""")
text = "short strings are none of the documentation that is looked for"
'''


def test_docstrings_at_every_level_and_long_strings(tmp_path: Path):
    long = " ".join([SENTENCE.format("long")] * 5)
    file = tmp_path / "module.py"
    file.write_text(SOURCE.replace("{long}", long))
    names = ("module's", "class's", "method's")
    expected = [[SENTENCE.format(name)] for name in names] + [[long]]
    assert docstrings.documents(file) == expected


def test_readme_is_cut_at_its_headings(tmp_path: Path):
    file = tmp_path / "METADATA"
    first, second = SENTENCE.format("first"), SENTENCE.format("second")
    file.write_text(
        f"Name: this is the name of it and not a text at all\n\n# A\n{first}\n# B\n{second}"
    )
    assert docstrings.documents(file) == [[first], [second]]


@pytest.mark.parametrize("content", [b"def f(:", b"'''\x00'''", b"\xff'''\xfe'''", b""])
def test_a_broken_file_yields_nothing(tmp_path: Path, content: bytes):
    file = tmp_path / "module.py"
    file.write_bytes(content)
    assert docstrings.documents(file) == []
    assert docstrings.documents(tmp_path / "absent.py") == []
