"""How a process that crawls treats its memory: settings of the whole process, so commands set them, never an import."""

from __future__ import annotations

import gc
import os
import sys

_MB = 1024 * 1024

# malloc.h of glibc: the parameters of mallopt, and the variables that set them from outside.
_PARAMETERS = (("MALLOC_TRIM_THRESHOLD_", -1, 64 * _MB), ("MALLOC_TOP_PAD_", -2, 16 * _MB), ("MALLOC_MMAP_THRESHOLD_", -3, 32 * _MB))


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to keep the memory of freed parse trees for the next page; True where that could be done.

    For commands that crawl, never on import: it is a setting of the whole process. A variable set from outside wins.
    Without it a page costs 10 to 13 page faults.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):  # musl has neither this nor mallopt
        return False
    accepted = [variable in os.environ or library.mallopt(parameter, value) == 1 for variable, parameter, value in _PARAMETERS]
    return all(accepted)


def put_off_collecting() -> None:
    """Lets the garbage collector rest until `collect_rarely`: what is loaded is no garbage, and to look through it again and again is
    a twentieth of what a crawl takes to start."""
    gc.disable()


def collect_rarely() -> None:
    """Takes what is loaded out of the garbage collector's sight and lets it look at the rest seldom.

    To be called when all is loaded; the little of it that is garbage (a fiftieth) stays, as finding it would take 20 ms. A page makes
    hundreds of short-lived tuples and no cycles worth naming: with the usual thresholds the collector takes a fifth of the crawl's time.
    """
    gc.freeze()
    # The second number is small: what survives of many pages would be looked at in one go, and all would wait for that.
    gc.set_threshold(50_000, 4, 500)
    gc.enable()
