"""What both fetchers are told, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from crawler.core.media_types import EVERY_TYPE, MediaTypes

MAX_LINE = 64 * 1024
"""The longest line of an answer's header, in bytes. http.client has the same limit."""

MAX_HEADERS = 256
"""The most lines in an answer's header, and in its trailer."""

MAX_HEADER_SIZE = 256 * 1024
"""The largest header of an answer that is kept, in bytes. Browsers have about the same limit."""

LOWEST_RATE = 1024
"""Bytes per second that a body must keep on average once its headers are there."""

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to ask and how long to wait. Times are seconds, sizes are bytes.

    `timeout` runs until the headers are there; after that the body must keep 1 KB/s on average, counted from the start.
    `connect_timeout` is for one connection with its TLS handshake, `read_timeout` for the pause between two reads.
    `max_body` limits the decoded body; a body above `spool_threshold` goes to a file when the fetcher has a spool folder.

    `headers` are sent with every request and replace the fetcher's own of the same name. What tells who we are
    (Authorization, Cookie, X-Api-Key …: see `crawler.redaction.is_secret`) goes to the `auth_origins` only, and so does `auth`
    (user and password, Basic). An origin reads `https://example.org`, with `:8443` when the port is not the usual one.
    `host_headers` go to one host beside those, whatever their names; to a host without a port, which stands for http and https, what
    tells who we are goes without TLS to the `auth_origins` only.
    `cookies_file` is a Netscape cookie file; `cookies` turns the jar on, which keeps every cookie with its origin, and from one run
    to the next in the file `cookies_kept` (read when the fetcher is made, written with mode 0600 when it is closed).

    `proxy` (http:// or https://) wins over HTTP_PROXY and HTTPS_PROXY, which count only with `trust_env`; so does NO_PROXY.
    `verify=False` accepts any certificate; `ca_certificate` is a PEM file that is trusted besides the system's own.

    An answer with a page or a part of one whose media type `types` does not admit is left after its headers. `limit_rate` is how many
    bytes of bodies, as they come, are read in a second at most, by all requests of a fetcher together.

    Private addresses are refused, except for the hosts in `allowed_private` (with their ports, as `host_key` names them; the set
    may grow meanwhile), or not at all with `allow_private`.
    """

    user_agent: str = "asyncrawl"
    headers: tuple[tuple[str, str], ...] = ()
    host_headers: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    timeout: float = 30.0
    connect_timeout: float = 10.0
    read_timeout: float = 15.0
    max_body: int = 32 * 1024 * 1024
    proxy: str | None = None
    trust_env: bool = True
    verify: bool = True
    ca_certificate: Path | None = None
    cookies: bool = True
    cookies_file: Path | None = None
    cookies_kept: Path | None = None
    keeps_cookies: bool = True
    auth: tuple[str, str] | None = None
    auth_origins: frozenset[str] = frozenset()
    allowed_private: Set[str] = frozenset()
    allow_private: bool = False
    spool_threshold: int = 256 * 1024
    types: MediaTypes = EVERY_TYPE
    limit_rate: float | None = None

    @property
    def longest_connect(self) -> float:
        """Seconds that a connection may take: always less than the headers may, so that it is known what was waited for in vain."""
        return min(self.connect_timeout, 0.9 * self.timeout)
