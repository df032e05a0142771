"""What a page says: links in document order, facts, and what is no link at all."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from corpora import cases, clauses, told
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from crawler.core import html as html_module
from crawler.core.hostile import scan_elements
from crawler.core.html import ParsedPage, parse_header_links, parse_html, parse_refresh
from crawler.core.urls import resolve

URL = "http://example.org/dir/page?q"


def links(html: str | bytes, **options: Any) -> list[tuple[str, str]]:
    """(href, kind) of each link."""
    return [(href, kind) for href, kind, _, _ in page(html, **options).links]


def page(html: str | bytes, **options: Any) -> ParsedPage:
    return parse_html(html.encode() if isinstance(html, str) else html, URL, **options)


def raw(value: Any) -> bytes:
    return value["latin1"].encode("latin-1") if isinstance(value, dict) else value.encode()


# -- public test data


def test_links_of_the_tree_construction_tests() -> None:
    """Misnested markup gives the links that the standard's tree has, each as often as it has them."""
    tests = cases("html_tree_links.json")
    wrong = []
    for test in tests:
        # HTML, 4.2.5.3: the content of http-equiv=content-type is no URL.
        expected = [value for _, attribute, value in test["links"] if attribute == "href"]
        anchors = len(LexborHTMLParser(test["html"]).tags("a"))
        if [href for href, _ in links(test["html"])] != expected or anchors != test["a_elements"]:
            wrong.append(test)
    told("html_tree_links.json", len(tests) - len(wrong), len(tests))
    assert not wrong


def test_attributes_of_the_tokenizer_tests() -> None:
    """Attributes are decoded as the standard has it, odd references included."""
    tests = [test for test in cases("html_attributes.json") if len(test["start_tags"]) == 1]
    wrong, asked = [], 0
    for test in tests:
        ((name, attributes),) = test["start_tags"]
        nodes = [] if name in ("html", "head", "body") else LexborHTMLParser(test["html"]).tags(name)
        if not nodes:  # the tokenizer has the tag, the tree construction drops it where it stands (HTML, 13.2.6)
            continue
        asked += 1
        if {key: value or "" for key, value in nodes[0].attributes.items()} != attributes:
            wrong.append((test["html"], nodes[0].attributes, attributes))
    told("html_attributes.json", asked - len(wrong), asked)
    assert asked > 100
    assert not wrong


# Where w3lib answers otherwise. Each entry: part of the input, the clause.
NOT_THE_STANDARD = {
    "http-equiv refresh http-equiv": "HTML, 13.2.5.33: of two attributes with one name the first counts",
    "javascript_required": "HTML, 13.2.6.4.4 (in head): with scripting, what stands in <noscript> is text",
}


def test_hrefs_of_the_tokenizer_tests() -> None:
    """Those attributes are hrefs when they are called so: a crawl reads them alike, and so does the scan of pages that stall a parser."""
    tests = [test for test in cases("html_attributes.json") if len(test["start_tags"]) == 1]
    wrong, asked, scanned = [], 0, 0
    for test in tests:
        ((name, attributes),) = test["start_tags"]
        if re.match(r"<a a[=\s/>]", test["html"]) and list(attributes) == ["a"]:
            asked += 1
            if links("<a href" + test["html"][4:]) != [(attributes["a"], "a")]:
                wrong.append(("parsed", test))
        if test["html"].isascii() and not re.search(r"[\0\r]", test["html"]):  # which a parser replaces before (HTML, 13.2.3.5)
            scanned += 1
            found = [(tag, {key: value or "" for key, value in those.items()}) for tag, those, _ in scan_elements(test["html"].encode())]
            if found[:1] != [(name, attributes)]:
                wrong.append(("scanned", test, found))
    told("html_attributes.json, hrefs", asked - sum(how == "parsed" for how, *_ in wrong), asked)
    told("html_attributes.json, scanned", scanned - sum(how == "scanned" for how, *_ in wrong), scanned)
    assert asked > 50
    assert not wrong, [(repr(each[1]["html"]), each[2:]) for each in wrong]


