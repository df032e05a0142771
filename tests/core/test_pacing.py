"""How the pace follows what a host bears: whole crawls in virtual time, with the real workbench."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from test_outages import RATE, bucket
from virtual import Said, VirtualCrawl

from crawler.core.politeness import Politeness
from crawler.core.window import SLACK, Window
from crawler.model import Request

# -- a limit, over stops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [3, 10, 45])
def test_the_learnt_pace_survives_a_stop(every: int) -> None:
    """A crawl that is stopped and goes on every few seconds keeps to the limit that it has found: between seconds 30 and 150 fewer than
    1 % are refused and at least 80 % of what is allowed is used, as if it had never stopped."""
    crawl = VirtualCrawl(bucket(20)(), 5000, latency=0.05, lag=0.004, robots=True, stops=range(30, 150, every)).run(until=150)

    statuses = Counter(said.status for started, _, said in crawl.log if started >= 30 and isinstance(said, Said))
    assert statuses[429] < 0.01 * statuses.total()
    assert statuses[200] >= 0.8 * RATE * 120
    assert crawl.failed == {}


def test_no_stop_shortens_a_gap() -> None:
    """With a delay, two requests are as far apart over a stop as without one."""
    crawl = VirtualCrawl(lambda now, request: Said(), 200, Politeness(delay=1.0), robots=True, stops=[n * 1.37 for n in range(1, 60)]).run()

    assert len(set(crawl.ok)) == 200
    assert min(later[0] - earlier[0] for earlier, later in pairwise(crawl.log)) >= 1.0


# -- a server that is slow -----------------------------------------------------------------------------------------------


class Queueing:
    """A server that works on one request at a time, so many a second as `capacity` says for the time, and lets the others wait.
    `waiting` tells how many there were at each arrival."""

    def __init__(self, *capacity: tuple[float, float]) -> None:
        self.capacity = capacity
        self.ends: list[float] = []
        self.waiting: list[tuple[float, int]] = []

    def __call__(self, now: float, request: Request) -> Said:
        per_second = next(rate for since, rate in reversed(self.capacity) if now >= since)
        self.waiting.append((now, sum(end > now for end in self.ends[-100:])))
        self.ends.append(max(now, self.ends[-1] if self.ends else 0.0) + 1 / per_second)
        return Said(latency=self.ends[-1] - now + 0.01)

    def most(self, since: float, until: float = float("inf")) -> int:
        return max(waiting for at, waiting in self.waiting if since <= at < until)

    def used(self, since: float, until: float) -> float:
        """The part of what it could answer that it was asked for."""
        per_second = next(rate for begin, rate in reversed(self.capacity) if since >= begin)
        return sum(since <= at < until for at, _ in self.waiting) / (until - since) / per_second


@pytest.mark.parametrize("capacity", [1, 5, 20, 100])
def test_a_slow_server_is_never_asked_more_than_it_answers(capacity: float) -> None:
    """Allowed 64 at once, a server that works on one request after the other has at most as many of them waiting as it answers in
    four times the time of one and a tenth of a second, and is kept busy."""
    server = Queueing((0, capacity))
    VirtualCrawl(server, 20_000, Politeness(per_host=64), robots=True).run(until=120)

    assert server.most(10) <= 5 + 2 * SLACK * capacity
    assert 0.9 <= server.used(10, 120) <= 1.0


def test_a_server_that_gets_slow_is_asked_less_and_then_as_before() -> None:
    """From 100 answers a second to two for a minute: within seconds nearly nothing waits, the rest of the minute it is kept busy, and
    half a minute later it is asked as before."""
    server = Queueing((0, 100), (30, 2), (90, 100))
    crawl = VirtualCrawl(server, 50_000, Politeness(per_host=16), robots=True).run(until=150)

    assert server.most(50, 90) <= 5
    assert 0.9 <= server.used(50, 90) <= 1.0
    assert server.used(120, 150) >= 0.9
    assert not crawl.failed


@pytest.mark.parametrize("capacity", [0.2, 0.4, 0.51, 0.8])
def test_a_server_that_is_slower_than_our_patience_is_not_asked_more_than_it_answers(capacity: float) -> None:
    """We stop waiting after two seconds; the server goes on working at what nobody waits for any more."""
    server = Queueing((0, 100), (10, capacity))
    VirtualCrawl(server, 100_000, Politeness(per_host=4, retries=5), timeout=2.0).run(until=310)

    assert 0 < server.used(60, 300) <= 1.01


def test_a_host_that_halves_recovers_slowly() -> None:
    """After a timeout half of the window is left; the rest comes back within twenty seconds, and not at once."""
    window = Window(8)
    for number in range(20):
        window.answered(number * 0.1, 0.05)
    assert window.size == 8
    window.halve(2.0)
    sizes = []
    for number in range(300):
        window.answered(2.0 + number * 0.1, 0.05)
        sizes.append(window.size)

    assert sizes[0] == 4
    assert sizes[20] <= 5
    assert sizes[200] == 8
    assert sizes == sorted(sizes)


def test_one_slow_page_in_four_closes_nothing() -> None:
    """A site with slow pages among quick ones is not overloaded: its window stays open."""
    window = Window(8)
    for number in range(400):
        window.answered(number * 0.1, 2.0 if number % 4 == 3 else 0.05)

    assert window.size == 8


def test_a_host_that_is_slow_by_nature_is_not_held_back() -> None:
    """Each page takes two seconds, however few are asked for: that is its latency, and all slots open."""
    crawl = VirtualCrawl(lambda now, request: Said(latency=2.0 if now > 5 else 0.05), 100_000, Politeness(per_host=4)).run(until=200)

    late = [started for started, _, _ in crawl.log if started >= 150]
    assert len(late) >= 0.9 * 50 * 4 / 2.0
