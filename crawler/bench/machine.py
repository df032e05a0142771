"""What this machine was doing while something was measured on it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


class Machine:
    """Watches this machine from its making on. `server` tells the seconds of CPU that the server has taken of it so far; without it
    nobody knows what other programs took, nor anywhere but on Linux."""

    def __init__(self, server: Callable[[], float] | None) -> None:
        self._server = server
        self._begun = time.monotonic()
        self._before = self._taken()
        self._server_before = server() if server is not None else 0.0

    def taken_by_server(self) -> float | None:
        """Seconds of CPU since then."""
        return None if self._server is None else self._server() - self._server_before

    def part_of_others(self) -> float | None:
        """How much of all cores programs took that are neither the server nor started by this process and ended: from 0 to 1."""
        after, seconds = self._taken(), time.monotonic() - self._begun
        if after is None or self._before is None:
            return None
        return min(1.0, max(0.0, (after - self._before) / seconds / (os.cpu_count() or 1)))

    def _taken(self) -> float | None:
        everybody = _taken_by_all()
        return None if everybody is None or self._server is None else everybody - sum(os.times()[:4]) - self._server()


def _taken_by_all() -> float | None:
    """Seconds of CPU since the machine started, with what a host of virtual machines took from it; None where nobody tells."""
    try:
        first, *_ = Path("/proc/stat").read_text("ascii").splitlines()
        user, nice, system, _idle, _waiting, *rest = map(int, first.split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
