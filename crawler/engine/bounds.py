"""Which URLs belong to a crawl now: its scope, as far as redirects of seeds have widened it, and where hrefs lead within it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from crawler.core.following import SITEMAPS_ONLY
from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter
from crawler.core.urls import Resolver, Target, Verdict, canonical, fingerprint, host_key
from crawler.engine.header_links import Anchor
from crawler.engine.steps import Steps
from crawler.model import Refusal, Request, Role

STEP = 1_000
"""Links that are resolved or judged in one step."""
MANY = 10_000  # links of one page, which would push those of all others out of the resolver's memory

OF_SITEMAP = "sitemap: "
"""How the detail of a refusal begins that is for a sitemap; the view `urls` goes by it too."""

_HREF = itemgetter(0)  # of an anchor


class Bounds:
    """Resolves and judges. `refused` is the filter of URLs that need not be judged again, which is forgotten when that changes."""

    def __init__(
        self, scope: Scope, refused: SeenFilter, strip_query: frozenset[str] = frozenset(), seed_hosts: frozenset[str] = frozenset()
    ) -> None:
        self._refused = refused
        self._strip_query = strip_query
        self._seed_hosts = set(seed_hosts)
        self._taken_in: set[int] = set()  # where seeds on other hosts have led
        self._set(scope)

    def _set(self, scope: Scope) -> None:
        self.scope = scope
        self._resolver = Resolver(scope.judge, self._strip_query)

    def target(self, base: str, href: str) -> Target | None:
        """Where one href leads."""
        return self._resolver.targets(base, [href])[0]

    def targets(self, base: str, hrefs: Sequence[str]) -> Steps[list[Target | None]]:
        """Where hrefs lead."""
        resolver = self._resolver if len(hrefs) <= MANY else Resolver(self.scope.judge, self._strip_query)
        found: list[Target | None] = []
        for start in range(0, len(hrefs), STEP):
            if start:
                yield
            found += resolver.targets(base, hrefs[start : start + STEP])
        return found

    def links(self, base: str, anchors: Sequence[Anchor]) -> Steps[tuple[Sequence[Anchor], Sequence[Target]]]:
        """The anchors that lead to a URL, and where each of them leads."""
        targets = yield from self.targets(base, list(map(_HREF, anchors)))
        if all(targets):  # on most pages; quicker than to look for None
            return anchors, targets  # type: ignore[return-value]
        found = [(anchor, target) for anchor, target in zip(anchors, targets, strict=True) if target is not None]
        return [anchor for anchor, _ in found], [target for _, target in found]

    def of_requisite(self, target: Target) -> Verdict | None:
        """Why a target is not asked for as a part of a page; None when it is."""
        refusal = target.refusal
        return self.scope.judge_requisite(target.url, target.host) if refusal is not None and refusal[0] == "scope" else refusal

    def of_sitemap(self, target: Target) -> Verdict | None:
        """Why a target is not asked for as a sitemap: its whole host does not belong to the crawl."""
        outside = self.scope.outside_host(target.host)
        return ("scope", f"{OF_SITEMAP}{outside}") if outside else None

    def has_sitemap(self, host: str) -> bool:
        """Whether a host that has robots.txt is asked for its sitemaps: those of other people's hosts would never end."""
        if self.scope.kind == "page" or self.scope.outside_host(host):
            return False
        return self.scope.kind != "any" or host in self._seed_hosts

    def of_redirect(self, request: Request, target: Target) -> Target:
        """Where a redirect leads, judged as what was asked for. A seed that redirects to another host takes that host in."""
        if request.role in ("requisite", "probe"):
            return target._replace(refusal=self.of_requisite(target))
        if request.role == "sitemap":
            return target._replace(refusal=self.of_sitemap(target) if target.host else target.refusal)
        is_moved = request.depth == 0 and request.host in self._seed_hosts
        if not is_moved or target.refusal is None or target.refusal[0] != "scope":
            return target
        self._set(self.scope.widened(target.url))
        self._seed_hosts.add(target.host)
        self._taken_in.add(target.id)
        self._refused.clear()
        return target._replace(refusal=self.scope.judge(target.url, target.host))

    def widen(self, urls: Iterable[str]) -> bool:
        """Takes in what others were led to by seeds; whether that has changed anything."""
        before = self.scope
        for url in urls:
            host = host_key(url)
            verdict = self.scope.judge(url, host)
            if verdict is not None and verdict[0] == "scope":
                self._set(self.scope.widened(url))
                self._seed_hosts.add(host)
                self._taken_in.add(fingerprint(url))
                self._refused.clear()
        return self.scope is not before

    def was_taken_in(self, target: Target) -> bool:
        """Whether a seed on another host has led there."""
        return target.id in self._taken_in

    def judge_again(self, refusal: Refusal) -> Request | None:
        """The request for a URL that was refused for the scope, when it belongs to the wider one. Safe in any thread."""
        host = host_key(refusal.url)
        role: Role = "page"
        if refusal.detail == SITEMAPS_ONLY:
            return None
        if refusal.detail.startswith(OF_SITEMAP):
            role, outside = "sitemap", bool(self.scope.outside_host(host))
        else:
            outside = self.scope.judge(refusal.url, host) is not None
        return None if outside else Request(refusal.url, refusal.id, host, role, refusal.depth, refusal.parent)


def seed_request(url: str, strip_query: frozenset[str] = frozenset()) -> Request:
    """The request for a seed."""
    url = canonical(url, strip_query)
    return Request(url, fingerprint(url), host_key(url))
