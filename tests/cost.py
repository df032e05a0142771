"""What a call costs, told so that it hardly depends on what else this machine does."""

from __future__ import annotations

import time
from collections.abc import Callable


def cpu_seconds(function: Callable[[], object], times: int = 3) -> float:
    """CPU seconds of one call in this thread, the least of some."""
    spent = []
    for _ in range(times):
        begin = time.thread_time()
        function()
        spent.append(time.thread_time() - begin)
    return min(spent)
