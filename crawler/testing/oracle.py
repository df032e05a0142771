"""What a crawl should have found, worked out in a second, simpler way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urldefrag, urljoin, urlsplit

from crawler.model import Response
from crawler.testing.answers import Answer, PageValue, SiteRequest

_HREF = re.compile(rb"""<(?:a|area)\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_NOWHERE = "http://site.invalid"


def reachable(pages: Mapping[str, PageValue | Response], start: str = "/") -> set[str]:
    """The URLs that following links and redirects from `start` leads to, `start` included.

    `pages` is what `site()` or a fake fetcher takes. With a path as `start` the result holds paths (with their queries) of
    this one site; with a URL it holds URLs, of every host that the keys name. URLs that are linked and not declared are
    in it, for a crawler asks for them too. Pages that are functions are called with a GET.
    """
    as_paths = start.startswith("/")
    first = _NOWHERE + start if as_paths else start
    hosts = {urlsplit(first).netloc} | {urlsplit(key).netloc for key in pages if "://" in key}
    found, waiting = {first}, [first]
    while waiting:
        url = waiting.pop()
        for target in _targets(url, pages):
            if target not in found and urlsplit(target).netloc in hosts and target.startswith("http"):
                found.add(target)
                waiting.append(target)
    return {url.removeprefix(_NOWHERE) for url in found} if as_paths else found


def _targets(url: str, pages: Mapping[str, PageValue | Response]) -> list[str]:
    parts = urlsplit(url)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    value = next((pages[key] for key in (url, target, path) if key in pages), "")
    if callable(value):
        value = value(SiteRequest("GET", target, b"GET"))
    headers, body = _content(value)
    location = [text for name, text in headers if name.lower() == "location"]
    hrefs = [unescape(next(filter(None, groups), b"").decode("utf-8", "replace")).strip() for groups in _HREF.findall(body)]
    joined = [urldefrag(urljoin(url, href)).url for href in (location or hrefs)]
    return [each if urlsplit(each).path else each + "/" for each in joined]


def _content(value: str | bytes | Answer | Response) -> tuple[tuple[tuple[str, str], ...], bytes]:
    if isinstance(value, Response):
        return value.headers, value.body.read()
    if isinstance(value, Answer):
        return value.headers, value.body
    return (), value.encode() if isinstance(value, str) else value
