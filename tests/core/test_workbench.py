"""The workbench: what a worker does next, told as stories. Nothing waits: time is a number."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from itertools import takewhile

import pytest
from benches import NEVER, answer_need, bench_of, knowing_robots, lease_of, page, pages, settle, step

from crawler.core.leased import Veto
from crawler.core.politeness import Politeness
from crawler.core.turns import Idle, Need, Wait
from crawler.core.urls import Verdict
from crawler.core.workbench import Workbench
from crawler.model import Failed, HostState, Lease, Leases, PageError, Request, Retry, RobotsFacts, Skipped

DAY = 86400.0


def robots(text: bytes | None, status: int = 200, origin: str = "https://a.test", at: float = 0.0, error: str = "") -> RobotsFacts:
    return RobotsFacts(origin, status, text, at, error)


def serve(bench: Workbench, now: float, status: int = 200) -> Request:
    """The page that starts now, answered at once."""
    request = settle(bench, now)
    bench.answered(request, now, status, 0.1)
    return request


def bench_with(*urls: str, rules: Politeness | None = None, text: bytes = b"") -> Workbench:
    """A workbench with pages of a.test, whose robots.txt is known."""
    return bench_of(lease_of(*pages(*urls), state=knowing_robots(text)), rules=rules)


# robots.txt first


def test_robots_comes_first_and_alone() -> None:
    """The first request at an origin is its robots.txt; until it is answered nothing else of the host starts."""
    bench = bench_of(lease_of(*pages("/a", "/b")))

    request = settle(bench, 0.0)
    assert (request.url, request.role) == ("https://a.test/robots.txt", "robots")
    assert step(bench, 0.0) == Idle()
    bench.robots(request, 0.1, robots(b""))
    assert settle(bench, 0.1).url == "https://a.test/a"


def test_robots_that_is_known_is_not_asked_again() -> None:
    """A host that was handed over with its robots.txt goes on with its pages."""
    assert settle(bench_with("/a"), 10.0).url == "https://a.test/a"


def test_without_an_agent_robots_is_not_asked() -> None:
    """With robots ignored the first request is a page."""
    assert settle(bench_of(lease_of(page("/a")), agent=None), 0.0).url == "https://a.test/a"


def test_robots_of_yesterday_is_asked_again() -> None:
    """A robots.txt that is older than a day is not trusted: it is asked for before the next page."""
    bench = bench_with("/a", "/b", rules=Politeness(per_host=1))
    serve(bench, DAY)

    again = settle(bench, DAY + 1)
    assert again.role == "robots"
    bench.robots(again, DAY + 1, robots(b"User-agent: *\nDisallow: /b", at=DAY + 1))
    assert isinstance(step(bench, DAY + 1), Skipped)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_rules_of_yesterday_hold_while_robots_cannot_be_read(status: int) -> None:
    """A server that answers, but not with its robots.txt, is asked by the rules it gave before, and for new ones an hour later
    (RFC 9309, 2.4)."""
    bench = bench_with("/a", "/b", "/c", "/d", "/e", text=b"User-agent: *\nDisallow: /b\n")
    serve(bench, DAY - 1)
    asked = settle(bench, DAY + 1)
    bench.robots(asked, DAY + 1.1, robots(None, status, error=f"robots.txt answered {status}"))

    assert step(bench, DAY + 10) == Skipped(page("/b"), "robots", "line 2: Disallow: /b")
    assert serve(bench, DAY + 10).url == "https://a.test/c"
    assert settle(bench, DAY + 3700).role == "robots"


def test_a_broken_connection_to_robots_of_yesterday_stops_the_host() -> None:
    """When nobody answers at all the host waits, whatever was known of it."""
    bench = bench_with("/a", "/b")
    serve(bench, DAY - 1)
    bench.robots(settle(bench, DAY + 1), DAY + 1.1, robots(None, 0, error="refused: nobody listens"))

    assert isinstance(step(bench, DAY + 1.2), Wait)


def test_two_origins_of_one_host_have_their_own_robots() -> None:
    """http and https share the pace of a host, not its rules: each robots.txt is asked before the first page of its origin,
    and waits until nothing else of the host is in flight."""
    bench = bench_of(
        lease_of(*pages("https://a.test/1", "https://a.test/2", "http://a.test/3", "https://a.test/4")), rules=Politeness(per_host=9)
    )
    bench.robots(settle(bench, 0.0), 0.0, robots(b""))
    first = settle(bench, 0.0)
    bench.answered(first, 0.0, 200, 0.1)
    second = settle(bench, 0.0)
    assert step(bench, 0.0) == Idle()

    bench.answered(second, 0.1, 200, 0.1)
    other = settle(bench, 0.1)
    assert (other.url, other.role) == ("http://a.test/robots.txt", "robots")
    assert step(bench, 0.1) == Idle()
    bench.robots(other, 0.2, robots(b"User-agent: *\nDisallow: /3", origin="http://a.test"))
    assert step(bench, 0.2) == Skipped(page("http://a.test/3"), "robots", "line 2: Disallow: /3")
    assert settle(bench, 0.2).url == "https://a.test/4"


def test_a_page_that_robots_refuses_is_skipped_with_the_line() -> None:
    """The refusal names the line and the rule, costs no request and no delay."""
    bench = bench_with("/no", "/yes", "/never", rules=Politeness(delay=10.0), text=b"User-agent: *\nDisallow: /n\n")

    assert step(bench, 0.0) == Skipped(page("/no"), "robots", "line 2: Disallow: /n")
    serve(bench, 0.0)
    assert step(bench, 10.0) == Skipped(page("/never"), "robots", "line 2: Disallow: /n")


def test_crawl_delay_is_the_gap() -> None:
    """Requests start one crawl-delay apart, the first page after robots.txt itself included."""
    bench = bench_of(lease_of(*pages("/a", "/b", "/c")))
    bench.robots(settle(bench, 0.0), 0.5, robots(b"User-agent: *\nCrawl-delay: 4"))

    assert step(bench, 0.5) == Wait(4.0)
    serve(bench, 4.0)
    assert step(bench, 4.6) == Wait(8.0)
    serve(bench, 8.0)


def test_the_delay_counts_from_robots_too() -> None:
    """robots.txt is a request like any other: with a delay of two seconds the first page starts two seconds after it."""
    bench = bench_of(lease_of(page("/a")), rules=Politeness(delay=2.0))
    bench.robots(settle(bench, 0.0), 0.1, robots(b""))

    assert step(bench, 0.1) == Wait(2.0)


@pytest.mark.parametrize("facts", [robots(b"", 404), robots(b"", 403), robots(b"", 410), robots(b"", 200)])
def test_no_robots_allows_all(facts: RobotsFacts) -> None:
    """A host without a robots.txt refuses nothing (RFC 9309, 2.3.1.3)."""
    bench = bench_of(lease_of(page("/a")))
    bench.robots(settle(bench, 0.0), 0.0, facts)

    assert settle(bench, 0.0).url == "https://a.test/a"


def test_a_failing_robots_stops_the_host_until_it_answers() -> None:
    """While robots.txt answers 5xx nothing of the host is asked (RFC 9309, 2.3.1.4); it is asked for again after 1, 2, 4 … s."""
    bench = bench_of(lease_of(*pages("/a", "/b")))
    now, waits = 0.0, []
    for _ in range(4):
        request = settle(bench, now)
        assert request.role == "robots"
        bench.robots(request, now, robots(None, 503, error="robots.txt answered 503"))
        wait = step(bench, now)
        assert isinstance(wait, Wait)
        waits.append(wait.until - now)
        now = wait.until
    assert all(0.75 * base <= each <= 1.25 * base for each, base in zip(waits, (1, 2, 4, 8), strict=True))

    bench.robots(settle(bench, now), now, robots(b"", at=now))
    assert settle(bench, now).url == "https://a.test/a"


@pytest.mark.parametrize(
    ("facts", "probes", "error"),
    [
        (robots(None, 503, error="robots.txt answered 503"), 8, PageError("robots_unavailable", "robots.txt answered 503")),
        (robots(None, 0, error="refused: nobody listens"), 8, PageError("refused", "nobody listens")),
        (robots(None, 0, error="dns"), 8, PageError("dns", "")),
        (robots(None, 0, error="timeout: no connection within 9 s"), 8, PageError("timeout", "no connection within 9 s")),
        (robots(None, 0, error="timeout: no headers"), 8, PageError("robots_unavailable", "timeout: no headers")),
        (robots(None, 0, error="reset: in the header"), 8, PageError("robots_unavailable", "reset: in the header")),
        (robots(None, 0, error="tls: expired"), 1, PageError("tls", "expired")),
    ],
)
def test_a_host_whose_robots_never_comes_is_closed(facts: RobotsFacts, probes: int, error: PageError) -> None:
    """After so many tries the host is given up: its first URL is told as failed, the rest goes back to fail at the frontier."""
    lease = lease_of(*pages("/a", "/b", "/c"))
    bench = bench_of(lease, rules=Politeness(retries=2))
    now = 0.0
    for _ in range(probes):
        bench.robots(settle(bench, now), now, facts)
        now += 100.0

    assert step(bench, now) == Failed(page("/a"), error)
    assert step(bench, now) == Idle()
    bench.acknowledged(lease, 1)
    need = bench.next(now)
    assert isinstance(need, Need)
    ((released, state),) = need.release
    assert (released.token, state.closed, state.closed_kind) == (lease.token, str(error), error.kind)


def test_what_a_lost_lease_had_in_flight_says_nothing_about_the_next_one() -> None:
    """The same URL may be in flight twice when a lease was lost and won again: the older answer does not count for the younger
    request, so robots.txt still goes alone."""
    old = lease_of(page("/a"))
    bench = bench_of(old, agent="asyncrawl")
    first = settle(bench, 0.0)
    bench.lost(old)
    need = bench.next(1.0)
    assert isinstance(need, Need)
    bench.take(need, Leases(), Leases((lease_of(page("/a"), token=2),)), 1.0)
    second = settle(bench, 1.0)
    assert (first, second.role) == (second, "robots")

    bench.robots(first, 2.0, robots(b""))
    assert step(bench, 2.0) == Idle()
    bench.robots(second, 3.0, robots(b""))
    assert settle(bench, 3.0).url == "https://a.test/a"


def test_a_renewal_that_is_heard_of_too_late_changes_nothing() -> None:
    """A lease that was known to be lost before the frontier's answer arrived stays lost."""
    old = lease_of(page("/a"), deadline=60.0)
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0)
    need = bench.next(0.0)
    assert isinstance(need, Need)
    bench.take(need, Leases(), Leases((old,)), 0.0)
    renewal = bench.renewal(31.0)
    assert renewal is not None
    bench.lost(old)
    bench.take(renewal, Leases((replace(old, deadline=91.0, requests=()),)), Leases(), 61.0)

    assert bench.lease_of(page("/a")) is None
    assert bench.waiting == 0


