"""However a crawl is left, it leaves nothing behind but a folder that goes on: what was shown is stored, and nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from running import SECONDS, Capture, assert_at_rest, ended, no_surroundings, rows, run, running, stored, value, wait_until

from crawler import Crawler, Page, Settings, crawl
from crawler.app import run_asynchronously, run_synchronously
from crawler.assembly import Assembly
from crawler.core.workbench import Workbench
from crawler.engine import batch, commit
from crawler.engine.asynchronous import AsynchronousEngine
from crawler.engine.hooks import Hooks
from crawler.engine.synchronous import SynchronousEngine
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Record
from crawler.store.results import ResultStore
from crawler.testing import Answer, Gate, PageValue, Site, SiteRequest, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
FREE, HELD = 24, 24
FEW = 5


class Broken(Exception):
    """What a test breaks a part with."""


def pages(gate: Gate) -> dict[str, Any]:
    """A start page, pages that are answered at once, each with one page below it, and pages that wait for the gate."""
    free = {f"/{n}": answer(body=f"<title>{n}</title>", links=[f"/{n}/below"]) for n in range(FREE)}
    below = {f"/{n}/below": f"<p>below {n}" for n in range(FREE)}
    held = {f"/held/{n}": answer(body=f"held {n}", gate=gate) for n in range(HELD)}
    return {"/": answer(links=[*free, *held]), **free, **below, **held}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def web(new_site: NewSite, gate: Gate) -> Site:
    return new_site(pages(gate))


@asynccontextmanager
async def nothing_left_behind(site: Site, folder: Path, shown: list[str]) -> AsyncIterator[None]:
    """After the block there is no task, no connection, no lease and no complaint, and what was shown is stored, once."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await no_connections(site)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
    assert_at_rest(folder)
    assert len(set(shown)) == len(shown)
    assert set(shown) <= set(stored(folder))


class Landing:
    """Told of each page that a crawl has read (an `on_page` hook), says when these have landed: what is read is kept."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._missing = set(urls)
        self._landed = asyncio.Event()

    def __call__(self, page: Page) -> None:
        self._missing.discard(page.url)
        if not self._missing:
            self._landed.set()

    async def wait(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self._landed.wait()


async def no_connections(site: Site) -> None:
    """Waits until the site has seen the end of every connection."""
    async with asyncio.timeout(5):
        while site.open_connections:
            await asyncio.to_thread(os.sched_yield)


async def goes_on(site: Site, gate: Gate, folder: Path, shown: Sequence[str], **settings: object) -> None:
    """A second crawl shows what was not stored yet; then all is there, once."""
    gate.open()
    before = stored(folder)
    async with Crawler(output=folder, **settings) as crawler:
        rest = [page.url async for page in crawler.crawl(site.url())]
    assert not set(rest) & set(before)
    assert sorted(rest + before) == stored(folder) == sorted(site.reachable())
    assert set(shown) <= set(before)
    assert crawler.summary is not None
    assert crawler.summary.complete
    assert_at_rest(folder)


# -- the reader leaves -------------------------------------------------------------------------------------------------


async def read(stream: AsyncIterator[Page], shown: list[str], then: Callable[[], Awaitable[None]] | None) -> None:
    """Reads a few pages, then does `then`, and goes on if that let it; leaves the loop without one."""
    async for page in stream:
        shown.append(page.url)
        if len(shown) == FEW:
            if then is None:
                break
            await then()


async def raise_an_error() -> None:
    raise Broken("the reader")


async def be_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def be_cancelled_again_and_again() -> None:
    """Once now, and at each of the next turns of the loop."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    task.cancel()

    def again(left: int) -> None:
        if left:
            task.cancel()
            loop.call_soon(again, left - 1)

    loop.call_soon(again, 20)


LEAVING: dict[str, tuple[Callable[[], Awaitable[None]] | None, type[BaseException] | None]] = {
    "break": (None, None),
    "an exception": (raise_an_error, Broken),
    "cancellation": (be_cancelled, asyncio.CancelledError),
    "impatient cancellation": (be_cancelled_again_and_again, asyncio.CancelledError),
}


