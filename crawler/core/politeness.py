"""When may this host be asked again: delay, Crawl-delay, Retry-After, latency, errors.

`Politeness` holds the rules, `Pace` applies them to one host. Time comes in as a number (seconds, any origin).

The pace of a host has three parts. **Gap**: two requests start at least `delay` seconds apart; the delay is the largest of
the setting, robots.txt's Crawl-delay and what the adaptive pacing added. **Window**: so many requests may be in flight; it
opens from 1 towards `per_host` while answers come quickly and halves when the host says it is busy (429, 503) or does
not answer (AIMD, as TCP does, RFC 5681). **Pause**: Retry-After, or a failed connection, stops the host for a time; the
first request after it goes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crawler.core.retry import LONGEST_DELAY, LONGEST_RETRY_AFTER, backoff, is_host_failure, spread
from crawler.model import ErrorKind, HostState, PageError

PROBES = 8
"""Failed connections in a row after which a host that had answered before is given up."""

BUSY_STATUS = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Politeness:
    """The rules for a host: least seconds between two requests, most requests at once, and whether to adapt below that."""

    delay: float = 0.0
    per_host: int = 4
    adaptive: bool = True
    random_wait: bool = False
    max_crawl_delay: float = 30.0
    retries: int = 2


class Pace:
    """The pace of one host. Tell it what starts and what comes back; ask `ready_at` when the next may start."""

    __slots__ = ("_added_delay", "_floor", "_punished_at", "_state", "in_flight", "rules")

    def __init__(self, rules: Politeness, state: HostState | None = None) -> None:
        self.rules = rules
        self.in_flight = 0
        self._state = state or HostState()
        self._added_delay = 0.0
        self._floor = 0.0
        self._punished_at = float("-inf")
        self._set(delay=max(self._state.delay, rules.delay), concurrency=max(1.0, min(self._state.concurrency, float(rules.per_host))))

    def _set(self, **changes: object) -> None:
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]

    @property
    def state(self) -> HostState:
        """What has to survive this process."""
        return self._state

    @property
    def delay(self) -> float:
        """Seconds between the starts of two requests."""
        return self._state.delay + self._added_delay

    @property
    def closed(self) -> str:
        """Why the host is given up, or ""."""
        return self._state.closed

    def remember(self, state: HostState) -> None:
        """Takes over what another part decided (robots.txt facts)."""
        self._state = state

    def crawl_delay(self, seconds: float | None) -> None:
        """robots.txt asks for this delay. Honoured up to `max_crawl_delay`; never shortens the setting's delay."""
        asked = min(seconds or 0.0, self.rules.max_crawl_delay)
        self._set(delay=max(self.rules.delay, asked))

    @property
    def window(self) -> int:
        """How many requests may be in flight now."""
        if self._state.failures or not self._state.answered:
            return 1
        return int(self._state.concurrency) if self.rules.adaptive else self.rules.per_host

    def ready_at(self) -> float | None:
        """When the next request may start; None while the window is full or the host is closed."""
        if self.in_flight >= self.window or self._state.closed:
            return None
        return self._state.next_at

    def started(self, now: float) -> None:
        """A request starts now."""
        self.in_flight += 1
        delay = self.delay
        if delay:
            # Never shorter than the delay: a "random wait" that undercuts it would break the promise made to the host.
            stretch = 2.0 * spread(int(now * 1000)) - 0.5 if self.rules.random_wait else 1.0
            self._set(next_at=max(self._state.next_at, now + delay * max(1.0, stretch)))

    def cancelled(self) -> None:
        """A started request will bring no answer; nothing is learnt."""
        self.in_flight -= 1

    def answered(self, now: float, started: float, status: int, ttfb: float, retry_after: float | None = None) -> None:
        """An answer arrived to a request that had started at `started`."""
        self.in_flight -= 1
        if not self._state.answered or self._state.failures:
            self._set(answered=True, failures=0)
        if status in BUSY_STATUS:
            self._busy(now, started, retry_after)
            return
        if self._added_delay:
            self._added_delay = self._added_delay * 0.9 if self._added_delay > 0.05 else 0.0
        if self.rules.adaptive:
            self._learn(ttfb)

    def _learn(self, ttfb: float) -> None:
        """Opens the window while the answers stay near the fastest ones."""
        self._floor = ttfb if not self._floor else min(ttfb, self._floor * 1.01)
        concurrency = self._state.concurrency
        if concurrency < self.rules.per_host and ttfb <= 2.0 * self._floor + 0.05:
            self._set(concurrency=min(float(self.rules.per_host), concurrency + 1.0))

    def _busy(self, now: float, started: float, retry_after: float | None) -> None:
        """The host asks for less. Answers to requests that were on their way already count once."""
        if retry_after is not None:
            self.pause(now + min(retry_after, LONGEST_RETRY_AFTER))
        if started <= self._punished_at:
            return
        self._punished_at = now
        if self._state.concurrency <= 1.0:
            self._added_delay = min(LONGEST_DELAY, max(0.25, self._added_delay * 2.0))
        self._set(concurrency=max(1.0, self._state.concurrency / 2.0))
        if retry_after is None:
            self.pause(now + max(1.0, self.delay))

    def pause(self, until: float) -> None:
        """Nothing starts before `until`."""
        self._set(next_at=max(self._state.next_at, until))

    def failed(self, now: float, started: float, error: PageError, salt: int = 0) -> None:
        """A request that had started at `started` brought no usable answer."""
        self.in_flight -= 1
        if error.kind in ("timeout", "reset") and not is_host_failure(error):
            if self.rules.adaptive and started > self._punished_at:
                self._punished_at = now
                self._set(concurrency=max(1.0, self._state.concurrency / 2.0))
        elif is_host_failure(error):
            self.unreachable(now, started, error, salt)
        elif error.kind == "tls" and not self._state.answered:
            self.close(str(error), "tls")

    def unreachable(self, now: float, started: float, error: PageError, salt: int = 0, retry_after: float | None = None) -> None:
        """The host did not let us in. Pauses it 1, 2, 4 … 30 s, or for as long as it asked; closes it when it stays so.

        Failures of requests that started before the last pause began are the same failure.
        """
        if self._state.failures and started <= self._punished_at:
            return
        self._punished_at = now
        failures = self._state.failures + 1
        self._set(failures=failures)
        self.pause(now + max(backoff(failures, salt), min(retry_after or 0.0, LONGEST_RETRY_AFTER)))
        if failures >= (PROBES if self._state.answered and self.rules.retries else self.rules.retries + 1):
            self.close(str(error), error.kind)

    def close(self, reason: str, kind: ErrorKind) -> None:
        """Gives the host up: its queue fails with this reason."""
        self._set(closed=reason, closed_kind=kind)
