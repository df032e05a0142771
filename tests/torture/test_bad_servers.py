"""Servers that break what they say, refuse, go down, and set limits: in real time, over real connections."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from faults.whole_crawl import Table, crawl_the_site
from figures import Torture
from running import SECONDS, Capture, assert_at_rest, no_surroundings, rows, run

from crawler.testing import Answer, PageValue, Site, SiteRequest, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_every_fault_ends_as_promised(
    mode: str, torture: Torture, tmp_path: Path, capfd: Capture, certificates: Callable[..., Path]
) -> None:
    """Bodies, answers, connections, certificates: each fault of the manifest has its outcome, status, kind of error and sentence. Whole
    pages are stored byte by byte and nothing else is; what may pass is asked again, what will not is asked once; the crawl ends by
    itself. Whatever is rolled for the server, the table of outcomes stays the same."""
    tables: list[Table] = []
    for number in range(torture.draw(short=1, long=10)):
        table, seconds = crawl_the_site(torture.random, mode, tmp_path / str(number) / "out", capfd, certificates)
        tables.append({name: ended._replace(body=None) for name, ended in table.items()})
        torture.figure(f"seconds for all faults, {mode}", seconds, at_most=60, unit="s")
        torture.nothing(
            f"broken bodies that were called pages, {mode}", [name for name in table if "/ok/" not in name and _is_page(table, name)]
        )
    torture.nothing(f"faults that ended differently in different runs, {mode}", _differences(tables))


def _is_page(table: Table, name: str) -> bool:
    return table[name].outcome == "ok" and "/passes/" not in name and not name.startswith("tls-good")


def _differences(tables: list[Table]) -> list[tuple[str, Any, Any]]:
    first = tables[0]
    return [(name, first[name], table[name]) for table in tables[1:] for name in first if table[name] != first[name]]


# -- going down ----------------------------------------------------------------------------------------------------------


def many(count: int, page: PageValue = "<p>here") -> dict[str, PageValue]:
    """A site of so many pages, all linked from the first."""
    paths = [f"/{number}" for number in range(1, count)]
    return {"/": answer(body="<p>all", links=paths), **dict.fromkeys(paths, page)}


class Outage:
    """Whether a site is down, and since when."""

    def __init__(self, what: Answer) -> None:
        self.is_on = False
        self._what = what

    def __call__(self, request: SiteRequest) -> Answer:
        return self._what if self.is_on else answer(body="<p>here")


@contextmanager
def down(site: Site, outage: Outage | None, after: int, seconds: float) -> Iterator[None]:
    """After so many requests the site is down for so long: without an outage to switch on, it is gone."""

    def play() -> None:
        site.wait_for(count=after, timeout=SECONDS)
        if outage is None:
            site.stop()
        else:
            outage.is_on = True
        if not over.wait(seconds) and outage is None:
            site.start()
        elif outage is not None:
            outage.is_on = False

    over = threading.Event()
    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        over.set()
        player.join()


WAYS_DOWN = {"gone": None, "resetting": answer(fault="reset"), "502": answer(502), "503": answer(503)}


@pytest.mark.parametrize("way", WAYS_DOWN)
def test_an_outage_costs_no_page(way: str, torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """A server that is down for ten seconds in the middle of a crawl, however that looks from outside: every page arrives, and it is
    asked hardly more often for that, at growing distances."""
    if way != "gone" and not torture.is_long:
        pytest.skip("ten seconds of outage are for `make torture`")
    count, seconds = torture.draw(short=120, long=1500), torture.draw(short=0.8, long=10.0)
    outage = None if way == "gone" else Outage(WAYS_DOWN[way])  # type: ignore[arg-type]
    site = new_site(many(count, outage or "<p>here"), latency=0.02)
    with down(site, outage, count // 3, seconds):
        ran = run(capfd, "crawl", site.url(), "-o", tmp_path / "out", "--sitemap", "off")

    assert ran.code == 0, ran.err
    ok = {url for (url,) in rows(tmp_path / "out", "SELECT url FROM pages WHERE outcome = 'ok'")}
    torture.nothing(f"pages that an outage of {seconds:g} s cost, {way}", {site.url(path) for path in site.pages} - ok)
    torture.figure(f"requests for each page with an outage of {seconds:g} s, {way}", len(site.log) / count, at_most=1.2)
    if outage is not None:
        probes = [hit.time for hit in site.log if hit.status in (0, 502, 503)]
        gaps = [later - earlier for earlier, later in pairwise(probes)][-3:]
        assert gaps == sorted(gaps)
    assert_at_rest(tmp_path / "out")


def test_a_server_that_is_gone_for_good_is_given_up(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """The crawl ends by itself, after eight probes; each page that is missing is named, with the reason."""
    if not torture.is_long:
        pytest.skip("eight probes take more than a minute: `make torture`")
    site = new_site(many(300), latency=0.02)
    with down(site, None, 100, 3600):
        began = time.monotonic()
        ran = run(capfd, "crawl", site.url(), "-o", tmp_path / "out", "--sitemap", "off")

    assert ran.code == 0, ran.err
    torture.figure("seconds until a server that is gone is given up", time.monotonic() - began, at_most=150, unit="s")
    named = Counter(rows(tmp_path / "out", "SELECT state, reason FROM urls"))
    assert set(named) <= {("done", None), ("failed", "refused"), ("failed", "reset"), ("failed", "truncated")}
    torture.nothing("pages of a server that is gone which are not named", range(300 - named.total()))
    assert_at_rest(tmp_path / "out")


# -- a limit -------------------------------------------------------------------------------------------------------------


def test_a_limit_is_found_and_kept(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """Against a server that allows 20 requests a second and answers the others with 429 and `Retry-After: 2`."""
    if not torture.is_long:
        pytest.skip("two minutes against a limit are for `make torture`")
    times: deque[float] = deque()

    def limited(request: SiteRequest) -> Answer:
        now = time.monotonic()
        while times and times[0] <= now - 1:
            times.popleft()
        if len(times) >= 20:
            return answer(429, "", {"Retry-After": "2"})
        times.append(now)
        return answer(body="<p>here")

    site = new_site(many(6000, limited))
    ran = run(capfd, "crawl", site.url(), "-o", tmp_path / "out", "--sitemap", "off", "--max-time", 150)

    assert ran.code == 0, ran.err

    begin = site.log[0].time
    said = Counter(hit.status for hit in site.log if 30 <= hit.time - begin < 150)
    torture.figure("refused by a limit of 20 requests/s, seconds 30 to 150", 100 * said[429] / said.total(), at_most=1, unit="%")
    torture.figure("used of a limit of 20 requests/s, seconds 30 to 150", 100 * said[200] / (20 * 120), at_least=80, unit="%")


# -- one that hangs among many -------------------------------------------------------------------------------------------


def test_a_host_that_hangs_slows_no_other(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """200 hosts with pages without end, and 32 requests at once, each of which takes half a second. In the middle one host stops
    answering; the others are asked as often as without it, as their own log says."""
    if not torture.is_long:
        pytest.skip("two crawls of half a minute are for `make torture`")
    addresses = [f"127.0.1.{number}" for number in range(1, 201)]
    rates = {}
    for hanging in (False, True):
        begun: list[float] = []

        def respond(request: SiteRequest, hanging: bool = hanging, begun: list[float] = begun) -> Answer:
            now = time.monotonic()
            begun.append(now)
            if hanging and request.headers["host"].startswith(f"{addresses[0]}:") and now - begun[0] > 6:
                return answer(fault="hang")
            number = 0 if request.path == "/robots.txt" else int(request.path.strip("/") or 0)
            words = " ".join(sha256(b"%d %d" % (number, word)).hexdigest() for word in range(9))  # no page is like another
            return answer(body=f"<p>{words}", links=[f"/{3 * number + child}" for child in (1, 2, 3)])

        site = new_site(address=addresses, latency=0.5, otherwise=respond)
        seeds = tmp_path / f"seeds {hanging}"
        seeds.write_text("\n".join(site.url("/", address) for address in addresses))
        ran = run(capfd, "crawl", "-i", seeds, "-o", tmp_path / str(hanging), "--sitemap", "off", "--max-time", 34)
        assert ran.code == 0, ran.err
        times = [hit.time - begun[0] for hit in site.log if not hit.host.startswith(f"{addresses[0]}:")]
        rates[hanging] = sum(9 <= at < 32 for at in times)

    torture.figure("rate of 199 hosts beside one that hangs", 100 * rates[True] / rates[False], at_least=95, unit="%")
