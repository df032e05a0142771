"""What every frontier promises (`crawler.ports.Frontier`), on each adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import permutations

import pytest
from frontiers import START, Adapter, AnyFrontier, Clock, check_counts, request, rows_of

from crawler.core.urls import fingerprint
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import (
    Failed,
    Fetched,
    HostState,
    Lease,
    Limits,
    NotModified,
    Outcome,
    PageError,
    Redirected,
    Refusal,
    Request,
    Retry,
    RobotsFacts,
    Role,
    Skipped,
    Stats,
)
from crawler.news import News
from crawler.ports import Transaction

TTL = 60.0
Opened = Callable[..., AnyFrontier]


@pytest.fixture
def opened(adapter: Adapter) -> Iterator[Opened]:
    """Opens a frontier with limits; at the end its counts are compared with its rows."""
    frontiers: list[AnyFrontier] = []

    def open_with(**limits: int) -> AnyFrontier:
        frontiers[:] = [adapter.open(Limits(**limits))]
        return frontiers[0]

    yield open_with
    for frontier in frontiers:
        check_counts(frontier)


def lease_one(frontier: AnyFrontier, per_host: int = 100) -> Lease:
    """The one lease that can be had."""
    leases = frontier.lease(10, per_host, TTL).leases
    assert len(leases) == 1
    return leases[0]


def urls(lease: Lease) -> list[str]:
    return [each.url.removeprefix("https://a.test") for each in lease.requests]


def fetched(*requests: Request, ok: bool = True, size: int = 0) -> list[Fetched]:
    return [Fetched(each, ok, size) for each in requests]


# What goes in comes out


def test_what_goes_in_comes_out_once_in_the_order_of_discovery(opened: Opened) -> None:
    """Every URL that was added is leased once, sitemaps first, then by depth, then first come first served."""
    frontier = opened()
    added = [request("/2", 2), request("/1", 1), request("/0"), request("/map.xml", role="sitemap"), request("/00"), request("/11", 1)]

    assert frontier.add(added) == 6
    assert urls(lease_one(frontier)) == ["/map.xml", "/0", "/00", "/1", "/11", "/2"]
    assert frontier.lease(10, 100, TTL).leases == ()


def test_a_request_comes_out_as_it_went_in(opened: Opened) -> None:
    """Role, depth, parent, chain of redirects and attempts survive; headers that a hook has set are not kept."""
    frontier = opened()
    first, last = request("/"), request("/b", 1, parent="https://a.test/", chain=(fingerprint("https://a.test/"), -5))
    odd = Request(last.url, last.id, last.host, "requisite", 1, last.parent, last.chain, 0, (("x", "y"),))
    frontier.add([first, odd])

    assert lease_one(frontier).requests == (Request(last.url, last.id, last.host, "requisite", 1, last.parent, last.chain), first)


def test_adding_is_idempotent(opened: Opened) -> None:
    """A URL that is known is not added again, whatever its state; the first finding stays."""
    frontier = opened()
    one, two = request("/1", 1), request("/2", 1)

    assert frontier.add([one, one, two]) == 2
    assert frontier.add([request("/1", 5), two]) == 0
    lease = lease_one(frontier, 1)
    assert lease.requests == (one,)
    assert frontier.add([one]) == 0
    frontier.done(lease, fetched(one), lease.state)
    assert frontier.add([one, request("/3")]) == 1
    assert frontier.stats() == Stats(queued=2, done=1, ok_pages=1)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_adding_commutes(opened: Opened, order: tuple[int, ...]) -> None:
    """Whatever the order of the calls, the same URLs are queued and each is new once."""
    batches = [[request("/a"), request("/b", 1)], [request("/b", 1), request("https://b.test/", 2)], [request("/a")]]
    frontier = opened()

    assert sum(frontier.add(batches[number]) for number in order) == 3
    found = {(each.url, each.depth) for lease in frontier.lease(10, 10, TTL).leases for each in lease.requests}
    assert found == {("https://a.test/a", 0), ("https://a.test/b", 1), ("https://b.test/", 2)}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_depths_commute(opened: Opened, order: tuple[int, ...]) -> None:
    """In whatever order a URL is found at its depths, it waits at the least of them, with the parent of that one."""
    frontier = opened(max_depth=1)
    parents = [request(f"/{number}") for number in range(3)]
    found = [replace(request("/a", 1 + number), parent=parents[number].url) for number in range(3)]
    frontier.add(parents)
    for number in order:
        frontier.add([found[number]])
    lease = lease_one(frontier)
    assert frontier.done(lease, fetched(*lease.requests), lease.state)

    assert frontier.extend([lease], 9, TTL).leases[0].requests == (found[0],)
    check_counts(frontier)


def test_what_was_asked_for_keeps_its_depth(opened: Opened) -> None:
    """A URL that is found nearer once somebody has it is not asked for again."""
    frontier = opened()
    frontier.add([request("/a", 2)])
    lease = lease_one(frontier)
    assert frontier.add([request("/a", 1)]) == 0
    frontier.done(lease, fetched(*lease.requests), lease.state)
    assert frontier.add([request("/a", 0)]) == 0
    assert frontier.stats().done == 1
    assert frontier.lease(9, 9, TTL).leases == ()


def test_refused_urls_are_kept_with_their_first_reason(opened: Opened) -> None:
    """A refused URL has one row with the first reason; it is never leased; admitting it later wins."""
    frontier = opened()
    url = "https://b.test/x"
    refusal = Refusal(url, fingerprint(url), "scope", "host is not a.test", "https://a.test/", 1)
    frontier.refuse([refusal, Refusal(url, fingerprint(url), "trap", "again")])
    frontier.refuse([Refusal(url, fingerprint(url), "scheme")])

    assert rows_of(frontier) == {url: ("skipped", "scope", "host is not a.test", 0)}
    assert frontier.lease(10, 10, TTL).leases == ()
    frontier.add([request(url, 1)])
    assert rows_of(frontier) == {url: ("queued", None, None, 0)}


# Leases


def test_a_host_has_one_live_lease(opened: Opened) -> None:
    """While a host is held nobody else gets it, though URLs of it are queued; other hosts are free."""
    frontier = opened()
    frontier.add([request("/1"), request("/2"), request("https://b.test/")])

    first = frontier.lease(1, 1, TTL).leases
    others = frontier.lease(10, 1, TTL).leases
    assert {lease.host for lease in (*first, *others)} == {"a.test", "b.test"}
    assert len(first) == len(others) == 1
    assert frontier.lease(10, 1, TTL).leases == ()


def test_no_more_hosts_and_urls_than_asked_for(opened: Opened) -> None:
    """`hosts` and `per_host` are upper bounds; what is left stays queued."""
    frontier = opened()
    frontier.add([request(f"https://h{host}.test/{page}") for host in range(5) for page in range(4)])

    leases = frontier.lease(3, 2, TTL).leases
    assert [len(lease.requests) for lease in leases] == [2, 2, 2]
    assert len({lease.host for lease in leases}) == 3
    assert frontier.stats() == Stats(queued=14, leased=6)
    assert frontier.lease(0, 2, TTL).leases == ()


def test_hosts_take_turns(opened: Opened, clock: Clock) -> None:
    """Who was served last comes last: with one lease at a time every host has its turn."""
    frontier = opened()
    frontier.add([request(f"https://h{host}.test/{page}") for host in range(3) for page in range(3)])

    order = []
    for _ in range(9):
        lease = frontier.lease(1, 1, TTL).leases[0]
        order.append(lease.host)
        frontier.done(lease, fetched(*lease.requests), lease.state)
        clock.advance(0.1)
        frontier.release(lease, lease.state)
    assert order[:3] == order[3:6] == order[6:]
    assert len(set(order)) == 3


def test_a_lease_tops_up_and_renews(opened: Opened, clock: Clock) -> None:
    """`extend` gives further URLs of the same host and a deadline `ttl` from now, under the same token."""
    frontier = opened()
    frontier.add([request(f"/{page}") for page in range(5)])
    lease = lease_one(frontier, 2)
    assert lease.deadline == START + TTL

    clock.advance(30)
    (longer,) = frontier.extend([lease], 2, TTL).leases
    assert (urls(longer), longer.token, longer.deadline) == (["/2", "/3"], lease.token, START + 30 + TTL)
    clock.advance(TTL - 1)
    assert frontier.lease(10, 10, TTL).leases == ()
    assert urls(frontier.extend([longer], 2, TTL).leases[0]) == ["/4"]
    assert urls(frontier.extend([longer], 2, TTL).leases[0]) == []


def test_a_released_lease_gives_its_urls_back_to_the_head_untried(opened: Opened) -> None:
    """What was not acknowledged is leased again before everything that came later, with no attempt counted."""
    frontier = opened()
    frontier.add([request(f"/{page}") for page in range(4)])
    lease = lease_one(frontier, 3)
    frontier.done(lease, fetched(lease.requests[1]), lease.state)
    frontier.add([request("/new")])
    frontier.release(lease, lease.state)

    again = lease_one(frontier)
    assert urls(again) == ["/0", "/2", "/3", "/new"]
    assert [each.attempts for each in again.requests] == [0, 0, 0, 0]


def test_the_state_of_a_host_survives_every_hand_over(opened: Opened, clock: Clock) -> None:
    """What `done` and `release` were told of a host is in its next lease: times, pace, robots.txt with any bytes in it."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    facts = (
        RobotsFacts("https://a.test", 200, b"User-agent: *\nDisallow: /\xff\x00\xc3\xa9", START),
        RobotsFacts("http://a.test", 503, None, 5.5, "later"),
    )
    learnt = HostState(latency=0.02, rate=19.5, rate_since=START - 7.25, is_rate_guessed=True, refusals=2)
    state = replace(learnt, next_at=START + 2, delay=0.5, concurrency=2.75, failures=2, answered=True, robots=facts)
    assert not [field.name for field in fields(HostState) if field.name not in ("closed", "closed_kind") and not getattr(state, field.name)]
    lease = lease_one(frontier, 1)
    assert lease.state == HostState()
    frontier.done(lease, fetched(*lease.requests), state)
    frontier.release(lease, state)
    clock.advance(2)

    assert lease_one(frontier).state == state


