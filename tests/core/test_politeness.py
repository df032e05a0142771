"""Politeness: when a host may be asked again. An hour of it takes a millisecond, because time comes in as a number."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.politeness import PROBES, Pace, Politeness
from crawler.model import HostState, PageError

REFUSED = PageError("refused", "nobody listens")
OK = 200


def answered_pace(rules: Politeness, **state: object) -> Pace:
    """The pace of a host that has answered before."""
    return Pace(rules, HostState(answered=True, **state))  # type: ignore[arg-type]


def start_at(pace: Pace, now: float) -> float:
    """Starts a request as early as the pace allows from `now` on; returns when."""
    ready = pace.ready_at()
    assert ready is not None
    at = max(now, ready)
    pace.started(at)
    pace.leaves(at, at)
    return at


def ask(pace: Pace, now: float, status: int = OK, latency: float = 0.1, retry_after: float | None = None) -> float:
    """One request from start to answer; returns when it had started."""
    at = start_at(pace, now)
    pace.answered(at + latency, at, status, latency, retry_after)
    return at


def starts(pace: Pace, seconds: float, latency: float = 0.1) -> list[float]:
    """The starts of requests that are asked one after the other for so long."""
    times: list[float] = []
    now = 0.0
    while (now := ask(pace, now, latency=latency)) < seconds:
        times.append(now)
        now += latency
    return times


# The gap


def test_an_hour_of_a_second_each() -> None:
    """With a delay of one second an hour holds 3,600 requests, each a second after the one before."""
    times = starts(Pace(Politeness(delay=1.0)), 3600.0)

    assert len(times) == 3600
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))


def test_the_delay_counts_between_starts() -> None:
    """A slow answer uses the delay up: what counts is the time between two starts, not the pause after an answer."""
    assert starts(Pace(Politeness(delay=1.0)), 10.0, latency=3.0) == [0.0, 3.0, 6.0, 9.0]


def test_without_a_delay_nothing_waits() -> None:
    """A host that asks for nothing is asked as soon as a slot is free."""
    pace = Pace(Politeness())
    assert [ask(pace, now) for now in (0.0, 0.1, 0.2)] == [0.0, 0.1, 0.2]


def test_a_random_wait_is_never_shorter_than_the_delay() -> None:
    """`random_wait` stretches the delay up to twice its length and never undercuts it."""
    times = starts(Pace(Politeness(delay=1.0, random_wait=True)), 1000.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]

    assert min(gaps) >= 1.0
    assert max(gaps) <= 2.0
    assert len({round(gap, 3) for gap in gaps}) > 100


@pytest.mark.parametrize(
    ("asked", "setting", "obeyed"), [(None, 0.5, 0.5), (2.0, 0.5, 2.0), (0.1, 0.5, 0.5), (86400.0, 0.0, 30.0), (0.0, 0.0, 0.0)]
)
def test_the_larger_of_setting_and_crawl_delay(asked: float | None, setting: float, obeyed: float) -> None:
    """Crawl-delay never shortens the setting's delay and is honoured up to `max_crawl_delay`."""
    pace = Pace(Politeness(delay=setting, max_crawl_delay=30.0))
    pace.crawl_delay(asked)

    assert pace.delay == obeyed


def test_a_smaller_crawl_delay_holds_from_then_on() -> None:
    """When robots.txt changes its mind, the new delay is the delay."""
    pace = Pace(Politeness())
    pace.crawl_delay(20.0)
    pace.crawl_delay(2.0)

    assert pace.delay == 2.0


# The window


def test_a_host_starts_with_one_request() -> None:
    """Before its first answer a host has one request in flight, whatever `per_host` says, adaptive or not."""
    for adaptive in (True, False):
        pace = Pace(Politeness(per_host=8, adaptive=adaptive))
        start_at(pace, 0.0)
        assert pace.ready_at() is None


def test_the_window_opens_while_answers_come_quickly() -> None:
    """Each answer that is as quick as the quickest opens one more slot, up to `per_host`."""
    pace = Pace(Politeness(per_host=4))
    windows = []
    for second in range(6):
        ask(pace, float(second))
        windows.append(pace.window)

    assert windows == [2, 3, 4, 4, 4, 4]


