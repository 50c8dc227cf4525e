"""Reading the documentation strings of Python files without importing them.

Run as a program it reads file names on standard input, one a line, and prints one JSON list of
documents a line: so several processes share the work, whatever the calling program is.
"""

import ast
import gc
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from distil_jax.data.prose import paragraphs

LONG_STRING = 200


def documents(file: Path) -> list[list[str]]:
    """The documents of one file: for each docstring, or README section, its prose paragraphs."""
    try:
        text = file.read_bytes().decode("utf-8", "replace")
        texts = _docstrings(text) if file.suffix == ".py" else _sections(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [prose for string in texts if (prose := paragraphs(string))]


def _docstrings(source: str) -> list[str]:
    if '"""' not in source and "'''" not in source:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    return list(_strings(tree.body))


def _strings(body: list[ast.stmt]) -> Iterator[str]:
    """Docstrings, and long strings in statements: templates, `add_newdoc` calls, help texts."""
    for index, statement in enumerate(body):
        match statement:
            case ast.Expr(ast.Constant(str() as text)):
                if index == 0 or len(text) >= LONG_STRING:
                    yield text
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _strings(statement.body)
            case ast.If() | ast.Try():
                yield from _strings(statement.body + statement.orelse)
            case ast.Expr() | ast.Assign() | ast.AnnAssign():
                yield from _long_constants(statement)


def _long_constants(statement: ast.stmt) -> Iterator[str]:
    lines = (statement.end_lineno or 0) - statement.lineno
    if not lines and (statement.end_col_offset or 0) < LONG_STRING:
        return
    for node in ast.walk(statement):
        match node:
            case ast.Constant(str() as text) if len(text) >= LONG_STRING:
                yield text


def _sections(metadata: str) -> list[str]:
    """The description in a METADATA file, cut at its Markdown headings."""
    _, _, description = metadata.partition("\n\n")
    sections: list[list[str]] = [[]]
    for line in description.splitlines():
        if line.startswith("#"):
            sections.append([])
        sections[-1].append(line)
    return ["\n".join(section) for section in sections]


if __name__ == "__main__":
    gc.disable()  # syntax trees are freed by reference counts; looking for cycles costs a third
    for name in sys.stdin.read().splitlines():
        print(json.dumps(documents(Path(name))), flush=True)
