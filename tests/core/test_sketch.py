"""What a page says in numbers: equal for equal texts, whatever the tags; different for others."""

from __future__ import annotations

import pytest
from cost import cpu_seconds
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.sketch import READ, lines_of, own_words_of, whole_of, words_of

URL = "https://a.test/cal/2031/07?q=red+lamp&x=%C3%BC"
NONE: frozenset[bytes] = frozenset()


def test_the_words_of_a_url() -> None:
    """Decoded, in lower case, path and query alike; with the numbers beside them where a page speaks of its neighbours."""
    assert words_of(URL) == {b"cal", b"2031", b"07", b"q", b"red", b"lamp", b"x", "ü".encode()}
    assert own_words_of("https://a.test/p/9") == {b"p", b"8", b"9", b"10"}


def test_a_page_as_a_whole_is_its_text() -> None:
    """Tags, hrefs, scripts, styles and the texts of links do not count; every word outside of them does."""
    page = whole_of(b"<p class=a>One <b>two</b></p><script>var x</script><a href=/1>next</a>", "Title", NONE)

    assert page == whole_of(b"<p>One <i>two</i></p><STYLE>p{}</STYLE><A href=/2>more</A>", "Title", NONE)
    assert page.text != whole_of(b"<p>One <b>three</b></p>", "Title", NONE).text
    assert page.text != whole_of(b"<p>One <b>two</b></p>", "Other", NONE).text
    assert page.letters == len("titleonetwo")


def test_a_page_without_its_own_number_is_alike() -> None:
    """Two pages that differ in their numbers alone are not the same, but alike."""
    one, two = (whole_of(b"<p>This is page %d.</p>" % n, f"Page {n}", own_words_of(f"https://a.test/p/{n}")) for n in (7, 12))

    assert one.text != two.text
    assert (one.bare, one.name) == (two.bare, two.name)
    assert whole_of(b"<p>This is page 7: 99.</p>", "Page 7", own_words_of("https://a.test/p/7")).bare != one.bare


def test_what_is_behind_the_part_that_is_read_counts() -> None:
    """Pages that begin alike for long and end differently are not the same."""
    head = b"<p>head</p>" * (READ // 11 + 1)

    assert whole_of(head + b"<p>one", "", NONE).text != whole_of(head + b"<p>two", "", NONE).text


def test_lines_are_a_set_of_texts_without_digits() -> None:
    """Order, repetition and numbers do not count; a line of numbers alone is none."""
    assert lines_of(b"<p>Red lamp<p>12 lamps<p>17", "", NONE) == lines_of(b"<p>99 lamps<p>3 lamps<div>red LAMP", "", NONE)
    assert len(lines_of(b"<p>Red lamp<p>12 lamps<p>17", "", NONE)) == 2


def test_a_line_is_known_with_and_without_the_words_of_the_url() -> None:
    """An echo is the same line without what was asked; a line that says nothing else is none."""
    red, blue = (lines_of(b"<p>Results for %s<p>%s" % (word, word), "", frozenset({word})) for word in (b"red", b"blue"))

    assert set(red) != set(blue)
    assert set(red.values()) == set(blue.values())
    assert len(red) == 1


def test_texts_of_links_count_where_they_are_wanted() -> None:
    """A folder is what it lists."""
    assert lines_of(b"<a href=x>first</a>", "", NONE) == {}
    assert len(lines_of(b"<a href=x>first</a>", "", NONE, with_links=True)) == 1


@given(st.binary(max_size=300), st.text(max_size=30))
def test_any_bytes_have_a_sketch(body: bytes, title: str) -> None:
    """Nothing raises, and equal bytes are equal."""
    assert whole_of(body, title, NONE) == whole_of(body, title, NONE)
    assert lines_of(body, title, NONE, with_links=True) == lines_of(body, title, NONE, with_links=True)


@pytest.mark.parametrize("piece", [b"<", b"<a", b"<a ", b"<a><b", b"</a", b"<!--", b"a ", b"1", b"<p>1 a"])
def test_hostile_bytes_take_no_long_time(piece: bytes) -> None:
    """Four times as much of anything takes far less than four times four as long."""
    small, large = (piece * (size // len(piece)) for size in (READ // 4, READ))

    def seconds(body: bytes) -> float:
        return cpu_seconds(lambda: (whole_of(body, "", NONE), lines_of(body, "", NONE, with_links=True)))

    assert seconds(large) < 12 * seconds(small) + 0.05
