"""The seams of the house: what the engine needs of the outside, as Protocols on one screen.

Frontier and Store are blocking and take batches: the asynchronous engine calls them from one writer thread, the
synchronous one directly, so one implementation serves both. One contract suite (`tests/contracts`) runs on every adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from crawler.model import FinishReason, HostState, Lease, Leases, Outcome, Record, Refusal, Request, Response, SkipReason, Stats
from crawler.news import News


class Frontier(Protocol):
    """Every URL of a crawl, each once, with its state; gives out hosts under leases.

    Promises: what goes in comes out, only what went in, once unless its lease was lost. A host has one live lease, or as many as it has
    slots, each of another holder and of other URLs. A token whose lease was released, or reclaimed after its deadline, changes nothing.
    An answer given survives a crash of this process.

    **Slots** are for several workers on one site. The first lease of a host opens one; others open while nothing speaks against it: it
    has answered, its robots.txt is kept (where that is asked for), it has no delay, failure, refusal or rate that was learnt, and it
    bears more than one request at once. The shares of all never exceed together what one holder may ask for. As soon as one slot is told
    otherwise (`done`, `release`), the others are to leave: they get no further URLs, `held` and `extend` say so, and of what they
    say about the host only a later time and a closing count. So a host in trouble is in one hand.

    A host whose last holder was lost rests for its delay, and is then asked as a new one: one request at a time, until it is known again
    what it bears. What that holder met last nobody knows.
    """

    def add(self, requests: Sequence[Request]) -> int:
        """Queues the URLs that are new or known in a lower role only, and returns how many were. One that had ended in the lower
        role is asked for again, one that is leased as soon as it has ended; but a requisite that was asked for becomes no page, as
        nothing more can be learnt of it. Idempotent; the order of calls does not matter."""

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Keeps URLs that are not admitted, with their reasons. The first reason stays."""

    def refusals(self, reason: SkipReason) -> Iterator[Refusal]:
        """The URLs that are kept with this reason and were not admitted since. `add` may be called meanwhile."""

    def withdraw(self, host: str, pattern: str) -> int:
        """Puts a shape of URLs (`crawler.core.shapes`) on a host into quarantine and remembers it there. What is queued with it and
        was not named by the user is skipped, reason `trap`; returns how many URLs that are. A pattern that was released stays free."""

    def readmit(self, pattern: str) -> bool:
        """The reverse, on every host: queues again what was skipped or refused for a pattern, which is released for good. False: it is
        not in quarantine, and never was."""

    def lease(self, hosts: int, per_host: int, ttl: float, holder: int = 0) -> Leases:
        """Up to `hosts` hosts that are due and free, then slots of hosts that others hold, each with up to `per_host` URLs, for `ttl`
        seconds. Grants no more pages than the page limit has left. Depths open one after the other when there is a depth limit."""

    def extend(self, leases: Sequence[Lease], per_host: int, ttl: float) -> Leases:
        """The same leases for `ttl` seconds from now, each with up to `per_host` further URLs. A lost one is missing."""

    def evict(self, holder: int) -> None:
        """Ends all leases of a holder that has died, as if their deadlines were over."""

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """Those of these leases that are still good, as they stand now."""

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """Acknowledges a part of a lease. False: the lease is lost, nothing was changed. A state that is `closed` fails
        all that is queued for the host."""

    def release(self, lease: Lease, state: HostState) -> None:
        """Gives the host back; what was not acknowledged goes to the head of its queue, untried."""

    def stats(self) -> Stats:
        """Counts of all URLs by state."""

    def widen(self, url: str) -> None:
        """Remembers where a seed on another host has led: that host belongs to the crawl."""

    def news(self) -> News:
        """What workers have decided for all of them. The same object as long as nothing changed."""

    def finished(self) -> FinishReason | None:
        """Why nothing is left to do: the queue is empty, or only what lies beyond a limit is queued. None: there is work,
        or somebody holds a lease."""

    def close(self) -> None:
        """Closes what the frontier opened itself."""


class Store(Protocol):
    """Where pages go. What `write` returned from (inside `transaction`: what was committed) is kept for good."""

    def write(self, records: Sequence[Record]) -> Sequence[Record]:
        """Keeps pages, links and bodies; a page written again replaces the one before, except that a failure never replaces
        an ok one in the same run, nor one without any answer that of an earlier run; one that was not modified keeps what is stored of
        it. Returns the records as kept: a large body
        is read from its place in the folder from then on."""

    def flush(self) -> None:
        """Makes all that was written survive a loss of power."""

    def close(self) -> None:
        """Closes what the store opened itself."""


class Transaction(Protocol):
    """Makes what is done inside it one step, where store and frontier share a database; a null context otherwise."""

    def __call__(self) -> AbstractContextManager[object]: ...


class Fetcher(Protocol):
    """Asks for one URL. Errors are values of the response, cancellation is the only exception.

    `leaves(False)` is called right before the request is sent, over a connection that is open by then: when it raises nothing is sent, and
    that is the error. `leaves(True)` is called when it has been sent: that is where a delay counts from, for so the server sees it.
    """

    async def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response: ...


class BlockingFetcher(Protocol):
    """The same for the synchronous mode."""

    def fetch(self, request: Request, leaves: Callable[[bool], object] | None = None) -> Response: ...
