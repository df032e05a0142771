"""Hosts that refuse, break down and come back, or do not: whole crawls in virtual time, with the real workbench."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from virtual import Said, Server, VirtualCrawl

from crawler.core.politeness import PROBES, Politeness
from crawler.model import PageError, Request

PAGES = 1500
DOWN = {
    "refused": PageError("refused", "the host refused the connection"),
    "dns": PageError("dns", "the name server did not answer"),
    "unheard": PageError("timeout", "no connection within 10 s"),
    "reset": PageError("reset", "the server cut the connection"),
    "silent": PageError("timeout", "no headers within 30 s"),
    "500": Said(500),
    "502": Said(502),
    "503": Said(503),
    "503 with a time": Said(503, 2.0),
    "429": Said(429),
}
CLOSED = {name: str(what) for name, what in DOWN.items() if isinstance(what, PageError)} | {
    "503 with a time": "refused: the host answered 503 to 9 requests in a row",
    "429": "refused: the host answered 429 to 9 requests in a row",
}


def down_from(start: float, end: float, what: Said | PageError) -> Server:
    """A server that answers, except for a time."""
    return lambda now, request: what if start <= now < end else Said()


def pauses(asked: Sequence[float], what: Said | PageError, per_host: int) -> list[float]:
    """The seconds between the probes of a host that was asked at these times since it is down: each twice as long as the one before, up
    to 30, give or take a quarter; what Retry-After asks for is kept. Before them comes what was in flight and what it took to notice."""
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    begun = next(number for number, gap in enumerate(gaps) if gap > 0.5)
    assert begun < per_host + PROBES
    least = what.retry_after or 0.0 if isinstance(what, Said) else 0.0
    for number, gap in enumerate(gaps[begun:][: PROBES - 1]):
        longest = min(30.0, 2.0**number)
        assert max(least, 0.75 * longest) <= gap <= max(least, 1.25 * longest) + 0.1, gaps
    return gaps[begun:][: PROBES - 1]


# -- it comes back -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_host", [1, 4, 16])
@pytest.mark.parametrize("what", DOWN.values(), ids=DOWN)
def test_ten_seconds_of_outage_cost_no_page(what: Said | PageError, per_host: int) -> None:
    """Whatever the outage looks like from outside: every page arrives, nobody is asked 1.2 times as often as there are pages, and the
    gaps between the probes grow."""
    crawl = VirtualCrawl(down_from(2, 12, what), PAGES, Politeness(per_host=per_host), latency=0.05, robots=True).run()

    assert (len(crawl.ok), crawl.failed) == (PAGES, {})
    assert len(crawl.log) <= 1.2 * PAGES
    assert len(pauses([started for started, _, _ in crawl.log if 2 <= started < 12], what, per_host)) == 3


def test_an_outage_uses_up_no_try() -> None:
    """A page that waits while its host refuses connections still has all its tries."""

    def server(now: float, request: Request) -> Said | PageError:
        if 10 <= now < 70:
            return DOWN["refused"]
        tried[request.url] += 1
        return Said(500) if tried[request.url] <= 2 else Said()

    tried: Counter[str] = Counter()
    crawl = VirtualCrawl(server, 50, Politeness(per_host=1, delay=1.0, retries=2)).run()

    assert (len(crawl.ok), crawl.failed) == (50, {})


# -- it does not come back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", DOWN)
def test_a_host_that_is_down_for_good_ends_its_crawl(what: str) -> None:
    """The crawl ends by itself, within minutes, and names each page that is missing. A host that does not answer, or tells us to
    stay away, is probed at growing gaps and not asked for all of its pages: they fail in one step, with the reason."""
    crawl = VirtualCrawl(down_from(10, float("inf"), DOWN[what]), PAGES, latency=0.05, robots=True).run()

    assert len(crawl.ok) + len(crawl.failed) == PAGES
    assert set(crawl.ok).isdisjoint(crawl.failed)
    assert crawl.now < 10 * 60
    assert len(pauses([started for started, _, _ in crawl.log if started >= 10], DOWN[what], per_host=4)) == PROBES - 1
    if what in CLOSED:
        asked = [started for started, _, _ in crawl.log if started >= 10]
        assert len(asked) <= 4 + PROBES + PROBES
        assert Counter(crawl.failed.values()).most_common(1)[0][0] == CLOSED[what]


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("what", DOWN)
def test_a_host_that_was_never_there_ends_its_crawl(what: str, is_named: bool) -> None:
    """Its robots.txt is all that is asked for, eight times within two minutes; three times, within seconds, where a user who named
    the host is told that nobody is there."""
    crawl = VirtualCrawl(lambda now, request: DOWN[what], PAGES, Politeness(is_named=is_named), robots=True).run()

    assert (crawl.ok, len(crawl.failed)) == ([], PAGES)
    assert len(set(crawl.failed.values())) == 1
    assert {request.role for _, request, _ in crawl.log} == {"robots"}
    is_mistyped = is_named and what in ("refused", "dns")
    assert len(crawl.log) == (3 if is_mistyped else PROBES)
    assert crawl.log[-1][0] < (4 if is_mistyped else 120)


def test_bad_pages_among_good_ones_stop_nobody() -> None:
    """A tenth of all pages breaks, each in the same way for ever: the rest arrives without a pause, and each of them is named."""
    for what in (DOWN["reset"], DOWN["silent"], DOWN["500"]):
        crawl = VirtualCrawl(lambda now, request, what=what: what if request.url.endswith("7") else Said(), PAGES).run()  # type: ignore[misc]
        assert (len(crawl.ok), len(crawl.failed)) == (PAGES * 9 // 10, PAGES // 10)
        assert max(later[0] - earlier[0] for earlier, later in pairwise(crawl.log)) < 5


# -- it has a limit ------------------------------------------------------------------------------------------------------


RATE = 20


def sliding() -> Server:
    """So many in any second."""
    times: deque[float] = deque()

    def server(now: float, request: Request) -> Said:
        while times and times[0] <= now - 1:
            times.popleft()
        if len(times) >= RATE:
            return Said(429, 2.0)
        times.append(now)
        return Said()

    return server


def by_the_clock() -> Server:
    """So many in each second of the clock, those that are refused counted."""
    asked: Counter[int] = Counter()

    def server(now: float, request: Request) -> Said:
        asked[int(now)] += 1
        return Said() if asked[int(now)] <= RATE else Said(429, 2.0)

    return server


def bucket(burst: float) -> Callable[[], Server]:
    """A token bucket: so many a second, and so many at once."""

    def make() -> Server:
        left, last = burst, 0.0

        def server(now: float, request: Request) -> Said:
            nonlocal left, last
            left, last = min(burst, left + (now - last) * RATE), now
            if left < 1:
                return Said(429, 2.0)
            left -= 1
            return Said()

        return server

    return make


LIMITS = {"sliding": sliding, "clock": by_the_clock, "no burst": bucket(1), "burst of 5": bucket(5), "burst of 20": bucket(20)}


@pytest.mark.parametrize("latency", [0.002, 0.05])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_limit_is_found_and_kept(limit: Callable[[], Server], latency: float) -> None:
    """Against 20 requests a second with 429 and `Retry-After: 2`, between seconds 30 and 150: fewer than 1 % refused, at least 80 % of
    what is allowed."""
    crawl = VirtualCrawl(limit(), 5000, latency=latency, lag=0.004, robots=True).run(until=150)

    statuses = Counter(said.status for started, _, said in crawl.log if started >= 30 and isinstance(said, Said))
    assert statuses[429] < 0.01 * statuses.total()
    assert statuses[200] >= 0.8 * RATE * 120
    assert crawl.failed == {}


def test_a_limit_that_is_lifted_is_noticed() -> None:
    """Two minutes after the host stopped refusing, nothing is held back any more."""
    refusing = bucket(20)()
    crawl = VirtualCrawl(lambda now, request: refusing(now, request) if now < 30 else Said(), 100_000, latency=0.05).run(until=200)

    late = [started for started, _, _ in crawl.log if 180 <= started < 200]
    assert len(late) >= 0.9 * 20 * 4 / 0.05
