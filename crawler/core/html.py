"""What a page says: its links in document order, title, base, language, robots meta, charset. The hot spot of a crawl."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.charset import decode, detect_charset, encode_query
from crawler.core.css import parse_css
from crawler.core.elements import IN_PICTURES, LINKS, Attributes, Readers
from crawler.core.hostile import has_long_tag, looks_hostile, scan_elements
from crawler.core.urls import resolve
from crawler.model import LinkKind
from crawler.text import without_controls

__all__ = ["ParsedPage", "looks_hostile", "parse_header_links", "parse_html", "parse_refresh"]

LINK_TEXT_LENGTH = 200
"""Characters of a link's text that are kept."""

MOST_LINKS = 200_000
"""Links of one page that are read: a page made to have more of them would fill the memory."""
_LONGEST_LANGUAGE, _LONGEST_ROBOTS = 100, 2_000

Anchor = tuple[str, LinkKind, str, str]
"""A link as the page has it: (raw href, kind, rel, text)."""


@dataclass(slots=True)
class ParsedPage:
    """What a page says. `base` is the URL that its hrefs resolve against, `canonical` a raw href, `lang` that of the root
    element, `robots_meta` the contents of all `<meta name=robots>` joined by ", ", `charset` the encoding it was read in.
    """

    base: str
    links: list[Anchor] = field(default_factory=list)
    title: str = ""
    description: str = ""
    canonical: str | None = None
    lang: str = ""
    robots_meta: str = ""
    charset: str = "utf-8"


# Lexbor knows the names of elements by numbers, and reads a number in half the time of a name. Names that it has to learn with a
# page (`use`) have addresses in their place, which are larger.
_UNNUMBERED = 1000
_numbers = {name: LexborHTMLParser(b"").create_node(name).tag_id for name in (*LINKS, "meta", "base", "title", "svg", "math")}
_NUMBERED = frozenset(number for number in _numbers.values() if number < _UNNUMBERED)
_A = _numbers["a"]


def parse_html(
    body: bytes,
    url: str,
    content_type: str = "",
    *,
    requisites: bool = False,
    forms: bool = False,
    texts: bool = True,
    is_small: bool = False,
) -> ParsedPage:
    """The links and facts of a page, read as browsers read it. Never raises, whatever the bytes.

    `url` is where the page was found, `content_type` its header, for the charset. Links of every kind are recorded;
    `requisites` adds what style elements, style attributes and backgrounds load, `forms` the targets of `method=get` forms (kind `form`);
    without `texts` the text of `a` elements is left out.
    Pages that would keep the parser busy out of proportion are only scanned (`looks_hostile`): their links have no text.
    With `is_small`, because `looks_small` has said so, most of that is not asked again. Of the links the first 200,000 are read.
    """
    charset = detect_charset(body, content_type)
    if charset != "utf-8":
        body = decode(body, charset).encode("utf-8", "replace")
    elif body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    reader = _Reader(url, forms, texts)
    is_hostile = (has_long_tag(body) or not is_small) and looks_hostile(body)
    (_scan if is_hostile else _parse)(body, reader, requisites)
    page = reader.page
    page.charset = charset
    page.lang = without_controls(page.lang[:_LONGEST_LANGUAGE])
    page.robots_meta = without_controls(page.robots_meta)
    del page.links[MOST_LINKS:]
    if charset not in ("utf-8", "utf-16le", "utf-16be"):
        page.links = [(_with_query_of(charset, href), kind, rel, text) for href, kind, rel, text in page.links]
        page.canonical = page.canonical and _with_query_of(charset, page.canonical)
    return page


