"""The seen filter: what it remembers, what it forgets, what it never makes up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.core.seen import SeenFilter
from crawler.core.urls import fingerprint

IDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(IDS | st.integers(-40, 40), max_size=300), st.lists(IDS | st.integers(-40, 40)), st.sampled_from([0, 2, 16, 64]))
def test_nothing_is_in_it_that_was_not_put_in(ids: list[int], others: list[int], beyond: int) -> None:
    """An id that it knows was put in, whether that is kept in a set or in a table, of whatever size."""
    seen = SeenFilter(20, beyond)
    for each in ids:
        seen.update((each,))

    assert {other for other in others if other in seen} <= set(ids)
    assert seen.unknown(set(others)) == {other for other in others if other not in seen}


def test_what_is_let_go_is_known_for_long() -> None:
    """With room for more than twice as many, all but one in a hundred of the ids of long ago are still known, with room for 1.6 times as
    many nineteen in twenty; with little room the most recent are."""
    ids = [fingerprint(f"https://site.test/{number}") for number in range(10_000)]
    roomy, half, narrow = (SeenFilter(100, places) for places in (2**16, 2**14, 2**10))
    for start in range(0, len(ids), 20):
        for seen in (roomy, half, narrow):
            seen.update(ids[start : start + 20])

    assert sum(each in roomy for each in ids) > 9_900
    assert sum(each in half for each in ids) > 9_400
    assert sum(each in narrow for each in ids[-500:]) > 300
    assert sum(each in narrow for each in ids) <= 2**10 + 100


@given(st.lists(IDS, unique=True, max_size=300), st.integers(2, 100))
def test_the_most_recent_ids_are_remembered_and_old_ones_forgotten(ids: list[int], size: int) -> None:
    """At least the last half of `size` is known at every moment, never more than `size` ids are held."""
    seen = SeenFilter(size)
    for count, each in enumerate(ids, 1):
        seen.update((each,))
        assert len(seen) <= size
        assert all(recent in seen for recent in ids[max(0, count - size // 2) : count])


def test_a_batch_is_remembered_whole() -> None:
    """A batch larger than the filter is known until the next ids come."""
    seen = SeenFilter(10)
    seen.update(range(100))

    assert all(each in seen for each in range(100))
    for each in range(1000, 1010):
        seen.update((each,))
    assert len(seen) <= 10


def test_clearing_forgets_all() -> None:
    """After `clear` everything is judged anew."""
    seen = SeenFilter(2, 64)
    for each in range(10):
        seen.update((each,))
    seen.clear()

    assert (len(seen), seen.unknown(set(range(10)))) == (0, set(range(10)))
