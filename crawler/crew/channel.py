"""What the processes of one crawl say to each other, and how: pickled values over a pair of sockets that no one else holds an end of.

Its end is as good as a message: it is there as soon as a process is gone, however that came.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Set
from dataclasses import dataclass
from typing import Self

from crawler.model import FinishReason, Refusal
from crawler.progress import HostProgress, Trouble

_SIZE = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Place:
    """To a worker, once: the run it belongs to, and `update` (see `Assembly`); whether refusals are to be told."""

    run: int
    update: int
    suspects: Set[int]
    tells_refusals: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: see `AsynchronousEngine.stop`."""

    reason: FinishReason
    grace: float


@dataclass(frozen=True, slots=True)
class Suspects:
    """To a worker: URLs that another one had in hand when it was killed. Their pages are read apart."""

    ids: Set[int]


@dataclass(frozen=True, slots=True)
class Sight:
    """From a worker, now and then: the URLs in flight with their seconds, and its busiest hosts."""

    flying: tuple[tuple[str, float], ...] = ()
    hosts: tuple[HostProgress, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """From a worker, at its end: why, and the error that it ended with, if it did."""

    reason: FinishReason
    error: Exception | None = None


Message = Place | Stop | Suspects | Sight | Refusal | Trouble | Ended


class Channel:
    """One end, in an event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        """Takes over one end of a pair."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    def put(self, message: Message) -> None:
        """Sends without waiting. To one that is gone, nothing."""
        if not self._writer.is_closing():
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._writer.write(_SIZE.pack(len(data)) + data)

    async def send(self, message: Message) -> None:
        """Sends, and waits while the other end is behind."""
        self.put(message)
        await self._writer.drain()

    async def receive(self) -> Message | None:
        """The next message; None when the other end is gone."""
        try:
            (size,) = _SIZE.unpack(await self._reader.readexactly(_SIZE.size))
            message: Message = pickle.loads(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
        return message

    def close(self) -> None:
        """Lets go of this end."""
        self._writer.close()
