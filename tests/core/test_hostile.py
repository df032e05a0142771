"""Pages that try to keep the parser busy do not succeed, and ordinary ones are not taken for them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import hostile
from crawler.core.hostile import looks_hostile, looks_large, looks_small, scan_elements
from crawler.core.html import parse_html


def _names(count: int, form: str) -> bytes:
    return "".join(form % number for number in range(count)).encode()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "100,000 nested elements": lambda: b"<div>" * 100_000,
    "nested and closed": lambda: b"<div>" * 50_000 + b"</div>" * 50_000,
    "nested among ends of nothing": lambda: b"<span></x>" * 50_000,
    "formatting among ends of nothing": lambda: b"<b></x>" * 50_000,
    "drawings among ends of nothing": lambda: b"<svg>;</script>" * 40_000,
    "options nested in a drawing": lambda: b"<svg>" + b"<option></a>" * 40_000,
    "nested formatting": lambda: b"<i>" * 200_000,
    "nested links in tables": lambda: b"<a href=x><table><td>" * 40_000,
    "nested lists": lambda: b"<ul><li>" * 100_000,
    "nested selects": lambda: b"<select><option>" * 60_000,
    "nested drawings": lambda: b"<svg><g>" * 100_000,
    "50,000 attributes": lambda: b"<a " + _names(50_000, "a%x ") + b"href=x>",
    "50,000 attributes among quotes": lambda: b"<a " + _names(50_000, "a%x='>' ") + b">",
    "50,000 attributes behind a long value": lambda: b"<a x='" + b"<p>" * 50_000 + b"' " + _names(50_000, "a%x ") + b">",
    "copies of formatting elements": lambda: b"<div>" + _names(2_000, "<font a%d>") + b"</div>" + b"<p>x</p>" * 40_000,
    "few formatting elements, many paragraphs": lambda: b"<div>" + _names(100, "<b a%d>") + b"</div>" + b"<p>x</p>" * 100_000,
    "80,000 attribute names": lambda: _names(80_000, "<p a%d=1>"),
    "80,000 element names": lambda: _names(80_000, "<x%d></x>"),
    "two million elements": lambda: b"<p></p>" * 1_000_000 + b"<p>",
    "10,000 attributes in a small page": lambda: b"<a " + _names(5_000, "a%x ") + b">",
}

HARMLESS: dict[str, Callable[[], bytes]] = {
    "one attribute": lambda: b"<a " * 300_000,
    "NULs": lambda: b"\0" * 1_000_000,
    "NULs in tags": lambda: b"<\0a>" * 200_000,
    "10 MB of text": lambda: b"lorem ipsum " * 830_000,
    "references": lambda: b"&notit;&#x41;&amp" * 60_000,
    "angle brackets": lambda: b"<" * 1_000_000,
    "ends of tags": lambda: b"<style>" + b"x>" * 500_000,
    "comments": lambda: b"<!--" * 250_000,
    "end tags": lambda: b"</div>" * 160_000,
    "paragraphs": lambda: b"<p>" * 300_000,
    "list items": lambda: b"<li>" * 250_000,
    "links": lambda: b"<a href=x>y</a>" * 66_000,
    "bases": lambda: b"<noscript><base href=x></noscript>" * 30_000,
    "refreshes": lambda: b"<noscript><meta http-equiv=refresh content=0;x></noscript>" * 20_000,
    "images in one attribute": lambda: b"<img srcset='" + b"a 1x," * 200_000 + b"'>",
    "an image in the page": lambda: b"<img src='data:image/png;base64," + b"A" * 1_000_000 + b"'><a href=x>y</a>",
    "all of the text in every link": lambda: b"<a href=x><table><td>" * 400 + b"x" * 900_000,
    "quotes after tags": lambda: b"<a " * 3_000 + b'"' + b"x" * 1_000_000,
    "half of it closed": lambda: b"<div><p>x<br></div>" * 50_000,
    "a refresh after a long time": lambda: b"<meta http-equiv=refresh content='" + b"1" * 200_000 + b"x'>",
    "metas": lambda: b"<meta name=robots content=nofollow>" * 30_000,
    "titles in groups": lambda: b"<svg>" + b"<g>" * 4_500 + b"<title>" * 2_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_are_told_apart_and_scanned(name: str) -> None:
    """What would take a parser seconds or gigabytes is known as such, and read in about a second all the same."""
    body = HOSTILE[name]()
    started = time.process_time()
    assert looks_hostile(body)
    parse_html(body, "http://h/", requisites=True, forms=True)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("name", HARMLESS)
def test_strange_pages_are_parsed(name: str) -> None:
    """What is only strange is parsed like any page, quickly."""
    body = HARMLESS[name]()
    started = time.process_time()
    assert not looks_hostile(body)
    parse_html(body, "http://h/", requisites=True, forms=True)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_that_takes_long_is_known_at_a_glance(name: str) -> None:
    """Whatever is hostile and large enough to matter is not taken for small, and is known as large in a moment."""
    body = HOSTILE[name]()
    started = time.process_time()
    assert not looks_small(body) or len(body) < hostile.SMALL
    assert looks_large(body)
    assert time.process_time() - started < 0.1


def test_an_ordinary_page_is_small_or_at_least_not_large() -> None:
    """Thirty kilobytes of a page are read at once; some hundred in a thread."""
    row = b"<div><p>some words on a page <a href=/x>and a link</a></p></div>"
    assert looks_small(row * 300)
    assert not looks_small(row * 1_500)
    assert not looks_large(row * 1_500)
    assert looks_large(row * 10_000)


WORST: dict[str, Callable[[], bytes]] = {
    "hidden attributes": lambda: b"<a " + b"".join(b"a%x " % number + b"b='>' " * (number % 200 == 0) for number in range(5_200)) + b">",
    "nesting": lambda: b"<div>" * 1_990,
    "links in tables": lambda: _names(600, "<a href=%d><table><td>"),
    "copies, of as many tags as are not looked at": lambda: b"<div>" + _names(399, "<b a%d>") + b"</div>" + b"<p>x" * 399,
    "copies behind end tags of nothing": lambda: b"<div>" + _names(500, "<b a%d>") + b"</div>" + b"<p>x" * 540 + b"</q>" * 900,
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_small_pages_take_a_moment(name: str) -> None:
    """What is read at once, in the middle of everything else, is not looked at closely; nothing that passes for small matters much."""
    body = WORST[name]()
    assert looks_small(body)

    def took() -> float:
        started = time.process_time()
        parse_html(body, "http://h/", is_small=True)
        return time.process_time() - started

    # Quadratic ones took a minute. The machine may take its share of one try, hardly of five.
    assert any(took() < 3 for _ in range(5))


@pytest.mark.parametrize("paragraphs", [990, 600])
def test_copies_in_a_small_page_are_seen(paragraphs: int) -> None:
    """Twelve kilobytes can make a million elements: such a page is neither small nor ordinary."""
    body = b"<div>" + _names(paragraphs, "<b a%d>") + b"</div>" + b"<p>x" * paragraphs
    assert not looks_small(body)
    assert looks_large(body)


def test_the_scan_ends_behind_a_million_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies behind is not read, nor what stands behind thousands of attributes: both bound the time."""
    monkeypatch.setattr(hostile, "MOST_TAGS", 3)
    monkeypatch.setattr(hostile, "MOST_ATTRIBUTES", 3)
    found = list(scan_elements(b"<a href=1 b c d e f=g><a href=2></a><a href=3><a href=4>"))
    assert [attributes.get("href") for _, attributes, _ in found] == ["1", "2"]
    assert len(found[0][1]) <= 4


