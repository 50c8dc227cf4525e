"""Lists and records that a table without them wrote as text.

As JSON or Python write them, or NumPy, without commas.
"""

import ast
import io
import json
import tokenize
from collections.abc import Iterable
from itertools import pairwise
from tokenize import DEDENT, ENDMARKER, INDENT, NAME, NEWLINE, NL, NUMBER, STRING, TokenInfo
from typing import Any

_LAYOUT = (NL, NEWLINE, INDENT, DEDENT, ENDMARKER)


def from_text(value: Any) -> Any:
    """The list or record that a text says; whatever else is given, as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    for parse in (json.loads, _python):
        try:
            items = parse(value)
        except (ValueError, SyntaxError, tokenize.TokenError, RecursionError):
            continue
        if isinstance(items, list | dict):
            return items
    return value


def _python(text: str) -> Any:
    """A Python literal; two values beside each other, as NumPy prints an array, stay two.

    Python itself would join the texts 'a' 'b' to one.
    """
    lines = io.StringIO(text.strip()).readline
    words = [word for word in tokenize.generate_tokens(lines) if word.type not in _LAYOUT]
    return ast.literal_eval(" ".join(_with_commas(words)))


def _with_commas(words: list[TokenInfo]) -> Iterable[str]:
    yield words[0].string
    for before, word in pairwise(words):
        if _is_value(before, "])}") and _is_value(word, "[({-"):
            yield ","
        yield word.string


def _is_value(word: TokenInfo, marks: str) -> bool:
    """Whether a value ends, or begins, with this word; `marks` are those of values of several."""
    return word.type in (NAME, NUMBER, STRING) or word.string in marks