# Stale tokens


def end_by_release(frontier: AnyFrontier, lease: Lease, clock: Clock) -> None:
    frontier.release(lease, lease.state)


def end_by_deadline(frontier: AnyFrontier, lease: Lease, clock: Clock) -> None:
    clock.advance(TTL + 0.1)
    frontier.lease(0, 1, TTL)


def end_by_the_next_holder(frontier: AnyFrontier, lease: Lease, clock: Clock) -> None:
    clock.advance(TTL + 0.1)
    frontier.lease(1, 100, TTL)


@pytest.mark.parametrize("end", [end_by_release, end_by_deadline, end_by_the_next_holder])
def test_a_stale_token_changes_nothing(opened: Opened, clock: Clock, end: Callable[[AnyFrontier, Lease, Clock], None]) -> None:
    """After release or reclaim a token acknowledges nothing, extends nothing, releases nothing, holds nothing."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier)
    end(frontier, lease, clock)
    assert_worthless(frontier, lease)


def assert_worthless(frontier: AnyFrontier, lease: Lease) -> None:
    before, stats = rows_of(frontier), frontier.stats()
    state = HostState(next_at=1e9, closed="refused: by a ghost", closed_kind="refused")
    assert frontier.held([lease]) == []
    assert frontier.done(lease, fetched(*lease.requests), state) is False
    assert frontier.extend([lease], 10, 1e6).leases == ()
    frontier.release(lease, state)
    assert (rows_of(frontier), frontier.stats()) == (before, stats)


def test_a_token_of_one_host_is_worthless_for_another(opened: Opened) -> None:
    """Tokens belong to hosts: the same number on another host's lease holds nothing."""
    frontier = opened()
    frontier.add([request("/"), request("https://b.test/")])
    held, forged = frontier.lease(1, 1, TTL).leases[0], Lease("b.test", 1, 1e9, (), HostState())

    assert frontier.held([forged, held]) == [held]
    assert frontier.done(forged, fetched(request("https://b.test/")), HostState()) is False


# Deadlines


def test_a_lease_ends_with_its_deadline(opened: Opened, clock: Clock) -> None:
    """Up to its deadline a host is held; after it the next question for hosts gives its URLs out anew, untried."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)

    clock.advance(TTL)
    assert frontier.lease(10, 10, TTL).leases == ()
    assert frontier.held([lease]) == [lease]
    clock.advance(0.001)
    again = lease_one(frontier)
    assert urls(again) == ["/1", "/2"]
    assert again.token > lease.token
    assert again.requests[0].attempts == 0


def test_a_reclaimed_host_rests_for_its_delay(opened: Opened, clock: Clock) -> None:
    """The lost holder may have asked just now: the next request may start one delay after the reclaim, not before."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, fetched(*lease.requests), HostState(next_at=START, delay=7.0, answered=True))

    clock.advance(TTL + 1)
    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due) == ((), START + TTL + 8)
    clock.advance(7)
    assert lease_one(frontier).state.next_at == START + TTL + 8


