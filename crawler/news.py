"""What one worker finds out that all workers of a crawl have to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """`quarantined` are hosts, each with a shape of URLs that is a trap there; `widened` the URLs to which seeds have led on other
    hosts, which belong to the crawl since."""

    quarantined: tuple[tuple[str, str], ...] = ()
    widened: tuple[str, ...] = ()


NO_NEWS = News()
