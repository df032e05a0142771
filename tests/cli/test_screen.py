"""What the screens show of a running crawl, to the letter, and what never reaches a terminal."""

import io
import json
import re
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.cli.screen import Screen, choose_screen, wants_color
from crawler.cli.screen_live import LiveScreen
from crawler.cli.screen_plain import JsonScreen, MessageScreen, PlainScreen, SilentScreen
from crawler.cli.screen_text import (
    cut_off_line,
    encodable,
    flow,
    page_line,
    paragraph,
    pausing_line,
    plain_progress,
    render_progress,
    start_line,
    two_columns,
)
from crawler.model import Body, Page, PageError
from crawler.progress import HostProgress, Progress
from crawler.text import shortened, width_of

PROGRESS = Progress(
    elapsed=41.3,
    pages=1204,
    run_pages=1204,
    ok=1131,
    redirects=40,
    client_errors=27,
    server_errors=4,
    failed=2,
    queued=312,
    in_flight=16,
    size=41 * 1024 * 1024,
    rate=38.1,
    slowest=("https://example.org/search?q=lamp", 8.2),
    hosts=(HostProgress("example.org", 16, 296, 0.0),),
)
MANY_HOSTS = replace(
    PROGRESS,
    hosts=tuple(
        HostProgress(f"{name}.example.org", number, 300 * number, 0.5 * number)
        for number, name in enumerate(("www", "cdn", "a-rather-long-name-for-the-name-of-a-host", "blog", "shop", "mail"))
    ),
    more_hosts=22,
)
FACTS = ("polite", "robots.txt obeyed", "Ctrl-C pauses")
HOSTILE = "https://example.org/\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n\x7f\u2028" + "x" * 10_000

# --- the live display, as text ----------------------------------------------------------------------------------------

WIDE = """\
  1,204 pages   38/s   312 queued   16 in flight   0:00:41   41 MB
  200 1,131 · 3xx 40 · 4xx 27 · 5xx 4 · failed 2           about 0:08 left
  slowest now  example.org/search?q=lamp (8.2 s)           host delay 0.0 s"""

NARROW = """\
  1,204 pages   38/s   312 queued
  16 in flight   0:00:41   41 MB
  200 1,131 · 3xx 40 · 4xx 27 · 5xx 4
  failed 2
  about 0:08 left
  slowest now  example.org…=lamp (8.2 s)
  host delay 0.0 s"""

HOSTS_80 = """\
  1,204 pages   38/s   312 queued   16 in flight   0:00:41   41 MB
  200 1,131 · 3xx 40 · 4xx 27 · 5xx 4 · failed 2           about 0:08 left
  slowest now  example.org/search?q=lamp (8.2 s)
  mail.example.org                     5 in flight   1,500 waiting   delay 2.5 s
  shop.example.org                     4 in flight   1,200 waiting   delay 2.0 s
  blog.example.org                     3 in flight     900 waiting   delay 1.5 s
  a-rather-long-name-for…example.org   2 in flight     600 waiting   delay 1.0 s
  cdn.example.org                      1 in flight     300 waiting   delay 0.5 s
  + 23 hosts"""

HOSTS_40 = """\
  1,204 pages   38/s   312 queued
  16 in flight   0:00:41   41 MB
  200 1,131 · 3xx 40 · 4xx 27 · 5xx 4
  failed 2
  about 0:08 left
  slowest now  example.org…=lamp (8.2 s)
  mail.example.org           5 in flight
  shop.example.org           4 in flight
  blog.example.org           3 in flight
  a-rather-long-na…ple.org   2 in flight
  cdn.example.org            1 in flight
  + 23 hosts"""


@pytest.mark.parametrize(
    ("progress", "width", "expected"),
    [
        (PROGRESS, 100, WIDE),
        (PROGRESS, 80, WIDE),
        (PROGRESS, 40, NARROW),
        (MANY_HOSTS, 80, HOSTS_80),
        (MANY_HOSTS, 40, HOSTS_40),
    ],
)
def test_the_live_display(progress: Progress, width: int, expected: str) -> None:
    """Three lines and the busiest hosts, at every width to the letter."""
    assert "\n".join(render_progress(progress, width)) == expected


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (100, "Crawling https://example.org -> crawl-example.org/       polite · robots.txt obeyed · Ctrl-C pauses"),
        (80, "Crawling https://example.org -> crawl-example.org/\npolite · robots.txt obeyed · Ctrl-C pauses"),
        (40, "Crawling https://example.org ->\ncrawl-example.org/\npolite · robots.txt obeyed\nCtrl-C pauses"),
    ],
)
def test_the_first_line(width: int, expected: str) -> None:
    """What is crawled, where to, and how."""
    assert "\n".join(start_line("Crawling https://example.org", "crawl-example.org", FACTS, width)) == expected


