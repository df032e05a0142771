"""Harm at a named point of a running crawler: it is killed there, or a call fails as a broken part would make it fail.

The product knows nothing of this. A process that is to be harmed wraps the method in question before it starts.
"""

from __future__ import annotations

import errno
import functools
import inspect
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from itertools import count
from typing import Any, NamedTuple

_FETCH, _FILES, _DATABASE = "crawler.fetch.http.HttpFetcher", "crawler.store.files.PageFiles", "crawler.store.database.Database"
_SPOOL = "crawler.fetch.spool.SpoolFile"
_FRONTIER, _STORE = "crawler.frontier.sqlite.SqliteFrontier", "crawler.store.results.ResultStore"


class Wound(NamedTuple):
    """Harm before or after the n-th call (from 1) of a method, which is named with its module and class. A context manager is
    harmed inside it, when its work is done, or after it."""

    method: str
    when: str = "before"
    call: int = 1
    harm: str = "kill"


POINTS = {
    "after fetch": Wound(f"{_FETCH}.fetch", "after"),
    "after body write": Wound(f"{_FILES}.stage", "after"),
    "before the rename": Wound(f"{_FILES}.place"),
    "after the rename": Wound(f"{_FILES}.place", "after"),
    "after store": Wound(f"{_STORE}.write", "after"),
    "after add": Wound(f"{_FRONTIER}.add", "after"),
    "before done": Wound(f"{_FRONTIER}.done"),
    "before commit": Wound(f"{_DATABASE}.transaction", "inside"),
    "after commit": Wound(f"{_DATABASE}.transaction", "after"),
}
"""The named points of the journey of a page."""

RECOVERY = {
    "before the database is opened": Wound(f"{_DATABASE}._prepare"),
    "before the sweep": Wound(f"{_FILES}.sweep"),
    "after the sweep": Wound(f"{_FILES}.sweep", "after"),
    "while leases are voided": Wound(f"{_FRONTIER}.void_leases", "after"),
    "while bodies are checked": Wound("crawler.assembly.repair", "after"),
    "before the run begins": Wound("crawler.assembly.start_run"),
    "before crawl.toml": Wound("crawler.store.folder.Folder.write"),
}
"""The named points of a start after an unclean end."""

END = {
    "after the last sync": Wound(f"{_DATABASE}.sync", "after"),
    "before the end is written": Wound("crawler.assembly.end_run"),
    "before the summary": Wound("crawler.store.folder.Folder.write", call=2),
}
"""The named points of the end of a run."""

OFTEN = [f"{_STORE}.write", *(f"{_FRONTIER}.{name}" for name in ("add", "refuse", "held", "done"))]
"""The calls to store and frontier that every commit makes."""

ONCE = [f"{_FRONTIER}.{name}" for name in ("lease", "extend", "release", "stats", "finished")]
"""Those that the smallest crawl makes once at least. (Nobody has to call `close`: both work on a database that the folder closes.)"""

FLUSH = f"{_STORE}.flush"
SYNC = "crawler.store.database.sync"
"""The one call outside a transaction, and what it does: the disk of which it says that it is full is met there."""

RARE = [f"{_FRONTIER}.{name}" for name in ("refusals", "withdraw")]
"""Those that only a seed on its way to another host, and a trap, bring about."""

READMIT = f"{_FRONTIER}.readmit"
"""And the one that a user asks for."""

WRITES = [
    SYNC, f"{_FILES}.stage", f"{_FILES}.place", f"{_SPOOL}.write",
    "crawler.store.folder.Folder.write",
]  # fmt: skip
"""What else writes to the disk."""

ASYNCHRONOUS = [f"{_FETCH}.fetch", f"{_SPOOL}.write"]
"""What only the asynchronous mode calls."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise RuntimeError("a part broke")


def _no_room() -> None:
    raise sqlite3.OperationalError("database or disk is full")


def _no_room_for_a_file() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")


HARM: dict[str, Callable[[], None]] = {"kill": _kill, "raise": _raise, "no room": _no_room, "no room for a file": _no_room_for_a_file}


def inflict(wound: Wound) -> Callable[[], None]:
    """Wraps the method; what is returned unwraps it."""
    place, name = wound.method.rpartition(".")[::2]
    owner = _found(place)
    real, calls, harm = inspect.getattr_static(owner, name), count(1), HARM[wound.harm]
    setattr(owner, name, _wrapped(real, wound.when, lambda: next(calls) == wound.call and harm()))
    return lambda: setattr(owner, name, real)


def _found(place: str) -> Any:
    module, _, name = place.rpartition(".")
    try:
        return import_module(place)
    except ImportError:
        return getattr(import_module(module), name)


def _wrapped(real: Any, when: str, harm: Callable[[], object]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def wait(*arguments: Any, **options: Any) -> Any:
            if when == "before":
                harm()
            answer = await real(*arguments, **options)
            if when == "after":
                harm()
            return answer

        return wait

    if when == "inside" or real.__name__ == "transaction":
        return _wrapped_context(real, when, harm)

    @functools.wraps(real)
    def call(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            harm()
        answer = real(*arguments, **options)
        if when == "after":
            harm()
        return answer

    return call


def _wrapped_context(real: Callable[..., AbstractContextManager[Any]], when: str, harm: Callable[[], object]) -> Callable[..., Any]:
    """For `Database.transaction`: only the outermost one is a commit."""
    depth = 0

    @contextmanager
    def transaction(*arguments: Any) -> Iterator[None]:
        nonlocal depth
        depth += 1
        try:
            with real(*arguments):
                yield
                if depth == 1 and when == "inside":
                    harm()
        finally:
            depth -= 1
        if depth == 0 and when == "after":
            harm()

    return transaction
