"""What signals do to a crawl: the first pauses it, the second cuts the pause short, and neither waits for ever."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from crawler.model import FinishReason
from crawler.text import printable

if TYPE_CHECKING:
    import asyncio

SIGNALS: dict[int, FinishReason] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
if hasattr(signal, "SIGHUP"):
    SIGNALS[signal.SIGHUP] = "terminated"
# 128 and the number of the signal, as shells say it; 13 is SIGPIPE, of which Python makes an error of the write.
EXIT_CODES: dict[FinishReason, int] = {"interrupted": 130, "terminated": 143, "no reader": 141}

PATIENCE = 4.5
"""Seconds from the first signal to the end of the process, whatever hangs."""

IMPATIENCE = 0.6
"""The same from the second one."""

_LATE = "\nPaused without a summary: the disk, a page or the counting took too long. What was stored is kept.\n  try: crawler resume {}\n"


class Interrupted(KeyboardInterrupt):
    """A signal that came while nobody could be asked to stop: before the crawl, or after it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.reason = SIGNALS.get(number, "interrupted")
        self.exit_code = EXIT_CODES[self.reason]


@contextmanager
def interruptible() -> Iterator[None]:
    """Every signal that ends a process raises `Interrupted` meanwhile, so that what tidies up at its end does. Only for the main
    thread."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    with ExitStack() as stack:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, end))
        yield


class Signals:
    """SIGINT, SIGTERM and SIGHUP under `with`, from the opening of a folder to the last line on the screen.

    Each is handed to `obey` in the main thread; while that is None it raises `Interrupted` there, and after `remember` it waits for
    whoever is the next to obey. However it is obeyed, the process ends `PATIENCE` seconds after the first signal and `IMPATIENCE` after
    the second, if need be as after kill -9, which loses nothing that was stored. A thread keeps that deadline: the main one may be
    waiting for a disk. Only for the main thread.
    """

    def __init__(self, folder: str, leave: Callable[[int], object] = os._exit) -> None:
        self.obey: Callable[[int], object] | None = None
        self.wake: Callable[[], object] | None = None
        self._folder = folder
        self._leave = leave
        self._early: list[int] = []
        # Made beforehand: a signal may come in the middle of anything, of another signal's arrival too.
        self._interruptions = {number: Interrupted(number) for number in SIGNALS}
        self._end = float("inf")

    def __enter__(self) -> Self:
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        # nohup ignores SIGHUP, and means it.
        wanted = [number for number in SIGNALS if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._arrived) for number in wanted}
        self._wakeup_before = self.listen()
        threading.Thread(target=self._watch, name="crawler-signals", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._bell.close()

    def listen(self) -> int:
        """Has every signal told to the thread that keeps the deadline, by C code, whatever Python is at. To be called once more
        inside an event loop that wants to hear them itself."""
        return signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)

    def remember(self) -> None:
        """From now on signals interrupt nobody: whoever calls `obeyed_by` hears of them."""
        self.obey = self._early.append

    def obeyed_by(self, obey: Callable[[int], object]) -> None:
        """Has signals obeyed, and those that were remembered now."""
        self.obey = obey
        while self._early:
            obey(self._early.pop(0))

    def obeyed_in(self, loop: asyncio.AbstractEventLoop, obey: Callable[[int], object]) -> None:
        """The same in the turns of a running loop, also of one at rest: it is woken, so that Python looks at its signals."""
        self.listen()
        self.wake = lambda: loop.call_soon_threadsafe(lambda: None)
        self.obeyed_by(lambda number: loop.call_soon_threadsafe(obey, number))

    def left(self) -> float:
        """Seconds until the process ends; infinite before the first signal."""
        return self._end - time.monotonic()

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        if self.obey is None:
            raise self._interruptions[number]
        self.obey(number)

    def _watch(self) -> None:
        code = 0
        with self._ear:
            while True:
                try:
                    self._ear.settimeout(max(0.001, self.left()) if code else None)
                    arrived = self._ear.recv(64)
                except TimeoutError:
                    return self._give_up(code)
                if not arrived:
                    return None
                for number in filter(SIGNALS.__contains__, arrived):
                    self._end = min(self._end, time.monotonic() + (IMPATIENCE if code else PATIENCE))
                    code = code or EXIT_CODES[SIGNALS[number]]
                if self.wake is not None:
                    with suppress(RuntimeError):  # its loop is over
                        self.wake()

    def _give_up(self, code: int) -> None:
        with suppress(OSError, ValueError, AttributeError):
            stream = sys.stderr.fileno()
            os.set_blocking(stream, False)  # who does not read it holds up nobody
            cursor = "\x1b[?25h" if os.isatty(stream) else ""
            os.write(stream, (cursor + _LATE.format(printable(self._folder))).encode())
        self._leave(code)