def test_hosts_that_others_found_are_noticed() -> None:
    """A worker that waits for its only host, for as long as that asks, looks around every few seconds, and at once serves what another
    worker has found meanwhile. While all it has is in flight nothing wakes it, but with the answer it looks."""
    bench = bench_of(lease_of(page("/a"), state=knowing_robots(next_at=300.0)), look_around=5.0)
    assert step(bench, 0.0) == Wait(5.0)
    assert step(bench, 5.0) == Wait(10.0)

    need = bench.next(10.0)
    assert isinstance(need, Need)
    assert need.hosts > 0
    bench.take(need, Leases(), Leases((lease_of(page("https://b.test/"), state=HostState()),)), 10.0)
    assert settle(bench, 10.0).url == "https://b.test/robots.txt"

    busy = bench_of(lease_of(page("/a"), state=knowing_robots()), look_around=5.0)
    settle(busy, 0.0)
    assert step(busy, 0.0) == Idle()
    assert isinstance(busy.next(10.0), Need)


# Pace and turns


def test_no_more_in_flight_than_per_host() -> None:
    """However many URLs wait, a host has at most `per_host` in flight; a slot is free again with the answer."""
    bench = bench_with(*(f"/{number}" for number in range(20)), rules=Politeness(per_host=3, adaptive=False))
    flying = [settle(bench, 0.0) for _ in range(3)]
    assert step(bench, 0.0) == Idle()

    bench.answered(flying[1], 0.1, 200, 0.1)
    settle(bench, 0.1)
    assert step(bench, 0.1) == Idle()


