"""What crawl.log promises to whoever reads it afterwards."""

import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import DiskFullError, OutputError
from crawler.redaction import redact
from crawler.store.log import EventLog

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)


def at_noon() -> datetime:
    return NOON


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crawl.log"


@pytest.fixture
def log(path: Path) -> EventLog:
    return EventLog(path, at_noon)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_an_event_is_one_line_of_json(log: EventLog, path: Path) -> None:
    """A line begins with the time in UTC and the name of the event; the facts follow in their order."""
    log.write("host closed", host="example.org", failures=20, delay=0.5, kind=None)
    assert path.read_text() == (
        '{"time": "2026-11-22T12:00:00.123Z", "event": "host closed", "host": "example.org", "failures": 20, "delay": 0.5, "kind": null}\n'
    )


def test_times_are_utc_whatever_the_clock_says(path: Path) -> None:
    """A clock in another zone gives the same line."""
    EventLog(path, lambda: NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))).write("start")
    assert lines(path) == [{"time": "2026-11-22T12:00:00.123Z", "event": "start"}]


def test_a_line_can_be_read_as_soon_as_it_is_written(log: EventLog, path: Path) -> None:
    """Nothing waits in a buffer: after a kill -9 every event that was written is there."""
    for number in range(3):
        log.write("tick", number=number)
        assert len(lines(path)) == number + 1


def test_facts_cannot_pose_as_the_time_or_the_event(log: EventLog, path: Path) -> None:
    """`time` and `event` are the log's own, and a fact may be called anything else."""
    log.write("start", self="me", path="p", time="never", event="forged")
    assert lines(path) == [{"time": "2026-11-22T12:00:00.123Z", "event": "start", "self": "me", "path": "p"}]


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J\x1b]0;owned\x07", "a\nb\r\nc", '", "event": "forged', "\u202eexe.txt", "\x9b31m", "\x7f", "\ud800", "\x00", "x" * 10_000],
)
def test_what_comes_from_the_web_acts_on_no_terminal(log: EventLog, path: Path, hostile: str) -> None:
    """The file holds printable ASCII and line ends only, one event a line, and the text comes back whole."""
    log.write("page", title=hostile)
    raw = path.read_bytes()
    assert set(raw) <= {10, *range(32, 127)}
    assert raw.count(b"\n") == 1
    assert lines(path)[0]["title"] == hostile
    assert lines(path)[0]["event"] == "page"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_fact_becomes_one_line(tmp_path_factory: pytest.TempPathFactory, fact: object) -> None:
    """Whatever is handed over, strict JSON without NaN comes out, on one line."""
    path = tmp_path_factory.mktemp("log") / "crawl.log"
    with EventLog(path, at_noon) as log:
        log.write("fact", fact=fact)
    raw = path.read_bytes()
    assert raw.count(b"\n") == 1
    assert set(raw) <= {10, *range(32, 127)}
    json.loads(raw, parse_constant=pytest.fail)


def test_values_of_other_types_are_told_as_text(log: EventLog, path: Path) -> None:
    """A path, a date, a set, an exception: what a person would write."""
    log.write("mixed", file=Path("pages/a"), when=NOON, kinds=frozenset({"dns"}), error=ValueError("no"), raw=b"\xff!", size=float("inf"))
    assert lines(path)[0] | {"time": 0, "event": 0} == {
        "time": 0, "event": 0, "file": "pages/a", "when": "2026-11-22T12:00:00.123456+00:00", "kinds": ["dns"], "error": "no",
        "raw": "\\xff!", "size": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@example.org/a", "https://***@example.org/a"),
        ("https://me@example.org", "https://***@example.org"),
        ("http://me:p@ss@example.org/", "http://***@example.org/"),
        ("asked https://a:b@x.org/ then ftp://c:d@y.org/", "asked https://***@x.org/ then ftp://***@y.org/"),
        ("socks5://u:p@127.0.0.1:1080", "socks5://***@127.0.0.1:1080"),
        ("https://me:sec%40ret@[::1]:8080/?q=1", "https://***@[::1]:8080/?q=1"),
        ("https://me:secret@", "https://***@"),
        # An @ behind the authority is part of the path, the query or the fragment.
        ("https://example.org/@me", "https://example.org/@me"),
        ("https://example.org?mail=me@example.org", "https://example.org?mail=me@example.org"),
        ("https://example.org#a@b", "https://example.org#a@b"),
        ("https://example.org\\@evil.example", "https://example.org\\@evil.example"),
        ("see https://example.org or write to me@example.org", "see https://example.org or write to me@example.org"),
        ("me@example.org", "me@example.org"),
        ("", ""),
    ],
)
def test_redact(text: str, expected: str) -> None:
    """User information is gone from every URL of a text, and nothing else is."""
    assert redact(text) == expected


