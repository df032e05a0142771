"""Looking up names: in threads that hold up nobody."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from crawler.fetch.resolver import Resolver


def answer_with(monkeypatch: pytest.MonkeyPatch, addresses: dict[str, Any]) -> None:
    def getaddrinfo(host: str, port: int, *arguments: Any) -> list[Any]:
        found = addresses[host]
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        family = socket.AF_INET6 if ":" in found[0] else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (found[0], port, *found[1:]))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


async def test_addresses_come_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv4, IPv6, and a link-local address with its scope."""
    answer_with(monkeypatch, {"four": ("192.0.2.1",), "six": ("2001:db8::1", 0, 0), "link": ("fe80::1", 0, 2)})
    resolver = Resolver()

    answers = [(await resolver.resolve(name, 80))[0] for name in ("four", "six", "link")]
    await resolver.close()

    assert [(answer["hostname"], answer["host"], answer["port"]) for answer in answers] == [
        ("four", "192.0.2.1", 80), ("six", "2001:db8::1", 80), ("link", "fe80::1%2", 80),
    ]  # fmt: skip


async def test_errors_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What getaddrinfo raises is raised."""
    answer_with(monkeypatch, {"none": socket.gaierror(socket.EAI_NONAME, "unknown"), "odd": UnicodeError("label too long")})
    resolver = Resolver()

    with pytest.raises(socket.gaierror):
        await resolver.resolve("none")
    with pytest.raises(UnicodeError):
        await resolver.resolve("odd")
    await resolver.close()


async def test_a_slow_name_server_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one lookup hangs others are answered, its waiter can be cancelled, and closing does not wait for it."""
    stuck = threading.Event()
    answer_with(monkeypatch, {"dead": lambda: (stuck.wait(5) and None) or ("192.0.2.9",), "fine": ("192.0.2.1",)})
    resolver = Resolver(most=2)
    waiting = asyncio.create_task(resolver.resolve("dead"))
    await asyncio.sleep(0)

    fine = [(await resolver.resolve("fine"))[0]["host"] for _ in range(3)]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await resolver.close()
    stuck.set()

    assert fine == ["192.0.2.1"] * 3
    assert waiting.cancelled()


async def test_more_lookups_than_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more threads than allowed, and all lookups are answered."""
    names = {f"host-{number}": (f"192.0.2.{number}",) for number in range(50)}
    answer_with(monkeypatch, names)
    before = set(threading.enumerate())
    resolver = Resolver(most=3)

    answers = await asyncio.gather(*(resolver.resolve(name) for name in names))
    made = set(threading.enumerate()) - before
    await resolver.close()

    assert [answer[0]["host"] for answer in answers] == [address for (address,) in names.values()]
    assert len(made) <= 3
