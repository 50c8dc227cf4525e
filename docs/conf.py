"""The documentation's site: `python -m sphinx -W docs build/docs` (extra docs), offline."""

import re
from typing import Any

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
    """Print `Array` where jaxlib's own name for it would stand."""
    app.connect("autodoc-process-signature", _with_plain_arrays)


def _with_plain_arrays(*event: Any) -> tuple[str | None, str | None]:
    return tuple(_plain(text) if text else text for text in event[-2:])  # type: ignore[return-value]


def _plain(text: str) -> str:
    return re.sub(r"~?(jaxtyping|jaxlib\._jax|jax)\.(?=[A-Z])", "", text)