def test_base_and_refresh_of_w3lib() -> None:
    """Base URL and refresh are found where w3lib finds them, or where a named clause puts them."""
    tests = [test for test in cases("html_w3lib.json") if test["call"] in ("get_base_url", "get_meta_refresh")]
    wrong, excused = [], 0
    for test in tests:
        body, url = raw(test["args"][0]), (test["args"] + [""])[1]
        found = parse_html(body, url)
        if test["call"] == "get_base_url":
            same = resolve(found.base, "") == resolve(test["result"], "")
        else:
            targets = [resolve(href, found.base) for href, kind, _, _ in found.links if kind == "refresh"]
            same = targets == ([resolve(test["result"][1], "")] if test["result"][1] else [])
        if not same and any(part in repr(test["args"]) for part in NOT_THE_STANDARD):
            excused += 1
        elif not same:
            wrong.append(test)
    told("html_w3lib.json, base and refresh", len(tests) - len(wrong) - excused, len(tests), clauses(NOT_THE_STANDARD))
    assert not wrong


# Where w3lib answers otherwise. Each entry: part of the input, the clause.
OTHER_REFERENCES = {
    "&illegal;": "HTML, 13.2.5.73 (named character reference state): what names nothing stays as it is",
    "&#12345678;": "HTML, 13.2.5.80 (numeric character reference end state): out of range is U+FFFD",
    "&#157;": "HTML, 13.2.5.80: a control is itself, with an error",
    "&#82179209091;": "HTML, 13.2.5.80: out of range is U+FFFD",
}


def test_references_of_w3lib() -> None:
    """Character references in text mean what w3lib takes them for, or what a named clause says."""
    tests = [test for test in cases("html_w3lib.json") if test["call"] == "replace_entities"]
    wrong, excused = [], 0
    for test in tests:
        body = raw(test["args"][0])
        content_type = f"text/html; charset={test['kw'].get('encoding', 'utf-8')}" if isinstance(test["args"][0], dict) else ""
        if parse_html(b"<title>" + body + b"</title>", URL, content_type).title == " ".join(test["result"].split()):
            continue
        if any(part in repr(test["args"]) for part in OTHER_REFERENCES):
            excused += 1
        else:
            wrong.append(test)
    told("html_w3lib.json, references", len(tests) - len(wrong) - excused, len(tests), clauses(OTHER_REFERENCES))
    assert not wrong


def test_links_of_scrapy() -> None:
    """The links of Scrapy's own tests are found; those it calls bad are refused by the URL standard."""
    tests = cases("links_scrapy.json")
    wrong = []
    for test in tests:
        url, body, _ = test["args"]
        found = parse_html(raw(body), url)
        links = [(resolve(href, found.base), text) for href, _, _, text in found.links if resolve(href, found.base)]
        if links != [(link["url"], link["text"]) for link in test["result"]]:
            wrong.append((links, test["result"]))
    told("links_scrapy.json", len(tests) - len(wrong), len(tests))
    assert not wrong


@pytest.mark.parametrize(
    ("content", "href"),
    [
        ("5", ""),
        (" 5 ; url = x ", "x"),
        ("0;x", "x"),
        ("0,x", "x"),
        ("0 x", "x"),
        (".5;URL=x", "x"),
        ("1.2.3;x", "x"),
        ("0;url='x y'z", "x y"),
        ('0;url="x', "x"),
        ("0;'x'y", "x"),
        ("0;urlx", "urlx"),
        ("0;url", "url"),
        ("0;u=x", "u=x"),
        ("0;;x", ";x"),
        ("0;", ""),
        ("", None),
        ("x", None),
        ("-1;x", None),
        ("0x", None),
    ],
)
def test_a_refresh_is_a_time_and_perhaps_a_url(content: str, href: str | None) -> None:
    """Digits or a point, then one of `;`, `,` and white space, then perhaps `url =` and quotes (HTML, 4.2.5.3)."""
    assert parse_refresh(content) == href


def test_every_refresh_of_the_standard() -> None:
    """A refresh is parsed as the standard's tests have it; white space inside its URL is the URL parser's business."""
    tests = cases("html_meta_refresh.json")
    wrong = []
    for test in tests:
        found = parse_refresh(test["content"])
        if (found and found.translate({9: "", 10: "", 13: ""})) != (test["refresh"] and test["refresh"]["url"]):
            wrong.append((test, found))
    told("html_meta_refresh.json", len(tests) - len(wrong), len(tests))
    assert not wrong