def test_ordinary_pages_are_not_hostile() -> None:
    """Large tables, long lists, inline scripts and drawings are no attack."""
    row = b"<tr><td><a href='/x?a=1&amp;b=2' class='link'>one <b>two</b></a><br><img src=x.png><i class='icon'></i></td></tr>"
    script = b"<script>for (i=0;i<n;i++) { if (a<b && c>d) f('<b>'); }</script>"
    path = b"<svg><path d='" + b"M0 0 L1 1 " * 2_000 + b"'/></svg>"
    for body in (row * 300, row * 3_000, script * 5_000, path * 20, b"<p>text " * 20_000, b"<div>" * 400 + row * 1_000):
        assert not looks_hostile(b"<!doctype html><title>x</title><table>" + body)


def test_a_hostile_page_keeps_its_links() -> None:
    """What is scanned instead of parsed still has its links, facts and base, without texts."""
    body = b"<html lang=de><title>A &amp; B</title><base href=/b/><meta name=robots content=nofollow><link rel=canonical href=c>"
    body += b"<a href='x?a=1&amp;b=2' rel=nofollow>t</a><img src=y srcset='z 2x'><style>p { background: url(s.png) }</style>"
    body += b"<!-- <a href=no> --><script>'<a href=no>'</script><template><a href=no></a></template><noscript><a href=n></a></noscript>"
    body += b"<meta http-equiv=refresh content='0;url=r'><form action=f>" + b"<div>" * 20_000 + b"<a href=last>"
    found = parse_html(body, "http://h/", requisites=True, forms=True)
    assert looks_hostile(body)
    assert (found.title, found.base, found.lang, found.canonical, found.robots_meta) == ("A & B", "http://h/b/", "de", "c", "nofollow")
    assert [(href, kind) for href, kind, _, _ in found.links] == [
        ("r", "refresh"),
        ("c", "link"),
        ("x?a=1&b=2", "a"),
        ("y", "img"),
        ("z", "img"),
        ("s.png", "img"),
        ("n", "a"),
        ("f", "form"),
        ("last", "a"),
    ]
    assert found.links[2][2] == "nofollow"


