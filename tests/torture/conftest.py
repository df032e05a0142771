"""What takes long, to be run by `make torture`; a shorter draw of each is part of the suite.

    def test_kills(torture: Torture) -> None:
        for _ in range(torture.draw(short=6, long=60)):
            moment = torture.random.uniform(0, 5)
            ...
        torture.figure("pages missing after a kill", missing, at_most=0, unit="pages")

`--torture` chooses the long draws and prints the table of all figures at the end, `--seed` what is rolled.
"""

from __future__ import annotations

import platform
import secrets
from datetime import UTC, datetime

import pytest
from figures import Figures, Torture

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    seed = config.option.seed
    config.stash[FIGURES] = Figures(secrets.randbelow(1_000_000) if seed is None and config.option.torture else seed or 0)


@pytest.fixture
def torture(request: pytest.FixtureRequest) -> Torture:
    """How much to do, what to roll, and where the figures go."""
    return Torture(request.config.stash[FIGURES], request.node.nodeid, is_long=request.config.option.torture)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, after the long draws."""
    figures = config.stash[FIGURES]
    if not config.option.torture:
        return
    terminalreporter.section("torture")
    for line in figures.table():
        terminalreporter.write_line(line)
    kept = sum(row.holds for row in figures.rows.values())
    made = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    terminalreporter.write_line(f"\nseed {figures.seed}, {made}: {kept} of {len(figures.rows)} figures hold")
