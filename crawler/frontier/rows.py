"""The rows of the frontier's tables: the statements that touch many, values as columns, and back."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from crawler.core.robots_lines import without_logins
from crawler.model import HostState, Request, RobotsFacts, Role, State

ADD = """INSERT INTO _frontier (id, url, host_id, role, depth, chain, parent, rank, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (id) DO NOTHING"""
RAISE = """UPDATE _frontier SET role = ?, depth = ?, chain = ?, parent = ?, rank = ?, attempts = 0, reason = NULL, detail = NULL,
                   state = iif(state = 'leased', state, 'queued') WHERE id = ?"""
AGAIN = "UPDATE _frontier SET state = 'queued', attempts = 0, reason = NULL, detail = NULL WHERE id = ?"
REFUSALS = """SELECT r.url, r.id, r.detail, p.url, r.depth FROM _refused r LEFT JOIN _frontier p ON p.id = r.parent
               WHERE r.reason = ? AND NOT EXISTS (SELECT 1 FROM _frontier f WHERE f.id = r.id)"""
HEAD = """SELECT f.seq, f.url, f.id, f.role, f.depth, p.url, f.chain, f.attempts FROM _frontier f LEFT JOIN _frontier p ON p.id = f.parent
           WHERE f.host_id = ? AND f.state = 'queued' AND f.rank <= ? AND f.not_before <= ? ORDER BY f.rank, f.seq LIMIT ?"""
_STATE = "next_at, delay, concurrency, failures, answered, latency, rate, rate_since, rate_guessed, refusals"
_LEASED = f"SELECT host_id, host, robots, {_STATE} FROM hosts"
DUE = f"""{_LEASED}
          WHERE queued > 0 AND leased_until IS NULL AND closed = '' AND max(next_at, due_at) <= ? ORDER BY max(next_at, due_at) LIMIT ?"""
DUE_REQUISITES = f"""{_LEASED}
          WHERE queued > 0 AND leased_until IS NULL AND closed = '' AND next_at <= ? AND EXISTS (
            SELECT 1 FROM _frontier f WHERE f.host_id = hosts.host_id AND f.state = 'queued' AND f.rank < 0 AND f.not_before <= ?)
          ORDER BY next_at LIMIT ?"""
SHARED = f"""{_LEASED}
          WHERE queued > 0 AND leased_until IS NOT NULL AND closed = '' AND delay = 0 AND max(next_at, due_at) <= ?
            AND NOT EXISTS (SELECT 1 FROM _leases l WHERE l.host_id = hosts.host_id AND (l.holder = ? OR l.leaves))"""
KNOWN = f"SELECT closed, robots, {_STATE} FROM hosts WHERE host_id = ?"
NEXT = """SELECT min(max(next_at, due_at)) FROM hosts WHERE queued > 0 AND leased_until IS NULL AND closed = ''"""
NEXT_REQUISITES = """SELECT min(max(next_at, (SELECT min(not_before) FROM _frontier f
            WHERE f.host_id = hosts.host_id AND f.state = 'queued' AND f.rank < 0)))
          FROM hosts WHERE queued > 0 AND leased_until IS NULL AND closed = ''"""
KEEP = f"""UPDATE hosts SET ({_STATE}, closed) = (max(next_at, ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), done = done + ?, failed = failed + ?,
                 queued = queued + ?, due_at = CASE WHEN ? THEN 0 ELSE due_at END WHERE host_id = ?"""
# The holder that was lost may have asked just now, and have met trouble: whoever is the next alone with the host begins with one request.
REST = """UPDATE hosts SET next_at = max(next_at, ? + max(delay, ?)), concurrency = iif(leased_until IS NULL, 1, concurrency),
                 latency = iif(leased_until IS NULL, 0, latency) WHERE host_id = ?"""
SETTLE = """UPDATE _frontier SET state = ?, reason = ?, detail = ?, attempts = attempts + ?, not_before = ?
             WHERE id = ? AND host_id = ? AND state = 'leased' RETURNING role, rank"""
SIZE = "SELECT coalesce(sum(bytes), 0) FROM pages WHERE id = ?"

REQUISITES, SITEMAPS = -1, 0
"""The ranks in front of the depths."""
_RANKS: dict[Role, int] = {"requisite": REQUISITES, "probe": REQUISITES, "sitemap": SITEMAPS}


def rank_of(request: Request) -> int:
    """The place of a URL among those of its host: what pages are made of and what they link to besides comes first, so that a page is
    soon whole; then sitemaps; then pages by depth."""
    return _RANKS.get(request.role, 1 + request.depth)


_RISING: tuple[Role, ...] = ("probe", "requisite", "sitemap", "page")


def is_higher(role: Role, other: Role) -> bool:
    """Whether a URL of the role `other`, found again with `role`, is asked for again: probe < requisite < sitemap < page."""
    return _RISING.index(role) > _RISING.index(other)


def is_raised(role: Role, rank: int, before: Role, rank_before: int, state: State) -> bool:
    """Whether a known URL that is found again takes over the role and depth in which it was found: a higher role, asked for again if
    need be, or a lesser depth as long as it waits. A requisite that was asked for becomes no page: nothing more can be learnt of it."""
    if role == before:
        return rank < rank_before and state == "queued"
    return is_higher(role, before) and (state == "queued" or (role, before) != ("page", "requisite"))


def chain_column(chain: Sequence[int]) -> bytes | None:
    """The ids of a chain of redirects, 8 bytes each."""
    return array("q", chain).tobytes() if chain else None


def request_of(
    host: str, url: str, identity: int, role: Role, depth: int, parent: str | None, chain: bytes | None, attempts: int
) -> Request:
    """The request that a row of `_frontier` keeps."""
    return Request(url, identity, host, role, depth, parent, tuple(array("q", chain)) if chain else (), attempts)


def state_columns(state: HostState) -> tuple[object, ...]:
    """A host's state as `KEEP` takes it, but for its robots.txt."""
    pace = (state.next_at, state.delay, state.concurrency, state.failures, state.answered)
    return (*pace, state.latency, state.rate, state.rate_since, state.is_rate_guessed, state.refusals, state.closed)


def state_of(columns: Sequence[Any], robots: tuple[RobotsFacts, ...]) -> HostState:
    """The state that `DUE` found: of a host that is not closed."""
    next_at, delay, concurrency, failures, answered, latency, rate, rate_since, is_rate_guessed, refusals = columns
    return HostState(
        *(next_at, delay, concurrency, failures, bool(answered)), robots=robots, latency=latency,
        rate=rate, rate_since=rate_since, is_rate_guessed=bool(is_rate_guessed), refusals=refusals,
    )  # fmt: skip


def dump_robots(facts: Sequence[RobotsFacts]) -> str:
    """The column `hosts.robots`, without logins in URLs."""
    return json.dumps([{**asdict(known), "text": _kept(known.text)} for known in facts])


def _kept(robots: bytes | None) -> str | None:
    return None if robots is None else without_logins(robots).decode("latin-1")


def load_robots(text: str) -> tuple[RobotsFacts, ...]:
    """What `dump_robots` wrote."""
    if not text:
        return ()
    return tuple(
        RobotsFacts(**{**known, "text": None if known["text"] is None else known["text"].encode("latin-1")}) for known in json.loads(text)
    )