def _parse(body: bytes, reader: _Reader, requisites: bool) -> None:
    # Without scripting, so that the content of <noscript> is read: nobody here runs scripts, and what a site offers
    # instead is meant for us. Commands to the whole document (base, refresh) do not count there, because pages are tested
    # in browsers that never see them. What is inside <template>, comments, scripts and <noframes> is no element.
    tree = LexborHTMLParser(body)
    append = reader.page.links.append
    refreshed = titled = drawn = False
    to_read = 2 * len(body) if reader.texts else 0  # links in tables in links in tables: every one has all the text
    # All elements, because links come in document order: a query for those that may have one takes longer, as each of its selectors
    # costs lexbor a walk.
    for node in tree.tags("*")[: 4 * MOST_LINKS]:
        number = node.tag_id
        if number == _A:  # nearly all links, hence without a call
            attributes = node.attributes
            if "href" in attributes:
                text = node.text_lexbor() if to_read > 0 else ""
                if "  " in text or len(text) > LINK_TEXT_LENGTH or not text.isprintable():
                    to_read -= len(text)
                    text = collapse(text)
                rel = attributes.get("rel")
                append((attributes["href"] or "", "a", without_controls(rel) if rel else "", text.strip()))
                continue
        elif number not in _NUMBERED and number < _UNNUMBERED:
            continue
        tag = node.tag
        if tag in ("svg", "math"):
            drawn = True
        elif drawn and tag not in ("title", "meta") and _is_foreign(node):
            reader.element(tag or "", node.attributes, IN_PICTURES)
        elif tag == "title":
            if not titled and not _is_in_picture(node):
                titled = True
                reader.page.title = collapse(node.text_lexbor(), 1000)
        elif tag == "meta":
            if not _is_refresh(node.attributes):
                reader.meta(node.attributes)
            elif not refreshed:
                refreshed = True
                for meta in _as_in_browsers(tree, body).tags("meta"):
                    reader.refresh(meta.attributes)
        elif tag != "base":
            reader.element(tag or "", node.attributes)
        elif not reader.based:
            for base in _as_in_browsers(tree, body).tags("base"):
                if not (drawn and _is_foreign(base)):
                    reader.base(base.attributes)
            reader.based = True
    root = tree.root
    if root is not None:
        reader.page.lang = root.attributes.get("lang") or ""
    if requisites:
        styles = [node.text(deep=False) for node in tree.tags("style")] + [
            node.attributes.get("style") or "" for node in tree.css("[style]")
        ]
        found = [(href, kind) for style in styles for href, kind in parse_css(style)]
        behind = [node.attributes["background"] for node in tree.css("[background]") if node.tag in _WITH_BACKGROUND]
        found += [(href, "img") for href in behind if href]
        reader.page.links.extend((href, kind, "", "") for href, kind in found)


_WITH_BACKGROUND = frozenset({"body", "table", "thead", "tbody", "tfoot", "tr", "td", "th"})  # HTML, 15.3


# Where HTML goes on inside of SVG and MathML (HTML, 13.2.6, integration points), and tags that end both (13.2.6.5): what is inside of
# these is HTML for certain.
_HTML_INSIDE = frozenset([
    "foreignObject", "desc", "mi", "mo", "mn", "ms", "mtext", "annotation-xml", "b", "big", "blockquote", "body", "br", "center",
    "code", "dd", "div", "dl", "dt", "em", "embed", "h1", "h2", "h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing",
    "menu", "meta", "nobr", "ol", "p", "pre", "ruby", "s", "small", "span", "strong", "strike", "sub", "sup", "table", "tt", "u",
    "ul", "var", "picture", "html",
])  # fmt: skip


def _is_foreign(node: LexborNode) -> bool:
    """Whether an element is one of SVG or MathML, by what it is inside of."""
    parent = node.parent
    for _ in range(20):  # thousands in thousands take no time
        if parent is None or parent.tag in _HTML_INSIDE:
            return False
        if parent.tag in ("svg", "math"):
            return True
        parent = parent.parent
    return False


def _is_in_picture(title: LexborNode) -> bool:
    parent = title.parent
    for _ in range(20):  # thousands of titles in thousands of groups take no time
        if parent is None or parent.tag not in ("g", "symbol", "a", "defs", "path"):
            break
        parent = parent.parent
    return parent is not None and parent.tag == "svg"


def _as_in_browsers(tree: LexborHTMLParser, body: bytes) -> LexborHTMLParser:
    # A tree without scripting cannot tell what was inside of <noscript>: in the head, most elements end it.
    return tree if b"<noscript" not in body.lower() else LexborHTMLParser(body, scripting=True)


def _scan(body: bytes, reader: _Reader, requisites: bool) -> None:
    for tag, attributes, text in scan_elements(body):
        if len(reader.page.links) >= MOST_LINKS:
            return
        if tag == "title":
            reader.page.title = reader.page.title or collapse(text, 1000)
        elif tag == "html":
            reader.page.lang = attributes.get("lang") or ""
        elif tag == "style" and requisites:
            reader.page.links.extend((href, kind, "", "") for href, kind in parse_css(text))
        elif tag == "meta":
            reader.meta(attributes)
        elif tag == "base":
            reader.base(attributes)
        else:
            reader.element(tag, attributes)


def collapse(text: str, length: int = LINK_TEXT_LENGTH) -> str:
    """The text with runs of white space as single spaces, without control characters, at most `length` characters."""
    return without_controls(" ".join(text[: 4 * length].split()))[:length]


def _is_refresh(attributes: Attributes) -> bool:
    return (attributes.get("http-equiv") or "").lower() == "refresh"


