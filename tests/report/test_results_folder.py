"""Reading a folder: beside a crawl that goes on, without changing anything, and with a plain word when it cannot be read."""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.errors import OutputError
from crawler.report import queries
from crawler.report.folder import holder, one_moment, open_folder
from crawler.report.status import HostStatus, Status, status
from crawler.report.summary import ErrorGroup, summarize
from tests.report.crawl_folder import CrawlFolder, example, read_only

ROOT = "https://example.org/"
NOW = datetime(2026, 11, 22, 18, 40, 35, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """An empty crawl whose first run goes on."""
    folder = CrawlFolder(tmp_path / "crawl").run()
    yield folder
    folder.close()


# --- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["what?", "50%25", "a#b", "a b", "ü\u4e2d"])
def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    """Signs that mean something in a URI do not."""
    folder = CrawlFolder(tmp_path / name).run().page(ROOT)
    connection = read_only(folder)
    assert summarize(connection).pages == 1
    connection.close()
    folder.close()


def test_reading_cannot_write(folder: CrawlFolder) -> None:
    """The connection refuses every change."""
    connection = read_only(folder)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM pages")
    connection.close()


def test_what_a_crawl_writes_meanwhile_does_not_mix(folder: CrawlFolder) -> None:
    """All numbers are of one moment, and the writer is not held up."""
    connection = read_only(folder)
    with one_moment(connection), one_moment(connection):
        assert connection.execute("SELECT count(*) FROM pages").fetchone() == (0,)
        folder.page(ROOT)
        assert connection.execute("SELECT count(*) FROM pages").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM pages").fetchone() == (1,)
    connection.close()


def test_an_open_transaction_hides_nothing_that_was_committed(folder: CrawlFolder) -> None:
    """While a crawl is in the middle of a commit, what was committed before is shown, at once."""
    folder.page(ROOT)
    with folder.database.transaction():
        folder.page(f"{ROOT}a")
        connection = read_only(folder)
        assert (summarize(connection).pages, status(connection, 1, NOW).pages) == (1, 1)
        connection.close()


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder, and a user who may only read in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    user = os.geteuid()
    try:
        yield folder
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_folder_nobody_may_write_to_can_be_read(nobody: Path) -> None:
    """An archived crawl on a medium that is read-only."""
    folder = CrawlFolder(nobody / "crawl").run().page(ROOT)
    folder.close()
    folder.path.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
    connection = open_folder(folder.path)
    assert summarize(connection).pages == 1
    assert holder(folder.path) is None
    connection.close()
    os.seteuid(os.getuid())
    folder.path.chmod(0o755)
    assert [path.name for path in folder.path.iterdir()] == ["crawl.db"]


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE pages (id)")
    connection.close()


def newer(path: Path) -> None:
    folder = CrawlFolder(path.parent)
    folder.database.set_meta(format="99")
    folder.close()


def damaged(path: Path) -> None:
    folder = CrawlFolder(path.parent)
    folder.close()
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"is not a crawl\n  it has no crawl\.db\n  try: crawler crawl"),
        (lambda path: path.parent.rmdir(), r"is not a crawl\n  there is no such folder"),
        (lambda path: path.mkdir(), "is not a crawl"),
        (lambda path: path.write_bytes(b""), "is not a crawl"),
        (lambda path: path.write_text("SQLite format 3" * 100), "is damaged or is no database"),
        (damaged, "is damaged or is no database"),
        (other_database, "is not a crawl"),
        (newer, "has format 99\n  this crawler reads formats up to"),
    ],
)
def test_what_is_no_crawl_is_told(tmp_path: Path, make: object, message: str) -> None:
    """No crawl, another database, a damaged or newer one: OutputError in three lines, and nothing is made or changed."""
    path = tmp_path / "folder" / "crawl.db"
    path.parent.mkdir()
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(OutputError, match=message):
        open_folder(path.parent)
    assert (path.read_bytes() if path.is_file() else None) == before


# --- who holds it -----------------------------------------------------------------------------------------------------


def test_nobody_holds_a_folder_without_a_lock(tmp_path: Path) -> None:
    """No file, or a file that nobody has locked, whatever it says: a process that died holds nothing."""
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".lock").write_text("4711\n")
    assert holder(tmp_path) is None


@pytest.mark.parametrize(("text", "process"), [("4711\n", 4711), ("4711", 4711), ("", 0), ("\x1b[2J", 0), ("9" * 100, int("9" * 20))])
def test_the_holder_is_named_and_not_disturbed(tmp_path: Path, text: str, process: int) -> None:
    """While a process holds the lock its id is told, as far as it left one; its lock stays, and can be had afterwards."""
    path = tmp_path / ".lock"
    path.write_text(text)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert holder(tmp_path) == process
        assert holder(tmp_path) == process
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert holder(tmp_path) is None
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert path.read_text() == text


def test_a_held_folder_of_the_store_is_seen(tmp_path: Path) -> None:
    """The lock is the one that crawls take."""
    from crawler.store.folder import Folder

    with Folder(tmp_path / "crawl"):
        assert holder(tmp_path / "crawl") == os.getpid()
    assert holder(tmp_path / "crawl") is None


# --- status -----------------------------------------------------------------------------------------------------------


def of(folder: CrawlFolder, process: int | None = None, now: datetime = NOW) -> Status:
    connection = read_only(folder)
    try:
        return status(connection, process, now)
    finally:
        connection.close()


