"""What was laid down when a shared crawl was created, and what is seen of it from outside: its counts, its end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crawler.errors import UsageError
from crawler.frontier.shared.connection import Servers
from crawler.redaction import redact

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Charter:
    """What may not change in a crawl, and the settings (TOML, without secrets) that workers begin with."""

    partitions: int
    identity: Mapping[str, Any]
    settings: str


@dataclass(frozen=True, slots=True)
class Condition:
    """How far a shared crawl is: its URLs by state, and its hosts: due now, waiting for their time, held by so many workers, given up.
    `full` are hosts whose queue has reached its bound, with the number of URLs that were not kept."""

    name: str
    queued: int
    leased: int
    done: int
    failed: int
    skipped: int
    ok_pages: int
    size: int
    due: int
    waiting: int
    held: int
    workers: int
    closed: int
    full: dict[str, int]
    traps: list[str]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def prefix_of(name: str, partition: int) -> str:
    """What all keys of a partition begin with; the part in braces puts them on one node of a cluster."""
    return f"crawler:{{{name}:{partition}}}:"


def found(servers: Servers, name: str, charter: Charter) -> tuple[Charter, bool]:
    """Creates a crawl unless it exists; its charter as it holds, and whether it is new. Raises UsageError."""
    facts = {"format": FORMAT, "servers": len(servers), **asdict(charter), "identity": json.dumps(charter.identity)}
    is_new, flat = servers.script(0, "found", prefix_of(name, 0), [str(word) for pair in facts.items() for word in pair])
    return _read(servers, name, dict(zip(flat[::2], flat[1::2], strict=True))), bool(is_new)


def charter_of(servers: Servers, name: str) -> Charter:
    """The charter of a crawl. Raises UsageError when there is none of that name."""
    facts = servers.command(0, "HGETALL", f"{prefix_of(name, 0)}meta")
    if not facts:
        there = ", ".join(names(servers)) or "none"
        where = redact(servers.urls[0])
        hint = f"crawler crawl URL --frontier {where} --name {name}"
        raise UsageError(f"there is no crawl '{name}' at {where}", f"there are: {there}", hint)
    return _read(servers, name, facts)


def _read(servers: Servers, name: str, facts: Mapping[bytes, bytes]) -> Charter:
    if (version := int(facts[b"format"])) > FORMAT:
        what, why = f"the crawl '{name}' has format {version}", f"this crawler reads formats up to {FORMAT}"
        raise UsageError(what, why, "pip install --upgrade asyncrawl")
    if (number := int(facts[b"servers"])) != len(servers):
        what, why = f"the crawl '{name}' lies on {number} servers, not {len(servers)}", "all workers name the same ones, in the same order"
        raise UsageError(what, why, "--frontier redis://ONE,redis://TWO,…")
    return Charter(int(facts[b"partitions"]), json.loads(facts[b"identity"]), facts[b"settings"].decode())


def names(servers: Servers) -> list[str]:
    """The crawls on the servers."""
    found = (key.decode() for key in _keys(servers, 0, "crawler:{*:0}:meta"))
    return sorted(key.removeprefix("crawler:{").removesuffix(":0}:meta") for key in found)


def delete(servers: Servers, name: str) -> int:
    """Removes a crawl, of which no key stays; how many there were."""
    count = 0
    for server in range(len(servers)):
        batch: list[bytes] = []
        for key in _keys(servers, server, f"crawler:{{{name}:*}}:*"):
            batch.append(key)
            if len(batch) == 500:
                count += int(servers.command(server, "UNLINK", *batch))
                batch.clear()
        if batch:
            count += int(servers.command(server, "UNLINK", *batch))
    return count


def _keys(servers: Servers, server: int, pattern: str) -> Iterator[bytes]:
    cursor: int | bytes = 0
    while True:
        cursor, keys = servers.command(server, "SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        yield from keys
        if not int(cursor):
            return


def condition_of(servers: Servers, name: str, charter: Charter) -> Condition:
    """How far a crawl is."""
    facts = dict.fromkeys(("queued", "leased", "done", "failed", "skipped", "ok_pages", "size", "due", "waiting", "held", "closed"), 0)
    holders: set[bytes] = set()
    full: dict[str, int] = {}
    for partition in range(charter.partitions):
        server, prefix = partition % len(servers), prefix_of(name, partition)
        counters = servers.command(server, "HMGET", f"{prefix}n", *(list(facts)[:7]))
        for fact, count in zip(facts, counters, strict=False):
            facts[fact] += int(count or 0)
        now = servers.clock()
        facts["due"] += int(servers.command(server, "ZCOUNT", f"{prefix}due", "-inf", repr(now)))
        facts["waiting"] += int(servers.command(server, "ZCOUNT", f"{prefix}due", f"({now!r}", "+inf"))
        facts["closed"] += int(servers.command(server, "SCARD", f"{prefix}closed"))
        held = servers.command(server, "ZRANGEBYSCORE", f"{prefix}held", repr(now), "+inf")
        facts["held"] += len(held)
        holders |= {servers.command(server, "HGET", f"{prefix}h:{host.decode()}", "holder") for host in held[:1000]}
        full |= {host.decode(): int(count) for host, count in servers.command(server, "HGETALL", f"{prefix}full").items()}
    traps = [trap.decode().replace("\n", " ") for trap in servers.command(0, "SMEMBERS", f"{prefix_of(name, 0)}traps")]
    return Condition(name, **facts, workers=len(holders - {b"", None}), full=full, traps=sorted(traps))
