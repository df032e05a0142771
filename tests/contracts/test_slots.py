"""What every frontier promises of hosts in which several workers share (`crawler.ports.Frontier`), on each adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from frontiers import START, Adapter, AnyFrontier, Clock, check_counts, request, rows_of

from crawler.frontier.sharing import Sharing
from crawler.model import Fetched, HostState, Lease, Limits, Request, Retry, RobotsFacts, Stats

# On a shared frontier a host has one slot.
pytestmark = pytest.mark.parametrize("adapter", ["disk", "memory database", "memory"], indirect=True)

TTL = 60.0
WELL = HostState(answered=True, concurrency=2.0, robots=(RobotsFacts("https://a.test", 200, b"", START),))
"""A host against which nothing speaks, and whose slot is used."""
TROUBLE = {
    "a Crawl-delay": replace(WELL, delay=1.0),
    "a rate that was learnt": replace(WELL, rate=10.0),
    "a refusal": replace(WELL, refusals=1),
    "a failed connection": replace(WELL, failures=1),
    "a Retry-After": replace(WELL, next_at=START + 30),
    "answers that became slow": replace(WELL, concurrency=1.0),
    "its end": replace(WELL, closed="refused: too busy", closed_kind="refused"),
}


@pytest.fixture
def frontier(adapter: Adapter) -> Iterator[AnyFrontier]:
    """A frontier whose hosts have two slots of two requests, with ten URLs of a.test; at the end its counts are compared with its
    rows."""
    opened = adapter.open(sharing=Sharing(lambda host: (2, 2)))
    opened.add([request(f"/{page}") for page in range(10)])
    yield opened
    check_counts(opened)


def one(frontier: AnyFrontier, holder: int, per_host: int = 3) -> Lease:
    """The one lease that this holder can have."""
    (lease,) = frontier.lease(10, per_host, TTL, holder).leases
    return lease


def two(frontier: AnyFrontier) -> tuple[Lease, Lease]:
    """Both slots of a host that is well."""
    first = one(frontier, 0)
    frontier.done(first, fetched(first.requests[0]), WELL)
    return first, one(frontier, 1)


def fetched(*requests: Request) -> list[Fetched]:
    return [Fetched(each, ok=True) for each in requests]


def test_a_host_that_is_well_is_shared(frontier: AnyFrontier) -> None:
    """Two workers get a slot each, with other URLs and with shares that together are what one may have; then there is none left."""
    first, second = two(frontier)

    assert first.token != second.token
    assert not {each.id for each in first.requests} & {each.id for each in second.requests}
    assert (first.share, second.share) == (2, 2)
    assert second.state.robots == WELL.robots
    assert frontier.lease(10, 10, TTL, 2).leases == ()


def test_nobody_holds_two_slots_of_a_host(frontier: AnyFrontier) -> None:
    """Whoever has a slot tops it up instead."""
    first = one(frontier, 0)
    frontier.done(first, fetched(first.requests[0]), WELL)

    assert frontier.lease(10, 10, TTL, 0).leases == ()


@pytest.mark.parametrize(
    "state",
    [HostState(answered=True, concurrency=2.0), replace(WELL, answered=False), replace(WELL, concurrency=1.9), *TROUBLE.values()],
    ids=["no robots.txt", "no answer", "one request at a time", *TROUBLE],
)
def test_no_slot_opens_while_anything_speaks_against_it(frontier: AnyFrontier, state: HostState) -> None:
    """A host starts with one slot; it stays alone until it has answered, its robots.txt is known and it bears more."""
    first = one(frontier, 0)
    assert frontier.lease(10, 10, TTL, 1).leases == ()
    frontier.done(first, fetched(first.requests[0]), state)

    assert frontier.lease(10, 10, TTL, 1).leases == ()


def test_without_robots_none_is_waited_for(adapter: Adapter) -> None:
    """Who does not obey robots.txt shares a host as soon as it has answered."""
    frontier = adapter.open(sharing=Sharing(lambda host: (2, 2), needs_robots=False))
    frontier.add([request(f"/{page}") for page in range(10)])
    first = one(frontier, 0)
    frontier.done(first, fetched(first.requests[0]), HostState(answered=True, concurrency=2.0))

    assert len(one(frontier, 1).requests) == 3


def test_a_host_with_a_single_share_has_one_holder(adapter: Adapter) -> None:
    """A host that has a delay, or may be asked for one page at a time, is leased as a whole; free hosts come before slots."""
    frontier = adapter.open(sharing=Sharing(lambda host: (4,) if host == "a.test" else (1, 1, 1)))
    frontier.add([request(f"https://{host}.test/{page}") for host in "ab" for page in range(9)])
    first = frontier.lease(1, 2, TTL, 0).leases[0]
    frontier.done(first, fetched(first.requests[0]), WELL)
    (other,) = frontier.lease(1, 2, TTL, 1).leases
    frontier.done(other, fetched(other.requests[0]), replace(WELL, concurrency=1.0))

    assert (first.host, first.share, other.host, other.share) == ("a.test", 4, "b.test", 1)
    assert [lease.host for holder in range(4) for lease in frontier.lease(9, 2, TTL, holder).leases] == ["b.test", "b.test"]


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_a_host_in_trouble_is_in_one_hand(frontier: AnyFrontier, clock: Clock, trouble: HostState) -> None:
    """When one slot is told of trouble the others are to leave: they hear it with their next commit, get no further URLs, and what they
    have learnt does not cover up the trouble. Who saw it stays."""
    first, second = two(frontier)
    frontier.done(second, [], trouble)

    assert [(lease.token, lease.leaves) for lease in frontier.held([first, second])] == [(first.token, True), (second.token, False)]
    (asked,) = frontier.extend([first], 3, TTL).leases
    assert (asked.leaves, asked.requests) == (True, ())
    assert frontier.done(first, fetched(first.requests[1]), WELL)
    frontier.release(first, WELL)
    assert frontier.lease(10, 10, TTL, 0).leases == ()
    frontier.release(second, trouble)
    clock.advance(31)
    left = [lease.state for lease in frontier.lease(10, 1, TTL, 0).leases]
    assert [replace(state, next_at=0.0) for state in left] == ([] if trouble.closed else [replace(trouble, next_at=0.0)])


def test_a_later_time_counts_whoever_says_it(frontier: AnyFrontier) -> None:
    """A Retry-After that a slot hears of while it is about to leave is kept."""
    first, second = two(frontier)
    frontier.done(second, [], TROUBLE["a refusal"])
    frontier.done(first, [], replace(WELL, next_at=START + 100))
    frontier.release(first, WELL)
    frontier.release(second, TROUBLE["a refusal"])

    assert frontier.lease(10, 10, TTL).next_due == START + 100


def test_a_host_that_is_closed_by_one_fails_what_all_have(frontier: AnyFrontier) -> None:
    """What another slot has of a closed host fails when it comes back."""
    first, second = two(frontier)
    frontier.done(second, [], TROUBLE["its end"])
    frontier.release(first, WELL)
    frontier.release(second, TROUBLE["its end"])

    assert frontier.stats() == Stats(done=1, failed=9, ok_pages=1)
    assert frontier.finished() == "queue empty"


def test_a_slot_opens_again_when_the_trouble_is_over(frontier: AnyFrontier) -> None:
    """Who left may come back."""
    first, second = two(frontier)
    frontier.done(second, [], TROUBLE["a refusal"])
    frontier.release(first, WELL)
    frontier.done(second, [], WELL)

    assert len(one(frontier, 0).requests) == 3


def test_a_slot_gives_back_its_own_urls_alone(frontier: AnyFrontier) -> None:
    """What the other slot has stays with it, and its token stays good."""
    first, second = two(frontier)
    frontier.release(first, WELL)

    assert frontier.held([first, second]) == [second]
    assert {url.rpartition("/")[2] for url, row in rows_of(frontier).items() if row.state == "leased"} == {"3", "4", "5"}
    assert frontier.finished() is None
    assert [each.url[-2:] for each in one(frontier, 0).requests] == ["/1", "/2", "/6"]


def test_a_slot_ends_with_its_own_deadline(frontier: AnyFrontier, clock: Clock) -> None:
    """The slot that was renewed lives on when the other one's time is over."""
    first, second = two(frontier)
    clock.advance(TTL - 1)
    frontier.extend([second], 0, TTL)
    clock.advance(2)

    again = one(frontier, 2)
    assert frontier.held([first, second]) == [second]
    assert [each.url[-2:] for each in again.requests] == ["/1", "/2", "/6"]