# -- links


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<a href=x>", [("x", "a")]),
        ("<A HREF=x>", [("x", "a")]),
        ("<a href>", [("", "a")]),
        ("<a name=x>", []),
        ("<a src=x>", []),
        ("<a href=x src=y>", [("x", "a")]),
        ("<a href='&#x2f;a&amp;b=c&copy=d'>", [("/a&b=c&copy=d", "a")]),
        ("<map><area href=x></map>", [("x", "area")]),
        ("<iframe src=x></iframe>", [("x", "iframe")]),
        ("<frameset><frame src=x></frameset>", [("x", "frame")]),
        ("<img src=x>", [("x", "img")]),
        ("<img src=''>", []),
        ("<img src=x srcset='y, z 2x'>", [("x", "img"), ("y", "img"), ("z", "img")]),
        ("<img src=x data-src=y data-srcset='z 2x'>", [("x", "img"), ("y", "img"), ("z", "img")]),
        ("<img data-src=y>", [("y", "img")]),
        ("<iframe data-src=x></iframe>", [("x", "iframe")]),
        ("<iframe src=x data-src=y></iframe>", [("x", "iframe"), ("y", "iframe")]),
        ("<video data-src=x poster=y><source data-src=z></video>", [("x", "media"), ("y", "media"), ("z", "media")]),
        ("<audio data-src=x></audio><embed data-src=y>", [("x", "media"), ("y", "media")]),
        ("<a href=x data-src=y></a><a data-src=z></a>", [("x", "a")]),
        ("<picture><source srcset='x 1x'><img></picture>", [("x", "img")]),
        ("<input type=IMAGE src=x>", [("x", "img")]),
        ("<input type=text src=x>", []),
        ("<video src=x poster=y><track src=z></video>", [("x", "media"), ("y", "media"), ("z", "media")]),
        ("<video poster=y></video>", [("y", "media")]),
        ("<audio src=x></audio>", [("x", "media")]),
        ("<video><source src=x></video>", [("x", "media")]),
        ("<embed src=x>", [("x", "media")]),
        ("<object data=x></object>", [("x", "media")]),
        ("<script src=x></script>", [("x", "script")]),
        (
            "<svg><a href=x></a><image href=y /><use href=#z /><use xlink:href=s.svg#z /></svg>",
            [("x", "a"), ("y", "img"), ("s.svg#z", "img")],
        ),
        ("<meta http-equiv=Refresh content='1; url=x'>", [("x", "refresh")]),
        ("<meta http-equiv=refresh content=30>", []),
        ("<meta http-equiv=refresh content='0;x'><meta http-equiv=refresh content='0;y'>", [("x", "refresh")]),
    ],
)
def test_elements_and_their_kinds(html: str, expected: list[tuple[str, str]]) -> None:
    """Each element that leads or loads something is a link of its kind; the others are none."""
    assert links(html) == expected


@pytest.mark.parametrize(
    ("rel", "kind"),
    [
        ("next", "link"),
        ("canonical", "link"),
        ("alternate", "link"),
        ("stylesheet", "css"),
        ("alternate StyleSheet", "css"),
        ("shortcut icon", "img"),
        ("apple-touch-icon", "img"),
        ("manifest", "media"),
        ("modulepreload", "script"),
        ("preload' as='style", "css"),
        ("preload' as='script", "script"),
        ("preload' as='image", "img"),
        ("preload' as='font", "media"),
        ("preload", "media"),
        ("prefetch", "link"),
        ("prefetch' as='document", "link"),
        ("preconnect", None),
        ("dns-prefetch", None),
        ("pingback", None),
        ("", None),
    ],
)
def test_link_elements_by_their_rel(rel: str, kind: str | None) -> None:
    """A link element is what its rel says; hosts to connect to and endpoints to post to are no links."""
    assert links(f"<link rel='{rel}' href=x>") == ([("x", kind)] if kind else [])


def test_preloaded_candidates_of_an_image() -> None:
    """`imagesrcset` of a link element is read like the srcset of an image."""
    assert links("<link rel=preload as=image href=x imagesrcset='y, z 2x'>") == [("x", "img"), ("y", "img"), ("z", "img")]


def test_links_come_in_document_order() -> None:
    """Whatever the kinds, the order is that of the page; a refresh, which is a command to the whole page, comes first."""
    html = "<link rel=next href=1><script src=2></script><meta http-equiv=refresh content=0;0><a href=3><img src=4></a>"
    html += "<iframe src=5></iframe><video poster=6></video><a href=7>x</a><img data-src=8><object data=9></object>"
    assert [href for href, _ in links(html)] == list("0123456789")


