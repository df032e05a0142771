"""Values taken out of pages by selectors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.extract import extract_data, parse_extract

PAGE = b"""<title>T</title><p class=price> 1\n <b>EUR</b> </p><ul><li id=a>one<li id=b data-x>two</ul>
<a href=/x title="">l</a><script>s</script>"""


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("p.price", "1 EUR"),
        ("p.price::text", "1 EUR"),
        ("li", ["one", "two"]),
        ("li::text", ["one", "two"]),
        ("li::attr(id)", ["a", "b"]),
        ("li::ATTR( data-x )", ""),
        ("a::attr(href)", "/x"),
        ("a::attr(title)", ""),
        ("a::attr(rel)", None),
        ("h1", None),
        ("li, #a", ["one", "two"]),
        ("ul > li:first-child", "one"),
        ("title", "T"),
    ],
)
def test_what_selectors_find(selector: str, found: object) -> None:
    """One match is a string, several are a list in page order, none is None."""
    assert extract_data(PAGE, "utf-8", {"x": selector}) == {"x": found}


def test_text_in_any_encoding() -> None:
    """Values are text, whatever the encoding of the page."""
    assert extract_data("<p>é".encode("latin-1"), "windows-1252", {"p": "p"}) == {"p": "é"}


def test_fields_come_in_their_order() -> None:
    """A row has its columns in the order in which they were asked for."""
    assert list(extract_data(PAGE, "utf-8", {"z": "li", "a": "p", "m": "h1"})) == ["z", "a", "m"]


def test_a_hostile_page_has_no_values() -> None:
    """What cannot be parsed in time has nothing to take out."""
    assert extract_data(b"<p>x</p>" + b"<div>" * 20_000, "utf-8", {"p": "p"}) == {"p": None}


@pytest.mark.parametrize(
    ("spec", "name", "selector"),
    [("price=span.price::text", "price", "span.price::text"), (" a = a[href='x=y'] ", "a", "a[href='x=y']")],
)
def test_specs(spec: str, name: str, selector: str) -> None:
    """NAME=CSS is parted at the first equals sign."""
    assert parse_extract(spec) == (name, selector)


@pytest.mark.parametrize("spec", ["", "x", "=p", "x=", "x=p[", "x=::text", "x=p >", "x=p::attr()", "x=p:nth-child("])
def test_bad_specs_are_named(spec: str) -> None:
    """A selector that cannot be read is told before a crawl begins."""
    with pytest.raises(ValueError, match="is not") as caught:
        parse_extract(spec)
    name, _, selector = spec.partition("=")
    assert repr(selector if name and "=" in spec else spec) in str(caught.value)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=20), st.binary(max_size=50))
def test_any_selector_is_one_or_a_value_error(selector: str, body: bytes) -> None:
    """Nothing but ValueError comes out."""
    try:
        name, checked = parse_extract(f"x={selector}")
    except ValueError:
        return
    assert list(extract_data(body, "utf-8", {name: checked})) == ["x"]
