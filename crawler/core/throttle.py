"""How fast a host may be asked, learnt from its refusals (429, 503) as a TCP sender learns from its losses.

A refusal says that the rate was too high: the next one is nine tenths of what went well. After the first refusal, which mostly
ends a burst, it doubles every `DOUBLING` seconds until the next one (slow start). After all others it climbs as CUBIC does (RFC
9438, 4.2): back to where it was refused in `RETURN` seconds, or `CLIMB` requests when they take longer, long near it, then faster and
faster, until all is allowed again or the next refusal comes. So of a hundred requests about one is refused, however few a host bears.
Where a host that bears few requests (`FEW` a second) refuses again within `HASTY` seconds, the search would take longer than all it has
to be asked for: there what it bore since the last refusal counts, the pause included.
"""

from __future__ import annotations

BACK_OFF = 0.9
RETURN = 20.0
CLIMB = 100.0
LONGEST_RETURN = 120.0
DOUBLING = 2.0
FEW = 12.0
HASTY = 5.0
LEAST_KEPT = 0.7
"""Of the rate at once: a pause may be longer than what a host saves up."""
FASTEST = 1000.0
"""Requests per second above which nothing is held back any more."""


class Throttle:
    """The pace that a host bears. Tell it what starts, what goes well and what is refused; `gap` is what to leave between two starts.

    `limit` is the requests per second at which it was refused (0: it never was), `is_guessed` if a burst was all that told it,
    `since` when the first request after the last refusal started: with these another one goes on. `refusals` counts those in a row.
    The second and the next say nothing of the rate: it was not given time enough. Time comes in as a number (seconds, any origin).
    """

    __slots__ = ("_counted_from", "_good", "_refused_at", "is_guessed", "limit", "refusals", "since")

    def __init__(self, limit: float = 0.0, since: float | None = None, is_guessed: bool = False, refusals: int = 0) -> None:
        self.limit = limit
        self.since = since
        self.is_guessed = is_guessed
        self.refusals = refusals
        self._counted_from: float | None = None
        self._refused_at: float | None = None
        self._good = 0  # answers since then

    def started(self, now: float) -> None:
        """A request starts."""
        if self.limit and self.since is None:
            self.since = now
        if self._counted_from is None:
            self._counted_from = now

    def answered(self) -> None:
        """An answer that was no refusal."""
        self.refusals = 0
        self._good += 1

    def refused(self, now: float) -> None:
        """The host asks for less. To be told once for all requests that were on their way together."""
        if self._good:
            allowed, seconds = self._rate(now), 0.0 if self._counted_from is None else now - self._counted_from
            if not allowed:
                self.limit = self._good / max(1.0, seconds)  # a burst of a few milliseconds says what a second may hold
            elif allowed <= FEW and self._refused_at is not None and (self.is_guessed or seconds < HASTY):
                bore = self._good / max(now - self._refused_at, 1e-9)
                self.limit = min(allowed, max(bore, LEAST_KEPT * allowed))
            elif self.is_guessed or seconds < 1.0:
                self.limit = allowed
            else:
                self.limit = min(self._good / seconds, allowed)
            self.is_guessed = not allowed
        self.refusals += 1
        self.since, self._counted_from, self._good, self._refused_at = None, None, 0, now

    def gap(self, now: float) -> float:
        """Seconds from a start to the next; 0 when nothing holds back."""
        rate = self._rate(now)
        return 1 / rate if rate else 0.0

    @property
    def climb(self) -> float:
        """Seconds in which it comes back to its limit."""
        return max(RETURN, min(CLIMB / self.limit, LONGEST_RETURN)) if self.limit else RETURN

    def _rate(self, now: float) -> float:
        """Requests per second; 0 when nothing holds back."""
        if not self.limit:
            return 0.0
        seconds = now - self.since if self.since is not None else 0.0
        growth: float = 1 + (1 - BACK_OFF) * (seconds / self.climb - 1) ** 3
        if self.is_guessed:
            growth = BACK_OFF * 2 ** min(seconds / DOUBLING, 30)
        rate = self.limit * growth
        if rate > FASTEST:
            self.limit, self.since, rate = 0.0, None, 0.0
        return rate
