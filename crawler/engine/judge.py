"""What both engines decide alike about one request; they differ only in how they wait."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from crawler.core.leased import why_unavailable
from crawler.core.retry import FIRST_DELAY
from crawler.core.robots import prepare_robots
from crawler.core.workbench import Workbench
from crawler.engine.batch import Visit, discard
from crawler.engine.hooks import Skip, SteeringError
from crawler.engine.reading import Reading, retry_after
from crawler.engine.robots_story import RobotsAnswer
from crawler.engine.steps import Steps
from crawler.engine.visit import Visitor
from crawler.errors import CrawlerError
from crawler.model import Failed, Refusal, Request, Response, Retry, Skipped
from crawler.progress import Trouble

LONG = 3.0
"""Seconds for which a host may be left alone without a word."""


class Judge:
    """Tells the workbench what came of a request, and makes a visit of it. `clock` is the frontier's.

    A page: `verdict` as soon as its answer is there, then, when it has been read, `visit`. `on_refusal`, when somebody sets it, is told
    of every URL that is not asked for, as soon as that is decided; `on_trouble` of a host that is left alone for `LONG` seconds or more.
    """

    on_refusal: Callable[[Refusal], object] | None = None
    on_trouble: Callable[[Trouble], object] | None = None

    def __init__(self, workbench: Workbench, visitor: Visitor, clock: Callable[[], float]) -> None:
        self._workbench = workbench
        self._visitor = visitor
        self._clock = clock

    def unasked(self, outcome: Skipped | Failed) -> Visit:
        """The visit of a URL on which the workbench decided without asking."""
        if isinstance(outcome, Skipped):
            return self._told(self._visitor.skipped(outcome))
        return self._visitor.closed(outcome, datetime.now(UTC))

    def skipped(self, request: Request, skip: Skip) -> Visit:
        """The visit of a request that a hook did not let through."""
        self._workbench.cancelled(request)
        return self._told(self._visitor.skipped(Skipped(request, "hook", skip.why)))

    def _told(self, visit: Visit) -> Visit:
        if self.on_refusal is not None:
            for refusal in visit.refusals:
                self.on_refusal(refusal)
            if isinstance(visit.outcome, Skipped):
                request = visit.outcome.request
                refusal = Refusal(request.url, request.id, visit.outcome.reason, visit.outcome.detail, request.parent, request.depth)
                self.on_refusal(refusal)
        return visit

    def verdict(self, request: Request, response: Response) -> Retry | Failed | None:
        """Whether the URL is asked for again or has failed; None when the answer stands. The host's slot is free from now on."""
        now = self._clock()
        if response.error is not None:
            verdict: Retry | Failed | None = self._workbench.failed(request, now, response.error)
            self._tell_trouble(request, response.error.kind, str(response.error))
            return verdict
        verdict = self._workbench.answered(request, now, response.status, response.ttfb or 0.0, retry_after(response))
        if verdict is not None:
            self._tell_trouble(request, f"status {response.status}", f"it answered {response.status}")
        return verdict

    def _tell_trouble(self, request: Request, cause: str, why: str) -> None:
        if self.on_trouble is not None and (rest := self._workbench.rest_of(request.host, self._clock())) >= LONG:
            self.on_trouble(Trouble(request.host, cause, why, rest))

    def visit(self, request: Request, response: Response, reading: Reading | Exception, verdict: Retry | Failed | None) -> Steps[Visit]:
        """What is kept of an answer. Raises what ends the crawl: a CrawlerError, and what a hook raised that steers the crawl."""
        now = datetime.now(UTC)
        try:
            if isinstance(reading, Exception):
                raise reading
            visit = yield from self._visitor.steps(request, response, reading, verdict, now)
        except CrawlerError:
            raise
        except SteeringError as error:
            raise error.__cause__ or error from None
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):  # this process has no file left
                visit = Visit(Retry(request, self._clock() + FIRST_DELAY, str(error), counted=False))
            else:
                visit = self._visitor.broken(request, response, error, now)
        if visit.record is None:
            discard(response.body)  # a sitemap, or an answer after which the URL is asked for again
        return self._told(visit)

    def prepare(self, answer: RobotsAnswer) -> None:
        """Does in advance what takes long about a robots.txt. Safe in any thread."""
        if self._workbench.agent is not None:
            prepare_robots(answer.facts.text, self._workbench.agent)

    def keeps_pace(self, request: Request) -> bool:
        """Whether its host has a delay, which has to be kept before its first page: it counts after a kill, too."""
        lease = self._workbench.lease_of(request)
        return lease is not None and self._workbench.state_of(lease).delay > 0

    def robots(self, request: Request, answer: RobotsAnswer) -> Steps[Visit]:
        """Tells the workbench of a robots.txt. The visit holds the sitemaps to ask for: it is to be collected first."""
        facts = replace(answer.facts, read_at=self._clock())
        visit = yield from self._visitor.sitemaps_of(request, facts, self._workbench.agent)
        self._workbench.robots(request, self._clock(), facts, answer.ttfb, answer.retry_after)
        if facts.text is None:
            error = why_unavailable(facts)
            self._tell_trouble(request, error.kind, error.detail if error.kind == "robots_unavailable" else str(error))
        return self._told(visit)
