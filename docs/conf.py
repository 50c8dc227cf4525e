"""The documentation's site: `python -m sphinx -W docs build/docs` (extra docs), offline."""

import re
from typing import Any

from docutils import nodes

project = "distil_jax"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser"]
html_theme = "furo"
html_title = "distil_jax"
exclude_patterns = ["build"]
default_role = "code"
maximum_signature_line_length = 60
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["myst.xref_missing", "myst.header"]


def setup(app: Any) -> None:
    """Print `Array` where jaxlib's own name for it would stand, in signatures and fields."""
    app.connect("autodoc-process-signature", _with_plain_arrays)
    app.connect("doctree-read", _with_plain_fields)


def _with_plain_arrays(*event: Any) -> tuple[str | None, str | None]:
    return tuple(_plain(text) if text else text for text in event[-2:])  # type: ignore[return-value]


def _with_plain_fields(_: Any, page: nodes.document) -> None:
    for text in list(page.findall(nodes.Text)):
        if "jaxlib._jax" in text:
            text.parent.replace(text, nodes.Text(_plain(text)))


def _plain(text: str) -> str:
    return re.sub(r"~?(jaxtyping|(jax\.)?jaxlib\._jax|jax)\.(?=[A-Z])", "", text)
