"""How fast bodies are read, all together."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


class RateLimit:
    """Keeps what all answers bring to so many bytes a second, on the average. What a connection holds back, its server waits with."""

    def __init__(self, rate: float, clock: Callable[[], float] = perf_counter) -> None:
        self._rate = rate
        self._clock = clock
        self._paid_until = clock()

    def take(self, size: int) -> float:
        """Seconds to wait after so many bytes have been read, before anything is made of them. Those who come later wait longer."""
        now = self._clock()
        self._paid_until = max(now, self._paid_until) + size / self._rate
        return self._paid_until - now