def test_urls_of_a_host_start_in_their_order() -> None:
    """First come, first served within a host."""
    bench = bench_with("/a", "/b", "/c")

    assert [serve(bench, 0.0).url[-2:] for _ in range(3)] == ["/a", "/b", "/c"]


def test_hosts_take_turns() -> None:
    """With one slot each, hosts that are ready together start in turn, none twice before all others once."""
    leases = [
        lease_of(*pages(*(f"https://{name}.test/{page_number}" for page_number in range(3))), state=HostState(answered=True))
        for name in "abc"
    ]
    bench = bench_of(*leases, agent=None)

    order = "".join(serve(bench, 0.0).host[0] for _ in range(9))
    assert order[:3] == order[3:6] == order[6:]
    assert sorted(order[:3]) == ["a", "b", "c"]


def test_a_waiting_host_does_not_hold_up_another() -> None:
    """While one host rests for its delay the other is asked; the wait is for whoever is ready first."""
    slow, quick = (
        lease_of(*pages("https://slow.test/1", "https://slow.test/2")),
        lease_of(*pages("https://quick.test/1", "https://quick.test/2")),
    )
    bench = Workbench(lambda host: Politeness(delay=10.0 if host == "slow.test" else 3.0), None, look_around=NEVER)
    need = bench.next(0.0)
    assert isinstance(need, Need)
    bench.take(need, Leases(), Leases((slow, quick)), 0.0)

    assert [serve(bench, 0.0).host, serve(bench, 0.0).host] == ["slow.test", "quick.test"]
    assert step(bench, 0.0) == Wait(3.0)
    assert serve(bench, 3.0).host == "quick.test"
    assert step(bench, 3.0) == Wait(10.0)