def test_a_holder_that_died_in_silence_may_have_asked_just_now(adapter: Adapter, clock: Clock) -> None:
    """A host whose holder was lost before it said anything rests for the least delay of the host."""
    frontier = adapter.open(delay=7.0)
    frontier.add([request("/1")])
    lease_one(frontier)
    clock.advance(TTL + 1)

    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due) == ((), START + TTL + 8)
    clock.advance(7)
    assert urls(lease_one(frontier)) == ["/1"]


def test_a_reclaimed_host_still_obeys_a_later_time(opened: Opened, clock: Clock) -> None:
    """A Retry-After that reaches beyond the reclaim is kept."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, fetched(*lease.requests), HostState(next_at=START + 500, delay=1.0))

    clock.advance(TTL + 1)
    assert frontier.lease(10, 10, TTL).next_due == START + 500


def test_a_reclaimed_host_is_asked_as_a_new_one(opened: Opened, clock: Clock) -> None:
    """What its holder met last nobody knows, it may have been a refusal: whoever comes next asks one at a time and learns anew what the
    host bears. What it was told besides, its rate included, is kept."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    learnt = {"concurrency": 38.5, "latency": 0.123, "rate": 12.345678901234567, "rate_since": START + 0.1}
    told = HostState(**learnt, refusals=1, answered=True, failures=2)
    frontier.done(lease, fetched(*lease.requests), told)

    clock.advance(TTL + 1)
    assert lease_one(frontier).state == replace(told, concurrency=1.0, latency=0.0, next_at=START + TTL + 1)


# Time


def test_nothing_starts_before_its_host_is_due(opened: Opened, clock: Clock) -> None:
    """A host that may not be asked yet is not given out; `next_due` says when it will be."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, fetched(*lease.requests), lease.state)
    frontier.release(lease, HostState(next_at=START + 3))

    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due) == ((), START + 3)
    clock.advance(3)
    assert urls(lease_one(frontier)) == ["/2"]


def test_a_retry_waits_until_its_time_and_others_do_not(opened: Opened, clock: Clock) -> None:
    """A URL to be asked again later is not leased before, its neighbours are; then it comes with its attempts counted."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, [Retry(lease.requests[0], START + 10, "status 503")], lease.state)
    assert rows_of(frontier)["https://a.test/1"] == ("queued", None, "status 503", 1)

    more = frontier.extend([lease], 10, TTL)
    assert (urls(more.leases[0]), more.next_due) == (["/2"], None)
    frontier.done(lease, fetched(*more.leases[0].requests), lease.state)
    assert frontier.extend([lease], 10, TTL).next_due == START + 10
    frontier.release(lease, lease.state)
    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due) == ((), START + 10)
    clock.advance(10)
    (again,) = lease_one(frontier).requests
    assert (again.url, again.attempts) == ("https://a.test/1", 1)


def test_an_uncounted_retry_leaves_the_attempts(opened: Opened) -> None:
    """A URL whose host was in trouble is asked again as if for the first time."""
    frontier = opened()
    frontier.add([request("/1")])
    lease = lease_one(frontier)
    frontier.done(lease, [Retry(lease.requests[0], START, "refused", counted=False)], lease.state)

    assert frontier.extend([lease], 10, TTL).leases[0].requests[0].attempts == 0


def test_nothing_is_due_when_nothing_waits(opened: Opened) -> None:
    """`next_due` is None when the queue is empty and when all of it is held."""
    frontier = opened()
    assert frontier.lease(10, 10, TTL).next_due is None
    frontier.add([request("/1")])
    assert frontier.lease(10, 10, TTL).next_due is None


# Outcomes


def test_every_outcome_has_its_state_and_reason(opened: Opened) -> None:
    """Each outcome moves its URL to one state with one reason; ok pages and bytes are counted for pages that are ok."""
    frontier = opened()
    frontier.add([request(f"/{number}") for number in range(7)] + [request("/map.xml", role="sitemap")])
    lease = lease_one(frontier)
    sitemap, ok, gone, moved, same, barred, failed, again = lease.requests
    outcomes = [
        Fetched(sitemap, ok=True, size=0), Fetched(ok, ok=True, size=100), Fetched(gone, ok=False, size=20), Redirected(moved),
        NotModified(same), Skipped(barred, "robots", "line 2: Disallow: /"), Failed(failed, PageError("timeout", "read")),
        Retry(again, START, "status 500"),
    ]  # fmt: skip

    assert frontier.done(lease, outcomes, lease.state) is True
    states = {url.removeprefix("https://a.test"): row for url, row in rows_of(frontier).items()}
    assert states == {
        "/map.xml": ("done", None, None, 1), "/0": ("done", None, None, 1), "/1": ("done", None, None, 1),
        "/2": ("done", None, None, 1), "/3": ("done", None, None, 1), "/4": ("skipped", "robots", "line 2: Disallow: /", 0),
        "/5": ("failed", "timeout", "read", 1), "/6": ("queued", None, "status 500", 1),
    }  # fmt: skip
    assert frontier.stats() == Stats(queued=1, done=5, failed=1, skipped=1, ok_pages=2, size=120)


