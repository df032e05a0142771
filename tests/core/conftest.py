"""Says at the end of a run how many cases of the public test data have passed."""

from __future__ import annotations

import pytest
from corpora import NOT_USED, TOLD


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each corpus that was asked."""
    if not TOLD:
        return
    terminalreporter.section("corpora")
    for name, result in sorted(TOLD.items()):
        terminalreporter.write_line(f"corpora: {name:<45} {result}")
    for name, why in NOT_USED.items():
        terminalreporter.write_line(f"corpora: {name:<45} not asked: {why}")
