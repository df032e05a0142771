"""`crawler status`: what it prints, beside a crawl that runs and after one that does not."""

import argparse
import fcntl
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import SECONDS, running

from crawler.cli.status import render_status, run, status_line
from crawler.cli.watch import watch
from crawler.errors import OutputError
from crawler.report.status import HostStatus, Status
from crawler.report.summary import ErrorGroup
from crawler.testing import Gate, Site, answer
from tests.report.crawl_folder import CrawlFolder, example

STATUS = Status(
    holder=4711,
    run=2,
    started="2026-11-22T18:40:02.123456Z",
    ended=None,
    finish_reason=None,
    elapsed=41.3,
    queued=312,
    leased=16,
    done=1202,
    failed=2,
    skipped=274,
    pages=1204,
    probes=0,
    ok=1131,
    redirects=40,
    broken=31,
    errors=2,
    requisites=0,
    bytes=41 * 1024 * 1024,
    rate=38.1,
    error_kinds=(ErrorGroup("timeout", 1), ErrorGroup("dns", 1)),
    hosts=25,
    busiest_hosts=(
        HostStatus("example.org", 312, 1131, 0, 0.0, ""),
        HostStatus("cdn.example.org", 0, 71, 2, 0.5, "dns: no such host"),
    ),
)
HOSTILE = "https://example.org/\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n\x7f\u2028" + "x" * 10_000

RUNNING = """\
crawl-example.org/ is being crawled by process 4711      run 2 of 2026-11-22 18:40 UTC · 0:00:41

  1,204 pages   38/s   312 queued   16 leased   41 MB
  ok 1,131 · redirects 40 · broken 31 · errors 2           errors: 1 timeout, 1 dns
  all URLs: queued 312 · leased 16 · done 1,202 · failed 2 · skipped 274

  example.org       1,131 done   312 queued   0 failed   delay 0.0 s
  cdn.example.org      71 done     0 queued   2 failed   given up: dns: no such host
  + 23 hosts"""

RUNNING_40 = """\
crawl-example.org/ is being crawled by
process 4711
run 2 of 2026-11-22 18:40 UTC · 0:00:41

  1,204 pages   38/s   312 queued
  16 leased   41 MB
  ok 1,131 · redirects 40 · broken 31
  errors 2
  errors: 1 timeout, 1 dns
  all URLs: queued 312 · leased 16
  done 1,202 · failed 2 · skipped 274

  example.org    1,131 done   312 queued
    0 failed   delay 0.0 s
  cdn.exam…org      71 done     0 queued
    2 failed
    given up: dns: no such host
  + 23 hosts"""


@pytest.mark.parametrize(("width", "expected"), [(100, RUNNING), (40, RUNNING_40)])
def test_a_running_crawl(width: int, expected: str) -> None:
    """Counts, rate, hosts, and who crawls."""
    assert render_status(STATUS, "crawl-example.org", width) == expected


@pytest.mark.parametrize(
    ("status", "state", "following"),
    [
        (replace(STATUS, holder=0), "is being crawled", None),
        (replace(STATUS, holder=None), "stopped without an end: killed, or the power was lost", "crawler resume crawl-example.org"),
        (replace(STATUS, holder=None, finish_reason="interrupted"), "stopped: interrupted", "crawler resume crawl-example.org"),
        (replace(STATUS, holder=None, finish_reason="page limit"), "stopped: page limit", "crawler resume crawl-example.org --max-pages N"),
        (replace(STATUS, holder=None, finish_reason="queue empty", queued=0, leased=0), "is complete", None),
        (replace(STATUS, holder=None, run=0, started=None, busiest_hosts=()), "was never crawled", None),
    ],
)
def test_why_it_does_not_run(status: Status, state: str, following: str | None) -> None:
    """Each state in words, and the command that goes on where there is something to go on with."""
    text = render_status(status, "crawl-example.org/", 200)
    assert text.startswith(f"crawl-example.org/ {state}")
    assert text.partition("Next: ")[2] == (following or "")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_from_the_web_acts_on_the_terminal(width: int) -> None:
    """Whatever stands in the database is shown, not obeyed."""
    worst = replace(
        STATUS, holder=None, started=HOSTILE, finish_reason=HOSTILE, error_kinds=(ErrorGroup(HOSTILE, 1),),
        busiest_hosts=(HostStatus(HOSTILE, 1, 1, 1, 1.0, HOSTILE),),
    )  # fmt: skip
    for color in (False, True):
        text = re.sub(r"\x1b\[\d?m", "", render_status(worst, HOSTILE, width, color))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """The crawl of `example`, held open as a running crawl holds it."""
    folder = example(tmp_path / "crawl-example.org")
    yield folder
    folder.close()


def status_of(path: Path, as_json: bool = False) -> int:
    return run(argparse.Namespace(folder=str(path), json=as_json, watch=False))


