"""A finished crawl once more: what waits again, and what is asked for on a condition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from frontiers import Clock, check_counts, request, rows_of

from crawler.frontier.revisit import Conditions, keeps_the_same, queue_again, update_of
from crawler.frontier.sqlite import SqliteFrontier
from crawler.model import Failed, Fetched, Limits, PageError, Redirected, Request, RobotsFacts, Skipped
from crawler.store.database import Database

TTL = 60.0


@pytest.fixture
def frontier(database: Database) -> SqliteFrontier:
    return SqliteFrontier(database, Limits(), Clock())


def finish(frontier: SqliteFrontier, **ends: Any) -> None:
    """Adds a URL for each end (by path), of two hosts, and ends all of them."""
    requests = [request(f"https://{'b' if path == 'other' else 'a'}.test/{path}") for path in ends]
    frontier.add(requests)
    for lease in frontier.lease(10, 100, TTL).leases:
        outcomes = [ends[each.url.rpartition("/")[2]](each) for each in lease.requests]
        frontier.done(lease, outcomes, lease.state)
        frontier.release(lease, lease.state)
    assert frontier.finished() == "queue empty"


ENDS: dict[str, Any] = {
    "ok": lambda each: Fetched(each, ok=True, size=7), "gone": lambda each: Fetched(each, ok=False), "moved": Redirected,
    "failed": lambda each: Failed(each, PageError("timeout")), "barred": lambda each: Skipped(each, "robots", "line 2"),
    "trap": lambda each: Skipped(each, "trap", "/{n}"), "other": lambda each: Fetched(each, ok=True, size=5),
}  # fmt: skip


def test_all_that_has_ended_waits_again_but_traps(frontier: SqliteFrontier, database: Database) -> None:
    """Whatever it had ended in, untried and without a reason; the counts are those of the rows; it can be leased and ends as before."""
    finish(frontier, **ENDS)

    queue_again(database, 2)

    check_counts(frontier)
    states = {url.rpartition("/")[2]: (row.state, row.reason) for url, row in rows_of(frontier).items()}
    assert states == {path: ("skipped", "trap") if path == "trap" else ("queued", None) for path in ENDS}
    stats = frontier.stats()
    assert (stats.queued, stats.skipped, stats.done, stats.failed, stats.ok_pages, stats.size) == (6, 1, 0, 0, 0, 0)
    assert {row.attempts for url, row in rows_of(frontier).items() if "trap" not in url} == {0}
    assert update_of(database) == 2
    finish(frontier, **ENDS)
    check_counts(frontier)
    assert frontier.stats().ok_pages == 2


def test_robots_txt_is_asked_for_again(frontier: SqliteFrontier, database: Database) -> None:
    """What was read of it is forgotten."""
    frontier.add([request("https://a.test/")])
    [lease] = frontier.lease(1, 1, TTL).leases
    state = replace(lease.state, robots=(RobotsFacts("https://a.test", 200, b"", 1.0),))
    frontier.done(lease, [Fetched(lease.requests[0], ok=True)], state)
    frontier.release(lease, state)
    queue_again(database, 2)
    [lease] = frontier.lease(1, 1, TTL).leases
    assert lease.state.robots == ()


def stored(database: Database, path: str, **facts: Any) -> Request:
    """A request for a page with a row in the database."""
    asked = request(f"https://a.test/{path}")
    row = {
        "id": asked.id, "url": asked.url, "run": 1, "status": 200, "outcome": "ok", "role": "page", "depth": 0, "bytes": 9,
        "fetched_at": "", "attempts": 1, "etag": '"1"', "last_modified": None, "file": f"pages/{path}",
    } | facts  # fmt: skip
    database.connection.execute(f"INSERT INTO pages ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    return asked


def test_a_condition_is_sent_where_a_304_would_leave_all_as_it_should_be(database: Database, tmp_path: Path) -> None:
    """For a page that was ok before the update, in the same role, with its body, at the first try; and for no other."""
    (tmp_path / "pages").mkdir()
    for name in ("whole", "since", "failed", "part", "plain", "tried", "confirmed"):
        (tmp_path / "pages" / name).write_bytes(b"123456789")
    requests = [
        stored(database, "whole"), stored(database, "confirmed", outcome="not_modified", last_modified="then"),
        stored(database, "since", run=2), stored(database, "failed", outcome="http_error"), stored(database, "part", role="requisite"),
        stored(database, "plain", etag=None), stored(database, "lost"), stored(database, "unsaved", file=None), request("https://a.test/new"),
    ]  # fmt: skip
    requests.append(replace(stored(database, "tried"), attempts=1))
    requests.append(stored(database, "empty", file=None, bytes=0))

    asked = {each.url.rpartition("/")[2]: dict(each.headers) for each in Conditions(database, 2, tmp_path)(requests)}

    assert {name: headers for name, headers in asked.items() if headers} == {
        "whole": {"If-None-Match": '"1"'}, "empty": {"If-None-Match": '"1"'},
        "confirmed": {"If-None-Match": '"1"', "If-Modified-Since": "then"},
    }  # fmt: skip
    unsaved = {each.url.rpartition("/")[2] for each in Conditions(database, 2, None)(requests) if each.headers}
    assert unsaved == {"whole", "confirmed", "empty", "lost", "unsaved"}
    assert [each.url for each in Conditions(database, 2, tmp_path)(requests)] == [each.url for each in requests]


def test_what_is_kept_decides_whether_asking_is_enough(database: Database) -> None:
    """Other selectors than before, or links that were not kept, need whole pages."""
    database.connection.execute(
        'INSERT INTO runs (started, version, settings) VALUES (\'\', \'\', \'{"links": "all", "extract": ["a=b"]}\')'
    )
    assert keeps_the_same(database, 2, {"links": "all", "extract": ["a=b"], "delay": "1s"})
    assert not keeps_the_same(database, 2, {"links": "none", "extract": ["a=b"]})
    assert not keeps_the_same(database, 2, {"links": "all"})
