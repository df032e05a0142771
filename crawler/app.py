"""`Crawler` and `crawl`: what Python sees, and where the asynchronous parts of a crawl are entered and left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import Self, TypeVar

from crawler.assembly import Assembly
from crawler.core.urls import host_key, normalize_seed
from crawler.engine.asynchronous import AsynchronousEngine
from crawler.engine.courier import Courier
from crawler.engine.hooks import Follow, Hooks, OnPage, OnRequest
from crawler.engine.stream import PageBuffer, PageStream
from crawler.engine.synchronous import SynchronousEngine
from crawler.errors import DiskFullError, UsageError
from crawler.fetch.http import HttpFetcher
from crawler.keeping import begin, sum_up
from crawler.model import FinishReason, Page, Record
from crawler.report.summary import Summary
from crawler.settings import Settings
from crawler.waiting import to_the_end
from crawler.wiring import (
    fetch_options_of,
    politeness_of,
    wanted_of,
)

Result = TypeVar("Result")

GRACE = 3.0
"""Seconds that requests in flight get when a crawl is stopped."""

AFTER_THE_LIMIT = 1.0
"""The same at `--max-time`."""


def open_crawl(settings: Settings, hooks: Hooks, *, again: bool = False, shows_links: bool = True) -> Assembly:
    """A crawl, opened: alone in its folder, or one worker's share of a crawl at `frontier`."""
    if settings.frontier is None:
        return Assembly(settings, hooks, again=again, shows_links=shows_links)
    from crawler.shared import SharedAssembly  # its client of Redis is an extra

    return SharedAssembly(settings, hooks, again=again, shows_links=shows_links)


def crawl(*seeds: str, **settings: object) -> Iterator[Page]:
    """Crawls in the synchronous mode and yields every page as it is stored: `for page in crawl("https://example.org")`.

    Takes the keywords of `Crawler`. Leaving the loop early leaves a resumable folder (`output="folder"`).
    """
    chosen = _alone(Settings.from_keywords(seeds=seeds, **settings))
    with open_crawl(chosen, Hooks()) as opened:
        try:
            begin(opened)
            if not opened.is_finished:
                for records in run_synchronously(opened):
                    yield from (record.page for record in records if record.page.role != "sitemap")
        except BaseException:
            with suppress(Exception):  # what went wrong before is what is told
                _leave_report(opened)
            raise
        _leave_report(opened)


def _leave_report(opened: Assembly) -> None:
    if opened.folder is not None:
        sum_up(opened)


@contextmanager
def end_written_down(opened: Assembly) -> Iterator[None]:
    """Writes down why a crawl ended, whatever ends it inside: its own end (`opened.reason`), a cancellation, a full disk, an error."""
    try:
        yield
    except asyncio.CancelledError:  # whoever reads has gone
        opened.reason = "interrupted"
        raise
    except DiskFullError:
        opened.reason = "disk full"
        raise
    finally:
        opened.finish(opened.reason)


def run_synchronously(
    opened: Assembly, started: Callable[[SynchronousEngine], None] | None = None
) -> Generator[Sequence[Record], None, None]:
    """Runs an opened crawl in this thread, yields the records of each commit, and writes down why it ended (`opened.reason`).
    `started` is told the engine, to stop it."""
    from crawler.fetch.blocking import BlockingFetcher  # urllib3 takes 40 ms to import

    settings = opened.settings
    engine: SynchronousEngine | None = None
    with end_written_down(opened):
        try:
            with BlockingFetcher(opened.fetch_options(), opened.spool) as fetcher:
                engine = opened.synchronous(fetcher)
                if started is not None:
                    started(engine)
                limit = float("inf") if settings.max_time is None else settings.max_time
                fetcher.end = time.perf_counter() + limit + AFTER_THE_LIMIT
                with closing(engine.steps(opened.clock() + limit, AFTER_THE_LIMIT)) as steps:
                    for records in steps:
                        opened.tally.count(records, opened.clock())
                        yield records
                opened.reason = engine.reason or "error"
        except (GeneratorExit, KeyboardInterrupt):
            opened.reason = (engine.reason if engine is not None else None) or "interrupted"
            raise


