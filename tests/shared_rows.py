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


# All keys of a partition with what they hold, in one answer: tests look after every step.
_ALL = """
local found = {}
local read = {
  string = function(key) return redis.call('GET', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1) end,
  hash = function(key) return redis.call('HGETALL', key) end,
}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do found[#found + 1] = { key, read[redis.call('TYPE', key).ok](key) } end
return found
"""

Kept = dict[str, Any]
"""What a partition holds: values of Redis by their keys, without the prefix. Hashes are flat."""


def kept(frontier: RedisFrontier, partition: int) -> Kept:
    """All that is kept of a partition."""
    from crawler.frontier.redis import prefix_of

    prefix = prefix_of(frontier.name, partition)
    pattern = prefix.replace("[", "\\[") + "*"
    pairs = frontier.servers.command(partition % len(frontier.servers), "EVAL", _ALL, 0, pattern)
    return {key.decode().removeprefix(prefix): value for key, value in pairs}


def _hash(partition: Kept, key: str) -> dict[str, bytes]:
    flat = partition.get(key, ())
    return {name.decode("latin-1"): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _hosts(partition: Kept) -> list[str]:
    return [key[2:] for key in partition if key.startswith("h:")]


def entries_of(partition: Kept) -> Iterator[Found]:
    """Every entry of a partition."""
    from crawler.frontier.shared.entries import unpack

    for host in _hosts(partition):
        for rank in partition.get(f"k:{host}", ()):
            for entry in partition.get(f"q:{rank.decode()}:{host}", ()):
                yield host, "queued", *unpack(host, entry), ""
        for kind in "bw":
            for text in partition.get(f"{kind}:{host}", ()):
                yield host, "queued", *unpack(host, text.partition(b"|")[2]), ""
        for entry in partition.get(f"f:{host}", ()):
            yield host, "failed", *unpack(host, entry), ""
        for text in _hash(partition, f"l:{host}").values():
            yield host, "leased", *unpack(host, text.partition(b"|")[2]), text[:1].decode()


def rows_of(frontier: RedisFrontier) -> dict[str, tuple[str, str | None, str | None, int]]:
    """Every URL that the frontier or its journal knows: what waits or is held at the server is so whatever the journal says."""
    execute = frontier.journal.database.connection.execute
    rows = {url: tuple(rest) for url, *rest in execute("SELECT url, state, reason, detail, attempts FROM urls")}
    found: set[str] = set()
    for partition in [kept(frontier, number) for number in range(frontier.partitions)]:
        for host, state, request, why, _ in entries_of(partition):
            assert request.url not in found
            found.add(request.url)
            reason: str | None = None
            detail: str | None = why or None
            if state == "failed":
                detail = _hash(partition, f"h:{host}")["given_up"].decode()
                reason = detail.partition(":")[0] if detail else None
            rows[request.url] = (state, reason, detail, request.attempts)
    return rows  # type: ignore[return-value]


def check_counts(frontier: RedisFrontier) -> None:
    """What the frontier counts on the side is what counting its entries gives, and every set of ids is packed."""
    from crawler.frontier.rows import rank_of

    partitions = [kept(frontier, number) for number in range(frontier.partitions)]
    entries = [entry for partition in partitions for entry in entries_of(partition)]
    count = Counter(state for _, state, *_ in entries)
    stats = frontier.stats()
    assert (stats.queued, stats.leased) == (count["queued"], count["leased"])
    ranks: Counter[int] = Counter(rank_of(request) for _, state, request, *_ in entries if state != "failed")
    by_host = Counter(host for host, state, *_ in entries if state == "queued")
    granted = sum(state == "leased" and request.role == "page" for _, state, request, *_ in entries)
    counted: Counter[int] = Counter()
    counted_granted = 0
    for partition in partitions:
        counters = {name: float(value) for name, value in _hash(partition, "n").items()}
        counted_granted += int(counters.get("granted", 0))
        for name, value in counters.items():
            if name.startswith("r") and name[1:].lstrip("-").isdigit():
                counted[int(name[1:])] += int(value)
        due, held = ({each.decode() for each in partition.get(key, ())} for key in ("due", "held"))
        for host in _hosts(partition):
            assert int(_hash(partition, f"h:{host}").get("queued", 0)) == by_host[host], f"queue of {host}"
            assert (host in due) == (by_host[host] > 0 and host not in held), f"{host} is due"
            assert host in held or f"l:{host}" not in partition, f"{host} is held"
    assert {rank: number for rank, number in counted.items() if number} == dict(ranks)
    assert counted_granted == granted
