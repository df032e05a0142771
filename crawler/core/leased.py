"""One leased host on the workbench: its queue, its pace, what its robots.txt say."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import replace

from crawler.core import retry
from crawler.core.politeness import Pace
from crawler.core.robots import ROBOTS_ASKED_AGAIN, ROBOTS_MAX_AGE, Robots, parse_robots
from crawler.core.urls import Verdict
from crawler.model import Lease, PageError, Request, RobotsFacts

_LOOKED_AT = 32  # URLs of a queue, in search of one that need not wait


class Veto:
    """What is judged right before a URL is asked for, beside robots.txt. This one lets everything through."""

    def waits(self, request: Request, flying: Container[int]) -> bool:
        """Whether an answer to one of the requests in flight has to be known before, because it may decide this one too."""
        return False

    def refusal(self, request: Request) -> Verdict | None:
        """Why the URL is not asked for; None when it is."""
        return None


def refused_by(robots: Robots, agent: str, url: str) -> Verdict | None:
    """By which line a robots.txt refuses a URL; None when it does not."""
    decision = robots.decide(agent, url)
    if decision.allowed:
        return None
    return "robots", f"line {decision.line}: {decision.rule}" if decision.line else decision.rule


class LeasedHost:
    """A host that this worker is alone with. The workbench decides; this keeps what it decides by."""

    __slots__ = ("exhausted", "lease", "listed", "origins", "pace", "queue", "started", "unacknowledged", "waiting_for")

    def __init__(self, lease: Lease, pace: Pace, agent: str | None) -> None:
        self.lease = replace(lease, requests=())
        self.pace = pace
        self.queue: deque[Request] = deque(lease.requests)
        self.origins: dict[str, tuple[Robots, float]] = {}
        self.waiting_for: str | None = None  # the origin whose robots.txt is in flight
        self.started: dict[int, tuple[Request, float]] = {}  # id -> what is in flight, and when it started
        self.unacknowledged = len(lease.requests)
        self.exhausted = False  # the frontier had nothing more for it when asked last
        self.listed = False  # has an entry in the heap of ready times
        if agent is not None:
            for facts in lease.state.robots:
                self._learn(facts, agent)

    @property
    def is_over(self) -> bool:
        """Nothing of it waits, is in flight or unacknowledged, and there is no more to come."""
        return not (self.started or self.queue or self.unacknowledged) and (self.exhausted or bool(self.pace.closed))

    def head(self, veto: Veto) -> Request | None:
        """The first URL of the queue that need not wait for an answer to another one; those before it go to its end. None when they
        all do, as far as one looks."""
        for _ in range(min(len(self.queue), _LOOKED_AT)):
            if not veto.waits(self.queue[0], self.started):
                return self.queue[0]
            self.queue.rotate(-1)
        return None

    def take(self, lease: Lease, topped_up: bool) -> None:
        """A renewed lease. If it was to be topped up and has no URLs, there are no more for now."""
        self.queue.extend(lease.requests)
        self.unacknowledged += len(lease.requests)
        if topped_up:
            self.exhausted = not lease.requests
        self.lease = replace(lease, requests=())
        if lease.leaves:
            self.leave()

    def start(self, request: Request, now: float) -> None:
        """A request goes out."""
        self.started[request.id] = request, now
        self.pace.started(now)

    def land(self, request: Request) -> float | None:
        """Takes a request out of flight; when it started. None when it is not this very one that flies: a request of an earlier
        lease, which was lost, says nothing about that of the next one."""
        if self.started.get(request.id, (None,))[0] is not request:
            return None
        return self.started.pop(request.id)[1]

    def is_silent(self, now: float) -> bool:
        """Whether something is in flight, and nothing has come back for longer than answers of this host take."""
        if not self.started:
            return False
        _, oldest = next(iter(self.started.values()))
        return self.pace.is_late(now, oldest)

    def leave(self) -> None:
        """Starts nothing more: the host is to be given back as soon as what is in flight has landed."""
        self.drop_queue()
        self.exhausted = True

    def drop_queue(self) -> None:
        """What waits goes back with the host."""
        self.unacknowledged -= len(self.queue)
        self.queue.clear()

    def robots_of(self, origin: str, now: float) -> Robots | None:
        """The rules of an origin; None when they are unknown or too old to be trusted (RFC 9309, 2.4)."""
        known = self.origins.get(origin)
        return None if known is None or now - known[1] > ROBOTS_MAX_AGE else known[0]

    def robots_arrived(self, facts: RobotsFacts, agent: str | None) -> None:
        """An origin's robots.txt, kept with the host."""
        others = tuple(known for known in self.pace.state.robots if known.origin != facts.origin)
        self.pace.remember(replace(self.pace.state, robots=(*others, facts)))
        if agent is not None:
            self._learn(facts, agent)

    def robots_kept(self, failed: RobotsFacts, now: float) -> RobotsFacts | None:
        """What was known of an origin that has answered, but not with its robots.txt: good for another hour (RFC 9309, 2.4: an old
        one may be used when it is unreachable)."""
        known = next((facts for facts in self.pace.state.robots if facts.origin == failed.origin and facts.text is not None), None)
        return replace(known, read_at=now - ROBOTS_MAX_AGE + ROBOTS_ASKED_AGAIN) if known is not None and failed.status else None

    def robots_failed(self, facts: RobotsFacts, now: float, started: float, salt: int, retry_after: float | None) -> None:
        """No robots.txt: all of the host waits and it is asked for again, until the host is given up."""
        self.pace.cancelled(started)
        if facts.status:
            self.pace.remember(replace(self.pace.state, answered=True))
        error = why_unavailable(facts)
        if retry.is_out_of_files(error):
            self.pace.pause(now + retry.FIRST_DELAY)
            return
        self.pace.unreachable(now, started, error, salt, retry_after)
        # An address that may not be asked is no better later.
        if (error.kind == "tls" and not self.pace.state.answered) or facts.error.startswith("blocked: "):
            self.pace.close(str(error), error.kind)

    def _learn(self, facts: RobotsFacts, agent: str) -> None:
        if facts.text is None:
            return
        self.origins[facts.origin] = (parse_robots(facts.text), facts.read_at)
        delays = [delay for robots, _ in self.origins.values() if (delay := robots.crawl_delay(agent)) is not None]
        self.pace.crawl_delay(max(delays, default=None))


def why_unavailable(facts: RobotsFacts) -> PageError:
    """The error of pages whose robots.txt did not come. Where nobody let us in at all it is what kept us out, as `RobotsFacts.error`
    spells it ("kind: detail"); otherwise it is that this one file could not be read."""
    kind, _, detail = facts.error.partition(": ")
    error = PageError(kind, detail)  # type: ignore[arg-type]
    if facts.status or (kind in ("timeout", "reset", "truncated", "protocol", "decode") and retry.of_error(error) is not retry.HOST):
        return PageError("robots_unavailable", facts.error)
    return error