def test_a_link_behind_thousands_of_attributes_is_one() -> None:
    """What says where a tag leads is read wherever it stands in it, and of two the first."""
    for many in (b" ".join(b"a%d" % number for number in range(50_000)), b" ".join(b"a%d=x" % number for number in range(50_000))):
        body = b"<a " + many + b" href='/x>y' HREF=/z>text</a><a href=/after>"
        assert looks_hostile(body)
        assert [href for href, *_ in parse_html(body, "http://h/").links] == ["/x>y", "/after"]


def test_names_in_attributes_are_parameters() -> None:
    """A query is no character reference, although `&copy` is one: read by the scan as by the parser."""
    href = "?a=1&copy=2&lt=3&amp;b&notit;&para"
    deep = b"<div>" * 20_000
    read = [parse_html(f"<a href='{href}'>".encode() + more, "http://h/").links[0][0] for more in (b"", deep)]
    assert read == ["?a=1&copy=2&lt=3&b&notit;\xb6"] * 2


elements = st.sampled_from(
    ["<a href=x>", "<A HREF='y&amp;z' rel=next>", "</a>", '<img src="i>j">', "<br/>", "<p class=x id=y>", "text", "<!-- <a href=no> -->"]
)


@settings(derandomize=True, deadline=None)
@given(st.lists(elements, max_size=20).map("".join))
def test_the_scan_finds_what_the_parser_finds(html: str) -> None:
    """Where no tree is needed to know, both agree. (Unclosed links are closed here, because a tree may repeat them.)"""
    html = html.replace("<a ", "</a><a ").replace("<A ", "</a><A ").replace("<p ", "</a><p ") + "</a>"
    scanned = [
        (tag, attributes.get("href", attributes.get("src"))) for tag, attributes, _ in scan_elements(html.encode()) if tag in ("a", "img")
    ]
    parsed = [("img" if kind == "img" else "a", href) for href, kind, _, _ in parse_html(html.encode(), "http://h/").links]
    assert scanned == parsed


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_can_be_scanned(body: bytes) -> None:
    """Nothing raises."""
    assert isinstance(list(scan_elements(body)), list)