class _Reader:
    """Takes in elements one by one, in document order."""

    __slots__ = ("based", "forms", "page", "refreshed", "texts", "url")

    def __init__(self, url: str, forms: bool, texts: bool) -> None:
        self.url = url
        self.forms = forms
        self.texts = texts
        self.page = ParsedPage(url)
        self.based = self.refreshed = False

    def element(self, tag: str, attributes: Attributes, links: Readers = LINKS) -> None:
        if (read := links.get(tag)) and (self.forms or tag != "form"):
            text = attributes.get("alt")
            text = collapse(text) if text else ""
            rel = without_controls(attributes.get("rel") or "")
            for href, kind in read(attributes):
                self.page.links.append((href, kind, rel, text))
                if tag == "link" and self.page.canonical is None and "canonical" in rel.lower().split():
                    self.page.canonical = href

    def base(self, attributes: Attributes) -> None:
        """HTML, 4.2.3: the first base element with an href counts, even when that then means nothing."""
        if not self.based and "href" in attributes:
            self.based = True
            base = resolve(attributes["href"] or "", self.url)
            if base is not None and not base.startswith(("data:", "javascript:")):
                self.page.base = base

    def refresh(self, attributes: Attributes) -> None:
        if not self.refreshed and _is_refresh(attributes) and (href := parse_refresh(attributes.get("content") or "")) is not None:
            self.refreshed = True  # only the first one does anything
            if href:
                self.page.links.insert(0, (href, "refresh", "", ""))  # a command to the whole page

    def meta(self, attributes: Attributes) -> None:
        content = attributes.get("content") or ""
        if _is_refresh(attributes):
            self.refresh(attributes)
        elif name := (attributes.get("name") or "").strip().lower():
            if name == "description" and not self.page.description:
                self.page.description = collapse(content, 1000)
            elif name == "robots" and content.strip() and len(self.page.robots_meta) < _LONGEST_ROBOTS:
                self.page.robots_meta += ", " * bool(self.page.robots_meta) + content.strip()[:_LONGEST_ROBOTS]


_URL_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII)


def _with_query_of(charset: str, href: str) -> str:
    """URL, 4.4: the query of an http(s) URL is encoded in the encoding of the page."""
    if href.isascii() or "?" not in href or _URL_SCHEME.match(href.strip()):
        return href
    path, _, rest = href.partition("?")
    query, hash_sign, fragment = rest.partition("#")
    if "#" in path or query.isascii():
        return href
    return f"{path}?{encode_query(query.rstrip(), charset)}{hash_sign}{fragment}"


# Possessive: a number of any length that something else follows takes no time to be refused.
_REFRESH = re.compile(r"[\t\n\f\r ]*(?:[0-9]++|(?=\.))[0-9.]*+(?:(?=([\t\n\f\r ;,]))[\t\n\f\r ]*[;,]?[\t\n\f\r ]*(.*))?", re.DOTALL)
_REFRESH_URL = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*(.*)", re.DOTALL | re.IGNORECASE)


def parse_refresh(value: str) -> str | None:
    """Where a refresh leads: an href, "" for the page itself; None when it is no refresh.

    For `<meta http-equiv=refresh>` and the Refresh header. Source: HTML, 4.2.5.3 (shared declarative refresh steps).
    """
    found = _REFRESH.fullmatch(value)
    if found is None:
        return None
    href = found[2] or ""
    if named := _REFRESH_URL.fullmatch(href):
        href = named[1]
    if href[:1] in ("'", '"'):
        href = href[1:].partition(href[0])[0]
    return href.strip("\t\n\f\r ")


_LINK_TARGET = re.compile(r"[\s,]*<([^>]*)>")
_LINK_PARAMETER = re.compile(r'\s*;\s*([^\s=;,"<>]*)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?', re.DOTALL)


def parse_header_links(value: str) -> list[tuple[str, str]]:
    """The links of an HTTP Link header: (href, rel), in order. Links from another page than this one (`anchor`) are left out.

    Hrefs resolve against the URL of the response, whatever its HTML says. What cannot be read ends the list. Source: RFC 8288, 3.
    """
    links = []
    position = 0
    while found := _LINK_TARGET.match(value, position):
        position = found.end()
        parameters: dict[str, str] = {}
        while (parameter := _LINK_PARAMETER.match(value, position)) and parameter.end() > position:
            position = parameter.end()
            quoted = re.sub(r"\\(.)", r"\1", parameter[2]) if parameter[2] is not None else parameter[3]
            parameters.setdefault(parameter[1].lower(), quoted or "")  # 3.3: the first rel counts
        if "anchor" not in parameters:
            links.append((found[1].strip(), without_controls(parameters.get("rel", ""))))
        comma = re.compile(r"[^,]*").match(value, position)
        position = comma.end() if comma else len(value)
    return links
