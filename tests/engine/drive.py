"""One story on every way of running a crawl, and the laws that hold for all of them.

A story is a web: a dictionary of pages (by path, or by URL for other hosts), or a `crawler.testing.Site` that runs. It is
crawled by the real parts, wired by `Assembly`; a dictionary is answered by a fake fetcher in virtual time, so waiting for a
minute takes no time at all; a site is asked over real sockets, except by the three workers.

    crawled = drive({"/": "<a href=/b>", "/b": ""}, max_pages=10)
    assert crawled.fetched == ["/", "/b"]
"""

from __future__ import annotations

import asyncio
import selectors
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from frontiers import check_counts

from crawler.assembly import Assembly
from crawler.core.urls import origin
from crawler.engine.hooks import Hooks
from crawler.fetch.blocking import BlockingFetcher
from crawler.fetch.http import HttpFetcher
from crawler.model import ErrorKind, FinishReason, PageError, Record, Request, Response, Role
from crawler.ports import BlockingFetcher as BlockingFetcherPort
from crawler.ports import Fetcher
from crawler.progress import Trouble
from crawler.settings import Settings
from crawler.testing import Answer, FakeBlockingFetcher, FakeFetcher, Site, SiteRequest

HERE = "https://site.test"
LATENCY = 0.05
WORKERS = 3
WAYS = ("synchronous", "asynchronous", "workers")
# A crawl in virtual time that takes longer than a day is stuck.
LONGEST = 86400.0

Value = str | bytes | Answer | PageError | Response | Callable[[SiteRequest], "str | bytes | Answer | PageError | Response"]
Story = Mapping[str, Value] | Site

_FAULTS: dict[str, ErrorKind] = {
    "reset": "reset", "close": "reset", "refuse": "refused", "hang": "timeout", "stall": "timeout", "truncate": "truncated",
    "garbage": "protocol", "endless": "too_big",
}  # fmt: skip


@dataclass(slots=True)
class Asked:
    """One request: what for, where, and when it began and ended."""

    url: str
    path: str
    host: str
    role: Role
    started: float
    ended: float = float("inf")


class Known(NamedTuple):
    """One row of the view `urls`."""

    state: str
    reason: str | None
    detail: str | None
    attempts: int
    role: str
    depth: int


@dataclass
class Crawled:
    """What came of a story. Paths stand for URLs of the story's own origin; other URLs are whole."""

    way: str
    reason: FinishReason = "error"
    requests: list[Asked] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    urls: dict[str, Known] = field(default_factory=dict)
    skipped: dict[str, tuple[str, str]] = field(default_factory=dict)
    links: list[tuple[str, str, str]] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def fetched(self) -> list[str]:
        """The pages that were asked for, in order and with repetitions; neither robots.txt nor sitemaps."""
        return [asked.path for asked in self.requests if asked.role not in ("robots", "sitemap")]

    @property
    def asked(self) -> list[str]:
        """All that was asked for, robots.txt and sitemaps included."""
        return [asked.path for asked in self.requests]

    @property
    def ok(self) -> set[str]:
        """The pages that have an answer to work with."""
        return {path for path, row in self.pages.items() if row["outcome"] == "ok"}

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.asked.count(path)

    def outcomes(self) -> dict[str, str]:
        """The outcome of every page; of an error its kind."""
        return {path: row["error"] or row["outcome"] for path, row in self.pages.items()}

    def queued(self) -> set[str]:
        """What a limit left."""
        return {path for path, known in self.urls.items() if known.state == "queued"}


class StuckError(AssertionError):
    """A crawl for which nothing will ever happen again, or which waits for days."""


class Clock:
    """Seconds of a synchronous crawl: they pass when it waits, and while it fetches."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += max(0.0, seconds)
        if self.now > LONGEST:
            raise StuckError("the crawl waits for days")


class _Waiting:
    """The event on which a synchronous engine waits, in virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def set(self) -> None:
        pass


