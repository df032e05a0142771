"""One dataclass is the source of flags, TOML keys, environment variables, keywords, presets and documentation."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.cli import reference
from crawler.cli.arguments import parser_of
from crawler.cli.commands import COMMANDS
from crawler.cli.parser import Checked
from crawler.configuration.layers import presets
from crawler.configuration.option import as_toml
from crawler.configuration.values import read_duration, read_size, write_duration, write_size
from crawler.effective import load, secrets_of, to_plain, to_toml
from crawler.errors import UsageError
from crawler.host_settings import HOST_OPTIONS, HostSettings
from crawler.settings import OPTIONS, Settings

ROOT = Path(__file__).parent.parent


def error_of(**keywords: Any) -> str:
    with pytest.raises(UsageError) as caught:
        Settings.from_keywords(**keywords)
    return str(caught.value)


# One name everywhere


def test_every_setting_has_a_flag_named_after_it() -> None:
    """`max_pages` is `--max-pages`; only the seeds (arguments) and the tables of hosts have none."""
    flags = {text for action in parser_of("crawl")._actions for text in action.option_strings}
    assert {name for name, option in OPTIONS.items() if not option.typed} == {"seeds", "hosts"}
    for name in OPTIONS.keys() - {"seeds", "hosts"}:
        assert f"--{name.replace('_', '-')}" in flags


def test_every_flag_belongs_to_a_setting() -> None:
    """The command line knows nothing that TOML, environment and Python do not."""
    assert {action.dest for action in parser_of("crawl")._actions} - {"help"} == OPTIONS.keys() - {"hosts"}


def test_every_setting_is_a_python_keyword_and_says_one_sentence() -> None:
    """The default is a valid value of its own kind, and the help is one sentence."""
    for name, option in OPTIONS.items():
        assert Settings.from_keywords(**{name: option.default}) == Settings()
        assert option.help.endswith("."), name
        assert option.help[0].isupper(), name


def test_examples_are_good_values() -> None:
    """What documentation shows as an example is read without complaint, and every setting without a default has one."""
    for options in (OPTIONS, HOST_OPTIONS):
        for name, option in options.items():
            assert option.example or option.default not in (None, ()), name
            if option.example:
                option.read(tomllib.loads(f"value = {option.example}")["value"], name, as_toml)


def test_what_a_message_suggests_is_a_good_value() -> None:
    """What stands behind `try:` when a value is wrong can be typed as it is: for every setting, and every other argument."""
    for options in (OPTIONS, HOST_OPTIONS):
        for option in options.values():
            if option.typed:
                option.kind.read(option.suggestion)
    others = [action for command in COMMANDS for action in parser_of(command)._actions if isinstance(action, Checked)]
    assert others
    for action in others:
        if action.kind.example:
            action.kind.read(action.kind.example)


def test_the_generated_files_are_fresh() -> None:
    """docs/reference and config/default.toml say what the code does; `python -m crawler.cli.reference` writes them."""
    assert reference.stale() == []


def test_the_reference_names_every_setting_flag_and_variable() -> None:
    """Nothing is undocumented."""
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    for name, option in OPTIONS.items():
        assert f"### `{name}`" in page
        assert option.help in page
        for flag in (*option.flags, *option.off, *(alias.flag for alias in option.aliases)) if option.typed else ():
            assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", page), flag
        assert (option.variable in page) == option.in_environment


def test_default_toml_holds_every_key_and_changes_nothing() -> None:
    """As it stands it is the defaults; with its examples uncommented it still is a good file."""
    text = (ROOT / "config/default.toml").read_text("utf-8")
    names = set(re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE)) - HOST_OPTIONS.keys()
    assert names | {"hosts", "header", "delay", "per_host", "auth_env"} == {name for name, option in OPTIONS.items() if option.in_file}
    assert replace(Settings.from_keywords(preset="default"), preset=None) == Settings()

    uncommented = tomllib.loads(re.sub(r"^# (\w+ = |\[)", r"\1", text, flags=re.MULTILINE))
    assert Settings.from_keywords(**uncommented).hosts["example.org"] == HostSettings(2.0, 2, (("X-Team", "docs"),), "DOCS_LOGIN")


# Presets


def test_presets() -> None:
    """polite is the defaults; fast asks one's own site as much as it bears and still obeys."""
    assert set(presets()) == {"default", "polite", "fast", "links"}
    assert replace(Settings.from_keywords(preset="polite"), preset=None) == Settings()
    fast = Settings.from_keywords(preset="fast")
    assert (fast.concurrency, fast.per_host, fast.delay, fast.adaptive, fast.robots) == (256, 64, 0.0, True, "obey")


