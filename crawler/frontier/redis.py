"""The frontier that many machines share: in Redis or Valkey, by scripts of which each is one step.

[Many machines](../../docs/scale.md) tells which keys there are and what each promise rests on. The server keeps what waits and
what is held, and of what has ended the ids alone: how it ended stands in the journal of the worker that knows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from crawler.core.shapes import covers
from crawler.core.urls import fingerprint
from crawler.errors import FrontierError
from crawler.frontier.rows import rank_of
from crawler.frontier.shared import entries
from crawler.frontier.shared.bulletin import Bulletin
from crawler.frontier.shared.charter import prefix_of
from crawler.frontier.shared.connection import Argument, Servers
from crawler.frontier.shared.journal import Journal
from crawler.model import (
    FinishReason,
    HostState,
    Lease,
    Leases,
    Limits,
    Outcome,
    Refusal,
    Request,
    RobotsFacts,
    SkipReason,
    Stats,
)
from crawler.news import News

AT_ONCE = 1_000
"""URLs in one call of a script, at most: a server does one thing at a time, and nobody should wait for long."""

MOST_WAITING = 1_000_000
"""URLs that may wait for one host. Those found beyond it are not kept, which is counted and said."""

Call = Callable[..., Any]


class RedisFrontier:
    """Implements `crawler.ports.Frontier` for the crawl `name` on `servers`, whose `partitions` were chosen when it was created.

    `journal` is where this worker writes down what has ended; `clock` replaces the server's (for tests); `delay_of(host)` is the least
    delay of a host, which holds also after a holder that died before it could say when it asked last. Every call is one script for each
    partition that it touches. Raises FrontierError when a server is away for longer than its patience.
    """

    def __init__(
        self,
        servers: Servers,
        name: str,
        partitions: int,
        journal: Journal,
        limits: Limits,
        clock: Callable[[], float] | None = None,
        delay_of: Callable[[str], float] = lambda host: 0.0,
        most_waiting: int = MOST_WAITING,
        worker: str = "",
    ) -> None:
        self.servers = servers
        self.name = name
        self.partitions = partitions
        self.journal = journal
        self._limits = [_text(limits.max_pages), _text(limits.max_depth), _text(limits.max_size)]
        self._deepest = None if limits.max_depth is None else 1 + limits.max_depth
        self._most = limits
        self._clock = clock
        self._delay_of = delay_of
        self._most_waiting = most_waiting
        self.worker = worker
        self._turn = 0
        self._said: list[Callable[[], object]] = []  # since the last commit began
        self.on_loss: Callable[[], object] = lambda: None
        """Called when a server has been started again: what it had acknowledged just before may be lost."""
        self.due_hosts = 0
        """Hosts that nobody held and that could have been asked, by the last `stats` or `finished`: there is work for more workers."""
        self._robots: dict[str, tuple[RobotsFacts, ...]] = {}
        self.quarantine = Bulletin(lambda *words: servers.command(0, *words), prefix_of(name, 0), journal)
        servers.on_restart = self._begin_again
        for server in range(len(servers)):
            self._begin(server)

    def _run(self, partition: int, script: str, *arguments: Argument) -> Any:
        return self.servers.script(partition % len(self.servers), script, prefix_of(self.name, partition), arguments)

    def _command(self, partition: int, command: str, key: str, *arguments: Argument) -> Any:
        return self.servers.command(partition % len(self.servers), command, prefix_of(self.name, partition) + key, *arguments)

    def _partition(self, host: str) -> int:
        return fingerprint(host) % self.partitions

    @property
    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _begin(self, server: int) -> None:
        """Tells the partitions on a server which run of it this is: after a start that may have lost its last moments they give out no
        host until all leases have ended that it may not remember."""
        run, age = self.servers.run_of(server)
        forgets = int(self.servers.may_forget(server))
        partitions = range(server, self.partitions, len(self.servers))
        found = [self._run(partition, "begin", self._now, run, age, forgets) for partition in partitions]
        if any(found):
            self.servers.rewrite_log(server)

    def _begin_again(self, server: int) -> None:
        """A server was started again. What it lost is the end of its log: with a `done` all that was said after it, so that its URLs are
        fetched again and what they lead to is found again. Only what the commit at work has said already is said once more."""
        self._begin(server)
        self.on_loss()
        for say in tuple(self._said):
            say()

    # -- what goes in ----------------------------------------------------------------------------------------------------

    def add(self, requests: Sequence[Request]) -> int:
        """See `Frontier.add`. A host with `most_waiting` URLs gets no more: see `full`."""
        self._said.append(partial(self._add, requests))
        added = self._add(requests)
        self.journal.admitted(requests)
        return added

    def _add(self, requests: Sequence[Request]) -> int:
        by_host: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            by_host[request.host].append(request)
        groups: dict[int, list[tuple[str, list[Request]]]] = defaultdict(list)
        for host, found in by_host.items():
            for start in range(0, len(found), AT_ONCE):
                groups[self._partition(host)].append((host, found[start : start + AT_ONCE]))
        return sum(self._add_groups(partition, some) for partition, several in groups.items() for some in _pieces(several))

    def _add_groups(self, partition: int, groups: Sequence[tuple[str, list[Request]]]) -> int:
        words: list[Argument] = [self._most_waiting, "0" if self._deepest is None else "1"]
        for host, requests in groups:
            for rank, run in groupby(requests, rank_of):
                same = list(run)
                words += (host, self._delay_of(host), rank, len(same), *(each.id for each in same), *map(entries.pack, same))
        added, _ = self._run(partition, "add", *words)
        return int(added)

    def full(self) -> dict[str, int]:
        """Hosts that have had as many URLs waiting as may be, and how many were not kept for it."""
        found: dict[str, int] = {}
        for partition in range(self.partitions):
            flat = self._command(partition, "HGETALL", "full")
            found |= {host.decode(): int(count) for host, count in _pairs(flat)}
        return found

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """See `Frontier.refuse`."""
        self.journal.refuse(refusals)

    def refusals(self, reason: SkipReason) -> Iterator[Refusal]:
        """See `Frontier.refusals`: those of this worker."""
        return self.journal.refusals(reason)

    def withdraw(self, host: str, pattern: str) -> int:
        """See `Frontier.withdraw`."""
        if not self.quarantine.add(host, pattern):
            return 0
        count = 0
        for kind, texts in self._waiting(host):
            found = [(entries.unpack(host, text.partition(b"|")[2] if kind in "bw" else text)[0], text) for text in texts]
            caught = [(r, text) for r, text in found if r.role == "page" and r.depth > 0 and covers(pattern, r.url)]
            if caught:
                self.journal.withdrawn(host, [request for request, _ in caught], pattern)
                words: list[Argument] = [host]
                for request, text in caught:
                    words += (str(request.id), kind, text)
                count += int(self._run(self._partition(host), "withdraw", *words))
        return count

    def _waiting(self, host: str) -> Iterator[tuple[str, list[bytes]]]:
        """All that waits for a host, in pieces: from the end, so that what is taken out moves nothing that was not seen."""
        partition = self._partition(host)
        ranks = [rank.decode() for rank in self._command(partition, "ZRANGE", f"k:{host}", 0, -1)]
        kinds = [(f"q:{rank}", "LLEN", "LRANGE") for rank in ranks] + [("b", "ZCARD", "ZRANGE"), ("w", "ZCARD", "ZRANGE")]
        for kind, size, read in kinds:
            end = int(self._command(partition, size, f"{kind}:{host}"))
            while end > 0:
                start = max(0, end - AT_ONCE // 2)
                yield kind, self._command(partition, read, f"{kind}:{host}", start, end - 1)
                end = start

    def readmit(self, pattern: str) -> bool:
        """See `Frontier.readmit`: of what was skipped or refused, that which this worker has written down."""
        if not self.quarantine.release(pattern):
            return False
        by_host: dict[str, list[Request]] = defaultdict(list)
        for request in self.journal.skipped(pattern):
            by_host[request.host].append(request)
        for host, requests in by_host.items():
            for start in range(0, len(requests), AT_ONCE):
                words: list[Argument] = [host]
                for request in requests[start : start + AT_ONCE]:
                    words += (str(request.id), entries.pack(request))
                self._run(self._partition(host), "readmit", *words)
            self.journal.back(requests)
        self.add(self.journal.refused(pattern))
        return True

    def reopen_hosts(self) -> int:
        """For a new run: hosts that were given up get another chance, and what failed with them is queued again. Returns how many
        URLs that are."""
        back = 0
        for partition in range(self.partitions):
            left = 1
            while left:
                some, left = self._run(partition, "reopen", self._now, 10)
                back += int(some)
        return back

    # -- leases ----------------------------------------------------------------------------------------------------------

    def lease(self, hosts: int, per_host: int, ttl: float, holder: int = 0) -> Leases:
        """See `Frontier.lease`. A host has one slot; of those that are due a worker gets no more than its share when others ask as well,
        and whoever has more is to leave some (see `held`)."""
        leases: list[Lease] = []
        due: list[float] = []
        self._turn += 1
        for number in range(self.partitions):
            due += self._lease_of((number + self._turn) % self.partitions, hosts, per_host, ttl, f"{self.worker}/{holder}", leases)
        if not leases:
            self.journal.has_nothing_to_do(self.servers.own_time())
        return Leases(tuple(leases), min(due, default=None))

    def _lease_of(self, partition: int, hosts: int, per_host: int, ttl: float, holder: str, leases: list[Lease]) -> list[float]:
        """Leases hosts of one partition until there are enough; returns when its next one is due, if that is known."""
        while True:
            sent_at = self.servers.own_time()
            words: list[Argument] = [self._now, hosts - len(leases), per_host, ttl, *self._limits, AT_ONCE, holder]
            now, due, given = self._run(partition, "lease", *words)
            self._heard(partition, now, sent_at)
            for host, token, next_at, state, robots, head in given:
                name = host.decode()
                known = entries.unpack_state(float(next_at), state, robots)
                self._robots[name] = known.robots
                requests = tuple(entries.unpack(name, entry)[0] for entry in head)
                leases.append(Lease(name, int(token), float(now) + ttl, requests, known))
            if sum(len(lease[5]) for lease in given) < AT_ONCE or len(leases) >= hosts:
                return [float(due)] if due else []

    def _heard(self, partition: int, now: bytes, sent_at: float) -> None:
        if self._clock is None and partition % len(self.servers) == 0:
            self.servers.heard(float(now), sent_at)

    def extend(self, leases: Sequence[Lease], per_host: int, ttl: float) -> Leases:
        """See `Frontier.extend`."""
        kept: dict[tuple[str, int], Lease] = {}
        due: list[float] = []
        at_once = max(1, AT_ONCE // max(1, per_host))
        for partition, several in self._by_partition(leases).items():
            for start in range(0, len(several), at_once):
                some = several[start : start + at_once]
                sent_at = self.servers.own_time()
                words: list[Argument] = [self._now, min(per_host, AT_ONCE), ttl, *self._limits, *_fences(some)]
                now, next_due, found = self._run(partition, "extend", *words)
                self._heard(partition, now, sent_at)
                due += [float(next_due)] if next_due else []
                for number, leaves, head in found:
                    lease = some[number]
                    requests = tuple(entries.unpack(lease.host, entry)[0] for entry in head)
                    kept[lease.host, lease.token] = replace(lease, deadline=float(now) + ttl, requests=requests, leaves=bool(leaves))
        return Leases(tuple(kept[each.host, each.token] for each in leases if (each.host, each.token) in kept), min(due, default=None))

    def evict(self, holder: int) -> None:
        """See `Frontier.evict`."""
        for partition in range(self.partitions):
            self._run(partition, "evict", self._now, f"{self.worker}/{holder}")

    def held(self, leases: Sequence[Lease]) -> list[Lease]:
        """See `Frontier.held`. A commit begins with it."""
        self._said.clear()
        good: dict[tuple[str, int], bool] = {}
        for partition, several in self._by_partition(leases).items():
            for start in range(0, len(several), AT_ONCE):
                some = several[start : start + AT_ONCE]
                known = self._run(partition, "held", *_fences(some))
                good |= {(some[number].host, some[number].token): bool(leaves) for number, leaves in known}
        return [replace(lease, leaves=good[lease.host, lease.token]) for lease in leases if (lease.host, lease.token) in good]

    def _by_partition(self, leases: Sequence[Lease]) -> dict[int, list[Lease]]:
        found: dict[int, list[Lease]] = defaultdict(list)
        for lease in leases:
            found[self._partition(lease.host)].append(lease)
        return found

    # -- what comes back -------------------------------------------------------------------------------------------------

    def done(self, lease: Lease, outcomes: Sequence[Outcome], state: HostState) -> bool:
        """See `Frontier.done`. The journal first: what the server knows to have ended is written down somewhere."""
        ids = [entries.raw_id(outcome.request.id) for outcome in outcomes]
        held = self._run(self._partition(lease.host), "leased", lease.host, lease.token, *ids)
        if held is None:
            return False
        self.journal.settle(lease, [outcomes[number] for number in held], state)
        robots = self._robots.get(lease.host)
        known = self._words_of(state, robots)
        for start in range(0, max(1, len(outcomes)), AT_ONCE):
            words = [word for outcome in outcomes[start : start + AT_ONCE] for word in entries.words_of(outcome)]
            if not self._run(self._partition(lease.host), "done", lease.host, lease.token, *known, *words):
                return False
        self._robots[lease.host] = state.robots
        return True

    def _words_of(self, state: HostState, robots: tuple[RobotsFacts, ...] | None) -> list[Argument]:
        facts = b"=" if robots is state.robots else entries.pack_robots(state.robots)
        return [repr(state.next_at), repr(state.delay), state.closed, entries.pack_state(state), facts]

    def release(self, lease: Lease, state: HostState) -> None:
        """See `Frontier.release`."""
        words = self._words_of(state, self._robots.pop(lease.host, None))
        self._run(self._partition(lease.host), "release", self._now, lease.host, lease.token, *words)

    # -- what is known ---------------------------------------------------------------------------------------------------

    def _facts(self) -> list[list[float]]:
        found = (self._run(partition, "facts", *self._limits, self._now) for partition in range(self.partitions))
        facts = [[float(fact) for fact in of] for of in found]
        self.due_hosts = int(sum(of[10] for of in facts))
        return facts

    def widen(self, url: str) -> None:
        """See `Frontier.widen`."""
        self._said.append(partial(self.quarantine.widen, url))
        self.quarantine.widen(url)

    def news(self) -> News:
        """See `Frontier.news`."""
        return self.quarantine.news()

    def stats(self) -> Stats:
        """See `Frontier.stats`."""
        return Stats(*(int(sum(column)) for column in list(zip(*self._facts(), strict=True))[:7]))

    def finished(self) -> FinishReason | None:
        """See `Frontier.finished`. Partitions cannot be looked at in one moment: nothing was added between two looks that agree, so
        that there was a moment at which all of it was true."""
        facts = self._facts()
        if self.partitions > 1 and not any(of[1] for of in facts) and [of[:10] for of in self._facts()] != [of[:10] for of in facts]:
            return None
        queued, leased, _, _, _, ok_pages, size = (sum(column) for column in list(zip(*facts, strict=True))[:7])
        if leased:
            return None
        if not queued:
            return "queue empty"
        if any(of[8] for of in facts):
            return None
        if self._most.max_pages is not None and ok_pages >= self._most.max_pages:
            return "page limit"
        if self._most.max_size is not None and size >= self._most.max_size:
            return "size limit"
        lowest = min((of[9] for of in facts if of[9] >= 0), default=None)
        return "depth limit" if lowest is not None and self._deepest is not None and lowest > self._deepest else None

    def close(self) -> None:
        """Wants no more hosts: others get its share at once. The servers belong to whoever opened them."""
        with suppress(FrontierError):  # they find out by themselves
            for partition in range(self.partitions):
                self._command(partition, "ZREM", "workers", self.worker)


def _text(limit: int | None) -> str:
    return "" if limit is None else str(limit)


def _pairs(flat: Any) -> Iterator[tuple[bytes, bytes]]:
    return iter(flat.items()) if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)


def _pieces(groups: list[tuple[str, list[Request]]]) -> Iterator[list[tuple[str, list[Request]]]]:
    """Groups of at most `AT_ONCE` URLs together."""
    piece: list[tuple[str, list[Request]]] = []
    size = 0
    for group in groups:
        if piece and size + len(group[1]) > AT_ONCE:
            yield piece
            piece, size = [], 0
        piece.append(group)
        size += len(group[1])
    if piece:
        yield piece


def _fences(leases: Sequence[Lease]) -> list[Argument]:
    return [word for lease in leases for word in (lease.host, lease.token)]