class _Jump(selectors.DefaultSelector):
    """Where a loop would sleep its clock jumps."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None:
            raise StuckError("nothing will ever happen any more")
        # Not a rounding error before the timer: asyncio would call it early, and no time would pass for whoever waits until then.
        self.loop.now = max(self.loop.now + timeout, self.loop.next_timer(within=timeout))
        if self.loop.now > LONGEST:
            raise StuckError("the crawl waits for days")
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which no time passes but what is waited for, and threads do their work at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def next_timer(self, within: float) -> float:
        """When the last of the timers is due that are so near."""
        return max([timer.when() for timer in self._scheduled if timer.when() - self.now <= within + 1e-9], default=0.0)  # type: ignore[attr-defined]

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:
            future.set_exception(error)
        return future


class _Notes:
    """Who asked for what, and when. `connecting` says how long the next request needs to get its connection."""

    def __init__(self, crawled: Crawled, base: str, clock: Callable[[], float], connecting: Callable[[], float]) -> None:
        self.connecting = connecting
        self._crawled = crawled
        self._base = base
        self.clock = clock

    def begin(self, request: Request) -> Asked:
        asked = Asked(request.url, path_of(request.url, self._base), request.host, request.role, self.clock())
        self._crawled.requests.append(asked)
        return asked

    def end(self, asked: Asked) -> None:
        asked.ended = self.clock()


class _Noting:
    def __init__(self, fetcher: Fetcher, notes: _Notes) -> None:
        self._fetcher, self._notes = fetcher, notes

    async def fetch(self, request: Request, leaves: Callable[[], object] | None = None) -> Response:
        if seconds := self._notes.connecting():
            await asyncio.sleep(seconds)
        asked = self._notes.begin(request)
        try:
            return await self._fetcher.fetch(request, leaves)
        finally:
            self._notes.end(asked)


class _NotingBlocking:
    def __init__(self, fetcher: BlockingFetcherPort, notes: _Notes) -> None:
        self._fetcher, self._notes = fetcher, notes

    def fetch(self, request: Request, leaves: Callable[[], object] | None = None) -> Response:
        if isinstance(self._notes.clock, Clock):
            self._notes.clock.advance(self._notes.connecting())
        asked = self._notes.begin(request)
        try:
            return self._fetcher.fetch(request, leaves)
        finally:
            self._notes.end(asked)


def path_of(url: str, base: str) -> str:
    """The path of a URL of this origin; another URL as it is."""
    return url.removeprefix(base) if url.startswith(base + "/") else url


class Drive:
    """Crawls stories in one way; see the module."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.connecting = lambda: 0.0
        """How long the next request of a story in a dictionary needs to get its connection."""
        self._again = False

    def __call__(
        self,
        story: Story,
        *seeds: str,
        output: Path | None = None,
        hooks: Hooks | None = None,
        latency: float = LATENCY,
        again: bool = False,
        **settings: Any,
    ) -> Crawled:
        """Crawls a story from its seeds ("/" when none is named) with these settings, and checks the laws of every crawl. `again`
        resumes one that is finished."""
        self._again = again
        base = story.url("") if isinstance(story, Site) else HERE
        wanted = tuple(base + seed if seed.startswith("/") else seed for seed in seeds or ("/",))
        chosen = Settings.from_keywords(seeds=wanted, output=str(output) if output else None, **settings)
        crawled = Crawled(self.way)
        run = {"synchronous": self._one_by_one, "asynchronous": self._at_once, "workers": self._by_three}[self.way]
        run(story, base, latency, chosen, hooks or Hooks(), crawled)
        return crawled

    # -- ways ------------------------------------------------------------------------------------------------------------

    def _one_by_one(self, story: Story, base: str, latency: float, settings: Settings, hooks: Hooks, crawled: Crawled) -> None:
        clock = Clock()
        with Assembly(settings, hooks, time.monotonic if isinstance(story, Site) else clock, again=self._again) as opened:
            notes = _Notes(crawled, base, opened.clock, self.connecting)
            opened.judge.on_trouble = crawled.troubles.append
            if isinstance(story, Site):
                with BlockingFetcher(opened.fetch_options(), opened.spool) as fetcher:
                    crawled.reason = _run(opened, crawled, base, _NotingBlocking(fetcher, notes))
            else:
                fake = FakeBlockingFetcher(_answers(story, base), latency, clock.advance)
                crawled.reason = _run(opened, crawled, base, _NotingBlocking(fake, notes), clock)
            _finish(opened, crawled, base)

    def _at_once(self, story: Story, base: str, latency: float, settings: Settings, hooks: Hooks, crawled: Crawled) -> None:
        async def main() -> None:
            with Assembly(settings, hooks, asyncio.get_running_loop().time, again=self._again) as opened:
                notes = _Notes(crawled, base, opened.clock, self.connecting)
                opened.judge.on_trouble = crawled.troubles.append
                if isinstance(story, Site):
                    async with HttpFetcher(opened.fetch_options(), opened.spool) as fetcher:
                        crawled.reason = await opened.asynchronous(_Noting(fetcher, notes), _showing(crawled, base)).run()
                else:
                    fake = FakeFetcher(_answers(story, base), latency, asyncio.sleep)
                    crawled.reason = await opened.asynchronous(_Noting(fake, notes), _showing(crawled, base)).run()
                _finish(opened, crawled, base)

        with asyncio.Runner(loop_factory=None if isinstance(story, Site) else VirtualLoop) as runner:
            runner.run(main())

    def _by_three(self, story: Story, base: str, latency: float, settings: Settings, hooks: Hooks, crawled: Crawled) -> None:
        """Three workers, each with its own filters, workbench and visitor, on one frontier and one store. Each holds one host and
        a handful of URLs at a time, so that hosts change hands and queues are topped up all the while."""

        async def main() -> None:
            with Assembly(settings, hooks, asyncio.get_running_loop().time, again=self._again) as opened:
                notes = _Notes(crawled, base, opened.clock, self.connecting)
                opened.judge.on_trouble = crawled.troubles.append
                pages = story.pages if isinstance(story, Site) else story
                fetcher = _Noting(FakeFetcher(_answers(pages, base), latency, asyncio.sleep), notes)
                engines = []
                for _ in range(WORKERS):
                    opened._wire()
                    opened.judge.on_trouble = crawled.troubles.append
                    opened.workbench._max_hosts = 1
                    opened.workbench._per_host = 3
                    engines.append(opened.asynchronous(fetcher, _showing(crawled, base)))
                async with asyncio.TaskGroup() as group:
                    running = [group.create_task(engine.run()) for engine in engines]
                reasons = {each.result() for each in running}
                assert len(reasons) == 1, reasons
                crawled.reason = reasons.pop()
                _finish(opened, crawled, base)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            try:
                runner.run(main())
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None