def test_a_preset_holds_only_what_differs() -> None:
    """A key in a preset has another value than the default, or says what the preset promises."""
    for name in set(presets()) - {"default", "polite"}:
        held = tomllib.loads(Path(presets()[name]).read_text("utf-8"))
        differing = [key for key, value in held.items() if OPTIONS[key].kind.read(value) != OPTIONS[key].default]
        assert set(held) - set(differing) <= {"delay"}


def test_an_unknown_preset_is_named() -> None:
    """With the nearest one, and all there are."""
    assert (
        error_of(preset="fsat")
        == "`preset` is 'fsat'; there is no such preset\n  did you mean fast? there are default, fast, links, polite\n  try: preset='fast'"
    )
    assert error_of(preset="../polite").startswith("`preset` is '../polite'; there is no such preset")


# Values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0.5", 0.5), (".5", 0.5), ("10s", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("1h 30m", 5400), ("1.5", 1.5),
     (" 2 h ", 7200), ("1D", 86400), (3, 3), (0, 0), (2.5, 2.5)],
)  # fmt: skip
def test_durations(text: str | float, seconds: float) -> None:
    """Numbers are seconds, units can be joined."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "fast", "1x", "-1", "1h30", "1 2", "1e3", "nan", "inf", "9" * 41, -0.1, float("nan"), float("inf"), True, None, [1]]
)
def test_no_durations(text: Any) -> None:
    """What is no duration is refused, also when Python could make a number of it."""
    with pytest.raises(ValueError):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 1024**3), ("32MB", 32 * 1024**2), ("512KB", 512 * 1024), ("512k", 512 * 1024), ("1KiB", 1024), ("1.5 kb", 1536), ("7", 7),
     ("7B", 7), ("2T", 2 * 1024**4), (9, 9)],
)  # fmt: skip
def test_sizes(text: str | int, size: int) -> None:
    """K is 1024, as in wget and curl, however it is spelled."""
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "big", "5XB", "-1", "1 2", "K", "9" * 41, 1.5, -1, 2**63, False, None])
def test_no_sizes(text: Any) -> None:
    """What is no size is refused."""
    with pytest.raises(ValueError):
        read_size(text)


@given(st.floats(0, 1e9))
def test_durations_survive_being_written(seconds: float) -> None:
    """crawl.toml repeats the same number."""
    assert read_duration(write_duration(seconds)) == pytest.approx(seconds, rel=1e-12, abs=1e-14)


@given(st.integers(0, 2**63 - 1))
def test_sizes_survive_being_written(size: int) -> None:
    """To the byte."""
    assert read_size(write_size(size)) == size


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"delay": "fast"}, "`delay` cannot be 'fast'\n  expected seconds (10s, 2m, 1h)\n  try: delay='0.5s'"),
        ({"max_pages": 0}, "`max_pages` cannot be 0\n  expected a whole number of at least 1 or none\n  try: max_pages=500"),
        ({"max_pages": True}, "`max_pages` cannot be True\n  expected a whole number of at least 1 or none\n  try: max_pages=500"),
        ({"concurrency": 99999},
         "`concurrency` cannot be 99999\n"
         "  expected a whole number of at least 1, at most 10,000\n"
         "  try: concurrency=64"),
        ({"max_size": "5XB"}, "`max_size` cannot be '5XB'\n  expected a size or none\n  try: max_size='5GB'"),
        ({"timeout": 0}, "`timeout` cannot be 0\n  expected seconds above 0 (10s, 2m, 1h)\n  try: timeout='30s'"),
        ({"connect_timeout": "0ms"},
         "`connect_timeout` cannot be '0ms'\n"
         "  expected seconds above 0 (10s, 2m, 1h)\n"
         "  try: connect_timeout='10s'"),
        ({"read_timeout": 0.0}, "`read_timeout` cannot be 0.0\n  expected seconds above 0 (10s, 2m, 1h)\n  try: read_timeout='15s'"),
        ({"scope": "hots"},
         "`scope` cannot be 'hots'\n"
         "  expected page, prefix, host, domain or any; did you mean host?\n"
         "  try: scope='host'"),
        ({"adaptive": "maybe"}, "`adaptive` cannot be 'maybe'\n  expected true or false\n  try: adaptive=True"),
        ({"include": ["ok", "["]},
         "`include` cannot be '['\n"
         "  expected a regular expression; unterminated character set at position 0\n"
         "  try: include=['\\\\[']"),
        ({"header": "Authorization secret"}, "`header` cannot be 'Authoriz…'\n  expected a header\n  try: header=['Accept-Language: de']"),
        ({"header": "A: b\r\nC: d"}, "`header` cannot be 'A…'\n  expected a header\n  try: header=['Accept-Language: de']"),
        ({"extract": "price"}, "`extract` cannot be 'price'\n  expected NAME=CSS\n  try: extract=['price=span.price::text']"),
        ({"contact": "me"}, "`contact` cannot be 'me'\n  expected a URL or mail address or none\n  try: contact='crawls@example.org'"),
        ({"proxy": "socks5://x:1"},
         "`proxy` cannot be 'socks5…'\n"
         "  expected a proxy or none\n"
         "  try: proxy='http://proxy.example.org:3128'"),
        ({"fail_on": "borken"},
         "`fail_on` cannot be 'borken'\n"
         "  expected broken, errors, 4xx, 5xx or a status; did you mean broken?\n"
         "  try: fail_on=['broken']"),
        ({"robots_agent": "my bot"}, "`robots_agent` cannot be 'my bot'\n  expected letters, '-' and '_'\n  try: robots_agent='asyncrawl'"),
        ({"user_agent": "a\nb"},
         "`user_agent` cannot be 'a\\nb'\n"
         "  expected text or none; it holds a control character\n"
         "  try: user_agent='docs-check/1.0'"),
        ({"max_page": 3}, "`max_page` is no setting\n  did you mean `max_pages`?\n  try: max_pages=…"),
        ({"hosts": {"a.org": {"delai": 1}}}, '`delai` is no setting of host a.org\n  did you mean `delay`?\n  try: delay = "2s"'),
        ({"hosts": {"a.org": 3}},
         "host a.org cannot be 3\n"
         "  expected a table of delay, per_host, header, auth_env\n"
         '  try: "a.org" = { delay = "2s" }'),
        ({"jsonl": "-", "json": True},
         "`jsonl` to standard output and `json` cannot go together\n"
         "  both would print there\n"
         "  try: --jsonl FILE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_the_value(keywords: dict[str, Any], message: str) -> None:
    """A message names the setting, its value and an example; a secret only by its first characters."""
    assert error_of(**keywords) == message


def test_keywords_take_python_values() -> None:
    """Mappings for pairs, any sequence for lists, None for no limit, paths for files; a text for one value."""
    settings = Settings.from_keywords(
        seeds="https://example.org", header={"A": "b"}, extract={"price": "b::text"}, include="/docs/", exclude=["x", "y"], max_pages=None,
        output=Path("out"), strip_query={"sid"}, fail_on=[503, "broken"], hosts={"Example.org": {"per-host": 2}},
    )  # fmt: skip
    assert settings.seeds == ("https://example.org",)
    assert (settings.header, settings.extract) == ((("A", "b"),), (("price", "b::text"),))
    assert (settings.include, settings.exclude, settings.strip_query, settings.fail_on) == (
        ("/docs/",),
        ("x", "y"),
        ("sid",),
        ("503", "broken"),
    )
    assert (settings.max_pages, settings.output) == (None, "out")
    assert settings.hosts == {"example.org": HostSettings(per_host=2)}


def test_the_user_agent_names_who_to_ask() -> None:
    """The contact is added to our name or to the user's own."""
    assert re.fullmatch(r"asyncrawl/[\d.]+", Settings().agent)
    assert Settings.from_keywords(user_agent="x/1", contact="a@example.org").agent == "x/1 (+a@example.org)"