hosts = st.builds(HostProgress, st.text(max_size=60), st.integers(0, 10**4), st.integers(0, 10**6), st.floats(0, 3600))


@given(
    progress=st.builds(
        Progress,
        elapsed=st.floats(0, 10**6),
        pages=st.integers(0, 10**7),
        ok=st.integers(0, 10**7),
        queued=st.integers(0, 10**8),
        in_flight=st.integers(0, 10**4),
        size=st.integers(0, 10**13),
        rate=st.floats(0, 10**5),
        slowest=st.none() | st.tuples(st.text(max_size=400), st.floats(0, 10**5)),
        hosts=st.lists(hosts, max_size=9).map(tuple),
        more_hosts=st.integers(0, 10**6),
    ),
    width=st.integers(40, 200),
)
def test_no_line_is_too_wide_and_none_acts_on_the_terminal(progress: Progress, width: int) -> None:
    """Whatever the numbers, hosts and URLs: every line fits, and all of it can be seen."""
    lines = render_progress(progress, width)
    assert 3 <= len(lines) + (progress.slowest is None and not progress.hosts) <= 16
    assert all(len(line) <= width for line in lines)
    assert not any(re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", line) for line in lines)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "about 0:08 left"),
        ({"rate": 1.0}, "about 5:12 left"),
        ({"rate": 0.05}, "about 1:44:00 left"),
        ({"rate": 38.0, "queued": 38 * 83}, ""),  # more is found than fetched
        ({"rate": 0.0}, ""),
        ({"queued": 0}, ""),
        ({"elapsed": 9.0}, ""),
        ({"rate": 0.0005}, ""),
    ],
)
def test_the_time_left_is_told_when_it_can_be(changes: dict[str, Any], expected: str) -> None:
    """By the rate and the queue; not at the start, not while the crawl grows faster than it is fetched, not beyond days."""
    line = render_progress(replace(PROGRESS, **changes), 100)[1]
    assert line.partition("failed 2")[2].strip() == expected


def test_a_crawl_that_just_began() -> None:
    """Zeros are shown, and nothing is guessed."""
    assert render_progress(Progress(), 80) == [
        "  0 pages   0/s   0 queued   0 in flight   0:00:00   0 B",
        "  200 0 · 3xx 0 · 4xx 0 · 5xx 0 · failed 0",
    ]


def test_a_slow_site_has_digits() -> None:
    """Below ten pages a second, tenths count."""
    assert render_progress(replace(PROGRESS, pages=1, rate=0.25), 80)[0].startswith("  1 page   0.2/s   ")


def test_one_line_for_logs() -> None:
    """The same numbers on one line."""
    assert plain_progress(PROGRESS) == (
        "0:00:41   1,204 pages   38/s   312 queued   16 in flight   41 MB   200 1,131 · 3xx 40 · 4xx 27 · 5xx 4 · failed 2"
    )


def page(url: str = "https://example.org/a", **facts: Any) -> Page:
    return Page(url, 1, **({"status": 200, "elapsed": 0.041, "content": Body(1536)} | facts))


@pytest.mark.parametrize(
    ("shown", "detailed", "expected"),
    [
        (page(), False, "200  0.041s  1.5 KB  https://example.org/a"),
        (page(), True, "200  0.041s  1.5 KB  https://example.org/a  depth 0"),
        (
            page(depth=2, parent="https://example.org/", attempts=3), True,
            "200  0.041s  1.5 KB  https://example.org/a  depth 2 attempts 3 from https://example.org/",
        ),
        (
            page(status=301, redirect_to="https://example.org/b", outcome="redirect"), False,
            "301  0.041s  1.5 KB  https://example.org/a  -> https://example.org/b",
        ),
        (
            page(status=0, outcome="error", error=PageError("dns", "no such host"), content=Body()), False,
            "---  0.041s  0 B  https://example.org/a  dns: no such host",
        ),
        (page("https://example.org/\x1b[31m\u202e"), False, r"200  0.041s  1.5 KB  https://example.org/\x1b[31m\u202e"),
        (
            page(status=0, outcome="error", error=PageError("protocol", "bad header \x1b[2J")), False,
            r"---  0.041s  1.5 KB  https://example.org/a  protocol: bad header \x1b[2J",
        ),
    ],
)  # fmt: skip
def test_a_page_is_one_line(shown: Page, detailed: bool, expected: str) -> None:
    """Status, seconds, size, URL; what went wrong or where it leads; with -vv also where it was found."""
    assert page_line(shown, detailed) == expected