@pytest.mark.parametrize("way", LEAVING)
async def test_a_reader_may_leave_by_any_way(web: Site, gate: Gate, tmp_path: Path, way: str) -> None:
    """break, an exception, cancellation: the reader's own exception arrives, nothing stays behind, and the next crawl completes."""
    then, expected = LEAVING[way]
    shown: list[str] = []
    caught: BaseException | None = None

    async def leave() -> None:
        async with Crawler(output=tmp_path / "out") as crawler:
            stream = crawler.crawl(web.url())
            await read(stream, shown, then)

    async with nothing_left_behind(web, tmp_path / "out", shown):
        task = asyncio.create_task(leave())
        try:
            await task
        except (Broken, asyncio.CancelledError) as error:
            caught = error
        del task
    assert type(caught) is (expected or type(None))
    assert value(tmp_path / "out", "SELECT finish_reason FROM runs") == "interrupted"
    await goes_on(web, gate, tmp_path / "out", shown)


@pytest.mark.parametrize("inside", [True, False])
async def test_a_deadline_ends_a_crawl(web: Site, gate: Gate, tmp_path: Path, inside: bool) -> None:
    """`asyncio.timeout`, around the loop or around the crawler, raises its TimeoutError and nothing else."""
    shown: list[str] = []

    async def crawl_until_the_deadline() -> None:
        loop = asyncio.get_running_loop()
        if inside:
            async with Crawler(output=tmp_path / "out") as crawler, asyncio.timeout(None) as limit:
                async for page in crawler.crawl(web.url()):
                    shown.append(page.url)
                    limit.reschedule(loop.time())
        else:
            async with asyncio.timeout(None) as limit, Crawler(output=tmp_path / "out") as crawler:
                async for page in crawler.crawl(web.url()):
                    shown.append(page.url)
                    limit.reschedule(loop.time())

    async with nothing_left_behind(web, tmp_path / "out", shown):
        with pytest.raises(TimeoutError):
            await crawl_until_the_deadline()
    assert shown
    await goes_on(web, gate, tmp_path / "out", shown)


async def test_a_reader_may_leave_while_answers_hang(web: Site, gate: Gate, tmp_path: Path) -> None:
    """Requests in flight are cut off and their URLs given back untried: neither done nor failed."""
    shown: list[str] = []
    async with nothing_left_behind(web, tmp_path / "out", shown):
        async with Crawler(output=tmp_path / "out") as crawler:
            async for page in crawler.crawl(web.url()):
                shown.append(page.url)
                if len(shown) == 1:
                    await web.asked("/held/0")
                    break
        await no_connections(web)
    state = "SELECT state, attempts, reason FROM urls WHERE url = ?"
    assert rows(tmp_path / "out", state, web.url("/held/0")) == [("queued", 0, None)]
    await goes_on(web, gate, tmp_path / "out", shown)


@pytest.mark.parametrize("way", ["break", "close", "aclosing"])
async def test_a_stream_that_is_left_ends_its_crawl(web: Site, gate: Gate, tmp_path: Path, way: str) -> None:
    """Also while the crawler stays open: no task, no connection, and the next crawl may begin at once."""
    shown: list[str] = []
    async with Crawler(output=tmp_path / "out") as crawler:
        async with nothing_left_behind(web, tmp_path / "out", shown):
            if way == "break":
                async for page in crawler.crawl(web.url()):
                    shown.append(page.url)
                    break
            else:
                stream = crawler.crawl(web.url())
                async with aclosing(stream) if way == "aclosing" else nullcontext():
                    shown.append((await anext(stream)).url)
                stream.close()
            async with asyncio.timeout(SECONDS):
                while len(asyncio.all_tasks()) > 1:
                    assert way != "aclosing"
                    await asyncio.sleep(0)
        assert crawler.summary is not None
        assert crawler.summary.finish_reason == "interrupted"
        gate.open()
        before = stored(tmp_path / "out")
        rest = [page.url async for page in crawler.crawl(web.url())]
    assert sorted(rest + before) == sorted(web.reachable())


