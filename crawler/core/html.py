"""What a page says: its links in document order, title, base, language, robots meta, charset. The hot spot of a crawl."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.core.charset import decode, detect_charset, encode_query
from crawler.core.css import parse_css
from crawler.core.hostile import looks_hostile, scan_elements
from crawler.core.srcset import parse_srcset
from crawler.core.urls import resolve
from crawler.model import LinkKind

__all__ = ["ParsedPage", "looks_hostile", "parse_header_links", "parse_html", "parse_refresh"]

LINK_TEXT_LENGTH = 200
"""Characters of a link's text that are kept."""

Anchor = tuple[str, LinkKind, str, str]
"""A link as the page has it: (raw href, kind, rel, text)."""

_Attributes = Mapping[str, str | None]


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


# One query, so that links come in document order: every element that may carry a URL in an attribute. Lexbor finds all of
# them in about the time of two `tags()` calls; `css("a[href], img[src], ...")` would take several times as long.
_ELEMENTS = "[href],[src],img,source,video,object,meta"


def parse_html(body: bytes, url: str, content_type: str = "", *, requisites: bool = False, forms: bool = False) -> ParsedPage:
    """The links and facts of a page, read as browsers read it. Never raises, whatever the bytes.

    `url` is where the page was found, `content_type` its header, for the charset. Links of every kind are recorded;
    `requisites` adds what style elements and style attributes load, `forms` the targets of `method=get` forms (kind `form`).
    Pages that would keep the parser busy out of proportion are only scanned (`looks_hostile`): their links have no text.
    """
    charset = detect_charset(body, content_type)
    if charset != "utf-8":
        body = decode(body, charset).encode("utf-8", "replace")
    elif body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    reader = _Reader(url, forms)
    (_scan if looks_hostile(body) else _parse)(body, reader, requisites)
    page = reader.page
    page.charset = charset
    if charset not in ("utf-8", "utf-16le", "utf-16be"):
        page.links = [(_with_query_of(charset, href), kind, rel, text) for href, kind, rel, text in page.links]
    return page


def _parse(body: bytes, reader: _Reader, requisites: bool) -> None:
    # Without scripting, so that the content of <noscript> is read: nobody here runs scripts, and what a site offers
    # instead is meant for us. Commands to the whole document (base, refresh) do not count there, because pages are tested
    # in browsers that never see them. What is inside <template>, comments, scripts and <noframes> is no element.
    tree = LexborHTMLParser(body)
    page = reader.page
    links = page.links
    last = 0
    for node in tree.css(_ELEMENTS + ",form" * reader.forms):
        identity = node.mem_id
        if identity == last:  # found by two of the selectors
            continue
        last = identity
        tag = node.tag
        attributes = node.attributes
        if tag == "a":
            for href, kind in _anchor(attributes):
                links.append((href, kind, attributes.get("rel") or "", collapse(node.text_lexbor())))
        elif tag not in ("base", "meta") or not _inside_noscript(node):
            reader.element(tag or "", attributes)
    for node in tree.tags("title"):
        if node.parent is None or node.parent.tag != "svg":
            page.title = collapse(node.text_lexbor(), 1000)
            break
    root = tree.root
    if root is not None:
        page.lang = root.attributes.get("lang") or ""
    if requisites:
        styles = [node.text() for node in tree.tags("style")] + [node.attributes.get("style") or "" for node in tree.css("[style]")]
        links.extend((href, kind, "", "") for style in styles for href, kind in parse_css(style))


