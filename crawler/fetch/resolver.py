"""Looking up names in other threads, where a slow name server holds up nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from queue import Empty, SimpleQueue
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[list[Any]]", str, int, int]


class Resolver(AbstractResolver):
    """getaddrinfo in a few threads of its own.

    aiohttp's ThreadedResolver shares the loop's threads with all file writing, and asyncio.run waits for them in the end: some
    dead name servers would stall the disk and delay the exit by half a minute. These threads are daemons.
    """

    def __init__(self, most: int = 16) -> None:
        self._most = most
        self._threads = 0
        self._pending = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """The addresses of a name. Raises what socket.getaddrinfo does."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[Any]] = loop.create_future()
        found.add_done_callback(self._settled)
        self._pending += 1
        self._jobs.put((loop, found, host, port, family))
        if self._pending > self._threads < self._most:
            self._threads += 1
            threading.Thread(target=_work, args=(self._jobs,), name="resolver", daemon=True).start()
        return [
            ResolveResult(hostname=host, host=_text(address), port=port, family=family, proto=protocol, flags=_NUMERIC)
            for family, _, protocol, _, address in await found
        ]

    async def close(self) -> None:
        """Lets the threads end; one that still waits for a name server is left to it."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _settled(self, found: asyncio.Future[list[Any]]) -> None:
        self._pending -= 1


def look_up(host: str, port: int, patience: float) -> list[Any]:
    """What getaddrinfo says of a name, within `patience` seconds. Raises what it does, and TimeoutError; the thread that still waits
    for a name server then is left to it."""
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()
    threading.Thread(target=lambda: answers.put(_answer(host, port)), name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, patience))
    except Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _text(address: tuple[Any, ...]) -> str:
    """The address of a socket address, with the scope of a link-local one."""
    scope = address[3] if len(address) > 3 else 0
    return f"{address[0]}%{scope}" if scope and "%" not in address[0] else str(address[0])


def _answer(host: str, port: int, family: int = socket.AF_UNSPEC, flags: int = 0) -> list[Any] | Exception:
    try:
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)
    except Exception as error:
        return error


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        loop, found, host, port, family = job
        answer = _answer(host, port, family, socket.AI_ADDRCONFIG)
        try:
            loop.call_soon_threadsafe(_settle, found, answer)
        except RuntimeError:
            pass  # the loop has closed meanwhile: nobody wants to know any more


def _settle(found: asyncio.Future[list[Any]], answer: list[Any] | Exception) -> None:
    if found.done():
        return
    if isinstance(answer, Exception):
        found.set_exception(answer)
    else:
        found.set_result(answer)
