"""How many files this process may have open, and how many of them sockets leave to the rest of it.

A crawl that has spent its last descriptor on a socket can no longer write the page that comes out of it. Numbers are given out
from the lowest, so the number of a new one tells how many are left.
"""

from __future__ import annotations

import errno
import os
import sys

FOR_FILES = 24
"""Left free by sockets: pages, names being looked up, the log, the summary."""
FOR_PAGES = 16
"""Of these left free by large bodies on their way to the disk."""
_OPEN_ALREADY = 16  # database, log, loop: about so many before the first socket
_ENOUGH = 65_536


def limit() -> int:
    """How many descriptors this process may have."""
    if sys.platform == "win32":
        return _ENOUGH
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if most == resource.RLIM_INFINITY else most


def raise_limit() -> None:
    """Raises the limit as far as this process may by itself. For commands, never on import: it is a setting of the whole process."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_requests() -> int:
    """How many requests can be in flight together."""
    return max(1, limit() - _OPEN_ALREADY - FOR_FILES)


def check(descriptor: int, spare: int) -> None:
    """Raises OSError (EMFILE) when fewer than `spare` descriptors are left beyond this new one, which its caller closes then."""
    if descriptor >= limit() - min(spare, limit() // 4):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