def test_the_window_stays_while_answers_are_slow() -> None:
    """Answers that take more than twice as long as the quickest open nothing."""
    pace = Pace(Politeness(per_host=8))
    ask(pace, 0.0, latency=0.1)
    for second in range(1, 10):
        ask(pace, float(second), latency=1.0)

    assert pace.window == 2


def test_without_adapting_the_window_is_per_host() -> None:
    """`adaptive=False` opens all slots with the first answer."""
    pace = Pace(Politeness(per_host=8, adaptive=False))
    ask(pace, 0.0)

    assert pace.window == 8


def test_the_window_halves_when_the_host_is_busy() -> None:
    """429 and 503 halve the window, and one request goes alone before it counts; so do a timeout and a reset of a host that had
    answered."""
    for status in (429, 503):
        pace = answered_pace(Politeness(per_host=8, adaptive=True), concurrency=8.0)
        ask(pace, 0.0, status)
        assert pace.window == 1
        ask(pace, 10.0)
        assert pace.window == 5
    for kind in ("timeout", "reset"):
        pace = answered_pace(Politeness(per_host=8), concurrency=8.0)
        start_at(pace, 0.0)
        pace.failed(1.0, 0.0, PageError(kind, "while reading"))  # type: ignore[arg-type]
        assert pace.window == 4


def test_a_storm_of_429_counts_once() -> None:
    """Eight requests that were in flight together and all meet a 429 halve the window once, not eight times."""
    pace = answered_pace(Politeness(per_host=8), concurrency=8.0)
    for number in range(8):
        start_at(pace, number * 0.01)
    for number in range(8):
        pace.answered(1.0 + number * 0.01, number * 0.01, 429, 0.5)

    assert pace.state.concurrency == 4
    assert pace.ready_at() == 2.0
    assert pace.in_flight == 0


def refused_again(pace: Pace, status: int, retry_after: float | None = None) -> list[float]:
    """The pauses after each of these answers in a row, until the host is closed or has been asked 20 times."""
    pauses: list[float] = []
    now = 0.0
    while not pace.closed and len(pauses) < 20:
        now = ask(pace, now, status, latency=0.0, retry_after=retry_after)
        pauses.append(pace.state.next_at - now)
    return pauses


def test_a_host_that_stays_busy_is_left_alone_longer_and_longer() -> None:
    """A host that refuses again before anything else gets 2, 4 … 30 s (±25 %), and its Retry-After when that is longer."""
    nominal = [2, 4, 8, 16, 30, 30, 30]
    for retry_after, first, least in ((None, 1.0, 0.0), (10.0, 10.0, 10.0)):
        pauses = refused_again(answered_pace(Politeness()), 429, retry_after)
        assert pauses[0] == first
        assert all(max(least, 0.75 * base) <= pause <= max(least, 1.25 * base) for pause, base in zip(pauses[1:8], nominal, strict=True))


def test_a_host_that_refuses_for_good_is_given_up() -> None:
    """Nine 429 in a row, or nine 503 that name a time: its queue fails. One answer in between begins the count anew. A 503 that names
    no time may be a broken page after the other: after nine these answers are taken as they are."""
    for status, retry_after in ((429, None), (429, 1.0), (503, 1.0)):
        pace = answered_pace(Politeness())
        assert len(refused_again(pace, status, retry_after)) == PROBES + 1
        assert (pace.closed, pace.state.closed_kind) == (f"refused: the host answered {status} to 9 requests in a row", "refused")
    pace = answered_pace(Politeness())
    for number in range(5 * PROBES):
        ask(pace, 100.0 * number, 200 if number % PROBES == 0 else 429)
    assert not pace.closed
    assert refused_again(answered_pace(Politeness()), 503)[PROBES:] == [0.0] * (20 - PROBES)


