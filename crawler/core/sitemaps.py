"""Sitemaps: from the bytes of a sitemap, a sitemap index, a text list, an RSS or Atom feed to the URLs that they name.

Source: sitemaps.org protocol 0.9, Google's hreflang and image extensions, RSS 2.0 and 1.0, RFC 4287 (Atom).
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Sequence, Set
from typing import Literal, NamedTuple
from xml.parsers import expat

from crawler.core.urls import host_key, resolve

# sitemaps.org: a file is at most 50 MB large, uncompressed. Of its 50,000 entries many sites think less strictly.
MAX_SITEMAP_SIZE = 50 * 1024 * 1024
MAX_SITEMAP_URLS = 500_000
_MAX_TEXT = 64 * 1024
_MAX_DEPTH = 100


class SitemapEntry(NamedTuple):
    """One page: its URL, its lastmod (pubDate, updated) as written, the URLs of its other languages and of its images."""

    url: str
    lastmod: str = ""
    alternates: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class Sitemap(NamedTuple):
    """What a sitemap names, in its order: pages, and further sitemaps. `error` says why it may not be all; "" when it is."""

    urls: tuple[SitemapEntry, ...] = ()
    sitemaps: tuple[str, ...] = ()
    error: str = ""


def parse_sitemap(body: bytes, url: str, cross_host: bool = True) -> Sitemap:
    """The pages and sitemaps that `body`, read from `url`, names, as absolute http(s) URLs. Never raises.

    Takes XML, RSS, Atom or one URL a line, each also gzipped. Links are resolved against `url`. Without `cross_host` those on
    another host are dropped, images apart: sitemaps.org lets only a sitemap named in that host's robots.txt speak for it. Videos are
    no pages. Whatever is damaged, cut off, too large or hostile gives what could be read, and an `error`. From
    where XML is broken or declares entities it is searched for <loc> elements.
    """
    found = _Found(url, cross_host)
    body, cut = _unpacked(body)
    text = _as_utf8(body).strip()
    try:
        # A line cut by a limit or a broken gzip is no URL.
        error = _read_xml(text, found) if text.startswith(b"<") else _read_lines(text[: text.rfind(b"\n") + 1] if cut else text, found)
    except _Full as full:
        error = str(full)
    return Sitemap(tuple(found.entries), tuple(found.sitemaps), cut or error)  # XML is broken where it was cut


class _Full(Exception):
    """There are more URLs than one file may give."""


class _Refused(Exception):
    """The document could cost far more than its size: it declares entities, or its elements are nested without end."""


_Kind = Literal["url", "sitemap", "item", "entry"]
_KINDS: dict[str, _Kind] = {"url": "url", "sitemap": "sitemap", "item": "item", "entry": "entry"}


class _Found:
    """What was found so far, resolved and judged."""

    def __init__(self, url: str, cross_host: bool) -> None:
        self.entries: list[SitemapEntry] = []
        self.sitemaps: list[str] = []
        self.base = url
        self._host = None if cross_host else host_key(url)
        self._count = 0

    def add(self, kind: _Kind, location: str, lastmod: str, alternates: Sequence[str] = (), images: Sequence[str] = ()) -> None:
        self._count += 1 + len(alternates) + len(images)
        if self._count > MAX_SITEMAP_URLS:
            raise _Full(f"more than {MAX_SITEMAP_URLS:,} URLs")
        url = self._resolved(location)
        others = tuple(other for href in alternates if (other := self._resolved(href)))
        if url is None and others:
            url, others = others[0], others[1:]
        if url is None:
            return
        if kind == "sitemap":
            self.sitemaps.append(url)
        else:
            pictures = tuple(picture for href in images if (picture := self._resolved(href, on_any_host=True)))
            self.entries.append(SitemapEntry(url, lastmod, others, pictures))

    def _resolved(self, href: str, on_any_host: bool = False) -> str | None:
        url = resolve(href, self.base) if href else None
        if url is None or not url.startswith(("http://", "https://")):
            return None
        return url if on_any_host or self._host is None or host_key(url) == self._host else None


def _read_xml(text: bytes, found: _Found) -> str:
    """Reads XML event by event; from where that fails on, searches for <loc>. Returns the error or ""."""
    reader = _Reader(found)
    try:
        reader.read(text)
    except _Refused as refused:
        error = str(refused)
    except (expat.ExpatError, LookupError, ValueError) as failure:
        error = f"broken XML: {failure}"
    else:
        known = found.entries or found.sitemaps or reader.root in ("urlset", "sitemapindex", "rss", "RDF", "feed")
        return "" if known else f"not a sitemap but <{reader.root}>"
    _search(text[reader.position :].decode("utf-8", "replace"), found)
    return error


class _Reader:
    """Turns the events of expat into entries: an entry element, in it the fields that are its own children."""

    _FIELDS = frozenset(("loc", "lastmod", "link", "guid", "pubDate", "date", "updated", "published"))

    def __init__(self, found: _Found) -> None:
        self.root = ""
        self.position = 0
        """Where the last whole entry ended, in bytes."""
        self._found = found
        self._depth = 0
        self._entry: _Kind | None = None
        self._entry_depth = 0
        self._field = ""
        self._text: list[str] = []
        self._size = 0
        self._values: dict[str, str] = {}
        self._alternates: list[str] = []
        self._images: list[str] = []
        self._in_image = False
        self._bases: list[tuple[int, str]] = []  # the depth of each element with an xml:base, and what it means there

    def read(self, text: bytes) -> None:
        # The text has been made UTF-8 where its declaration says something that expat cannot read.
        self._parser = parser = expat.ParserCreate("utf-8" if _declared(text) in _TRANSCODED else None)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = self._entity
        parser.AttlistDeclHandler = self._attribute
        parser.Parse(text, True)

    def _entity(self, *_: object) -> None:
        raise _Refused("entity declarations are refused")

    def _attribute(self, *_: object) -> None:
        # Each is compared with all others, and every element is given all of them.
        raise _Refused("attribute declarations are refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused(f"elements nested deeper than {_MAX_DEPTH}")
        name = tag.rpartition(":")[2]
        if self._depth == 1:
            self.root = name[:100]
        if "xml:base" in attributes:  # XML Base, 3.1
            outer = self._bases[-1][1] if self._bases else self._found.base
            self._bases.append((self._depth, resolve(attributes["xml:base"].strip(), outer) or outer))
        if self._entry is None:
            if name in _KINDS:
                self._entry, self._entry_depth = _KINDS[name], self._depth
                self._values, self._alternates, self._images = {}, [], []
                self._collect("text")  # some indexes have no <loc> inside <sitemap>
        elif self._depth == self._entry_depth + 1:
            if self._field == "text":
                self._keep()
            self._collect(name if name in self._FIELDS else "")
            if name == "link" and "href" in attributes:
                self._link(attributes)
            elif name == "guid" and attributes.get("isPermaLink") == "false":
                self._field = ""
            self._in_image = name == "image"
        elif self._in_image and self._depth == self._entry_depth + 2:
            self._collect("image" if name == "loc" else "")

    def _link(self, attributes: dict[str, str]) -> None:
        """xhtml:link (another language) or atom:link (the page itself)."""
        self._field = ""
        if "alternate" not in attributes.get("rel", "alternate").split():
            return
        if self._entry == "url":
            self._alternates.append(self._resolved(attributes["href"].strip()))
        else:
            self._values.setdefault("loc", self._resolved(attributes["href"].strip()))

    def _resolved(self, href: str) -> str:
        """An href where an xml:base says what it is relative to."""
        return resolve(href, self._bases[-1][1]) or href if self._bases and href else href

    def _data(self, data: str) -> None:
        if self._field and self._size <= _MAX_TEXT:
            self._size += len(data)
            self._text.append(data)

    def _end(self, tag: str) -> None:
        if self._entry is not None:
            if self._depth == self._entry_depth + 1 or self._field == "image":
                self._keep()
            elif self._depth == self._entry_depth:
                self._keep()
                self._finish(self._entry)
        if self._bases and self._bases[-1][0] == self._depth:
            self._bases.pop()
        self._depth -= 1

    def _collect(self, field: str) -> None:
        self._field, self._text, self._size = field, [], 0

    def _keep(self) -> None:
        """Keeps the first text of a field that is not empty."""
        if self._field and (text := "".join(self._text).strip()):
            if self._field == "image":
                self._images.append(self._resolved(text))
            else:
                self._values.setdefault(self._field, self._resolved(text) if self._field in ("loc", "link") else text)
        self._collect("")

    def _finish(self, kind: _Kind) -> None:
        values = self._values
        location = values.get("loc") or values.get("link") or values.get("guid", "")
        if not location and values.get("text", "").startswith("http"):
            location = values["text"]
        if "guid" in values and location == values["guid"] and not location.startswith("http"):
            location = ""
        lastmod = next((values[name] for name in ("lastmod", "updated", "pubDate", "date", "published") if name in values), "")
        self._entry = None
        self.position = self._parser.CurrentByteIndex
        self._found.add(kind, location, lastmod, self._alternates, self._images)


# Every part begins at a "<" and cannot pass another, so the search is linear in whatever text. What the end of the text cuts
# is no location: half a URL would be another URL.
_element = re.compile(
    r"<(?:([\w.-]+):)?(url|sitemap|item|loc|lastmod|link|pubDate)(?=[\s/>])[^<>]*>"
    r"\s*(?:<!\[CDATA\[([^<\]]*+)(?=[<\]])|([^<]*+)(?=<))",
    re.IGNORECASE,
)
_internal_entity = re.compile(r"<!ENTITY\s{1,9}([\w.-]{1,99}+)\s{1,9}[\"']")
_reference = re.compile(r"&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z_][\w.-]{0,31});")
_PREDEFINED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _search(text: str, found: _Found) -> None:
    """Finds the entries of broken XML by their tags alone. A loc counts when its prefix is that of its entry: no image:loc."""
    declared = frozenset(_internal_entity.findall(text))  # what refers to one says more than is read here: without it is another URL
    kind: _Kind = "url"
    entry_prefix: str | None = None
    location = lastmod = ""
    for match in _element.finditer(text):
        prefix, name = match[1], match[2].lower()
        content = match[3] if match[3] is not None else "" if declared and _names_any(match[4], declared) else _unescaped(match[4])
        if name in ("url", "sitemap", "item"):
            found.add(kind, location, lastmod)
            kind, entry_prefix, location, lastmod = _KINDS[name], prefix, "", ""
        elif prefix == entry_prefix:
            if name in ("lastmod", "pubdate"):
                lastmod = lastmod or content.strip()
            elif name == "loc" or kind == "item":
                location = location or content.strip()
    found.add(kind, location, lastmod)


def _names_any(text: str, declared: Set[str]) -> bool:
    return any(match[1] in declared for match in _reference.finditer(text))


def _unescaped(text: str) -> str:
    """Text with XML's own references replaced; references to anything else stand for nothing."""
    return _reference.sub(_replacement, text) if "&" in text else text


