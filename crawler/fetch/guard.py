"""Which addresses may be connected to: a crawler that follows links must not be led into the network it runs in.

The check is on the final address, at the moment a socket is made for it: names, redirects and literals end there alike, and a
name that resolves differently the second time gains nothing. A connection to a proxy is not looked at: the user chose it, and
it alone knows where its requests end; only an address written into the URL itself is still refused then.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Set
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from crawler.core.scope import private_kind
from crawler.fetch import descriptors
from crawler.fetch.failures import FetchFailure


@dataclass(slots=True)
class Connecting:
    """What the sockets of one request are for: the host being asked, by name and with its port (the host of the crawl, see
    `crawler.core.urls.host_key`), and what the guard has seen so far.

    `sockets` counts the connections opened: 0 after an answer means that a kept-alive one was used again; `kept` that one was
    tried. `leaves` is called as `crawler.ports.Fetcher` says.
    """

    host: str
    place: str
    proxied: bool = False
    sockets: int = 0
    kept: bool = False
    refusal: str = ""
    leaves: Callable[[bool], object] | None = None

    def sends(self) -> None:
        """The request is sent now. Raises what `leaves` does: then it must not be."""
        if self.leaves is not None:
            self.leaves(False)

    def sent(self) -> None:
        """It has been sent."""
        if self.leaves is not None:
            self.leaves(True)


CONNECTING: ContextVar[Connecting] = ContextVar("connecting")
"""The request that the current task works on: aiohttp's socket factory is told the address, but not the host."""


class AddressRefused(OSError):
    """The guard does not let a socket be made for this address."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets only public addresses through, except for the hosts in `allowed` (with their ports, as `place`), or all with
    `allow_private`."""

    allowed: Set[str] = frozenset()
    allow_private: bool = False

    def refusal(self, address: str, host: str, place: str) -> str | None:
        """Why `host`, which is `place` with its port, may not be asked at `address`; None when it may."""
        return None if self.allow_private or place in self.allowed else refusal(address, host)

    def check_literal(self, host: str, place: str) -> None:
        """Raises FetchFailure (`blocked`) when `host` itself is an address that is refused."""
        if is_literal(host) and (reason := self.refusal(host, host, place)):
            raise FetchFailure("blocked", reason)

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for one entry of getaddrinfo (aiohttp's socket_factory). Raises AddressRefused, and OSError (EMFILE) before
        sockets take the last descriptors of this process."""
        family, kind, protocol, _, address = info
        request = CONNECTING.get()
        if not request.proxied and (reason := self.refusal(address[0], request.host, request.place)):
            request.refusal = reason
            raise AddressRefused(reason)
        made = socket.socket(family, kind, protocol)
        try:
            descriptors.check(made.fileno(), descriptors.FOR_FILES)
        except OSError:
            made.close()
            raise
        request.sockets += 1
        return made


def refusal(address: str, host: str) -> str | None:
    """Why a crawler should not connect to `address` on behalf of `host`; None when it may.

    Loopback, private, link-local, shared (CGNAT), multicast, unspecified and reserved addresses are refused, also when they
    are wrapped in IPv6 (IPv4-mapped, 6to4, NAT64).
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address!r} is no address"
    kind = private_kind(parsed)
    if kind is None:
        return None
    return f"{address} is {kind}" if host == address else f"{host} is at {address}, which is {kind}"


@lru_cache(maxsize=4096)
def is_literal(host: str) -> bool:
    """Whether a host is written as an address, so that no name is looked up for it."""
    if ":" not in host and not host[-1:].isdigit():
        return False
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
