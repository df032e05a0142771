"""A process that reads what may take any time or bring its parser down: unlike a thread, it can be ended.

Parent and child speak over two pipes: jobs go to the child pickled, what it says comes back as JSON and is not trusted. The
child has no other business with the world: it ends when the pipe from its parent closes, however the parent ended, and at the
latest when its own alarm rings. A page that takes too long, or that ends its child twice, is given up.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

from crawler.engine.pieces import pieces, whole
from crawler.engine.reading import LINKS_ALONE, Reading, Wanted, read
from crawler.model import Request, Response

DEADLINE = 30.0
"""Seconds that reading one page may take. The worst page of 32 MB that is known takes about 6."""

MEMORY = 2 * 1024**3
"""Bytes of address space that the child may use."""

RESTED = 256 * 1024**2
"""A child that holds more bytes than this after a page is not used again."""

PROGRAM = "import sys; sys.path[:] = {path!r}; from crawler.engine.parser_process import main; main()"
"""What the child runs."""

_LENGTH = struct.Struct("!Q")
_TRIES = 2


class _Ended(Exception):
    """The child is gone, or was ended."""


class ParserProcess:
    """Reads one response at a time in a child that is started when the first one comes. `read` blocks; `give_up` may be called
    from another thread meanwhile.

    A page gets `deadline` seconds. What cannot be read has its `problem` in the reading: nothing is raised.
    """

    def __init__(self, wanted: Wanted = LINKS_ALONE, deadline: float = DEADLINE) -> None:
        self._wanted = wanted
        self._deadline = deadline
        self._child: subprocess.Popen[bytes] | None = None

    def read(
        self, request: Request, response: Response, given_up: threading.Event | None = None, patience: float = float("inf")
    ) -> Reading:
        """What a response says. Without a child (no memory, no descriptors) it is read here. Once `given_up` is set, or `patience` has
        run out (seconds), it ends at once, and it does not matter what is returned."""
        end = monotonic() + patience
        job = pickle.dumps((request, response, self._wanted, self._deadline))
        why = ""
        for _ in range(_TRIES):
            try:
                child = self._child or self._started()
            except OSError:
                return read(request, response, self._wanted)
            if monotonic() >= end or (given_up is not None and given_up.is_set()):
                break
            try:
                return self._converse(child, job, end)
            except _Ended as error:
                why = self._buried(str(error))
            except OSError:
                why = self._buried()
            except (ValueError, RecursionError):
                why = self._buried("it did not make sense")
            except BaseException:  # an interruption: what the child says next would answer nothing
                self._buried()
                raise
        return Reading(problem=f"its parser was ended {_TRIES} times: {why}")

    def give_up(self) -> None:
        """Ends what is being read, if anything is. Its `given_up` is to be set before."""
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """Ends the child. Closing twice does no harm."""
        self._buried()

    def _started(self) -> subprocess.Popen[bytes]:
        # A group of its own: what a terminal sends to those in front (Ctrl-C) is for the parent to decide on.
        command = [sys.executable, "-c", PROGRAM.format(path=sys.path)]
        self._child = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
        )
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        return self._child

    def _buried(self, why: str = "") -> str:
        """Ends the child, leaves nothing of it behind, and says how it ended unless `why` does."""
        child, self._child = self._child, None
        if child is None:
            return why
        child.kill()
        with child:  # closes its pipes and waits for it
            pass
        code = child.returncode
        return why or (signal.Signals(-code).name if code < 0 else f"exit code {code}")

    def _converse(self, child: subprocess.Popen[bytes], job: bytes, end: float) -> Reading:
        end = min(end, monotonic() + self._deadline)
        self._put(child, _LENGTH.pack(len(job)) + job, end)
        first = json.loads(self._piece(child, end))
        rest: list[Any] = []
        while isinstance(piece := json.loads(self._piece(child, end)), list):
            rest += piece
        if piece:  # it has grown too large
            self._buried()
        return whole(first, rest)

    def _put(self, child: subprocess.Popen[bytes], data: bytes, end: float) -> None:
        assert child.stdin is not None
        view = memoryview(data)
        while view:
            self._wait(child.stdin.fileno(), select.POLLOUT, end)
            with suppress(BlockingIOError):
                view = view[os.write(child.stdin.fileno(), view) :]

    def _piece(self, child: subprocess.Popen[bytes], end: float) -> bytes:
        size: int = _LENGTH.unpack(self._get(child, _LENGTH.size, end))[0]
        if size > MEMORY:
            raise _Ended("it said too much")
        return self._get(child, size, end)

    def _get(self, child: subprocess.Popen[bytes], size: int, end: float) -> bytes:
        assert child.stdout is not None
        data = bytearray()
        while len(data) < size:
            self._wait(child.stdout.fileno(), select.POLLIN, end)
            part = os.read(child.stdout.fileno(), size - len(data))
            if not part:
                raise _Ended
            data += part
        return bytes(data)

    def _wait(self, descriptor: int, event: int, end: float) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, end - monotonic()) * 1000):
            raise _Ended(f"it took more than {self._deadline:g} s")


# -- the child ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Reads the jobs of standard input and writes the readings to standard output, until the former ends."""
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody else writes between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while header := jobs.read(_LENGTH.size):
        request, response, wanted, deadline = pickle.loads(jobs.read(*_LENGTH.unpack(header)))
        signal.setitimer(signal.ITIMER_REAL, 2 * deadline)  # the parent is sooner, if there is one
        try:
            reading = read(request, response, wanted)
        except Exception as error:
            reading = Reading(problem=f"{type(error).__name__}: {error}")
        for piece in pieces(reading):
            _write(answers, _LENGTH.pack(len(piece)) + piece)
        leaves = json.dumps(_memory() > RESTED).encode()
        _write(answers, _LENGTH.pack(len(leaves)) + leaves)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _memory() -> int:
    """Bytes of memory that this process holds; 0 where the system does not say. (What getrusage tells begins with the parent's.)"""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _limit(what: int, value: int) -> None:
    with suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(what, (value, resource.getrlimit(what)[1]))


def _end_with_parent() -> None:
    """Waits for the end of the pipe from the parent. The parser lets other threads run, so no page holds this up."""
    poll = select.poll()
    poll.register(0, 0)  # the end of a pipe is always told
    poll.poll()
    os._exit(0)