def _replacement(match: re.Match[str]) -> str:
    name = match[1]
    if name[0] != "#":
        return _PREDEFINED.get(name, "")
    number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
    return chr(number) if number < 0x110000 else ""


def _read_lines(text: bytes, found: _Found) -> str:
    """Reads a text sitemap: one absolute URL a line; other lines are passed over. Returns the error or ""."""
    for line in text.decode("utf-8", "replace").splitlines():
        line = line.strip()
        if line[:8].lower().startswith(("http://", "https://")):
            found.add("url", line, "")
    return "" if found.entries else "not a sitemap" if text else "empty"


def _unpacked(body: bytes) -> tuple[bytes, str]:
    """The body without its gzip, at most MAX_SITEMAP_SIZE bytes of it, and what was wrong."""
    if not body.startswith(b"\x1f\x8b"):
        return body[:MAX_SITEMAP_SIZE], _too_large if len(body) > MAX_SITEMAP_SIZE else ""
    parts: list[bytes] = []
    left = MAX_SITEMAP_SIZE + 1
    while body.startswith(b"\x1f\x8b") and left > 0:  # RFC 1952, 2.2: members may follow each other
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(body, left))
        except zlib.error as error:
            return b"".join(parts), f"broken gzip: {error}"
        left -= len(parts[-1])
        if left > 0 and not member.eof:
            return b"".join(parts), "truncated gzip"
        body = member.unused_data
    unpacked = b"".join(parts)
    return unpacked[:MAX_SITEMAP_SIZE], _too_large if len(unpacked) > MAX_SITEMAP_SIZE else ""


_too_large = "larger than 50 MB"

# Encodings of more than one byte that expat does not read itself; others it reads or refuses.
_TRANSCODED = frozenset(("utf-16", "utf-16le", "utf-16be", "gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"))
_declaration = re.compile(rb"""<\?xml[^>]{0,100}?encoding\s{0,9}=\s{0,9}["']([\w.-]{1,40})""", re.IGNORECASE)


def _declared(text: bytes) -> str:
    declaration = _declaration.match(text)
    return declaration[1].decode("ascii").lower() if declaration else ""


def _as_utf8(body: bytes) -> bytes:
    """The body without byte order mark, as UTF-8 where its encoding has more than one byte a character."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith((mark, "<".encode(encoding))):
            return body.decode(encoding, "replace").removeprefix("\ufeff").encode()
    body = body.lstrip().removeprefix(codecs.BOM_UTF8).lstrip()
    declared = _declared(body)
    if declared in _TRANSCODED and not declared.startswith("utf-16"):
        return body.decode(declared, "replace").encode()
    return body