def test_redact_takes_linear_time() -> None:
    """A text made to slow down a pattern matcher does not."""
    for hostile in ("://" * 100_000 + "@", "a" * 300_000 + "@", "://" + "a" * 300_000, "://@" * 100_000):
        redact(hostile)


def test_secrets_in_nested_facts_are_redacted(log: EventLog, path: Path) -> None:
    """A password reaches the file by no way: not in lists, mappings, keys, bytes or exceptions."""
    url = "https://me:secret@example.org/"
    log.write("proxy", url=url, all=[url, {url: (url,)}], raw=url.encode(), error=OSError(url))
    assert "secret" not in path.read_text()
    assert path.read_text().count("***@example.org") == 6


def test_a_log_goes_on_where_it_ended(log: EventLog, path: Path) -> None:
    """A resumed crawl appends to the log it finds."""
    log.write("first")
    log.close()
    log.close()
    with EventLog(path, at_noon) as again:
        again.write("second")
    assert [line["event"] for line in lines(path)] == ["first", "second"]


def test_a_line_cut_by_a_kill_spoils_no_other(path: Path) -> None:
    """The first event after a kill in the middle of a line stands on its own line."""
    path.write_text('{"time": "2026-11-22T11:59:59.000Z", "event": "ha')
    EventLog(path, at_noon).write("start")
    assert json.loads(path.read_text().splitlines()[1])["event"] == "start"


def test_rotation_keeps_the_newest_files(path: Path) -> None:
    """A file ends before it grows beyond the limit; three old ones stay, newest first, and no event is torn or out of order."""
    line = len('{"time": "2026-11-22T12:00:00.123Z", "event": "tick", "number": 10}\n')
    with EventLog(path, at_noon, max_bytes=2 * line) as log:
        for number in range(10, 21):
            log.write("tick", number=number)
    kept = [path, *(path.with_name(f"crawl.log.{number}") for number in (1, 2, 3))]
    assert [[entry["number"] for entry in lines(file)] for file in kept] == [[20], [18, 19], [16, 17], [14, 15]]
    assert sorted(path.parent.iterdir()) == sorted(kept)


def test_a_reopened_log_counts_what_is_there(path: Path) -> None:
    """The limit is one of the file, not of the process."""
    for _ in range(3):
        with EventLog(path, at_noon, max_bytes=100) as log:
            log.write("tick", text="x" * 30)
    assert len(lines(path)) == 1
    assert len(lines(path.with_name("crawl.log.1"))) == 1


def test_a_line_longer_than_the_limit_is_written_whole(path: Path) -> None:
    """One huge event makes one huge file rather than half an event."""
    with EventLog(path, at_noon, max_bytes=10) as log:
        log.write("huge", text="x" * 100)
        log.write("next")
    assert [line["event"] for line in lines(path)] == ["next"]
    assert [line["event"] for line in lines(path.with_name("crawl.log.1"))] == ["huge"]


def test_without_old_files_to_keep_it_begins_anew(path: Path) -> None:
    """`keep` 0 leaves one file."""
    with EventLog(path, at_noon, max_bytes=10, keep=0) as log:
        log.write("first")
        log.write("second")
    assert [line["event"] for line in lines(path)] == ["second"]
    assert list(path.parent.iterdir()) == [path]


def failing(number: int) -> Callable[[int, bytes], int]:
    def write(_descriptor: int, _data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_one(log: EventLog, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No room, or no quota: DiskFullError, which a crawl can pause on."""
    monkeypatch.setattr("crawler.store.log.os.write", failing(number))
    with pytest.raises(DiskFullError, match=r"crawl\.log"):
        log.write("start")


def test_other_failures_name_the_file(tmp_path: Path, log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is not there, a disk that fails: OutputError with the path and the reason."""
    with pytest.raises(OutputError, match=r"missing/crawl\.log"):
        EventLog(tmp_path / "missing" / "crawl.log")
    monkeypatch.setattr("crawler.store.log.os.write", failing(errno.EIO))
    with pytest.raises(OutputError, match=r"crawl\.log") as caught:
        log.write("start")
    assert not isinstance(caught.value, DiskFullError)


def test_a_write_that_comes_to_pass_in_pieces_is_whole(log: EventLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system may take less than it was given."""
    write = os.write
    monkeypatch.setattr("crawler.store.log.os.write", lambda descriptor, data: write(descriptor, data[:7]))
    log.write("start", url="https://example.org/")
    assert lines(path)[0]["url"] == "https://example.org/"