async def test_a_crawl_that_follows_one_that_was_left_waits_for_it(web: Site, gate: Gate, tmp_path: Path) -> None:
    """Two crawls of one folder, the second begun while the first is on its way out."""
    async with Crawler(output=tmp_path / "out") as crawler:
        async for page in crawler.crawl(web.url()):
            first = page.url
            break
        gate.open()
        rest = [page.url async for page in crawler.crawl(web.url())]
    assert first not in rest
    assert stored(tmp_path / "out") == sorted(web.reachable())


async def test_what_was_fetched_is_kept_when_the_reader_leaves(web: Site, tmp_path: Path) -> None:
    """A page that has arrived is stored although nobody will see it."""
    free = {web.url(f"/{n}") for n in range(FREE)}
    landing = Landing(free)
    async with Crawler(output=tmp_path / "out") as crawler:
        crawler.on_page(landing)
        async for _ in crawler.crawl(web.url()):
            await landing.wait()
            break
    assert free <= set(stored(tmp_path / "out"))


async def test_a_reader_may_stand_still_and_be_cancelled(web: Site, gate: Gate, tmp_path: Path) -> None:
    """The crawl waits for a reader that does not read; cancelling the reader ends it at once."""
    gate.open()
    shown: list[str] = []
    reading = asyncio.Event()

    async def stand_still() -> None:
        async with Crawler(output=tmp_path / "out") as crawler:
            async for page in crawler.crawl(web.url()):
                shown.append(page.url)
                reading.set()
                await asyncio.Event().wait()

    async with nothing_left_behind(web, tmp_path / "out", shown):
        task = asyncio.create_task(stand_still())
        await reading.wait()
        await web.asked("/held/0")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    await goes_on(web, gate, tmp_path / "out", shown)


async def test_a_stream_nobody_reads_starts_nothing(web: Site, tmp_path: Path) -> None:
    """Without a reader there is no request, no folder and nothing to clean up."""
    async with Crawler(output=tmp_path / "out") as crawler:
        crawler.crawl(web.url())
    assert web.count() == 0
    assert not (tmp_path / "out").exists()


async def test_a_stream_read_to_its_end_shows_everything(web: Site, gate: Gate, tmp_path: Path) -> None:
    """Every attempted URL is shown exactly once, in the order of storing."""
    gate.open()
    shown: list[str] = []
    async with nothing_left_behind(web, tmp_path / "out", shown), Crawler(output=tmp_path / "out") as crawler:
        shown += [page.url async for page in crawler.crawl(web.url())]
    assert sorted(shown) == sorted(web.reachable())
    assert [(url,) for url in shown] == rows(tmp_path / "out", "SELECT url FROM pages ORDER BY row")


def raise_at_the_first_page(site: Site, folder: Path) -> None:
    for page in crawl(site.url(), output=folder):
        raise Broken(page.url)


def test_the_blocking_crawl_may_be_left(web: Site, gate: Gate, tmp_path: Path) -> None:
    """`for page in crawl(url)`: break and exceptions leave a folder at rest that goes on."""
    gate.open()
    folder = tmp_path / "out"
    for page in crawl(web.url(), output=folder):
        first = page.url
        break
    assert_at_rest(folder)
    assert first in stored(folder)
    with pytest.raises(Broken):
        raise_at_the_first_page(web, folder)
    assert_at_rest(folder)
    for _ in crawl(web.url(), output=folder):
        pass
    assert stored(folder) == sorted(web.reachable())
    assert [reason for (reason,) in rows(folder, "SELECT finish_reason FROM runs")] == ["interrupted", "interrupted", "queue empty"]


# -- a part breaks -----------------------------------------------------------------------------------------------------


def breaking(patch: pytest.MonkeyPatch, part: type, method: str, error: BaseException, calls: int, forever: bool = False) -> None:
    """Makes a method raise at the given call, and at all later ones with `forever`."""
    original = getattr(part, method)
    count = 0

    def broken(self: object, *arguments: Any, **keywords: Any) -> Any:
        nonlocal count
        count += 1
        if count == calls or (forever and count > calls):
            raise error
        return original(self, *arguments, **keywords)

    patch.setattr(part, method, broken)


