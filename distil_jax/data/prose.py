"""Turning documentation markup (reStructuredText, Google, numpydoc, Markdown) into plain prose."""

import html
import inspect
import re

SHORTEST_WORDS = 8
_COMMON = """
    a all also an and any are as at be been but by can does each for from has have how if in
    instead into is it its may more must no not of on one only or other same should so such than
    that the their then there these they this those to used use using was we when where whether
    which will with would you your
"""
_FUNCTION_WORDS = frozenset(_COMMON.split())
# Directives whose indented body is prose; the bodies of all others are dropped.
_PROSE_DIRECTIVES = frozenset(
    [
        "note",
        "warning",
        "tip",
        "hint",
        "important",
        "caution",
        "attention",
        "seealso",
        "deprecated",
        "versionadded",
        "versionchanged",
        "admonition",
        "topic",
    ]
)
_DIRECTIVE = re.compile(r"\.\.(?:\s+(?P<name>[\w-]+)::)?(?:\s*(?P<rest>.*))?$")
_UNDERLINE = re.compile(r"([=\-~^*#`'\"+.:_])\1{2,}\s*$")
_BULLET = re.compile(r"(?:[-*+•]|\(?\d{1,2}[.)]|#\.)\s+")
_FIELD = re.compile(
    r":(?:param|arg|argument|keyword|return|returns|raise|raises|ivar|cvar|var)\b[^:]*:\s*"
)
_ARGUMENT = re.compile(r"[*`]{0,3}[\w.*\\-]+`{0,2}(?:\s*\([^)]*\))?\s*(?::|--)\s+(?=\S)")
_NUMPY_ARGUMENT = re.compile(r"[*`]{0,3}\w+(?:, ?[*`]{0,3}\w+)*\s+:(?:\s|$)")
_LABEL = re.compile(r"[A-Z][\w ]{0,30}:$")
_INLINE = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]*)\]\[[^\]]*\]"), r"\1"),
    (re.compile(r"\[(?:\d+|[A-Z]\w*\d+)\]_?"), ""),
    (re.compile(r":[\w:.+-]+:`(?:[^`<]*<)?[~!]?([^`>]*)>?`"), r"\1"),
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}"), r"\1"),
    (re.compile(r"``([^`]+)``"), r"\1"),
    (re.compile(r"`([^`]+)`_{0,2}"), r"\1"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^>]{0,200}>"), ""),
    (re.compile(r"(?:https?|ftp)://\S+"), ""),
    (re.compile(r"\\([*_`\\])"), r"\1"),
    (re.compile(r"\(\s*\)"), ""),
    (re.compile(r"\s+([,.;:!?])(?=\s|$)"), r"\1"),
    (re.compile(r"\s+"), " "),
)


def paragraphs(text: str) -> list[str]:
    """The prose paragraphs of a docstring or a README, one line each, in order.

    Code blocks, doctests, tables, headings, argument names and types and inline markup go; the
    descriptions of arguments stay. A paragraph is kept if it reads like English (see `is_prose`).
    """
    return [clean for block in _blocks(text) if is_prose(clean := _inline(block))]


def is_prose(paragraph: str) -> bool:
    """At least eight words, mostly letters, and the share of function words that English has."""
    words = re.findall(r"[A-Za-z']+", paragraph)
    if len(words) < SHORTEST_WORDS:
        return False
    plain = sum(c.isalpha() or c == " " for c in paragraph)
    function_words = sum(word.lower() in _FUNCTION_WORDS for word in words)
    mean_length = sum(map(len, words)) / len(words)
    return (
        plain >= 0.86 * len(paragraph)
        and function_words >= 0.2 * len(words)
        and 2.8 <= mean_length <= 8
        and paragraph.isprintable()
    )


def _inline(block: str) -> str:
    for pattern, replacement in _INLINE:
        block = pattern.sub(replacement, block)
    return html.unescape(block).strip(" -*|#")


def _blocks(text: str) -> list[str]:
    """Split into runs of lines that belong together, leaving out what is not prose."""
    blocks = _Blocks()
    for line in inspect.cleandoc(text.replace("\r", "")).expandtabs().splitlines():
        blocks.add(line)
    blocks.end()
    return blocks.found


class _Blocks:
    """A line-by-line reader of markup: `found` holds the finished runs, `held` the open one."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.held: list[str] = []
        self.indent = 0
        self.fence = False
        self.doctest = False
        self.skip_deeper_than: int | None = None

    def end(self) -> None:
        if self.held:
            self.found.append(" ".join(self.held))
        self.held = []

    def add(self, line: str) -> None:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        if stripped.startswith(("```", "~~~")) or self.fence:
            self.fence ^= stripped.startswith(("```", "~~~"))
            self.end()
        elif not stripped:
            self.doctest = False
            self.end()
        elif self._skipped(stripped, indent):
            self.end()
        elif stripped.startswith(".."):
            self._directive(_DIRECTIVE.match(stripped), indent)
        elif _UNDERLINE.match(stripped):
            self.held = []
        else:
            self._text(stripped, indent)

    def _skipped(self, stripped: str, indent: int) -> bool:
        if self.skip_deeper_than is not None:
            if indent > self.skip_deeper_than:
                return True
            self.skip_deeper_than = None
        self.doctest |= stripped.startswith((">>>", "In [", "$ "))
        table = stripped.startswith(("|", "+-", "+=", "<", "#", "@", "%"))
        option = stripped.startswith(":") and not _FIELD.match(stripped)
        return self.doctest or table or option or bool(_LABEL.match(stripped))

    def _directive(self, match: re.Match[str] | None, indent: int) -> None:
        self.end()
        if match and match["name"] in _PROSE_DIRECTIVES:
            rest = re.sub(r"^[\d.]+\s*", "", match["rest"] or "")
            self.held, self.indent = ([rest] if rest else []), indent
        else:
            self.skip_deeper_than = indent

    def _text(self, stripped: str, indent: int) -> None:
        if _NUMPY_ARGUMENT.match(stripped):
            self.end()
            return
        begins = _BULLET.match(stripped) or _FIELD.match(stripped) or _ARGUMENT.match(stripped)
        if begins:
            stripped = stripped[begins.end() :]
        after_colon = bool(self.held) and self.held[-1].endswith(":") and indent > self.indent
        if begins or indent < self.indent or after_colon:
            self.end()
        if stripped.endswith("::"):
            self.skip_deeper_than = indent
            stripped = stripped[:-1]
        self.held.append(stripped)
        self.indent = indent
