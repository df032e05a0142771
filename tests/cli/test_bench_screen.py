"""How far a measurement is: what is said while it runs."""

from __future__ import annotations

import io
import re

import pytest

from crawler.bench.compare import Plan
from crawler.cli.bench_screen import Forecast, telling


def test_a_forecast_takes_each_mode_as_long_as_its_last_run() -> None:
    """Nothing is foretold while a mode has not run yet; then what is left counts down."""
    forecast = Forecast(("sync", "8"), 3)
    left = []
    for done, now in enumerate((0.0, 2.0, 12.0, 14.0, 26.0, 27.0, 38.0)):
        forecast.starts(done, now)
        left.append(forecast.left(done, now))
    assert left == [None, None, None, 10.0 + 2.0 + 10.0 + 2.0, 2.0 + 12.0 + 2.0, 12.0 + 1.0, 1.0]
    assert forecast.left(6, 38.5) == 0.5
    assert forecast.left(6, 99.0) == 0.0


class Terminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", ["80", "30"])
def test_a_bar_on_a_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that fits, drawn over itself and gone at the end."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with telling(Plan("http://127.0.0.1/", ("sync", "8"), repeat=2), terminal) as tell:
        tell(0, 5, "warm-up", "")
        tell(1, 5, "sync", "1 of 2")
    drawings = terminal.getvalue()
    assert "2/5" in drawings
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[\d?;]*[a-zA-Z]", "", drawings))
    assert max(map(len, lines)) <= int(columns)
    assert drawings.endswith("\x1b[1A\x1b[2K")


def test_a_line_for_each_crawl_elsewhere() -> None:
    """In a pipe or a log nothing is drawn over."""
    pipe = io.StringIO()
    with telling(Plan("http://127.0.0.1/", ("sync", "8"), repeat=2), pipe) as tell:
        tell(0, 5, "warm-up", "")
        tell(1, 5, "sync", "1 of 2")
        tell(2, 5, "8", "1 of 2")
    assert pipe.getvalue() == "  1/5  warm-up\n  2/5  sync (one at a time), 1 of 2\n  3/5  async 8, 1 of 2\n"