def test_settings_are_values() -> None:
    """Equal, hashable, and silent about secrets in their repr."""
    secret = Settings.from_keywords(header="Authorization: Basic c2VjcmV0", proxy="http://u:pw@p:1")
    assert secret == replace(secret)
    assert hash(secret) == hash(replace(secret))
    assert "c2VjcmV0" not in repr(secret)
    assert "pw" not in repr(secret)


# Precedence


def test_each_place_wins_over_the_next(tmp_path: Path) -> None:
    """Flag > environment > file > preset > default, and each value remembers where it came from."""
    file = tmp_path / "crawl.toml"
    file.write_text('preset = "fast"\nper-host = 7\nretries = 7\nmax_redirects = 7\n')
    flags = {"config": str(file), "retries": "9"}

    effective = load(flags, {"CRAWLER_RETRIES": "8", "CRAWLER_MAX_REDIRECTS": "8"}, typed={"retries": "--retries"})

    settings, sources = effective.settings, effective.sources
    assert (settings.retries, sources["retries"]) == (9, "flag --retries")
    assert (settings.max_redirects, sources["max_redirects"]) == (8, "environment CRAWLER_MAX_REDIRECTS")
    assert (settings.per_host, sources["per_host"]) == (7, f"{file}:2")
    assert (settings.concurrency, sources["concurrency"]) == (256, "preset fast")
    assert (settings.timeout, sources["timeout"]) == (30.0, "default")


