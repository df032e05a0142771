"""Values as columns of the frontier's tables, and back."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict

from crawler.model import Request, RobotsFacts, Role


def chain_column(chain: Sequence[int]) -> bytes | None:
    """The ids of a chain of redirects, 8 bytes each."""
    return array("q", chain).tobytes() if chain else None


def request_of(
    host: str, url: str, identity: int, role: Role, depth: int, parent: str | None, chain: bytes | None, attempts: int
) -> Request:
    """The request that a row of `_frontier` keeps."""
    return Request(url, identity, host, role, depth, parent, tuple(array("q", chain)) if chain else (), attempts)


def dump_robots(facts: Sequence[RobotsFacts]) -> str:
    """The column `hosts.robots`."""
    return json.dumps([{**asdict(known), "text": None if known.text is None else known.text.decode("latin-1")} for known in facts])


def load_robots(text: str) -> tuple[RobotsFacts, ...]:
    """What `dump_robots` wrote."""
    if not text:
        return ()
    return tuple(
        RobotsFacts(**{**known, "text": None if known["text"] is None else known["text"].encode("latin-1")}) for known in json.loads(text)
    )
