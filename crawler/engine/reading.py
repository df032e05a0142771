"""What a response says, read without changing anything: safe in any thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from crawler.charset import decode, style_charset
from crawler.core import media_types
from crawler.core.css import parse_css
from crawler.core.extract import extract_data
from crawler.core.hostile import looks_large, looks_small
from crawler.core.html import MOST_LINKS, ParsedPage, parse_html
from crawler.core.sitemaps import Sitemap, parse_sitemap
from crawler.model import Request, Response
from crawler.text import without_controls

XML_TYPES = frozenset({"application/xml", "text/xml", "application/rss+xml", "application/atom+xml", "application/rdf+xml"})
_LIST_ROOT = re.compile(rb"<(?:\w+:)?(?:(urlset|sitemapindex)|rss|feed|RDF)\b")
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
LARGE_BODY = 256 * 1024
"""Bodies above this many bytes are read in a process of their own."""

Effort = Literal["none", "now", "aside", "apart"]
"""What it takes to read a response: nothing, some milliseconds, up to a second, or any time and perhaps the life of its parser."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of a page beside its links to others: values by CSS selector, what its styles load, where its forms go, and the
    texts of its links."""

    extract: Mapping[str, str] = field(default_factory=dict)
    requisites: bool = False
    forms: bool = False
    texts: bool = True


LINKS_ALONE = Wanted()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a response says: the media type, and the parsed sitemap or page (a feed and a style sheet have links as well); or the
    `problem` that nobody could read it."""

    content_type: str = ""
    page: ParsedPage | None = None
    sitemap: Sitemap | None = None
    data: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""


def media_type(response: Response) -> str:
    """The media type of a response in lower case, without parameters."""
    return media_types.media_type(response.header("content-type") or "")


def _kind(request: Request, response: Response) -> Literal["page", "style", "sitemap", "feed"] | None:
    """What a response is to be parsed as; None: it is kept as it came."""
    if response.error is not None or not 200 <= response.status < 300 or request.role == "probe":
        return None
    if request.role == "sitemap":
        return "sitemap"
    content_type = media_type(response)
    if content_type == "text/css":
        return "style"
    if content_type in HTML_TYPES or (content_type == "" and response.body.head(64).lstrip()[:1] == b"<"):
        return "page"
    root = _LIST_ROOT.search(response.body.head(4096)) if content_type in XML_TYPES else None
    return None if root is None else "sitemap" if root[1] else "feed"


def effort(request: Request, response: Response) -> Effort:
    """What it takes to read a response, told at a glance."""
    kind, body = _kind(request, response), response.body
    if kind is None:
        return "none"
    if body.data is None or body.size > LARGE_BODY or body.data.startswith(b"\x1f\x8b"):  # a packed sitemap may hold anything
        return "apart"
    if looks_small(body.data):
        return "now"
    return "apart" if kind == "page" and looks_large(body.data) else "aside"


def read(request: Request, response: Response, wanted: Wanted = LINKS_ALONE, *, is_small: bool = False) -> Reading:
    """Reads a response: HTML, feeds and sitemaps are parsed, style sheets when requisites are wanted; everything else is kept as it
    came. `is_small` when its effort is known to be `now`. Safe in any thread."""
    kind, content_type = _kind(request, response), media_type(response)
    if kind is None or (kind == "style" and not wanted.requisites):
        return Reading(content_type)
    body, full_type = response.body.read(), response.header("content-type") or ""
    if kind == "sitemap":
        return Reading("" if request.role == "sitemap" else content_type, sitemap=parse_sitemap(body, request.url))
    if kind == "feed":
        items = parse_sitemap(body, request.url).urls
        return Reading(content_type, ParsedPage(request.url, [(item.url, "link", "", "") for item in items], charset=""))
    if kind == "style":
        return Reading(content_type, _style_sheet(body, request.url, full_type))
    page = parse_html(body, request.url, full_type, requisites=wanted.requisites, forms=wanted.forms, texts=wanted.texts, is_small=is_small)
    return Reading(content_type or "text/html", page, data=extract_data(body, page.charset, wanted.extract) if wanted.extract else {})


def _style_sheet(body: bytes, url: str, content_type: str) -> ParsedPage:
    charset = style_charset(body, content_type)
    return ParsedPage(url, [(href, kind, "", "") for href, kind in parse_css(decode(body, charset))[:MOST_LINKS]], charset=charset)


def retry_after(response: Response) -> float | None:
    """Seconds that a Retry-After header asks for, as number or HTTP date (RFC 9110, 10.2.3); None without a usable one. A date is
    read by the clock of who wrote it, where the answer tells that (Date)."""
    value = (response.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    if not value:
        return None
    try:
        return max(0.0, (parsedate_to_datetime(value) - (_date_of(response) or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _date_of(response: Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.header("date") or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def location_of(response: Response) -> str:
    """The Location of a redirect as browsers read it: its bytes are UTF-8 where they can be (headers arrive as Latin-1). ""
    without one."""
    value = response.header("location") or ""
    try:
        return value.encode("latin-1").decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return value


def robots_meta_of(response: Response, parsed: ParsedPage | None) -> str:
    """Meta robots and X-Robots-Tag, joined."""
    values = response.all_headers("x-robots-tag")
    if parsed is not None and parsed.robots_meta:
        values.append(parsed.robots_meta)
    return without_controls(", ".join(values))
