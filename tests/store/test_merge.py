"""Folders of workers as one crawl: each URL once, as the last holder of its host has it."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from frontiers import request
from running import Capture, run
from spoilt import spoil

from crawler.core.urls import fingerprint
from crawler.errors import OutputError
from crawler.frontier.shared.journal import Journal
from crawler.model import Body, Fetched, HostState, Lease, LinkRow, Page, Record, Refusal, Request, Skipped
from crawler.report.folder import open_folder
from crawler.store.database import Database
from crawler.store.files import PageFiles
from crawler.store.merge import merge_into
from crawler.store.results import ResultStore

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def shard(folder: Path, token: int, pages: dict[str, str], *, acknowledged: bool = True, seed: str = "https://a.test/") -> Path:
    """A worker's folder with pages by path, all fetched under one token."""
    folder.mkdir(parents=True)
    with closing(Database(folder / "crawl.db")) as database:
        database.set_meta(worker=folder.name, identity=f'{{"seeds": ["{seed}"]}}')
        database.connection.execute("INSERT INTO runs (started, version, settings, finish_reason) VALUES ('', '', '{}', 'queue empty')")
        files = PageFiles(folder / "pages")
        store = ResultStore(database, files, 1)
        requests = [request(path, parent="https://a.test/") for path in pages]
        store.write([_record(each, body, files) for each, body in zip(requests, pages.values(), strict=True)])
        journal = Journal(database)
        if acknowledged:
            lease = Lease("a.test", token, 0.0, (), HostState())
            journal.settle(lease, [Fetched(each, ok=True, size=1) for each in requests], replace(HostState(), delay=float(token)))
        journal.refuse([Refusal("https://b.test/", fingerprint("https://b.test/"), "scope", folder.name)])
    return folder


def _record(asked: Request, body: str, files: PageFiles) -> Record:
    links: list[LinkRow] = [(fingerprint(f"https://a.test/{body}-{number}"), "a", "", body) for number in range(2)]
    content = Body(len(body), body.encode(), sha256=hashlib.sha256(body.encode()).hexdigest())
    return Record(Page(asked.url, asked.id, 200, content=content, fetched_at=NOW, title=body, file=files.name_of(asked.url)), links)


