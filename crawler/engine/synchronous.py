"""The synchronous engine: one page at a time, in one thread, without a loop. The honest opponent of the asynchronous one.

Same workbench, visitor, frontier, store and group commit; only the waiting differs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from crawler.core.workbench import Idle, Need, Wait, Workbench
from crawler.engine.commit import GroupCommit, Visit
from crawler.engine.hooks import Hooks, Skip, SteeringError
from crawler.engine.reading import Reading, read, retry_after
from crawler.engine.robots_story import robots_story
from crawler.engine.visit import Visitor, hook_failed
from crawler.errors import CrawlerError, UsageError
from crawler.model import Failed, FinishReason, Record, Request, Retry, Skipped
from crawler.ports import BlockingFetcher, Frontier

POLL = 0.5


class SynchronousEngine:
    """Crawls until the frontier is finished or `stop` is called."""

    def __init__(
        self,
        workbench: Workbench,
        visitor: Visitor,
        fetcher: BlockingFetcher,
        frontier: Frontier,
        commit: GroupCommit,
        clock: Callable[[], float],
        *,
        hooks: Hooks | None = None,
        extract: dict[str, str] | None = None,
    ) -> None:
        self._workbench = workbench
        self._visitor = visitor
        self._fetcher = fetcher
        self._frontier = frontier
        self._commit = commit
        self._outbox: list[Sequence[Record]] = []
        self._clock = clock
        self._hooks = hooks or Hooks()
        self._extract = extract
        self._reason: FinishReason | None = None
        self._stopped = threading.Event()
        self._end = float("inf")
        self._flying: tuple[str, float] | None = None

    def steps(self, end: float = float("inf")) -> Generator[Sequence[Record], None, None]:
        """Runs to the end, the time limit `end` at the latest, and yields the records of each commit. However it is left, leases
        are given back and visits committed."""
        self._end = end
        try:
            while self._reason is None:
                self._step()
                if self._clock() >= end:
                    self.stop("time limit", 0.0)
                yield from self._shown()
        finally:
            self._settle()
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
        """Ends after the page that is under way. `grace` has no meaning here: a blocking read cannot be cut off."""
        del grace
        self._reason = self._reason or reason
        self._stopped.set()

    def flying(self) -> Sequence[tuple[str, float]]:
        """The URL in flight with the seconds since it started."""
        return [(self._flying[0], self._clock() - self._flying[1])] if self._flying else []

    def _settle(self) -> None:
        while len(self._commit):
            self._write_batch()
        self._commit.give_back(self._workbench.release_all())

    def _step(self) -> None:
        if self._commit.due_at() <= self._clock():
            self._write_batch()
        match self._workbench.next(self._clock()):
            case Request() as request:
                self._serve(request)
            case Skipped() as skipped:
                self._collect(skipped.request, self._visitor.skipped(skipped))
            case Failed() as failed:
                self._collect(failed.request, self._visitor.closed(failed, datetime.now(UTC)))
            case Need() as need:
                extended, leased = self._commit.ask(need)
                self._workbench.take(need, extended, leased, self._clock())
            case Wait() | Idle() if len(self._commit):
                self._write_batch()
            case Wait(until):
                self._stopped.wait(max(0.0, min(until, self._end) - self._clock()))
            case Idle():
                self._find_end()

    def _find_end(self) -> None:
        reason = self._frontier.finished()
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
        except BaseException:
            self._workbench.cancelled(request)
            raise
        finally:
            self._flying = None

    def _attempt(self, request: Request) -> Visit:
        sent = self._before(request)
        if isinstance(sent, Skip):
            self._workbench.cancelled(request)
            return self._visitor.skipped(Skipped(request, "hook", sent.why))
        response = self._fetcher.fetch(sent)
        verdict: Retry | Failed | None
        if response.error is not None:
            verdict = self._workbench.failed(request, self._clock(), response.error)
        else:
            verdict = self._workbench.answered(request, self._clock(), response.status, response.ttfb or 0.0, retry_after(response))
        try:
            reading = read(request, response, self._extract) if verdict is None else Reading()
            visit = self._visitor.visit(request, response, reading, verdict, datetime.now(UTC))
        except CrawlerError:
            raise
        except SteeringError as error:
            raise error.__cause__ or error from None
        except Exception as error:
            visit = self._visitor.broken(request, response, error, datetime.now(UTC))
        return self._after(request, visit)

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
                step = story.send(self._fetcher.fetch(step))
            except StopIteration as end:
                facts, ttfb = end.value
                break
        facts = replace(facts, read_at=self._clock())
        visit = self._visitor.sitemaps_of(request, facts)
        if visit.requests or visit.refusals:
            self._collect(request, visit)
        self._workbench.robots(request, self._clock(), facts, ttfb)
