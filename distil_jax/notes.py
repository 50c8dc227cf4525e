"""What a user should know of something that goes on all the same: a line on standard error."""

import sys

_said: set[str] = set()


def note(line: str) -> None:
    """Say it once, however often it is found."""
    if line not in _said:
        _said.add(line)
        print(f"note: {' '.join(line.split())}", file=sys.stderr, flush=True)
