"""Shares the time of `--fuzz-minutes` among the laws, and says how often each was tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzzing import Fuzzing

SHARE = pytest.StashKey[float]()
TRIED = pytest.StashKey[dict[str, int]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    laws = sum("fuzzing" in getattr(item, "fixturenames", ()) for item in session.items)
    session.config.stash[SHARE] = 60.0 * session.config.option.fuzz_minutes / max(1, laws)
    session.config.stash[TRIED] = {}


@pytest.fixture
def fuzzing(request: pytest.FixtureRequest) -> Iterator[Fuzzing]:
    """How long one law is tried."""
    run = Fuzzing(request.config.stash[SHARE])
    yield run
    request.config.stash[TRIED][request.node.nodeid] = run.tried


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, after a long run."""
    if not config.option.fuzz_minutes:
        return
    terminalreporter.section("fuzz")
    for law, tried in config.stash[TRIED].items():
        terminalreporter.write_line(f"{tried:>12,}  {law}")
