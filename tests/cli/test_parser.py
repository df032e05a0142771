"""What is typed is understood: commands, flags with all their spellings, URLs anywhere; and what is mistyped is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import main as command_line
from crawler.cli.arguments import parser_of
from crawler.cli.commands import COMMANDS
from crawler.cli.completion import flags_of, script
from crawler.cli.help import SHORT, text_of
from crawler.cli.main import command_of
from crawler.cli.parser import settings_from
from crawler.errors import UsageError
from crawler.settings import OPTIONS, Settings

Screens = pytest.CaptureFixture[str]


def given(*words: str) -> dict[str, Any]:
    """The settings that `crawler crawl` was given, as they came."""
    arguments = vars(parser_of("crawl").read(words))
    return {name: value for name, value in arguments.items() if name in OPTIONS}


def settings(*words: str) -> Settings:
    return settings_from(parser_of("crawl").read(words), {}).settings


# Flags


def test_only_what_was_typed_is_in_the_result() -> None:
    """A setting that was not typed cannot cover a file's or the environment's."""
    assert given() == {}
    assert given("https://a.org", "-c", "5") == {"seeds": ["https://a.org"], "concurrency": "5"}


def test_urls_and_flags_in_any_order() -> None:
    """Between, before and after the flags."""
    assert given("https://a.org", "-d", "1", "https://b.org", "--fresh", "c.org")["seeds"] == ["https://a.org", "https://b.org", "c.org"]
    assert given("-d", "1", "--", "https://a.org")["seeds"] == ["https://a.org"]


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("-l 3", "max_depth", 3), ("--level 3", "max_depth", 3), ("--depth 3", "max_depth", 3), ("-d0", "max_depth", 0),
        ("--wait 2", "delay", 2.0), ("--tries 3", "retries", 2), ("--tries=1", "retries", 0), ("-np", "scope", "prefix"),
        ("--no-robots", "robots", "ignore"), ("--no-cookies", "cookie_jar", False), ("--cookie-jar", "cookie_jar", True),
        ("--no-adaptive", "adaptive", False), ("--insecure", "insecure", True), ("--insecure --no-insecure", "insecure", False),
        ("-vv", "verbose", 2), ("-v -v", "verbose", 2), ("-q", "quiet", True), ("--max-pages none", "max_pages", None),
        ("--scope page --scope any", "scope", "any"), ("--strip-query a,b --strip-query c", "strip_query", ("a", "b", "c")),
        ("--include /a,b/ --include /c/", "include", ("/a,b/", "/c/")), ("--fail-on broken,503", "fail_on", ("broken", "503")),
        ("-H A:b --header C:d", "header", (("A", "b"), ("C", "d"))), ("--extract p=b::text", "extract", (("p", "b::text"),)),
        ("-T 5s", "timeout", 5.0), ("-o out", "output", "out"), ("-U me/1", "user_agent", "me/1"),
    ],
)  # fmt: skip
def test_spellings(words: str, name: str, value: object) -> None:
    """Short and long flags, their aliases of other programs, switches and their --no- forms, lists."""
    assert getattr(settings(*words.split()), name) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--wait", "x"], "`--wait` cannot be 'x'\n  expected seconds (10s, 2m, 1h)\n  try: --wait 0.5"),
        (["--delay", "-1"], "`--delay` cannot be '-1'\n  expected seconds (10s, 2m, 1h)\n  try: --delay 0.5"),
        (["--tries", "0"], "`--tries` cannot be '0'\n  expected a whole number of at least 1\n  try: --tries 3"),
        (["-d", "x"], "`-d` cannot be 'x'\n  expected a whole number or none\n  try: -d 3"),
        (["--include", "("],
         "`--include` cannot be '('\n"
         "  expected a regular expression; missing ), unterminated subpattern at position 0\n"
         "  try: --include '\\('"),
        (["--delay"], "`--delay` needs a value\n  usage: crawler crawl URL... [options]\n  try: crawler crawl --help"),
        (["--fresh=yes"], "`--fresh` takes no value, and has 'yes'\n  usage: crawler crawl URL... [options]\n  try: crawler crawl --help"),
        (["--concurency", "3"], "there is no flag --concurency\n  did you mean --concurrency?\n  try: crawler crawl --help"),
        (["--max-page=3"], "there is no flag --max-page\n  did you mean --max-pages?\n  try: crawler crawl --help"),
        (["-z"], "there is no flag -z\n  usage: crawler crawl URL... [options]\n  try: crawler crawl --help"),
        (["--max"], "there is no flag --max\n  did you mean --max-time?\n  try: crawler crawl --help"),
    ],
)  # fmt: skip
def test_wrong_flags(words: list[str], message: str) -> None:
    """The flag is named as it was typed; no flag may be shortened, so that a new one breaks nobody's scripts."""
    with pytest.raises(UsageError) as caught:
        settings(*words)
    assert str(caught.value) == message


