"""Crawls a generated web as a crawl would, without a socket, a database or a clock: the real visitor, breadth first, four pages of
the host in flight. Thousands of pages in a second."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count

from honest import Web

from crawler.core.scope import Scope
from crawler.core.seen import SeenFilter
from crawler.core.traps import Traps
from crawler.engine.batch import Visit
from crawler.engine.bounds import seed_request
from crawler.engine.reading import read
from crawler.engine.visit import Visitor
from crawler.engine.watch import Watch
from crawler.model import Body, Request, Response

HOST = "site.test"
HERE = f"https://{HOST}"
AT = datetime(2026, 1, 1, tzinfo=UTC)
HTML = (("Content-Type", "text/html; charset=utf-8"),)
IN_FLIGHT = 4
LOOKED_AT = 32
COMMIT = 32


@dataclass
class Walked:
    """What came of it: how often each target was asked for, which pages were found, what was wasted on which trap, and which pattern
    refused how many URLs."""

    asked: Counter[str] = field(default_factory=Counter)
    found: set[str] = field(default_factory=set)
    wasted: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    is_over: bool = True

    @property
    def requests(self) -> int:
        """All requests."""
        return self.asked.total()

    @property
    def waste(self) -> float:
        """The part of the requests that brought none of the real pages for the first time."""
        return 1 - len(self.found) / max(1, self.requests)


def walk(web: Web, watched: bool = True, most: int = 1_000_000, run: int = 1_000_000, watch: type[Watch] = Watch) -> Walked:
    """Crawls a web to its end, or until `most` requests were made; after each `run` of them it is stopped and resumed."""
    return _Walk(web, watched, watch).walk(most, run)


class _Walk:
    def __init__(self, web: Web, watched: bool, watch: type[Watch]) -> None:
        self._watch_of = watch
        self._web = web
        self._watched = watched
        self._walked = Walked()
        self._queue: list[tuple[int, int, Request]] = []
        self._known: dict[int, Request] = {}  # in the order of discovery
        self._patterns: set[tuple[str, str]] = set()
        self._order = count()
        self._flying: deque[Request] = deque()
        self._uncommitted: list[Visit] = []
        self._add(seed_request(f"{HERE}/"))

    def walk(self, most: int, run: int) -> Walked:
        walked = self._walked
        self._open()
        stop = run
        while self._queue or self._flying or self._uncommitted:
            self._take_off()
            if self._flying:
                self._uncommitted.append(self._visit(self._flying.popleft()))
            if len(self._uncommitted) >= COMMIT or not (self._queue or self._flying):
                self._commit()
            if walked.requests >= most:
                walked.is_over = False
                break
            if walked.requests >= stop:
                stop += run
                self._commit()
                for request in self._flying:
                    self._push(request)
                self._flying.clear()
                self._open()
        return walked

    def _open(self) -> None:
        """A run begins with what is stored: the queue, what was quarantined, and which URLs are known."""
        self._seen, self._refused = SeenFilter(), SeenFilter()
        traps = Traps(self._patterns) if self._watched else None
        if traps is not None:
            traps.recall((request.url, request.id, request.host) for request in self._known.values())
        self._watch = self._watch_of(traps)
        self._visitor = Visitor(Scope([f"{HERE}/"], "host"), self._seen, self._refused, sitemaps=False, watch=self._watch)

    def _push(self, request: Request) -> None:
        heappush(self._queue, (request.depth, next(self._order), request))

    def _add(self, request: Request) -> None:
        if request.id not in self._known:
            self._known[request.id] = request
            self._push(request)

    def _take_off(self) -> None:
        waiting = []
        while self._queue and len(self._flying) < IN_FLIGHT and len(waiting) < LOOKED_AT:
            entry = heappop(self._queue)
            request = entry[2]
            if self._watch.waits(request, {each.id for each in self._flying}):
                waiting.append(entry)
            elif (verdict := self._watch.refusal(request)) is not None:
                self._walked.quarantined[verdict[1]] += 1
            else:
                self._flying.append(request)
        for entry in waiting:
            heappush(self._queue, entry)

    def _commit(self) -> None:
        for visit in self._uncommitted:
            for request in visit.requests:
                self._add(request)
            if visit.trap is not None:
                self._patterns.add((HOST, visit.trap))
            self._walked.quarantined.update(refusal.detail for refusal in visit.refusals if refusal.reason == "trap")
            self._seen.update(request.id for request in visit.requests)
            self._refused.update(refusal.id for refusal in visit.refusals if refusal.reason != "requisite")
        self._uncommitted.clear()

    def _visit(self, request: Request) -> Visit:
        target = request.url.removeprefix(HERE)
        walked = self._walked
        walked.asked[target] += 1
        shown = self._web.real(target)
        if shown is None or shown in walked.found:
            walked.wasted[self._web.owner(target)] += 1
        else:
            walked.found.add(shown)
        made = self._web.page(target)
        body = (made or "").encode()
        status = 404 if made is None else 200
        response = Response(request.url, status, HTML, Body(len(body), body, sha256=hashlib.sha256(body).hexdigest()))
        return self._visitor.visit(request, response, read(request, response), None, AT)
