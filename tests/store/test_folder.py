"""The folder of a crawl: one holder, one crawl, its runs; nothing of anybody else is touched."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from crawler.errors import DifferentCrawlError, DiskFullError, FolderInUseError, OutputError
from crawler.store import folder as folder_module
from crawler.store.database import Database
from crawler.store.folder import LOCK_NAME, Folder, boot_id, end_run, identify, last_end, start_run

IDENTITY = {"seeds": ["https://a.test/"], "scope": "host", "include": []}


@pytest.fixture
def database() -> Iterator[Database]:
    with closing(Database(None)) as database:
        yield database


# One holder


def test_opening_makes_the_folder(tmp_path: Path) -> None:
    """A folder that is not there is made, with its parents; what was stored is there when it is opened again."""
    path = tmp_path / "deep" / "out"
    with Folder(path) as folder:
        folder.database.set_meta(a="1")
        folder.files()
    with Folder(path) as folder:
        assert folder.database.meta("a") == "1"
        assert (path / "pages" / ".tmp").is_dir()


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    """While it is held a second one is told by whom; afterwards it is free."""
    with Folder(tmp_path / "out"), pytest.raises(FolderInUseError) as caught:
        Folder(tmp_path / "out")
    assert f"process {os.getpid()}" in caught.value.what
    assert caught.value.exit_code == 6

    Folder(tmp_path / "out").close()


def test_opening_sweeps_what_a_kill_left(tmp_path: Path) -> None:
    """Files on their way to their names are gone before the first write, whatever this run saves; files of others stay."""
    with Folder(tmp_path / "out") as folder:
        left = [folder.files().temporary / "body", *(folder.path / name for name in (".crawl.toml.part", "cookies.json.part"))]
        stays = folder.path / "mine.part"
    for path in [*left, stays]:
        path.write_bytes(b"half a")
    with Folder(tmp_path / "out"):
        assert not any(path.exists() for path in left)
        assert stays.exists()


def test_a_removal_that_was_cut_off_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill while `fresh` deletes a crawl leaves none that is half there: the next start, with `fresh` or without, has a new one."""
    path = tmp_path / "out"
    for fresh in (True, False):
        with Folder(path, fresh=True) as folder:
            folder.database.set_meta(identity="old")
            folder.files()
            folder.write("summary.json", "old")
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                Folder(path, fresh=True)
        assert (path / "pages").exists()
        with Folder(path, fresh=fresh) as folder:
            assert folder.database.meta("identity") is None
            assert not (path / "pages").exists()
            assert not (path / "summary.json").exists()


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """summary.json and crawl.toml are whole at every moment: a write that fails, or that Ctrl-C cuts off, leaves what was there, and no
    other file."""
    with Folder(tmp_path / "out") as folder:
        folder.write("summary.json", "old")
        for cut_off, error in ((full, DiskFullError), (killed, KeyboardInterrupt)):
            monkeypatch.setattr(os, "fsync", cut_off)
            with pytest.raises(error):
                folder.write("summary.json", "new")
        assert (folder.path / "summary.json").read_text() == "old"
        assert [path.name for path in folder.path.iterdir() if "part" in path.name] == []


def test_a_small_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """Who reads the old one meanwhile reads it to its end: nothing is written into it."""
    with Folder(tmp_path / "out") as folder:
        folder.write("summary.json", "old")
        with (folder.path / "summary.json").open() as reader:
            folder.write("summary.json", "new")
            assert reader.read() == "old"
        assert (folder.path / "summary.json").read_text() == "new"


def full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_dead_holder_blocks_nobody(tmp_path: Path) -> None:
    """However a holder died, its lock died with it."""
    opening = f"Folder(Path({str(tmp_path / 'out')!r}))"
    code = f"import os; from pathlib import Path; from crawler.store.folder import Folder; {opening}; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (tmp_path / "out" / LOCK_NAME).read_text().strip().isdigit()

    with Folder(tmp_path / "out") as folder:
        assert (folder.path / LOCK_NAME).read_text().strip() == str(os.getpid())


