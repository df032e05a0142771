"""Where responses are read: at once, in a thread, or in a process of its own, so that none holds up the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Set
from functools import partial
from types import TracebackType
from typing import Self

from crawler.engine.parser_process import ParserProcess
from crawler.engine.reading import LINKS_ALONE, Effort, Reading, Wanted, effort, read
from crawler.engine.writer import Writer
from crawler.model import Request, Response


class Reader:
    """Reads responses, until it is closed (`with` does that); what reading raises is returned. `suspects` are the ids of URLs whose
    pages are always read apart."""

    def __init__(self, wanted: Wanted = LINKS_ALONE, suspects: Set[int] = frozenset()) -> None:
        self._wanted = wanted
        self._suspects = suspects
        self._process = ParserProcess(wanted)
        self._thread = Writer("crawler-reader")
        self.turn = asyncio.Lock()
        """Whoever has it may `read_apart`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the thread and the process, if there are any. Nothing may be read any more."""
        self._process.give_up()
        self._thread.close()
        self._process.close()

    def effort(self, request: Request, response: Response) -> Effort:
        """What it takes to read a response."""
        try:
            needed = effort(request, response)
        except OSError:  # the body is in a file, and no file can be opened: reading will say so
            return "aside"
        return "apart" if request.id in self._suspects and needed != "none" else needed

    async def read_apart(self, request: Request, response: Response) -> Reading | Exception:
        """What such a response says. Cancelled, it ends that process."""
        given_up = threading.Event()
        try:
            return await self._thread.run(partial(_tried, self._process.read, request, response, given_up))
        except asyncio.CancelledError:
            given_up.set()
            self._process.give_up()
            await self._thread.rest()
            raise

    async def read(self, request: Request, response: Response, needed: Effort) -> Reading | Exception:
        """What any other response says: at once when that is a matter of milliseconds, else in a thread."""
        if needed == "aside":
            return await asyncio.to_thread(_tried, read, request, response, self._wanted)
        return _tried(read, request, response, self._wanted, is_small=needed == "now")

    def read_blocking(self, request: Request, response: Response, patience: float = float("inf")) -> Reading | Exception:
        """What a response says, for the synchronous mode. After `patience` seconds what takes long is given up: then it does not
        matter what is returned."""
        needed = self.effort(request, response)
        if needed == "apart":
            return _tried(self._process.read, request, response, patience=patience)
        return _tried(read, request, response, self._wanted, is_small=needed == "now")


def _tried(work: Callable[..., Reading], *arguments: object, **options: object) -> Reading | Exception:
    try:
        return work(*arguments, **options)
    except Exception as error:
        return error
