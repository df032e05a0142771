"""`crawler health`: a crawl that gets on, waits for a reason, or is stuck."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from frontiers import SharedCrawl, request

from crawler.cli.main import main
from crawler.report.health import health
from crawler.store.database import Database
from tests.report.crawl_folder import ENDED, FETCHED, STARTED, CrawlFolder

NOW = datetime.fromisoformat(ENDED)  # the last page came 19 s before
CLOCK = 1000.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """A run that has stored one page, and has a second URL queued."""
    folder = CrawlFolder(tmp_path / "crawl-example.org").run().page("https://example.org/").url("https://example.org/next")
    yield folder
    folder.close()


def looked_at(folder: CrawlFolder, within: float, **host: float | str) -> tuple[bool, str]:
    """What is found when the host is as said."""
    for column, value in host.items():
        folder.connection.execute(f"UPDATE hosts SET {column} = ?", (value,))
    found = health(folder.connection, NOW, CLOCK, within)
    return found.ok, found.words


def test_a_page_that_came_a_moment_ago(folder: CrawlFolder) -> None:
    """Progress is health."""
    assert looked_at(folder, 20) == (True, "the last page came 19 s ago")


def test_nothing_came_though_a_host_is_due(folder: CrawlFolder) -> None:
    """Without a reason a pause longer than allowed is none."""
    ok, words = looked_at(folder, 18, next_at=CLOCK - 18.5)
    assert not ok
    assert words == "the last page came 19 s ago, and example.org could be asked, with 1 queued"


@pytest.mark.parametrize(
    ("next_at", "why"), [(CLOCK + 300, "waits 5 min until example.org may be asked"), (CLOCK - 17, "waits for example.org")]
)
def test_a_host_that_may_not_be_asked_yet_is_a_reason(folder: CrawlFolder, next_at: float, why: str) -> None:
    """A Retry-After of five minutes is waited for, and its answer as long as any other."""
    assert looked_at(folder, 18, next_at=next_at) == (True, f"the last page came 19 s ago; {why}")


def test_a_host_that_was_given_up_is_no_reason(folder: CrawlFolder) -> None:
    """It will never be asked again, so nothing is waited for."""
    expected = (False, "the last page came 19 s ago, and no host has anything left")
    assert looked_at(folder, 18, next_at=CLOCK + 300, closed="refused") == expected


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    """A start is a sign as good as a page; so is a folder that is being made."""
    folder = CrawlFolder(tmp_path / "crawl")
    assert looked_at(folder, 1) == (True, "the crawl is about to begin")
    folder.run(started=STARTED).page("https://example.org/", fetched_at=FETCHED).run(started=ENDED)
    assert looked_at(folder, 1) == (True, "the run began 0 ms ago")
    folder.close()


def test_a_worker_for_whom_there_is_nothing_to_do(folder: CrawlFolder) -> None:
    """Others hold the hosts of a shared crawl, or none may be asked: who asks for work and gets none waits, and is not stuck."""
    folder.connection.execute("INSERT INTO meta VALUES ('idle_at', ?)", ((NOW - timedelta(seconds=4)).isoformat(),))
    assert looked_at(folder, 5) == (True, "the shared frontier had nothing to do for it 4.0 s ago")
    assert not looked_at(folder, 3)[0]


def test_a_worker_writes_down_when_its_frontier_has_nothing_for_it() -> None:
    """Every ten seconds at most; a host in hand is no such moment."""
    now = [100.0]
    shared, database = SharedCrawl(), Database(None)
    shared.servers.own_time = lambda: now[0]  # type: ignore[method-assign]
    frontier = shared.frontier(database, None, None)
    frontier.add([request("http://a.test/")])
    assert frontier.lease(9, 9, 60.0).leases
    assert database.meta("idle_at") is None

    found = []
    for now[0] in (101.0, 110.0, 111.0):
        assert not frontier.lease(9, 9, 60.0).leases
        found.append(database.meta("idle_at"))
    shared.close()
    assert found[0] == found[1] < found[2]
    with closing(database):
        assert health(database.connection, datetime.now(UTC), CLOCK, 60).words.startswith("the shared frontier had nothing to do for it")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["health", *arguments])
    return code, capsys.readouterr().out


def test_only_crawls_that_run_are_looked_at(folder: CrawlFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody crawls nothing is wrong; a stuck one is exit code 4, found from the folder around it as well."""
    around = str(folder.path.parent)
    folder.connection.commit()
    assert run(capsys, around) == (0, "nothing is being crawled here\n")
    with (folder.path / ".lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for place in (around, str(folder.path), str(folder.path.parent.parent)):
            code, text = run(capsys, place)
            assert code == 4
            assert text.startswith(f"{folder.path}: stuck: the last page came ")
        with closing(sqlite3.connect(folder.path / "crawl.db")) as connection, connection:
            connection.execute("UPDATE pages SET fetched_at = ?", ((datetime.now(UTC) - timedelta(seconds=5)).isoformat(),))
        code, text = run(capsys, around, "--within", "1h")
        assert (code, text.startswith(f"{folder.path}: ok: the last page came ")) == (0, True)
