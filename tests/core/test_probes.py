"""A thousand links to one host of others: how it is asked, in virtual time with the real workbench."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from virtual import Said, Server, VirtualCrawl

from crawler.core.politeness import Politeness
from crawler.core.seen import known_as
from crawler.model import Request
from crawler.settings import Settings
from crawler.wiring import politeness_of

RULES: Politeness = politeness_of(Settings.from_keywords(check_links=True), frozenset(), lambda host: True)("a.test")


def bucket(rate: float, burst: int) -> Server:
    """A server that refuses what comes beyond `rate` a second, and more than `burst` at once."""
    left, last = float(burst), 0.0

    def server(now: float, request: Request) -> Said:
        nonlocal left, last
        left, last = min(burst, left + (now - last) * rate), now
        if left < 1:
            return Said(429)
        left -= 1
        return Said()

    return server


@pytest.mark.parametrize("burst", [1, 10, 100])
@pytest.mark.parametrize(("rate", "most"), [(1, 0.011), (2, 0.01), (5, 0.01), (8, 0.01), (20, 0.0)])
def test_a_thousand_links_are_no_storm(rate: float, burst: int, most: float) -> None:
    """One at a time and at most ten a second: a host that bears those refuses none, one that bears two or more at most 1 %, one that
    bears a single one hardly more; in the end all are answered."""
    crawl = VirtualCrawl(bucket(rate, burst), 1000, RULES, latency=0.05, lag=0.004).run()

    statuses = Counter(said.status for _, _, said in crawl.log if isinstance(said, Said))
    assert statuses[429] <= most * statuses.total()
    assert (len(set(crawl.ok)), crawl.failed) == (1000, {})
    assert min(later[0] - earlier[0] for earlier, later in pairwise(crawl.log)) >= 0.1


def test_a_probe_has_a_name_of_its_own_in_the_filter() -> None:
    """What was asked as a probe or as a part of pages may be unknown as a page."""
    assert len({known_as(role, 7) for role in ("page", "probe", "requisite")}) == 3
    assert known_as("page", 7) == 7
