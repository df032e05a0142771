"""`crawler bench`: a table that can be trusted, figures for programs, and nobody's server measured without being asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import ended, running, wait_until

from crawler.bench.pages import Shape, generate, shape_of
from crawler.cli.bench import is_loopback
from crawler.cli.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
Capture = pytest.CaptureFixture[str]


def test_a_tiny_site(tmp_path: Path) -> None:
    """Serves a site, runs each mode on it, prints the table on standard output and writes bench.json; all else is talk."""
    words = ["bench", "--pages", "20", "--latency", "0", "--size", "4KB", "--repeat", "1", "--modes", "sync,8", "--errors", "10%"]
    command = [sys.executable, "-m", "crawler", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    head, sync, many = done.stdout.strip("\n").splitlines()[:3]
    assert re.split(r"\s{3,}", head.strip())[:3] == ["mode", "wall s (median, min-max)", "pages/s"]
    assert re.match(r"  sync \(one at a time\) +\d+\.\d+ \(\d+\.\d+-\d+\.\d+\) ", sync)
    assert re.match(r"  async 8 +\d+\.\d+ ", many)
    assert (sync + many).count("<- best") == 1
    assert "All modes fetched the same 20 URLs with the same bytes (digests compared)." in done.stdout
    assert "1/3  warm-up\n" in done.stderr
    assert "; 2 of them fail or are slow\n" in done.stderr
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr
    found = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert [mode["mode"] for mode in found["modes"]] == ["sync", "8"]
    assert (found["pages"], found["site"]["pages"], found["site"]["url"]) == (20, 20, None)
    assert sorted(os.listdir(tmp_path)) == ["bench.json", "bench.svg"], "and nothing else"


def test_json_is_all_that_standard_output_gets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture) -> None:
    """A program that reads us gets bench.json."""
    assert main(f"bench --pages 3 --latency 0 --size 1KB --repeat 1 --modes 2 --json -o {tmp_path / 'new'}".split()) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads((tmp_path / "new" / "bench.json").read_text("utf-8"))
    assert "Measuring on a generated site: 3 pages of 1.0 KB with 5 links, answered at once" in printed.err
    assert "robots.txt obeyed, no other delay, the requests at once are all for its host" in printed.err


def test_many_pages_of_somebody_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """More than a hundred only with --yes; said before anything is asked, exit 2."""
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "https://example.org", "--repeat", "2", "--modes", "sync,32"]) == 2
    assert capsys.readouterr().err == (
        "error: 500 pages of example.org are more than 100\n"
        "  each is fetched 5 times, as quickly as the server can; only its owner should ask for that\n"
        "  try: --pages 100, or --yes when the site is yours\n"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("flag", ["--latency=5ms", "--size=4KB", "--errors=1%"])
def test_what_only_a_generated_site_can_be_told(flag: str, tmp_path: Path, capsys: Capture) -> None:
    """With a URL it would change nothing: exit 2, before anything is asked or written."""
    assert main(["bench", "http://127.0.0.1:1", flag, "-o", str(tmp_path / "new")]) == 2
    name = flag.partition("=")[0]
    assert capsys.readouterr().err == (
        f"error: {name} is of a generated site, not of http://127.0.0.1:1/\n"
        "  it answers as it does\n"
        f"  try: crawler bench {name} …, without a URL\n"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("wrong", ["--modes=", "--modes=,", "--modes=sync,0", "--size=1023", "--size=0", "--errors=51%", "--repeat=0"])
def test_what_cannot_be_measured(wrong: str, tmp_path: Path, capsys: Capture) -> None:
    """Usage errors in three lines, before anything is asked or written: exit 2."""
    assert main(["bench", wrong, "-o", str(tmp_path / "new")]) == 2
    name = wrong.partition("=")[0]
    said = capsys.readouterr().err.splitlines()
    assert (said[0].startswith(f"error: `{name}` cannot be "), said[2].startswith(f"  try: {name} "), len(said)) == (True, True, 3)
    assert os.listdir(tmp_path) == []


def test_a_folder_is_made_when_there_is_something_for_it(tmp_path: Path, capsys: Capture) -> None:
    """A site that gives nothing leaves no empty folders."""
    assert main(["bench", "http://127.0.0.1:9/", "--pages", "2", "--modes", "2", "-o", str(tmp_path / "new" / "folder")]) == 3
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [1024, 4096, 20_000, 100_000])
def test_pages_are_as_large_as_was_asked_for(size: int) -> None:
    """Every one, to the byte: small ones have fewer links, or their hrefs alone would be more."""
    assert {len(body) for _, body in generate(shape_of(500, size))} == {size}
    assert shape_of(500, 30 * 1024) == Shape(), "the typical site"


def test_a_signal_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM in the middle of a crawl: neither its folder stays nor who crawls."""
    (tmp_path / "scratch").mkdir()
    words = ("bench", "--pages", 50, "--latency", "10s", "-o", tmp_path)
    with running(*words, environment={"TMPDIR": str(tmp_path / "scratch")}, start_new_session=True) as process:
        wait_until(lambda: list(tmp_path.glob("scratch/*/0/crawl.db")), process)
        process.send_signal(signal.SIGTERM)
        ran = ended(process)
        assert (ran.code, ran.err.splitlines()[-1]) == (143, "terminated")
        assert list(tmp_path.rglob("*")) == [tmp_path / "scratch"]
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("a.localhost", True),
     ("10.0.0.1", False), ("example.org", False), ("localhost.example.org", False), ("127.0.0.1.example.org", False)],
)  # fmt: skip
def test_what_this_machine_is(host: str, loopback: bool) -> None:
    """Told by the name, without asking anybody."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(("name", "text"), [("bench.json", '[{"ops": 1}]'), ("bench.svg", "<svg/>")])
def test_a_file_of_others_is_not_replaced(name: str, text: str, tmp_path: Path, capsys: Capture) -> None:
    """Others use these names too; found out before the minutes of measuring, exit 6."""
    (tmp_path / name).write_text(text)
    assert main(["bench", "-o", str(tmp_path)]) == 6
    assert f"error: {tmp_path / name} is not of this program\n" in capsys.readouterr().err
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == text

    (tmp_path / "file").write_text("")
    assert main(["bench", "-o", str(tmp_path / "file")]) == 6
    assert "error: cannot write " in capsys.readouterr().err