@given(st.lists(st.tuples(st.sampled_from([200, 404, 429, 500, 503, 0, -1]), st.floats(0.001, 5)), max_size=60))
def test_the_window_stays_between_one_and_per_host(answers: list[tuple[int, float]]) -> None:
    """Whatever comes back: at least one request may be in flight, never more than `per_host`, and none is miscounted."""
    rules = Politeness(per_host=4, retries=1000)
    pace, now = Pace(rules), 0.0
    flying: list[float] = []
    for status, latency in answers:
        while pace.ready_at() is not None and len(flying) < rules.per_host:
            flying.append(start_at(pace, now))
            assert len(flying) == pace.in_flight <= rules.per_host
        now += latency
        started = flying.pop(0)
        if status > 0:
            pace.answered(now, started, status, latency)
        else:
            pace.failed(now, started, PageError("reset") if status else REFUSED)
        assert 1 <= pace.window <= rules.per_host
        assert 1.0 <= pace.state.concurrency <= rules.per_host


# Retry-After


def test_retry_after_stops_the_host() -> None:
    """Nothing starts before the time that a 429 or 503 names, counted from its arrival."""
    for status in (429, 503):
        pace = answered_pace(Politeness())
        ask(pace, 0.0, status, latency=0.5, retry_after=60.0)
        assert pace.ready_at() == 60.5


def test_retry_after_counts_with_every_status_that_passes() -> None:
    """408, 425 and any 5xx stop the host for as long as they say; with an answer that stands it means nothing."""
    for status in (408, 425, 500, 502, 504, 599):
        pace = answered_pace(Politeness())
        ask(pace, 0.0, status, latency=0.5, retry_after=60.0)
        assert pace.ready_at() == 60.5
    for status in (200, 301, 403, 404):
        pace = answered_pace(Politeness())
        ask(pace, 0.0, status, latency=0.5, retry_after=60.0)
        assert pace.ready_at() == 0.0


def test_the_longest_of_several_retry_after_counts() -> None:
    """Answers to requests in flight together may each name a time: the latest one holds, up to five minutes."""
    pace = answered_pace(Politeness(per_host=8), concurrency=8.0)
    for _ in range(3):
        start_at(pace, 0.0)
    for retry_after in (10.0, 90.0, 20.0):
        pace.answered(1.0, 0.0, 429, 0.1, retry_after)
    assert pace.ready_at() == 91.0

    ask(pace, 91.0, 429, retry_after=7 * 86400.0)
    assert pace.ready_at() == pytest.approx(91.0 + 0.1 + 300.0)


def test_busy_without_a_time_pauses_a_second() -> None:
    """A 503 without Retry-After stops the host for a second, or for its delay when that is longer."""
    pace = answered_pace(Politeness())
    ask(pace, 0.0, 503, latency=0.0)
    assert pace.ready_at() == 1.0
    pace = answered_pace(Politeness(delay=5.0))
    ask(pace, 0.0, 503, latency=0.0)
    assert pace.ready_at() is not None
    assert pace.ready_at() >= 5.0  # type: ignore[operator]


# The pause


def test_a_host_that_is_down_pauses_longer_and_longer() -> None:
    """Failed connections pause a host 1, 2, 4 … 30 seconds (±25 %), one probe at a time, and the eighth gives it up."""
    pace = answered_pace(Politeness(per_host=8), concurrency=8.0)
    now, pauses = 0.0, []
    while not pace.closed:
        started = start_at(pace, now)
        assert pace.window == (8 if not pauses else 1)
        pace.failed(started, started, REFUSED)
        pauses.append(pace.state.next_at - started)
        now = pace.state.next_at

    assert len(pauses) == PROBES == 8
    assert all(0.75 * base <= pause <= 1.25 * base for pause, base in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30], strict=True))
    assert (pace.closed, pace.state.closed_kind) == ("refused: nobody listens", "refused")
    assert pace.ready_at() is None


def probes_of(pace: Pace, error: PageError) -> int:
    """How often a host that always fails like this is asked."""
    tries = 0
    while not pace.closed:
        started = start_at(pace, 1000.0 * tries)
        pace.unreachable(started, started, error)
        pace.cancelled(started)
        tries += 1
    return tries