def test_wait_ends_exactly_when_a_host_is_ready() -> None:
    """At `until` the next request starts; a moment before it does not."""
    bench = bench_with("/a", "/b", rules=Politeness(delay=5.0))
    serve(bench, 1.0)

    assert step(bench, 1.0) == Wait(6.0)
    assert step(bench, 5.999) == Wait(6.0)
    assert settle(bench, 6.0).url == "https://a.test/b"


def test_a_host_that_was_ready_may_have_to_wait_again() -> None:
    """A Retry-After that arrives while the next URL is ready stops that too."""
    bench = bench_with("/a", "/b", rules=Politeness(per_host=4))
    request = settle(bench, 0.0)
    verdict = bench.answered(request, 0.5, 429, 0.1, retry_after=20.0)

    assert verdict == Retry(request, 20.5, "status 429")
    assert step(bench, 0.5) == Wait(20.5)


# What comes back


def test_a_host_failure_asks_again_without_counting() -> None:
    """A refused connection is the host's trouble: the URL comes again, untried, and the host pauses."""
    bench = bench_with("/a", "/b")
    request = settle(bench, 0.0)

    assert bench.failed(request, 0.0, PageError("refused")) == Retry(request, 0.0, "refused", counted=False)
    wait = step(bench, 0.0)
    assert isinstance(wait, Wait)
    assert 0.75 <= wait.until <= 1.25


def test_a_host_that_goes_down_fails_as_one() -> None:
    """When a host closes with requests in flight, each of them fails with its error, and what waits goes back unasked."""
    lease = lease_of(*pages(*(f"/{number}" for number in range(9))), state=knowing_robots(failures=2.0, concurrency=3.0))
    bench = bench_of(lease, rules=Politeness(retries=0, per_host=3))
    first = settle(bench, 0.0)
    bench.answered(first, 0.0, 200, 0.1)
    flying = [settle(bench, 0.0) for _ in range(3)]
    error = PageError("refused", "nobody listens")

    assert [bench.failed(each, 1.0, error) for each in flying] == [Failed(each, error) for each in flying]
    assert bench.waiting == 0
    assert step(bench, 1.0) == Idle()
    bench.acknowledged(lease, 4)
    need = bench.next(1.0)
    assert isinstance(need, Need)
    assert [state.closed for _, state in need.release] == ["refused: nobody listens"]


def test_a_closed_host_does_not_spin_while_answers_are_on_their_way() -> None:
    """URLs that a frontier gives to a host which has just closed wait for its last answer; `next` comes back at once."""
    lease = lease_of(*pages("/a", "/b"), state=knowing_robots(concurrency=4.0))
    bench = Workbench(lambda host: Politeness(retries=0), "asyncrawl")
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    need = bench.next(0.0)
    assert isinstance(need, Need)
    assert need.extend
    flying = [settle(bench, 0.0), settle(bench, 0.0)]
    bench.failed(flying[0], 0.1, PageError("refused"))
    bench.take(need, Leases((replace(lease, requests=pages("/c", "/d")),)), Leases(), 0.1)

    assert step(bench, 0.1) == Idle()
    bench.answered(flying[1], 0.2, 200, 0.1)
    assert step(bench, 0.2) == Failed(page("/c"), PageError("refused", ""))
    assert step(bench, 0.2) == Idle()


def test_a_cancelled_request_is_neither_tried_nor_failed() -> None:
    """What was cut off by us frees its slot; its URL goes back with the lease, as nobody acknowledges it."""
    lease = lease_of(*pages("/a", "/b"), state=knowing_robots())
    bench = bench_of(lease, rules=Politeness(per_host=1))
    bench.cancelled(settle(bench, 0.0))

    assert settle(bench, 0.0).url == "https://a.test/b"
    assert [each for each, _ in bench.release_all()] == [replace(lease, requests=())]


def test_what_was_answered_is_cut_off_no_more() -> None:
    """A worker may be stopped between an answer and its page: the slot is free once, and the pace stays as the answer left it."""
    lease = lease_of(*pages("/a", "/b", "/c"), state=knowing_robots())
    bench = bench_of(lease, rules=Politeness(per_host=1))
    request = settle(bench, 0.0)
    bench.answered(request, 0.1, 200, 0.1)
    state = bench.state_of(lease)
    bench.cancelled(request)

    assert bench.state_of(lease) is state
    assert settle(bench, 0.1).url == "https://a.test/b"
    assert step(bench, 0.1) == Idle()


