"""Whatever one host serves, the others are asked on: pages, robots.txt and sitemaps made to keep a crawler busy."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from figures import Torture
from parsers import OBEDIENT
from running import ended, is_surrounding, rows

from crawler.testing import Site, SiteRequest, answer

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")

NewSite = Callable[..., Site]
BEAT, LATE = 0.005, 0.02
"""Seconds between two beats of the heart, and from when on one is late."""
PATIENCE = 60
"""Seconds until all hostile pages must have their outcome."""

# The command line, with a parser that does what a page says.
CRAWL = f"""
import sys
from crawler.engine import parser_process
parser_process.PROGRAM = {OBEDIENT!r}
from crawler.cli.main import main
sys.exit(main())
"""


def names(count: int, form: str) -> bytes:
    return "".join(form % number for number in range(count)).encode()


def pages(scale: int) -> dict[str, bytes]:
    """Hostile pages; at scale 10 they are as large as they are promised to be harmless."""
    return {
        "/nested": b"<div>" * 10_000 * scale,
        "/attributes": b"<a " + names(5_000 * scale, "a%x ") + b"href=/x>",
        "/hidden-attributes": b"<a " + names(2_500 * scale, "a%x='>' ") + b">",
        "/links": names(10_000 * scale, "<a href=/nowhere/%d>x</a>"),
        "/elements": b"<p>" * 100_000 * scale,
        "/text": b"lorem ipsum " * 83_000 * scale,
        "/nul": b"\0" * 1_000_000 * scale,
        "/brackets": b"<" * 300_000 * scale,
        "/refresh": b"<meta http-equiv=refresh content='" + b"1" * 20_000 * scale + b"x'>",
        "/charset": b"<meta charset=gbk>" + "中文 ".encode("gbk") * 100_000 * scale,
        "/killer": b"kill SIGSEGV" + b" " * 300_000,
        "/sitemap.xml": b"<urlset>" + names(5_000 * scale, "<url><loc>/nowhere/listed/%d</loc></url>") + b"</urlset>",
    }


def rules(scale: int) -> bytes:
    """A robots.txt that takes long to read and to compare."""
    return b"User-agent: *\n" + names(2_400 * scale, "Disallow: /*%05d*x\n")


def healthy(request: SiteRequest) -> object:
    """One of pages without end; hundreds are known at any time, so that none of them waits for what others say."""
    number = int(re.sub(r"\D", "", request.path) or 0)
    known = range(1, 1_000) if not number else range(number + 500, number + 1_000) if number % 500 == 0 else ()
    return answer(body="<p>a page", links=[f"/{following}" for following in known], delay=0.02)


class Heart:
    """A thread that does nothing but beat, and notes how long the threads of a process have waited for a core so far.

    Where it does not beat, the machine stood still, or this process with the servers in it; where the other one was ready to run and
    did not, the cores were taken. Neither can be held against a crawl, but for what its own parser takes of one core: therefore the gap
    by the clock has a bound as well.
    """

    def __init__(self) -> None:
        self.pid = 0
        self.beats: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self.beats.append((time.monotonic(), queued_of(self.pid)))

    def excused(self, start: float, end: float) -> float:
        """Seconds between two moments in which it did not beat as it should have, or in which the other waited: whichever is more."""
        pauses = [(earlier + BEAT, later) for (earlier, _), (later, _) in pairwise(self.beats) if later - earlier > LATE]
        stopped = sum(max(0.0, min(end, later) - max(start, earlier)) for earlier, later in pauses)
        queued = [queued for beat, queued in self.beats if start <= beat <= end]
        return max(stopped, queued[-1] - queued[0] if queued else 0.0)


class Beside:
    """One crawl of a healthy host beside a hostile one, until every page of the latter has its outcome."""

    def __init__(self, new_site: NewSite, folder: Path, scale: int) -> None:
        self.folder = folder
        hostile = pages(scale)
        paths = [path for path in hostile if path != "/sitemap.xml"]
        self.hostile = new_site(
            {path: answer(body=body) for path, body in hostile.items()} | {"/": answer(links=paths)}, address="127.0.0.3"
        )
        strict = new_site({"/robots.txt": answer(body=rules(scale))}, address="127.0.0.4")
        away = [self.hostile.url(), *(strict.url("/" + "a" * 500 + str(number)) for number in range(30 * scale))]
        self.healthy = new_site({"/60": answer(links=["/61", *away])}, address="127.0.0.2", otherwise=healthy)
        self.expected = {self.hostile.url(path) for path in ["/", *paths]}
        self.peak = self.child_peak = 0
        self.heart = Heart()

    def run(self) -> None:
        words = [self.healthy.url(), "--scope", "any", "--allow-private", "--exclude", "/nowhere/", "-o", str(self.folder), "-q"]
        environment = {name: value for name, value in os.environ.items() if not is_surrounding(name)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-c", CRAWL, "crawl", *words]
        with self.heart, subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                self.heart.pid = process.pid
                end = time.monotonic() + PATIENCE
                while not self.expected <= self.outcomes().keys() and process.poll() is None and time.monotonic() < end:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.1)
                    self.peak = max(self.peak, peak_of(process.pid))
                    self.child_peak = max([self.child_peak, *map(peak_of, children_of(process.pid))])
                process.send_signal(signal.SIGINT)
                assert ended(process).code == 130
            finally:
                process.kill()

    def outcomes(self) -> dict[str, str]:
        """What came of the hostile pages so far."""
        query = "SELECT url, coalesce(error || ': ' || error_detail, outcome) FROM pages"
        try:
            return {url: outcome for url, outcome in rows(self.folder, query) if url in self.expected}
        except sqlite3.OperationalError:  # it has not begun
            return {}

    def gaps(self) -> list[tuple[float, float]]:
        """The times in milliseconds in which the healthy host was not asked for anything, from the first hostile page on, each by the
        clock, and without what the machine is to blame for."""
        first = next(hit.time for hit in self.hostile.log if hit.path not in ("/", "/robots.txt"))
        times = [hit.time for hit in self.healthy.log if hit.time >= first]
        long = [(earlier, later) for earlier, later in pairwise(times[:-1]) if later - earlier > LATE]
        return [(1000 * (later - earlier), 1000 * (later - earlier - self.heart.excused(earlier, later))) for earlier, later in long]


def queued_of(pid: int) -> float:
    """Seconds that the threads of a process have been ready to run and had no core, in all; 0 where the system does not say."""
    waited = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):
            waited += int(thread.read_text().split()[1])
    return waited / 1e9


def peak_of(pid: int) -> int:
    """The most memory that a process has used, in MiB; 0 for one that is gone."""
    with suppress(OSError):
        if found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
            return int(found[1]) // 1024
    return 0


def children_of(pid: int) -> list[int]:
    """The processes that one has started, in whichever of its threads."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, children.read_text().split())
    return found