def test_resume_changes_limits_and_speed_but_not_the_crawl() -> None:
    """Seeds, scope and what is kept stay; everything else may be given anew."""
    arguments = parser_of("resume").read(["out", "--max-pages", "9", "-c", "2", "-H", "Cookie: a=b", "-q"])
    assert arguments.folder == "out"
    assert settings_from(arguments, {}).settings == Settings(max_pages=9, concurrency=2, header=(("Cookie", "a=b"),), quiet=True)

    taken = {action.dest for action in parser_of("resume")._actions}
    assert not taken & {name for name, option in OPTIONS.items() if option.fixed}
    for flag in ("--scope", "--fresh", "-o"):
        with pytest.raises(UsageError, match=f"{flag} cannot change when a crawl goes on"):
            parser_of("resume").read(["out", flag])


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        ("status", "out", {"folder": "out", "json": False, "debug": False}),
        ("demo", "", {"port": None, "pages": 200, "latency": 0.0, "size": 30 * 1024, "crawl": False}),
        ("demo", "--port 0 --size 1KB --crawl -c 3", {"port": 0, "size": 1024, "crawl": True, "concurrency": "3"}),
        ("bench", "", {"url": None, "pages": 500, "latency": 0.05, "size": 30 * 1024, "errors": 0.0, "repeat": 5}),
        ("bench", "", {"modes": ("sync", "1", "8", "32", "128"), "yes": False}),
        ("bench", "--errors 5%", {"errors": 0.05}),
        ("bench", "--errors .5 --modes 8", {"errors": 0.5, "modes": ("8",)}),
        ("bench", "http://a.org --modes sync,async:8 --yes", {"url": "http://a.org", "modes": ("sync", "8"), "yes": True, "json": False}),
        ("completion", "bash", {"shell": "bash"}),
    ],
)  # fmt: skip
def test_arguments_of_the_other_commands(command: str, words: str, expected: dict[str, object]) -> None:
    """Read and checked, with their defaults."""
    arguments = vars(parser_of(command).read(words.split()))
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("resume", "", "DIR is missing\n  usage: crawler resume DIR [options]\n  try: crawler resume --help"),
        (
            "status",
            "a b",
            "`b` is one argument too many\n  usage: crawler status DIR | --frontier URL [--name NAME] [--json] [--watch]\n  try: ",
        ),
        ("demo", "--port 70000", "`--port` cannot be '70000'\n  expected a whole number, at most 65,535\n  try: --port 8000"),
        (
            "bench",
            "--modes sync,fast",
            "`--modes` cannot be 'fast'\n  expected sync or numbers of requests at once\n  try: --modes sync,1,32,128",
        ),
        ("bench", "--errors 60%", "`--errors` cannot be '60%'\n  expected a part of the pages up to a half\n  try: --errors 5%"),
        ("bench", "--errors nan", "`--errors` cannot be 'nan'\n  expected a part of the pages up to a half\n  try: --errors 5%"),
        ("completion", "bsh", "'bsh' means nothing here\n  expected bash, zsh or fish; did you mean bash?\n  try: crawler completion bash"),
    ],
)
def test_wrong_arguments_of_the_other_commands(command: str, words: str, message: str) -> None:
    """Named like those of crawl."""
    with pytest.raises(UsageError) as caught:
        parser_of(command).read(words.split())
    assert str(caught.value).startswith(message)


# Commands


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("crawl a", "crawl"), ("status a", "status"), ("example.org", "crawl"), ("https://example.org", "crawl"), ("localhost", "crawl"),
        ("localhost:8000", "crawl"), ("example.org/docs", "crawl"), ("[::1]", "crawl"), ("-d 1 example.org", "crawl"),
    ],
)  # fmt: skip
def test_a_url_alone_is_crawled(words: str, command: str) -> None:
    """The first word is a command, or what to crawl."""
    assert command_of(words.split())[0] == command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("crwal example.org", "error: there is no command 'crwal'\n  did you mean crawl?\n  try: crawler crawl …\n"),
        ("intranet", "error: there is no command 'intranet'\n"
         f"  there are {', '.join(COMMANDS)}\n"
         "  try: crawler crawl intranet, if it is a host\n"),
        ("-q status out", "error: flags come after the command: status\n  a flag first means `crawler crawl`\n  try: crawler status …\n"),
        ("ex\x1b31m", "error: there is no command 'ex\\x1b31m'\n"),
        ("http://ex\x1b[31m",
         "error: `URL` cannot be 'http://ex\\x1b[31m'\n  expected a URL; it holds a control character\n  try: crawler https://example.org\n"),
    ],
)  # fmt: skip
def test_mistyped_commands(words: str, message: str, capsys: Screens) -> None:
    """The nearest command is offered; exit 2; nothing on standard output."""
    assert command_line.main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert printed.out == ""


