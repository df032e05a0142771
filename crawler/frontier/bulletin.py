"""What workers of one crawl.db tell each other: facts in `meta` that each of them reads with every commit."""

from __future__ import annotations

import json

from crawler.news import NO_NEWS, News
from crawler.store.database import Database

_READ = "SELECT key, value FROM meta WHERE key IN ('traps', 'widened')"


class Bulletin:
    """Part of the frontier in crawl.db."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows: list[tuple[str, str]] = []
        self._news = NO_NEWS

    def widen(self, url: str) -> None:
        """See `Frontier.widen`."""
        widened = self.read().widened
        if url not in widened:
            self._database.set_meta(widened=json.dumps([*widened, url]))

    def read(self) -> News:
        """See `Frontier.news`."""
        rows = self._database.connection.execute(_READ).fetchall()
        if rows != self._rows:
            facts = {key: json.loads(value) for key, value in rows}
            quarantined = tuple((host, pattern) for host, pattern in facts.get("traps", ()))
            self._rows, self._news = rows, News(quarantined, tuple(facts.get("widened", ())))
        return self._news
