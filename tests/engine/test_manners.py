"""Manners as the log of a real server tells them: how close requests are, how many at once, and what comes first; over stops and kills."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from running import SECONDS, Capture, assert_at_rest, ended, no_surroundings, run, running, start

from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
PAGES = 8
# What a busy machine may add on the way to the log. A delay that is not kept is missed by all of itself.
JITTER = 0.1


def gaps(site: Site) -> list[float]:
    """Seconds between the arrivals of two requests."""
    return [later.time - earlier.time for earlier, later in pairwise(site.log)]


def many(robots: str = "") -> dict[str, object]:
    paths = [f"/{number}" for number in range(PAGES)]
    said = answer(200, f"User-agent: *\n{robots}", {"Content-Type": "text/plain"})
    return {"/robots.txt": said, "/": answer(body="<p>all", links=paths), **dict.fromkeys(paths, "<p>here")}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("asked", ["--delay", "Crawl-delay"])
def test_a_delay_is_kept_over_a_stop(new_site: NewSite, tmp_path: Path, capfd: Capture, asked: str, end: signal.Signals) -> None:
    """Whether the delay is the user's or the site's: a crawl that is stopped, or killed, and goes on at once leaves no less between the
    last request before and the first one after, and asks for no page before robots.txt."""
    delay = 0.6  # much longer than it takes to go on
    site = new_site(many(f"Crawl-delay: {delay}" if asked == "Crawl-delay" else ""))
    words = ["--delay", f"{delay}s"] if asked == "--delay" else []
    command = ["crawl", site.url(), "-o", tmp_path / "out", "--sitemap", "off", "-q", "--max-pages", 2, *words]
    with running(*command) as first:
        site.wait_for(count=2, timeout=SECONDS)
        first.send_signal(end)
        ended(first)
    before = site.count()
    ran = run(capfd, *command)

    assert ran.code == 0, ran.err
    assert site.paths[0] == "/robots.txt"
    assert site.count() > before
    assert min(gaps(site)) >= delay - JITTER, gaps(site)
    assert_at_rest(tmp_path / "out")


@pytest.mark.parametrize("way", [("--mode", "async"), ("--mode", "sync"), ("--processes", 2)])
def test_what_the_server_sees(new_site: NewSite, tmp_path: Path, capfd: Capture, way: tuple[object, ...]) -> None:
    """robots.txt first and alone, then never more at once than `--per-host`, and no two closer than the delay, with redirects of
    robots.txt and hosts that share one server."""
    site = new_site(many() | {"/robots.txt": answer(301, headers={"Location": "/rules.txt"}), "/rules.txt": "User-agent: *"}, latency=0.2)
    command = ["crawl", site.url(), "-o", tmp_path / "out", *way, "--delay", "0.15s", "--per-host", 2, "-q"]
    ran = run(capfd, *command) if "--mode" in way else ended(start(*command))

    assert ran.code == 0, ran.err
    assert site.paths[:2] == ["/robots.txt", "/rules.txt"]
    assert len(site.log) >= PAGES + 3
    assert min(gaps(site)) >= 0.15 - JITTER, gaps(site)
    assert sum(gap < 0.15 - JITTER / 5 for gap in gaps(site)) <= 2, gaps(site)
    assert site.in_flight_peak <= 2
