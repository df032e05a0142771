"""A call of the loop at one time, which may be set anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` once, when `clock` (monotonic seconds) reaches the time that was set last."""

    def __init__(self, clock: Callable[[], float], ring: Callable[[], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")

    @property
    def is_set(self) -> bool:
        """Whether it is yet to ring."""
        return self._at < float("inf")

    def set(self, at: float) -> None:
        """Rings then, and not when it was to ring before."""
        if at != self._at:
            self.stop()
            self._at = at
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._clock()), self._on_time)

    def stop(self) -> None:
        """Does not ring any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._at = float("inf")

    def _on_time(self) -> None:
        self._at = float("inf")
        self._ring()