@pytest.mark.parametrize(
    "html",
    [
        "<!-- <a href=x> -->",
        "<script>var s = '<a href=x>'</script>",
        "<style><a href=x></style>",
        "<template><a href=x></a><img src=y></template>",
        "<textarea><a href=x></textarea>",
        "<title><a href=x></title>",
        "<iframe><a href=x></iframe>",
        "<noembed><a href=x></noembed>",
        "<frameset><noframes><a href=x></noframes></frameset>",
        "<xmp><a href=x></xmp>",
        "<a href='x",
        "<p title='<a href=x>'>",
        "<![CDATA[<a href=x>",
        "<a-b href=x>",
    ],
)
def test_what_only_looks_like_a_link(html: str) -> None:
    """Comments, scripts, templates, text areas, values, unfinished tags: no links."""
    assert links(html) == []


def test_links_in_noscript_are_links() -> None:
    """We run no scripts, so what a site offers instead is meant for us."""
    assert links("<noscript><a href=x>y</a><img src=z></noscript>") == [("x", "a"), ("z", "img")]
    assert links("<head><noscript><link rel=stylesheet href=x></noscript></head>") == [("x", "css")]


def test_commands_in_noscript_are_not_obeyed() -> None:
    """A base or refresh for browsers without scripts would change a page that was made for those with scripts."""
    found = page("<noscript><base href=/evil/><meta http-equiv=refresh content=0;x></noscript><base href=/good/>")
    assert found.base == "http://example.org/good/"
    assert found.links == []


def test_text_and_rel_of_links() -> None:
    """Text has its white space collapsed and is at most 200 characters; images have their alternative text."""
    found = page(
        "<a href=1 rel='nofollow  ugc'>\n  one <b>two</b>\xa0 three\t</a><a href=2><img src=3 alt='a  cat'></a>"
        + f"<a href=4>{'x ' * 300}</a>"
    )
    assert found.links == [
        ("1", "a", "nofollow  ugc", "one two three"),
        ("2", "a", "", ""),
        ("3", "img", "", "a cat"),
        ("4", "a", "", ("x " * 100).strip()),
    ]
    assert [text for _, _, _, text in page(f"<a href=1> x </a><a href=2>{'y' * 300}</a><a href=3>  z").links] == ["x", "y" * 200, "z"]


def test_forms_are_links_when_asked() -> None:
    """Only forms that GET lead somewhere, and only for those who want to follow them."""
    html = "<form action=x></form><form method=POST action=y></form><form></form><form method=dialog action=z></form>"
    assert links(html) == []
    assert links(html, forms=True) == [("x", "form"), ("", "form")]


def test_style_sheets_inside_the_page_when_asked() -> None:
    """`requisites` adds what style elements and attributes load."""
    html = "<style>@import 'a.css'; p { background: url(b.png) }</style><p style='background: url(\"c.png\")'>"
    assert links(html) == []
    assert links(html, requisites=True) == [("a.css", "css"), ("b.png", "img"), ("c.png", "img")]


def test_backgrounds_of_old_pages_when_asked() -> None:
    """`requisites` adds the pictures behind a page and its tables; on other elements the attribute means nothing."""
    html = "<body background=a.png><table BACKGROUND=b.png><tr><td background=' c.png '><td background=''></table><p background=d.png>"
    assert links(html) == []
    assert links(html, requisites=True) == [("a.png", "img"), ("b.png", "img"), (" c.png ", "img")]


def test_a_style_inside_a_style_is_read_once() -> None:
    """In a picture styles nest; each is its own text (HTML, 4.2.6: child text content), or a page of them would take for ever."""
    page = parse_html(b"<svg>" + b"<style>p{background:url(x)}" * 3, URL, requisites=True)
    assert [(href, kind) for href, kind, _, _ in page.links] == [("x", "img")] * 3


def test_queries_of_pages_in_another_encoding() -> None:
    """The query of a link is in the encoding of its page, its path always in UTF-8; UTF-8 pages are left as they are."""
    html = "<a href='/é?é#é'><a href='mailto:x?subject=é'><a href='é'><a href='?a=%E9'>"
    latin = [href for href, _ in links(html.encode("latin-1"), content_type="text/html; charset=iso-8859-1")]
    assert latin == ["/é?%E9#é", "mailto:x?subject=é", "é", "?a=%E9"]
    canonical = "<link rel=canonical href='/?é'>".encode("latin-1")
    assert page(canonical, content_type="text/html; charset=iso-8859-1").canonical == "/?%E9"
    assert [href for href, _ in links(html)] == ["/é?é#é", "mailto:x?subject=é", "é", "?a=%E9"]