@pytest.mark.parametrize(("retries", "probes"), [(0, 1), (1, 2), (2, 3), (5, 6), (50, 8)])
def test_a_mistyped_host_is_given_up_sooner(retries: int, probes: int) -> None:
    """A host that the user named, that never answered, and whose name does not resolve or whose port refuses is tried `retries` times
    more, like a URL. Whatever else is wrong with it, and every other host, gets eight probes, or one if nothing is tried again."""
    most = PROBES if retries else 1
    for kind in ("dns", "refused", "timeout", "reset", "robots_unavailable"):
        error = PageError(kind, "no connection")
        for is_named in (True, False):
            rules = Politeness(retries=retries, is_named=is_named)
            assert probes_of(answered_pace(rules), error) == most
            assert probes_of(Pace(rules), error) == (probes if is_named and kind in ("dns", "refused") else most)


def test_failures_of_one_moment_are_one_failure() -> None:
    """Requests that were in flight when the host went down count as one failure, however many they were."""
    pace = answered_pace(Politeness(per_host=8), concurrency=8.0)
    for number in range(8):
        start_at(pace, number * 0.01)
    for number in range(8):
        pace.failed(1.0 + number * 0.01, number * 0.01, REFUSED)

    assert pace.state.failures == 1
    assert not pace.closed


def test_one_answer_ends_the_count() -> None:
    """Failures in a row are what closes a host: an answer in between, whatever its status, begins the count anew."""
    pace = answered_pace(Politeness())
    now = 0.0
    for _ in range(5):
        for _ in range(PROBES - 1):
            now = start_at(pace, now)
            pace.failed(now, now, REFUSED)
        now = ask(pace, now, 404)
        assert pace.state.failures == 0
    assert not pace.closed


def test_a_host_without_tls_from_the_start_is_given_up() -> None:
    """A certificate that nobody trusts does not get better: the host closes at once unless it has answered before."""
    error = PageError("tls", "self-signed certificate")
    pace = Pace(Politeness())
    start_at(pace, 0.0)
    pace.failed(0.1, 0.0, error)
    assert (pace.closed, pace.state.closed_kind) == ("tls: self-signed certificate", "tls")

    pace = answered_pace(Politeness())
    start_at(pace, 0.0)
    pace.failed(0.1, 0.0, error)
    assert not pace.closed


def fresh_failures(pace: Pace, count: int, what: int | PageError, now: float = 0.0) -> list[tuple[float, bool]]:
    """So many pages whose first try ends like this, one after the other: the pause after each, and whether the host was blamed."""
    told = []
    for _ in range(count):
        if pace.closed:
            break
        now = start_at(pace, now)
        is_error = isinstance(what, PageError)
        blamed = pace.failed(now, now, what, first=True) if is_error else pace.answered(now, now, what, 0.0, first=True)
        told.append((max(0.0, pace.state.next_at - now), blamed))
    return told


@pytest.mark.parametrize("what", [PageError("reset"), PageError("timeout", "no headers within 30 s"), 500, 502, 504])
def test_page_after_page_without_an_answer_is_the_hosts_fault(what: int | PageError) -> None:
    """The first tries of eight pages in a row may fail; from the ninth on the host pauses 1, 2, 4 … 30 s and its pages are not to
    blame. A page that answers ends it."""
    told = fresh_failures(answered_pace(Politeness()), 15, what)
    assert told[:PROBES] == [(0.0, False)] * PROBES
    assert all(blamed for _, blamed in told[PROBES:])
    assert all(0.75 * base <= pause <= 1.25 * base for (pause, _), base in zip(told[PROBES:], [1, 2, 4, 8, 16, 30, 30], strict=True))

    pace = answered_pace(Politeness())
    fresh_failures(pace, PROBES, what)
    ask(pace, 1.0, 404)
    assert fresh_failures(pace, PROBES, what, 2.0) == [(0.0, False)] * PROBES


def test_a_silent_host_is_given_up_and_a_broken_one_is_believed() -> None:
    """Eight probes later: a host that resets or says nothing is closed with its reason; one that answers 5xx is asked on, and its
    pages are what is broken."""
    pace = answered_pace(Politeness())
    assert len(fresh_failures(pace, 100, PageError("reset", "cut"))) == PROBES + PROBES
    assert (pace.closed, pace.state.closed_kind) == ("reset: cut", "reset")

    pace = answered_pace(Politeness())
    told = fresh_failures(pace, 100, 502)
    assert [blamed for _, blamed in told] == [False] * PROBES + [True] * (PROBES - 1) + [False] * (100 - 2 * PROBES + 1)
    assert not pace.closed


