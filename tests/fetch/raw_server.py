"""A loopback server that answers in raw bytes, so that a test can send what no HTTP library would."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fetching import KEPT_ALIVE

Step = bytes | Callable[["Connection"], None]


class Connection:
    """The server's end of one connection, for steps that do more than send."""

    def __init__(self, server: RawServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._rest = b""

    def request(self) -> bytes:
        """The head of the next request; b"" when the client is gone."""
        while b"\r\n\r\n" not in self._rest:
            received = self.sock.recv(65536)
            if not received:
                return b""
            self._rest += received
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head


def close(connection: Connection) -> None:
    """Ends the connection in an orderly way."""
    connection.sock.shutdown(socket.SHUT_RDWR)


def reset(connection: Connection) -> None:
    """Cuts the connection with a RST."""
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.sock.close()


def hang(connection: Connection) -> None:
    """Says nothing until the client goes away."""
    connection.sock.recv(1)


def pause(connection: Connection) -> None:
    """Lets what was sent arrive on its own; ends early when the server does."""
    connection.server.over.wait(0.02)


class RawServer:
    """Answers each path with the bytes it was told to send, and keeps what it was asked."""

    def __init__(self, context: Any = None, greeting: bytes = b"") -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self.over = threading.Event()
        self.asked = threading.Event()
        self._steps: dict[str, tuple[Step, ...]] = {}
        self._context = context
        self._greeting = greeting
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, *steps: Step, path: str = "/", host: str = "127.0.0.1") -> str:
        """Declares what a GET of `path` brings, and returns the URL."""
        self._steps[path] = steps
        return self.url(path, host)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """The URL of a path on this server."""
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def track(self, sock: socket.socket) -> socket.socket:
        """A socket that is closed with the server."""
        self._sockets.append(sock)
        return sock

    def stop(self) -> None:
        """Ends all connections."""
        self.over.set()
        for sock in (self._listening, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while not self.over.is_set():
                sock, _ = self._listening.accept()
                self._sockets.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        self.connections += 1
        with suppress(OSError, ValueError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self.track(self._context.wrap_socket(sock, server_side=True))
            sock.sendall(self._greeting)
            connection = Connection(self, sock)
            while head := connection.request():
                if head.split()[1].decode().endswith(KEPT_ALIVE):
                    connection.sock.sendall(http())
                    continue
                self.heads.append(head)
                self.asked.set()
                for step in self._steps[head.split()[1].decode()]:
                    if isinstance(step, bytes):
                        connection.sock.sendall(step)
                    else:
                        step(connection)


def http(body: bytes = b"", *lines: str, status: str = "200 OK") -> bytes:
    """A whole answer with its Content-Length."""
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body (RFC 9112, 7.1); an empty one ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
