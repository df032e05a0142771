"""When may this host be asked again: delay, Crawl-delay, Retry-After, latency, errors.

`Politeness` holds the rules, `Pace` applies them to one host. Time comes in as a number (seconds, any origin).

The pace of a host has three parts. **Gap**: two requests start at least `delay` seconds apart; the delay is the largest of
the setting, robots.txt's Crawl-delay and what the host's refusals taught (`crawler.core.throttle`). **Window**: so many requests
may be in flight, from 1 to `per_host` (`crawler.core.window`). **Pause**: Retry-After, a failed connection, or page after page without
a usable answer stops the host for a time; the first request after it goes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crawler.core import retry
from crawler.core.throttle import Throttle
from crawler.core.window import Window
from crawler.model import ErrorKind, HostState, PageError

PROBES = 8
"""Failed probes in a row after which a host is given up; and failed pages in a row after which the host is in trouble, not its
pages."""

BUSY_STATUS = frozenset({429, 503})
LEAST_GAP = 0.8
"""How much of a gap that was learnt is left at least when the start before it came late."""

_NEVER_AGAIN = -1_000_000_000


@dataclass(frozen=True, slots=True)
class Politeness:
    """The rules for a host: least seconds between two requests, most requests at once, whether to adapt below that, and whether it
    was named by the user, who may have mistyped it."""

    delay: float = 0.0
    per_host: int = 4
    adaptive: bool = True
    random_wait: bool = False
    max_crawl_delay: float = 30.0
    retries: int = 2
    is_named: bool = False

    def of_slot(self, share: int) -> Politeness:
        """The rules for a slot of the host that may have so many requests at once; 0: all of them."""
        return replace(self, per_host=min(share, self.per_host)) if share else self


class Pace:
    """The pace of one host. Tell it what starts and what comes back; ask `ready_at` when the next may start."""

    __slots__ = (
        "_gap", "_heard_at", "_punished_at", "_started_at", "_state", "_throttle", "_unanswered", "_unsent", "_window", "in_flight",
        "rules",
    )  # fmt: skip

    def __init__(self, rules: Politeness, state: HostState | None = None) -> None:
        self.rules = rules
        self.in_flight = 0
        self._state = state or HostState()
        self._gap = 0.0
        known = self._state
        self._throttle = Throttle(known.rate, known.rate_since, known.is_rate_guessed, known.refusals)
        self._window = Window(rules.per_host, known.concurrency, known.latency)
        self._unanswered = 0  # pages in a row whose first try brought no usable answer
        self._unsent: float | None = None  # when the request started that has not left yet
        self._punished_at = self._heard_at = self._started_at = float("-inf")
        self._set(delay=rules.delay)

    def _set(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]

    @property
    def state(self) -> HostState:
        """What has to survive this process."""
        throttle, window = self._throttle, self._window
        size = window.size if self.rules.adaptive else float(self.rules.per_host)
        learnt = (throttle.limit, throttle.since, throttle.is_guessed, throttle.refusals, size, window.latency)
        known = self._state
        if learnt != (known.rate, known.rate_since, known.is_rate_guessed, known.refusals, known.concurrency, known.latency):
            names = ("rate", "rate_since", "is_rate_guessed", "refusals", "concurrency", "latency")
            self._set(**dict(zip(names, learnt, strict=True)))
        return self._state

    @property
    def delay(self) -> float:
        """Seconds between the starts of two requests."""
        return max(self._state.delay, self._gap)

    @property
    def closed(self) -> str:
        """Why the host is given up, or ""."""
        return self._state.closed

    def remember(self, state: HostState) -> None:
        """Takes over what another part decided (robots.txt facts)."""
        self._state = state

    def crawl_delay(self, seconds: float | None) -> None:
        """robots.txt asks for this delay. Honoured up to `max_crawl_delay`, from the request for robots.txt itself on; never shortens
        the setting's delay."""
        asked = min(seconds or 0.0, self.rules.max_crawl_delay)
        self._set(delay=max(self.rules.delay, asked))
        self.pause(self._started_at + self._state.delay)

    def leaves(self, now: float, started: float) -> bool:
        """What had started at `started` leaves only now, over a connection that is open: the delay that was asked for counts from here.
        True: others had to wait for that."""
        self._started_at = now
        was_awaited = self._has_left(started)
        if not self._state.delay:
            return False
        self.pause(now + self._state.delay)
        return was_awaited

    def _has_left(self, started: float) -> bool:
        was_awaited = self._unsent == started
        if was_awaited:
            self._unsent = None
        return was_awaited

    def led_on(self, now: float) -> float:
        """What is in flight leads to another request in its place: when that may start, a gap after the one before."""
        self._started_at = max(now, self._state.next_at)
        self.pause(self._started_at + self.delay)
        return self._started_at

    def is_late(self, now: float, started: float) -> bool:
        """Whether a request that started then should have been answered by now, if no other was since."""
        return self._window.is_late(now - max(started, self._heard_at))

    @property
    def is_in_trouble(self) -> bool:
        """Whether the host did not let us in when it was asked last, or asked for less."""
        return bool(self._state.failures or self._throttle.refusals)

    @property
    def window(self) -> int:
        """How many requests may be in flight now."""
        if self.is_in_trouble or not self._state.answered:
            return 1
        return int(self._window.size) if self.rules.adaptive else self.rules.per_host

    def ready_at(self) -> float | None:
        """When the next request may start; None while the window is full or the host is closed, and with a delay while the one before
        has not left."""
        if self.in_flight >= self.window or self._state.closed or (self._unsent is not None and self._state.delay):
            return None
        return self._state.next_at

    def started(self, now: float) -> None:
        """A request starts now."""
        self.in_flight += 1
        self._started_at = self._unsent = now
        self._throttle.started(now)
        self._gap = self._throttle.gap(now)
        delay, next_at = self._state.delay, self._state.next_at
        if delay and self.rules.random_wait:
            # Never shorter than the delay: a "random wait" that undercuts it would break the promise made to the host.
            delay *= max(1.0, 2.0 * retry.spread(int(now * 1000)) - 0.5)
        if self._gap > delay:
            # What was learnt is a rate: a start that came a little late does not put off all later ones.
            self.pause(max(next_at + self._gap, now + LEAST_GAP * self._gap, now + delay))
        elif delay:
            self.pause(now + delay)

    def cancelled(self, started: float) -> None:
        """A request that had started at `started` will bring no answer; nothing is learnt."""
        self._landed(started)

    def _landed(self, started: float) -> None:
        self.in_flight -= 1
        self._has_left(started)

    def answered(
        self, now: float, started: float, status: int, ttfb: float, retry_after: float | None = None, *, first: bool = False, salt: int = 0
    ) -> bool:
        """An answer arrived to a request that had started at `started`, the `first` try of its URL or not. True: it is the host
        that is in trouble, not the URL."""
        self._landed(started)
        self._heard_at = now
        if retry_after is not None and retry.of_status(status) is not retry.FINAL:
            self.pause(now + min(retry_after, retry.LONGEST_RETRY_AFTER))
        if status in BUSY_STATUS:
            self._busy(now, started, status, retry_after, salt)
            return False
        self._throttle.answered()
        if status >= 500 and self._is_trouble(first):
            return self._probe_failed(now, started, salt)
        if status < 500:
            self._unanswered = 0
        if not self._state.answered or (self._state.failures and self._unanswered <= PROBES):
            self._set(answered=True, failures=0)
        self._window.answered(now, ttfb)
        return False

    def _busy(self, now: float, started: float, status: int, retry_after: float | None, salt: int) -> None:
        """The host asks for less. Answers to requests that were on their way already count once. When it asks again before
        anything else it is left alone for 2, 4 … 30 s, and in the end for good."""
        self._unanswered = 0
        self._set(answered=True, failures=0)
        if started <= self._punished_at:
            return
        self._punished_at = now
        self._throttle.refused(now)
        self._gap = self._throttle.gap(now)
        self._window.halve(now)
        refusals = self._throttle.refusals
        if refusals > PROBES:
            # A 503 that names no time may be no more than a broken page after the other: in the end these answers stand.
            if retry_after is not None or status == 429:
                self.close(f"refused: the host answered {status} to {refusals} requests in a row", "refused")
        elif refusals > 1:
            self.pause(now + retry.backoff(refusals, salt))
        elif retry_after is None:
            self.pause(now + max(1.0, self.delay))

    def pause(self, until: float) -> None:
        """Leaves the host alone until then, at least."""
        self._set(next_at=max(self._state.next_at, until))

    def failed(self, now: float, started: float, error: PageError, salt: int = 0, *, first: bool = False) -> bool:
        """A request that had started at `started`, the `first` try of its URL or not, brought no usable answer. True: the host is
        in trouble, whatever the URL."""
        self._landed(started)
        rule = retry.of_error(error)
        if rule is retry.HOST:
            self.unreachable(now, started, error, salt)
            return True
        if error.kind == "tls" and not self._state.answered:
            self.close(str(error), "tls")
        if error.kind not in ("timeout", "reset"):
            return False
        if self._is_trouble(first):
            self.unreachable(now, started, error, salt)
            return True
        if self.rules.adaptive and started > self._punished_at:
            self._punished_at = now
            self._window.halve(now)
        return False

    def _is_trouble(self, first: bool) -> bool:
        """Whether too many pages in a row were without a usable answer for all of them to be at fault. Only their first tries
        count: that a bad page is still bad says nothing about its host."""
        self._unanswered += first
        return first and self._unanswered > PROBES and self.rules.retries > 0

    def _probe_failed(self, now: float, started: float, salt: int) -> bool:
        """An error of the server, again, while it is in trouble. Pauses the host like a failed connection; but it does answer, so
        in the end its answers stand."""
        if self._state.failures + 1 >= PROBES:
            self._unanswered = _NEVER_AGAIN
            return False
        if started > self._punished_at or not self._state.failures:
            self._punished_at = now
            self._set(failures=self._state.failures + 1)
            self.pause(now + retry.backoff(self._state.failures, salt))
        return True

    def unreachable(self, now: float, started: float, error: PageError, salt: int = 0, retry_after: float | None = None) -> None:
        """The host did not let us in. Pauses it 1, 2, 4 … 30 s, or for as long as it asked; closes it when it stays so.

        Failures of requests that started before the last pause began are the same failure.
        """
        if self._state.failures and started <= self._punished_at:
            return
        self._punished_at = now
        failures = self._state.failures + 1
        self._set(failures=failures)
        self.pause(now + max(retry.backoff(failures, salt), min(retry_after or 0.0, retry.LONGEST_RETRY_AFTER)))
        if failures >= self._probes(error):
            self.close(str(error), error.kind)

    def _probes(self, error: PageError) -> int:
        """How many failures in a row give this host up. Somebody waits to be told that a name which was just typed does not exist, or
        that nobody listens there: such a host, if it has never answered, gets as many tries as a URL."""
        if not self.rules.retries:
            return 1
        is_mistyped = self.rules.is_named and not self._state.answered and error.kind in ("dns", "refused")
        return min(PROBES, self.rules.retries + 1) if is_mistyped else PROBES

    def close(self, reason: str, kind: ErrorKind) -> None:
        """Gives the host up: its queue fails with this reason."""
        self._set(closed=reason, closed_kind=kind)
