"""A crawl's folder with rows of a test's choosing, on the real schema."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from crawler.core.urls import fingerprint, host_key
from crawler.store.database import Database

STARTED, ENDED = "2026-11-22T18:40:00.000000Z", "2026-11-22T18:40:49.000000Z"
FETCHED = "2026-11-22T18:40:30.000000Z"


class CrawlFolder:
    """Writes what a crawl would have written. Pages get a row in `pages` and one in the frontier; counts of hosts are kept."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self.path = path
        self.database = Database(path / "crawl.db")
        self.connection = self.database.connection
        self._link = 0
        self._hosts: Counter[str] = Counter()

    def run(self, started: str = STARTED, ended: str | None = None, reason: str | None = None) -> Self:
        """Begins a run; one that has ended needs `ended` and `reason`."""
        self.connection.execute(
            "INSERT INTO runs (started, ended, finish_reason, version, settings) VALUES (?, ?, ?, '0', '{}')", (started, ended, reason)
        )
        return self

    def page(self, url: str, links: Iterable[tuple[str, str] | str] = (), outcome: str = "ok", **columns: Any) -> Self:
        """An attempted URL. Links are URLs, or pairs of URL and kind."""
        pairs = [(link, "a") if isinstance(link, str) else link for link in links]
        facts = {
            "id": fingerprint(url), "url": url, "run": self._last_run(), "outcome": outcome, "role": "page", "depth": 1,
            "status": {"ok": 200, "redirect": 301, "http_error": 404, "not_modified": 304, "error": 0}[outcome],
            "content_type": "text/html", "bytes": 1000, "fetched_at": FETCHED, "attempts": 1,
            "first_link": self._link + 1 if pairs else None, "link_count": len(pairs),
        }  # fmt: skip
        facts |= {name: fingerprint(value) if name == "parent" else value for name, value in columns.items() if name not in ("hops",)}
        self.connection.execute(f"INSERT INTO pages ({', '.join(facts)}) VALUES ({', '.join('?' * len(facts))})", tuple(facts.values()))
        for position, (link, kind) in enumerate(pairs):
            self._link += 1
            row = (self._link, facts["id"], fingerprint(link), kind, position)
            self.connection.execute("INSERT INTO links (link, src, dst, kind, rel, text, position) VALUES (?, ?, ?, ?, '', '', ?)", row)
        state = "failed" if outcome == "error" else "done"
        return self.url(url, state, depth=facts["depth"], role=facts["role"], parent=columns.get("parent"), hops=columns.get("hops", 0))

    def url(
        self, url: str, state: str = "queued", reason: str | None = None, detail: str | None = None, *,
        depth: int = 1, role: str = "page", parent: str | None = None, hops: int = 0,
    ) -> Self:  # fmt: skip
        """An admitted URL."""
        host = host_key(url)
        host_id = self._host(host)
        if state in ("queued", "done", "failed"):
            self.connection.execute(f"UPDATE hosts SET {state} = {state} + 1 WHERE host_id = ?", (host_id,))
        row = (
            fingerprint(url),
            url,
            host_id,
            role,
            depth,
            b"\0" * 8 * hops,
            parent and fingerprint(parent),
            state,
            depth + 1,
            reason,
            detail,
        )
        self.connection.execute(
            "INSERT INTO _frontier (id, url, host_id, role, depth, chain, parent, state, rank, reason, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return self

    def refused(self, url: str, reason: str, detail: str = "", parent: str | None = None) -> Self:
        """A URL that was not admitted."""
        row = (fingerprint(url), url, reason, detail, 1, parent and fingerprint(parent))
        self.connection.execute("INSERT OR IGNORE INTO _refused VALUES (?, ?, ?, ?, ?, ?)", row)
        return self

    def host(self, host: str, **columns: Any) -> Self:
        """Facts of a host."""
        host_id = self._host(host)
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        self.connection.execute(f"UPDATE hosts SET {assignments} WHERE host_id = :host_id", columns | {"host_id": host_id})
        return self

    def close(self) -> None:
        """Closes the database."""
        self.database.close()

    def _host(self, host: str) -> int:
        self.connection.execute("INSERT OR IGNORE INTO hosts (host) VALUES (?)", (host,))
        return int(self.connection.execute("SELECT host_id FROM hosts WHERE host = ?", (host,)).fetchone()[0])

    def _last_run(self) -> int:
        return int(self.connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0])


HOSTILE = "https://example.org/\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n" + "x" * 10_000
"""A URL that no crawl would store, for there is no telling what a database holds."""


def example(path: Path) -> CrawlFolder:
    """A finished crawl with something of everything."""
    folder = CrawlFolder(path).run(ended=ENDED, reason="queue empty")
    root = "https://example.org/"
    folder.page(
        root,
        [f"{root}a", f"{root}b", f"{root}gone", f"{root}old", "https://cdn.example.org/app.js"],
        depth=0,
        ttfb_ms=20.0,
        file="pages/a",
        title="Home",
    )
    folder.page(f"{root}a", [f"{root}gone", f"{root}down", f"{root}missing"], ttfb_ms=40.0, file="pages/b", title="Same", parent=root)
    folder.page(f"{root}b", [f"{root}gone", f"{root}gone"], ttfb_ms=41.0, file="pages/c", title="Same", parent=root)
    folder.page(
        f"{root}app", [(f"{root}app.js", "script"), (f"{root}style.css", "css")], ttfb_ms=180.0, depth=2, file="pages/d", parent=root
    )
    folder.page(f"{root}old", outcome="redirect", redirect_to=f"{root}a", ttfb_ms=10.0, bytes=0, parent=root)
    folder.page(f"{root}gone", outcome="http_error", ttfb_ms=15.0, bytes=200, title="Same", parent=root)
    folder.page(f"{root}missing", outcome="http_error", ttfb_ms=15.0, bytes=200, parent=root)
    folder.page(f"{root}lonely", outcome="http_error", status=500, ttfb_ms=8200.0, bytes=200, depth=3)
    folder.page(f"{root}down", outcome="error", error="timeout", error_detail="no headers in 30 s", bytes=0, parent=root)
    for number in range(12):
        folder.refused(f"https://other.example/{number}", "scope", "host is not example.org", root)
    folder.refused(f"{root}x.pdf", "scope", "exclude \\.pdf$", root).refused("mailto:me@example.org", "scheme", "mailto", root)
    for number in range(3):
        folder.url(f"{root}cal/{number}/1", "skipped", "trap", "/cal/{n}/{n}", depth=3)
    folder.url(f"{root}private", "skipped", "robots", "line 3: Disallow: /private", parent=root)
    # Refused first, admitted later: counted once, as what it is now.
    folder.refused(f"{root}a", "nofollow")
    return folder


def read_only(folder: CrawlFolder) -> sqlite3.Connection:
    """A second connection, as another process has."""
    from crawler.report.folder import open_folder

    return open_folder(folder.path)
