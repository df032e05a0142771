"""The seen filter: what it remembers, what it forgets, what it never makes up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crawler.core.seen import SeenFilter

IDS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(IDS, max_size=300), IDS)
def test_nothing_is_in_it_that_was_not_put_in(ids: list[int], other: int) -> None:
    """An id that it knows was put in."""
    seen = SeenFilter(50)
    for each in ids:
        seen.update((each,))

    assert other not in seen or other in ids


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
    seen = SeenFilter()
    seen.update((1, 2, 3))
    seen.clear()

    assert (len(seen), 1 in seen) == (0, False)