BREAKING = {
    "the store": (ResultStore, "write", 3, False),
    "the store for good": (ResultStore, "write", 2, True),
    "adding": (SqliteFrontier, "add", 3, False),
    "acknowledging": (SqliteFrontier, "done", 3, False),
    "acknowledging for good": (SqliteFrontier, "done", 1, True),
    "leasing": (SqliteFrontier, "lease", 2, False),
    "topping up": (SqliteFrontier, "extend", 2, False),
    "a worker": (Workbench, "answered", 10, False),
    "a worker at its first page": (Workbench, "answered", 1, False),
    "every worker": (Workbench, "answered", 8, True),
}


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, part: str) -> Iterator[Broken]:
    """One of these parts is broken meanwhile: with this error."""
    kind, method, calls, forever = BREAKING[part]
    error = Broken(part)
    with monkeypatch.context() as patch:
        breaking(patch, kind, method, error, calls, forever)
        yield error


async def read_all(site: Site, folder: Path, shown: list[str]) -> None:
    """Crawls, and adds every page to `shown` the moment it is."""
    async with Crawler(output=folder) as crawler:
        async for page in crawler.crawl(site.url()):
            shown.append(page.url)  # noqa: PERF401 - an exception must not take them along


@pytest.mark.parametrize("part", BREAKING)
async def test_a_part_that_breaks_ends_the_crawl(web: Site, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """The very exception of the part reaches the reader, after the pages before it; the folder goes on."""
    gate.open()
    shown: list[str] = []
    with broken(monkeypatch, part) as error:
        async with nothing_left_behind(web, tmp_path / "out", shown):
            with pytest.raises(Broken) as caught:
                await read_all(web, tmp_path / "out", shown)
            assert caught.value is error
    assert value(tmp_path / "out", "SELECT finish_reason FROM runs") == "error"
    await goes_on(web, gate, tmp_path / "out", shown)


@pytest.mark.parametrize("part", ["the store", "acknowledging", "a worker"])
def test_a_part_that_breaks_ends_the_blocking_crawl(
    web: Site, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """The same in the synchronous mode."""
    gate.open()
    shown: list[str] = []
    with broken(monkeypatch, part) as error, pytest.raises(Broken) as caught:
        shown.extend(page.url for page in crawl(web.url(), output=tmp_path / "out"))
    assert caught.value is error
    assert_at_rest(tmp_path / "out")
    for _ in crawl(web.url(), output=tmp_path / "out"):
        pass
    assert stored(tmp_path / "out") == sorted(web.reachable())


async def test_when_nothing_can_be_given_back_the_next_crawl_takes_it(
    web: Site, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frontier that cannot even release leaves leases; the sole holder of the folder voids them."""
    gate.open()
    with monkeypatch.context() as patch:
        breaking(patch, SqliteFrontier, "release", Broken("release"), 1, forever=True)
        breaking(patch, ResultStore, "write", Broken("write"), 2)
        with pytest.raises(Broken, match="write"):
            await read_all(web, tmp_path / "out", [])
    assert value(tmp_path / "out", "SELECT count(*) FROM hosts WHERE leased_until IS NOT NULL") == 1
    await goes_on(web, gate, tmp_path / "out", [])


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_who_shows_pages_may_fail(web: Site, gate: Gate, tmp_path: Path, at: int) -> None:
    """What is delivered to breaks: its own exception ends the crawl, and the folder goes on."""
    gate.open()
    shown: list[str] = []
    error = Broken("nobody reads")
    calls = 0

    async def deliver(records: Sequence[Record]) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        shown.extend(record.page.url for record in records if record.page.role != "sitemap")

    async with nothing_left_behind(web, tmp_path / "out", shown):
        with Assembly(Settings(seeds=(web.url(),), output=str(tmp_path / "out")), Hooks()) as opened:
            with pytest.raises(Broken) as caught:
                await run_asynchronously(opened, deliver)
            assert caught.value is error
    await goes_on(web, gate, tmp_path / "out", shown)


async def test_a_stop_waits_for_a_slow_reader_and_shows_all_that_is_stored(web: Site, gate: Gate, tmp_path: Path) -> None:
    """A stop is no cancellation: what is stored is shown, however slow the reader is, and nothing new is asked for."""
    shown: list[str] = []
    engines: list[AsynchronousEngine] = []
    landing = Landing(web.url(f"/{n}") for n in range(FREE))
    go_on = asyncio.Event()

    async def deliver(records: Sequence[Record]) -> None:
        if not shown:
            await landing.wait()
            engines[0].stop("interrupted", 0.0)
            go_on.set()
        await go_on.wait()
        shown.extend(record.page.url for record in records if record.page.role != "sitemap")

    async with nothing_left_behind(web, tmp_path / "out", shown):
        with Assembly(Settings(seeds=(web.url(),), output=str(tmp_path / "out")), Hooks(on_page=[landing])) as opened:
            assert await run_asynchronously(opened, deliver, engines.append) == "interrupted"
    assert sorted(shown) == stored(tmp_path / "out")
    assert len(shown) > FREE
    await goes_on(web, gate, tmp_path / "out", shown)


async def test_large_bodies_leave_no_temporary_files(new_site: NewSite, tmp_path: Path) -> None:
    """A crawl that is left while large bodies arrive, are read or wait to be stored leaves none of them in `.tmp`."""
    large = "<p>" + "lamp " * 120_000
    site = new_site({"/": answer(links=[f"/{n}" for n in range(12)]), **{f"/{n}": answer(body=large) for n in range(12)}})
    for number in range(1, 5):
        shown: list[str] = []
        async with nothing_left_behind(site, tmp_path / "out", shown), Crawler(output=tmp_path / "out") as crawler:
            async for page in crawler.crawl(site.url()):
                shown.append(page.url)
                await site.asked(count=min(14, 3 * number))
                break
    await goes_on(site, Gate(), tmp_path / "out", [])


async def test_a_later_stop_never_prolongs_an_earlier_one(web: Site, gate: Gate, tmp_path: Path) -> None:
    """A time limit that is reached while a crawl is cut off at once gives nobody time again."""
    engines: list[AsynchronousEngine] = []

    async def deliver(records: Sequence[Record]) -> None:
        await web.asked("/held/0")
        engines[0].stop("interrupted", 0.0)
        engines[0].stop("time limit", 3600.0)

    with Assembly(Settings(seeds=(web.url(),), output=str(tmp_path / "out")), Hooks()) as opened:
        async with asyncio.timeout(20):
            assert await run_asynchronously(opened, deliver, engines.append) == "interrupted"
    assert_at_rest(tmp_path / "out")
    await goes_on(web, gate, tmp_path / "out", [])


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_stop_does_not_wait_for_the_commits_of_many_links(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Literal["async", "sync"]
) -> None:
    """A page whose links are still being added, commit after commit, is given back untried; what was added stays, and the same crawl
    completes."""
    monkeypatch.setattr(batch, "AT_ONCE", 2)
    stops: list[Callable[[], object]] = []
    write = commit.GroupCommit.write

    def stopped_by_it(self: commit.GroupCommit, batch: commit.Batch) -> commit.Committed:
        if stops and any(visit.requests for _, visit in batch.visits):
            stops.pop()()
        return write(self, batch)

    def started(engine: AsynchronousEngine | SynchronousEngine) -> None:
        stop = partial(engine.stop, "terminated", 0.0)
        stops.append(stop if mode == "sync" else partial(asyncio.get_running_loop().call_soon_threadsafe, stop))

    monkeypatch.setattr(commit.GroupCommit, "write", stopped_by_it)
    site.page("/", links=[f"/{number}" for number in range(200)])
    for number in range(200):
        site.page(f"/{number}")
    settings = Settings(seeds=(site.url(),), output=str(tmp_path / "out"), mode=mode, sitemap="off")
    with Assembly(settings, Hooks()) as opened:
        if mode == "sync":
            assert list(run_synchronously(opened, started)) == []
        else:
            assert asyncio.run(run_asynchronously(opened, no_pages, started)) == "terminated"
        assert opened.reason == "terminated"
    assert rows(tmp_path / "out", "SELECT state, attempts FROM urls WHERE url = ?", site.url("/")) == [("queued", 0)]
    assert 1 < value(tmp_path / "out", "SELECT count(*) FROM urls") < 100
    assert_at_rest(tmp_path / "out")
    assert len(list(crawl(settings.seeds[0], output=settings.output, sitemap="off"))) == 201


async def no_pages(records: Sequence[Record]) -> None:
    """Is shown nothing."""
    assert not records


# -- signals -----------------------------------------------------------------------------------------------------------


def signalling(*numbers: int, then: PageValue = "<p>in time") -> Callable[[SiteRequest], str | bytes | Answer]:
    """A page that sends signals to this process when it is asked for the first time, and is `then` answered."""
    left = list(numbers)

    def page(request: SiteRequest) -> str | bytes | Answer:
        while left:
            signal.pthread_kill(threading.main_thread().ident or 0, left.pop(0))
        return then(request) if callable(then) else then

    return page


def many(number: int, special: dict[int, PageValue]) -> dict[str, PageValue]:
    """A start page with links to so many others."""
    others: dict[str, PageValue] = {f"/{n}": special.get(n, f"<p>{n}") for n in range(number)}
    return {"/": answer(links=[*others]), **others}


MODES = ["async", "sync"]


@pytest.mark.parametrize(
    ("number", "code", "reason"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGHUP, 143, "terminated")],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_signal_pauses(new_site: NewSite, tmp_path: Path, capfd: Capture, mode: str, number: int, code: int, reason: str) -> None:
    """What is in flight may land, nothing new begins; the exit code and the last lines say how to go on, and that works."""
    site = new_site(many(300, {30: signalling(number, then=answer(body="in time", delay=0.05))}))
    folder = tmp_path / "out"
    paused = run(capfd, site.url(), "-o", folder, "--mode", mode)
    assert paused.code == code
    assert f"crawler resume {folder}" in paused.err.split("\n")[-2]
    assert not {"error:", "Traceback", "never retrieved", "Unclosed"} & set(paused.err.split())
    assert_at_rest(folder)
    before = stored(folder)
    assert site.url("/30") in before
    assert site.count() < 100
    assert value(folder, "SELECT finish_reason FROM runs") == reason
    resumed = run(capfd, "resume", folder)
    assert resumed.code == 0
    assert sorted(site.reachable()) == stored(folder)
    assert all(site.count(url.removeprefix(site.url(""))) == 1 for url in before)


@pytest.mark.parametrize("mode", MODES)
def test_the_grace_is_short(
    new_site: NewSite, gate: Gate, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A request that hangs is cut off when the grace is over, and its URL is queued again, untried."""
    monkeypatch.setattr("crawler.app.GRACE", 0.2)
    site = new_site(many(9, {8: signalling(signal.SIGINT, then=answer(body="late", gate=gate))}))
    paused = run(capfd, site.url(), "-o", tmp_path / "out", "--mode", mode)
    assert paused.code == 130
    assert "crawler resume" in paused.err
    assert_at_rest(tmp_path / "out")
    assert rows(tmp_path / "out", "SELECT state, attempts FROM urls WHERE url = ?", site.url("/8")) == [("queued", 0)]
    gate.open()
    site.page("/8", "<p>at last")
    assert run(capfd, "resume", tmp_path / "out").code == 0
    assert stored(tmp_path / "out") == sorted(site.reachable())


@pytest.mark.parametrize("path", ["/8", "/robots.txt"])
@pytest.mark.parametrize("mode", MODES)
def test_a_second_signal_ends_at_once(new_site: NewSite, gate: Gate, tmp_path: Path, capfd: Capture, mode: str, path: str) -> None:
    """Within a second, whatever hangs, robots.txt too; what was fetched is kept."""
    pages = many(9, {})
    pages[path] = signalling(signal.SIGINT, signal.SIGTERM, then=answer(gate=gate))
    site = new_site(pages)
    paused = run(capfd, site.url(), "-o", tmp_path / "out", "--mode", mode, "--per-host", 1)
    assert time.monotonic() - site.log[-1].time < 1
    assert paused.code in (130, 143)  # two signals at once arrive in any order
    assert "crawler resume" in paused.err
    assert_at_rest(tmp_path / "out")
    assert len(stored(tmp_path / "out")) == (9 if path == "/8" else 0)


def test_a_reader_of_rows_who_stands_still_does_not_keep_a_crawl_alive(
    new_site: NewSite, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--jsonl` to a pipe that nobody reads holds up the crawl; a signal ends it all the same, with everything stored."""
    monkeypatch.setattr("crawler.app.GRACE", 0.2)
    site = new_site(many(200, {150: signalling(signal.SIGTERM)}))
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        paused = run(capfd, site.url(), "-o", tmp_path / "out", "--jsonl", tmp_path / "pipe")
    finally:
        os.close(reader)
    assert paused.code == 143
    assert_at_rest(tmp_path / "out")
    assert len(stored(tmp_path / "out")) > 150


def test_ctrl_c_in_a_terminal(new_site: NewSite, gate: Gate, tmp_path: Path) -> None:
    """A process of its own, all its requests hanging: gone within five seconds of the signal, exit 130, nothing left but the command
    that goes on."""
    held = {n: answer(gate=gate) for n in range(20, 40)}
    site = new_site(many(40, held))
    with running(site.url(), "-o", tmp_path / "out") as process:
        site.wait_for("/23", timeout=SECONDS)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        paused = ended(process)
    assert time.monotonic() - sent < 5
    assert paused.code == 130
    assert paused.out == ""
    assert "finished: interrupted" in paused.err
    assert paused.err.rstrip().endswith(f"Next: crawler resume {tmp_path / 'out'}")
    assert "Traceback" not in paused.err
    assert_at_rest(tmp_path / "out")
    assert value(tmp_path / "out", "SELECT count(*) FROM urls WHERE state = 'queued' AND attempts = 0") == 20


@pytest.mark.parametrize(("mode", "hanging"), [("async", "4 requests get"), ("sync", "1 request gets")])
def test_a_pause_is_announced(new_site: NewSite, gate: Gate, tmp_path: Path, mode: str, hanging: str) -> None:
    """The first Ctrl-C is answered by a line at once, while what is in flight still hangs; the second one, as that line says, ends it
    then and there."""
    site = new_site(many(40, {n: answer(gate=gate) for n in range(20, 40)}))
    with running(site.url(), "-o", tmp_path / "out", "--mode", mode) as process:
        site.wait_for("/23" if mode == "async" else "/20", timeout=SECONDS)
        if mode == "async":  # what is still being read counts as well
            wait_until(lambda: len(stored(tmp_path / "out")) == 21, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = next(line for line in process.stderr if not line.startswith("Crawling"))
        assert said == f"Pausing: {hanging} 3 s to finish; Ctrl-C again ends now.\n"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert ended(process).code == 130
    assert time.monotonic() - sent < 2
    assert_at_rest(tmp_path / "out")


SCRIPT = """
import asyncio, sys
from crawler import Crawler

async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is nothing to complain about
    async with Crawler(output=sys.argv[2]) as crawler:
        async for page in crawler.crawl(sys.argv[1]):
            print(page.url, flush=True)

try:
    asyncio.run(main(), debug=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_in_a_script(new_site: NewSite, gate: Gate, tmp_path: Path) -> None:
    """KeyboardInterrupt reaches whoever called `asyncio.run`, at once and without a complaint about what was left."""
    site = new_site(many(40, {n: answer(gate=gate) for n in range(20, 40)}))
    command = [sys.executable, "-X", "dev", "-c", SCRIPT, site.url(), str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        site.wait_for("/23", timeout=SECONDS)
        process.send_signal(signal.SIGINT)
        left = ended(process)
    *shown, last = left.out.split()
    assert (left.code, last, left.err) == (0, "interrupted", "")
    assert set(shown) <= set(stored(tmp_path / "out"))
    assert_at_rest(tmp_path / "out")
