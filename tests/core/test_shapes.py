"""Shapes of URLs: what varies is taken out, what does not stays, and equal shapes have equal patterns."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core import shapes
from crawler.core.shapes import Shape, covers, shape_of
from crawler.core.urls import canonical

HERE = "https://a.test"


def shape(target: str) -> Shape:
    return shape_of(HERE + target)


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        ("/", "/"),
        ("/item/17", "/item/{n}"),
        ("/item/17/", "/item/{n}/"),
        ("/item-17.html", "/item-{n}.html"),
        ("/docs/intro.html", "/docs/{w}.html"),
        ("/docs/guide/intro", "/docs/guide/{w}"),
        ("/docs/v2/10-first-steps", "/docs/v{n}/{w}"),
        ("/2031/07/14/words/", "/{n}/{n}/{n}/{w}/"),
        ("/cal/2031/7", "/cal/{n}/{n}"),
        ("/cal/2031-07", "/cal/{n}-{n}"),
        ("/day/20310714", "/day/{n}"),
        ("/view.php?id=17", "/view.php?id={n}"),
        ("/view?b=2&a=x", "/view?a={w}&b={n}"),
        ("/view?f[0]=red&f[1]=big", "/view?f[{n}]={w}"),
        ("/view?empty=&id=3", "/view?empty=&id={n}"),
        ("/shop?price=10-50", "/shop?price={w}"),
        ("/cal?date=2031-07", "/cal?date={n}-{n}"),
        ("/r/8f3a09bc12de", "/r/{x}"),
        ("/doc/550e8400-e29b-41d4-a716-446655440000", "/doc/{x}"),
        ("/p/17?sid=abcdef", "/p/{n}?sid={x}"),
        ("/p?s=8f3a09bc12de", "/p?s={x}"),
        ("/p/17;jsessionid=ABC", "/p/{n};jsessionid={x}"),
        ("/a/b/a/", "/a/{again}"),
        ("/x/a/a", "/x/a/{again}"),
        ("/x/1/1", "/x/{n}/{n}"),
    ],
)
def test_what_varies_is_taken_out(target: str, pattern: str) -> None:
    """Numbers, words at the end and in queries, random values, and what repeats itself."""
    assert shape(target).pattern == pattern


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/shop?color=red", "/shop?color=red&size=big"),
        ("/cal/2031/7", "/cal/2031/7/12"),
        ("/a/17?sid=8f3a09bc12de", "/b?sid=0bc12de8f3a9"),
        ("/x/a/b/a/", "/x/b/a/b/"),
        ("/docs/one/first", "/docs/two/second"),
    ],
)
def test_what_is_made_in_the_same_way_has_one_wide_pattern(one: str, other: str) -> None:
    """Filters in any combination, days and months, all pages with a session id, folders in any order."""
    assert shape(one).wide == shape(other).wide
    assert shape(one).pattern != shape(other).pattern


def test_kinds_of_shapes() -> None:
    """What varies decides by what evidence a shape is judged."""
    assert [shape(target).kind for target in ("/item/17", "/shop?color=red", "/search/red", "/p?sid=8f3a09bc", "/x/a/b/a")] == [
        "plain", "worded", "worded", "token", "growing",
    ]  # fmt: skip
    assert [shape(target).dated for target in ("/2031/7", "/cal/3", "/v?month=3", "/item/17", "/t/5123/3", "/2031/7/words")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert [shape(target).dated for target in ("/2031/7/words/", "/2031/7/1?ical=1", "/2031/7?share=mail", "/item/17?ical=1")] == [
        False, True, False, False,
    ]  # fmt: skip
    assert [shape(target).dated for target in ("/day/20310714", "/day/20311399", "/day/50310714")] == [True, False, False]
    assert shape("/find?q=lamp").searched
    assert shape("/item?cat=lamps&id=3").numbered


def test_twins_differ_in_random_values_alone() -> None:
    """Without its session id a URL is that of another visitor; everything else in it stays."""
    assert shape("/p/17?a=1&sid=8f3a09bc").twin == shape("/p/17?sid=77aa09bc&a=1").twin == "/p/17?a=1"
    assert shape("/p/17?sid=8f3a09bc").twin != shape("/p/18?sid=8f3a09bc").twin
    assert shape("/r/8f3a09bc12/17").twin != shape("/r/8f3a09bc12/18").twin
    assert shape("/p/17").twin == ""


def test_what_a_pattern_covers() -> None:
    """The URLs of a shape and of a wide one. Of twins none: one of them has to be asked for."""
    assert covers("/cal/{n}/{n}", f"{HERE}/cal/2031/7")
    assert covers("/shop?{...}", f"{HERE}/shop?color=red")
    assert not covers("/cal/{n}/{n}", f"{HERE}/cal/2031/7/1")
    assert not covers("?sid={x}", f"{HERE}/p?sid=8f3a09bc")


@given(st.text(max_size=60), st.text(max_size=60))
def test_every_url_has_a_shape(path: str, query: str) -> None:
    """Whatever a URL is made of, its shape can be told, twice alike, and covers it unless it has twins."""
    try:
        url = canonical(f"{HERE}/{path}?{query}")
    except ValueError:
        return
    found = shape_of(url)

    assert found == shape_of.__wrapped__(url)
    assert covers(found.pattern, url) is covers(found.wide, url) is (not found.twin)


words = st.sampled_from(
    ["id", "page", "sid", "ts", "q", "month", "color", "red", "BIG", "abcdefab", "deadbeefdea", "12", "2031", "00000000", "x-y"]
)


@given(st.sampled_from(["/", "/a", "/a/b", "/2031/7", "/x9f3a09bc12de"]), st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_a_simple_query_is_read_in_a_quick_way(path: str, pairs: list[tuple[str, str]]) -> None:
    """Numbers and short words, which most queries are made of: the shape is the same as by reading value after value."""
    url = f"{HERE}{path}?{'&'.join(map('='.join, pairs))}"
    with patch.object(shapes, "_SIMPLE", lambda query: None):
        slowly = shape_of.__wrapped__(url)
    assert shape_of(url) == slowly


def test_long_urls_take_no_long_time() -> None:
    """Work grows with the length, not with its square: a URL of 200,000 characters of any kind is shaped at once."""
    for piece in ("a/", "1/", "a1", "%61", "a=1&", ";", "-1"):
        assert shape_of.__wrapped__(f"{HERE}/{piece * (200_000 // len(piece))}").pattern
        assert shape_of.__wrapped__(f"{HERE}/?{piece * (200_000 // len(piece))}").pattern
