"""The shell commands of README and documentation, and what each block of them says of its test.

Before each block of commands stands a comment:

    <!-- tested -->                     test_documented_commands.py executes it, on little data
    <!-- tested by PATH, PATH -->       these tests execute its programs
    <!-- not run: REASON -->            nothing executes it; the reasons are `REASONS`
    <!-- tested; PROGRAM: REASON -->    all but the lines that begin with this program
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "build" not in path.parts
)
REASONS: Mapping[str, str] = {
    "GPU": "a GPU",
    "TPU": "a TPU",
    "cloud": "TPUs of Google's cloud, or a bucket there",
    "machines": "several machines or processes",
    "installs": "it installs packages from the network",
    "download": "it downloads a model or texts",
    "hours": "it takes from minutes to hours whatever it is given",
    "endless": "it serves until it is stopped",
    "shell": "it changes the shell that reads it",
}
BLOCK = re.compile(r"(?:<!-- ([^>]*) -->\n)?```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROGRAM = re.compile(r"(?:python -m distil_jax\.|distil-jax )(\w+)|(\S+)")


@dataclass(frozen=True)
class Block:
    """A block of commands.

    Attributes:
      number: among the blocks of its page, from 0.
      mark: the comment before it.
      lines: its commands, continued lines joined, comments left out.
    """

    page: str
    number: int
    mark: str
    lines: tuple[str, ...]

    @property
    def tested(self) -> bool:
        """Whether tests/test_documented_commands.py executes it."""
        return self.mark.split(";")[0] == "tested"

    @property
    def paths(self) -> list[str]:
        """The tests that execute its programs."""
        first = self.mark.split(";")[0]
        return first.removeprefix("tested by ").split(", ") if " by " in first else []

    @property
    def excepted(self) -> dict[str, str]:
        """Programs whose lines are not executed, with the reason."""
        return dict(part.strip().split(": ", 1) for part in self.mark.split(";")[1:])


def program(line: str) -> str:
    """What a line begins with: a command of ours, a script, another program."""
    found = PROGRAM.match(line)
    assert found is not None
    script = shlex.split(line, comments=True)[1:2] if line.startswith("python ") else []
    return found[1] or (script[0] if script and script[0].endswith(".py") else found[2])


def blocks() -> Iterator[Block]:
    """All of them, page by page."""
    for page in PAGES:
        number = 0
        for mark, language, text in BLOCK.findall((ROOT / page).read_text("utf-8")):
            if language == "bash":
                joined = text.replace("\\\n", " ").splitlines()
                lines = (re.sub(r"\s+# .*|^#.*", "", line).strip() for line in joined)
                yield Block(page, number, mark, tuple(filter(None, lines)))
                number += 1
