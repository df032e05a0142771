"""What `--fail-on` looks for, and what an update found."""

from __future__ import annotations

import sqlite3

_CONDITIONS = {
    "broken": "outcome IN ('http_error', 'error')",
    "errors": "outcome = 'error'",
    "4xx": "outcome = 'http_error' AND status BETWEEN 400 AND 499",
    "5xx": "outcome = 'http_error' AND status >= 500",
}


def has_finding(connection: sqlite3.Connection, finding: str) -> bool:
    """Whether any page is `broken`, has `errors`, answers `4xx`, `5xx`, or the status that `finding` names."""
    condition = _CONDITIONS.get(finding) or f"status = {int(finding)}"
    found = connection.execute(f"SELECT EXISTS (SELECT 1 FROM pages WHERE {condition})").fetchone()
    return bool(found[0])


def updated_line(connection: sqlite3.Connection, update: int) -> str:
    """How many of the pages that were asked for since the run `update` were not modified."""
    query = "SELECT count(*) FILTER (WHERE outcome = 'not_modified'), count(*) FROM pages WHERE run >= ? AND role = 'page'"
    same, asked = connection.execute(query, (update,)).fetchone()
    return f"{same:,} of {asked:,} pages not modified; what has changed"
