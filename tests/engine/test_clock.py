"""Somebody sets the clock while a crawl runs: the dates that are written down change, and nothing else."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from running import Capture, assert_at_rest, no_surroundings, rows, run, value

import crawler
from crawler.engine.reading import retry_after
from crawler.model import Response
from crawler.testing import Answer, Site, SiteRequest, answer, in_turn

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

ROOT = Path(crawler.__file__).parent
DAY = 86_400.0

WALL_TIME = {
    "engine/judge.py": "when a page was fetched",
    "engine/courier.py": "when a page was fetched",
    "engine/reading.py": "Retry-After with a date, from a server that does not tell its own time",
    "frontier/shared/journal.py": "when a worker had nothing to do, for those who ask how long ago that was",
    "store/folder.py": "when a run began and ended",
    "store/log.py": "when something happened",
    "fetch/cookies.py": "how old the cookies of an earlier run are, once",
    "cli/status.py": "how long another process has been running",
    "cli/health.py": "how long ago another process has stored something",
    "cli/check.py": "how old the answers of an earlier check are; one from the future does not count",
    "bench/render.py": "when it was measured",
}
"""Where the time of day is asked for, and what for. Everything else counts seconds of the monotonic clock."""

_ASKS = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.strftime", "datetime.now", "datetime.utcnow", "date.today"}


def test_the_time_of_day_is_asked_for_in_few_places() -> None:
    """Whoever adds one says what it is for, and why a clock that is set meanwhile does no harm."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in _ASKS:
                found.add(path.relative_to(ROOT).as_posix())
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                assert "time" not in {name.name for name in node.names}, f"{path}: import the module, so that this test can see it"
    assert {path for path in found if not path.startswith("testing/")} == WALL_TIME.keys()


def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every look at the clock finds it set a day ahead, or a day back."""
    jumps = cycle((DAY, -DAY, 0.0))
    real = time.time

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(real() + next(jumps), tz)

    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    for name in ("crawler.engine.judge", "crawler.engine.reading", "crawler.store.folder", "crawler.store.log"):
        monkeypatch.setattr(f"{name}.datetime", Jumping)


def visitor(request: SiteRequest) -> Answer:
    """A page for those whose session goes on."""
    return answer(body="<p>welcome back") if "session=1" in request.headers.get("cookie", "") else answer(403)


def later(request: SiteRequest) -> Answer:
    """Asks to come back in a second, as a date."""
    now = datetime.now(UTC)
    dates = {"Date": format_datetime(now, usegmt=True), "Retry-After": format_datetime(now + timedelta(seconds=1), usegmt=True)}
    return answer(503, headers=dates)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_clock_that_is_set_changes_dates_only(
    new_site: Callable[..., Site], tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A day ahead or back at every look: the same requests, the same rows, sessions go on, a Retry-After is waited for, and the crawl
    took as long as it took."""
    told = []
    for folder, jumps in (("steady", False), ("jumping", True)):
        site = new_site({
            "/": answer(links=["/member", "/busy", *(f"/{n}" for n in range(4))], headers={"Set-Cookie": "session=1; Max-Age=3600"}),
            "/robots.txt": answer(body="User-agent: *\nAllow: /", headers={"Content-Type": "text/plain"}),
            "/member": visitor,
            "/busy": in_turn(later, "<p>at last"),
            **{f"/{n}": f"<p>{n}" for n in range(4)},
        })  # fmt: skip
        if jumps:
            jumping(monkeypatch)
        began = time.monotonic()
        ran = run(capfd, site.url(), "-o", tmp_path / folder, "--mode", mode, "--no-adaptive")
        took = time.monotonic() - began
        assert ran.code == 0
        assert_at_rest(tmp_path / folder)
        query = "SELECT replace(url, ?, ''), status, outcome, depth, sha256, attempts FROM pages ORDER BY url"
        told.append((rows(tmp_path / folder, query, site.url("")), sorted(site.paths)))
        assert 0 < value(tmp_path / folder, "SELECT seconds FROM runs") <= took
        busy = [hit.time for hit in site.log if hit.path == "/busy"]
        assert 0.5 < busy[1] - busy[0] < 30
    assert told[0] == told[1]
    assert all(row[2] == "ok" for row in told[0][0])


def test_a_date_to_come_back_at_is_read_by_the_clock_of_who_wrote_it() -> None:
    """A server whose clock is wrong by a day means what it says: the difference to its own Date counts."""
    theirs = datetime.now(UTC) - timedelta(days=1)
    pairs = (("Date", format_datetime(theirs, usegmt=True)), ("Retry-After", format_datetime(theirs + timedelta(seconds=90), usegmt=True)))
    assert retry_after(Response("http://h/", 503, pairs)) == 90.0
    for date in ("", "soon", "Mon, 99 Foo 2000 00:00:00 GMT"):
        assert retry_after(Response("http://h/", 503, (("Date", date), pairs[1]))) == 0.0
