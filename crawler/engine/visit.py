"""The story of one page: from a response to what is kept of it. No waiting, no clock, no choice of engine in here.

`crawler.engine.reading` turns a response into what it says; `Visitor` turns that into a `Visit`: the outcome, the record, the
admitted URLs and the refused ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import compress
from operator import itemgetter

from crawler.core.following import REDIRECT_STATUS, Following
from crawler.core.html import ParsedPage
from crawler.core.media_types import EVERY_TYPE, MediaTypes
from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter, known_as
from crawler.core.urls import Target
from crawler.core.validators import doubt
from crawler.engine.batch import JudgeAgain, Visit, as_failed, check_disk
from crawler.engine.bounds import STEP, Bounds
from crawler.engine.header_links import Anchor, named_in_headers
from crawler.engine.listing import Listing, sitemap_problem
from crawler.engine.probing import Probing, Spare, again_with_get
from crawler.engine.reading import HTML_TYPES, Reading, location_of, media_type, robots_meta_of
from crawler.engine.steps import Steps, in_one_go
from crawler.engine.watch import Watch
from crawler.model import (
    Failed,
    Fetched,
    Link,
    LinkRow,
    NotModified,
    OutcomeName,
    Page,
    PageError,
    Record,
    Redirected,
    Refusal,
    Request,
    Response,
    Retry,
    RobotsFacts,
    Skipped,
)
from crawler.news import News
from crawler.redaction import redact
from crawler.text import printable

Follow = Callable[[Page, Sequence[Link]], Iterable[Link]]

_ID = itemgetter(0)  # of a target: what is done for all links of a page takes no step of Python for each


class Visitor:
    """Turns responses into visits, by plain values: a scope, two filters, what to keep. `file_of` names the file for the body of
    a URL; None: it is not kept.

    `follow` may choose among the links of a page (a hook); `only_sitemaps` refuses links, `sitemaps` False ignores sitemaps;
    `requisites` asks for what pages are made of as well; `probes` asks once for what is not followed, pages beyond the depth `deepest`
    among it, but for what `spare` leaves out; `types` are those of the answers that are read; `agent` is the name that an X-Robots-Tag
    may be for. Without `shows_links` pages do not know theirs (`Page.links`), without `keeps_links` records only count them.
    """

    def __init__(
        self,
        scope: Scope,
        seen: SeenFilter,
        refused: SeenFilter,
        *,
        strip_query: frozenset[str] = frozenset(),
        max_redirects: int = 10,
        respect_nofollow: bool = False,
        sitemaps: bool = True,
        only_sitemaps: bool = False,
        requisites: bool = False,
        agent: str = "asyncrawl",
        file_of: Callable[[str], str | None] = lambda url: None,
        seed_hosts: frozenset[str] = frozenset(),
        follow: Follow | None = None,
        watch: Watch | None = None,
        probes: bool = False,
        deepest: int | None = None,
        spare: Spare | None = None,
        types: MediaTypes = EVERY_TYPE,
        shows_links: bool = True,
        keeps_links: bool = True,
    ) -> None:
        self._bounds = Bounds(scope, refused, strip_query, seed_hosts)
        self._listing = Listing(self._bounds, seen, requisites, only_sitemaps)
        self._probing = Probing(self._bounds, seen, deepest, spare) if probes else None
        self._following = Following(respect_nofollow, only_sitemaps, requisites, agent)
        self._types = types
        self._seen = seen
        self._refused = refused
        self._max_redirects = max_redirects
        self._sitemaps = sitemaps
        self._file_of = file_of
        self._follow = follow
        self._watch = watch or Watch(None)
        self._shows_links = shows_links or follow is not None
        self._keeps_links = keeps_links
        # Refused for what this link is, not for its URL: the same URL may be linked as a page elsewhere.
        self._noted = SeenFilter(100_000)

    @property
    def scope(self) -> Scope:
        """What belongs to the crawl now: redirects of seeds may have widened it."""
        return self._bounds.scope

    def learn(self, news: News) -> JudgeAgain | None:
        """Takes notice of what any worker has found out; how refusals are judged from then on, if the scope is wider."""
        self._watch.learn(news.quarantined)
        return self._bounds.judge_again if self._bounds.widen(news.widened) else None

    # -- outcomes --------------------------------------------------------------------------------------------------------

    def visit(self, request: Request, response: Response, reading: Reading, verdict: Retry | Failed | None, fetched_at: datetime) -> Visit:
        """What is kept of one attempt. `verdict` is the workbench's word on it; None when the answer stands."""
        return in_one_go(self.steps(request, response, reading, verdict, fetched_at))

    def steps(
        self, request: Request, response: Response, reading: Reading, verdict: Retry | Failed | None, fetched_at: datetime
    ) -> Steps[Visit]:
        """The same in steps, of which an ordinary page takes one."""
        if isinstance(verdict, Retry):
            return Visit(verdict)
        if (again := again_with_get(request, response, verdict)) is not None:
            return Visit(again)
        if isinstance(verdict, Failed):
            check_disk(verdict.error)
            return Visit(verdict, Record(self._page(request, response, "error", fetched_at, error=verdict.error)))
        if reading.problem:
            return self._failed(request, response, PageError("internal", reading.problem), fetched_at)
        if request.role == "sitemap":
            return (yield from self._sitemap_visit(request, response, reading, fetched_at))
        status = response.status
        if status == 304 and not any(name.lower().startswith("if-") for name, _ in request.headers):
            return self._failed(request, response, PageError("protocol", "304 to a request without a condition"), fetched_at)
        if status == 304 and (why := doubt(request.headers, response.header("etag"), response.header("last-modified"))):
            return Visit(Retry(request, 0.0, why))  # the next try has no condition
        if status == 304:
            return Visit(NotModified(request), Record(self._page(request, response, "not_modified", fetched_at)))
        if status in REDIRECT_STATUS:
            return self._redirect_visit(request, response, fetched_at)
        if not 200 <= status < 300:
            self._watch.answer(request)
            page = self._page(request, response, "http_error", fetched_at, reading)
            return Visit(Fetched(request, ok=False), Record(page))
        if request.role == "probe" or not self._types.admits(media_type(response)):
            return Visit(Fetched(request, ok=True), Record(self._page(request, response, "ok", fetched_at)))
        return (yield from self._page_visit(request, response, reading, fetched_at))

    def broken(self, request: Request, response: Response, error: Exception, fetched_at: datetime) -> Visit:
        """A page that we could not cope with: its error is a value of its own, whatever it is. Nothing of it is kept."""
        return self._failed(request, response, PageError("internal", f"{type(error).__name__}: {printable(str(error))}"), fetched_at)

    def _failed(self, request: Request, response: Response, error: PageError, fetched_at: datetime) -> Visit:
        return Visit(Failed(request, error), Record(self._page(request, response, "error", fetched_at, error=error)))

    def closed(self, outcome: Failed, fetched_at: datetime) -> Visit:
        """A URL that failed with its host, before it was asked."""
        page = self._page(outcome.request, Response(outcome.request.url), "error", fetched_at, error=outcome.error)
        return Visit(outcome, Record(page))

    def _page(
        self,
        request: Request,
        response: Response,
        outcome: OutcomeName,
        fetched_at: datetime,
        reading: Reading | None = None,
        error: PageError | None = None,
        redirect_to: str | None = None,
        links: tuple[Sequence[Anchor], Sequence[Target]] = ((), ()),
        file: str | None = None,
    ) -> Page:
        parsed = reading.page if reading is not None else None
        anchors, targets = links if self._shows_links else ((), ())  # whatever is held until it is stored crowds the processor's caches
        return Page(
            url=request.url,
            id=request.id,
            status=response.status,
            outcome=outcome,
            error=error,
            raw_headers=response.headers,
            content=response.body,
            role=request.role,
            depth=request.depth,
            parent=request.parent,
            redirect_to=redirect_to,
            content_type=reading.content_type if reading is not None else media_type(response),
            charset=parsed.charset if parsed else "",
            title=parsed.title if parsed else "",
            description=parsed.description if parsed else "",
            canonical=self._canonical(parsed) if parsed else None,
            lang=parsed.lang if parsed else "",
            robots_meta=robots_meta_of(response, parsed),
            fetched_at=fetched_at,
            ttfb=response.ttfb,
            elapsed=response.elapsed,
            attempts=request.attempts + 1,
            file=file,
            targets=targets,
            anchors=anchors,
            data=reading.data if reading is not None else {},
        )

    def _canonical(self, parsed: ParsedPage) -> str | None:
        if not parsed.canonical:
            return None
        target = self._bounds.target(parsed.base, parsed.canonical)
        return target.url if target is not None else None

    def _page_visit(self, request: Request, response: Response, reading: Reading, fetched_at: datetime) -> Steps[Visit]:
        leads_on = request.role == "page" or self._leads_on(request, reading)
        anchors, targets = yield from self._links_of(request, response, reading.page, leads_on)
        file = self._file_of(request.url) if response.body.size else None
        page = self._page(request, response, "ok", fetched_at, reading, links=(anchors, targets), file=file)
        chosen = {link.url for link in self._follow(page, page.links)} if self._follow is not None else None
        closed = self._following.closes(reading.page.robots_meta if reading.page else "", response.all_headers("x-robots-tag"))
        trap = self._watch.page(request, response, reading.page, targets, self._unknown)
        rows, requests, refusals = list[LinkRow](), list[Request](), list[Refusal]()
        for start in range(0, len(targets), STEP):
            if start:
                yield
            part = slice(start, start + STEP)
            rows += self._judge_links(request, closed, targets[part], anchors[part], chosen, requests, refusals)
        count = len(targets)
        if reading.sitemap is not None and self._sitemaps:
            listed = yield from self._listing.of_sitemap(request, reading.sitemap)
            rows, requests, refusals, count = rows + listed[0], requests + listed[1], refusals + listed[2], count + len(listed[0])
        record = Record(page, rows, count - len(rows))
        return Visit(Fetched(request, ok=True, size=response.body.size), record, requests, refusals, trap=trap)

    def _unknown(self, ids: set[int]) -> set[int]:
        """Those of the ids that no filter knows."""
        return self._refused.unknown(self._seen.unknown(ids))

    def _leads_on(self, request: Request, reading: Reading) -> bool:
        """Whether the links to pages of a part of a page are followed: when it is a document, and would be crawled as a page."""
        return reading.content_type in HTML_TYPES and self._bounds.scope.judge(request.url, request.host) is None

    def _links_of(
        self, request: Request, response: Response, parsed: ParsedPage | None, leads_on: bool
    ) -> Steps[tuple[Sequence[Anchor], Sequence[Target]]]:
        """The links of a page and of its headers that lead anywhere, and where; to its parts alone unless it leads on."""
        anchors: Sequence[Anchor] = ()
        targets: Sequence[Target] = ()
        if parsed is not None:
            some = parsed.links if leads_on else [link for link in parsed.links if self._following.fetches_with_page(link[1], link[2])]
            anchors, targets = yield from self._bounds.links(parsed.base, some)
        if leads_on and (named := named_in_headers(response)):
            further = yield from self._bounds.links(request.url, named)
            anchors, targets = [*anchors, *further[0]], [*targets, *further[1]]
        return anchors, targets

    def _judge_links(
        self,
        request: Request,
        closed: bool,
        targets: Sequence[Target],
        anchors: Sequence[Anchor],
        chosen: set[str] | None,
        requests: list[Request],
        refusals: list[Refusal],
    ) -> list[LinkRow]:
        """Rows for all links, if they are kept; adds requests and refusals for those that no filter knows. A page has a hundred links
        and about one new one, so the hundred are not looked at one by one."""
        ids = list(map(_ID, targets))
        rows: list[LinkRow] = []
        if self._keeps_links:
            rows = [(identity, kind, rel, text) for identity, (_, kind, rel, text) in zip(ids, anchors, strict=True)]
        new = self._seen.unknown(set(ids))
        unknown = self._refused.unknown(new)
        with_parts = self._following.requisites  # which are not refused where pages are
        if not (wanted := new if with_parts else unknown):
            return rows
        # A part has the depth of its page; what it links to lies as deep as if it had been linked.
        url, depth = request.url, request.depth + 1 + (request.role == "requisite")
        for target, (_, kind, rel, _) in compress(zip(targets, anchors, strict=True), map(wanted.__contains__, ids)):
            if with_parts and self._following.fetches_with_page(kind, rel):
                self._take_part(request, target, requests, refusals)
                continue
            if target.id not in unknown:
                continue
            verdict = target.refusal
            if verdict is None or verdict[0] == "scope":
                # What the link is comes first: that stays, wherever the scope ends.
                of_link = self._following.refusal(kind, rel, closed)
                if of_link is None and chosen is not None and target.url not in chosen:
                    of_link = ("hook", "not chosen")
                verdict = of_link or verdict
                if self._probing is not None and self._probing.takes(target, verdict, rel, depth):
                    self._probing.add(request, target, requests, refusals)
                    continue
                if of_link is not None:
                    if target.id in self._noted:
                        continue
                    self._noted.update((target.id,))
            if (verdict := verdict or self._watch.link(target)) is not None:
                refusals.append(Refusal(target.url, target.id, *verdict, url, depth))
            else:
                requests.append(Request(target.url, target.id, target.host, depth=depth, parent=url))
        return rows

    def _take_part(self, request: Request, target: Target, requests: list[Request], refusals: list[Refusal]) -> None:
        """Adds the request for a part of a page, or its refusal."""
        if known_as("requisite", target.id) in self._seen or target.id in self._noted:
            return
        # Style sheets import others: the steps are counted, as those of redirects are, so that they end.
        chain = (*request.chain, request.id) if request.role == "requisite" else ()
        verdict = self._bounds.of_requisite(target)
        if verdict is None and len(chain) > self._max_redirects:
            verdict = ("requisite", f"nested deeper than {self._max_redirects}")
        if verdict is None:
            requests.append(Request(target.url, target.id, target.host, "requisite", request.depth, request.url, chain))
            return
        self._noted.update((target.id,))
        refusals.append(Refusal(target.url, target.id, *verdict, request.url, request.depth))

    # -- redirects -------------------------------------------------------------------------------------------------------

    def _redirect_visit(self, request: Request, response: Response, fetched_at: datetime) -> Visit:
        location = location_of(response)
        target = self._bounds.target(request.url, location) if location else None
        error = self._redirect_error(request, target, location)
        if error is not None:
            to_itself = error.kind == "redirect_loop" and target is not None and target.id == request.id
            if to_itself and not request.attempts and response.header("set-cookie"):
                # It sets a cookie and sends us back: with the cookie the answer may be the page.
                return Visit(Retry(request, 0.0, "redirect to itself that sets a cookie"))
            return self._failed(request, response, error, fetched_at)
        assert target is not None
        target = self._bounds.of_redirect(request, target)
        self._watch.answer(request, target.url)
        # Said again when the seed is asked again: the visit that widened the scope may have been lost.
        again = self._bounds.judge_again if self._bounds.was_taken_in(target) else None
        page = self._page(request, response, "redirect", fetched_at, redirect_to=target.url)
        record = Record(page, ((target.id, "redirect", "", ""),))
        role = request.role
        if self._probing is not None and self._probing.takes(target, target.refusal, "", request.depth):
            target, role = target._replace(refusal=None), "probe"
        if target.refusal is not None:
            refusal = Refusal(target.url, target.id, *target.refusal, request.url, request.depth)
            return Visit(Redirected(request), record, refusals=(refusal,))
        hop = Request(target.url, target.id, target.host, role, request.depth, parent=request.url, chain=(*request.chain, request.id))
        return Visit(Redirected(request), record, requests=(hop,), judge_again=again)

    def _redirect_error(self, request: Request, target: Target | None, location: str) -> PageError | None:
        if not location:
            return PageError("protocol", "redirect without a Location")
        if target is None:
            return PageError("protocol", f"redirect to {redact(location)[:200]!r}, which is no URL")
        if target.id == request.id or target.id in request.chain:
            return PageError("redirect_loop", f"back to {target.url}")
        if len(request.chain) >= self._max_redirects:
            return PageError("redirect_loop", f"more than {self._max_redirects} redirects")
        return None

    # -- robots.txt and sitemaps -----------------------------------------------------------------------------------------

    def sitemaps_of(self, request: Request, facts: RobotsFacts, agent: str | None) -> Steps[Visit]:
        """The sitemaps to ask for once an origin's robots.txt is known; `agent` is as which it is obeyed, None: it is not."""
        if not self._sitemaps:
            return Visit(None)
        _, requests, refusals = yield from self._listing.of_robots(request, facts, agent)
        return Visit(None, None, requests, refusals, robots=facts.origin)

    def _sitemap_visit(self, request: Request, response: Response, reading: Reading, fetched_at: datetime) -> Steps[Visit]:
        came = f"HTTP {response.status}"
        if response.status in REDIRECT_STATUS:
            visit = self._redirect_visit(request, response, fetched_at)
            has_moved = isinstance(visit.outcome, Redirected)
            return replace(visit, record=None, outcome=Fetched(request, False, instead=came) if has_moved else visit.outcome)
        sitemap = reading.sitemap
        if sitemap is None:
            return Visit(Fetched(request, ok=False, instead=came))
        rows, requests, refusals = yield from self._listing.of_sitemap(request, sitemap)
        page = self._page(request, response, "ok", fetched_at)
        # What could be read of a damaged one counts all the same.
        outcome = Failed(request, problem) if (problem := sitemap_problem(sitemap)) else Fetched(request, ok=True, instead=sitemap.error)
        return Visit(outcome, Record(page, rows), requests, refusals)

    def skipped(self, outcome: Skipped) -> Visit:
        """A URL that was judged again and is not asked for."""
        return Visit(outcome)


def hook_failed(request: Request, visit: Visit, error: BaseException) -> Visit:
    """The visit of a page whose hook raised: failed, with the links it had, stored as an error."""
    assert visit.record is not None
    problem = PageError("hook", f"{type(error).__name__}: {printable(str(error))}")
    return replace(visit, outcome=Failed(request, problem), record=as_failed(visit.record, outcome="error", error=problem))