def _run(opened: Assembly, crawled: Crawled, base: str, fetcher: BlockingFetcherPort, clock: Clock | None = None) -> FinishReason:
    engine = opened.synchronous(fetcher)
    if clock is not None:
        engine._stopped = _Waiting(clock)  # type: ignore[assignment]
    for records in engine.steps():
        _show(crawled, base, records)
    assert engine.reason is not None
    return engine.reason


def _showing(crawled: Crawled, base: str) -> Callable[[Sequence[Record]], Any]:
    async def deliver(records: Sequence[Record]) -> None:
        _show(crawled, base, records)

    return deliver


def _show(crawled: Crawled, base: str, records: Sequence[Record]) -> None:
    crawled.shown += [path_of(record.page.url, base) for record in records if record.page.role != "sitemap"]


# -- a story's answers ---------------------------------------------------------------------------------------------------


def _answers(pages: Mapping[str, Any], base: str) -> dict[str, Any]:
    """The pages by URL, as a fake fetcher takes them. A path without its query answers for every query."""
    return _ByPath({base + key if key.startswith("/") else key: _answer(value) for key, value in pages.items()})


class _ByPath(dict[str, Any]):
    def get(self, url: str, otherwise: Any = None) -> Any:
        return super().get(url, super().get(url.partition("?")[0], otherwise))


def _answer(value: Any) -> Callable[[Request], Any]:
    def given(request: Request) -> Any:
        made = value(_as_asked(request)) if callable(value) else value
        if isinstance(made, Answer) and made.fault is not None:
            return PageError(_FAULTS[made.fault], made.fault)
        return made

    return given


def _as_asked(request: Request) -> SiteRequest:
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return SiteRequest("GET", target, f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}".encode())


