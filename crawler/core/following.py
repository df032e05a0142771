"""Which links lead to pages: what a link is decides that before its URL does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crawler.core.urls import Verdict

FOLLOWED_KINDS = frozenset({"a", "area", "iframe", "frame", "link", "refresh", "header", "redirect", "sitemap", "form"})
REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
# Rels of a Link header that name parts of the page, or hosts to connect to, not pages.
_PARTS = frozenset({"preload", "modulepreload", "stylesheet", "icon"})
_HELPERS = _PARTS | {"prefetch", "preconnect", "dns-prefetch"}

# Rules of an X-Robots-Tag that have a colon, as a name in front of the rules has.
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})

SITEMAPS_ONLY = "--sitemap only"
"""The detail of a refusal that no wider scope takes back."""


@dataclass(frozen=True, slots=True)
class Following:
    """The rules of a crawl for links of whatever URL: whether nofollow counts, whether sitemaps alone are followed, whether pages are
    fetched with what they are made of, and the name that sites may speak to."""

    respect_nofollow: bool = False
    only_sitemaps: bool = False
    requisites: bool = False
    agent: str = "asyncrawl"

    def fetches_with_page(self, kind: str, rel: str) -> bool:
        """Whether a link is to a part of its page, and that is fetched."""
        if not self.requisites:
            return False
        return kind not in FOLLOWED_KINDS or (kind == "header" and not _PARTS.isdisjoint(rel.lower().split()))

    def closes(self, robots_meta: str, robots_tags: Iterable[str] = ()) -> bool:
        """Whether a page says that none of its links is to be followed, in its meta elements or its X-Robots-Tag headers, and that
        counts."""
        if not self.respect_nofollow:
            return False
        said = ",".join((robots_meta, *map(self._said_to_us, robots_tags)))
        return not {word.strip().lower() for word in said.split(",")}.isdisjoint({"nofollow", "none"})

    def _said_to_us(self, robots_tag: str) -> str:
        """The rules of an X-Robots-Tag; "" when it names somebody else in front, as `googlebot: nofollow` does."""
        name, colon, rules = robots_tag.partition(":")
        name = name.strip().lower()
        if not colon or "," in name or name in _WITH_VALUE:
            return robots_tag
        return rules if name in ("*", "robots", self.agent.lower()) else ""

    def refusal(self, kind: str, rel: str, closed: bool = False) -> Verdict | None:
        """Why a link is not followed whatever its URL; None when it is. `closed` is what `closes` said of its page."""
        words = rel.lower().split()
        if kind not in FOLLOWED_KINDS or (kind == "header" and not _HELPERS.isdisjoint(words)):
            return "requisite", kind
        if self.respect_nofollow and (closed or "nofollow" in words):
            return "nofollow", "robots meta" if closed else "rel=nofollow"
        return ("scope", SITEMAPS_ONLY) if self.only_sitemaps else None