def test_a_cancelled_robots_is_asked_again() -> None:
    """When the request for robots.txt was cut off, the host does not go on without it."""
    bench = bench_of(lease_of(page("/a")))
    bench.cancelled(settle(bench, 0.0))

    assert settle(bench, 0.0).role == "robots"


def test_too_many_open_files_cost_no_attempt() -> None:
    """A limit of this machine is no fault of the URL: it is asked again a second later, however often."""
    bench = bench_with("/a")
    request = settle(bench, 0.0)

    assert bench.failed(request, 5.0, PageError("internal", "EMFILE: too many open files")) == Retry(
        request, 6.0, "internal: EMFILE: too many open files", counted=False
    )


def test_too_many_open_files_cost_no_host() -> None:
    """The same for robots.txt: the host waits a second and is asked again, however often, and is never given up for it."""
    bench = bench_of(lease_of(page("/a")))
    for now in range(20):
        request = settle(bench, float(now))
        assert request.role == "robots"
        bench.robots(request, float(now), robots(None, 0, at=float(now), error="internal: EMFILE: too many open files"))
        assert step(bench, now + 0.5) == Wait(now + 1.0)


# Leases


def test_an_empty_workbench_asks_for_hosts() -> None:
    """The first thing a worker does is to lease; what it says it needs is what it has room for."""
    bench = Workbench(lambda host: Politeness(), None, max_hosts=7, per_host=5)

    assert bench.next(0.0) == Need(7, 5)
    assert bench.next(0.0) == Idle()


def test_only_one_trip_at_a_time() -> None:
    """While somebody is at the frontier no second trip is asked for, and ready hosts go on."""
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0, look_around=NEVER)
    bench.take(bench.next(0.0), Leases(), Leases((lease_of(page("/a"), deadline=60.0),)), 0.0)  # type: ignore[arg-type]
    assert isinstance(bench.next(0.0), Need)

    assert isinstance(bench.next(0.0), Request)
    assert bench.next(59.0) == Idle()


def test_it_waits_until_the_frontier_has_something_due() -> None:
    """When the frontier says at what time the next host is due, the worker sleeps until then and asks again."""
    bench = Workbench(lambda host: Politeness(), None, look_around=NEVER)
    bench.take(bench.next(0.0), Leases(), Leases((), 30.0), 0.0)  # type: ignore[arg-type]

    assert bench.next(0.0) == Wait(30.0)
    assert bench.next(29.9) == Wait(30.0)
    assert isinstance(bench.next(30.0), Need)


def test_it_idles_when_nothing_is_due_until_it_is_woken() -> None:
    """With an empty frontier there is nothing to wait for; new URLs, or a wake, send the worker there again."""
    bench = Workbench(lambda host: Politeness(), None, look_around=NEVER)
    bench.take(bench.next(0.0), Leases(), Leases(), 0.0)  # type: ignore[arg-type]
    assert bench.next(1e6) == Idle()

    bench.added(["b.test"])
    need = bench.next(1e6)
    assert isinstance(need, Need)
    bench.take(need, Leases(), Leases(), 1e6)
    assert bench.next(1e6) == Idle()
    bench.wake()
    assert isinstance(bench.next(1e6), Need)


def test_a_short_queue_is_topped_up() -> None:
    """A host whose queue falls below a quarter is topped up, as long as the frontier had more when asked last."""
    bench = Workbench(lambda host: Politeness(), None, per_host=8)
    lease = lease_of(*pages(*(f"/{number}" for number in range(8))))
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    for _ in range(7):
        request = bench.next(0.0)
        assert isinstance(request, Request)
        bench.answered(request, 0.0, 200, 0.1)

    need = bench.next(0.0)
    assert isinstance(need, Need)
    assert [each.host for each in need.extend] == ["a.test"]
    answer_need(bench, need, 0.0)
    assert isinstance(bench.next(0.0), Request)
    assert bench.next(0.0) == Idle()


