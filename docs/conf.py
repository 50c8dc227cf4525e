"""The documentation's site: `python -m sphinx -W docs build/docs` (extra docs), offline."""

import inspect
from typing import Any

import jax

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
    app.connect("autodoc-before-process-signature", _plain_arrays)


def _plain_arrays(_: Any, function: Any, __: bool) -> None:
    annotations = getattr(inspect.unwrap(function), "__annotations__", {})
    annotations.update({k: "Array" for k, v in annotations.items() if v is jax.Array})
