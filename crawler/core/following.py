"""Which links lead to pages: what a link is decides that before its URL does."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.core.urls import Verdict

FOLLOWED_KINDS = frozenset({"a", "area", "iframe", "frame", "link", "refresh", "header", "redirect", "sitemap", "form"})
# Rels of a Link header that name parts of the page, or hosts to connect to, not pages.
_PARTS = frozenset({"preload", "modulepreload", "stylesheet", "icon"})
_HELPERS = _PARTS | {"prefetch", "preconnect", "dns-prefetch"}

SITEMAPS_ONLY = "--sitemap only"
"""The detail of a refusal that no wider scope takes back."""


@dataclass(frozen=True, slots=True)
class Following:
    """The rules of a crawl for links of whatever URL: whether nofollow counts, whether sitemaps alone are followed, and whether
    pages are fetched with what they are made of."""

    respect_nofollow: bool = False
    only_sitemaps: bool = False
    requisites: bool = False

    def fetches_with_page(self, kind: str, rel: str) -> bool:
        """Whether a link is to a part of its page, and that is fetched."""
        if not self.requisites:
            return False
        return kind not in FOLLOWED_KINDS or (kind == "header" and not _PARTS.isdisjoint(rel.lower().split()))

    def closes(self, robots_meta: str) -> bool:
        """Whether a page says that none of its links is to be followed, and that counts."""
        return self.respect_nofollow and not {word.strip().lower() for word in robots_meta.split(",")}.isdisjoint({"nofollow", "none"})

    def refusal(self, kind: str, rel: str, closed: bool = False) -> Verdict | None:
        """Why a link is not followed whatever its URL; None when it is. `closed` is what `closes` said of its page."""
        words = rel.lower().split()
        if kind not in FOLLOWED_KINDS or (kind == "header" and not _HELPERS.isdisjoint(words)):
            return "requisite", kind
        if self.respect_nofollow and (closed or "nofollow" in words):
            return "nofollow", "robots meta" if closed else "rel=nofollow"
        return ("scope", SITEMAPS_ONLY) if self.only_sitemaps else None
