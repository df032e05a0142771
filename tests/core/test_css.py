"""What a style sheet loads."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.css import parse_css


@pytest.mark.parametrize(
    ("css", "found"),
    [
        ("@import 'a.css';", [("a.css", "css")]),
        ('@IMPORT url("a.css") screen;', [("a.css", "css")]),
        ("@import url(a.css);", [("a.css", "css")]),
        ("@import\n'a.css';", [("a.css", "css")]),
        ("@import'a.css';", [("a.css", "css")]),
        ("p { background: url(a.png) no-repeat, URL( 'b.png' ) }", [("a.png", "img"), ("b.png", "img")]),
        ("@font-face { src: url(a.woff2?x#y) format('woff2'), url(b.eot) }", [("a.woff2?x#y", "media"), ("b.eot", "media")]),
        ("p { background: image-set('a.png' 1x) }", []),
        (r"p { background: url(a\)b\20 c.png) }", [("a)b c.png", "img")]),
        (r"p { background: url('a\'b.png') }", [("a'b.png", "img")]),
        ("p { background: url('a b.png') }", [("a b.png", "img")]),
        ("/* url(a.png) */ p { content: 'url(b.png)' }", []),
        ("/* unfinished url(a.png)", []),
        ("p { filter: url(#blur); background: url(data:image/png;base64,AA==) }", []),
        ("p { x: my-url(a.png); y: url() }", []),
        ("p { background: url(a.png", [("a.png", "img")]),
    ],
)
def test_urls_of_a_style_sheet(css: str, found: list[tuple[str, str]]) -> None:
    """Imports, images and fonts are found with their kind; comments, strings and data are not."""
    assert parse_css(css) == found


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet="@import url()'\"\\/* a#;\n\0", max_size=40))
def test_any_text_is_a_style_sheet(css: str) -> None:
    """Nothing raises, and every href can be written down."""
    assert all(href.encode() for href, _ in parse_css(css))


@pytest.mark.parametrize("piece", ["url(", "@import ", "/*", "url('", '"\\', "\\", " ", "'", "@import url( "])
def test_long_style_sheets_take_linear_time(piece: str) -> None:
    """No style sheet can stall a crawl."""
    started = time.process_time()
    parse_css("url(" + piece * 100_000)
    parse_css("@import" + piece * 100_000)
    assert time.process_time() - started < 3