def test_the_command_runs_with_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its function is given what was typed, and what it returns is the exit code."""
    seen: list[Namespace] = []

    def run(arguments: Namespace) -> int:
        seen.append(arguments)
        return 5

    monkeypatch.setattr("crawler.cli.completion.run", run)
    assert command_line.main(["completion", "fish"]) == 5
    assert seen[0].shell == "fish"


def test_every_command_is_known_to_the_parser_and_has_help() -> None:
    """Nothing in the table is without arguments, help and usage."""
    for name in COMMANDS:
        assert text_of(name).startswith(f"usage: crawler {name} ")


# Help


def test_the_short_help_fits_one_screen(capsys: Screens) -> None:
    """24 lines of 80 columns: synopsis, three examples, a dozen options; the same for `crawler crawl -h`."""
    assert command_line.main(["-h"]) == 0
    printed = capsys.readouterr().out
    assert command_line.main(["crawl", "-h"]) == 0
    assert capsys.readouterr().out == printed == f"{SHORT}\n"
    assert len(printed.splitlines()) <= 24
    assert max(len(line) for line in printed.splitlines()) <= 80


def test_the_examples_of_the_short_help_work() -> None:
    """What is shown can be typed, and every flag that is named exists."""
    flags = {text for action in parser_of("crawl")._actions for text in action.option_strings}
    for line in SHORT.splitlines()[3:6]:
        words = line.strip().split("  ")[0].split()
        assert words[0] == "crawler"
        parser_of("crawl").read(words[1:])
    assert {word.strip(",;") for word in SHORT.split() if word.startswith("-")} <= flags


def test_the_long_help_has_everything_in_groups(capsys: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flag and command, in 80 columns where the terminal has 80."""
    monkeypatch.setenv("COLUMNS", "80")
    assert command_line.main(["--help"]) == 0
    printed = capsys.readouterr().out
    groups = [line[:-1] for line in printed.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert groups == ["commands", "arguments", "options", *dict.fromkeys(option.group for option in OPTIONS.values())]
    for option in OPTIONS.values():
        for flag in (*option.flags, *(alias.flag for alias in option.aliases)) if option.typed else ():
            assert flag in printed
    assert all(f"\n  {name} " in printed for name in COMMANDS)
    assert max(len(line) for line in printed.splitlines()) <= 80


def test_help_of_a_command(capsys: Screens) -> None:
    """`crawler status -h`, `--help` and `crawler help status` are the same."""
    pages = []
    for words in (["status", "-h"], ["status", "--help"], ["help", "status"]):
        assert command_line.main(words) == 0
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1] == pages[2]
    assert pages[0].startswith("usage: crawler status DIR | --frontier URL [--name NAME] [--json] [--watch]\n\nHow far a crawl is,")


def test_nothing_typed_is_answered_with_the_short_help(capsys: Screens) -> None:
    """On standard error, exit 2."""
    assert command_line.main([]) == 2
    assert capsys.readouterr() == ("", f"{SHORT}\n")


# Start


def loaded_by(*words: str) -> set[str]:
    """The modules that a command line loads, asked in a process of its own."""
    code = (
        f"import sys; sys.argv = {['crawler', *words]!r}; from crawler.__main__ import main; main(); print(*sys.modules, file=sys.stderr)"
    )
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split())


def test_version_loads_next_to_nothing() -> None:
    """Not even argparse."""
    assert not loaded_by("--version") & {"argparse", "dataclasses", "asyncio", "crawler.settings", "crawler.cli"}


def test_help_loads_nothing_heavy() -> None:
    """Everything heavy waits until a command needs it; the short help needs no parser."""
    assert not loaded_by("--help") & {
        "asyncio",
        "aiohttp",
        "rich",
        "selectolax",
        "sqlite3",
        "ada_url",
        "socket",
        "ssl",
        "pathlib",
        "tomllib",
    }
    assert not loaded_by("-h") & {"argparse", "dataclasses", "crawler.settings"}


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_flag_and_command(shell: str, capsys: Screens) -> None:
    """All that help shows can be completed, and a shell that is here finds no fault with its script."""
    assert command_line.main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert printed == f"{script(shell)}\n"
    for flag in flags_of("crawl"):
        for spelling in flag.spellings:
            assert (
                spelling if shell != "fish" else f"-l {spelling[2:]} " if spelling.startswith("--") else f"-s {spelling[1:]} "
            ) in printed
    assert all(name in printed for name in COMMANDS)
    if where := shutil.which(shell):
        subprocess.run([where, "-n"], input=printed, text=True, check=True)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("crawler sta", ["status"]), ("crawler crawl --max-p", ["--max-pages"]), ("crawler crawl --scope p", ["page", "prefix"]),
        ("crawler example.org --no-rob", []), ("crawler --preset ", ["default", "fast", "links", "polite"]),
        ("crawler config ", ["show", "check"]),
        ("crawler resume out --sc", []), ("crawler status --j", ["--json"]), ("crawler crawl --max-pages ", []),
    ],
)  # fmt: skip
def test_bash_completes(typed: str, offered: list[str], tmp_path: Path) -> None:
    """What a person would expect after what was typed."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash')}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _crawler; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run([bash, "--norc", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == offered
    assert done.stderr == ""
