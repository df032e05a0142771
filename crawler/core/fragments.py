"""Which anchors pages have, and which are linked: what comes behind the `#` of a URL (HTML, 7.4.6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser

from crawler.core.hostile import looks_hostile
from crawler.core.urls import fingerprint
from crawler.model import Page

_ANCHORS = frozenset({"a", "area"})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_DIRECTIVE = ":~:"


def fragment_of(href: str) -> str:
    """The anchor that a link names; "" for none: the top of a page, a text to be found (`#:~:text=`), a route of a script (`#/`, `#!`)."""
    fragment = href.partition("#")[2].strip().partition(_DIRECTIVE)[0]
    return "" if fragment.lower() == "top" or fragment.startswith(("/", "!")) else fragment


def anchors_of(body: str) -> frozenset[int]:
    """The anchors of a page, each as a fingerprint: every id, and the name of every a."""
    names: set[str] = set()
    for node in LexborHTMLParser(body).css("[id], a[name]"):
        attributes = node.attributes
        names.update(name for name in (attributes.get("id"), attributes.get("name") if node.tag == "a" else None) if name)
    return frozenset(map(fingerprint, names))


def has_anchor(anchors: Iterable[int], fragment: str) -> bool:
    """Whether a page with these anchors has the one that a fragment names, as it stands or percent-decoded."""
    return any(fingerprint(name) in anchors for name in {fragment, unquote(fragment)})


class Anchors:
    """Collects, page by page, which anchors there are and which are linked. Pages that nobody can parse in time are left out."""

    def __init__(self) -> None:
        self._there: dict[int, frozenset[int]] = {}
        self._linked: dict[tuple[int, str], list[tuple[str, str, str]]] = {}

    def see(self, page: Page) -> None:
        """Takes a page, with its body."""
        for target, (href, kind, _, text) in zip(page.targets, page.anchors, strict=True):
            if target is not None and kind in _ANCHORS and (fragment := fragment_of(href)):
                self._linked.setdefault((target[0], fragment), []).append((page.url, kind, text))
        if page.outcome == "ok" and page.content_type in _HTML and page.role == "page" and not looks_hostile(page.body):
            self._there[page.id] = anchors_of(page.text)

    def missing(self, ends: dict[int, int]) -> dict[tuple[int, str], list[tuple[str, str, str]]]:
        """The anchors that are linked and not there: the id of the target, the fragment, and where it is linked (URL, kind, text).
        `ends` tells where redirects end, by id. Nothing is said of pages that were not seen."""
        return {
            (target, fragment): sources
            for (target, fragment), sources in self._linked.items()
            if (anchors := self._there.get(ends.get(target, target))) is not None and not has_anchor(anchors, fragment)
        }