# --- lines ------------------------------------------------------------------------------------------------------------


@given(text=st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), max_size=200), width=st.integers(10, 120))
def test_a_paragraph_keeps_every_word_whole(text: str, width: int) -> None:
    """Lines end between words; only a word that is too long itself is wider than the width."""
    lines = paragraph(text, width)
    if len(text) + 2 > width:
        assert " ".join(lines).split() == text.split()
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


@given(text=st.text(max_size=300), room=st.integers(-3, 120))
def test_shortened_fits(text: str, room: int) -> None:
    """At most `room` columns of a terminal, the beginning and the end kept; a text that fits is left alone."""
    short = shortened(text, room)
    assert width_of(short) <= max(room, 1)
    assert short == text if width_of(text) <= max(room, 1) else "…" in short


def test_columns_and_flow() -> None:
    """The second column stands at its place, closer when it must, below when there is no room; parts flow."""
    assert two_columns("a", "b", 80) == ["  a" + " " * 56 + "b"]
    assert two_columns("a" * 56, "b", 80) == ["  " + "a" * 56 + "   b"]
    assert two_columns("a" * 20, "b" * 30, 60) == ["  " + "a" * 20 + "   " + "b" * 30]
    assert two_columns("a" * 20, "b" * 30, 40) == ["  " + "a" * 20, "  " + "b" * 30]
    assert (two_columns("", "b", 80), two_columns("a", "", 80), two_columns("", "", 80)) == (["  b"], ["  a"], [])
    assert flow(["one", "two", "three"], " · ", 14) == ["  one · two", "  three"]


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", "a · b … ü"), ("ascii", r"a - b ... \xfc"), ("latin-1", "a · b ... ü"), (None, "a · b … ü")],
)
def test_terminals_of_other_encodings(encoding: str | None, expected: str) -> None:
    """Plain signs take the place of typographic ones where the terminal has none."""
    assert encodable("a · b … ü", encoding) == expected


# --- the screens ------------------------------------------------------------------------------------------------------


class Stream(io.StringIO):
    """What is written, and whether it claims to be a terminal."""

    encoding = "utf-8"

    def __init__(self, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def lines(self) -> list[str]:
        return self.getvalue().splitlines()


class Gone(Stream):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.mark.parametrize(
    ("choice", "is_terminal", "term", "kind"),
    [
        ("auto", True, "xterm", LiveScreen),
        ("auto", True, "dumb", PlainScreen),
        ("auto", False, "xterm", PlainScreen),
        ("bar", True, "dumb", LiveScreen),
        ("bar", False, "xterm", PlainScreen),
        ("plain", True, "xterm", PlainScreen),
        ("json", True, "xterm", JsonScreen),
        ("none", True, "xterm", MessageScreen),
    ],
)
def test_choosing_a_screen(choice: Any, is_terminal: bool, term: str, kind: type) -> None:
    """The live display needs a terminal; `quiet` outdoes every choice."""
    stream = Stream(is_terminal)
    assert type(choose_screen(choice, stream, False, True, {"TERM": term})) is kind
    assert type(choose_screen(choice, stream, True, True, {"TERM": term})) is SilentScreen


@pytest.mark.parametrize(
    ("choice", "is_terminal", "environ", "expected"),
    [
        ("auto", True, {}, True),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", True, {"NO_COLOR": ""}, True),
        ("auto", True, {"TERM": "dumb"}, False),
        ("auto", False, {}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {}, False),
    ],
)
def test_color(choice: Any, is_terminal: bool, environ: dict[str, str], expected: bool) -> None:
    """NO_COLOR counts when it is not empty (no-color.org), and a flag counts more."""
    assert wants_color(choice, Stream(is_terminal), environ) is expected


def every_screen(stream: Stream, clock: Clock) -> list[Screen]:
    live, plain = LiveScreen(stream, True, 2, clock), PlainScreen(stream, 2, clock)
    return [live, plain, JsonScreen(stream, 2, clock), MessageScreen(stream, 2), SilentScreen()]


def show(screen: Screen, clock: Clock) -> None:
    """A whole crawl with everything hostile in it."""
    screen.start(f"Crawling {HOSTILE}", HOSTILE, [HOSTILE])
    for _ in range(5):
        clock.now += 10
        screen.page(page(HOSTILE, error=PageError("protocol", HOSTILE), redirect_to=HOSTILE, parent=HOSTILE))
        screen.update(replace(PROGRESS, slowest=(HOSTILE, 1.0), hosts=(HostProgress(HOSTILE, 1, 1, 1.0),) * 2))
        screen.warn(HOSTILE)
    screen.stop()
    screen.stop()


def test_nothing_from_the_web_acts_on_a_terminal(clock: Clock) -> None:
    """Escape sequences, changes of direction, line separators, 10,000 characters: all are shown, none is obeyed."""
    for number in range(5):
        stream = Stream(True)
        show(every_screen(stream, clock)[number], clock)
        # What the live display itself says to the terminal: colours, erasing lines, moving up, hiding the cursor.
        text = re.sub(r"\x1b\[(?:\d+(?:;\d+)*m|0m|2K|1A|\?25[lh])|\r", "", stream.getvalue())
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text), number
        assert "owned" in text or number == 4


