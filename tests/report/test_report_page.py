"""report.html: whole in one file, true to the database, harmless whatever a site says, and never too large."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example as with_example
from hypothesis import given
from hypothesis import strategies as st
from report.browser import CHROMIUM, browser

from crawler.report.charts import time_histogram
from crawler.report.diff import compare
from crawler.report.diff_page import diff_page
from crawler.report.figures import Interval, histogram, read_intervals, tree
from crawler.report.folder import open_folder
from crawler.report.html import LARGE, SMALL, report_html, shared
from crawler.report.sections import SECTIONS
from crawler.report.summary import summarize
from crawler.report.tables import TABLES
from crawler.report.treemap import treemap
from tests.report.crawl_folder import ENDED, STARTED, CrawlFolder, example

HOSTILE = (
    "</title></style></script></td><script>alert(1)</script><img src=x onerror=alert(1)>", "\x1b[2J\x9b31m\u202e\u2028\x00", '"\'`=&lt;&',
    "javascript:alert(1)", "]]>-->", "x" * 3000, "漢字 🙂 עברית", "\ud800",
)  # fmt: skip

HERE_ALONE = f"https://example.org/alone/{HOSTILE[0]}"


def report_of(folder: Path, **options: Any) -> str:
    """The report of a crawl, read as any command would."""
    with closing(open_folder(folder)) as connection:
        return report_html(connection, summarize(connection), str(folder), **options)


@pytest.fixture
def crawled(tmp_path: Path) -> Path:
    """The small crawl that the tests of the summary look at, too."""
    folder = example(tmp_path / "crawl")
    folder.connection.execute("UPDATE runs SET ended = ?, finish_reason = 'queue empty'", (ENDED,))
    folder.close()
    return folder.path


class Read(HTMLParser):
    """What a browser would make of it: elements with their attributes, texts by section, and what is open at the end."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: dict[str, int] = {}
        self.raw: dict[str, str] = {}
        self._section = self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag == "section":
            self._section = dict(attrs).get("id") or ""
        if tag == "tr" and self._section:
            self.rows[self._section] = self.rows.get(self._section, -1) + 1  # the first is the head

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("style", "script"):
            self.raw[self._open] = data
        else:
            self.texts.append(data)


# --- one file -----------------------------------------------------------------------------------------------------------


