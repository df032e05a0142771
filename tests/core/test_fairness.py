"""Many hosts share few workers: none is forgotten, and none that is slow takes from the others. Whole crawls in virtual time."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from worlds import World

from crawler.core.politeness import Politeness
from crawler.model import HostState

HOSTS = [f"h{number}.test" for number in range(200)]
LATENCY = 0.05


@pytest.mark.parametrize("since", [0.0, 10.0])
@pytest.mark.parametrize("per_host", [4, 64])
def test_one_host_that_hangs_slows_no_other(per_host: int, since: float) -> None:
    """Of 200 hosts one stops answering, from the start or in the middle: the others keep 95 % of their rate, whatever is allowed for
    each."""
    rules, others = Politeness(per_host=per_host), HOSTS[1:]
    with_it = World(HOSTS, lambda host, now: 1e9 if host == HOSTS[0] and now >= since else LATENCY, rules=rules).run(40)

    assert with_it.rate(others, 10, 40) >= 0.95 * rate_without_it(per_host)


@cache
def rate_without_it(per_host: int) -> float:
    """Requests a second to all hosts but the first, when there is no such."""
    return World(HOSTS[1:], lambda host, now: LATENCY, rules=Politeness(per_host=per_host)).run(40).rate(HOSTS[1:], 10, 40)


def test_a_slow_host_among_many_is_crawled_all_the_same() -> None:
    """A host that takes two seconds for a page gets its requests one after the other at least, however many quick ones there are."""
    world = World(HOSTS, lambda host, now: 2.0 if host == HOSTS[0] and now > 1 else LATENCY).run(60)

    assert len(world.starts[HOSTS[0]]) >= 0.9 * 60 / 2


def test_hosts_share_the_workers_alike() -> None:
    """Of 200 hosts without a delay each is asked as often as any other, and the longest wait is not much more than one turn of all."""
    world = World(HOSTS, lambda host, now: LATENCY).run(30)

    counts = [len(world.starts[host]) for host in HOSTS]
    assert max(counts) - min(counts) <= 0.05 * max(counts)
    turn = len(HOSTS) * LATENCY / 32
    assert max(later - earlier for host in HOSTS for earlier, later in pairwise(world.starts[host])) <= 3 * turn


def test_who_had_to_wait_once_is_not_behind_for_ever() -> None:
    """A host that was to be left alone for five seconds, and one that was late with an answer, have their turn among the others again."""
    slow, paused = HOSTS[:2]
    world = World(
        HOSTS, lambda host, now: 3.0 if host == slow and 2 <= now < 3 else LATENCY, states={paused: HostState(next_at=5.0, answered=True)}
    ).run(40)

    late = [sum(at >= 20 for at in world.starts[host]) for host in HOSTS]
    assert min(late[:2]) >= 0.9 * sum(late) / len(late)


def test_more_hosts_than_are_held_take_turns() -> None:
    """A worker holds some hosts at a time. With pages without end at each of them all others have their turn too."""
    world = World(HOSTS, lambda host, now: LATENCY, max_hosts=20, per_host=16).run(60)

    assert set(world.starts) == set(HOSTS)
    counts = [len(world.starts[host]) for host in HOSTS]
    assert min(counts) >= 0.7 * max(counts)
    assert sum(counts) >= 0.9 * 60 * 32 / LATENCY
