"""Whoever knows a robots.txt does not ask for it again, so what is kept of it must not outlive a run that ignored its sitemaps."""

from __future__ import annotations

from crawler.store.database import Database

_UNLISTED = "unlisted"


def lists_sitemaps(database: Database, does: bool) -> None:
    """Says whether this run asks for the sitemaps that robots.txt names. One that does forgets what is kept of robots.txt by runs that
    did not. For the sole holder of a folder, at its start."""
    if not does:
        database.set_meta(**{_UNLISTED: "yes"})
    elif database.meta(_UNLISTED) == "yes":
        database.connection.execute("UPDATE hosts SET robots = ''")
        database.set_meta(**{_UNLISTED: "no"})
