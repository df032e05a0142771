"""Pages, style sheets, srcsets, refreshes, Link headers and encodings, whatever a server sends."""

from __future__ import annotations

from fuzzing import assert_linear, fuzz, soup
from hypothesis import strategies as st

from crawler.charset import decode, detect_charset, encode_query, encoding_of
from crawler.core.css import parse_css
from crawler.core.html import LINK_TEXT_LENGTH, ParsedPage, parse_header_links, parse_html, parse_refresh
from crawler.core.srcset import parse_srcset

URL = "http://example.org/dir/page?q"

# fmt: off
TAGS = (
    "<a href=", "<a href='/x'>", "</a>", "<area href=b>", "<base href=/c/>", "<base href='http://[/'>", "<base target=_top>",
    "<img src=", "<img srcset='a 1x, b 2x'>", "<iframe src=d>", "<frame src=e>", "<frameset>", "<link rel=",
    "<link rel=stylesheet href=f.css>", "<link rel=canonical href=g>", "<meta ", "http-equiv=refresh ", "content='0; url=h'>",
    "name=robots content=nofollow>", "charset=", "charset=shift_jis>", "<form action=i>", "<form method=get action=j>", "</form>",
    "<object data=k>", "<embed src=l>", "<video src=m poster=n>", "<source src=o>", "<track src=p>", "<audio src=q>", "<script src=r>",
    "<script>", "</script>", "<style>@import 's.css';", "</style>", "<template>", "</template>", "<noscript>", "</noscript>",
    "<noframes>", "<textarea>", "<title>", "</title>", "<svg>", "</svg>", "<math>", "<image href=t>", "<use xlink:href=u>", "<table>",
    "<tr>", "<select>", "<option>", "<plaintext>", "<xmp>", "<!--", "-->", "--!>", "<![CDATA[", "]]>", "<!doctype html>", "<?", "<",
    ">", "/>", "'", '"', "=", "&amp;", "&#0;", "&#x110000;", "&", ";", "\0", "\ufffd", " data-src=v", " style='background:url(w)'",
    " rel=nofollow", " alt='x  y'", "<div>", "</div>", "<p>", "<b>", "</b>", "text", "é", "\ud7ff", " ", "\n",
)
LABELS = (
    "utf-8", "latin1", "shift_jis", "gbk", "big5", "euc-kr", "euc-jp", "iso-2022-jp", "utf-16", "utf-16be", "utf-7", "hz-gb-2312",
    "koi8-u", "x-user-defined", "rot13", "hex", "",
)
# fmt: on
pages = soup(*TAGS)
content_types = st.sampled_from([f"text/html; charset={label}" for label in LABELS]) | st.text(max_size=20)


def check(page: ParsedPage) -> None:
    """What every page is, whatever its bytes."""
    assert encoding_of(page.charset) == page.charset
    assert len(page.title) <= 1000
    for href, kind, rel, text in page.links:
        assert (href + kind + rel + text).encode()
        assert len(text) <= LINK_TEXT_LENGTH
    assert page.base.encode()


@fuzz(pages, content_types, st.booleans())
def test_any_markup_is_a_page(html: str, content_type: str, both: bool) -> None:
    """Nothing raises, and all that comes out can be written down."""
    check(parse_html(html.encode("utf-8", "replace"), URL, content_type, requisites=both, forms=both))


@fuzz(st.binary(), content_types)
def test_any_bytes_are_a_page(body: bytes, content_type: str) -> None:
    """No bytes raise in any encoding that a header may claim."""
    check(parse_html(body, URL, content_type, requisites=True, forms=True))


@fuzz(st.binary(max_size=60), st.sampled_from(LABELS) | st.text(max_size=12), st.text(max_size=20))
def test_every_label_can_be_read_and_written(body: bytes, label: str, query: str) -> None:
    """A label is one that the standard knows, or none; bytes decode, queries become ASCII."""
    detect_charset(body, f"text/html; charset={label}")
    assert decode(body, label).encode() is not None
    assert encode_query(query.encode("utf-8", "replace").decode(), label).isascii()


HREF = "/only/link?a=1"


@fuzz(st.sampled_from([label for label in LABELS if not label.startswith("utf-16")]), st.binary(max_size=20))
def test_no_label_costs_a_link(label: str, junk: bytes) -> None:
    """A page that claims a wrong encoding still has its ASCII links, whatever stands between its tags."""
    junk = junk.translate(bytes(byte if byte >= 0x80 else 0x78 for byte in range(256)))  # no markup, no escape
    page = parse_html(b"<p>" + junk + b"  </p>\n\n<a href='" + HREF.encode() + b"'>x</a>", URL, f"text/html; charset={label}")
    assert HREF in [href for href, _, _, _ in page.links]


CSS = (
    "@import ",
    "url(",
    ")",
    "'",
    '"',
    "\\",
    "\\41 ",
    "/*",
    "*/",
    "a.png",
    "b.woff2",
    "{",
    "}",
    ";",
    "#c",
    "data:",
    "\n",
    "image-set(",
    "<!--",
)


@fuzz(
    soup(*CSS),
    soup(" ", ",", "(", ")", "a", "1x", "2w", "3h", "-0x", "1e9x", "\t"),
    soup("0", ";", ",", "url", "=", "'", '"', " ", ".", "a"),
)
def test_any_text_is_a_style_sheet_a_srcset_and_a_refresh(css: str, srcset: str, refresh: str) -> None:
    """Nothing raises; there are no empty URLs."""
    assert all(href for href, _ in parse_css(css))
    assert all(parse_srcset(srcset))
    assert parse_refresh(refresh) is None or "\n" not in (parse_refresh(refresh) or "").strip()


@fuzz(soup("<", ">", ",", ";", "rel", "=", '"', "\\", "next", "a", " ", "anchor", "/b"))
def test_any_text_is_a_link_header(value: str) -> None:
    """Nothing raises, and the links are as many as there are targets at most."""
    assert len(parse_header_links(value)) <= value.count("<")


@fuzz(st.sampled_from(TAGS) | soup(*TAGS, most=3), st.sampled_from(["", "<a href=x>", "<table>", "<svg>", "<!--", "<title>", "<style>"]))
def test_no_page_stalls_a_crawl(piece: str, before: str) -> None:
    """Twice the markup takes twice the time, however it is nested."""
    assert_linear(lambda text: parse_html(text.encode("utf-8", "replace"), URL, requisites=True, forms=True), before, piece, slack=0.5)


@fuzz(st.sampled_from(CSS) | soup(*CSS, most=3), st.sampled_from(["", "url(", "@import ", "/*", "'"]))
def test_no_small_grammar_stalls_a_crawl(piece: str, before: str) -> None:
    """The same for style sheets, srcsets, refreshes, headers and declarations of an encoding."""
    for read in (parse_css, parse_srcset, parse_refresh, parse_header_links):
        assert_linear(read, before, piece)
    assert_linear(lambda text: detect_charset(text.encode("utf-8", "replace"), text), f"<meta {before}", piece)
