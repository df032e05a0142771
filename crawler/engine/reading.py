"""What a response says, read without changing anything: safe in any thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crawler.core.extract import extract_data
from crawler.core.html import ParsedPage, parse_html
from crawler.core.sitemaps import Sitemap, parse_sitemap
from crawler.model import Request, Response

XML_TYPES = frozenset({"application/xml", "text/xml", "application/rss+xml", "application/atom+xml"})
_SITEMAP_ROOT = re.compile(rb"<(?:\w+:)?(?:urlset|sitemapindex|rss|feed)\b")
HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
LARGE_BODY = 256 * 1024
"""Bodies above this many bytes are read off the event loop."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a response says: the media type, and the parsed page or sitemap."""

    content_type: str = ""
    page: ParsedPage | None = None
    sitemap: Sitemap | None = None
    data: Mapping[str, object] = field(default_factory=dict)


def media_type(response: Response) -> str:
    """The media type of a response in lower case, without parameters."""
    return (response.header("content-type") or "").partition(";")[0].strip().lower()


def read(request: Request, response: Response, extract: Mapping[str, str] | None = None) -> Reading:
    """Reads a response: HTML and sitemaps are parsed, everything else is kept as it came. Safe in any thread."""
    if response.error is not None or (response.status != 200 and not 200 < response.status < 300):
        return Reading(media_type(response))
    if request.role == "sitemap":
        return Reading(sitemap=parse_sitemap(response.body.read(), request.url))
    content_type = media_type(response)
    if content_type in XML_TYPES and _SITEMAP_ROOT.search(response.body.read()[:4096]):
        return Reading(content_type, sitemap=parse_sitemap(response.body.read(), request.url))
    if content_type not in HTML_TYPES and not (content_type == "" and response.body.read()[:64].lstrip()[:1] == b"<"):
        return Reading(content_type)
    body = response.body.read()
    page = parse_html(body, request.url, response.header("content-type") or "")
    return Reading(content_type or "text/html", page, data=extract_data(body, page.charset, extract) if extract else {})


def retry_after(response: Response) -> float | None:
    """Seconds that a Retry-After header asks for, as number or HTTP date (RFC 9110, 10.2.3); None without a usable one."""
    value = (response.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    if not value:
        return None
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


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
    values = [value for name, value in response.headers if name.lower() == "x-robots-tag"]
    if parsed is not None and parsed.robots_meta:
        values.append(parsed.robots_meta)
    return ", ".join(values)