def test_an_outcome_counts_once(opened: Opened) -> None:
    """Saying the same again, or something about a URL that is not leased, changes nothing."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, fetched(*lease.requests, size=5), lease.state)
    before = rows_of(frontier)

    assert frontier.done(lease, fetched(*lease.requests, request("/2"), request("/unknown"), size=5), lease.state)
    assert (rows_of(frontier), frontier.stats()) == (before, Stats(queued=1, done=1, ok_pages=1, size=5))


def test_an_outcome_counts_for_its_own_host_alone(opened: Opened) -> None:
    """A lease of one host says nothing about the URLs of another, also while both are held."""
    frontier = opened()
    frontier.add([request("/1"), request("https://b.test/")])
    leases = {lease.host: lease for lease in frontier.lease(2, 10, TTL).leases}

    frontier.done(leases["a.test"], fetched(*leases["b.test"].requests), HostState())
    assert rows_of(frontier)["https://b.test/"].state == "leased"


def test_what_was_refused_can_be_looked_at_again(opened: Opened) -> None:
    """The refusals of one reason come back as they were, those of URLs that were admitted since do not; URLs may be added meanwhile."""
    frontier = opened()
    frontier.add([request("/")])
    kept = [Refusal(f"https://b.test/{n}", fingerprint(f"https://b.test/{n}"), "scope", "host", "https://a.test/", n) for n in range(4)]
    frontier.refuse([*kept, Refusal("https://b.test/i", 7, "requisite", "img")])
    frontier.add([request("https://b.test/0")])

    found = []
    for refusal in frontier.refusals("scope"):
        found.append(refusal)
        frontier.add([request(refusal.url, refusal.depth)])
    assert sorted(found, key=lambda each: each.depth) == kept[1:]
    assert list(frontier.refusals("scope")) == []
    assert [each.url for each in frontier.refusals("requisite")] == ["https://b.test/i"]


# Roles


CLOSED = HostState(closed="dns: no such host", closed_kind="dns")
ENDS: dict[str, Callable[[Request], Outcome]] = {
    "done": lambda asked: Fetched(asked, ok=True, size=7),
    "failed": lambda asked: Failed(asked, PageError("reset", "by peer")),
    "skipped": lambda asked: Skipped(asked, "robots", "line 1"),
    "queued": lambda asked: Retry(asked, START, "status 500"),
}
PAGE = request("/map.xml", 2)


@pytest.mark.parametrize("role", ["probe", "sitemap"])
@pytest.mark.parametrize("end", ENDS)
def test_a_url_that_ended_in_a_lower_role_is_asked_for_again(opened: Opened, role: Role, end: str) -> None:
    """A sitemap that somebody links to is a page as well: it is queued again as one, untried, at the depth of that
    link, and it ends once. Found in a lower role again nothing happens."""
    frontier = opened()
    frontier.add([request("/map.xml", role=role)])
    lease = lease_one(frontier)
    frontier.done(lease, [ENDS[end](lease.requests[0])], lease.state)

    assert frontier.add([PAGE]) == 1
    assert (rows_of(frontier), frontier.stats().queued) == ({PAGE.url: ("queued", None, None, 0)}, 1)
    again = frontier.extend([lease], 10, TTL).leases[0]
    assert again.requests == (PAGE,)
    frontier.done(again, fetched(PAGE, size=5), again.state)
    assert (frontier.stats().done, frontier.stats().ok_pages) == (1, 1)
    assert frontier.add([PAGE, request("/map.xml", role=role)]) == 0
    assert frontier.stats().done == 1


def test_a_queued_url_rises_where_it_waits(opened: Opened) -> None:
    """What has not been asked for yet is asked for once, in the highest role it was found in and at that role's place."""
    frontier = opened()
    frontier.add([request("/map.xml", role="sitemap"), request("/", 1), request("/x", 3)])

    assert frontier.add([PAGE]) == 1
    assert lease_one(frontier).requests == (request("/", 1), PAGE, request("/x", 3))


@pytest.mark.parametrize("end", ENDS)
def test_a_leased_url_rises_when_its_outcome_is_known(opened: Opened, end: str) -> None:
    """While a sitemap is asked for its role rises: it is not asked for twice at the same time, and what comes of the sitemap says
    nothing about the page."""
    frontier = opened()
    frontier.add([request("/map.xml", role="sitemap")])
    lease = lease_one(frontier)

    assert frontier.add([PAGE]) == 1
    assert frontier.extend([lease], 10, TTL).leases[0].requests == ()
    frontier.done(lease, [ENDS[end](lease.requests[0])], lease.state)
    assert rows_of(frontier) == {PAGE.url: ("queued", None, None, 0)}
    assert (frontier.stats().ok_pages, frontier.finished()) == (0, None)
    assert frontier.extend([lease], 10, TTL).leases[0].requests == (PAGE,)


def test_a_risen_url_of_a_lost_lease_comes_back_as_a_page(opened: Opened, clock: Clock) -> None:
    """A holder that never says what came of the sitemap takes nothing from the page."""
    frontier = opened(max_pages=1)
    frontier.add([request("/map.xml", role="sitemap")])
    lease_one(frontier)
    frontier.add([PAGE])
    assert frontier.lease(10, 10, TTL).leases == ()

    clock.advance(TTL + 1)
    assert lease_one(frontier).requests == (PAGE,)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_roles_commute(opened: Opened, order: tuple[int, ...]) -> None:
    """In whatever order a URL is found in its roles, it is asked for in the highest."""
    found = [[request("/a", 1)], [request("/a", role="sitemap")], [request("/a", 2, role="probe")]]
    frontier = opened()
    for number in order:
        frontier.add(found[number])

    assert lease_one(frontier).requests == (request("/a", 1),)
    check_counts(frontier)


def test_a_role_that_rises_at_a_closed_host_fails_at_once(opened: Opened) -> None:
    """Nobody would ever ask for it."""
    frontier = opened()
    frontier.add([request("/map.xml", role="sitemap")])
    lease = lease_one(frontier)
    frontier.done(lease, fetched(*lease.requests), CLOSED)
    frontier.release(lease, CLOSED)
    frontier.add([PAGE])

    assert rows_of(frontier)[PAGE.url][:2] == ("failed", "dns")
    assert frontier.finished() == "queue empty"


# Closed hosts


def test_a_closed_host_fails_its_queue_with_the_reason(opened: Opened) -> None:
    """All that waits for a host that is given up fails in one step; what is still leased fails when it comes back."""
    frontier = opened()
    frontier.add([request(f"/{page}") for page in range(4)] + [request("https://b.test/")])
    lease = next(lease for lease in frontier.lease(2, 2, TTL).leases if lease.host == "a.test")
    frontier.done(lease, [Failed(lease.requests[0], PageError("dns", "no such host"))], CLOSED)

    assert {row.state for url, row in rows_of(frontier).items() if "a.test" in url} == {"failed", "leased"}
    frontier.release(lease, CLOSED)
    of_host = {url: row for url, row in rows_of(frontier).items() if "a.test" in url}
    assert {row[:2] for row in of_host.values()} == {("failed", "dns")}
    assert of_host["https://a.test/3"].detail == "dns: no such host"
    assert frontier.stats().failed == 4


