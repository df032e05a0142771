"""Which links lead to pages: what a link is decides that before its URL does."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.core.urls import Verdict

FOLLOWED_KINDS = frozenset({"a", "area", "iframe", "frame", "link", "refresh", "header", "redirect", "sitemap"})
# Rels of a Link header that name helpers of the page, not pages.
_HELPERS = frozenset({"preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "stylesheet", "icon"})

SITEMAPS_ONLY = "--sitemap only"
"""The detail of a refusal that no wider scope takes back."""


@dataclass(frozen=True, slots=True)
class Following:
    """The rules of a crawl for links of whatever URL: whether nofollow counts, and whether sitemaps alone are followed."""

    respect_nofollow: bool = False
    only_sitemaps: bool = False

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
