"""kill -9 at any moment: the same command goes on, nothing stored is lost, nothing appears twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from running import assert_at_rest, ended, no_surroundings, rows, run, start, stored

from crawler.engine.commit import AT_RISK
from crawler.testing import Answer, Site, SiteRequest, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

CONCURRENCY = 16
PAGES = 500
COST = CONCURRENCY + AT_RISK
"""Pages that a kill can cost: in flight, or not yet committed."""
# The request of each run at which it is killed: in the middle, at the very first (robots.txt), while it begins. Together they are
# fewer than the pages, so that none of these runs can come to its end before.
MOMENTS = [300, 1, 2, 3, 9, 30, 31, 64, 5, 45]


def body_of(number: int) -> bytes:
    """Every page another body and another size; some are large enough to go through a file."""
    links = "".join(f'<a href="/{target}">{target}</a>' for target in (2 * number + 1, 2 * number + 2) if target < PAGES)
    return f"<title>{number}</title>{links}".encode() + b"%d " % number * (120_000 if number % 40 == 7 else number)


class Killer:
    """A site that counts what it is asked for, and kills a process at the n-th request of its run."""

    def __init__(self, new_site: Callable[..., Site]) -> None:
        self.bodies = {f"/{number}": body_of(number) for number in range(PAGES)}
        self.asked: Counter[str] = Counter()
        self.asked_now: set[str] = set()
        self.left = 0
        self.process: Popen[str] | None = None
        self.site = new_site(otherwise=self.page, latency=0.003)

    def page(self, request: SiteRequest) -> bytes | Answer:
        if request.target in self.bodies:
            self.asked[request.target] += 1
            self.asked_now.add(request.target)
        self.left -= 1
        if self.left == 0 and self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            # Nobody is answered before it is dead. Left to be reaped by who started it.
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        return self.bodies.get(request.target) or answer(404)

    def crawl_until(self, moment: int, *words: Any) -> int:
        """Runs the crawler until the given request arrives; returns its exit code."""
        self.left = 0
        self.asked_now.clear()
        with start(*words) as self.process:
            self.left = moment
            return ended(self.process).code

    def asked_and_not(self, urls: list[str]) -> int:
        """How many pages this run has asked for that are not among these."""
        return len({self.site.url(path) for path in self.asked_now} - set(urls))


def test_a_killed_crawl_goes_on(new_site: Callable[..., Site], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After every kill the database is whole, what was stored before is there as it was, and no more than what was in flight or not
    yet committed is fetched again; in the end every page is stored once, byte for byte, and no temporary file is left."""
    killer, folder = Killer(new_site), tmp_path / "out"
    command = [killer.site.url("/0"), "-o", folder, "-c", CONCURRENCY, "--per-host", CONCURRENCY, "-q"]
    digests: dict[str, str] = {}
    for number, moment in enumerate(MOMENTS):
        # The two modes share everything that a kill could harm, and may take turns.
        mode = "sync" if number % 4 == 3 else "async"
        assert killer.crawl_until(moment, *command, "--mode", mode) == -signal.SIGKILL
        assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
        now = dict(rows(folder, "SELECT url, sha256 FROM pages"))
        assert digests.items() <= now.items()
        assert stored(folder) == sorted(now)
        assert killer.asked_and_not([*now]) <= COST
        digests = now

    assert run(capfd, *command).code == 0
    assert_at_rest(folder)
    served = {killer.site.url(path): hashlib.sha256(body).hexdigest() for path, body in killer.bodies.items()}
    assert dict(rows(folder, "SELECT url, sha256 FROM pages")) == served
    assert killer.asked.total() - PAGES <= len(MOMENTS) * COST
    assert rows(folder, "SELECT count(*), count(ended), max(finish_reason) FROM runs") == [(len(MOMENTS) + 1, 1, "queue empty")]
    assert set(killer.asked) == set(killer.bodies)


def test_a_crawl_killed_at_its_very_end(new_site: Callable[..., Site], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All is stored, but nobody has said so yet: the same command asks for nothing, and says it."""
    site, folder = new_site({"/": answer(links=["/a", "/b"]), "/a": "a", "/b": "b"}), tmp_path / "out"
    assert run(capfd, site.url(), "-o", folder).code == 0
    with closing(sqlite3.connect(folder / "crawl.db")) as database, database:
        database.execute("UPDATE runs SET ended = NULL, finish_reason = NULL")
    (folder / "summary.json").unlink()
    asked = site.count()
    again = run(capfd, site.url(), "-o", folder)
    assert again.code == 0
    assert "finished: queue empty" in again.err
    assert json.loads((folder / "summary.json").read_text())["complete"]
    assert site.count() == asked
