"""Which links of a crawl are broken, where they stand, and which could not be checked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from crawler.report.folder import one_moment
from crawler.report.summary import in_words

Accepted = Sequence[tuple[int, int]]
"""Statuses that are good, in ranges with both ends."""


class Looked(Protocol):
    """What is known of anchors: `crawler.core.fragments.Anchors`. `ends` tells where redirects end, by id."""

    def missing(self, ends: dict[int, int]) -> Mapping[tuple[int, str], Sequence[tuple[str, str, str]]]:
        """Those that are linked and not there: the id of the target, the fragment, and where it is linked (URL, kind, text)."""

    def count(self, ends: dict[int, int]) -> int:
        """How many were looked for."""


CACHED = "cached"
"""How the detail of a link begins that was left out because it was good lately."""

# HEAD may leave the type out; of what was good lately nothing is known.
_ELSEWHERE = f"""
SELECT id, url FROM pages
WHERE role = 'probe' AND outcome IN ('ok', 'not_modified') AND coalesce(content_type, '') IN ('', 'text/html', 'application/xhtml+xml')
UNION ALL
SELECT id, url FROM _refused WHERE reason = 'hook' AND detail LIKE '{CACHED}%'
"""
_URL = "SELECT url FROM urls WHERE id = ?"
_MOST_HOPS = 20
_ANSWERS = "SELECT id, url, iif(outcome = 'not_modified', 200, status), outcome, error, error_detail, redirect_id FROM pages"
_FAILED = "SELECT id, url, reason, detail FROM _frontier WHERE state = 'failed' AND role <> 'sitemap'"
_SOURCES = """
SELECT l.dst, s.url, l.kind, l.text FROM links l JOIN _frontier s ON s.id = l.src
WHERE l.kind <> 'redirect' AND l.dst IN (SELECT value FROM json_each(?)) ORDER BY l.dst, s.seq, l.position
"""
_SEEDS = "SELECT id FROM _frontier WHERE depth = 0 AND parent IS NULL AND role = 'page'"
# What failed with its host before it was asked for has no row among the pages.
_COUNTS = """
SELECT count(*) FILTER (WHERE role = 'page'), count(*) FILTER (WHERE role <> 'page')
  + (SELECT count(*) FROM _frontier WHERE state = 'failed' AND role <> 'sitemap' AND id NOT IN (SELECT id FROM pages))