def test_every_number_of_a_status(tmp_path: Path) -> None:
    """The status of a small crawl, number by number."""
    folder = example(tmp_path / "example")
    folder.host("example.org", delay=0.5)
    found = of(folder)
    folder.close()
    assert found == Status(
        holder=None,
        run=1,
        started="2026-11-22T18:40:00.000000Z",
        ended="2026-11-22T18:40:49.000000Z",
        finish_reason="queue empty",
        elapsed=49.0,
        queued=0,
        leased=0,
        done=8,
        failed=1,
        skipped=18,
        pages=9,
        ok=4,
        redirects=1,
        broken=3,
        errors=1,
        requisites=0,
        probes=0,
        bytes=4600,
        rate=0.0,
        error_kinds=(ErrorGroup("timeout", 1),),
        hosts=1,
        busiest_hosts=(HostStatus("example.org", 0, 8, 1, 0.5, ""),),
    )
    assert found.state == "complete"
    assert found.to_json()["state"] == "complete"


def test_states_are_those_of_the_public_view(tmp_path: Path) -> None:
    """The fast query and the plain one agree."""
    folder = example(tmp_path / "example").url(f"{ROOT}q1").url(f"{ROOT}q2").url(f"{ROOT}l", "leased")
    plain = dict(folder.connection.execute("SELECT state, count(*) FROM urls GROUP BY state").fetchall())
    found = of(folder)
    folder.close()
    assert {state: getattr(found, state) for state in ("queued", "leased", "done", "failed", "skipped")} == plain


def test_status_and_summary_count_alike(tmp_path: Path) -> None:
    """One crawl, one number."""
    folder = example(tmp_path / "example")
    connection = read_only(folder)
    first, second = status(connection, None, NOW), summarize(connection)
    connection.close()
    folder.close()
    names = ("pages", "ok", "redirects", "broken", "errors", "bytes", "skipped", "queued", "error_kinds", "finish_reason", "run")
    assert {name: getattr(first, name) for name in names} == {name: getattr(second, name) for name in names}


def test_the_rate_is_of_the_last_ten_seconds(folder: CrawlFolder) -> None:
    """Pages stored in the last ten seconds, by ten; in a younger run by its age; none when nobody crawls."""
    for second in range(35):
        folder.page(f"{ROOT}{second}", fetched_at=f"2026-11-22T18:40:{second:02}.500000Z")
    assert of(folder, 1).rate == 1.0
    assert of(folder).rate == 0.0
    assert of(folder, 1, datetime(2026, 11, 22, 18, 40, 5, tzinfo=UTC)).rate == 35 / 5
    assert of(folder, 1, datetime(2026, 11, 22, 18, 39, 59, tzinfo=UTC)).rate == 0.0


@pytest.mark.parametrize(
    ("process", "reason", "queued", "state"),
    [
        (4711, None, 1, "running"),
        (0, None, 0, "running"),
        (4711, "queue empty", 0, "running"),
        (None, None, 1, "killed"),
        (None, "page limit", 1, "stopped"),
        (None, "queue empty", 0, "complete"),
        (None, "queue empty", 1, "stopped"),
    ],
)
def test_states_of_a_crawl(folder: CrawlFolder, process: int | None, reason: str | None, queued: int, state: str) -> None:
    """A run without an end goes on while somebody holds the folder, and was killed otherwise."""
    if reason:
        folder.connection.execute("UPDATE runs SET ended = '2026-11-22T18:40:31Z', finish_reason = ?", (reason,))
    for number in range(queued):
        folder.url(f"{ROOT}{number}")
    assert of(folder, process).state == state


def test_a_folder_without_a_run_is_new(tmp_path: Path) -> None:
    """A crawl that has not begun yet."""
    folder = CrawlFolder(tmp_path / "crawl")
    found = of(folder)
    folder.close()
    assert (found.state, found.run, found.elapsed, found.busiest_hosts) == ("new", 0, 0.0, ())


def test_time_goes_on_while_a_crawl_runs(folder: CrawlFolder) -> None:
    """Elapsed counts to now, and for a killed run to its last page."""
    folder.page(ROOT, fetched_at="2026-11-22T18:40:07.250000Z")
    assert of(folder, 4711).elapsed == 35.0
    assert of(folder).elapsed == 7.25


def test_the_busiest_hosts_come_first(folder: CrawlFolder) -> None:
    """Five of all: those being asked now, then those with most URLs."""
    for number in range(8):
        for path in range(number + 1):
            folder.page(f"https://h{number}.example/{path}")
    folder.host("h0.example", leased_until=1e9).host("h7.example", closed="dns: no such host")
    found = of(folder)
    assert found.hosts == 8
    assert [host.host for host in found.busiest_hosts] == ["h0.example", "h7.example", "h6.example", "h5.example", "h4.example"]
    assert found.busiest_hosts[1].closed == "dns: no such host"


def test_every_query_can_be_pasted(tmp_path: Path) -> None:
    """Each runs as it stands; those about one page or moment take `:id` or `:since`."""
    folder = example(tmp_path / "example")
    names = [name for name, text in vars(queries).items() if name.isupper() and isinstance(text, str) and "SELECT" in text]
    assert len(names) > 15
    for name in names:
        if not name.startswith("_"):
            folder.connection.execute(getattr(queries, name), {"id": 1, "since": ""}).fetchall()
    folder.close()
