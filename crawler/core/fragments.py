"""Which anchors pages have, and which are linked: what comes behind the `#` of a URL (HTML, 7.4.6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser

from crawler.core.hostile import looks_hostile
from crawler.core.urls import fingerprint
from crawler.model import Page

_ANCHORS = frozenset({"a", "area"})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_DIRECTIVE = ":~:"
# Lines of a file, which a script marks (GitHub, GitLab, Gitea).
_LINES = re.compile(r"L\d+(C\d+)?(-L?\d+(C\d+)?)?")
# What is written before the ids of a user's text, whose links leave it out; a script finds them (GitHub).
_WRITTEN_BEFORE = "user-content-"


def fragment_of(href: str) -> str:
    """The anchor that a link names; "" for none: the top of a page, a text to be found (`#:~:text=`), a route of a script (`#/`, `#!`)."""
    fragment = href.partition("#")[2].strip().partition(_DIRECTIVE)[0]
    return "" if fragment.lower() == "top" or fragment.startswith(("/", "!")) else fragment


def anchors_of(body: str, prefix: str = "") -> frozenset[int]:
    """The anchors of a page, each as a fingerprint: every id, and the name of every a; those that begin with a prefix without it, too."""
    names: set[str] = set()
    for node in LexborHTMLParser(body).css("[id], a[name]"):
        attributes = node.attributes
        names.update(name for name in (attributes.get("id"), attributes.get("name") if node.tag == "a" else None) if name)
    if prefix:
        names |= {name.removeprefix(prefix) for name in names}
    return frozenset(map(fingerprint, names))


def has_anchor(anchors: Iterable[int], fragment: str) -> bool:
    """Whether a page with these anchors has the one that a fragment names, as it stands or percent-decoded."""
    return any(fingerprint(name) in anchors for name in {fragment, unquote(fragment)})


class Anchors:
    """Collects, page by page, which anchors there are and which are linked. Pages that nobody can parse in time are left out.

    An anchor that is linked has the id of its target and its fragment; `ends` tells where redirects end, by id.
    """

    def __init__(self) -> None:
        self._there: dict[int, frozenset[int]] = {}
        self._linked: dict[tuple[int, str], list[tuple[str, str, str]]] = {}
        self._elsewhere: set[int] = set()

    def see(self, page: Page) -> None:
        """Takes a page of the site, with its body."""
        for target, (href, kind, _, text) in zip(page.targets, page.anchors, strict=True):
            if target is not None and kind in _ANCHORS and (fragment := fragment_of(href)):
                self._linked.setdefault((target[0], fragment), []).append((page.url, kind, text))
        if page.role == "page" and _can_be_read(page):
            self._there[page.id] = anchors_of(page.text)

    def see_elsewhere(self, identity: int, page: Page) -> bool:
        """Takes what stands where `identity` leads, of which the links do not count. False when its anchors cannot be told."""
        if can_be_told := _can_be_read(page):
            self._there[identity] = anchors_of(page.text, _WRITTEN_BEFORE)
            self._elsewhere.add(identity)
        return can_be_told

    def unseen(self, ends: Mapping[int, int]) -> Iterator[tuple[int, str]]:
        """The anchors that are linked on pages that were not seen: the id of the page, and the fragment."""
        linked = ((ends.get(target, target), fragment) for target, fragment in self._linked)
        return ((end, fragment) for end, fragment in linked if end not in self._there and not _LINES.fullmatch(fragment))

    def good_elsewhere(self, ends: Mapping[int, int]) -> Iterator[tuple[int, str]]:
        """Those that were found elsewhere."""
        linked = ((ends.get(target, target), fragment) for target, fragment in self._linked)
        return ((end, fragment) for end, fragment in linked if end in self._elsewhere and has_anchor(self._there[end], fragment))

    def count(self, ends: Mapping[int, int]) -> int:
        """How many of those that are linked could be looked for."""
        return sum(ends.get(target, target) in self._there for target, _ in self._linked)

    def missing(self, ends: Mapping[int, int]) -> dict[tuple[int, str], list[tuple[str, str, str]]]:
        """The anchors that are linked and not there: the id of the target, the fragment, and where it is linked (URL, kind, text).
        Nothing is said of pages that were not seen."""
        return {
            (target, fragment): sources
            for (target, fragment), sources in self._linked.items()
            if (anchors := self._there.get(end := ends.get(target, target))) is not None
            and not has_anchor(anchors, fragment)
            and not (end in self._elsewhere and _LINES.fullmatch(fragment))
        }


def _can_be_read(page: Page) -> bool:
    return page.outcome == "ok" and page.content_type in _HTML and not looks_hostile(page.body)
