"""What a report is made of; `html` and `markdown` each write the same document."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Notes:
    """A list of short remarks; `serious` ones are warnings."""

    notes: Sequence[str]
    serious: bool = False


@dataclass(frozen=True)
class Tile:
    """One figure that is seen first: its value, what it is, and what it is compared with."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """The few figures that a reader wants first."""

    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Table:
    """Rows of text below a head; the first column names the row.

    Attributes:
      folded: shown closed, for tables that few will read.
      words: columns that hold words, and are not aligned as numbers.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    words: Collection[int] = (0,)


@dataclass(frozen=True)
class Picture:
    """A drawing; `name` is its file's, `description` is for those who cannot see it."""

    name: str
    title: str
    description: str
    figure: Figure


@dataclass(frozen=True)
class Pictures:
    """Drawings that belong side by side where the page is wide enough."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Columns:
    """Two parts that stand side by side where the page is wide enough."""

    left: "Sequence[Block]"
    right: "Sequence[Block]"


Block = Text | Notes | Tiles | Table | Pictures | Columns


@dataclass(frozen=True)
class PageSection:
    """A part of the page; `name` is its anchor."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Missing:
    """A part that could be there, and the command that would fill it."""

    what: str
    command: str


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
      verdict: how it went, in a few words, and whether that is well.
    """

    title: str
    subtitle: str
    sections: Sequence[PageSection]
    missing: Sequence[Missing]
    verdict: tuple[str, bool] | None = None

    def pictures(self) -> list[Picture]:
        """All drawings, in the order of the page."""
        return [one for section in self.sections for one in _pictures(section.blocks)]


def _pictures(blocks: Sequence[Block]) -> Iterator[Picture]:
    for block in blocks:
        if isinstance(block, Pictures):
            yield from block.pictures
        elif isinstance(block, Columns):
            yield from _pictures([*block.left, *block.right])