def test_a_retry_at_a_closed_host_fails_too(opened: Opened) -> None:
    """What was to be asked again fails with its host."""
    frontier = opened()
    frontier.add([request("/1")])
    lease = lease_one(frontier)
    frontier.done(lease, [Retry(lease.requests[0], START, "refused", counted=False)], CLOSED)

    assert rows_of(frontier)["https://a.test/1"][:2] == ("failed", "dns")


def test_a_host_that_is_released_open_keeps_its_queue(opened: Opened) -> None:
    """What its holder says last counts: a host that was closed and is not any more fails nothing that comes back."""
    frontier = opened()
    frontier.add([request("/1")])
    lease = lease_one(frontier)
    frontier.done(lease, [], CLOSED)
    frontier.release(lease, HostState())

    assert rows_of(frontier)["https://a.test/1"].state == "queued"


def test_what_is_found_for_a_closed_host_fails_at_once(opened: Opened) -> None:
    """A URL that is discovered after its host was given up does not wait for ever: the crawl still ends."""
    frontier = opened()
    frontier.add([request("/1")])
    lease = lease_one(frontier)
    frontier.done(lease, [], CLOSED)
    frontier.release(lease, CLOSED)

    assert frontier.add([request("/2")]) == 1
    assert rows_of(frontier)["https://a.test/2"][:2] == ("failed", "dns")
    assert frontier.finished() == "queue empty"


def test_what_a_lost_holder_of_a_closed_host_had_fails_too(opened: Opened, clock: Clock) -> None:
    """When the holder of a closed host dies, the URLs it had fail with the host instead of waiting for ever."""
    frontier = opened()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier)
    frontier.done(lease, [Failed(lease.requests[0], PageError("dns"))], CLOSED)
    clock.advance(TTL + 1)

    assert frontier.lease(10, 10, TTL).leases == ()
    assert {row.state for row in rows_of(frontier).values()} == {"failed"}
    assert frontier.finished() == "queue empty"


# Limits


def test_pages_are_granted_exactly(opened: Opened) -> None:
    """No more pages are leased than the limit has left; a page that is not ok gives its grant back."""
    frontier = opened(max_pages=3)
    frontier.add([request(f"/{page}") for page in range(10)] + [request("https://b.test/")])

    leases = frontier.lease(10, 2, TTL).leases
    assert sum(len(lease.requests) for lease in leases) == 3
    assert frontier.lease(10, 2, TTL).leases == ()
    lease = next(lease for lease in leases if lease.host == "a.test")
    assert frontier.extend([lease], 5, TTL).leases[0].requests == ()
    first, second = lease.requests
    frontier.done(lease, [*fetched(first), *fetched(second, ok=False)], lease.state)
    assert len(frontier.extend([lease], 5, TTL).leases[0].requests) == 1


def test_only_ok_pages_count_for_the_page_limit(opened: Opened) -> None:
    """Redirects, errors, skips and sitemaps take nothing of the limit; a page that was not modified is as good as one that came."""
    frontier = opened(max_pages=3)
    frontier.add([request(f"/{page}") for page in range(7)] + [request("/map.xml", role="sitemap")])
    lease = lease_one(frontier, 100)
    ends: list[Callable[[Request], object]] = [
        lambda each: Fetched(each, ok=True), Redirected, NotModified, lambda each: Skipped(each, "robots"),
        lambda each: Failed(each, PageError("reset")), lambda each: Fetched(each, ok=False),
        lambda each: Fetched(each, ok=True), lambda each: Fetched(each, ok=True),
    ]  # fmt: skip
    outcomes = iter(ends)
    while lease.requests:
        frontier.done(lease, [next(outcomes)(each) for each in lease.requests], lease.state)  # type: ignore[misc]
        (lease,) = frontier.extend([lease], 100, TTL).leases
    frontier.release(lease, lease.state)

    assert frontier.stats() == Stats(done=6, failed=1, skipped=1, ok_pages=3)
    assert frontier.finished() == "queue empty"


def test_a_reached_page_limit_ends_the_crawl(opened: Opened) -> None:
    """Once so many pages are ok nothing more is given out or due, and the reason is the page limit; the rest stays queued."""
    frontier = opened(max_pages=2)
    frontier.add([request(f"/{page}") for page in range(5)])
    lease = lease_one(frontier)
    assert frontier.finished() is None
    frontier.done(lease, fetched(*lease.requests), lease.state)
    frontier.release(lease, lease.state)

    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due, frontier.finished()) == ((), None, "page limit")
    assert frontier.stats() == Stats(queued=3, done=2, ok_pages=2)


def test_a_reached_size_limit_ends_the_crawl(opened: Opened) -> None:
    """Once so many bytes are stored nothing more is given out, and the reason is the size limit."""
    frontier = opened(max_size=1000)
    frontier.add([request(f"/{page}") for page in range(5)])
    lease = lease_one(frontier, 2)
    frontier.done(lease, fetched(*lease.requests, size=500), lease.state)

    assert frontier.extend([lease], 10, TTL).leases[0].requests == ()
    frontier.release(lease, lease.state)
    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due, frontier.finished()) == ((), None, "size limit")


def requisite(url: str) -> Request:
    return request(url, role="requisite")


@pytest.fixture(params=["requisite", "probe"])
def beside(request: pytest.FixtureRequest) -> Callable[[str], Request]:
    """What is asked for beside pages: what they are made of, and links that are only asked about."""
    return lambda url: requisite(url) if request.param == "requisite" else replace(requisite(url), role="probe", depth=3)


def test_what_pages_are_made_of_comes_first_and_is_no_page(opened: Opened, beside: Callable[[str], Request]) -> None:
    """Requisites are given out before pages and sitemaps, so that a page is soon whole, and take nothing of the page limit; and so are
    links that are only asked about, however deep."""
    frontier = opened(max_pages=2)
    frontier.add([request("/0"), request("/map.xml", role="sitemap"), beside("/a.css"), beside("/b.png"), request("/1")])

    lease, given = lease_one(frontier), list[str]()
    while lease.requests:
        given += urls(lease)
        frontier.done(lease, fetched(*lease.requests), lease.state)
        (lease,) = frontier.extend([lease], 100, TTL).leases

    assert given == ["/a.css", "/b.png", "/map.xml", "/0", "/1"]
    assert frontier.stats().ok_pages == 2


