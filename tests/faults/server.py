"""A site of faults on loopback: raw sockets, many hosts, and a log of every request.

Each host has an address of its own in 127.0.0.0/8. What it answers to a path is a script: bytes to send and things to do, one
script for each time that the path is asked, the last for all further times.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

Step = bytes | Callable[["Wire"], Awaitable[None]]
Script = tuple[Step, ...]
NOT_FOUND: Script = (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",)


class Asked(NamedTuple):
    """One request as it arrived: when (monotonic seconds), at which host, for which path."""

    at: float
    host: str
    path: str


@dataclass(slots=True)
class Wire:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Sends bytes, no faster than they are taken."""
        self.writer.write(data)
        await self.writer.drain()


async def close(wire: Wire) -> None:
    """Ends the connection in an orderly way."""
    wire.writer.close()


async def reset(wire: Wire) -> None:
    """Cuts the connection with a RST."""
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.writer.transport.abort()


async def hang(wire: Wire) -> None:
    """Says nothing more until the client goes away."""
    await wire.reader.read(1)


async def listen(wire: Wire) -> None:
    """Hears what the client says first, whatever it is."""
    await wire.reader.read(65536)


async def pause(wire: Wire) -> None:
    """Lets what was sent arrive on its own."""
    await asyncio.sleep(0.02)


def drip(piece: bytes, every: float = 0.02) -> Step:
    """Sends a piece again and again until the client goes away."""

    async def step(wire: Wire) -> None:
        while True:
            await wire.send(piece)
            await asyncio.sleep(every)

    return step


@dataclass
class Host:
    """One host of the site. `doors` says how it receives: it answers, it refuses connections, or it leaves them waiting for ever.
    `greeting` is what happens before anything is asked."""

    name: str
    scripts: Mapping[str, Sequence[Script]] = field(default_factory=dict)
    scheme: str = "http"
    tls: ssl.SSLContext | None = None
    doors: Literal["answers", "refuses", "leaves waiting"] = "answers"
    greeting: Script = ()


class FaultServer:
    """Serves hosts until it is left: `with FaultServer(hosts) as server`. `log` holds every request, in order.

    The host `main` is known as main.test, by everything in this process that looks a name up while the server runs; other names
    do not exist then. One port serves all.
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.log: list[Asked] = []
        self.port = 0
        self._places = {host.name: f"127.{1 + number // 250}.7.{1 + number % 250}" for number, host in enumerate(hosts)}
        self._times: dict[tuple[str, str], int] = {}
        self._held: list[socket.socket] = []
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="faults", daemon=True)

    def url(self, name: str, path: str = "/") -> str:
        """The URL of a path at a host."""
        scheme = self.hosts[name].scheme if name in self.hosts else "http"
        return f"{scheme}://{name}.test:{self.port}{path}"

    def place(self, name: str, path: str = "/") -> str:
        """The same URL by its address, for other processes."""
        return f"{self.hosts[name].scheme}://{self._places[name]}:{self.port}{path}"

    def count(self, name: str, path: str) -> int:
        """How often a path was asked for."""
        return sum((asked.host, asked.path) == (name, path) for asked in self.log)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        self._getaddrinfo, socket.getaddrinfo = socket.getaddrinfo, self._resolve
        return self

    def __exit__(self, *_: object) -> None:
        socket.getaddrinfo = self._getaddrinfo
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        for sock in self._held:
            sock.close()

    def _resolve(self, host: Any, port: Any, *arguments: Any, **keywords: Any) -> list[Any]:
        place = self._places.get(str(host).removesuffix(".test"), host)
        if place == host and not place.replace(".", "").isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._getaddrinfo(place, port, *arguments, **keywords)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda loop, context: None)  # handshakes that fail are what some hosts are for
        servers = []
        for name, host in self.hosts.items():
            sock = self._bind(name)
            if host.doors == "answers":
                servers.append(await asyncio.start_server(self._receiver(host), sock=sock, ssl=host.tls))
            else:
                self._held.append(sock)
            if host.doors == "leaves waiting":
                self._fill(sock)
        self._ready.set()
        await self._over.wait()
        for server in servers:
            server.close()
        for writer, task in list(self._open.items()):
            writer.transport.abort()
            await task

    def _bind(self, name: str) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self._places[name], self.port))
        self.port = self.port or sock.getsockname()[1]
        return sock

    def _fill(self, sock: socket.socket) -> None:
        """Fills the queue of those who wait to be accepted: from then on the kernel drops whoever knocks."""
        sock.listen(0)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(sock.getsockname())
            self._held.append(waiting)

    def _receiver(self, host: Host) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wire = Wire(reader, writer)
            self._open[writer] = asyncio.current_task()  # type: ignore[assignment]
            # The client may go away at any moment; that is never our trouble.
            with suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await self._play(host.greeting, wire)
                while not writer.is_closing():
                    head = await reader.readuntil(b"\r\n\r\n")
                    await self._answer(host, head.split(b" ", 2)[1].decode(), wire)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del self._open[writer]

        return receive

    async def _answer(self, host: Host, path: str, wire: Wire) -> None:
        self.log.append(Asked(time.monotonic(), host.name, path))
        time_of_asking = self._times[host.name, path] = self._times.get((host.name, path), 0) + 1
        scripts = host.scripts.get(path, (NOT_FOUND,))
        await self._play(scripts[min(time_of_asking, len(scripts)) - 1], wire)

    async def _play(self, script: Script, wire: Wire) -> None:
        for step in script:
            if isinstance(step, bytes):
                await wire.send(step)
            else:
                await step(wire)
