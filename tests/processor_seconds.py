"""What each test costs: the processor seconds of its process and of those it waited for.

    pytest --processor_seconds=30     # the 30 most expensive files and tests

Wall time says little on a shared machine. A fixture counts for the test that comes first.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

NAME = "processor_seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        f"--{NAME}", type=int, default=0, metavar="N", help="show the N most expensive"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield
    item.user_properties.append((NAME, _used() - item.stash[_BEGAN]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEGAN] = _used()


_BEGAN = pytest.StashKey[float]()


def _used() -> float:
    return sum(os.times()[:4])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Files first, then tests."""
    most = config.getoption(NAME)
    if not most:
        return
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                tests[report.nodeid] += dict(report.user_properties)[NAME]
    files: Counter[str] = Counter()
    for test, seconds in tests.items():
        files[test.split("::")[0]] += seconds
    terminalreporter.section(f"processor seconds: {sum(tests.values()):.0f}")
    for counted in (files, tests):
        for name, seconds in counted.most_common(most):
            terminalreporter.write_line(f"{seconds:8.1f}  {name}")