def test_the_leases_of_a_holder_that_died_end_at_once(frontier: AnyFrontier, clock: Clock) -> None:
    """Its URLs are free for the others, untried, and its token is worthless; those of all others are untouched."""
    frontier.add([request("https://b.test/0")])
    lost = frontier.lease(10, 3, TTL, 0).leases
    frontier.done(lost[0], [], WELL)
    kept = one(frontier, 1)
    frontier.evict(0)

    assert frontier.held([*lost, kept]) == [kept]
    assert not frontier.done(lost[0], fetched(*lost[0].requests), WELL)
    clock.advance(0.001)
    again = [(lease.host, each.attempts) for lease in frontier.lease(10, 9, TTL, 2).leases for each in lease.requests]
    assert sorted(again) == [("a.test", 0)] * 7 + [("b.test", 0)]


def test_a_url_that_is_asked_again_may_go_to_the_other_slot(frontier: AnyFrontier) -> None:
    """A retry waits in the queue of the host, for whoever comes first; what the first one says about it then changes nothing."""
    first, second = two(frontier)
    again = first.requests[1]
    frontier.done(first, [Retry(again, START, "status 500")], WELL)
    (more,) = frontier.extend([second], 1, TTL).leases
    assert [each.url for each in more.requests] == [again.url]
    frontier.done(second, fetched(*more.requests), WELL)

    assert rows_of(frontier)[again.url].state == "done"


