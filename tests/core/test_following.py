"""What a link is decides before its URL does."""

from __future__ import annotations

import pytest

from crawler.core.following import Following


@pytest.mark.parametrize(
    ("meta", "tags", "closed"),
    [
        ("nofollow", (), True),
        ("noindex, NoFollow", (), True),
        ("none", (), True),
        ("max-image-preview:none, index", (), False),
        ("", ("nofollow",), True),
        ("", ("noindex", "nofollow"), True),
        ("", ("asyncrawl: noindex, nofollow",), True),
        ("", ("AsynCrawl: none",), True),
        ("", ("*: nofollow",), True),
        ("", ("googlebot: nofollow",), False),
        ("", ("otherbot: noindex, nofollow",), False),
        ("", ("otherbot: noindex", "nofollow"), True),
        ("", ("unavailable_after: 25 Jun 2027 15:00:00 PST, nofollow",), True),
        ("", ("max-image-preview: none",), False),
        ("follow", ("all",), False),
        ("", (), False),
    ],
)
def test_who_wants_no_link_followed(meta: str, tags: tuple[str, ...], closed: bool) -> None:
    """Meta elements speak to all; an X-Robots-Tag that begins with a name to whom it names. Without the setting nothing counts."""
    assert Following(respect_nofollow=True).closes(meta, tags) is closed
    assert Following().closes(meta, tags) is False


def test_another_name_is_spoken_to_by_that_name() -> None:
    """The name is the one that is looked for in robots.txt."""
    rules = Following(respect_nofollow=True, agent="docsbot")
    assert rules.closes("", ("DocsBot: nofollow",))
    assert not rules.closes("", ("asyncrawl: nofollow",))


@pytest.mark.parametrize(
    ("kind", "rel", "is_part"),
    [
        ("img", "", True), ("script", "", True), ("css", "stylesheet", True), ("media", "", True),
        ("a", "", False), ("iframe", "", False), ("link", "next", False), ("sitemap", "", False), ("form", "", False),
        ("header", "preload", True), ("header", "Stylesheet", True), ("header", "next", False),
        ("header", "preconnect", False), ("header", "prefetch", False),
    ],
)  # fmt: skip
def test_what_is_fetched_with_its_page(kind: str, rel: str, is_part: bool) -> None:
    """Parts of pages are, and pages and hosts to connect to are not; without the setting nothing is."""
    assert Following(requisites=True).fetches_with_page(kind, rel) is is_part
    assert not Following().fetches_with_page(kind, rel)