def test_a_reached_page_limit_holds_back_no_requisite(opened: Opened, clock: Clock, beside: Callable[[str], Request]) -> None:
    """The last pages get what they are made of, on whichever host it lies and however long that takes; then the crawl is over."""
    frontier = opened(max_pages=1)
    frontier.add([request(f"/{page}") for page in range(3)])
    lease = lease_one(frontier, 1)
    frontier.add([beside("/a.css"), beside("https://b.test/b.png"), request("https://c.test/")])
    frontier.done(lease, fetched(*lease.requests), lease.state)

    (own,) = frontier.extend([lease], 100, TTL).leases
    assert urls(own) == ["/a.css"]
    (other,) = frontier.lease(10, 100, TTL).leases
    assert [each.url for each in other.requests] == ["https://b.test/b.png"]
    frontier.done(own, fetched(*own.requests), own.state)
    frontier.done(other, [Retry(other.requests[0], START + 5, "reset")], other.state)
    frontier.release(own, own.state)
    frontier.release(other, other.state)

    assert frontier.finished() is None
    given = frontier.lease(10, 100, TTL)
    assert (given.leases, given.next_due) == ((), START + 5)
    clock.advance(5)
    (last,) = frontier.lease(10, 100, TTL).leases
    frontier.done(last, fetched(*last.requests), last.state)
    frontier.release(last, last.state)
    assert frontier.finished() == "page limit"
    assert frontier.stats().queued == 3