def test_the_workers_of_a_dead_holder_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their lock lives on in their descriptors for the moment that they need to end; while its holder lives nobody waits that long."""
    inherited: list[int] = []
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 100:
            os.close(inherited.pop())

    monkeypatch.setattr(folder_module.time, "sleep", sleep)
    with Folder(tmp_path / "out") as folder:
        inherited.append(os.dup(folder.lock))
        with pytest.raises(FolderInUseError):
            Folder(tmp_path / "out")
    assert len(sleeps) == 20
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "out" / LOCK_NAME).write_text(f"{dead.pid}\n")

    with Folder(tmp_path / "out") as folder:
        assert len(sleeps) == 100
        assert (folder.path / LOCK_NAME).read_text().strip() == str(os.getpid())


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    """`close` may be called again, also by `with`."""
    with Folder(tmp_path / "out") as folder:
        folder.close()


def test_a_refused_folder_is_let_go(tmp_path: Path) -> None:
    """When opening fails the lock is free again."""
    (tmp_path / "crawl.db").write_text("no database at all, but long enough to be looked at as one")
    for _ in range(2):
        with pytest.raises(OutputError, match="no database"):
            Folder(tmp_path)


# Nothing of anybody else


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """A folder that holds other things and no crawl is refused, with `fresh` too."""
    (tmp_path / "thesis.txt").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(OutputError, match="is not a crawl folder"):
            Folder(tmp_path, fresh=fresh)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_fresh_removes_what_a_crawl_made_and_nothing_else(tmp_path: Path) -> None:
    """Database, bodies and reports go; a file that somebody put there stays."""
    with Folder(tmp_path / "out") as folder:
        folder.database.set_meta(a="1")
        files = folder.files()
        files.place(files.stage(b"x"), files.name_of("https://a.test/"))
        folder.write("summary.json", "{}")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with Folder(tmp_path / "out", fresh=True) as folder:
        assert folder.database.meta("a") is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"crawl.db", LOCK_NAME, "notes.txt"}


@pytest.mark.parametrize("name", ["crawl.db", "crawl.log", "crawl.toml", "summary.json", "cookies.json", "pages"])
def test_a_folder_with_links_in_it_is_refused(tmp_path: Path, name: str) -> None:
    """A folder that came from somebody else cannot make us write, or remove, where a link leads."""
    Folder(tmp_path / "out").close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("precious")
    (tmp_path / "out" / name).unlink(missing_ok=True)
    (tmp_path / "out" / name).symlink_to(elsewhere if name == "pages" else elsewhere / "thesis.txt")
    (tmp_path / "out" / "crawl.db").touch()
    with pytest.raises(OutputError, match=f"{name} is a symbolic link"):
        Folder(tmp_path / "out")
    assert [path.read_text() for path in elsewhere.iterdir()] == ["precious"]


def test_fresh_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    """When `pages` is a link to another place, the link goes and the place stays."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    Folder(tmp_path / "out").close()
    (tmp_path / "out" / "pages").symlink_to(elsewhere)

    Folder(tmp_path / "out", fresh=True).close()
    assert (elsewhere / "kept").exists()
    assert not (tmp_path / "out" / "pages").exists()


def test_a_place_where_no_folder_can_be(tmp_path: Path) -> None:
    """A file in the way is an error that names it and a way out."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError) as caught:
        Folder(tmp_path / "out")

    assert str(tmp_path / "out") in caught.value.what
    assert "-o another-folder" in caught.value.hint


def test_a_small_file_is_whole_at_every_moment(tmp_path: Path) -> None:
    """A file of the folder is replaced in one step, and nothing is left beside it."""
    with Folder(tmp_path / "out") as folder:
        folder.write("summary.json", '{"é": 1}')
        folder.write("summary.json", '{"é": 2}')

        assert (folder.path / "summary.json").read_text("utf-8") == '{"é": 2}'
        assert not list(folder.path.glob("*.part")) + list(folder.path.glob(".*.part"))


# One crawl


def test_a_folder_is_one_crawl(database: Database) -> None:
    """The first identity is kept; the same one, in tuples or lists, is the same crawl."""
    assert identify(database, IDENTITY, "out") is True
    assert identify(database, IDENTITY, "out") is False
    assert identify(database, {**IDENTITY, "seeds": ("https://a.test/",)}, "out") is False


def test_another_crawl_is_refused_with_the_differences(database: Database) -> None:
    """The error shows the first difference on both sides and names the others; the stored crawl stays."""
    identify(database, IDENTITY, "out")
    with pytest.raises(DifferentCrawlError) as caught:
        identify(database, {"seeds": ["https://b.test/", "https://c.test/"], "scope": "any", "include": ["x"]}, "out")

    assert (
        caught.value.what
        == "out/ holds another crawl: `seeds` is https://a.test/ there, https://b.test/ https://c.test/ here (and scope, include)"
    )
    assert caught.value.exit_code == 2
    assert identify(database, IDENTITY, "out") is False


def test_a_setting_that_was_not_known_before_counts(database: Database) -> None:
    """What only one side names is a difference, unless it is not set."""
    identify(database, IDENTITY, "out")

    assert identify(database, {**IDENTITY, "strip_query": None}, "out") is False
    with pytest.raises(DifferentCrawlError, match="`strip_query` is not set there, sid here"):
        identify(database, {**IDENTITY, "strip_query": ["sid"]}, "out")


# Runs


def test_every_start_is_a_run(database: Database) -> None:
    """Runs are numbered from one, each with its times in UTC and the reason for its end; one that was killed has none."""
    assert last_end(database) is None
    assert [start_run(database, "1.0", "{}") for _ in range(2)] == [1, 2]
    assert last_end(database) is None
    end_run(database, 2, "page limit", 1.5)
    assert last_end(database) == "page limit"
    assert start_run(database, "1.0", "{}") == 3
    assert last_end(database) is None

    rows = database.connection.execute("SELECT run, started, ended, finish_reason FROM runs ORDER BY run").fetchall()
    assert [(row[0], row[3]) for row in rows] == [(1, None), (2, "page limit"), (3, None)]
    assert datetime.fromisoformat(rows[1][1]) <= datetime.fromisoformat(rows[1][2])
    assert rows[1][2].endswith("Z")


def test_the_boot_is_the_same_while_the_machine_runs() -> None:
    """Two looks in one boot agree."""
    assert boot_id() == boot_id()
