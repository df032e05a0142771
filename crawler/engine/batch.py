"""Visits, and what a commit makes of many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace

from crawler.errors import DiskFullError
from crawler.model import Body, Fetched, HostState, Lease, Outcome, PageError, Record, Refusal, Request, Stats
from crawler.store.files import PageFiles

LINKS = 100
"""So many links count as one visit more, so that pages of thousands do not fill the memory."""

HEAVIEST = 16
"""Visits that one may count for: a single page of many links does not stop all others."""

AT_ONCE = 2_000
"""URLs that one visit brings into a commit. What it has more of is added before, in commits of their own, so that none takes long."""

JudgeAgain = Callable[[Refusal], Request | None]

Listed = tuple[str, int, str]
"""Host and token of a lease, and an origin of whose robots.txt the sitemaps are to be asked for."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one attempt leaves behind: its outcome, a record for the store, admitted URLs, refused ones.

    `judge_again` comes with a visit that has widened the scope: what a URL that was refused for it is now, in any thread. `trap` is the
    shape of URLs on its host that it has put into quarantine. `robots` is the origin whose robots.txt names the sitemaps in `requests`:
    what is known of it is kept with the last of them, not before.
    """

    outcome: Outcome | None
    record: Record | None = None
    requests: Sequence[Request] = ()
    refusals: Sequence[Refusal] = ()
    judge_again: JudgeAgain | None = None
    trap: str | None = None
    robots: str = ""

    @property
    def weight(self) -> int:
        """How many visits this one counts for."""
        return min(1 + self.links // LINKS, HEAVIEST)

    @property
    def links(self) -> int:
        """How many links its page has."""
        return 0 if self.record is None else self.record.link_count

    @property
    def is_long(self) -> bool:
        """Whether it brings more URLs than one commit should add."""
        return len(self.requests) + len(self.refusals) > AT_ONCE

    def parted(self) -> tuple[Visit, Visit]:
        """URLs to add in advance, and the visit without them."""
        refusals = max(0, AT_ONCE - len(self.requests))
        early = Visit(None, None, self.requests[:AT_ONCE], self.refusals[:refusals])
        return early, replace(self, requests=self.requests[AT_ONCE:], refusals=self.refusals[refusals:])


@dataclass(slots=True)
class Batch:
    """Visits that are committed together, by lease, with the state of each host at the time of the cut."""

    visits: list[tuple[Lease, Visit]] = field(default_factory=list)
    states: dict[str, HostState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made certain. `requeued` names the hosts that got URLs back, or got some that had been refused; `listed` the
    robots.txt whose sitemaps are known now; `leaving` the leases that are to be given back.
    """

    records: Sequence[Record]
    acknowledged: Sequence[tuple[Lease, int]]
    requeued: set[str]
    lost: Sequence[Lease]
    admitted: Iterable[Request]
    refused: Iterable[Refusal]
    added: int
    stats: Stats
    listed: Set[Listed]
    leaving: Sequence[Lease] = ()


def listings(visits: Iterable[tuple[Lease, Visit]]) -> set[Listed]:
    """The robots.txt whose sitemaps these visits bring."""
    return {(*fence_of(lease), visit.robots) for lease, visit in visits if visit.robots}


def size_of(visit: Visit) -> int:
    """Bytes that count for the size limit once it is stored."""
    return visit.outcome.size if isinstance(visit.outcome, Fetched) else 0


def fence_of(lease: Lease) -> tuple[str, int]:
    """What tells one lease from all others."""
    return lease.host, lease.token


def discard(body: Body) -> None:
    """Removes the temporary file of a body that will not be stored."""
    if body.path is not None:
        PageFiles.discard([body.path])


def discard_record(record: Record | None) -> None:
    """The same for what was to be stored with it."""
    if record is not None:
        discard(record.page.content)


def as_failed(record: Record, **changes: object) -> Record:
    """The same record with other facts about its page and without links."""
    return Record(replace(record.page, file=None, **changes))  # type: ignore[arg-type]


def check_disk(error: PageError) -> None:
    """A body that could not be written for want of room is no fault of its page: the crawl stops, and asks again later."""
    if error.kind == "internal" and error.detail.startswith(("ENOSPC", "EDQUOT")):
        raise DiskFullError.writing("a page")
