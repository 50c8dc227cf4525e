"""A document as files: report.html, report.md, and a PNG for each drawing."""

import re
from typing import Any

import jinja2
from markupsafe import Markup

from distil_jax import __version__
from distil_jax.report import drawing
from distil_jax.report.document import Document, Picture

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"
ACTIVE = re.compile(r"([\\`*_\[\]<>&|~#$])")


def files(document: Document) -> dict[str, bytes]:
    """Content by file name; whatever users named is escaped for either format."""
    pictures = {
        f"{FIGURES}/{picture.name}.png": drawing.png(picture.figure)
        for picture in document.pictures()
    }
    return {
        **pictures,
        MARKDOWN: render("page.md.j2", document).encode("utf8", "replace"),
        HTML: render("page.html.j2", document).encode("utf8", "replace"),
    }


def render(template: str, document: Document) -> str:
    """The text of one format."""
    escaping = template.endswith(".html.j2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("distil_jax.report", ""),
        autoescape=escaping,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    text = environment.get_template(template).render(document=document, version=__version__)
    return text if escaping else re.sub(r"\n{3,}", "\n\n", text)


def _svg(picture: Picture) -> Markup:
    """Safe as it is: matplotlib and `drawing` escape what they write."""
    return Markup(drawing.svg(picture.figure, picture.name, picture.description))


def _text(text: str) -> str:
    """One line of Markdown in which nothing of the text acts."""
    return ACTIVE.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")


def _kind(block: object) -> str:
    return type(block).__name__


FILTERS: dict[str, Any] = {
    "svg": _svg,
    "text": _text,
    "code": _code,
    "kind": _kind,
}
