"""All that is known of one URL: its state and the reason, the way that led there, its answer, and its links in both directions."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any

from crawler.core.urls import canonical, fingerprint, normalize_seed, origin, resolve
from crawler.errors import UsageError
from crawler.report.folder import one_moment

# A page has a hundred links, one of everybody's interest has a hundred thousand that lead to it.
MOST_LINKS = 1_000
_LONGEST_PATH = 1_000
_MOST_ALIKE = 5_000
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One URL on the way from a seed: how deep it lies, and the link by which it was found (kind "" for a seed, "sitemap" for a sitemap
    that robots.txt names)."""

    url: str
    depth: int
    kind: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class LinkShown:
    """A link to or from the URL: the URL at its other end, with what came of that."""

    url: str
    kind: str
    rel: str
    text: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a redirect leads: the URL, its status (0: no answer, or never asked for), and what came of it."""

    url: str
    status: int
    state: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of a URL. `reason` and `detail` say why it was skipped or failed, `why_queued` why it waits. `path` leads from a
    seed to it, `redirected_from` and `redirects` are the redirects to and from it, `answer` is its row of `pages` (None: it has none)
    and `history` those that later runs replaced. Of the links to and from it there are at most a thousand here; `links_in` and
    `links_out` count all.
    """

    url: str
    state: str
    role: str
    depth: int
    attempts: int
    reason: str | None
    detail: str | None
    why_queued: str | None
    path: tuple[Step, ...]
    redirected_from: tuple[str, ...]
    redirects: tuple[Hop, ...]
    answer: dict[str, Any] | None
    history: tuple[dict[str, Any], ...]
    links_in: int
    links_out: int
    found_on: tuple[LinkShown, ...]
    leads_to: tuple[LinkShown, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def show(connection: sqlite3.Connection, url: str, folder: str = "DIR") -> Shown:
    """What the crawl behind the connection knows of a URL, as somebody types it: a path stands for one of the first seed's site.
    `folder` is what messages call the crawl.

    Raises UsageError when the crawl does not know it, with the nearest one that it does.
    """
    with one_moment(connection):
        cursor = connection.cursor()
        cursor.row_factory = sqlite3.Row
        wanted = _canonical(url, _identity(cursor), folder)
        row = _known(cursor, wanted)
        if row is None and "://" not in url:
            # Nobody said https: it was only the more likely one.
            row = _known(cursor, wanted.replace("https://", "http://", 1))
        if row is None:
            raise _unknown(cursor, wanted, folder)
        return _shown(cursor, row)


def _known(cursor: sqlite3.Cursor, url: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = cursor.execute("SELECT * FROM urls WHERE id = ? AND url = ?", (fingerprint(url), url)).fetchone()
    return row


def _shown(cursor: sqlite3.Cursor, row: sqlite3.Row) -> Shown:
    identity = row["id"]
    answer = cursor.execute("SELECT * FROM pages WHERE id = ?", (identity,)).fetchone()
    links_in = cursor.execute("SELECT count(*) FROM links WHERE dst = ?", (identity,)).fetchone()[0]
    return Shown(
        url=row["url"],
        state=row["state"],
        role=row["role"],
        depth=row["depth"],
        attempts=row["attempts"],
        reason=row["reason"],
        detail=row["detail"],
        why_queued=_why_queued(cursor) if row["state"] == "queued" else None,
        path=tuple(_path(cursor, row)),
        redirected_from=tuple(_redirected_from(cursor, identity)),
        redirects=tuple(_redirects(cursor, identity)),
        answer=_answer(answer) if answer is not None else None,
        history=tuple(dict(each) for each in cursor.execute("SELECT * FROM history WHERE id = ? ORDER BY run", (identity,))),
        links_in=links_in,
        links_out=answer["link_count"] if answer is not None else 0,
        found_on=tuple(LinkShown(**dict(each)) for each in cursor.execute(_FOUND_ON, (identity, MOST_LINKS))),
        leads_to=tuple(_leads_to(cursor, identity, answer)),
    )


_FOUND_ON = """
SELECT coalesce(p.url, f.url, '') AS url, l.kind, l.rel, l.text, coalesce(p.outcome, f.state, '') AS state
FROM links l LEFT JOIN pages p ON p.id = l.src LEFT JOIN _frontier f ON f.id = l.src WHERE l.dst = ? ORDER BY l.link LIMIT ?
"""
_LEADS_TO = """
SELECT u.url, l.kind, l.rel, l.text, coalesce(p.outcome, u.reason, u.state) AS state
FROM links l JOIN urls u ON u.id = l.dst LEFT JOIN pages p ON p.id = l.dst WHERE {which} ORDER BY l.link LIMIT ?
"""


def _leads_to(cursor: sqlite3.Cursor, identity: int, answer: sqlite3.Row | None) -> Iterator[LinkShown]:
    """The links of a page are consecutive rows; those of a sitemap, which is no page, have to be looked for."""
    if answer is not None and answer["first_link"] is None:
        return
    where: tuple[int, ...] = (identity,)
    if answer is not None:
        where = (answer["first_link"], answer["first_link"] + answer["link_count"])
    which = "l.src = ?" if answer is None else "l.link >= ? AND l.link < ?"
    for row in cursor.execute(_LEADS_TO.format(which=which), (*where, MOST_LINKS)):
        yield LinkShown(**dict(row))


def _answer(row: sqlite3.Row) -> dict[str, Any]:
    answer = {name: row[name] for name in row.keys() if name not in ("id", "row", "redirect_id", "first_link", "parent")}  # noqa: SIM118
    for name in ("headers", "data"):
        answer[name] = json.loads(answer[name]) if answer[name] else None
    return answer


def _identity(cursor: sqlite3.Cursor) -> dict[str, Any]:
    row = cursor.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
    identity: dict[str, Any] = json.loads(row[0]) if row is not None else {}
    return identity


def _canonical(url: str, identity: dict[str, Any], folder: str) -> str:
    """The spelling under which the crawl would know it."""
    strip = frozenset(identity.get("strip_query") or ())
    seeds = identity.get("seeds") or ()
    if url.startswith(("/", "?")) and not url.startswith("//") and seeds and (found := resolve(url, origin(seeds[0]) + "/")):
        return canonical(found, strip)
    try:
        return canonical(url, strip) if url.startswith(("mailto:", "tel:")) else canonical(normalize_seed(url), strip)
    except UsageError as error:
        found = resolve(url, "")
        if found is None:
            raise UsageError(f"{url!r} is no URL", error.why, f"crawler show {folder} /") from error
        return canonical(found, strip)


def _unknown(cursor: sqlite3.Cursor, url: str, folder: str) -> UsageError:
    near = list(islice(_nearest(cursor, url), _MOST_NAMED))
    why = f"did you mean {' or '.join(near)}?" if near else "no page, sitemap or redirect has led there"
    hint = f"crawler show {folder} {shlex.quote(near[0])}" if near else f"crawler status {folder}"
    return UsageError(f"the crawl does not know {url}", why, hint)


def _nearest(cursor: sqlite3.Cursor, url: str) -> Iterator[str]:
    """The known URLs that are most like this one: the other scheme, with or without a slash or www., else those of its spelling."""
    scheme, _, rest = url.partition("://")
    other = {"http": "https", "https": "http"}.get(scheme, scheme)
    host, slash, path = rest.partition("/")
    twin = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
    slashed = path[:-1] if path.endswith("/") else f"{path}/"
    guesses = [f"{s}://{h}{slash}{p}" for s in (scheme, other) for h in (host, twin) for p in (path, slashed)]
    known = [guess for guess in (*guesses, url.partition("?")[0]) if _known(cursor, guess) is not None]
    if not known:
        known = [spelled for (spelled,) in cursor.execute("SELECT url FROM _frontier WHERE url = ? COLLATE NOCASE LIMIT 1", (url,))]
    if not known:
        begins = f"{scheme}://{host}/"
        of_host = "SELECT url FROM _frontier WHERE url >= ? AND url < ? LIMIT ?"
        alike = [each[len(begins) :] for (each,) in cursor.connection.execute(of_host, (begins, begins[:-1] + "0", _MOST_ALIKE))]
        known = [begins + path for path in get_close_matches(path, alike, _MOST_NAMED)]
    yield from dict.fromkeys(known)


def _why_queued(cursor: sqlite3.Cursor) -> str:
    """Why a URL waits: a limit, a stop, or because the crawl runs."""
    row = cursor.execute("SELECT finish_reason, ended FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    return "no run has asked for it" if row is None else f"the last run ended: {row['finish_reason']}" if row["ended"] else "it is waiting"


def _path(cursor: sqlite3.Cursor, row: sqlite3.Row) -> list[Step]:
    """The way from a seed, as the crawl found it first."""
    steps: list[Step] = []
    seen: set[int] = set()
    url, depth, identity, parent, role = row["url"], row["depth"], row["id"], row["parent"], row["role"]
    while parent is not None and identity not in seen and len(steps) < _LONGEST_PATH:
        seen.add(identity)
        steps.append(Step(url, depth, *_link(cursor, parent, identity)))
        above = cursor.execute("SELECT url, depth, id, parent, role FROM _frontier WHERE id = ?", (parent,)).fetchone()
        if above is None:
            return steps[::-1]
        url, depth, identity, parent, role = above
    return [Step(url, depth, "sitemap" if role == "sitemap" else ""), *steps[::-1]]


def _link(cursor: sqlite3.Cursor, source: int, target: int) -> tuple[str, str]:
    """Kind and text of the link from one URL to another; a sitemap's or a page's."""
    found = cursor.execute("SELECT first_link, link_count FROM pages WHERE id = ?", (source,)).fetchone()
    where: tuple[int, ...] = (source, target)
    which = "src = ? AND dst = ?"
    if found is not None and found["first_link"] is not None:
        where, which = (found["first_link"], found["first_link"] + found["link_count"], target), "link >= ? AND link < ? AND dst = ?"
    link = cursor.execute(f"SELECT kind, text FROM links WHERE {which} ORDER BY link LIMIT 1", where).fetchone()
    return (link["kind"], link["text"]) if link is not None else ("sitemap" if found is None else "link", "")


def _redirects(cursor: sqlite3.Cursor, identity: int) -> Iterator[Hop]:
    """Where the URL redirects to, hop by hop."""
    seen: set[int] = set()
    while identity not in seen and len(seen) < _LONGEST_PATH:
        seen.add(identity)
        row = cursor.execute("SELECT redirect_to, redirect_id FROM pages WHERE id = ? AND redirect_id IS NOT NULL", (identity,)).fetchone()
        if row is None:
            return
        identity = row["redirect_id"]
        came = cursor.execute(_CAME_OF, (identity,)).fetchone()
        yield Hop(row["redirect_to"], came["status"] or 0 if came else 0, came["state"] if came else "")


_CAME_OF = """
SELECT p.status, coalesce(p.outcome, u.reason, u.state) AS state FROM urls u LEFT JOIN pages p ON p.id = u.id WHERE u.id = ?
"""


def _redirected_from(cursor: sqlite3.Cursor, identity: int) -> Iterator[str]:
    """The URLs that redirect straight to it."""
    for row in cursor.execute(
        "SELECT url FROM pages WHERE redirect_id = ? AND id <> ? ORDER BY row LIMIT ?", (identity, identity, MOST_LINKS)
    ):
        yield row["url"]