def test_leases_with_equal_tokens_are_not_mixed_up() -> None:
    """Tokens count per host: hosts leased for the first time all have the same, and each gets its own URLs."""
    bench = Workbench(lambda host: Politeness(per_host=9, adaptive=False), None, per_host=8)
    leases = [lease_of(page(f"https://{name}.test/1"), state=HostState(answered=True)) for name in "abc"]
    bench.take(bench.next(0.0), Leases(), Leases(tuple(leases)), 0.0)  # type: ignore[arg-type]
    need = bench.next(0.0)
    assert isinstance(need, Need)
    further = tuple(replace(each, requests=pages(f"https://{each.host}/2")) for each in need.extend)
    bench.take(need, Leases(further), Leases(), 0.0)

    started = sorted(settle(bench, 0.0).url for _ in range(6))
    assert started == sorted(f"https://{name}.test/{number}" for name in "abc" for number in (1, 2))
    assert step(bench, 0.0) == Idle()


def test_a_lease_is_renewed_at_half_its_time() -> None:
    """When half of the time is gone all leases are renewed; one with enough to do is renewed alone, not topped up."""
    bench = Workbench(lambda host: Politeness(delay=100.0), None, per_host=2, ttl=60.0, look_around=NEVER)
    lease = lease_of(*pages("/a", "/b"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    serve(bench, 0.0)

    assert bench.next(1.0) == Wait(30.0)
    need = bench.next(30.0)
    assert need == Need(0, 2, renew=(replace(lease, requests=()),))
    bench.take(need, Leases((replace(lease, deadline=90.0, requests=()),)), Leases(), 30.0)
    assert bench.next(30.0) == Wait(60.0)


def test_a_busy_worker_renews_without_asking_what_comes_next() -> None:
    """While all slots are busy nobody calls `next`: the renewal is there for who keeps the books, once, when it is due."""
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0, look_around=NEVER)
    assert (bench.renew_at, bench.renewal(0.0)) == (float("inf"), None)
    lease = lease_of(page("/a"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]

    assert (bench.renew_at, bench.renewal(29.9)) == (30.0, None)
    need = bench.renewal(30.0)
    assert need is not None
    assert [each.host for each in need.renew + need.extend] == ["a.test"]
    assert (bench.renew_at, bench.renewal(31.0)) == (float("inf"), None)
    bench.take(need, Leases((replace(lease, deadline=91.0, requests=()),)), Leases(), 31.0)
    assert bench.renew_at == 61.0


def test_a_queue_does_not_grow_with_renewals() -> None:
    """A slow host holds no more URLs after an hour of renewals than after its first lease."""
    bench = Workbench(lambda host: Politeness(delay=1000.0), None, per_host=8, ttl=60.0, look_around=NEVER)
    further = iter(range(1_000_000))

    def more(lease: Lease, count: int, now: float) -> Lease:
        return replace(lease, deadline=now + 60.0, requests=pages(*(f"/{next(further)}" for _ in range(count))))

    need = bench.next(0.0)
    bench.take(need, Leases(), Leases((more(lease_of(page("/x")), 8, 0.0),)), 0.0)  # type: ignore[arg-type]
    now = 0.0
    for _ in range(300):
        match bench.next(now):
            case Need() as need:
                kept = [more(each, 0, now) for each in need.renew] + [more(each, need.per_host, now) for each in need.extend]
                bench.take(need, Leases(tuple(kept)), Leases(), now)
            case Wait(until):
                now = until
            case Request() as request:
                bench.answered(request, now, 200, 0.1)
            case other:
                raise AssertionError(other)
        assert bench.waiting <= 10
    assert now >= 3600.0


def test_nothing_starts_after_the_deadline() -> None:
    """A fence cannot stop a request that was sent: from its deadline on a host waits for the renewal."""
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0, look_around=NEVER)
    lease = lease_of(*pages("/a", "/b"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    need = bench.next(60.0)
    assert isinstance(need, Need)
    assert bench.next(60.0) == Idle()

    bench.take(need, Leases((replace(lease, deadline=120.0, requests=()),)), Leases(), 61.0)
    assert isinstance(bench.next(61.0), Request)


def test_a_request_leaves_under_the_lease_that_it_started_under() -> None:
    """Whoever slept between its start and its sending finds out by its own clock that the host may be another's by now; a lease that was
    renewed covers it, one that was lost does not, nor does the next one of the same host."""
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0, look_around=NEVER)
    lease = lease_of(*pages("/a", "/b"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    need = bench.next(0.0)
    bench.take(need, Leases((replace(lease, requests=()),)), Leases(), 0.0)  # type: ignore[arg-type]
    request = bench.next(0.0)
    assert isinstance(request, Request)
    assert [bench.may_leave(request, now) for now in (0.0, 59.9, 60.0, 1000.0)] == [True, True, False, False]

    need = bench.next(60.0)
    bench.take(need, Leases((replace(lease, deadline=120.0, requests=()),)), Leases(), 60.0)  # type: ignore[arg-type]
    assert bench.may_leave(request, 60.0)
    bench.lost(lease)
    assert not bench.may_leave(request, 60.0)
    need = bench.next(60.0)
    bench.take(need, Leases(), Leases((replace(lease, token=2, deadline=120.0),)), 60.0)  # type: ignore[arg-type]
    assert not bench.may_leave(request, 60.0)


def test_leases_are_renewed_as_often_as_somebody_wants_to_hear_of_them() -> None:
    """However far their deadlines are: then it is heard which of them are to be given back, and those are, with what waits."""
    bench = Workbench(lambda host: Politeness(delay=99.0), None, ttl=60.0, look_around=NEVER, renew_every=2.0)
    lease = lease_of(*pages("/a", "/b"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    bench.take(bench.next(0.0), Leases((replace(lease, requests=()),)), Leases(), 0.0)  # type: ignore[arg-type]
    request = bench.next(0.0)
    assert isinstance(request, Request)
    bench.answered(request, 0.1, 200, 0.1)
    bench.acknowledged(lease, 1)
    assert bench.next(1.9) == Wait(2.0)

    need = bench.next(2.0)
    assert isinstance(need, Need)
    assert [each.host for each in need.renew] == ["a.test"]
    bench.take(need, Leases((replace(lease, requests=(), leaves=True),)), Leases(), 2.0)
    need = bench.next(2.0)
    assert isinstance(need, Need)
    assert [each.host for each, _ in need.release] == ["a.test"]


def test_a_lost_lease_is_forgotten() -> None:
    """When a lease was not renewed the host is gone: what waits is not asked, answers that arrive late are ignored."""
    bench = Workbench(lambda host: Politeness(), None, ttl=60.0, look_around=NEVER)
    lease = lease_of(*pages("/a", "/b"), deadline=60.0)
    bench.take(bench.next(0.0), Leases(), Leases((lease,)), 0.0)  # type: ignore[arg-type]
    need = bench.next(0.0)
    assert isinstance(need, Need)
    bench.take(need, Leases((replace(lease, requests=()),)), Leases(), 0.0)
    request = bench.next(0.0)
    assert isinstance(request, Request)
    need = bench.next(40.0)
    assert isinstance(need, Need)
    assert need.renew
    bench.take(need, Leases(), Leases(), 40.0)

    assert bench.lease_of(request) is None
    assert bench.waiting == 0
    assert bench.answered(request, 41.0, 503, 0.1) is None
    assert bench.failed(request, 41.0, PageError("reset")) == Retry(request, 41.0, "reset", counted=False)
    assert step(bench, 41.0) == Idle()
    assert bench.release_all() == []


def test_a_stale_word_about_a_lease_does_not_touch_the_next_one() -> None:
    """The same host leased anew has another token: what is said about the old lease leaves the new one alone."""
    old, new = lease_of(page("/a"), token=1), lease_of(page("/a"), token=3, state=knowing_robots())
    bench = bench_of(new)
    bench.lost(old)
    bench.acknowledged(old, 1)

    assert bench.lease_of(page("/a")) is not None
    assert settle(bench, 0.0).url == "https://a.test/a"


def test_a_host_is_given_back_when_all_of_it_is_stored() -> None:
    """A host stays ours until its last outcome is acknowledged, then it is released with what was learnt of it."""
    lease = lease_of(*pages("/a", "/b"), state=knowing_robots())
    bench = bench_of(lease)
    serve(bench, 0.0)
    serve(bench, 0.0)
    bench.acknowledged(lease, 1)
    assert step(bench, 0.0) == Idle()

    bench.acknowledged(lease, 1)
    need = bench.next(0.0)
    assert isinstance(need, Need)
    ((released, state),) = need.release
    assert (released.host, state.answered, state.concurrency) == ("a.test", True, 3.0)


def test_new_urls_of_a_held_host_are_fetched_by_its_holder() -> None:
    """A host that has just run dry is topped up when a commit has added URLs for it, instead of being given back."""
    lease = lease_of(page("/a"), state=knowing_robots())
    bench = bench_of(lease)
    serve(bench, 0.0)
    bench.added(["a.test"])
    bench.acknowledged(lease, 1)

    need = bench.next(0.0)
    assert isinstance(need, Need)
    assert (need.release, [each.host for each in need.extend]) == ((), ["a.test"])
    bench.take(need, Leases((replace(lease, requests=pages("/b")),)), Leases(), 0.0)
    assert settle(bench, 0.0).url == "https://a.test/b"


def test_a_retry_that_is_due_later_brings_the_worker_back() -> None:
    """When a held host has a URL to ask again at some time, the worker asks the frontier at that time."""
    lease = lease_of(*pages("/a", "/b"), state=knowing_robots())
    bench = bench_of(lease, rules=Politeness(delay=50.0))
    serve(bench, 0.0)
    bench.added(["a.test"])
    need = bench.next(0.0)
    assert isinstance(need, Need)
    bench.take(need, Leases((replace(lease, requests=()),), next_due=7.0), Leases(), 0.0)

    assert bench.next(0.0) == Wait(7.0)
    need = bench.next(7.0)
    assert isinstance(need, Need)
    assert [each.host for each in need.extend] == ["a.test"]


def test_leaving_gives_everything_back() -> None:
    """`release_all` names every lease with the state of its host, and leaves an empty workbench."""
    bench = bench_of(lease_of(page("/a"), state=knowing_robots()), lease_of(page("https://b.test/")))
    settle(bench, 0.0)

    assert sorted(lease.host for lease, _ in bench.release_all()) == ["a.test", "b.test"]
    assert bench.waiting == 0
    assert "0 hosts" in repr(bench)


def test_progress_shows_the_busiest_hosts() -> None:
    """Hosts with most in flight come first, the others are counted."""
    leases = [lease_of(*pages(f"https://{name}.test/1", f"https://{name}.test/2"), state=HostState(answered=True)) for name in "abc"]
    bench = bench_of(*leases, agent=None, rules=Politeness(delay=3.0))
    first = settle(bench, 0.0)

    rows, more = bench.progress(2)
    assert [(row.host, row.in_flight, row.waiting, row.delay) for row in rows] == [(first.host, 1, 1, 3.0), (rows[1].host, 0, 2, 3.0)]
    assert more == 1


# A last look at what was admitted


class Doubt(Veto):
    """Refuses /no, and lets one of /1, /2, … out at a time."""

    def waits(self, request: Request, flying: Container[int]) -> bool:
        return any(other.id in flying for other in pages("/1", "/2", "/3")) and request.url[-1].isdigit()

    def refusal(self, request: Request) -> Verdict | None:
        return ("trap", "/{w}") if request.url.endswith("/no") else None


def test_what_waits_for_an_answer_lets_others_pass() -> None:
    """A URL that is not asked for before another one is answered goes behind those that need not wait; all of them have their turn."""
    bench = bench_of(lease_of(*pages("/1", "/2", "/a", "/3"), state=knowing_robots(concurrency=4.0)), veto=Doubt())

    one, other = settle(bench, 0.0), settle(bench, 0.0)
    assert [one.url[-1], other.url[-1]] == ["1", "a"]
    assert step(bench, 0.0) == Idle()
    bench.answered(one, 0.1, 200, 0.1)
    two = settle(bench, 0.1)
    bench.answered(two, 0.2, 200, 0.1)
    assert {two.url[-1], settle(bench, 0.2).url[-1]} == {"2", "3"}


def test_what_is_vetoed_is_skipped_without_a_request() -> None:
    """It is told with its reason, and what follows goes out."""
    bench = bench_of(lease_of(*pages("/no", "/a"), state=knowing_robots()), veto=Doubt())

    assert step(bench, 0.0) == Skipped(page("/no"), "trap", "/{w}")
    assert settle(bench, 0.0).url == "https://a.test/a"


def test_a_slot_has_its_share_of_the_requests_at_once() -> None:
    """What a lease may have in flight is its share, or what the host may be asked at once if that is less."""
    for share, per_host, most in ((0, 4, 4), (2, 4, 2), (9, 4, 4)):
        lease = replace(lease_of(*pages(*["/a", "/b", "/c", "/d", "/e", "/f"]), state=HostState(answered=True)), share=share)
        bench = bench_of(lease, rules=Politeness(per_host=per_host, adaptive=False), agent=None)
        assert len(list(takewhile(lambda each: isinstance(each, Request), (step(bench, 0.0) for _ in range(9))))) == most


def test_a_lease_that_is_to_leave_is_given_back_when_its_requests_have_landed() -> None:
    """Nothing more of it starts; what is in flight is waited for, and what waited goes back with it."""
    lease = lease_of(*pages("/a", "/b", "/c"), state=HostState(answered=True))
    bench = bench_of(lease, rules=Politeness(per_host=1), agent=None)
    flying = settle(bench, 0.0)
    bench.leave(lease)
    assert step(bench, 0.0) == Idle()
    bench.answered(flying, 1.0, 200, 0.1)
    assert step(bench, 1.0) == Idle()
    bench.acknowledged(lease, 1)

    need = bench.next(1.0)
    assert isinstance(need, Need)
    assert [released.token for released, _ in need.release] == [lease.token]
