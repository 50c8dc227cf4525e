"""progress in a terminal: one line that fits, also when the window is made narrower."""

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from distil_jax.training.progress import Display

display = Display()
with display.bar(1000, start_step=0, peak_rate=5000.0):
    time.sleep(0.7)
    for step in (1, 100, 200):
        display.step(step, {"loss": 9.8651, "tokens_per_second": 1321.2})
        time.sleep(0.7)
    display.say("resize")
    sys.stdin.readline()
    for step in (300, 400):
        time.sleep(0.7)
        display.step(step, {"loss": 9.8651, "tokens_per_second": 1321.2})
display.say("done")
"""
ROOT = Path(__file__).parents[2]
CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """What a terminal shows that knows carriage return, new line, and erasing of a line."""

    def __init__(self) -> None:
        self.lines, self.column, self.frames = [""], 0, [""]

    def feed(self, text: str) -> None:
        place = 0
        while place < len(text):
            code = CODE.match(text, place)
            if code:
                assert code[2] in "mlhK", f"unexpected control sequence {code[0]!r}"
                if code[2] == "K":
                    assert code[1] == "2"
                    self.frames.append(self.lines[-1])
                    self.lines[-1] = ""
                place = code.end()
                continue
            character, place = text[place], place + 1
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self.lines.append("")
            else:
                self.lines[-1] = self.lines[-1][: self.column].ljust(self.column) + character
                self.column += 1


def resize(descriptor: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


@contextlib.contextmanager
def started(*, terminal: bool) -> Iterator[tuple[int, subprocess.Popen]]:
    """The program, and the descriptor of its terminal, or of a pipe in its place."""
    ours, theirs = os.openpty() if terminal else (os.pipe())
    if terminal:
        resize(theirs, 80)
        attributes = termios.tcgetattr(theirs)
        attributes[3] &= ~termios.ECHO  # the test types a line to go on
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    variables = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        variables.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs if terminal else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=variables,
    ) as child:
        os.close(theirs)
        yield ours, child
    os.close(ours)


def read(descriptor: int, until: str = "") -> str:
    """All that comes, or what comes until these words."""
    found = b""
    while not until or until.encode() not in found:
        try:
            some = os.read(descriptor, 65536)
        except OSError:  # a terminal whose program has ended
            break
        if not some:
            break
        found += some
    return found.decode()


def test_one_line_that_fits_at_80_columns_and_at_60() -> None:
    if not hasattr(os, "openpty"):
        pytest.skip("there are no pseudo-terminals here")
    with started(terminal=True) as (terminal, child):
        screen = Screen()
        screen.feed(read(terminal, "resize\r\n"))
        wide = len(screen.frames)
        resize(terminal, 60)
        os.write(terminal, b"\n")
        screen.feed(read(terminal))
        assert child.wait() == 0
    before, after = screen.frames[:wide], screen.frames[wide + 1 :]
    assert any("step 0/1000  compiling" in frame for frame in before)
    assert any(frame.startswith("training  ─") for frame in before)
    assert any(frame.endswith("left  26% of peak") for frame in before)
    assert all(len(frame) < 80 for frame in before)
    assert after
    assert all(len(frame) < 60 and "step " in frame for frame in after if frame.strip())
    # Of the line that was rewritten the last frame is left, once, and nothing of the others.
    shown = [line for line in screen.lines if line.strip()]
    assert [line.split("  ")[0] for line in shown] == ["resize", "step 400/1000", "done"]


def test_what_is_no_terminal_gets_lines_without_control_characters() -> None:
    with started(terminal=False) as (pipe, child):
        text = read(pipe)
        assert child.wait() == 0
    lines = text.splitlines()
    assert [line.split("  ")[0] for line in lines[:2]] == ["step 1/1000", "step 100/1000"]
    assert lines[-1] == "done"
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
