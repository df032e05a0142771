"""`crawler config` shows what is in effect and where it came from, and says whether a file is good."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.cli.main import main
from crawler.effective import load
from crawler.settings import OPTIONS, Settings

Screens = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and no settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for option in OPTIONS.values():
        monkeypatch.delenv(option.variable, raising=False)
    return tmp_path


def test_show_names_every_setting_with_its_place(capsys: Screens, monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """Flags, environment, file, preset and defaults, each beside its value."""
    (here / "crawl.toml").write_text('delay = "2s"\n\n[hosts."example.org"]\nper-host = 1\n')
    monkeypatch.setenv("CRAWLER_MAX_PAGES", "7")

    assert main(["config", "show", "fast", "-C", "crawl.toml", "-T", "5", "--no-robots"]) == 0

    printed = capsys.readouterr().out
    for line in (
        'concurrency = 256                         # preset fast',
        'delay = "2s"                              # crawl.toml:1',
        'max_pages = 7                             # environment CRAWLER_MAX_PAGES',
        'timeout = "5s"                            # flag -T',
        'robots = "ignore"                         # flag --no-robots',
        'retries = 2                               # default',
        '# max_time is not set                     # default',
        '# preset = "fast"                         # command line',
        '[hosts."example.org"]  # crawl.toml:3\nper_host = 1',
    ):  # fmt: skip
        assert f"\n{line}\n" in f"{printed}\n", line
    assert all(name in printed for name, option in OPTIONS.items() if option.in_file)


def test_what_is_shown_can_be_used_as_a_file(capsys: Screens, here: Path) -> None:
    """`crawler config show fast > crawl.toml` holds the same settings."""
    assert main(["config", "show", "fast", "--exclude", r"\d'\"", "--contact", "a@example.org"]) == 0
    (here / "crawl.toml").write_text(capsys.readouterr().out)
    expected = Settings.from_keywords(preset="fast", exclude=[r"\d'\""], contact="a@example.org")
    assert load({}, {}, "crawl.toml").settings == replace(expected, preset=None)


def test_secrets_are_not_shown(capsys: Screens) -> None:
    """Only that there are some."""
    assert main(["config", "show", "-H", "Authorization: Basic abc", "--proxy", "http://me:word@proxy.example.org:1"]) == 0
    printed = capsys.readouterr().out
    assert "abc" not in printed
    assert "word" not in printed.replace("password", "")
    assert "# Left out as a secret: header Authorization\n" in printed
    assert "# header is not shown                     # flag -H\n" in printed


def test_show_as_json(capsys: Screens) -> None:
    """One object: every setting with value and source."""
    assert main(["config", "show", "fast", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["concurrency"] == {"value": 256, "source": "preset fast"}
    assert shown["max_pages"] == {"value": None, "source": "default"}
    assert shown.keys() == {name for name, option in OPTIONS.items() if option.in_file}


def test_check_says_that_a_file_is_good(capsys: Screens, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how much it says; - is standard input."""
    (here / "a.toml").write_text('preset = "fast"\nmax-pages = 3\n')
    assert main(["config", "check", "a.toml"]) == 0
    assert capsys.readouterr().out == "a.toml is good: 2 settings\n"

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"delay = 1")))
    assert main(["config", "check", "-"]) == 0
    assert capsys.readouterr().out == "standard input is good: 1 setting\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scope = 'hots'",
         "error: a.toml:1:9: `scope` cannot be 'hots'\n  expected page, prefix, host, domain or any; did you mean host?\n"
         "  scope = 'hots'\n          ^\n  try: scope = \"host\"\n"),
        ("scope == 'host'", "error: a.toml:1:8 is no TOML: invalid value\n  scope == 'host'\n         ^\n"),
        ('[hosts."*.a.test"]\ndelay = 1',
         "error: a.toml:1:9: '*.a.test' is no host\n  a table is for one host, and there are no patterns\n"),
        ('[hosts."a.test:port"]\ndelay = 1', "error: `hosts`: 'a.test:port' is no host\n"),
        ("conc = 3\x1b", "error: a.toml:1:9 is no TOML: "),
        ("concurency = 3",
         "error: a.toml:1:1: `concurency` is no setting; did you mean `concurrency`?\n  concurency = 3\n  ^\n  try: crawler config show\n"),
    ],
)  # fmt: skip
def test_check_shows_what_is_wrong(text: str, message: str, capsys: Screens, here: Path) -> None:
    """File, line, column and a caret; exit 2."""
    (here / "a.toml").write_text(text)
    assert main(["config", "check", "a.toml"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert "\x1b" not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["config", "check"], "error: FILE is missing\n  usage: crawler config check FILE\n  try: crawler config check crawl.toml\n"),
        (["config", "check", "none.toml"], "error: cannot read none.toml\n  No such file or directory\n  try: crawler config show\n"),
        (["config", "shw"], "error: 'shw' means nothing here\n  expected show or check; did you mean show?\n  try: crawler config show\n"),
        (["config", "show", "quick"], "error: `PRESET` is 'quick'; there is no such preset\n  there are default, fast, links, polite\n"),
        (["config"], "error: show|check is missing\n"),
    ],
)
def test_wrong_uses(words: list[str], message: str, capsys: Screens) -> None:
    """Are said like all others."""
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(message)