def test_a_heart_excuses_the_machine_and_nothing_else() -> None:
    """Beats that are a little late excuse nothing; a long pause counts as far as it lies within a gap, and so does waiting for a core."""
    heart = Heart()
    heart.beats = [(moment, 7.0) for moment in (0.0, 0.005, 0.024, 0.03, 0.235, 0.24)]
    assert heart.excused(0.0, 1.0) == pytest.approx(0.2)
    assert heart.excused(0.135, 0.24) == pytest.approx(0.1)
    assert heart.excused(0.0, 0.03) == 0.0
    heart.beats = [(0.0, 7.0), (0.01, 7.0), (0.02, 7.01), (0.03, 7.015), (0.04, 7.1)]
    assert heart.excused(0.005, 0.035) == pytest.approx(0.015)


def test_hostile_pages_hold_up_nobody_else(new_site: NewSite, tmp_path: Path, torture: Torture) -> None:
    """While they are read the other host is asked at least every 250 ms, memory stays bounded, and each has its outcome."""
    for number in range(torture.draw(short=1, long=3)):
        beside = Beside(new_site, tmp_path / str(number), torture.draw(short=2, long=10))
        beside.run()
        outcomes = beside.outcomes()
        torture.nothing("hostile pages without an outcome", beside.expected - outcomes.keys(), "pages")
        torture.figure("memory of a crawl that meets hostile pages", beside.peak, at_most=400, unit="MiB")
        torture.figure("memory of the process that reads them", beside.child_peak, at_least=1, at_most=1024, unit="MiB")
        assert outcomes.pop(beside.hostile.url("/killer")) == "internal: its parser was ended 2 times: SIGSEGV"
        assert set(outcomes.values()) == {"ok"}
        by_clock, gaps = map(max, zip(*beside.gaps(), strict=True))
        promise = "largest gap at a healthy host while hostile pages are read"
        torture.figure(f"{promise}, by the clock", by_clock, at_most=torture.draw(short=5_000, long=1_000), unit="ms")
        torture.figure(f"{promise}, without what the machine took", gaps, at_most=250, unit="ms")