class Crawler:
    """Crawls from Python.

        async with Crawler(output="out", max_pages=500) as crawler:
            async for page in crawler.crawl("https://example.org"):
                print(page.status, page.url, page.title)
        print(crawler.summary)

    Takes settings by keyword (see the reference of settings); `output=None` keeps everything in memory. Nothing is opened
    before `async with`; leaving it closes every session, task and file, whatever happened inside. Two crawlers in one loop
    work. Raises UsageError for settings that cannot be used, OutputError for a folder that cannot.
    """

    def __init__(self, settings: Settings | None = None, **keywords: object) -> None:
        self._settings = settings if settings is not None else Settings.from_keywords(**keywords)
        self._hooks = Hooks()
        self._stack = AsyncExitStack()
        self._allowed: set[str] = set()
        self._courier: Courier | None = None
        self._entered = False
        self._crawl_task: asyncio.Task[None] | None = None
        self._buffer: PageBuffer | None = None
        self._summary: Summary | None = None

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        self._entered = True
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._entered = False
        self._courier = None
        await self._stack.aclose()

    # -- hooks -----------------------------------------------------------------------------------------------------------

    def on_request(self, hook: OnRequest) -> OnRequest:
        """Decorator: sees every request before it is sent; may return another one, or `Skip("why")`."""
        self._hooks.on_request.append(hook)
        return hook

    def on_page(self, hook: OnPage) -> OnPage:
        """Decorator: sees every page before it is stored. When it raises, that page is failed; the crawl goes on. After a kill
        it may see a page again."""
        self._hooks.on_page.append(hook)
        return hook

    def follow(self, hook: Follow) -> Follow:
        """Decorator: is given a page and its links, and returns the links to follow."""
        self._hooks.follow.append(hook)
        return hook

    # -- crawling --------------------------------------------------------------------------------------------------------

    @property
    def summary(self) -> Summary | None:
        """What came of the crawl, counted in its database; None before the first crawl ended."""
        return self._summary

    def crawl(self, *seeds: str, ok_only: bool = False) -> PageStream:
        """A stream of pages, each stored before it is shown. Read to its end it shows every attempted URL once, failures
        included (with `ok_only` those with a page alone). The stream is bounded: a slow reader slows the crawl. Leaving it
        early, by whatever way, ends the crawl and leaves a resumable folder. One crawl at a time."""
        self._check_free()
        return PageStream(lambda buffer: self._begin(seeds, buffer), ok_only=ok_only)

    def _begin(self, seeds: Sequence[str], buffer: PageBuffer) -> asyncio.Task[None]:
        """Starts the crawl in a task that lives until its stream is left, and never longer than this crawler."""
        self._check_free()
        chosen = _alone(replace(self._settings, seeds=tuple(seeds)) if seeds else self._settings)
        task = asyncio.create_task(self._crawl(chosen, buffer, self._crawl_task), name="crawler")
        self._stack.push_async_callback(self._end, task, buffer)
        self._crawl_task, self._buffer = task, buffer
        return task

    async def _crawl(self, settings: Settings, buffer: PageBuffer, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # it was left, and may have to put things away
            await to_the_end(before)
        with open_crawl(settings, self._hooks) as opened:
            try:
                begin(opened)
                if not opened.is_finished:
                    await run_asynchronously(opened, buffer.deliver)
            except BaseException:
                await self._sum_up(opened)
                raise
            (await self._sum_up(opened)).result()

    async def _sum_up(self, opened: Assembly) -> asyncio.Task[None]:
        """Counts what came of a crawl, and writes that into its folder: in a thread, as it may take seconds. The task is over."""

        def find_out() -> None:
            self._summary = sum_up(opened)

        task = asyncio.create_task(asyncio.to_thread(find_out), name="crawler-summary")
        await to_the_end(task)
        return task

    async def _end(self, task: asyncio.Task[None], buffer: PageBuffer) -> None:
        """When the crawler is left: ends a crawl that still runs. Its error belongs to the reader of the stream, who may be gone."""
        buffer.close()
        task.cancel()
        await to_the_end(task)

    # -- single pages ----------------------------------------------------------------------------------------------------

    async def fetch(self, url: str) -> Page:
        """One page, redirects followed, outside any crawl and stored nowhere; its error is `page.error`. Politeness holds,
        robots.txt is not asked: somebody named this URL."""
        return await (await self._get_courier([url])).fetch(url)

    async def fetch_all(self, urls: Iterable[str], timeout: float | None = None) -> list[Page]:
        """A batch of pages in the order of the URLs. Errors are values; what is unfinished after `timeout` seconds is cancelled
        and stands in its place as an error `timeout`, which says what came of the attempt before."""
        wanted = list(urls)
        return await (await self._get_courier(wanted)).fetch_all(wanted, timeout)

    async def as_completed(self, urls: Iterable[str]) -> AsyncIterator[Page]:
        """A batch of pages, first come, first served. Leaving the loop cancels the rest."""
        wanted = list(urls)
        pages = (await self._get_courier(wanted)).as_completed(wanted)
        try:
            async for page in pages:
                yield page
        finally:
            await pages.aclose()  # type: ignore[attr-defined]

    async def _get_courier(self, urls: Iterable[str]) -> Courier:
        self._check_open()
        for url in urls:
            try:
                self._allowed.add(host_key(normalize_seed(url)))
            except UsageError:
                continue  # becomes the error of that page
        if self._courier is None:
            settings = self._settings
            fetcher = await self._stack.enter_async_context(HttpFetcher(fetch_options_of(settings, (), allowed=self._allowed)))
            self._courier = Courier(
                fetcher, politeness_of(settings), time.monotonic,
                concurrency=settings.concurrency, max_redirects=settings.max_redirects, wanted=wanted_of(settings),
            )  # fmt: skip
            self._stack.push_async_callback(self._courier.close)
        return self._courier

    def _check_free(self) -> None:
        self._check_open()
        if self._crawl_task is not None and self._buffer is not None and not self._crawl_task.done() and not self._buffer.is_closed:
            raise UsageError("this crawler crawls already", "one Crawler has one crawl at a time", "another Crawler")

    def _check_open(self) -> None:
        if not self._entered:
            raise UsageError("this crawler is not open", "sessions live under `async with`", "async with Crawler(…) as crawler:")


def run_in_loop(main: Coroutine[object, object, Result]) -> Result:
    """Runs a coroutine in uvloop when it is there: the same loop, faster."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def _alone(settings: Settings) -> Settings:
    """The same settings. Raises UsageError when they ask for more than this process."""
    if settings.processes > 1:
        why = "workers are copies of a process in which nothing runs yet, and nobody can tell that of a program"
        raise UsageError("`processes` is for the command line", why, f"crawler crawl --processes {settings.processes}, and read its folder")
    return settings


async def run_asynchronously(
    opened: Assembly, deliver: Callable[[Sequence[Record]], object], started: Callable[[AsynchronousEngine], None] | None = None
) -> FinishReason:
    """Runs an opened crawl to its end in this loop and writes down why it ended. `started` is told the engine, to stop it.

    The one place where the asynchronous parts are entered, and left in reverse order.
    """

    async def count_and_deliver(records: Sequence[Record]) -> None:
        opened.tally.count(records, opened.clock())
        await deliver(records)  # type: ignore[misc]

    settings = opened.settings
    with end_written_down(opened):
        async with AsyncExitStack() as stack:
            fetcher = await stack.enter_async_context(HttpFetcher(opened.fetch_options(), opened.spool))
            engine = opened.asynchronous(fetcher, count_and_deliver)
            if settings.max_time is not None:
                timer = asyncio.get_running_loop().call_later(settings.max_time, engine.stop, "time limit", AFTER_THE_LIMIT)
                stack.callback(timer.cancel)
            if started is not None:
                started(engine)
            opened.reason = await engine.run()
    return opened.reason