FROM pages
"""
_UNCHECKED = "SELECT reason, coalesce(detail, ''), count(*) FROM urls WHERE state = 'skipped' GROUP BY 1, 2"
_NAMES = {"robots": "robots.txt", "private": "private addresses", "trap": "traps", "too_long": "too long"}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a link stands: the page (or sitemap), the kind of link and its text. "" as the page is the start itself."""

    page: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """One broken target: `url` as it is linked, `why` in words, `status` (0: no answer), where its redirects `end` ("" without any), and
    the links to it in the order of discovery."""

    url: str
    why: str
    status: int
    end: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a check. `pages` were crawled, `others` are targets that were asked and not followed, or failed with their host, `known`
    those that were good lately, `anchors` those that were looked for; `unchecked` counts what nobody asked by its reason, `queued` what is
    left because the check ended for `finish_reason`."""

    broken: tuple[BrokenLink, ...]
    pages: int
    others: int
    known: int
    anchors: int
    unchecked: dict[str, int]
    queued: int
    finish_reason: str | None

    @property
    def checked(self) -> int:
        """How many targets and anchors it is known of whether they are there."""
        return self.pages + self.others + self.known + self.anchors

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {"checked": self.checked} | asdict(self)


@dataclass(frozen=True, slots=True)
class _Bad:
    url: str
    why: str
    status: int
    end: str = ""


def check(connection: sqlite3.Connection, accepted: Accepted, anchors: Looked | None = None) -> CheckResult:
    """What the crawl behind the connection says of its links, all of one moment."""
    with one_moment(connection):
        bad, redirects, _ = _judged(connection, accepted)
        found = {identity: [] for identity in bad} if bad else dict[int, list[Source]]()
        for target, page, kind, text in connection.execute(_SOURCES, (json.dumps(list(bad)),)):
            if (source := Source(page, kind, text)) not in found[target]:
                found[target].append(source)
        for (seed,) in connection.execute(_SEEDS):
            if seed in bad:
                found[seed].insert(0, Source("", "start", ""))
        linked = [(fact, tuple(found[target])) for target, fact in bad.items() if found[target]]
        broken = [BrokenLink(fact.url, fact.why, fact.status, fact.end, sources) for fact, sources in linked]
        if anchors is not None:
            broken += _without_anchor(connection, anchors, redirects)
        pages, others = connection.execute(_COUNTS).fetchone()
        unchecked, known = _unchecked(connection)
        reason = connection.execute("SELECT finish_reason FROM runs ORDER BY run DESC LIMIT 1").fetchone()
        queued = connection.execute("SELECT queued + leased FROM _totals").fetchone()[0]
    ordered = tuple(sorted(broken, key=lambda link: (-len(link.sources), link.url)))
    looked_for = anchors.count(redirects) if anchors is not None else 0
    return CheckResult(ordered, pages, others, known, looked_for, unchecked, queued, reason[0] if reason else None)


def good_answers(connection: sqlite3.Connection, accepted: Accepted) -> dict[str, int]:
    """The targets that were asked and not followed, and are good, each with the status where its redirects end."""
    with one_moment(connection):
        bad, redirects, statuses = _judged(connection, accepted)
        asked = connection.execute("SELECT id, url FROM pages WHERE role = 'probe'").fetchall()
    ends = {identity: statuses.get(redirects.get(identity, identity)) for identity, _ in asked}
    return {url: status for identity, url in asked if identity not in bad and (status := ends[identity]) is not None}


def elsewhere(connection: sqlite3.Connection) -> tuple[dict[int, str], dict[int, int]]:
    """The pages that were asked and not followed, or left out as they were good lately, by id; and where redirects end."""
    with one_moment(connection):
        return dict(connection.execute(_ELSEWHERE)), _judged(connection, ())[1]


def _judged(connection: sqlite3.Connection, accepted: Accepted) -> tuple[dict[int, _Bad], dict[int, int], dict[int, int]]:
    """The targets that are bad, where redirects end, and the statuses of all answers that are no redirects, by id."""
    bad: dict[int, _Bad] = {}
    hops: dict[int, tuple[str, int]] = {}
    statuses: dict[int, int] = {}
    for identity, url, status, outcome, error, detail, target in connection.execute(_ANSWERS):
        if outcome == "redirect":
            hops[identity] = (url, target)
            continue
        statuses[identity] = status
        if outcome == "error":
            bad[identity] = _Bad(url, in_words(error, detail), status)
        elif not any(lowest <= status <= highest for lowest, highest in accepted):
            bad[identity] = _Bad(url, f"HTTP {status}", status)
    for identity, url, reason, detail in connection.execute(_FAILED):
        bad.setdefault(identity, _Bad(url, in_words(reason, detail), 0))
    ends = {identity: _end(identity, hops) for identity in hops}
    for identity, end in ends.items():
        if (fact := bad.get(end)) is not None and identity not in bad:
            bad[identity] = _Bad(hops[identity][0], fact.why, fact.status, fact.url)
    return bad, ends, statuses


def _end(identity: int, hops: Mapping[int, tuple[str, int]]) -> int:
    for _ in range(_MOST_HOPS):
        if identity not in hops:
            break
        identity = hops[identity][1]
    return identity


def _without_anchor(connection: sqlite3.Connection, anchors: Looked, redirects: dict[int, int]) -> list[BrokenLink]:
    broken = []
    for (target, fragment), sources in anchors.missing(redirects).items():
        url = connection.execute(_URL, (target,)).fetchone()[0]
        places = tuple(dict.fromkeys(Source(*source) for source in sources))
        broken.append(BrokenLink(f"{url}#{fragment}", "no such anchor", 200, "", places))
    return broken


def _unchecked(connection: sqlite3.Connection) -> tuple[dict[str, int], int]:
    """What was not asked, by reason, and how many links were known to be good."""
    unchecked: dict[str, int] = {}
    known = 0
    for reason, detail, count in connection.execute(_UNCHECKED):
        name = "excluded" if reason == "scope" and detail.startswith("exclude ") else _NAMES.get(reason)
        if reason == "hook" and detail.startswith(CACHED):
            known += count
        elif name:
            unchecked[name] = unchecked.get(name, 0) + count
    return dict(sorted(unchecked.items())), known
