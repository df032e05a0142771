"""A reading in pieces of JSON, and put together again by somebody who does not trust them.

What is read apart was perhaps made to take its parser over: whatever such a process says can at worst be a wrong page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

from crawler.core.html import ParsedPage
from crawler.core.sitemaps import Sitemap, SitemapEntry
from crawler.engine.reading import Reading

LINKS = 2_000
"""Links in one piece: unpacking one holds up no other thread."""


def pieces(reading: Reading) -> Iterator[bytes]:
    """A reading without its links, then lists of these. Its own links are gone afterwards."""
    rest: list[Any] = []
    if reading.page is not None:
        rest, reading.page.links = reading.page.links, []
    elif reading.sitemap is not None:
        rest = list(reading.sitemap.urls)
        reading = replace(reading, sitemap=reading.sitemap._replace(urls=()))
    yield json.dumps(asdict(reading)).encode()
    for start in range(0, len(rest), LINKS):
        yield json.dumps(rest[start : start + LINKS]).encode()


def whole(first: Any, rest: Iterable[Any]) -> Reading:
    """The reading that came as these values. Raises ValueError for what is none."""
    try:
        page = None if first["page"] is None else _page(first["page"], rest)
        sitemap = None if first["sitemap"] is None else _sitemap(first["sitemap"], rest)
        data = {_text(name): _value(value) for name, value in first["data"].items()}
        return Reading(_text(first["content_type"]), page, sitemap, data, _text(first["problem"]))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no reading: {error}") from error


def _page(facts: dict[str, Any], links: Iterable[Any]) -> ParsedPage:
    canonical = None if facts["canonical"] is None else _text(facts["canonical"])
    others = {name: _text(value) for name, value in facts.items() if name not in ("links", "canonical")}
    anchors = [(_text(href), _text(kind), _text(rel), _text(text)) for href, kind, rel, text in links]
    return ParsedPage(**others, canonical=canonical, links=anchors)  # type: ignore[arg-type]


def _sitemap(facts: list[Any], entries: Iterable[Any]) -> Sitemap:
    _, sitemaps, error = facts
    urls = (SitemapEntry(_text(url), _text(date), _texts(others), _texts(images)) for url, date, others, images in entries)
    return Sitemap(tuple(urls), _texts(sitemaps), _text(error))


def _value(value: Any) -> str | list[str] | None:
    return None if value is None else list(_texts(value)) if isinstance(value, list) else _text(value)


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value
