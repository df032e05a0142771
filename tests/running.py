"""Runs the command line as people do, and looks into the folder that it leaves behind."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest

from crawler.cli.main import main

# What the surroundings may say about a crawl; a test says it itself.
_SURROUNDINGS = ("CRAWLER_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
SECONDS = 60
"""How long a process may take before a test calls it stuck."""

Capture = pytest.CaptureFixture[str]


class Ran(NamedTuple):
    """A finished command: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def is_surrounding(name: str) -> bool:
    """Whether an environment variable would change what a command does."""
    return name.upper().startswith(_SURROUNDINGS)


@pytest.fixture
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment changes what a command does."""
    for name in filter(is_surrounding, list(os.environ)):
        monkeypatch.delenv(name)


def run(capfd: Capture, *words: object) -> Ran:
    """A command line in this process: much quicker than one of its own, and the same but for a process that ends itself."""
    capfd.readouterr()
    with patch.multiple("crawler.cli.signals", PATIENCE=SECONDS, IMPATIENCE=SECONDS):
        code = main([str(word) for word in words])
    gc.collect()
    return Ran(code, *capfd.readouterr())


def start(*words: object, environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    """A command line in a process of its own, with pipes for what it writes."""
    own = {name: value for name, value in os.environ.items() if not is_surrounding(name)}
    command = [sys.executable, "-m", "crawler", *map(str, words)]
    defaults: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=own | dict(environment or {}), **(defaults | options))


def ended(process: subprocess.Popen[str], given: str | None = None) -> Ran:
    """Waits for a process; it is killed when it does not end by itself."""
    try:
        out, err = process.communicate(given, timeout=SECONDS)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Ran(process.returncode, out or "", err or "")


@contextlib.contextmanager
def running(*words: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A command line in a process of its own that is gone when the test is over."""
    process = start(*words, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Waits for what a process does, looking as seldom as takes no time from it; fails when that ends without."""
    while not happened():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            assert happened(), f"the process ended with {process.returncode}"


def rows(folder: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query on the folder's database says."""
    with closing(sqlite3.connect(folder / "crawl.db")) as connection:
        return connection.execute(query, values).fetchall()


def value(folder: Path, query: str, *values: object) -> Any:
    """The one value that a query on the folder's database gives."""
    [[found]] = rows(folder, query, *values)
    return found


def stored(folder: Path) -> list[str]:
    """The URLs in `pages`, sorted, with repetitions."""
    return [url for (url,) in rows(folder, "SELECT url FROM pages ORDER BY url")]


def assert_at_rest(folder: Path) -> None:
    """The database is whole, nothing is leased, no URL is there twice, and every saved body is what its row says."""
    found = {
        "integrity": rows(folder, "PRAGMA integrity_check"),
        "leased hosts": rows(folder, "SELECT host, leased_until FROM hosts WHERE leased_until IS NOT NULL"),
        "leased URLs": rows(folder, "SELECT url FROM urls WHERE state = 'leased'"),
        "stored twice": rows(folder, "SELECT url, count(*) FROM pages GROUP BY url HAVING count(*) > 1"),
        "temporary files": [path.name for path in (folder / "pages").glob(".tmp/*")],
        "wrong bodies": wrong_bodies(folder),
    }
    wrong = {name: what for name, what in found.items() if what not in ([], [("ok",)])}
    assert not wrong, f"{folder} is not at rest: {wrong}"


def wrong_bodies(folder: Path) -> list[str]:
    """The saved files that are not what their rows say, or not there."""
    bodies = rows(folder, "SELECT file, sha256, bytes FROM pages WHERE file IS NOT NULL")
    return [file for file, *facts in bodies if facts != _body(folder / file)]


def _body(path: Path) -> list[object]:
    body = path.read_bytes() if path.is_file() else b""
    return [hashlib.sha256(body).hexdigest(), len(body)]


def error_lines(text: str) -> Sequence[str]:
    """The one error among what was written, line by line: what, why, what to try. Fails when there is a traceback or a second one."""
    assert "Traceback" not in text, text
    lines = text.rstrip("\n").split("\n")
    [at] = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return lines[at:]
