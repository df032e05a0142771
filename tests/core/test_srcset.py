"""The image candidates of a srcset."""

from __future__ import annotations

import time

import pytest
from corpora import cases, told
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.srcset import parse_srcset


def test_every_case_of_the_standard() -> None:
    """The source that a screen would pick is among the URLs; where none is valid there is none."""
    tests = cases("html_srcset.json")
    wrong = []
    for test in tests:
        urls = parse_srcset(test["srcset"])
        if urls if not test["selected"] else test["selected"] not in urls:
            wrong.append((test, urls))
    told("html_srcset.json", len(tests) - len(wrong), len(tests))
    assert not wrong


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("a", ["a"]),
        ("a 1x, b 2x", ["a", "b"]),
        ("a,b", ["a,b"]),  # a comma inside of a URL belongs to it
        ("a, b,", ["a", "b"]),
        ("a 100w, b 200w 100h", ["a", "b"]),
        ("a 0w, b 1w 0h, c 1h, d 1w 1x, e 1x 1x", []),
        ("data:image/png;base64,AA== 1x, b", ["data:image/png;base64,AA==", "b"]),
        ("a calc(1, 2), b", ["a", "b"]),
        ("a (, b", ["a"]),
        ("a foo, b", ["a", "b"]),
        (" \n\t", []),
    ],
)
def test_candidates(value: str, urls: list[str]) -> None:
    """URLs come in order; broken descriptors cost their own candidate only."""
    assert parse_srcset(value) == urls


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet=" ,()ax1.wh\t-e", max_size=40))
def test_any_text_is_a_srcset(value: str) -> None:
    """No URL has white space in it or a comma at either end."""
    assert all(url and url == url.strip(" \t,") and " " not in url for url in parse_srcset(value))


@pytest.mark.parametrize("piece", ["a, ", "a (", "((", "a b ", ",", "a (b), ", "1x ", "() "])
def test_long_values_take_linear_time(piece: str) -> None:
    """No attribute can stall a crawl."""
    started = time.process_time()
    parse_srcset("a " + piece * 100_000)
    assert time.process_time() - started < 3