def test_a_terminal_that_is_gone_ends_no_crawl(clock: Clock) -> None:
    """Nobody looks any more; no call raises."""
    for number in range(5):
        show(every_screen(Gone(True), clock)[number], clock)


def test_a_cause_warns_once(clock: Clock) -> None:
    """The same message, or another of the same cause, is not said again."""
    for number in range(4):
        stream = Stream(True)
        screen = every_screen(stream, clock)[number]
        screen.start("Crawling https://example.org", "out", FACTS)
        screen.warn("slowing down to 2 s", "429 example.org")
        screen.warn("slowing down to 4 s", "429 example.org")
        screen.warn("the disk is nearly full")
        screen.warn("the disk is nearly full")
        screen.stop()
        text = stream.getvalue()
        assert (text.count("slowing down"), text.count("nearly full")) == (1, 1)


PAUSING = "Pausing: 12 requests get 3 s to finish; Ctrl-C again ends now."


def test_what_is_told_is_there_at_once(clock: Clock) -> None:
    """A line that cannot wait for the next drawing: every screen but the silent one shows it, once and whole, and keeps it."""
    for number in range(5):
        stream = Stream(True)
        screen = every_screen(stream, clock)[number]
        screen.start("Crawling https://example.org", "out", FACTS)
        screen.update(PROGRESS)
        screen.tell(PAUSING)
        assert stream.getvalue().count(PAUSING) == (type(screen) is not SilentScreen)
        screen.update(PROGRESS)
        screen.stop()
        assert stream.getvalue().count(PAUSING) == (type(screen) is not SilentScreen)


@pytest.mark.parametrize(
    ("in_flight", "expected"),
    [
        (12, PAUSING),
        (1, "Pausing: 1 request gets 3 s to finish; Ctrl-C again ends now."),
        (0, "Pausing: saving what has arrived; Ctrl-C again ends now."),
    ],
)
def test_what_a_pause_says(in_flight: int, expected: str) -> None:
    """How long it may take, and how it ends sooner."""
    assert pausing_line(in_flight, 3.0, "Ctrl-C again") == expected


@pytest.mark.parametrize(("in_hand", "them"), [(1, "The URL it had in hand is"), (1200, "The 1,200 URLs it had in hand are")])
def test_what_is_said_after_a_run_that_was_cut_off(in_hand: int, them: str) -> None:
    """That a page is suspected, and what is done about it."""
    expected = f"The last run was cut off: it was killed, or a page brought it down. {them} read in a process apart."
    assert cut_off_line(in_hand) == expected


def test_plain_lines_come_every_ten_seconds(clock: Clock) -> None:
    """One at the start, one each ten seconds, however often it is told; no carriage returns, nothing for a terminal alone."""
    stream = Stream()
    screen = PlainScreen(stream, 0, clock)
    screen.start("Crawling https://example.org", "crawl-example.org", FACTS)
    for tenth in range(1, 351):
        clock.now = 1000 + tenth / 10
        screen.page(page())
        screen.update(replace(PROGRESS, elapsed=tenth / 10))
    screen.stop()
    assert [line.split("   ")[0] for line in stream.lines()] == [
        "Crawling https://example.org -> crawl-example.org/", "0:00:10", "0:00:20", "0:00:30",
    ]  # fmt: skip
    assert not set("\r\x1b") & set(stream.getvalue())


def test_plain_lines_do_not_pile_up(clock: Clock) -> None:
    """After a pause of a minute there is one line, and the next ten seconds later."""
    stream = Stream()
    screen = PlainScreen(stream, 0, clock)
    screen.start("Crawling https://example.org", "out", ())
    for now in (1065.0, 1065.1, 1070.0, 1074.9, 1075.0, 1075.1):
        clock.now = now
        screen.update(replace(PROGRESS, elapsed=now - 1000))
    assert [line.split("   ")[0] for line in stream.lines()[1:]] == ["0:01:05", "0:01:15"]