def test_the_nearest_place_chooses_the_preset(tmp_path: Path) -> None:
    """A flag's preset replaces the file's; `none` takes it away."""
    file = tmp_path / "crawl.toml"
    file.write_text('preset = "fast"')
    assert load({"preset": "polite"}, {}, file).settings.concurrency == 32
    assert load({}, {"CRAWLER_PRESET": "none"}, file).settings.concurrency == 32
    assert load({}, {}, file).settings.concurrency == 256


def test_a_limit_of_a_file_can_be_taken_away(tmp_path: Path) -> None:
    """`none` is no limit."""
    file = tmp_path / "crawl.toml"
    file.write_text("max_pages = 5")
    assert load({"max_pages": "none"}, {}, file).settings.max_pages is None


def test_the_environment() -> None:
    """Empty says nothing, lists are parted, others' variables are left alone, a mistyped one is an error."""
    environment = {
        "CRAWLER_SEEDS": "https://a.org https://b.org",
        "CRAWLER_INCLUDE": "/a b/\n/c/",
        "CRAWLER_STRIP_QUERY": "a,b",
        "CRAWLER_ADAPTIVE": "off",
        "CRAWLER_DELAY": "",
        "CRAWLER_SERVICE_HOST": "10.0.0.1",
        "CRAWLER_PORT": "tcp://10.0.0.1:80",
        "OTHER": "x",
    }
    settings = load({}, environment).settings
    assert settings.seeds == ("https://a.org", "https://b.org")
    assert (settings.include, settings.strip_query, settings.adaptive) == (("/a b/", "/c/"), ("a", "b"), False)

    with pytest.raises(
        UsageError, match="the environment variable CRAWLER_MAX_PAGE is no setting\n  did you mean CRAWLER_MAX_PAGES\\?\n  try: "
    ):
        load({}, {"CRAWLER_MAX_PAGE": "3"})
    with pytest.raises(
        UsageError, match=r"CRAWLER_DELAY cannot be 'x'\n  expected seconds \(10s, 2m, 1h\)\n  try: export CRAWLER_DELAY=0\.5"
    ):
        load({}, {"CRAWLER_DELAY": "x"})


