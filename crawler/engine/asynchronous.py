"""The asynchronous engine: a bounded pool of workers, one clerk who keeps the books, one deliverer who shows pages.

Workers ask the workbench what to do next, fetch, read, and hand a visit to the clerk. The clerk alone goes to the frontier
and commits, through one writer thread, so the loop never waits for a disk. The deliverer shows what is committed; while it
waits for a slow reader nothing further is committed, the visits pile up to a bound, and the workers wait: that is the
back-pressure. Leases are renewed all the while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from crawler.core.retry import TooLate
from crawler.core.robots import LARGE_ROBOTS
from crawler.core.turns import Idle, Need, Wait
from crawler.core.workbench import Workbench
from crawler.engine.alarm import Alarm
from crawler.engine.batch import Visit
from crawler.engine.commit import GroupCommit
from crawler.engine.hooks import Hooks, Skip
from crawler.engine.judge import Judge
from crawler.engine.reader import Reader
from crawler.engine.reading import Reading
from crawler.engine.robots_story import robots_story
from crawler.engine.steps import in_turn, others_first
from crawler.engine.visit import hook_failed
from crawler.engine.writer import Writer
from crawler.model import Failed, FinishReason, Leases, Record, Request, Response, Skipped
from crawler.ports import Fetcher
from crawler.waiting import first_of, is_cancelled, to_the_end

PATIENCE = 0.02
"""Seconds for judging URLs without asking for them, in one go."""

POLL = 0.1
"""Seconds between two questions to a frontier in which others hold all the work."""

Deliver = Callable[[Sequence[Record]], Awaitable[None]]


class AsynchronousEngine:
    """Crawls until the frontier is finished or `stop` is called.

    `clock` is the frontier's (monotonic seconds), `deliver` is awaited with the records of each commit, in order.
    After `run` has returned or raised no task is left, every lease is given back and every visit is committed or released.
    """

    def __init__(
        self,
        workbench: Workbench,
        judge: Judge,
        reader: Reader,
        fetcher: Fetcher,
        commit: GroupCommit,
        deliver: Deliver,
        clock: Callable[[], float],
        *,
        concurrency: int = 32,
        hooks: Hooks | None = None,
    ) -> None:
        self._workbench = workbench
        self._judge = judge
        self._fetcher = fetcher
        self._commit = commit
        self._deliver = deliver
        self._clock = clock
        self._concurrency = concurrency
        self._hooks = hooks or Hooks()
        self._reader = reader
        self._parked: deque[asyncio.Future[Request]] = deque()
        self._flying: dict[int, tuple[str, float]] = {}  # id -> URL and when it started
        self._busy = 0  # requests that were given out and have no visit yet
        self._need: Need | None = None
        self._answer: tuple[Leases, Leases] | None = None  # what the frontier said to it
        self._writer = Writer()
        self._outbox: deque[Sequence[Record]] = deque()
        self._reason: FinishReason | None = None
        self._grace = 0.0
        self._alarm = Alarm(clock, self._on_time)
        self._asked_again = False  # the frontier was asked for work since the last request
        self._work = asyncio.Event()  # for the clerk
        self._mail = asyncio.Event()  # for the deliverer
        self._room = asyncio.Event()  # for workers with a page of many links
        self._renewal = asyncio.Event()  # for workers whose lease is over
        self._over = asyncio.Event()
        self._all_landed: asyncio.Future[None] | None = None
        self._closing = False  # no worker is left: the clerk commits the rest and closes the books
        self._closed = False

    # -- the life of a run -----------------------------------------------------------------------------------------------

    async def run(self) -> FinishReason:
        """Runs to the end and says why it ended. Raises what a worker, the store or the deliverer raised, unwrapped."""
        with self._writer, self._reader:
            try:
                async with asyncio.TaskGroup() as group:
                    workers = [group.create_task(self._work_on(), name=f"crawler-worker-{n}") for n in range(self._concurrency)]
                    group.create_task(self._keep_books(), name="crawler-clerk")
                    group.create_task(self._show(), name="crawler-deliverer")
                    await self._over.wait()
                    await self._land()
                    for worker in workers:
                        worker.cancel()
                    await asyncio.wait(workers)
                    self._commit.shorten(self._reason)
                    self._closing = True
                    self._work.set()
            except BaseExceptionGroup as errors:
                raise first_of(errors) from None
            finally:
                self._alarm.stop()
                if not self._closed:
                    await to_the_end(asyncio.create_task(self._abandon()))
            if self._reason in ("size limit", "no reader"):  # unless nothing is left
                self._reason = await self._writer.run(self._commit.finished) or self._reason
        assert self._reason is not None
        return self._reason

    def flying(self) -> Sequence[tuple[str, float]]:
        """The URLs in flight, each with the seconds since it started."""
        now = self._clock()
        return [(url, now - started) for url, started in self._flying.values()]

    def stop(self, reason: FinishReason, grace: float) -> None:
        """Starts nothing new, gives what is in flight `grace` seconds, then ends. Calling it again with 0 ends at once."""
        if self._reason is None:
            self._reason = reason
        self._grace = min(grace, self._grace) if self._over.is_set() else grace
        self._over.set()
        self._landed()

    async def _land(self) -> None:
        """Waits for what is in flight, as long as the grace lasts."""
        end = self._clock() + self._grace
        while self._busy and (left := min(end, self._clock() + self._grace) - self._clock()) > 0:
            self._all_landed = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._all_landed], timeout=left)

    def _landed(self) -> None:
        if self._all_landed is not None and not self._all_landed.done() and (not self._busy or not self._grace):
            self._all_landed.set_result(None)

    async def _abandon(self) -> None:
        """After an error or a cancellation: keeps what was fetched and gives the leases back, as far as that is possible. The
        next start voids what stays leased; the error that brought us here is the one to raise."""
        await self._writer.rest()
        self._take()
        self._commit.shorten("interrupted")
        with suppress(Exception):
            while len(self._commit):
                batch = self._commit.cut()
                await self._writer.run(partial(self._commit.write, batch))
        with suppress(Exception):
            await self._give_back()

    async def _give_back(self) -> None:
        """Ends all leases, also those that were about to be given back."""
        due = self._need.release if self._need is not None else ()
        await self._writer.run(partial(self._commit.give_back, [*due, *self._workbench.release_all()]))

    # -- workers ---------------------------------------------------------------------------------------------------------

    async def _work_on(self) -> None:
        while True:
            request = self._next_request()
            if request is None:
                ticket: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
                self._parked.append(ticket)
                self._work.set()
                request = await ticket
            else:
                self._wake()  # where there was one there may be more
            try:
                await self._serve(request)
            finally:
                self._busy -= 1
                self._landed()

    def _next_request(self) -> Request | None:
        """What the workbench has to start now; hands everything else it says to the clerk or the timer."""
        begun = self._clock()
        while self._reason is None and self._commit.has_room(self._busy):
            now = self._clock()
            if now - begun > PATIENCE:  # URLs by the hundred that robots.txt refuses: others first
                self._alarm.set(now)
                return None
            match self._workbench.next(now):
                case Request() as request:
                    self._asked_again = False
                    self._busy += 1
                    return request
                case Skipped() | Failed() as outcome:
                    self._collect(outcome.request, self._judge.unasked(outcome))
                case Need() as need:
                    self._need = need
                    self._work.set()
                case Wait(until):
                    self._alarm.set(until)
                    return None
                case Idle():
                    self._alarm.stop()
                    return None
        return None

    def _wake(self) -> None:
        """Something changed: gives work to the workers that wait for it."""
        while self._parked:
            if self._parked[0].done():
                self._parked.popleft()  # its worker was cancelled
                continue
            request = self._next_request()
            if request is None:
                return
            self._parked.popleft().set_result(request)

    def _on_time(self) -> None:
        self._wake()
        self._work.set()

    def _collect(self, request: Request, visit: Visit) -> None:
        self._commit.collect(self._workbench.lease_of(request), visit, self._clock())
        self._work.set()

    async def _serve(self, request: Request) -> None:
        """One request from start to visit. Cut off by a stop, it is released: neither tried nor failed."""
        lease = self._workbench.lease_of(request)
        self._flying[request.id] = (request.url, self._clock())
        try:
            if request.role == "robots":
                await self._ask_robots(request)
                return
            visit = await self._attempt(request)
        except asyncio.CancelledError as error:
            self._workbench.cancelled(request)
            if is_cancelled():
                raise
            raise RuntimeError(f"what {request.url} waited for was cancelled") from error  # by a hook; a task group takes no notice of that
        finally:
            self._flying.pop(request.id, None)
        if visit is not None:
            self._commit.collect(lease, visit, self._clock())
            self._work.set()

    async def _attempt(self, request: Request) -> Visit | None:
        sent = await self._hooks.before(request)
        if isinstance(sent, Skip):
            return self._judge.skipped(request, sent)
        # A hook that blocks keeps the clerk waiting, too. Unless the lease is lost by now, it can still be renewed.
        while (lease := self._workbench.lease_of(request)) is not None and lease.deadline <= self._clock():
            self._work.set()
            await self._renewal.wait()
        response = await self._fetcher.fetch(sent, partial(self._leaves, request))
        needed = self._reader.effort(request, response)
        reading = await self._read_apart(request, response) if needed == "apart" else None
        verdict = self._judge.verdict(request, response)
        self._wake()  # the host's slot is free while this page is read
        if reading is None:
            await others_first()
            reading = await self._reader.read(request, response, needed) if verdict is None else Reading()
        visit = await in_turn(self._judge.visit(request, response, reading, verdict), self._writer.rest)
        return await self._after(request, visit)

    def _leaves(self, request: Request, is_sent: bool) -> None:
        if not is_sent and not self._workbench.may_leave(request, self._clock()):
            raise TooLate("the lease of its host was over before it could be sent")
        if is_sent and self._workbench.leaves(request, self._clock()):
            self._wake()

    async def _read_apart(self, request: Request, response: Response) -> Reading | Exception:
        """Reads what takes long while its host's slot is still taken, so that one host cannot keep all workers waiting; and not
        before what came of the last such page is stored."""
        async with self._reader.turn:
            while self._commit.has_much:
                self._room.clear()
                await self._room.wait()
            return await self._reader.read_apart(request, response)

    async def _after(self, request: Request, visit: Visit) -> Visit:
        """Shows the page to the `on_page` hooks; one that raises makes the page failed."""
        if visit.record is None or visit.record.page.role == "sitemap":
            return visit
        try:
            await self._hooks.after(visit.record.page)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            return hook_failed(request, visit, error)
        return visit

    async def _ask_robots(self, request: Request) -> None:
        story = robots_story(request)
        step = next(story)
        while True:
            try:
                step = story.send(await self._fetcher.fetch(step, partial(self._leaves, request)))
                await asyncio.sleep(self._workbench.led_on(request, self._clock()) - self._clock())
            except StopIteration as end:
                if len(end.value.facts.text or b"") > LARGE_ROBOTS:
                    await asyncio.to_thread(self._judge.prepare, end.value)
                visit = await in_turn(self._judge.robots(request, end.value))
                break
        if visit.requests or visit.refusals or self._judge.keeps_pace(request):
            self._collect(request, visit)
        self._wake()

    # -- the clerk -------------------------------------------------------------------------------------------------------

    async def _keep_books(self) -> None:
        """Goes to the frontier when the workbench needs it, commits when a batch is due, and finds out when all is done."""
        while True:
            self._work.clear()
            if self._need is not None and not self._closing:
                await self._writer.run(partial(self._ask, self._need))
                self._take()
                self._wake()
            elif not self._outbox and len(self._commit) and (self._closing or self._is_starved or self._commit.due_at() <= self._clock()):
                await self._write_batch()
                self._wake()
            elif self._closing and not len(self._commit):
                await self._give_back()
                self._closed = True
                self._mail.set()
                return
            elif self._is_quiet:
                await self._find_end()
            else:
                await self._until_work()

    async def _until_work(self) -> None:
        due = min(self._workbench.renew_at, self._commit.due_at() if not self._outbox else float("inf"))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - self._clock()) if due < float("inf") else None):
                await self._work.wait()
        self._need = self._need or self._workbench.renewal(self._clock())

    def _ask(self, need: Need) -> None:
        self._answer = self._commit.ask(need)

    def _take(self) -> None:
        """Gives the workbench what the frontier answered, if it did."""
        if self._need is not None and self._answer is not None:
            self._commit.take(self._need, self._answer, self._clock())
            self._need = self._answer = None
            self._renewal.set()
            self._renewal.clear()

    @property
    def _is_starved(self) -> bool:
        """Workers wait, and only a commit can bring new URLs."""
        return bool(self._parked) and not self._workbench.has_waiting

    @property
    def _is_quiet(self) -> bool:
        """Nothing in flight, nothing to commit, nothing to wait for."""
        return not (self._busy or len(self._commit) or self._outbox or self._need or self._reason or self._alarm.is_set)

    async def _write_batch(self) -> None:
        committed = await self._writer.run(partial(self._commit.write, self._commit.cut()))
        self._commit.acknowledge(committed)
        self._room.set()
        if self._commit.is_at_limit:
            self.stop("size limit", 0.0)
        if committed.records:
            self._outbox.append(committed.records)
            self._mail.set()

    async def _find_end(self) -> None:
        reason = await self._writer.run(self._commit.finished)
        if reason is not None:
            self.stop(reason, 0.0)
            return
        self._asked_again = not self._asked_again
        if self._asked_again:
            self._workbench.wake()
            self._wake()
        else:  # others hold all the work
            self._alarm.set(self._clock() + POLL)

    # -- the deliverer ---------------------------------------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            while self._outbox:
                await self._deliver(self._outbox[0])
                self._outbox.popleft()
                self._work.set()
            if self._closed:
                return
            self._mail.clear()
            await self._mail.wait()