def _inside_noscript(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None and parent.tag != "noscript":
        parent = parent.parent
    return parent is not None


def _scan(body: bytes, reader: _Reader, requisites: bool) -> None:
    for tag, attributes, text in scan_elements(body):
        if tag == "title":
            reader.page.title = reader.page.title or collapse(text, 1000)
        elif tag == "html":
            reader.page.lang = attributes.get("lang") or ""
        elif tag == "form" and not reader.forms:
            continue
        elif tag == "style" and requisites:
            reader.page.links.extend((href, kind, "", "") for href, kind in parse_css(text))
        else:
            reader.element(tag, attributes)


def collapse(text: str, length: int = LINK_TEXT_LENGTH) -> str:
    """The text with runs of white space as single spaces, at most `length` characters."""
    return " ".join(text[: 4 * length].split())[:length]


class _Reader:
    """Takes in elements one by one, in document order."""

    __slots__ = ("based", "forms", "page", "url")

    def __init__(self, url: str, forms: bool) -> None:
        self.url = url
        self.forms = forms
        self.page = ParsedPage(url)
        self.based = False

    def element(self, tag: str, attributes: _Attributes) -> None:
        if tag == "meta":
            self._meta(attributes)
        elif tag == "base":
            self._base(attributes)
        elif read := _LINKS.get(tag):
            text = collapse(attributes.get("alt") or "")
            rel = attributes.get("rel") or ""
            for href, kind in read(attributes):
                self.page.links.append((href, kind, rel, text))
                if self.page.canonical is None and tag == "link" and "canonical" in rel.lower().split():
                    self.page.canonical = href

    def _base(self, attributes: _Attributes) -> None:
        """HTML, 4.2.3: the first base element with an href counts, even when it then means nothing."""
        if not self.based and "href" in attributes:
            self.based = True
            base = resolve(attributes["href"] or "", self.url)
            if base is not None and not base.startswith(("data:", "javascript:")):
                self.page.base = base

    def _meta(self, attributes: _Attributes) -> None:
        content = attributes.get("content") or ""
        if (attributes.get("http-equiv") or "").lower() == "refresh":
            if href := parse_refresh(content):
                self.page.links.append((href, "refresh", "", ""))
        elif name := (attributes.get("name") or "").strip().lower():
            if name == "description" and not self.page.description:
                self.page.description = collapse(content, 1000)
            elif name == "robots" and content.strip():
                self.page.robots_meta += ", " * bool(self.page.robots_meta) + content.strip()


_Found = Iterator[tuple[str, LinkKind]]


def _one(name: str, kind: LinkKind) -> Callable[[_Attributes], _Found]:
    """A reader for elements with one URL in one attribute, which is nothing when it is empty."""

    def read(attributes: _Attributes) -> _Found:
        if href := attributes.get(name):
            yield href, kind

    return read


def _hyperlink(kind: LinkKind) -> Callable[[_Attributes], _Found]:
    """A reader for elements whose empty href means the page itself."""

    def read(attributes: _Attributes) -> _Found:
        if "href" in attributes or "xlink:href" in attributes:
            yield attributes.get("href", attributes.get("xlink:href")) or "", kind

    return read


_anchor = _hyperlink("a")


def _image(attributes: _Attributes) -> _Found:
    for name in ("src", "data-src"):  # pages that load images late keep a placeholder in src
        if href := attributes.get(name):
            yield href, "img"
    for name in ("srcset", "data-srcset"):
        for href in parse_srcset(attributes.get(name) or ""):
            yield href, "img"


def _source(attributes: _Attributes) -> _Found:
    if href := attributes.get("src"):
        yield href, "media"
    for name in ("srcset", "data-srcset"):
        for href in parse_srcset(attributes.get(name) or ""):
            yield href, "img"


def _video(attributes: _Attributes) -> _Found:
    for name in ("src", "poster"):
        if href := attributes.get(name):
            yield href, "media"


def _input(attributes: _Attributes) -> _Found:
    if (attributes.get("type") or "").lower() == "image" and (href := attributes.get("src")):
        yield href, "img"


def _form(attributes: _Attributes) -> _Found:
    if (attributes.get("method") or "get").strip().lower() not in ("post", "dialog"):
        yield attributes.get("action") or "", "form"


def _svg_image(attributes: _Attributes) -> _Found:
    href = attributes.get("href") or attributes.get("xlink:href") or ""
    if href and not href.startswith("#"):  # a shape of this document
        yield href, "img"


_REL_KINDS: dict[str, LinkKind] = {
    "stylesheet": "css",
    "icon": "img",
    "apple-touch-icon": "img",
    "apple-touch-icon-precomposed": "img",
    "apple-touch-startup-image": "img",
    "mask-icon": "img",
    "fluid-icon": "img",
    "image_src": "img",
    "modulepreload": "script",
    "manifest": "media",
}
_AS_KINDS: dict[str, LinkKind] = {"style": "css", "script": "script", "worker": "script", "image": "img", "document": "link"}
# Hosts to connect to and endpoints to post to: nothing that could be fetched.
_NO_PAGES = frozenset({"preconnect", "dns-prefetch", "pingback", "webmention"})


def _link(attributes: _Attributes) -> _Found:
    """HTML, 4.2.4: a link element without rel, or without a URL, links nothing."""
    href = attributes.get("href")
    rels = (attributes.get("rel") or "").lower().split()
    if not href or not rels or _NO_PAGES.intersection(rels):
        return
    kind: LinkKind = next((_REL_KINDS[rel] for rel in rels if rel in _REL_KINDS), "link")
    if "preload" in rels or ("prefetch" in rels and attributes.get("as")):
        kind = _AS_KINDS.get((attributes.get("as") or "").lower(), "media")
    yield href, kind
    for image in parse_srcset(attributes.get("imagesrcset") or ""):
        yield image, "img"


_LINKS: dict[str, Callable[[_Attributes], _Found]] = {
    "a": _anchor,
    "area": _hyperlink("area"),
    "iframe": _one("src", "iframe"),
    "frame": _one("src", "frame"),
    "img": _image,
    "input": _input,
    "source": _source,
    "video": _video,
    "audio": _one("src", "media"),
    "track": _one("src", "media"),
    "embed": _one("src", "media"),
    "object": _one("data", "media"),
    "script": _one("src", "script"),
    "link": _link,
    "form": _form,
    "image": _svg_image,
    "use": _svg_image,
}

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


_REFRESH = re.compile(r"[\t\n\f\r ]*(?:[0-9]+|(?=\.))[0-9.]*(?:(?=([\t\n\f\r ;,]))[\t\n\f\r ]*[;,]?[\t\n\f\r ]*(.*))?", re.DOTALL)
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
            links.append((found[1].strip(), parameters.get("rel", "")))
        comma = re.compile(r"[^,]*").match(value, position)
        position = comma.end() if comma else len(value)
    return links