def test_robots_of_another_origin_are_added(frontier: AnyFrontier) -> None:
    """What two slots have read at two origins of a host is known together."""
    plain = RobotsFacts("http://a.test", 404, b"", START)
    first, second = two(frontier)
    frontier.done(first, [], replace(WELL, robots=(*WELL.robots, plain)))
    frontier.done(second, [], replace(WELL, robots=(replace(WELL.robots[0], read_at=START + 1),)))
    frontier.release(first, replace(WELL, robots=(*WELL.robots, plain)))
    frontier.release(second, replace(WELL, robots=(replace(WELL.robots[0], read_at=START + 1),)))

    known = {facts.origin: facts.read_at for facts in one(frontier, 0).state.robots}
    assert known == {"https://a.test": START + 1, "http://a.test": START}


def test_limits_are_exact_whoever_asks(adapter: Adapter) -> None:
    """What one slot was granted is not granted to the other."""
    frontier = adapter.open(Limits(max_pages=5), sharing=Sharing(lambda host: (2, 2)))
    frontier.add([request(f"/{page}") for page in range(10)])
    first = one(frontier, 0, 3)
    frontier.done(first, fetched(first.requests[0]), WELL)
    second = one(frontier, 1, 9)

    assert len(second.requests) == 2
    assert frontier.extend([first, second], 9, TTL).leases == tuple(replace(each, requests=()) for each in (first, second))
    frontier.done(first, fetched(*first.requests[1:]), WELL)
    frontier.done(second, fetched(*second.requests), WELL)
    frontier.release(first, WELL)
    assert frontier.stats().ok_pages == 5
    frontier.release(second, WELL)
    assert frontier.finished() == "page limit"


def test_a_failed_page_is_no_trouble_of_its_host(frontier: AnyFrontier) -> None:
    """Slots stay open while pages come and go."""
    first, second = two(frontier)
    frontier.done(second, [Fetched(second.requests[0], ok=False)], WELL)

    assert not any(lease.leaves for lease in frontier.held([first, second]))
