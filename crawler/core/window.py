"""How many requests a host may have in flight, learnt from how long its answers take, as TCP Vegas does (Brakmo, O'Malley, Peterson 1994).

The window opens while the first bytes come about as quickly as when the host was asked one at a time: then nothing waits in a queue
over there. It closes, one slot at a time, when even the quickest of the last answers took several times as long, and halves when the
host says that it is busy or does not answer. So a host has little more in flight than it can work on, however slow it gets.
"""

from __future__ import annotations

from collections import deque

from crawler.core.throttle import RETURN

SLACK = 0.05
"""Seconds by which an answer may be late whatever the host: what networks and our own work cost."""

_LOOK_BACK = 4


class Window:
    """Between one and `most` requests. Tell it what comes back; `size` is how many may be in flight, with what has opened of the
    next slot. `latency` is the seconds to the first byte when the host is asked one at a time (0: not known). Time comes in as a
    number (seconds, any origin)."""

    __slots__ = ("_grown_at", "_is_new", "_last", "_most", "latency", "size")

    def __init__(self, most: int, size: float = 1.0, latency: float = 0.0) -> None:
        self._most = float(most)
        self.size = max(1.0, min(size, self._most))
        self.latency = latency
        self._is_new = not latency  # nothing spoke against it yet: a slot for each answer
        self._grown_at = float("-inf")
        self._last: deque[float] = deque(maxlen=_LOOK_BACK)

    def answered(self, now: float, ttfb: float) -> None:
        """An answer arrived after `ttfb` seconds."""
        # Alone, it waits for nobody: whatever it takes is what this host takes. A host that stays slow is slow, not overloaded.
        self.latency = ttfb if self.size < 2 or not self.latency else min(ttfb, self.latency)
        self._last.append(ttfb)
        if not self.is_late(ttfb):
            self._open(now)
        elif len(self._last) == _LOOK_BACK and min(self._last) > 2 * (2 * self.latency + SLACK):
            self._close(now, max(1.0, self.size - 1))

    def is_late(self, seconds: float) -> bool:
        """Whether this is no longer near the least that was seen."""
        return seconds > 2 * self.latency + SLACK

    def halve(self, now: float) -> None:
        """The host is busy, or does not answer."""
        self._close(now, max(1.0, self.size / 2))

    def _open(self, now: float) -> None:
        """A slot for each answer until something speaks against it; then slowly: all of them within `RETURN` seconds."""
        if self.size < self._most:
            step = 1.0 if self._is_new else min(1.0, (now - self._grown_at) * self._most / RETURN)
            self.size = min(self._most, self.size + step)
        self._grown_at = now

    def _close(self, now: float, size: float) -> None:
        self.size, self._is_new, self._grown_at = size, False, now
        self._last.clear()