def test_a_bad_page_that_is_still_bad_says_nothing_about_its_host() -> None:
    """Only first tries count: any number of second and third tries may fail."""
    pace = answered_pace(Politeness())
    for number in range(100):
        start_at(pace, float(number))
        assert not pace.failed(float(number), float(number), PageError("reset"), first=False)
    assert (pace.state.failures, pace.closed) == (0, "")


def test_without_retries_every_failure_is_the_pages_own() -> None:
    """Whoever asks for one try gets one try of each page."""
    assert not any(blamed for _, blamed in fresh_failures(answered_pace(Politeness(retries=0)), 50, 502))


@pytest.mark.parametrize("kind", ["truncated", "protocol", "decode", "too_big", "blocked", "internal"])
def test_trouble_of_one_page_is_no_trouble_of_the_host(kind: str) -> None:
    """An answer that cannot be used slows its host neither down nor closes it."""
    pace = answered_pace(Politeness(per_host=4), concurrency=4.0)
    start_at(pace, 0.0)
    pace.failed(0.1, 0.0, PageError(kind))  # type: ignore[arg-type]

    assert (pace.window, pace.ready_at(), pace.in_flight) == (4, 0.0, 0)


def test_a_delay_counts_from_when_a_request_leaves() -> None:
    """It is sent when its connection is open; the next one waits for that, and then for the delay. A request that never leaves holds
    nobody up once it is over."""
    pace = answered_pace(Politeness(delay=1.0), concurrency=4.0)
    pace.started(0.0)
    assert pace.ready_at() is None
    assert pace.leaves(1.7, 0.0)
    assert pace.ready_at() == pytest.approx(2.7)

    pace.started(3.0)
    pace.failed(3.5, 3.0, PageError("protocol"))
    assert pace.ready_at() == pytest.approx(4.0)
    pace.started(5.0)
    pace.answered(5.1, 0.0, OK, 5.1)
    assert pace.ready_at() is None
    pace.cancelled(5.0)
    assert pace.ready_at() == pytest.approx(6.0)


def test_without_a_delay_nobody_waits_for_a_connection() -> None:
    """Requests to a host without one leave as their connections open."""
    pace = answered_pace(Politeness(), concurrency=4.0)
    pace.started(0.0)
    assert pace.ready_at() == 0.0
    assert not pace.leaves(1.0, 0.0)


def test_a_cancelled_request_teaches_nothing() -> None:
    """A request that was cut off by us frees its slot and changes nothing else."""
    pace = answered_pace(Politeness(delay=1.0))
    before = pace.state
    pace.started(5.0)
    pace.cancelled(5.0)

    assert pace.in_flight == 0
    assert pace.state == HostState(next_at=6.0, delay=1.0, answered=True) != before


# What survives


def test_a_hand_over_keeps_the_pace() -> None:
    """Another worker that goes on from the state waits as long, opens as wide and counts on."""
    rules = Politeness(delay=1.0, per_host=8)
    first = answered_pace(rules, concurrency=5.0)
    ask(first, 10.0, 503, retry_after=30.0)
    second = Pace(rules, first.state)

    assert (second.ready_at(), second.state.concurrency, second.delay) == (first.ready_at(), first.state.concurrency, first.delay)
    start_at(first, 100.0)
    first.failed(100.0, 100.0, REFUSED)
    assert Pace(rules, first.state).state.failures == 1


def test_a_delay_that_nobody_asks_for_any_more_is_gone() -> None:
    """What holds is the setting of this run and the robots.txt that is known, not the delay of the run before."""
    assert Pace(Politeness(delay=1.0), HostState(delay=10.0)).delay == 1.0


def test_a_lower_per_host_narrows_what_was_reached() -> None:
    """A crawl that goes on with a lower `per_host` never has more in flight than that."""
    assert Pace(Politeness(per_host=2), HostState(concurrency=8.0, answered=True)).window == 2
