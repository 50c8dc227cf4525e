"""huge_pages: the same program, started again with one more setting, and only once."""

import os
import subprocess
import sys

import pytest

from distil_jax import huge_pages

WANTED = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000"
PROGRAM = (
    "import os, sys; from distil_jax import huge_pages; huge_pages.prefer(); "
    "print(os.getpid(), os.environ.get('GLIBC_TUNABLES'), *sys.argv[1:])"
)


def run(given: str | None) -> tuple[int, list[str]]:
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    if given is not None:
        environment["GLIBC_TUNABLES"] = given
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "an argument", "--key=1"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    printed, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    return started.pid, printed.split(maxsplit=2)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's setting")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, WANTED),
        ("glibc.malloc.check=0", f"glibc.malloc.check=0:{WANTED}"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_it_starts_again_with_the_settings_and_the_same_arguments(given, expected) -> None:
    pid, (printed_pid, tunables, arguments) = run(given)
    assert (int(printed_pid), tunables) == (pid, expected)
    assert arguments.strip() == "an argument --key=1"


def test_a_program_that_has_them_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("started again"))
    huge_pages.prefer()