# -- facts


@pytest.mark.parametrize(
    ("html", "base"),
    [
        ("", URL),
        ("<base href=/x/>", "http://example.org/x/"),
        ("<base href=y>", "http://example.org/dir/y"),
        ("<base target=_top><base href=/x><base href=/y>", "http://example.org/x"),
        ("<base href='http://['><base href=/y>", URL),
        ("<base href='data:text/html,x'>", URL),
        ("<base href='javascript:x'>", URL),
        ("<body><p><base href=/late>", "http://example.org/late"),
        ("<base href>", URL),
        ("<template><base href=/x></template>", URL),
    ],
)
def test_base(html: str, base: str) -> None:
    """The first base element with an href counts, wherever it is, unless it means nothing."""
    assert page(html).base == base


def test_facts() -> None:
    """Title, description, canonical, language and robots meta, each the first there is; robots metas add up."""
    found = page(
        "<html lang=de-CH><title>\n A &amp; B\n</title><title>C</title><meta name=Description content=' D\n E '>"
        "<meta name=description content=F><link rel='x Canonical' href=/c><link rel=canonical href=/d>"
        "<meta name=robots content=' noindex'><meta name=ROBOTS content=nofollow><meta name=googlebot content=none>"
    )
    assert (found.title, found.description, found.canonical, found.lang) == ("A & B", "D E", "/c", "de-CH")
    assert (found.robots_meta, found.charset, found.base) == ("noindex, nofollow", "utf-8", URL)


def test_elements_of_pictures_and_formulas_are_others() -> None:
    """In SVG and MathML only a, image, use and script link anything; where HTML goes on inside of them it is HTML again."""
    names = "<base href=/no/><iframe src=no></iframe><source src=no></source><track src=no></track><form action=no></form>"
    svg = f"<svg>{names}<g><a href=a></a><script href=s.js></script><script xlink:href=t.js></script><image href=i></image></g>"
    inside = "<foreignObject><iframe src=f></iframe></foreignObject></svg>"
    html = f"{svg}{inside}<math>{names}<mi><iframe src=m></iframe></mi></math><base href=/b/><iframe src=after></iframe>"

    assert page(html, forms=True).base == "http://example.org/b/"
    assert links(html, forms=True) == [
        ("a", "a"), ("s.js", "script"), ("t.js", "script"), ("i", "img"), ("f", "iframe"), ("m", "iframe"), ("after", "iframe"),
    ]  # fmt: skip
    assert links("<svg><path d=x /></svg><div><iframe src=x></iframe></div>") == [("x", "iframe")]


def test_the_title_of_a_picture_is_not_the_title() -> None:
    """The title of an inline SVG names that picture."""
    assert page("<svg><title>icon</title></svg><title>Page</title>").title == "Page"
    assert page("<svg><g><title>icon</title></g></svg>").title == ""


@pytest.mark.parametrize(
    ("body", "content_type", "title", "charset"),
    [
        ("<title>é", "", "é", "utf-8"),
        ("\ufeff<title>é", "", "é", "utf-8"),
        ("<title>é".encode("latin-1"), "", "é", "windows-1252"),
        ("<title>ж".encode("koi8-r"), "text/html; charset=koi8-r", "ж", "koi8-r"),
        ("<meta charset=koi8-r><title>ж".encode("koi8-r"), "", "ж", "koi8-r"),
        (b"\xff\xfe" + "<title>ж".encode("utf-16-le"), "text/html; charset=utf-8", "ж", "utf-16le"),
        ("<title>ж", "text/html; charset=unheard-of", "ж", "utf-8"),
        (b"<title>\xff<", "text/html; charset=utf-8", "\ufffd<", "utf-8"),
    ],
)
def test_text_in_any_encoding(body: str | bytes, content_type: str, title: str, charset: str) -> None:
    """Whatever the encoding, text arrives as what it says; a wrong label loses no link."""
    found = page(body, content_type=content_type)
    assert (found.title, found.charset) == (title, charset)


