"""What a report is made of; `html` and `markdown` each write the same document."""

from collections.abc import Collection, Sequence
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


Block = Text | Notes | Tiles | Table | Pictures


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
    """A whole report."""

    title: str
    subtitle: str
    sections: Sequence[PageSection]
    missing: Sequence[Missing]

    def pictures(self) -> list[Picture]:
        """All drawings, in the order of the page."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [
            picture for block in blocks if isinstance(block, Pictures) for picture in block.pictures
        ]
