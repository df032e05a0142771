"""What stands in a shared frontier, read key by key: a second way to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crawler.frontier.redis import RedisFrontier
    from crawler.model import Request

Found = tuple[str, str, "Request", str, str]
"""A host, where an entry of it stands, the URL, why it is asked for again, the lease's mark."""


def _ask(frontier: RedisFrontier, partition: int, command: str, key: str, *words: Any) -> Any:
    return frontier._command(partition, command, key, *words)


def _hosts(frontier: RedisFrontier, partition: int) -> Iterator[str]:
    from crawler.frontier.redis import prefix_of

    prefix = prefix_of(frontier.name, partition) + "h:"
    for key in frontier.servers.command(partition % len(frontier.servers), "KEYS", prefix.replace("[", "\\[") + "*"):
        yield key.decode().removeprefix(prefix)


def entries_of(frontier: RedisFrontier) -> Iterator[Found]:
    """Every entry of the frontier."""
    from crawler.frontier.shared.entries import unpack

    for partition in range(frontier.partitions):
        for host in _hosts(frontier, partition):
            for rank in _ask(frontier, partition, "ZRANGE", f"k:{host}", 0, -1):
                for entry in _ask(frontier, partition, "LRANGE", f"q:{rank.decode()}:{host}", 0, -1):
                    yield host, "queued", *unpack(host, entry), ""
            for kind in "bw":
                for text in _ask(frontier, partition, "ZRANGE", f"{kind}:{host}", 0, -1):
                    yield host, "queued", *unpack(host, text.partition(b"|")[2]), ""
            for entry in _ask(frontier, partition, "LRANGE", f"f:{host}", 0, -1):
                yield host, "failed", *unpack(host, entry), ""
            for text in _ask(frontier, partition, "HVALS", f"l:{host}"):
                yield host, "leased", *unpack(host, text.partition(b"|")[2]), text[:1].decode()


def rows_of(frontier: RedisFrontier) -> dict[str, tuple[str, str | None, str | None, int]]:
    """Every URL that the frontier or its journal knows: what waits or is held at the server is so whatever the journal says."""
    execute = frontier.journal.database.connection.execute
    rows = {url: tuple(rest) for url, *rest in execute("SELECT url, state, reason, detail, attempts FROM urls")}
    found: set[str] = set()
    for host, state, request, why, _ in entries_of(frontier):
        assert request.url not in found
        found.add(request.url)
        reason: str | None = None
        detail: str | None = why or None
        if state == "failed":
            detail = _ask(frontier, frontier._partition(host), "HGET", f"h:{host}", "given_up").decode()
            reason = detail.partition(":")[0] if detail else None
        rows[request.url] = (state, reason, detail, request.attempts)
    return rows  # type: ignore[return-value]


def check_counts(frontier: RedisFrontier) -> None:
    """What the frontier counts on the side is what counting its entries gives, and every set of ids is packed."""
    from crawler.frontier.rows import rank_of

    entries = list(entries_of(frontier))
    count = Counter(state for _, state, *_ in entries)
    stats = frontier.stats()
    assert (stats.queued, stats.leased) == (count["queued"], count["leased"])
    # Here links that are asked once come with the pages of their depth, not before them.
    ranks: Counter[int] = Counter(
        1 + request.depth if request.role == "probe" else rank_of(request) for _, state, request, *_ in entries if state != "failed"
    )
    by_host = Counter(host for host, state, *_ in entries if state == "queued")
    granted = sum(state == "leased" and request.role == "page" for _, state, request, *_ in entries)
    counted: Counter[int] = Counter()
    counted_granted = 0
    for partition in range(frontier.partitions):
        flat = _ask(frontier, partition, "HGETALL", "n")
        counters = {key.decode(): float(value) for key, value in flat.items()}
        counted_granted += int(counters.get("granted", 0))
        for name, value in counters.items():
            if name.startswith("r") and name[1:].lstrip("-").isdigit():
                counted[int(name[1:])] += int(value)
        due = {each.decode() for each in _ask(frontier, partition, "ZRANGE", "due", 0, -1)}
        held = {each.decode() for each in _ask(frontier, partition, "ZRANGE", "held", 0, -1)}
        for host in _hosts(frontier, partition):
            assert int(_ask(frontier, partition, "HGET", f"h:{host}", "queued")) == by_host[host], f"queue of {host}"
            assert (host in due) == (by_host[host] > 0 and host not in held), f"{host} is due"
            assert host in held or not _ask(frontier, partition, "EXISTS", f"l:{host}"), f"{host} is held"
    assert {rank: number for rank, number in counted.items() if number} == dict(ranks)
    assert counted_granted == granted
