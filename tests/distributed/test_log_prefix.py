"""stamps: every line says when, which process, after which step."""

import io
import re

from distil_jax.distributed.log_prefix import LogPrefix, PrefixedStream

STAMP = r"\[\d\d:\d\d:\d\d process 1/4 step {}\] "


def test_lines_are_stamped_once_however_they_are_written() -> None:
    out, stamp = io.StringIO(), LogPrefix(1, 4)
    stream = PrefixedStream(out, stamp)
    print("a", "b", file=stream)
    stream.write("c")
    assert out.getvalue().count("\n") == 1
    stamp.at(12)
    stream.write("d\n\ne\n")
    first, second, empty, last, rest = out.getvalue().split("\n")
    assert re.fullmatch(STAMP.format(0) + "a b", first)
    assert re.fullmatch(STAMP.format(0) + "cd", second)
    assert (empty, rest) == ("", "")
    assert re.fullmatch(STAMP.format(12) + "e", last)


def test_what_the_parent_is_told() -> None:
    lines: list[str] = []
    LogPrefix(0, 2, lines.append).at(3)
    assert lines == ["process 0/2 step 0", "process 0/2 step 3"]