# -- what came of it -----------------------------------------------------------------------------------------------------


def _finish(opened: Assembly, crawled: Crawled, base: str) -> None:
    opened.finish(crawled.reason)
    crawled.seconds = max((asked.ended for asked in crawled.requests), default=0.0) - min(
        (asked.started for asked in crawled.requests), default=0.0
    )
    connection = opened.database.connection
    connection.row_factory = sqlite3.Row
    try:
        _look(connection, crawled, base)
    finally:
        connection.row_factory = None
    _check(opened, crawled, base)


def _look(connection: sqlite3.Connection, crawled: Crawled, base: str) -> None:
    def rows(query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(query)]

    for row in rows("SELECT * FROM pages ORDER BY row"):
        crawled.pages[path_of(row["url"], base)] = row
    known = rows("SELECT url, state, reason, detail, attempts, role, depth FROM urls")
    crawled.urls = {path_of(row.pop("url"), base): Known(**row) for row in known}
    # Every URL ever discovered has one row.
    assert len(crawled.urls) == len(known)
    for row in rows("SELECT url, reason, detail FROM skipped"):
        crawled.skipped[path_of(row["url"], base)] = (row["reason"], row["detail"])
    query = """SELECT p.url AS src, coalesce(u.url, '') AS dst, kind
               FROM links l LEFT JOIN pages p ON p.id = l.src LEFT JOIN urls u ON u.id = l.dst"""
    crawled.links = [(path_of(row["src"] or "", base), path_of(row["dst"], base), row["kind"]) for row in rows(query + " ORDER BY l.link")]
    crawled.history = [row["finish_reason"] for row in rows("SELECT finish_reason FROM runs ORDER BY run")]


def _check(opened: Assembly, crawled: Crawled, base: str) -> None:
    """The laws of every crawl."""
    settings, execute = opened.settings, opened.database.connection.execute
    # The counts of the frontier are the counts of its rows, and nothing stays leased.
    check_counts(opened.frontier)
    assert execute("SELECT count(*) FROM hosts WHERE leased_until IS NOT NULL").fetchone()[0] == 0
    assert not [path for path, known in crawled.urls.items() if known.state == "leased"]
    # The run says why it ended.
    assert crawled.history[-1] == crawled.reason
    # Each page of this run was shown once, and nothing else was.
    stored = [path for path, row in crawled.pages.items() if row["run"] == opened.run]
    assert Counter(crawled.shown) == Counter(stored)
    # Every page was admitted, and its state says what its row says.
    states = {"ok": "done", "redirect": "done", "http_error": "done", "not_modified": "done", "error": "failed"}
    assert {path: crawled.urls[path].state for path in crawled.pages} == {
        path: states[row["outcome"]] for path, row in crawled.pages.items()
    }
    # What was not asked for has no row, what was asked for and is not queued again has one.
    assert all(path in crawled.pages or crawled.urls[path].state == "queued" for path in crawled.fetched)
    # Every URL that is left out has its reason.
    assert all(known.reason for known in crawled.urls.values() if known.state in ("skipped", "failed"))
    _check_politeness(settings, crawled)


def _check_politeness(settings: Settings, crawled: Crawled) -> None:
    # A later run knows the robots.txt of the one before.
    told: dict[str, float] = defaultdict(lambda: float("inf") if len(crawled.history) == 1 else 0.0)
    for asked in crawled.requests:
        if asked.role == "robots":
            told.setdefault(origin(asked.url), asked.ended)
        elif settings.robots == "obey":
            assert told[origin(asked.url)] <= asked.started, f"{asked.url} was asked before its robots.txt"
    by_host: dict[str, list[Asked]] = defaultdict(list)
    for asked in crawled.requests:
        by_host[asked.host].append(asked)
    for host, requests in by_host.items():
        starts = sorted(asked.started for asked in requests)
        assert all(later - earlier >= settings.delay - 1e-9 for earlier, later in pairwise(starts)), f"{host} was asked too soon"
        for asked in requests:
            together = sum(other.started <= asked.started < other.ended for other in requests)
            assert together <= settings.per_host, f"{host} had {together} requests at once"