def test_a_reached_size_limit_holds_back_requisites_too(opened: Opened, beside: Callable[[str], Request]) -> None:
    """Bytes are bytes."""
    frontier = opened(max_size=10, max_pages=1)
    frontier.add([request("/0"), beside("/a.css"), beside("/b.css")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, fetched(*lease.requests, size=10), lease.state)
    frontier.release(lease, lease.state)

    given = frontier.lease(10, 100, TTL)
    assert (given.leases, given.next_due, frontier.finished()) == ((), None, "size limit")


def test_requisites_wait_for_no_depth_and_hold_up_none(opened: Opened, beside: Callable[[str], Request]) -> None:
    """With a depth limit what a page of the last depth is made of is given out, and a slow picture keeps no depth closed."""
    frontier = opened(max_depth=1)
    frontier.add([beside("https://b.test/slow.png"), request("/1", 1), request("/2", 2)])
    leases = {lease.host: lease for lease in frontier.lease(10, 100, TTL).leases}

    assert urls(leases["a.test"]) == ["/1"]
    assert len(leases["b.test"].requests) == 1
    frontier.done(leases["a.test"], fetched(*leases["a.test"].requests), leases["a.test"].state)
    frontier.release(leases["a.test"], leases["a.test"].state)
    assert frontier.finished() is None
    frontier.done(leases["b.test"], fetched(*leases["b.test"].requests), leases["b.test"].state)
    assert frontier.finished() == "depth limit"


def test_a_requisite_that_is_linked_becomes_a_page(opened: Opened) -> None:
    """A picture that a page also links to is a page at the depth of that link, unless it has been asked for: nothing is asked twice."""
    frontier = opened()
    frontier.add([requisite("/a.png"), requisite("/b.png"), requisite("/c.png")])
    lease = lease_one(frontier, 2)
    frontier.done(lease, fetched(lease.requests[0]), lease.state)

    assert frontier.add([request("/a.png", 3), request("/b.png", 3), request("/c.png", 3)]) == 1
    frontier.done(lease, fetched(lease.requests[1]), lease.state)
    (rest,) = frontier.extend([lease], 100, TTL).leases
    assert [(each.url[-6:], each.role, each.depth) for each in rest.requests] == [("/c.png", "page", 3)]


def test_depths_open_one_after_the_other(opened: Opened, clock: Clock) -> None:
    """With a depth limit nothing of a depth is leased before all of the depths above it is finished, on every host."""
    frontier = opened(max_depth=2)
    frontier.add([request("/0"), request("/1", 1), request("https://b.test/0"), request("https://b.test/2", 2)])

    first = frontier.lease(10, 10, TTL).leases
    assert [each.depth for lease in first for each in lease.requests] == [0, 0]
    one, other = first
    frontier.done(one, fetched(*one.requests), one.state)
    assert frontier.extend([one], 10, TTL).leases[0].requests == ()
    frontier.release(one, one.state)
    given = frontier.lease(10, 10, TTL)
    assert given.leases == ()
    frontier.done(other, [Retry(other.requests[0], START + 5, "reset")], other.state)
    assert frontier.lease(10, 10, TTL).leases == ()
    clock.advance(5)
    (again,) = frontier.extend([other], 10, TTL).leases
    frontier.done(other, fetched(*again.requests), other.state)
    frontier.release(other, other.state)
    assert [each.depth for lease in frontier.lease(10, 10, TTL).leases for each in lease.requests] == [1]


def test_sitemaps_come_before_every_depth(opened: Opened) -> None:
    """With a depth limit a sitemap is read before further pages are asked for, so that what it names has its depth."""
    frontier = opened(max_depth=2)
    frontier.add([request("/0"), request("/1", 1), request("/map.xml", role="sitemap")])

    assert urls(lease_one(frontier)) == ["/map.xml"]


def test_what_lies_beyond_the_depth_limit_stays_queued(opened: Opened) -> None:
    """Deeper URLs are kept and not given out; the crawl is finished by its depth limit."""
    frontier = opened(max_depth=1)
    frontier.add([request("/1", 1), request("/2", 2), request("/9", 9)])
    lease = lease_one(frontier)
    assert urls(lease) == ["/1"]
    frontier.done(lease, fetched(*lease.requests), lease.state)
    frontier.release(lease, lease.state)

    given = frontier.lease(10, 10, TTL)
    assert (given.leases, given.next_due, frontier.finished()) == ((), None, "depth limit")
    assert frontier.stats().queued == 2


def test_without_a_depth_limit_no_depth_waits(opened: Opened) -> None:
    """A crawl without a depth limit is not held up by its slowest page."""
    frontier = opened()
    frontier.add([request("/0"), request("https://b.test/9", 9)])

    assert len(frontier.lease(10, 10, TTL).leases) == 2


# The end


def test_a_crawl_is_not_finished_while_urls_are_held(opened: Opened) -> None:
    """`finished` is None while URLs are leased: their pages may bring more. Then it is the empty queue."""
    frontier = opened()
    assert frontier.finished() == "queue empty"
    frontier.add([request("/1")])
    assert frontier.finished() is None
    lease = lease_one(frontier)
    assert frontier.finished() is None
    frontier.add([request("/2")])
    frontier.done(lease, fetched(*lease.requests), lease.state)
    assert frontier.finished() is None
    (rest,) = frontier.extend([lease], 10, TTL).leases
    frontier.done(rest, fetched(*rest.requests), lease.state)
    frontier.release(lease, lease.state)
    assert frontier.finished() == "queue empty"


def test_a_limit_that_left_nothing_is_not_the_reason(opened: Opened) -> None:
    """When the last page reaches the limit and nothing is left, the queue was empty: the crawl is complete."""
    frontier = opened(max_pages=1, max_depth=0, max_size=1)
    frontier.add([request("/1")])
    lease = lease_one(frontier)
    frontier.done(lease, fetched(*lease.requests, size=10), lease.state)

    assert frontier.finished() == "queue empty"


# Survival


def test_everything_survives_a_new_start(on_disk: Adapter, clock: Clock) -> None:
    """A frontier that is opened again has the same URLs, states, counts, times and hosts."""
    frontier = on_disk.open()
    frontier.add([request(f"/{page}") for page in range(4)])
    lease = lease_one(frontier, 3)
    first, second, _ = lease.requests
    frontier.done(lease, [*fetched(first, size=9), Retry(second, START + 50, "status 500")], HostState(next_at=START + 5, delay=2.0))
    before, stats = rows_of(frontier), frontier.stats()

    again = on_disk.open()
    assert (rows_of(again), again.stats()) == (before, stats)
    assert again.held([lease]) == [lease]
    clock.advance(5)
    check_counts(again)


def test_the_sole_holder_voids_all_leases_at_once(on_disk: Adapter, clock: Clock) -> None:
    """After an unclean end the URLs that were held are queued again, untried, and the delay of their hosts is obeyed."""
    frontier = on_disk.open()
    frontier.add([request("/1"), request("/2"), request("https://b.test/")])
    lease = next(lease for lease in frontier.lease(2, 1, TTL).leases if lease.host == "a.test")
    frontier.done(lease, [], HostState(next_at=START + 5, delay=5.0))

    again = on_disk.open()
    again.void_leases(same_clock=True)
    assert again.stats() == Stats(queued=3)
    assert_worthless(again, lease)
    given = again.lease(10, 10, TTL)
    assert [each.host for each in given.leases] == ["b.test"]
    assert given.next_due == START + 5
    clock.advance(5)
    assert urls(lease_one(again)) == ["/1", "/2"]
    check_counts(again)


def test_times_of_another_boot_begin_anew(on_disk: Adapter, clock: Clock) -> None:
    """After a restart of the machine its clock is another: due times are clamped to now plus the delay, robots.txt is asked again."""
    frontier = on_disk.open()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    facts = (RobotsFacts("https://a.test", 200, b"", START),)
    state = HostState(next_at=START + 1e6, delay=3.0, robots=facts, rate=20.0, rate_since=START, latency=0.1)
    frontier.done(lease, [Retry(lease.requests[0], START + 1e6, "")], state)

    clock.now = 10.0
    again = on_disk.open()
    again.void_leases(same_clock=False)
    given = again.lease(10, 10, TTL)
    assert (given.leases, given.next_due) == ((), 13.0)
    clock.advance(3)
    (lease,) = again.lease(10, 10, TTL).leases
    assert urls(lease) == ["/1", "/2"]
    assert lease.state == HostState(next_at=13.0, delay=3.0, rate=20.0)


def test_a_pause_does_not_outlive_its_cap(on_disk: Adapter, clock: Clock) -> None:
    """However far in the future a host's time was, the next start waits five minutes at most."""
    frontier = on_disk.open()
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    frontier.done(lease, [], HostState(next_at=START + 1e9))

    again = on_disk.open()
    again.void_leases(same_clock=True)
    assert again.lease(10, 10, TTL).next_due == START + 300


def test_a_raised_limit_goes_on_where_the_lower_one_stopped(on_disk: Adapter) -> None:
    """What a limit left queued is given out when the crawl is opened with a higher one, or with none."""
    frontier = on_disk.open(Limits(max_depth=0, max_pages=1))
    frontier.add([request("/0"), request("/1", 1), request("/2", 2)])
    lease = lease_one(frontier)
    frontier.done(lease, fetched(*lease.requests), lease.state)
    frontier.release(lease, lease.state)
    assert frontier.lease(10, 10, TTL).leases == ()

    deeper = on_disk.open(Limits(max_depth=1))
    deeper.void_leases(same_clock=True)
    assert urls(lease_one(deeper)) == ["/1"]
    without = on_disk.open()
    without.void_leases(same_clock=True)
    assert urls(lease_one(without)) == ["/1", "/2"]


def test_a_rolled_back_transaction_leaves_the_counts_right(in_database: Adapter) -> None:
    """When a transaction around several calls fails, none of them has happened, and counting goes on from the right numbers."""
    frontier = in_database.open(Limits(max_pages=5, max_depth=3))
    assert in_database.database is not None
    frontier.add([request("/1"), request("/2")])
    lease = lease_one(frontier, 1)
    before, stats = rows_of(frontier), frontier.stats()

    def half_a_step(transaction: Transaction) -> None:
        with transaction():
            frontier.add([request("/3"), request("/4", 1)])
            frontier.done(lease, fetched(*lease.requests, size=10), HostState(closed="reset"))
            frontier.release(lease, lease.state)
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        half_a_step(in_database.database.transaction)
    assert (rows_of(frontier), frontier.stats()) == (before, stats)
    check_counts(frontier)
    assert frontier.held([lease]) == [lease]
    frontier.done(lease, fetched(*lease.requests, size=10), lease.state)
    assert frontier.stats() == Stats(queued=1, done=1, ok_pages=1, size=10)
    check_counts(frontier)


def test_a_call_that_fails_half_way_has_not_happened(in_database: Adapter) -> None:
    """A call that raises in the middle leaves neither rows nor counts behind."""
    frontier = in_database.open()
    frontier.add([request("/1")])
    lease = lease_one(frontier)

    with pytest.raises(AttributeError):
        frontier.done(lease, [*fetched(*lease.requests), None], lease.state)  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        frontier.add([request("/2"), None])  # type: ignore[list-item]
    assert frontier.stats() == Stats(leased=1)
    check_counts(frontier)


# Traps


def traps_of(frontier: AnyFrontier) -> dict[str, str | None]:
    """The paths that are skipped as traps, each with the pattern."""
    return {url.removeprefix("https://a.test"): row.detail for url, row in rows_of(frontier).items() if row.reason == "trap"}


def test_a_trap_withdraws_what_is_queued_with_its_shape(opened: Opened) -> None:
    """Pages of that shape on that host wait no longer, each keeps its row with the pattern. What the user named, what is no page, what
    has another shape, lies elsewhere or is in flight stays as it is."""
    frontier = opened()
    frontier.add([request("/cal/2031/1", 1)])
    lease = lease_one(frontier)
    frontier.add([request("/cal/2031/2", 2), request("/cal/2031/3", 3)])
    others = [
        request("/cal/2031/4"),
        request("/cal/2031/5", 2, "requisite"),
        request("/cal/2031/1/1", 2),
        request("https://b.test/cal/2031/2", 2),
    ]
    frontier.add(others)

    assert frontier.withdraw("a.test", "/cal/{n}/{n}") == 2
    assert traps_of(frontier) == {"/cal/2031/2": "/cal/{n}/{n}", "/cal/2031/3": "/cal/{n}/{n}"}
    assert frontier.stats() == Stats(queued=4, leased=1, skipped=2)
    assert frontier.withdraw("a.test", "/cal/{n}/{n}") == 0
    frontier.done(lease, fetched(*lease.requests), lease.state)
    frontier.release(lease, lease.state)
    assert {each.url for lease in frontier.lease(9, 9, TTL).leases for each in lease.requests} == {each.url for each in others}


def test_a_wide_pattern_withdraws_all_that_is_made_in_the_same_way(opened: Opened) -> None:
    """Filters in every combination; of URLs that are the same but for a random value one has to be asked for, so none is withdrawn."""
    frontier = opened()
    frontier.add(
        [request("/shop?color=red", 1), request("/shop?size=big&color=red", 1), request("/shop", 1), request("/a?sid=8f3a09bc", 1)]
    )

    assert frontier.withdraw("a.test", "/shop?{...}") == 2
    assert frontier.withdraw("a.test", "?sid={x}") == 0
    assert urls(lease_one(frontier)) == ["/shop", "/a?sid=8f3a09bc"]


def test_a_released_pattern_comes_back_for_good(opened: Opened) -> None:
    """What was withdrawn, skipped or refused for it is queued again in its place, with its parent; it is never withdrawn again. Other
    traps stay."""
    frontier = opened()
    root = request("/")
    frontier.add([root, request("/cal/2031/1", 1), request("/cal/2031/2", 1), request("/x/1", 1)])
    lease = lease_one(frontier, 2)
    frontier.done(lease, [Fetched(root, True), Skipped(lease.requests[1], "trap", "/cal/{n}/{n}")], lease.state)
    frontier.release(lease, lease.state)
    frontier.withdraw("a.test", "/cal/{n}/{n}")
    frontier.withdraw("a.test", "/x/{n}")
    late = request("/cal/2031/3", 2)
    frontier.refuse([Refusal(late.url, late.id, "trap", "/cal/{n}/{n}", root.url, 2), Refusal("https://a.test/x/2", 5, "trap", "/x/{n}")])
    assert len(traps_of(frontier)) == 5

    assert frontier.readmit("/cal/{n}/{n}")
    assert traps_of(frontier) == {"/x/1": "/x/{n}", "/x/2": "/x/{n}"}
    assert frontier.withdraw("a.test", "/cal/{n}/{n}") == 0
    assert frontier.readmit("/cal/{n}/{n}")
    found = lease_one(frontier)
    assert urls(found) == ["/cal/2031/1", "/cal/2031/2", "/cal/2031/3"]
    assert (found.requests[2].parent, found.requests[2].depth) == (root.url, 2)


def test_what_is_not_in_quarantine_can_not_be_released(opened: Opened) -> None:
    """A pattern that nobody has withdrawn changes nothing."""
    frontier = opened()
    frontier.add([request("/cal/2031/1", 1)])
    frontier.withdraw("a.test", "/cal/{n}/{n}")

    assert not frontier.readmit("/cal/{n}")
    assert traps_of(frontier) == {"/cal/2031/1": "/cal/{n}/{n}"}


def test_quarantine_survives_a_restart(on_disk: Adapter) -> None:
    """Patterns, with their hosts, and released ones are known when the crawl is opened again."""
    frontier = on_disk.open()
    frontier.add([request("/cal/2031/1", 1), request("https://b.test/x/1", 1)])
    frontier.withdraw("a.test", "/cal/{n}/{n}")
    frontier.withdraw("b.test", "/x/{n}")
    frontier.readmit("/x/{n}")

    again = on_disk.open()
    assert isinstance(again, SqliteFrontier)
    assert (again.quarantine.patterns, again.quarantine.released) == ([("a.test", "/cal/{n}/{n}")], ["/x/{n}"])
    assert traps_of(again) == {"/cal/2031/1": "/cal/{n}/{n}"}
    check_counts(again)


# What all workers know


def test_news_reach_everybody(adapter: Adapter) -> None:
    """Traps and where seeds have led are known to all; the same object says that nothing changed."""
    frontier = adapter.open()
    assert frontier.news() == News()
    assert frontier.news() is frontier.news()
    frontier.withdraw("a.test", "/cal/{n}")
    frontier.widen("https://www.a.test/")
    frontier.widen("https://www.a.test/")

    assert frontier.news() == News((("a.test", "/cal/{n}"),), ("https://www.a.test/",))
    assert frontier.news() is frontier.news()


def test_the_leases_of_a_dead_holder_end_at_once(opened: Opened, clock: Clock) -> None:
    """Its URLs are free for the others, untried, and its tokens are worthless; those of all others are untouched."""
    frontier = opened()
    frontier.add([request("/1"), request("/2"), request("https://b.test/")])
    (lost,) = frontier.lease(1, 9, TTL, 3).leases
    (kept,) = frontier.lease(1, 9, TTL, 4).leases
    frontier.evict(3)

    assert frontier.held([lost, kept]) == [kept]
    assert frontier.done(lost, fetched(*lost.requests), lost.state) is False
    clock.advance(0.001)
    (again,) = frontier.lease(9, 9, TTL, 4).leases
    assert again.requests == lost.requests