@pytest.mark.parametrize("charset", ["utf-8", "koi8-r", "utf-16", "shift_jis", "unheard-of", "iso-2022-kr", "utf-7", ""])
def test_no_label_costs_a_link(charset: str) -> None:
    """A page that is labelled wrongly keeps the links whose bytes are ASCII; in UTF-16 these have a NUL each."""
    found = links(b"<a href=/x>\xff\xfe</a>", content_type=f"text/html; charset={charset}")
    assert found == [("/x", "a")]


# -- header


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("</a>; rel=next", [("/a", "next")]),
        ('</a>; rel="next prev"; title="x, <y>; z", <b>', [("/a", "next prev"), ("b", "")]),
        ("</a>;REL=next;rel=prev", [("/a", "next")]),
        ("</a> ; rel = next , </b>; rel=prev", [("/a", "next"), ("/b", "prev")]),
        ('<,>; rel="a\\"b"', [(",", 'a"b')]),
        (",, </a>,,", [("/a", "")]),
        ("</a>; rel=next; anchor=/other, </b>", [("/b", "")]),
        ("</a>; title*=UTF-8''x; rel=next", [("/a", "next")]),
        ("< /a >", [("/a", "")]),
        ("</a", []),
        ("rel=next", []),
        ("", []),
        ("</a>; junk junk, </b>", [("/a", ""), ("/b", "")]),
    ],
)
def test_link_headers(value: str, expected: list[tuple[str, str]]) -> None:
    """A Link header is read as RFC 8288 has it; what comes after nonsense is still read where that is possible."""
    assert parse_header_links(value) == expected


# -- what a page may make us keep


def test_of_the_links_of_a_page_the_first_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was made to have millions of links does not fill the memory, parsed or scanned."""
    monkeypatch.setattr(html_module, "MOST_LINKS", 5)
    links = b"".join(b"<a href=%d></a><img src=%d srcset='a 1x, b 2x'>" % (number, number) for number in range(9))
    for body in (links, links + b"<div>" * 20_000):
        found = parse_html(body, URL).links
        assert [href for href, _, _, _ in found] == ["0", "0", "a", "b", "1"]


def test_facts_of_a_page_are_bounded() -> None:
    """Whoever writes a megabyte into an attribute does not find it in every table."""
    long = "x" * 100_000
    robots = f"<meta name=robots content={long}>" * 9
    found = page(f"<html lang={long}><title>{long}</title><meta name=description content={long}>{robots}")
    assert max(len(text) for text in (found.lang, found.title, found.description)) <= 1_000
    assert len(found.robots_meta) < 5_000


@pytest.mark.parametrize("value", ["1" * 200_000 + "x", "1." * 100_000 + "x", " " * 200_000 + "1", "1;" + "url=" * 50_000])
def test_a_refresh_takes_linear_time(value: str) -> None:
    """No number is too long to be refused at once."""
    started = time.process_time()
    parse_refresh(value)
    assert time.process_time() - started < 0.5


# -- any input


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=20))
def test_any_bytes_are_a_page(body: bytes, content_type: str) -> None:
    """No page raises, whatever its bytes and header; every string that comes out can be written down."""
    found = parse_html(body, URL, content_type, requisites=True, forms=True)
    for text in [found.title, found.description, found.lang, found.robots_meta, *(part for link in found.links for part in link)]:
        text.encode()


pieces = """<a href=x>|</a>|<img src='|'|"|>|<|<!--|-->|<script>|</script>|<table>|<td>|<svg>|</svg>|<base href=y>|<p>|é|\0| |=|&#0;|x
|<meta http-equiv=refresh content=|<template>|</template>|<select>|<noscript>|</noscript>"""
markup = st.lists(st.sampled_from(pieces.split("|")), max_size=30).map("".join)


@settings(derandomize=True, deadline=None)
@given(markup)
def test_any_markup_is_a_page(html: str) -> None:
    """However elements are mixed up, there is an answer."""
    assert isinstance(page(html, requisites=True, forms=True), ParsedPage)


@settings(derandomize=True, deadline=None)
@given(st.text(alphabet=" ;,.='\"url0123456789x\t\n<>\\/-"))
def test_any_text_is_a_refresh_and_a_link_header_or_none(value: str) -> None:
    """Nothing that a server sends raises."""
    assert parse_refresh(value) is None or isinstance(parse_refresh(value), str)
    assert isinstance(parse_header_links(value), list)