def test_deleting_needs_to_be_said_each_time(tmp_path: Path) -> None:
    """`fresh` is a flag (and keyword) alone: no file and no environment deletes a crawl."""
    file = tmp_path / "crawl.toml"
    file.write_text("fresh = true")
    with pytest.raises(UsageError, match="`fresh` cannot be set in a file"):
        load({}, {}, file)
    assert load({}, {"CRAWLER_FRESH": "1"}).settings.fresh is False
    assert load({"fresh": True}, {}).settings.fresh is True


# Files

TOML_ERRORS = [
    ("max_pages = ",
     "crawl.toml:1:13 is no TOML: invalid value\n"
     "  max_pages = \n"
     "              ^\n"
     '  try: NAME = VALUE on a line of its own, with quotes around text: scope = "host"'),
    ('a = 1\nb = "x',
     "crawl.toml:2:7 is no TOML: unterminated string\n"
     '  b = "x\n'
     "        ^\n"
     '  try: NAME = VALUE on a line of its own, with quotes around text: scope = "host"'),
    ("delay = 1\ndelay = 2",
     "crawl.toml:2:10 is no TOML: cannot overwrite a value\n"
     "  delay = 2\n"
     "           ^\n"
     '  try: NAME = VALUE on a line of its own, with quotes around text: scope = "host"'),
    ("max-page = 3",
     "crawl.toml:1:1: `max-page` is no setting; did you mean `max_pages`?\n"
     "  max-page = 3\n"
     "  ^\n"
     "  try: crawler config show"),
    ("\n\n  delay = 'x'",
     "crawl.toml:3:11: `delay` cannot be 'x'\n"
     "  expected seconds (10s, 2m, 1h)\n"
     "    delay = 'x'\n"
     "            ^\n"
     '  try: delay = "0.5s"'),
    ("delay = 1\nmax_depth = 1\nmax-depth = 2",
     "crawl.toml:3:1: `max_depth` is given twice\n"
     "  as `max_depth` and as `max-depth`\n"
     "  try: one of them, `max_depth`"),
    ('delay = 1\n[hosts."a.org"] # x\ndelay = 1\nper_host = 0',
     "crawl.toml:4:12: `per_host` of host a.org cannot be 0\n"
     "  expected a whole number of at least 1 or none\n"
     "  per_host = 0\n"
     "             ^\n"
     "  try: per_host = 2"),
    ('[hosts."a.org"]\n  per-hots = 1',
     "crawl.toml:2:3: `per-hots` is no setting of host a.org\n"
     "  did you mean `per_host`?\n"
     "    per-hots = 1\n"
     "    ^\n"
     "  try: per_host = 2"),
    ('header=["X: 1", 3]',
     "crawl.toml:1:8: `header` cannot be a int\n"
     "  expected a header\n"
     "  header=[\"** *\", *]\n"
     "         ^\n"
     "  try: header = [\"Accept-Language: de\"]"),
    ("[hosts]\na = 1",
     "crawl.toml:2:5: host a cannot be 1\n"
     "  expected a table of delay, per_host, header, auth_env\n"
     "  a = 1\n"
     "      ^\n"
     '  try: a = { delay = "2s" }'),
    ("[politeness]\ndelay = 1", "crawl.toml:1:2: `politeness` is no setting\n  [politeness]\n   ^\n  try: crawler config show"),
    ('preset = "fsat"',
     "crawl.toml:1:10: `preset` is 'fsat'; there is no such preset\n"
     "  did you mean fast? there are default, fast, links, polite\n"
     '  try: preset = "fast"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TOML_ERRORS)
def test_what_is_wrong_in_a_file_is_shown_with_its_line(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, line, column and a caret below the place."""
    monkeypatch.chdir(tmp_path)
    Path("crawl.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load({}, {}, "crawl.toml")
    assert str(caught.value) == message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and another encoding are named, as are files that settings name."""
    (tmp_path / "latin.toml").write_bytes(b"contact = '\xe4@example.org'")
    for path, message in [("none.toml", "cannot read .*none.toml\n"), (".", "cannot read "), ("latin.toml", "is not UTF-8\n  at byte 11")]:
        with pytest.raises(UsageError, match=message):
            load({}, {}, tmp_path / path)
    with pytest.raises(UsageError, match=r"cannot read /none/cookies.txt\n  which `cookies` names \(environment CRAWLER_COOKIES\)"):
        load({}, {"CRAWLER_COOKIES": "/none/cookies.txt"})


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "crawl.toml").write_bytes(b"\xef\xbb\xbfmax_pages = 3")
    assert load({}, {}, tmp_path / "crawl.toml").settings.max_pages == 3


FULL: dict[str, Any] = {
    "seeds": ["https://example.org/a?b=c", "https://me:pw-seed@example.org/"], "exclude": [r"\d+'\d", r"[?&]sort="], "max_time": "90s",
    "max_size": "1.5GB", "delay": 0.25, "header": ["Accept: */*", "Authorization: pw-head", "Cookie: pw-cookie", "X-Api-Key: pw-key"],
    "proxy": "http://me:pw-proxy@proxy.example.org:3128", "extract": {"title": 'h1[a="b"]::text'}, "preset": "fast", "adaptive": False,
    "hosts": {"example.org:8080": {"delay": 0, "header": ["Cookie: pw-host", "X: y"], "auth_env": "LOGIN"}}, "contact": "a@example.org",
    "output": "C:\\out dir", "fresh": True, "max_depth": 0,
}  # fmt: skip


def test_crawl_toml_repeats_the_crawl_without_secrets(tmp_path: Path) -> None:
    """What was in effect is in effect again, apart from secrets, which are named in a comment, and `fresh`."""
    settings = Settings.from_keywords(**FULL)

    text = to_toml(settings)

    assert "pw-" not in text
    (tmp_path / "crawl.toml").write_text(text, "utf-8")
    again = load({}, {}, tmp_path / "crawl.toml").settings
    expected = replace(
        settings, seeds=("https://example.org/a?b=c", "https://example.org/"), header=(("Accept", "*/*"),), preset=None, fresh=False,
        proxy="http://proxy.example.org:3128", hosts={"example.org:8080": HostSettings(delay=0.0, header=(("X", "y"),), auth_env="LOGIN")},
    )  # fmt: skip
    assert again == expected
    assert secrets_of(settings) == [
        "header Authorization", "header Cookie", "header X-Api-Key", "header Cookie of host example.org:8080",
        "user and password of the proxy", "user and password of a seed",
    ]  # fmt: skip
    for secret in secrets_of(settings):
        assert f"# Left out as a secret, to be given again: {secret}\n" in text


def test_plain_settings_are_read_back() -> None:
    """What a database keeps as JSON makes the same settings again."""
    plain = to_plain(Settings.from_keywords(**FULL))
    assert to_plain(Settings.from_keywords(**plain)) == plain


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_text_survives_toml(path: str, value: str) -> None:
    """Quotes, backslashes, controls and other scripts are written so that TOML reads them."""
    try:
        settings = Settings.from_keywords(output=path, include=[re.escape(value)])
    except UsageError:
        return
    read = tomllib.loads(to_toml(settings))
    assert read.get("output") == settings.output
    assert tuple(read["include"]) == settings.include
