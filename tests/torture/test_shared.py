"""Many workers on one frontier: killed, stopped, joined and sent away, and the frontier itself killed or gone for long. Nothing is lost,
nothing is fetched by two, no host is asked too soon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from figures import Torture
from fleet import CONCURRENCY, COST, Archipelago, Fleet, NewSite
from redis_server import needs_redis
from running import SECONDS, Capture, rows, run, wrong_bodies

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes (Linux)")

PATIENCE = 300.0
"""Seconds for the rest of a crawl after the last blow."""

STEP = 0.02
"""Seconds by which a gap may be judged too short: the steps in which the system tells when something has arrived."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    needs_redis()
    with ExitStack() as stack:
        yield stack


def too_close(sea: Archipelago, delay: float) -> list[tuple[float, str, str]]:
    """The gaps between two requests at a host that are shorter than its delay."""
    return [pair for pair in sea.gaps() if pair[0] < delay - STEP]


def check_merged(torture: Torture, sea: Archipelago, fleet: Fleet, folder: Path, capfd: Capture) -> None:
    """What the workers have is the whole web: each page in some folder, as it was served, and once in all of them together."""
    stored = fleet.stored()
    torture.nothing("pages of a shared crawl that no worker has", sea.digests.keys() - {url for url, _ in stored})
    torture.nothing(
        "pages of a shared crawl that are not what was served", [url for url, sha256 in stored if sea.digests.get(url) != sha256]
    )
    torture.nothing("hosts of a shared crawl that two held at once", fleet.overlaps())
    assert run(capfd, "merge", folder / "all", *fleet.folders).code == 0
    merged = rows(folder / "all", "SELECT url, sha256 FROM pages WHERE outcome = 'ok'")
    torture.figure("pages that are twice in merged output, or not there", abs(len(merged) - len(sea.urls)), at_most=0)
    assert dict(merged) == sea.digests
    assert wrong_bodies(folder / "all") == []


@pytest.mark.parametrize("workers", [4, 8])
def test_workers_and_the_frontier_are_killed(
    torture: Torture, new_site: NewSite, tmp_path: Path, stack: ExitStack, capfd: Capture, workers: int
) -> None:
    """Workers join and are killed at any request, and so is the Redis with its log, which starts again: every page ends in some folder,
    whole; what is fetched again is what was at risk; no host is asked too soon; all workers end with 0."""
    if workers == 8 and not torture.is_long:
        pytest.skip("as long as with 4: make torture")
    hosts, pages, delay = (60, 60, 0.2) if torture.is_long else (8, 10, 0.1)
    sea = Archipelago(hosts, pages, new_site)
    fleet = Fleet(sea.urls[0], tmp_path, stack, delay, torture.draw(short=2, long=workers))
    blows = ["worker"] * torture.draw(short=2, long=20) + ["redis"] * torture.draw(short=1, long=4)
    torture.random.shuffle(blows)
    kills = 0
    for kind in blows:
        if not sea.wait(torture.random.randint(1, len(sea.urls) // (2 * len(blows))), fleet):
            break
        kills += 1
        if kind == "redis":
            fleet.server.kill()
            fleet.server.start()
        else:
            number = torture.random.randrange(len(fleet.workers))
            fleet.workers[number].kill()
            fleet.back(number)

    assert fleet.codes(PATIENCE) == {0}, fleet.said
    check_merged(torture, sea, fleet, tmp_path, capfd)
    again = sum(sea.asked.values()) - len(sea.asked)
    torture.figure("pages fetched again for each kill of a shared crawl", again / max(1, kills), at_most=COST)
    torture.figure("robots.txt asked for again for each kill", (sea.robots - hosts) / max(1, kills), at_most=CONCURRENCY)
    torture.nothing("requests of a shared crawl that come before their delay is over", too_close(sea, delay))
    torture.figure("kills of workers and of the frontier", kills, at_least=len(blows) // 2)


def test_a_worker_that_is_stopped_past_its_lease_asks_for_nothing(
    torture: Torture, new_site: NewSite, tmp_path: Path, stack: ExitStack, capfd: Capture
) -> None:
    """SIGSTOP until another one has its host, then SIGCONT: it knows by its own clock that its lease is over, so it sends nothing of what
    it had in hand; the frontier takes nothing of it, and it goes on with what it is given anew."""
    sea = Archipelago(1, torture.draw(short=40, long=300), new_site)
    fleet = Fleet(sea.urls[0], tmp_path, stack, 0.02, 2, ttl=1.0)
    before: set[str] = set()
    stops = 0
    for _ in range(torture.draw(short=1, long=12)):
        if not sea.wait(12, fleet):
            break
        number = next(iter(fleet.holders()), 0)
        fleet.workers[number].stop()
        before |= set(sea.asked)
        while not fleet.workers[1 - number].has_ended(0.02) and fleet.holders() != {1 - number}:
            pass
        sea.wait(2, fleet)
        fleet.workers[number].go_on()
        stops += 1

    assert fleet.codes(SECONDS) == {0}, fleet.said
    torture.nothing("URLs that a stopped worker asked for when another one had its host", [
        url for url, count in sea.asked.items() if count > 1 and url not in before
    ])  # fmt: skip
    torture.nothing("requests around a stopped worker that come before their delay is over", too_close(sea, 0.02))
    torture.figure("workers stopped past their lease", stops, at_least=1)
    check_merged(torture, sea, fleet, tmp_path, capfd)


def test_the_frontier_is_away_for_long_and_for_good(
    torture: Torture, new_site: NewSite, tmp_path: Path, stack: ExitStack, capfd: Capture
) -> None:
    """Workers wait for a Redis that is away, half a minute and longer, and go on. When it does not come back they end with 7; once it
    is there the same command fetches the rest."""
    if not torture.is_long:
        pytest.skip("takes long: make torture; shorter in tests/cli/test_worker.py")
    sea = Archipelago(4, 60, new_site)
    fleet = Fleet(sea.urls[0], tmp_path, stack, 0.05, 2)
    assert sea.wait(20, fleet)
    fleet.server.kill()
    assert not fleet.workers[0].has_ended(30.0)
    fleet.server.start()
    assert sea.wait(20, fleet), fleet.said
    fleet.server.kill()
    assert fleet.codes(3 * SECONDS) == {7}, fleet.said
    fleet.server.start()
    for number in range(2):
        fleet.back(number)

    assert fleet.codes(PATIENCE) == {0}, fleet.said
    check_merged(torture, sea, fleet, tmp_path, capfd)


def test_workers_come_and_go(torture: Torture, new_site: NewSite, tmp_path: Path, stack: ExitStack, capfd: Capture) -> None:
    """One, then four, then one again, in mid-crawl: who comes gets a share of the hosts, who leaves gives back what it held, at once."""
    others = torture.draw(short=1, long=3)
    sea = Archipelago(torture.draw(short=4, long=60), torture.draw(short=40, long=60), new_site)
    fleet = Fleet(sea.urls[0], tmp_path, stack, 0.05, spare=others)
    assert sea.wait(10, fleet)
    fleet.join(others)
    while fleet.holders() != set(range(1 + others)):
        assert not fleet.is_over, fleet.said
    for worker in fleet.workers[1:]:
        worker.pause()
    assert {worker.wait() for worker in fleet.workers[1:]} <= {143, 0}, fleet.said
    assert fleet.holders() <= {0}

    assert fleet.workers[0].has_ended(PATIENCE)
    assert fleet.workers[0].wait() == 0, fleet.said
    torture.nothing("requests of workers who come and go that come before their delay is over", too_close(sea, 0.05))
    check_merged(torture, sea, fleet, tmp_path, capfd)
