"""A queued URL as a shared frontier keeps it: few bytes, of which the server reads the first thirteen.

8 bytes id, 1 byte role, 1 byte attempts (with the highest bit when the rest is compressed), 3 bytes depth; then, in lines, the URL, its
parent, its chain, and why it is asked for again. What begins with its own host has a path alone, and what is left is deflated with a
dictionary of what URLs are made of.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, replace
from functools import lru_cache
from struct import Struct
from typing import Any

from crawler.frontier.rows import dump_robots, load_robots
from crawler.model import Failed, Fetched, HostState, NotModified, Outcome, Request, Retry, RobotsFacts, Role, Skipped

_HEAD = Struct(">qcBHB")
_ROLES: dict[Role, bytes] = {"page": b"p", "requisite": b"r", "sitemap": b"s", "probe": b"b"}
_ROLE_OF: dict[bytes, Role] = {letter: role for role, letter in _ROLES.items()}
_PACKED = 0x80
_DEEPEST = (1 << 24) - 1
_WORDS = (
    b"sitemap.xml/feed/rss/search?q=/tags/tag/author/users/user/product/products/item/items/shop/images/img/static/assets/css/js/media"
    b"/uploads/wp-content/wp-json/themes/plugins/download/downloads/en/de/fr/blog/news/20242025/2026/01/articles/article/posts/post/"
    b"category/categories/archive/docs/doc/wiki/index.php?title=index.php?id=&page=?page=.aspx.jpeg.png.jpg.pdf.htm/index.html\n/section-"
    b"https://www.http://"
)


def raw_id(identity: int) -> bytes:
    """An id as it stands in an entry."""
    return identity.to_bytes(8, "big", signed=True)


def pack(request: Request, why: str = "") -> bytes:
    """The entry of a URL; `why` it is asked for again."""
    near, plain = f"https://{request.host}/", f"http://{request.host}/"
    lines = [_short(request.url, near, plain), "", "", ""]
    if request.parent:
        lines[1] = _short(request.parent, near, plain)
    if request.chain:
        lines[2] = ",".join(map(str, request.chain))
    if why:
        lines[3] = " ".join(why.split("\n"))
    rest = "\n".join(lines).rstrip("\n").encode("utf-8", "surrogateescape")
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -10, 4, zlib.Z_FIXED, _WORDS)
    squeezed = squeezer.compress(rest) + squeezer.flush()
    attempts, depth = min(request.attempts, _PACKED - 1), min(request.depth, _DEEPEST)
    if len(squeezed) < len(rest):
        attempts, rest = attempts | _PACKED, squeezed
    return _HEAD.pack(request.id, _ROLES[request.role], attempts, depth >> 8, depth & 0xFF) + rest


def unpack(host: str, entry: bytes) -> tuple[Request, str]:
    """The URL that an entry stands for, and why it is asked for again."""
    identity, role, attempts, high, low = _HEAD.unpack_from(entry)
    rest = entry[_HEAD.size :]
    if attempts & _PACKED:
        rest = zlib.decompressobj(-10, _WORDS).decompress(rest)
    url, parent, chain, why = [*rest.decode("utf-8", "surrogateescape").split("\n"), "", "", ""][:4]
    ids = tuple(map(int, chain.split(","))) if chain else ()
    where = _long(parent, host) if parent else None
    return Request(_long(url, host), identity, host, _ROLE_OF[role], high << 8 | low, where, ids, attempts & ~_PACKED), why


def _short(url: str, near: str, plain: str) -> str:
    if url.startswith(near):
        return url[len(near) - 1 :]
    return ":" + url[len(plain) :] if url.startswith(plain) else url


def _long(short: str, host: str) -> str:
    if short.startswith("/"):
        return f"https://{host}{short}"
    return f"http://{host}/{short[1:]}" if short.startswith(":") else short


def pack_state(state: HostState) -> bytes:
    """What is known of a host, but for its robots.txt."""
    known = asdict(replace(state, robots=()))
    del known["robots"]
    return json.dumps({name: value for name, value in known.items() if value != _FRESH[name]}, separators=(",", ":")).encode()


_FRESH: dict[str, Any] = asdict(HostState())


def unpack_state(next_at: float, known: bytes, robots: bytes) -> HostState:
    """The state of a host that is leased."""
    fields = json.loads(known) if known else {}
    return HostState(**{**fields, "next_at": next_at, "closed": "", "closed_kind": None}, robots=unpack_robots(robots))


def pack_robots(facts: tuple[RobotsFacts, ...]) -> bytes:
    """robots.txt of each origin of a host, without logins."""
    return zlib.compress(dump_robots(facts).encode(), 6) if facts else b""


@lru_cache(maxsize=256)
def unpack_robots(packed: bytes) -> tuple[RobotsFacts, ...]:
    """What `pack_robots` made."""
    return load_robots(zlib.decompress(packed).decode()) if packed else ()


def words_of(outcome: Outcome) -> tuple[bytes | str | int | float, ...]:
    """An outcome as the script `done` takes it."""
    request = outcome.request
    who = (raw_id(request.id), str(request.id))
    match outcome:
        case Retry(_, at, why, counted):
            return *who, "q", 0, 0, repr(at), pack(replace(request, attempts=request.attempts + counted), why)
        case Skipped(_, reason, _):
            return *who, "t" if reason == "trap" else "s", 0, 0, 0, ""
        case Failed():
            return *who, "f", 0, 0, 0, ""
        case Fetched(_, ok, size):
            return *who, "d", size, int(ok), 0, ""
        case NotModified():
            return *who, "d", 0, 1, 0, ""
        case _:
            return *who, "d", 0, 0, 0, ""