def facts(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(open_folder(folder)) as connection:
        return connection.execute(query).fetchall()


TITLES = "SELECT url, title FROM pages ORDER BY url"
MERGED = [("https://a.test/1", "one"), ("https://a.test/2", "new"), ("https://a.test/3", "three"), ("https://a.test/4", "kept")]


@pytest.fixture
def crew(tmp_path: Path) -> Path:
    """A folder with three shards: what the first has of /2 is older, what the third has was never acknowledged."""
    crew = tmp_path / "crew"
    shard(crew / "a", 5, {"/1": "one", "/2": "old"})
    shard(crew / "b", 9, {"/2": "new", "/3": "three"})
    shard(crew / "c", 20, {"/1": "lost", "/4": "kept"}, acknowledged=False)
    return crew


def test_a_folder_of_shards_is_read_as_one_crawl(crew: Path) -> None:
    """Every command that reads sees each URL once, with the highest token, its own links and its own body; counts are those of the rows."""
    assert facts(crew, TITLES) == MERGED
    assert facts(crew, "SELECT p.title, l.text FROM links l JOIN pages p ON p.id = l.src GROUP BY 1, 2 ORDER BY 1") == [
        ("kept", "kept"), ("new", "new"), ("one", "one"), ("three", "three")
    ]  # fmt: skip
    assert facts(crew, "SELECT count(*) FROM links") == [(8,)]
    ranges = "SELECT count(*) FROM pages p JOIN links l ON l.link BETWEEN p.first_link AND p.first_link + p.link_count - 1 AND l.src = p.id"
    assert facts(crew, ranges) == [(8,)]
    assert [(crew / str(file)).read_text() for (file,) in facts(crew, "SELECT file FROM pages ORDER BY url")] == [t for _, t in MERGED]
    assert facts(crew, "SELECT host, done, delay FROM hosts") == [("a.test", 3, 9.0)]
    assert facts(crew, "SELECT state, reason, count(*) FROM urls GROUP BY 1, 2") == [("done", None, 3), ("skipped", "scope", 1)]


def test_who_goes_on_with_a_folder_of_shards_is_one_of_them(capfd: Capture, crew: Path) -> None:
    """The command that is named next is one that works: the folder around them cannot be resumed."""
    for path in sorted(crew.iterdir()):
        with closing(Database(path / "crawl.db")) as database:
            database.connection.execute("UPDATE runs SET finish_reason = 'terminated'")
    for command in ("status", "report"):
        assert f"Next: crawler resume {crew}/a\n" in run(capfd, command, crew).out


def test_what_was_merged_is_read_again_until_a_shard_changes(crew: Path) -> None:
    """The database of all is made once for each state of the shards."""
    facts(crew, TITLES)
    before = (crew / "merged.db").stat().st_mtime_ns
    facts(crew, TITLES)
    assert (crew / "merged.db").stat().st_mtime_ns == before
    shard(crew / "d", 30, {"/5": "late"})
    assert facts(crew, TITLES) == [*MERGED, ("https://a.test/5", "late")]
    assert not list(crew.glob(".merged*"))


def test_merge_makes_a_folder_that_is_whole_by_itself(capfd: Capture, crew: Path, tmp_path: Path) -> None:
    """OUT has all bodies; the order of the shards makes no difference; it is not written into something that is there."""
    for name, shards in (("one", [crew]), ("two", sorted(crew.iterdir(), reverse=True))):
        ended = run(capfd, "merge", tmp_path / name, *shards)
        assert (ended.code, ended.err) == (0, f"{tmp_path / name} holds 4 pages of 3 shards.\n")
        assert facts(tmp_path / name, TITLES) == MERGED
        assert [(tmp_path / name / str(file)).read_text() for (file,) in facts(tmp_path / name, "SELECT file FROM pages ORDER BY url")] == [
            title for _, title in MERGED
        ]
    again = run(capfd, "merge", tmp_path / "one", crew)
    assert (again.code, again.err.splitlines()[0]) == (6, f"error: {tmp_path / 'one'}/ holds something")


def test_a_merge_that_was_killed_is_no_crawl_and_can_be_done_again(crew: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a crawl is not taken for all of it; the same command begins anew, and still not where something else is."""
    out = tmp_path / "out"
    with monkeypatch.context() as broken:
        calls = iter([None, None])
        broken.setattr("crawler.store.merge.os.link", lambda source, target: next(calls))
        with pytest.raises(StopIteration):  # as a kill: nothing is put right behind it
            merge_into(out, sorted(crew.iterdir()))
    with pytest.raises(OutputError):
        open_folder(out)
    merge_into(out, sorted(crew.iterdir()))
    assert facts(out, TITLES) == MERGED
    assert sorted(path.name for path in out.iterdir()) == ["crawl.db", "pages"]
    with pytest.raises(OutputError, match="holds something"):
        merge_into(out, sorted(crew.iterdir()))


@pytest.mark.parametrize(("how", "says"), [("other", "is not a crawl"), ("newer", "has format 2"), ("torn", "is damaged")])
def test_a_merge_that_fails_names_the_shard_and_leaves_nothing(capfd: Capture, crew: Path, tmp_path: Path, how: str, says: str) -> None:
    """A shard of something else, of a newer format or damaged ends a merge with exit 6; OUT is not there, or empty as before, so that the
    same command can be tried again. Those who read the folder of all are told of the same shard."""
    spoil(crew / "b", how)
    (tmp_path / "two").mkdir()
    for out in ("one", "two"):
        ended = run(capfd, "merge", tmp_path / out, *sorted(crew.iterdir()))
        assert (ended.code, ended.err.splitlines()[0].partition(": ")[2]) == (6, f"{crew / 'b' / 'crawl.db'} {says}")
        assert not list((tmp_path / out).glob("*"))
        assert (tmp_path / out).exists() is (out == "two")
    if how == "torn":
        with pytest.raises(OutputError, match=r"b/crawl\.db is damaged"):
            open_folder(crew)


def test_a_glob_of_the_shell_names_the_shards(capfd: Capture, crew: Path, tmp_path: Path) -> None:
    """`merge OUT crew/*` does what `merge OUT crew` does, also when a reader has left its merged.db there; alone, that file is none, and
    neither is any other file."""
    facts(crew, TITLES)
    assert (crew / "merged.db").is_file()
    ended = run(capfd, "merge", tmp_path / "out", *sorted(crew.iterdir()))
    assert (ended.code, "3 shards" in ended.err, facts(tmp_path / "out", TITLES)) == (0, True, MERGED)
    alone = run(capfd, "merge", tmp_path / "other", crew / "merged.db")
    assert (alone.code, f"try: crawler merge {tmp_path / 'other'} {crew}\n" in alone.err) == (6, True)
    (crew / "notes.txt").touch()
    other = run(capfd, "merge", tmp_path / "other", *sorted(crew.iterdir()))
    assert (other.code, "notes.txt is not a crawl\n  it is a file\n" in other.err) == (6, True)


def test_shards_of_two_crawls_are_none_of_one(crew: Path, tmp_path: Path) -> None:
    """A folder with several crawls in it is no crawl; merging them by name is refused."""
    other = shard(crew / "x", 1, {"/1": "one"}, seed="https://x.test/")
    with pytest.raises(OutputError, match="is not a crawl"):
        open_folder(crew)
    with pytest.raises(OutputError, match="belongs to another crawl"):
        merge_into(tmp_path / "out", [crew / "a", other])


def test_a_later_end_counts(tmp_path: Path) -> None:
    """A URL that was skipped by one and fetched by the next holder of its host was fetched."""
    first, second = shard(tmp_path / "crew" / "a", 1, {}), shard(tmp_path / "crew" / "b", 2, {"/1": "one"})
    with closing(Database(first / "crawl.db")) as database:
        Journal(database).settle(Lease("a.test", 1, 0.0, (), HostState()), [Skipped(request("/1"), "robots", "line 1")], HostState())

    assert second.exists()
    assert facts(tmp_path / "crew", "SELECT state, reason FROM urls WHERE host = 'a.test'") == [("done", None)]
