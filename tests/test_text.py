"""What came from outside is harmless before it is shown, and numbers read as people say them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.configuration.values import read_size
from crawler.text import human_clock, human_count, human_duration, human_rate, human_size, printable

HARMLESS_FORMATS = "\u200c\u200d"


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Lo", "So", "Zs"])))
def test_nothing_that_acts_gets_through(text: str) -> None:
    """No control, direction mark, line separator or lone surrogate is left, and the result can be encoded."""
    shown = printable(text)

    left = [one for one in shown if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in HARMLESS_FORMATS]
    assert left == []
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\tand\ra tab", "two\\nlines\\tand\\ra tab"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("\u2066x\u2069\ufeff", "\\u2066x\\u2069\\ufeff"),
        ("Größe – 大きさ 👩\u200d💻 a\u00a0b", "Größe – 大きさ 👩\u200d💻 a\u00a0b"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_escaped_and_what_stays(text: str, shown: str) -> None:
    """Escapes name the character; letters of all scripts, emoji and spaces stay as they are."""
    assert printable(text) == shown


def test_text_without_anything_harmful_is_returned_as_it_is() -> None:
    """The usual case costs nothing."""
    text = "A plain title"
    assert printable(text) is text


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (41 * 1024**2, "41 MB"), (1024**2 - 1, "1.0 MB"), (5.5 * 1024**3, "5.5 GB")],
)
def test_sizes(size: float, said: str) -> None:
    """K is 1024; small numbers keep one decimal."""
    assert human_size(size) == said


@given(st.integers(0, 2**60))
def test_a_size_that_is_shown_can_be_typed(size: int) -> None:
    """What the screen says, a setting reads as about the same size."""
    assert abs(read_size(human_size(size).replace(",", "")) - size) <= 0.051 * size


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1, "0 ms"), (0.041, "41 ms"), (0.9999, "1.0 s"), (8.2, "8.2 s"), (49, "49 s"), (59.7, "1 min"), (125, "2 min 5 s"), (3600, "1 h"),
     (4800, "1 h 20 min"), (1e7, "2,777 h 46 min")],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    """No unit ever shows 60."""
    assert human_duration(seconds) == said


def test_clock_and_count() -> None:
    """A clock counts whole seconds that have passed, a count has separators."""
    assert (human_clock(41.9), human_clock(3725), human_clock(-1), human_count(1204)) == ("0:00:41", "1:02:05", "0:00:00", "1,204")


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0, "0"), (0.0123, "0.01"), (0.05, "0.05"), (0.3, "0.3"), (3.84, "3.8"), (9.96, "10"), (38.4, "38"), (1203.6, "1,204")],
)
def test_rates_have_the_digits_that_mean_something(rate: float, said: str) -> None:
    """Large ones as numbers of things are said, small ones never as nothing."""
    assert human_rate(rate) == said