def test_it_needs_nothing_and_its_own_policy_admits_it(crawled: Path) -> None:
    """Nothing is loaded from anywhere, no element has a style or a script of its own, and the policy names the digests of the two that
    are there. The script is smaller than 3 KB."""
    text = report_of(crawled)
    read = Read(text)
    policy = next(facts["content"] for tag, facts in read.elements if tag == "meta" and "http-equiv" in facts)
    assert policy is not None
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(read.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(read.raw["script"].encode()) < 3_000
    assert not re.search(r"url\(|@import", read.raw["style"])
    for tag, facts in read.elements:
        assert tag not in ("img", "iframe", "object", "embed", "form", "base", "audio", "video"), tag
        assert not [name for name in facts if name.startswith("on") or name in ("style", "src", "srcset")], facts
        assert tag == "a" or not (facts.get("href") or "").startswith(("http", "//")), facts
    assert [facts["href"] for tag, facts in read.elements if tag == "link"] == ["data:,"]


def test_the_same_crawl_makes_the_same_file(crawled: Path) -> None:
    """Byte for byte: no clock and no chance is in it."""
    assert report_of(crawled) == report_of(crawled)


def test_words_can_be_read_in_every_theme() -> None:
    """In the light, in the dark and on paper: text has at least the contrast 4.5 with what is behind it (WCAG 2.2, 1.4.3)."""
    style = (Path(__file__).parents[2] / "crawler/report/report.css").read_text("utf-8")
    light, dark, paper = (dict(re.findall(r"--(\w+):(#\w+)", colors)) for colors in re.findall(r":root\{(.*?)\}", style))
    for theme in (light, light | dark, light | paper, light | dark | paper):
        for words, behind in (
            *((words, behind) for words in ("ink", "dim") for behind in ("bg", "soft", "q0", "q1")),
            ("link", "bg"), ("ink", "q2"), ("ink", "q3"),
        ):  # fmt: skip
            bright, other = sorted((_luminance(theme[words]), _luminance(theme[behind])), reverse=True)
            assert (bright + 0.05) / (other + 0.05) >= 4.5, (words, behind, theme)


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# --- numbers ------------------------------------------------------------------------------------------------------------

TILES = {
    "pages": "SELECT count(*) FROM pages WHERE role <> 'requisite'",
    "ok": "SELECT count(*) FROM pages WHERE outcome IN ('ok', 'not_modified')",
    "redirects": "SELECT count(*) FROM pages WHERE outcome = 'redirect'",
    "broken": "SELECT count(*) FROM pages WHERE outcome = 'http_error'",
    "errors": "SELECT count(*) FROM pages WHERE outcome = 'error'",
    "skipped": "SELECT count(*) FROM skipped",
}


def test_every_number_is_a_query(crawled: Path) -> None:
    """Tiles are counts of the database, each section has the rows that its SQL gives and says how many, and each bar is the number
    of its status."""
    text = report_of(crawled)
    read = Read(text)
    shown = dict(re.findall(r"<div><dt>([^<]+)<dd>([^<]+)</div>", text))
    with closing(sqlite3.connect(crawled / "crawl.db")) as connection:
        execute = connection.execute
        assert {name: int(shown[name]) for name in TILES} == {name: execute(query).fetchone()[0] for name, query in TILES.items()}
        for section in SECTIONS:
            table = section.table
            rows = execute(table.sql).fetchall()
            groups = len({row[: table.keys] for row in rows}) if table.keys else len(rows)
            assert read.rows.get(table.name, 0) == groups, table.name
            assert not groups or f'<a href="#{table.name}">{section.title} <b>{groups}</b></a>' in text
            assert [column[0] for column in execute(table.sql).description] == list(table.columns), table.name
        bars = dict(re.findall(r"<tr><th scope=row>(\w+)<td class=bar>.*?<td class=n>([\d,]+)", text))
        statuses = execute("SELECT iif(outcome = 'error', 'error', status), count(*) FROM pages GROUP BY 1").fetchall()
        assert {name: int(bars[name]) for name, _ in ((str(key), number) for key, number in statuses)} == {
            str(key): number for key, number in statuses
        }
        depths = dict(re.findall(r"<title>depth (\d+): (\d+) pages", text))
        assert {int(depth): int(pages) for depth, pages in depths.items()} == dict(execute("SELECT depth, pages FROM by_depth"))


def test_all_tables_have_the_columns_they_name() -> None:
    """The names that JSON and CSV use are those of the SQL, which reads an empty folder as any other."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript((Path(__file__).parents[2] / "crawler/store/schema.sql").read_text("utf-8"))
        for table in TABLES.values():
            cursor = connection.execute(table.sql)
            assert tuple(column[0] for column in cursor.description) == table.columns
            assert cursor.fetchall() == []


@given(st.lists(st.tuples(st.integers(0, 500_000), st.integers(1, 1_000)), max_size=20, unique_by=lambda each: each[0]))
@with_example([(0, 1), (99, 2), (100, 3), (100_000, 4), (999_999, 5)])
def test_a_histogram_holds_every_answer_once(rows: list[tuple[int, int]]) -> None:
    """In the bucket whose bounds it lies between; the buckets follow one another without a gap."""
    buckets = histogram(sorted(rows))
    assert sum(bucket.pages for bucket in buckets) == sum(pages for _, pages in rows)
    for ms, _ in rows:
        assert [bucket for bucket in buckets if bucket.low <= ms < bucket.high and bucket.pages]
    assert all(first.high == second.low for first, second in pairwise(buckets))


@pytest.mark.parametrize(
    ("times", "marks"),
    [
        ([0, 0, 1, 2, 5], ["0", "1 ms", "1.5 ms", "2.2 ms", "3.2 ms", "4.6 ms"]),
        ([40], ["32 ms"]),
        ([2, 900], ["10 ms", "100 ms"]),
        ([700, 90_000], ["1 s", "10 s"]),
    ],
)
def test_a_histogram_says_how_long_its_columns_took(times: list[int], marks: list[str]) -> None:
    """At least two marks stand below more than one column: a power of ten alone says nothing of the others; above stands what the highest
    column means."""
    picture = time_histogram(histogram(sorted(Counter(times).items())))
    highest = max(bucket.pages for bucket in histogram(sorted(Counter(times).items())))
    assert picture.startswith(f"<p class=top>{highest} page{'s' * (highest > 1)}</p>")
    assert re.findall("<text[^>]*>([^<]*)", picture) == marks


def test_pages_over_time_leave_out_the_pause_between_runs(tmp_path: Path) -> None:
    """A crawl of two runs a day apart is as long as both together, and every page is in one of at most 48 intervals."""
    folder = CrawlFolder(tmp_path / "crawl").run(STARTED, ENDED, "interrupted")
    for number in range(60):
        folder.page(f"https://example.org/{number}", fetched_at=f"2026-11-22T18:40:{number:02}.500000Z")
    folder.run("2026-11-23T18:40:00.000000Z")
    for number in range(40):
        outcome = "http_error" if number < 10 else "ok"
        folder.page(f"https://example.org/b/{number}", outcome=outcome, fetched_at=f"2026-11-23T18:40:{number:02}.000000Z")
    found = read_intervals(folder.connection, 100.0)
    folder.close()

    assert sum(each.pages for each in found) == 100
    assert sum(each.bad for each in found) == 10
    assert len(found) <= 48
    assert (found[0].start, found[-1].start + found[-1].seconds) == (0.0, 100.0)
    assert found[0] == Interval(0.0, 3.0, 3, 0)


@given(st.lists(st.text("abc", min_size=1, max_size=2).map(lambda name: f"{name}/"), max_size=40), st.integers(1, 40))
def test_a_tree_map_shows_every_page_once_in_the_same_place(paths: list[str], cells: int) -> None:
    """Its rectangles fill the picture without overlapping, each as large as its share, whatever the order the pages come in."""
    urls = [f"https://example.org/{''.join(paths[number : number + 3])}{number}" for number in range(len(paths))]
    root = tree([(url, 0, 10) for url in urls])
    found = treemap(root, cells, 3.0)
    assert sum(cell.branch.pages for cell in found) == len(urls)
    for cell in found:
        assert cell.width * cell.height == pytest.approx(1e4 * cell.branch.pages / len(urls))
        assert -1e-6 <= cell.x <= cell.x + cell.width <= 100 + 1e-6
        assert -1e-6 <= cell.y <= cell.y + cell.height <= 100 + 1e-6
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= 1e-6 or down <= 1e-6
    again = treemap(tree([(url, 0, 10) for url in reversed(urls)]), cells, 3.0)
    assert [cell[:4] for cell in again] == [cell[:4] for cell in found]


# --- hostile and huge -----------------------------------------------------------------------------------------------------


def hostile_crawl(path: Path, pages: int) -> Path:
    """A crawl that did nothing but find what is wrong, in words that would do harm: every page is in as many tables as it can be."""

    def url_of(number: int) -> str:
        return f"https://example.org/{number % pages}/{HOSTILE[number % pages % (len(HOSTILE) - 1)]}"

    folder = CrawlFolder(path).run(STARTED, ENDED, "\x1b[31mqueue empty</script>")
    for number in range(pages):
        url, nasty = url_of(number), HOSTILE[number % (len(HOSTILE) - 1)]
        outcome = ("ok", "http_error", "error", "redirect")[number % 4]
        facts: dict[str, Any] = {"title": nasty, "content_type": nasty if number % 8 else "text/html", "bytes": 5, "sha256": "ab"}
        facts |= {"error": "tls", "error_detail": nasty} if outcome == "error" else {}
        facts |= {"redirect_to": url_of(number + 4 - number % 8 // 7 * 3)} if outcome == "redirect" else {}
        folder.page(url, map(url_of, range(number, number + 6)), outcome, ttfb_ms=2000.0 + number, total_ms=3000.0, **facts)
        folder.refused(f"javascript:{number}{nasty}", "scheme", nasty, parent=url)
    folder.url(HERE_ALONE, "queued")
    folder.connection.execute("INSERT INTO links SELECT NULL, 1, id, 'sitemap', '', '', 0 FROM _frontier WHERE url = ?", (HERE_ALONE,))
    folder.connection.execute("UPDATE links SET text = ? WHERE kind = 'a'", (HOSTILE[0],))
    folder.connection.execute("UPDATE pages SET redirect_id = (SELECT t.id FROM pages t WHERE t.url = pages.redirect_to)")
    folder.connection.execute("UPDATE runs SET settings = ?", (json.dumps({"user_agent": HOSTILE[0] * 50}),))
    folder.connection.execute("UPDATE hosts SET closed = ?", (HOSTILE[0],))
    folder.connection.commit()
    folder.close()
    return path


@pytest.mark.parametrize(("pages", "limit"), [(200, SMALL), (600, LARGE)])
def test_no_words_of_a_site_do_anything_or_make_it_large(tmp_path: Path, pages: int, limit: int) -> None:
    """What a hostile site says stays text: the elements are those of a report, no link leads to anything but http, no character acts
    or cannot be encoded, and the file stays below its limit."""
    with closing(open_folder(hostile_crawl(tmp_path / "crawl", pages))) as connection:
        text = report_html(connection, replace(summarize(connection), pages=200 if limit == SMALL else 10**9), "crawl")
    read = Read(text)
    assert 0.9 * limit < len(text.encode()) < limit
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)
    assert [tag for tag, _ in read.elements if tag == "script"] == ["script"]
    assert not {tag for tag, _ in read.elements} & {"img", "x"}
    for tag, facts in read.elements:
        assert not [name for name in facts if name.startswith("on")], facts
        if tag == "a":
            assert str(facts["href"]).startswith(("http://", "https://", "#")), facts
    assert "alert(1)" in "".join(read.texts)
    assert set(read.rows) == {section.table.name for section in SECTIONS}
    assert all(rows > 0 for rows in read.rows.values())


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 1_000), max_size=8), st.integers(-10, 3_000))
def test_room_is_shared_by_need(needs: dict[str, int], room: int) -> None:
    """Never more is given than there is, nobody gets more than he needs, and who gets less than he needs gets no less than anybody."""
    shares = shared(needs, room)
    assert sum(shares.values()) <= max(0, room)
    assert all(shares[name] <= need for name, need in needs.items())
    wanting = [shares[name] for name, need in needs.items() if shares[name] < need]
    assert not wanting or max(shares.values()) - min(wanting) <= 1


def test_what_there_is_no_time_for_is_left_out_and_said(crawled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause has to end in time: a report without any patience has the counts, says of every section that it is not there, and names the
    command that makes it whole."""
    monkeypatch.setattr("crawler.report.patience._INSTRUCTIONS", 1)
    text = report_of(crawled, patience=0.5, clock=iter(range(10_000)).__next__)
    assert "<dt>pages<dd>9" in text
    assert text.count("There was no time to find out") == len(SECTIONS)
    assert f"<code>crawler report {crawled} --broken --limit 0</code>" in text
    assert "<svg" not in text
    assert "There was no time to look for all that may need a look, in 9 pages." in text


def test_a_crawl_that_found_nothing_has_a_report(tmp_path: Path) -> None:
    """Before the first page, and where no seed answered, it says so."""
    folder = CrawlFolder(tmp_path / "empty").run()
    folder.close()
    assert "No page was fetched." in report_of(folder.path)
    failed = CrawlFolder(tmp_path / "failed").run(STARTED, ENDED, "queue empty")
    failed.page("https://example.org/", outcome="error", error="dns", error_detail="no such name", depth=0)
    failed.close()
    assert "No page was fetched: https://example.org/ (dns: no such name)." in report_of(failed.path)


# --- with eyes ------------------------------------------------------------------------------------------------------------

# Whatever reaches out of the window; pictures clip what is in them.
OVERFLOWS = """[...document.querySelectorAll('body, body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return !element.closest('svg') && box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(element => element.outerHTML.slice(0, 200))"""
# Words of the web beside words of ours, which a title written from right to left would put into another order.
UNBOUND = """[...document.querySelectorAll('td a, td b, h1')].filter(element => getComputedStyle(element).unicodeBidi !== 'isolate')
  .map(element => element.outerHTML.slice(0, 200))"""
FIRST_CELLS = "[...document.querySelector('#slowest tbody').rows].map(row => row.cells[2].textContent)"
SEEN = "[...document.querySelector('#slowest tbody').rows].filter(row => row.offsetParent).length"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
async def test_it_looks_right_in_a_browser(tmp_path: Path, crawled: Path) -> None:
    """In both themes, wide and at 400 pixels, with scripts and without: nothing reaches out of the window, the console stays silent,
    the two themes differ, and every table can be sorted and filtered. So it is with the page of a difference."""
    for name, source in (("plain", crawled), ("hostile", hostile_crawl(tmp_path / "hostile", 48))):
        (tmp_path / f"{name}.html").write_text(report_of(source), "utf-8")
    async with browser(tmp_path / "profile") as tab:
        shots = {}
        for name in ("plain", "hostile"):
            for width, dark, scripts in ((1200, False, True), (400, False, True), (400, True, False)):
                await tab.open(tmp_path / f"{name}.html", width, dark, scripts)
                assert await tab.value(OVERFLOWS) == []
                assert await tab.value("document.documentElement.scrollWidth") == width
                shots[name, width, dark] = await tab.screenshot()
        with closing(open_folder(crawled)) as old, closing(open_folder(tmp_path / "hostile")) as new:
            (tmp_path / "diff.html").write_text("".join(diff_page(compare(old, new, ("old", "new")))), "utf-8")
        for width in (1200, 400):
            await tab.open(tmp_path / "diff.html", width)
            assert await tab.value(OVERFLOWS) == []
        assert tab.said == []
        assert all(shot.startswith(b"\x89PNG") and len(shot) > 10_000 for shot in shots.values())
        assert shots["plain", 400, False] != shots["plain", 400, True]

        await tab.open(tmp_path / "hostile.html", 1200)
        assert await tab.value(UNBOUND) == []
        before = await tab.value(FIRST_CELLS)
        assert len(before) > 8
        await tab.value("document.querySelectorAll('#slowest th button')[2].click()")
        assert await tab.value(FIRST_CELLS) == sorted(before, key=_seconds, reverse=True)
        await tab.value("document.querySelectorAll('#slowest th button')[2].click()")
        assert await tab.value(FIRST_CELLS) == sorted(before, key=_seconds)
        await tab.value(
            "{const field = document.querySelector('#slowest input'); field.value = '/17/'; field.dispatchEvent(new Event('input'))}"
        )
        assert await tab.value(SEEN) == 1
        assert tab.said == []


def _seconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"ms": 0.001, "s": 1.0}[unit]
