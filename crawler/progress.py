"""How far a running crawl is: the values that a screen is given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostProgress:
    """One host while the crawl runs: URLs in flight and waiting in memory, seconds between two requests."""

    host: str
    in_flight: int
    waiting: int
    delay: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A host that is left alone for so many seconds, because it does not answer as it should: the cause (an error kind, or `status 503`),
    and why, in words."""

    host: str
    cause: str
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running crawl is, for a screen. Counts cover the whole folder, `run_pages`, `elapsed` and `rate` this run.

    `pages` counts every attempted URL that was stored, `requisites` apart: what pages are made of, and `probes`: links that were asked
    for and not followed; together they are the rows of the table. `rate` is pages per second over the last ten seconds, `size` bytes of
    decoded bodies, `slowest` the URL that is in flight for the longest time and its seconds.
    """

    elapsed: float = 0.0
    pages: int = 0
    run_pages: int = 0
    ok: int = 0
    redirects: int = 0
    client_errors: int = 0
    server_errors: int = 0
    failed: int = 0
    queued: int = 0
    in_flight: int = 0
    size: int = 0
    rate: float = 0.0
    slowest: tuple[str, float] | None = None
    hosts: tuple[HostProgress, ...] = ()
    more_hosts: int = 0
    requisites: int = 0
    probes: int = 0
