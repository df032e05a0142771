"""How fast a host may be asked, learnt from its refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.politeness import Pace, Politeness
from crawler.core.throttle import BACK_OFF, RETURN, Throttle
from crawler.model import HostState


def burst(throttle: Throttle, now: float, requests: int, seconds: float) -> float:
    """So many requests that go well within some time, and one that is refused; returns the time of the refusal."""
    for number in range(requests):
        throttle.started(now + seconds * number / requests)
        throttle.answered()
    throttle.started(now + seconds)
    throttle.refused(now + seconds)
    return now + seconds


def rate(throttle: Throttle, now: float) -> float:
    gap = throttle.gap(now)
    return 1 / gap if gap else float("inf")


def refused_twice() -> tuple[Throttle, float]:
    """A throttle that has found a limit of about 20 a second, and the time at which the next request starts."""
    throttle = Throttle()
    now = burst(throttle, 0.0, 20, 0.1) + 2
    while rate(throttle, now) < 20:
        throttle.started(now)
        throttle.answered()
        now += throttle.gap(now)
    throttle.refused(now)
    throttle.started(now + 2)
    return throttle, now + 2


def test_nothing_is_held_back_without_a_refusal() -> None:
    """However many requests go well."""
    throttle = Throttle()
    for number in range(1000):
        throttle.started(number / 1000)
        throttle.answered()
    assert throttle.gap(1.0) == 0


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, 20), (1.0, 20), (4.0, 5)])
def test_the_first_refusal_says_what_went_well(seconds: float, expected: float) -> None:
    """Twenty requests in a burst say what a second may hold; over a longer time their rate counts. The next is nine tenths of it."""
    throttle = Throttle()
    now = burst(throttle, 0.0, 20, seconds)
    assert rate(throttle, now) == pytest.approx(BACK_OFF * expected)


def test_after_the_first_refusal_the_limit_is_searched_for() -> None:
    """The rate doubles every two seconds, so that a burst that held little costs a few seconds."""
    throttle = Throttle()
    burst(throttle, 0.0, 1, 0.001)
    throttle.started(10.0)
    assert [round(rate(throttle, 10.0 + seconds), 1) for seconds in (0, 2, 4, 6, 8)] == [0.9, 1.8, 3.6, 7.2, 14.4]


def test_a_known_limit_is_come_back_to_and_left_slowly() -> None:
    """CUBIC: nine tenths at once, all of it after 20 s, hardly more for ten seconds, and then quickly more."""
    throttle, now = refused_twice()
    limit = rate(throttle, now) / BACK_OFF
    assert limit == pytest.approx(20, rel=0.05)
    assert rate(throttle, now + RETURN / 2) == pytest.approx(0.9875 * limit)
    assert rate(throttle, now + RETURN) == pytest.approx(limit)
    assert rate(throttle, now + 1.5 * RETURN) == pytest.approx(1.0125 * limit)
    assert rate(throttle, now + 3 * RETURN) == pytest.approx(1.8 * limit)
    assert rate(throttle, now + 10 * RETURN) == float("inf")


@pytest.mark.parametrize(("limit", "seconds"), [(20.0, 20.0), (5.0, 20.0), (2.0, 50.0), (0.5, 120.0)])
def test_a_host_that_bears_little_is_given_time(limit: float, seconds: float) -> None:
    """All of the limit after twenty seconds, or after a hundred requests where those take longer; but never after more than two minutes."""
    throttle = Throttle(limit, since=0.0)
    assert throttle.climb == seconds
    assert rate(throttle, seconds) == pytest.approx(limit)
    assert rate(throttle, 0.99 * seconds) < limit


def test_a_limit_far_below_is_found_in_a_few_steps() -> None:
    """A host that lets two through after each pause of a second is asked less than that after five refusals, however fast it was asked."""
    throttle, now = Throttle(10.0, since=0.0), 0.0
    for _ in range(5):
        throttle.refused(now)
        now += 1.0
        for _ in range(2):
            throttle.started(now)
            throttle.answered()
            now += throttle.gap(now)
    assert 1.2 < rate(throttle, now) < 2.0


def test_a_second_refusal_in_a_row_says_nothing_of_the_rate() -> None:
    """It was not given time enough: the rate stays, the refusals are counted, until something goes well."""
    throttle, now = refused_twice()
    before = rate(throttle, now)
    for number in range(1, 5):
        throttle.refused(now)
        throttle.started(now)
        assert (throttle.refusals, rate(throttle, now)) == (number + 1, before)
    throttle.answered()
    assert throttle.refusals == 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), max_size=50))
def test_whatever_happens_there_is_a_gap(story: list[tuple[bool, float]]) -> None:
    """Any order of answers and refusals at any distance gives a gap that is a number, never less than none."""
    throttle, now = Throttle(), 0.0
    for is_good, seconds in story:
        throttle.started(now)
        throttle.answered() if is_good else throttle.refused(now)
        now += seconds
        assert 0 <= throttle.gap(now) < float("inf")


def paced(delay: float) -> tuple[Pace, float]:
    """A host that was refused after two requests in two seconds, and the time at which it may be asked again."""
    pace = Pace(Politeness(delay=delay), HostState(answered=True))
    for now in (0.0, 1.0):
        pace.started(now)
        pace.answered(now, now, 200, 0.0)
    pace.started(2.0)
    pace.answered(2.0, 2.0, 429, 0.0, 1.0)
    return pace, pace.state.next_at


def test_a_late_start_does_not_put_off_the_next_ones() -> None:
    """What was learnt is a rate: a timer that is late is made up for, by a fifth of the gap at most."""
    pace, due = paced(delay=0.0)
    for late in (0.0, 0.01, 0.05):
        pace.started(due + late)
        assert pace.state.next_at == pytest.approx(due + pace.delay)
        due = pace.state.next_at
    pace.started(due + 1.0)
    assert pace.state.next_at == pytest.approx(due + 1.0 + 0.8 * pace.delay)


def test_a_delay_that_was_asked_for_is_kept_whole() -> None:
    """However late a start is, the next one is a whole delay later."""
    pace, now = paced(delay=5.0)
    for late in (0.0, 0.5, 30.0):
        pace.started(now + late)
        assert pace.state.next_at == now + late + 5.0
        now += late + 5.0
