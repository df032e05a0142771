"""The synchronous engine: one page at a time, in one thread, without a loop. The honest opponent of the asynchronous one.

Same workbench, judge, frontier, store and group commit; only the waiting differs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence

from crawler.core.turns import Idle, Need, Wait
from crawler.core.workbench import Workbench
from crawler.engine.batch import Visit
from crawler.engine.commit import GroupCommit
from crawler.engine.hooks import Hooks, Skip
from crawler.engine.judge import Judge
from crawler.engine.reader import Reader
from crawler.engine.reading import Reading
from crawler.engine.robots_story import robots_story
from crawler.engine.steps import in_one_go
from crawler.engine.visit import hook_failed
from crawler.errors import UsageError
from crawler.model import Failed, FinishReason, Record, Request, Response, Skipped
from crawler.ports import BlockingFetcher

POLL = 0.5


class _TimeIsUp(Exception):
    """The time limit came before the answer, or before all of it was read and judged."""


class SynchronousEngine:
    """Crawls until the frontier is finished or `stop` is called."""

    def __init__(
        self,
        workbench: Workbench,
        judge: Judge,
        reader: Reader,
        fetcher: BlockingFetcher,
        commit: GroupCommit,
        clock: Callable[[], float],
        *,
        hooks: Hooks | None = None,
    ) -> None:
        self._workbench = workbench
        self._judge = judge
        self._fetcher = fetcher
        self._commit = commit
        self._outbox: list[Sequence[Record]] = []
        self._clock = clock
        self._hooks = hooks or Hooks()
        self._reader = reader
        self._reason: FinishReason | None = None
        self._stopped = threading.Event()
        self._end = float("inf")
        self._last = float("inf")
        self._flying: tuple[str, float] | None = None

    def steps(self, end: float = float("inf"), grace: float = 0.0) -> Generator[Sequence[Record], None, None]:
        """Runs to the end, the time limit `end` at the latest, and yields the records of each commit. The page that is under way then
        gets `grace` seconds; after that it is released, neither tried nor failed. However it is left, leases are given back and
        visits committed."""
        self._end, self._last = end, end + grace
        try:
            with self._reader:
                while self._reason is None:
                    self._step()
                    if self._clock() >= end:
                        self.stop("time limit", 0.0)
                    yield from self._shown()
        finally:
            self._settle()
        if self._reason in ("size limit", "no reader"):  # unless nothing is left
            self._reason = self._commit.finished() or self._reason
        yield from self._shown()

    def run(self) -> FinishReason:
        """Runs to the end without looking at the pages, and says why it ended."""
        for _ in self.steps():
            pass
        return self.reason or "error"

    @property
    def reason(self) -> FinishReason | None:
        """Why the run ended; None before that."""
        return self._reason

    def _shown(self) -> Sequence[Sequence[Record]]:
        shown, self._outbox = self._outbox, []
        return shown

    def stop(self, reason: FinishReason, grace: float) -> None:
        """Ends after the page that is under way. `grace` has no meaning here: only the end of `steps` cuts that off."""
        del grace
        self._reason = self._reason or reason
        self._stopped.set()

    def flying(self) -> Sequence[tuple[str, float]]:
        """The URL in flight with the seconds since it started."""
        return [(self._flying[0], self._clock() - self._flying[1])] if self._flying else []

    def _settle(self) -> None:
        self._commit.shorten(self._reason)
        while len(self._commit):
            self._write_batch()
        self._commit.give_back(self._workbench.release_all())

    def _step(self) -> None:
        if self._commit.due_at() <= self._clock() or not self._commit.has_room(0):
            self._write_batch()
            if self._commit.is_at_limit:
                return self.stop("size limit", 0.0)
        match self._workbench.next(self._clock()):
            case Request() as request:
                self._serve(request)
            case Skipped() | Failed() as outcome:
                self._collect(outcome.request, self._judge.unasked(outcome))
            case Need() as need:
                self._commit.take(need, self._commit.ask(need), self._clock())
            case Wait() | Idle() if len(self._commit):
                self._write_batch()
            case Wait(until):
                self._stopped.wait(max(0.0, min(until, self._end) - self._clock()))
            case Idle():
                self._find_end()

    def _find_end(self) -> None:
        reason = self._commit.finished()
        if reason is not None:
            self.stop(reason, 0.0)
        else:
            self._stopped.wait(POLL)
            self._workbench.wake()

    def _write_batch(self) -> None:
        committed = self._commit.write(self._commit.cut())
        self._commit.acknowledge(committed)
        if committed.records:
            self._outbox.append(committed.records)

    def _collect(self, request: Request, visit: Visit) -> None:
        self._commit.collect(self._workbench.lease_of(request), visit, self._clock())

    def _serve(self, request: Request) -> None:
        lease = self._workbench.lease_of(request)
        self._flying = (request.url, self._clock())
        try:
            if request.role == "robots":
                self._ask_robots(request)
            else:
                self._commit.collect(lease, self._attempt(request), self._clock())
        except _TimeIsUp:
            self._workbench.cancelled(request)
        except BaseException:
            self._workbench.cancelled(request)
            raise
        finally:
            self._flying = None

    def _attempt(self, request: Request) -> Visit:
        sent = self._before(request)
        if isinstance(sent, Skip):
            return self._judge.skipped(request, sent)
        response = self._fetch(sent, request)
        verdict = self._judge.verdict(request, response)
        reading = self._reader.read_blocking(request, response, self._last - self._clock()) if verdict is None else Reading()
        self._check_time()
        return self._after(request, in_one_go(self._judge.visit(request, response, reading, verdict), self._check_time))

    def _check_time(self) -> None:
        if self._clock() >= self._last:
            raise _TimeIsUp

    def _fetch(self, sent: Request, request: Request) -> Response:
        response = self._fetcher.fetch(sent, lambda is_sent: is_sent and self._workbench.leaves(request, self._clock()))
        if response.error is not None and self._clock() >= self._end:
            raise _TimeIsUp  # cut off, perhaps: neither tried nor failed
        return response

    def _before(self, request: Request) -> Request | Skip:
        for hook in self._hooks.on_request:
            answer = hook(request)
            if isinstance(answer, Skip):
                return answer
            if answer is not None and not isinstance(answer, Request):
                raise UsageError("an on_request hook is a coroutine", "the synchronous mode calls plain functions only", 'mode="async"')
            request = answer or request
        return request

    def _after(self, request: Request, visit: Visit) -> Visit:
        if visit.record is None or visit.record.page.role == "sitemap":
            return visit
        try:
            for hook in self._hooks.on_page:
                hook(visit.record.page)
        except Exception as error:
            return hook_failed(request, visit, error)
        return visit

    def _ask_robots(self, request: Request) -> None:
        story = robots_story(request)
        step = next(story)
        while True:
            try:
                step = story.send(self._fetch(step, request))
                until = self._workbench.led_on(request, self._clock())
                if self._stopped.wait(max(0.0, min(until, self._end) - self._clock())) or self._clock() >= self._end:
                    raise _TimeIsUp
            except StopIteration as end:
                visit = in_one_go(self._judge.robots(request, end.value), self._check_time)
                break
        if visit.requests or visit.refusals or self._judge.keeps_pace(request):
            self._collect(request, visit)
