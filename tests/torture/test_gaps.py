"""Whatever one host serves, the others are asked on: pages, robots.txt and sitemaps made to keep a crawler busy."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from figures import Torture
from parsers import OBEDIENT
from running import ended, is_surrounding, rows

from crawler.testing import Site, SiteRequest, answer

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")

NewSite = Callable[..., Site]
TRIES = 3
"""How often a gap may be measured again: a machine that stands still for a while is none of ours, a crawl that does is every time."""
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
        self.peak = 0

    def run(self) -> None:
        words = [self.healthy.url(), "--scope", "any", "--allow-private", "--exclude", "/nowhere/", "-o", str(self.folder), "-q"]
        environment = {name: value for name, value in os.environ.items() if not is_surrounding(name)}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with subprocess.Popen(
            [sys.executable, "-c", CRAWL, "crawl", *words], env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                for _ in range(PATIENCE * 10):
                    if self.expected <= self.outcomes().keys():
                        break
                    try:
                        process.wait(0.1)
                    except subprocess.TimeoutExpired:
                        self.peak = peak_of(process.pid)
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

    def gap(self) -> float:
        """The longest time in milliseconds in which the healthy host was not asked for anything, from the first hostile page on."""
        first = next(hit.time for hit in self.hostile.log if hit.path not in ("/", "/robots.txt"))
        times = [hit.time for hit in self.healthy.log if hit.time >= first]
        return 1000 * max(later - earlier for earlier, later in pairwise(times[:-1]))


def peak_of(pid: int) -> int:
    """The most memory that a process has used, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def test_hostile_pages_hold_up_nobody_else(new_site: NewSite, tmp_path: Path, torture: Torture) -> None:
    """While they are read the other host is asked at least every 250 ms, memory stays bounded, and each has its outcome."""
    for number in range(torture.draw(short=1, long=3)):
        gaps = []
        while len(gaps) < TRIES and min(gaps, default=999.0) > 250:
            beside = Beside(new_site, tmp_path / f"{number}-{len(gaps)}", torture.draw(short=2, long=10))
            beside.run()
            outcomes = beside.outcomes()
            gaps.append(beside.gap())
            torture.nothing("hostile pages without an outcome", beside.expected - outcomes.keys(), "pages")
            torture.figure("memory of a crawl that meets hostile pages", beside.peak, at_most=400, unit="MiB")
            killed = beside.hostile.url("/killer")
            assert outcomes.pop(killed) == "internal: its parser was ended 2 times: SIGSEGV"
            assert set(outcomes.values()) == {"ok"}
        torture.figure("largest gap at a healthy host while hostile pages are read", min(gaps), at_most=250, unit="ms", why=gaps)
