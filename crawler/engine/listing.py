"""What robots.txt, sitemaps and their indexes list: URLs to ask for and links to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crawler.core.html import LINK_TEXT_LENGTH
from crawler.core.robots import parse_robots
from crawler.core.seen import SeenFilter, known_as
from crawler.core.sitemaps import Sitemap, SitemapEntry
from crawler.core.urls import Target
from crawler.engine.bounds import OF_SITEMAP, STEP, Bounds
from crawler.engine.steps import Steps
from crawler.model import ErrorKind, LinkRow, PageError, Refusal, Request, RobotsFacts, Role

NESTED = 10
"""Steps from a robots.txt to a sitemap, redirects counted: an index that names further ones without end is left."""

Listed = tuple[list[LinkRow], list[Request], list[Refusal]]


class Listing:
    """Turns lists of URLs into links, requests and refusals. `seen` knows the URLs that need not be added again; `requisites`
    tells whether images are asked for, `only_sitemaps` that nothing but sitemaps leads on."""

    def __init__(self, bounds: Bounds, seen: SeenFilter, requisites: bool = False, only_sitemaps: bool = False) -> None:
        self._bounds = bounds
        self._seen = seen
        self._requisites = requisites
        self._only_sitemaps = only_sitemaps

    def of_robots(self, request: Request, facts: RobotsFacts, agent: str | None = None) -> Steps[Listed]:
        """The sitemaps to ask for once an origin's robots.txt is known: those it names, else /sitemap.xml. That one is a guess,
        found nowhere unless sitemaps are all that counts: where `agent` may not ask for it, it is no URL of the crawl."""
        if facts.text is None or not self._bounds.has_sitemap(request.host):
            return [], [], []
        robots, guess = parse_robots(facts.text), f"{facts.origin}/sitemap.xml"
        if not robots.sitemaps and agent is not None and not robots.decide(agent, guess).allowed:
            return [], [], []
        named = robots.sitemaps or (guess,)
        source = f"{facts.origin}/robots.txt"
        targets = yield from self._bounds.targets(source, named)
        return [], *self._sitemaps(targets, source if robots.sitemaps or self._only_sitemaps else None, ())

    def _sitemaps(
        self, targets: Sequence[Target | None], parent: str | None, chain: tuple[int, ...]
    ) -> tuple[list[Request], list[Refusal]]:
        """What to ask for of the sitemaps that a robots.txt or an index names: those on hosts that belong to the crawl."""
        requests, refusals = [], []
        for target in targets:
            if target is None or not target.host:
                continue
            verdict = self._bounds.of_sitemap(target)
            if verdict is None and len(chain) >= NESTED:
                verdict = ("trap", f"{OF_SITEMAP}nested deeper than {NESTED}")
            if verdict is not None:
                refusals.append(Refusal(target.url, target.id, *verdict, parent))
            else:
                requests.append(Request(target.url, target.id, target.host, role="sitemap", parent=parent, chain=chain))
        return requests, refusals

    def of_sitemap(self, request: Request, sitemap: Sitemap) -> Steps[Listed]:
        """What a sitemap lists: further sitemaps, pages, their other languages (`alternate`) and their images. The text of a link to a
        page is its lastmod."""
        depth, url = request.depth + 1, request.url
        # A sitemap that is no page counts the steps to it, so that no two of them can name each other for ever in new words.
        chain = (*request.chain, request.id) if request.role == "sitemap" else (request.id,)
        sitemaps = yield from self._bounds.targets(url, sitemap.sitemaps)
        requests, refusals = self._sitemaps(sitemaps, url, chain)
        entries = [entry for listed in sitemap.urls for entry in _links_of(listed)]
        targets = yield from self._bounds.targets(url, [entry[0] for entry in entries])
        rows: list[LinkRow] = []
        for number, (target, (_, kind, rel, text)) in enumerate(zip(targets, entries, strict=True), 1):
            if number % (10 * STEP) == 0:
                yield
            if target is None:
                continue
            rows.append((target.id, kind, rel, text))
            is_page = kind == "sitemap"
            if known_as("page" if is_page else "requisite", target.id) in self._seen:
                continue
            verdict = target.refusal if is_page else self._bounds.of_requisite(target) if self._requisites else ("requisite", kind)
            if verdict is not None:
                refusals.append(Refusal(target.url, target.id, *verdict, url, depth))
            else:
                role: Role = "page" if is_page else "requisite"
                requests.append(Request(target.url, target.id, target.host, role, depth, parent=url))
        return rows, requests, refusals


def sitemap_problem(sitemap: Sitemap) -> PageError | None:
    """Why a sitemap gave less than it may hold; None when it was whole, and when it gave nothing: a page in place of one is as good as
    a 404."""
    error = sitemap.error
    if not error or not (sitemap.urls or sitemap.sitemaps):
        return None
    kind: ErrorKind = "truncated" if "truncated" in error else "too_big" if error.startswith(("larger", "more")) else "decode"
    return PageError(kind, error)


def _links_of(entry: SitemapEntry) -> Iterator[tuple[str, str, str, str]]:
    """The href, kind, rel and text of each link of an entry."""
    lastmod = entry.lastmod[:LINK_TEXT_LENGTH]
    yield entry.url, "sitemap", "", lastmod
    for href in entry.alternates:
        yield href, "sitemap", "alternate", lastmod
    for href in entry.images:
        yield href, "img", "", ""