def test_pages_are_shown_when_asked_for(clock: Clock) -> None:
    """-v is a line for each page, -vv one with more in it, nothing without."""
    for verbose, expected in (
        (0, []),
        (1, ["200  0.041s  1.5 KB  https://example.org/a"]),
        (2, ["200  0.041s  1.5 KB  https://example.org/a  depth 0"]),
    ):
        for kind in ("plain", "none"):
            stream = Stream()
            choose_screen(kind, stream, False, False, {}, verbose, clock).page(page())  # type: ignore[arg-type]
            assert stream.lines() == expected


def test_json_lines(clock: Clock) -> None:
    """An object a line: start, progress once a second, warnings, pages; the last progress and the stop at the end."""
    stream = Stream()
    screen = JsonScreen(stream, 1, clock)
    screen.start("Crawling https://example.org", "out", FACTS)
    for tenth in range(25):
        clock.now = 1000 + tenth / 10
        screen.update(replace(PROGRESS, run_pages=tenth))
    screen.page(page())
    screen.warn("slow", "429")
    screen.stop()
    said = [json.loads(line) for line in stream.lines()]
    assert [line["event"] for line in said] == ["start", "progress", "progress", "progress", "page", "warning", "progress", "stop"]
    assert said[0] == {"event": "start", "title": "Crawling https://example.org", "folder": "out", "facts": list(FACTS)}
    assert [line["run_pages"] for line in said if line["event"] == "progress"] == [0, 10, 20, 24]
    assert said[1]["hosts"] == [{"host": "example.org", "in_flight": 16, "waiting": 296, "delay": 0.0}]
    assert said[1]["slowest"] == ["https://example.org/search?q=lamp", 8.2]
    assert (said[4]["url"], said[4]["status"], said[4]["bytes"]) == ("https://example.org/a", 200, 1536)


def test_the_live_display_draws_four_times_a_second(clock: Clock) -> None:
    """However often it is told how far the crawl is; no thread draws for it."""
    stream = Stream(True)
    screen = LiveScreen(stream, False, 0, clock)
    threads = threading.active_count()
    screen.start("Crawling https://example.org", "crawl-example.org", FACTS)
    for hundredth in range(200):
        clock.now = 1000 + hundredth / 100
        screen.update(replace(PROGRESS, pages=hundredth))
    assert threading.active_count() == threads
    screen.stop()
    drawn = list(dict.fromkeys(re.findall(r"(\d+) pages", stream.getvalue())))
    assert drawn == ["0", "25", "50", "75", "100", "125", "150", "175"]
    assert stream.getvalue().startswith("Crawling https://example.org -> crawl-example.org/\npolite")


def test_the_live_display_leaves_the_terminal_as_it_was(clock: Clock) -> None:
    """The cursor is shown again and the changing lines are gone; what was said stays, pages in the order they came."""
    stream = Stream(True)
    screen = LiveScreen(stream, False, 1, clock)
    screen.start("Crawling https://example.org", "out", FACTS)
    screen.update(PROGRESS)
    screen.page(page("https://example.org/first"))
    screen.page(page("https://example.org/second"))
    screen.warn("slow")
    screen.page(page("https://example.org/last"))
    screen.stop()
    text = stream.getvalue()
    assert text.count("\x1b[?25l") == 1
    assert "\x1b[?25l" in text.partition("\x1b[?25h")[0]
    assert re.findall(r"/first|/second|warning: slow|/last", text) == ["/first", "/second", "warning: slow", "/last"]
    after_last_drawing = text.rpartition("host delay 0.0 s")[2]
    assert "\x1b[2K" in after_last_drawing
    assert "queued" not in after_last_drawing


def test_the_live_display_without_color_has_none(clock: Clock) -> None:
    """Colours mark what went wrong, when they are wanted."""
    for color in (True, False):
        stream = Stream(True)
        screen = LiveScreen(stream, color, 0, clock)
        screen.start("Crawling https://example.org", "out", FACTS)
        screen.update(PROGRESS)
        screen.stop()
        assert ("\x1b[33m4xx 27\x1b[0m" in stream.getvalue()) is color


def test_only_the_live_display_loads_rich() -> None:
    """Choosing a screen, and every other screen, stays light; so does the farewell."""
    program = (
        "import sys, io; from crawler.cli.screen import choose_screen; import crawler.cli.farewell\n"
        "class Terminal(io.StringIO):\n    def isatty(self): return True\n"
        "for choice in ('plain', 'json', 'none', 'auto'):\n    choose_screen(choice, Terminal(), False, True, {'TERM': 'xterm'})\n"
        "print([name for name in ('rich', 'aiohttp', 'asyncio', 'selectolax', 'publicsuffixlist') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
