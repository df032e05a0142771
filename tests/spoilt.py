"""Folders of crawls that are none any more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def spoil(folder: Path, how: str) -> None:
    """Makes the database of a crawl one that cannot be read: of something `other`, `newer`, or `torn`, which is sound but for its pages."""
    path = folder / "crawl.db"
    if how == "other":
        path.unlink()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        if how == "other":
            database.execute("CREATE TABLE other (x)")
        elif how == "newer":
            database.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
        else:
            (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
            (size,) = database.execute("PRAGMA page_size").fetchone()
    if how == "torn":
        with path.open("r+b") as file:
            file.seek((root - 1) * size)
            file.write(b"\xff" * 200)