def test_the_text_goes_to_standard_output(folder: CrawlFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what was asked for; nothing else is said."""
    monkeypatch.setenv("COLUMNS", "200")
    assert status_of(folder.path) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{folder.path}/ is complete")
    assert "9 pages   0 queued" in captured.out
    assert captured.err == ""


def test_json_has_all_numbers(folder: CrawlFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """A program need not read the text."""
    assert status_of(folder.path, as_json=True) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["state"], values["pages"], values["holder"], values["finish_reason"]) == ("complete", 9, None, "queue empty")
    assert values["busiest_hosts"][0]["host"] == "example.org"


def test_a_crawl_in_another_process_is_named(folder: CrawlFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """While somebody holds the folder it is running, by whom is told, and the lock is left as it was."""
    path = folder.path / ".lock"
    path.write_text(f"{os.getpid()}\n")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status_of(folder.path)
        assert f"is being crawled by process {os.getpid()}" in capsys.readouterr().out.replace("\n", " ")
        with path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_is_no_crawl_is_an_output_error(tmp_path: Path) -> None:
    """Exit code 6, with the folder, the reason and what to do."""
    for path, why in ((tmp_path / "missing", "there is no such folder"), (tmp_path, r"it has no crawl\.db")):
        with pytest.raises(OutputError, match=rf"is not a crawl\n  {why}\n  try: ") as caught:
            status_of(path)
        assert caught.value.exit_code == 6


def test_a_database_damaged_in_the_middle_is_an_output_error(tmp_path: Path) -> None:
    """What cannot be read to its end is told as such."""
    folder = example(tmp_path / "crawl")
    for number in range(200):
        folder.page(f"https://example.org/{number}", title="t" * 500)
    folder.close()
    path = folder.path / "crawl.db"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(OutputError, match="malformed"):
        status_of(folder.path)


def test_the_command_line_loads_little(folder: CrawlFolder) -> None:
    """`crawler status` answers without the machinery of crawling."""
    program = (
        "import sys; from crawler.cli.main import main; code = main(sys.argv[1:])\n"
        "heavy = ('rich', 'aiohttp', 'asyncio', 'selectolax', 'urllib3', 'ada_url')\n"
        "print([name for name in heavy if name in sys.modules]); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "status", str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "is complete" in done.stdout
    failed = subprocess.run([*command[:-1], f"{folder.path}/none"], capture_output=True, text=True, check=False)
    assert failed.returncode == 6
    assert failed.stderr.startswith("error: ")


# --- watching ---------------------------------------------------------------------------------------------------------


class Looked:
    """A crawl that is looked at: it runs for some looks, then it is complete."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.slept: list[float] = []

    def __call__(self) -> Status:
        self.left -= 1
        return replace(STATUS, pages=100 - self.left, **({} if self.left else {"holder": None, "finish_reason": "queue empty", **EMPTY}))


EMPTY = {"queued": 0, "leased": 0}


def watched(looked: Looked, **more: bool) -> int:
    arguments = argparse.Namespace(folder="crawl-example.org", **{"json": False, **more})
    return watch(looked, render_status, status_line, arguments, looked.slept.append)


def test_watching_a_pipe_writes_a_line_each_and_ends_with_the_crawl(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a control character; the last line says how it ended, and no look comes sooner than a second after the one before."""
    looked = Looked(3)
    assert watched(looked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("   ")[1:3] for line in lines] == [["running", "98 pages"], ["running", "99 pages"], ["complete", "100 pages"]]
    assert "\x1b" not in "".join(lines)
    assert len(looked.slept) == 2
    assert min(looked.slept) >= 1.0


def test_watching_with_json_writes_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of `--json`."""
    watched(Looked(2), json=True)
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["running", "complete"]


def test_watching_on_a_terminal_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each status takes the place of the one before, also of lines that the terminal has wrapped; the last one stays."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    for columns in ("120", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        terminal.truncate(0)
        watched(Looked(2))
        first, second = re.split(r"\x1b\[\d+F\x1b\[J", terminal.getvalue().lstrip("\0"))
        [rows] = re.findall(r"\x1b\[(\d+)F", terminal.getvalue())
        plain = re.sub(r"\x1b\[\d?m", "", first)
        assert int(rows) == sum(max(1, -(-len(line) // int(columns))) for line in plain.removesuffix("\n").split("\n"))
        assert "is complete" in re.sub(r"\x1b\[\d?m", "", second).replace("\n", " ")


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def test_ctrl_c_ends_watching_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 130, nothing on standard error."""
    looked = Looked(9)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    arguments = argparse.Namespace(folder="x", json=False)
    assert watch(looked, render_status, status_line, arguments, interrupted) == 130
    assert capsys.readouterr().err == ""


def test_watching_follows_a_crawl_in_another_process(site: Site, tmp_path: Path) -> None:
    """From another process to the end of the crawl; beside a folder at rest it says how that ended, once."""
    gate = Gate()
    site.page("/", "", links=["/slow"])
    site.page("/slow", answer(200, "x", gate=gate))
    with running("crawl", site.url(), "-o", tmp_path / "out") as crawl:
        site.wait_for("/slow", timeout=SECONDS)
        with running("status", tmp_path / "out", "--watch") as watching:
            assert watching.stdout is not None
            first = watching.stdout.readline()
            gate.open()
            assert crawl.wait(30) == 0
            rest, err = watching.communicate(timeout=30)
    assert "   running   " in first
    assert "   complete   2 pages   0 queued   " in rest.splitlines()[-1]
    assert (watching.returncode, err) == (0, "")
