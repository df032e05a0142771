"""A comparison of modes promises: the same pages for all, medians of interleaved runs, and a word on what limited whom."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.bench import compare, measure
from crawler.bench.compare import Comparison, Plan, Row, check_same, rated, warnings
from crawler.bench.measure import Measurement, digest, peak_memory, percentile, settings_of
from crawler.bench.render import table, to_json
from crawler.errors import CrawlerError, SeedError
from crawler.testing import Site

MB = 1024 * 1024


def run(mode: str, wall: float, *, cpu: float = 0.5, peak: int = 60 * MB, p95: float = 52.0, **more: object) -> Measurement:
    """A crawl of 500 pages."""
    made = Measurement(mode, wall, cpu, peak, 500, 500, "same", 50.5, p95, "queue empty")
    return replace(made, **more)  # type: ignore[arg-type]


def compared(*rows: Row, plan: Plan | None = None, whole: bool = True, load: float | None = 0.1) -> Comparison:
    return Comparison(plan or Plan("http://127.0.0.1/"), rated(rows), whole, load)


USUAL = (
    Row("sync", (run("sync", 26.0), run("sync", 25.5), run("sync", 26.5))),
    Row("1", (run("1", 25.75, cpu=0.6), run("1", 26.5, cpu=0.6), run("1", 25.5, cpu=0.55))),
    Row("32", (run("32", 1.25, cpu=0.7, peak=70 * MB), run("32", 1.3, cpu=0.75), run("32", 1.2, cpu=0.65))),
)


# -- the figures -------------------------------------------------------------------------------------------------------------


def test_the_table() -> None:
    """Medians with the lowest and the highest, speed-up against sync, the quickest marked, and that all fetched the same."""
    assert table(compared(*USUAL)) == (
        "  mode                   wall s (median, min-max)   pages/s   CPU ms/page   peak MB   p50 / p95 ms   speed-up\n"
        "  sync (one at a time)   26.0 (25.5-26.5)              19.2          1.00        60    50.5 / 52.0       1.0x\n"
        "  async 1                25.8 (25.5-26.5)              19.4          1.20        60    50.5 / 52.0       1.0x\n"
        "  async 32               1.25 (1.20-1.30)               400          1.40        60    50.5 / 52.0      20.8x  <- best\n"
        "\n"
        "  All modes fetched the same 500 URLs with the same bytes (digests compared)."
    )


def test_the_table_of_a_narrow_terminal() -> None:
    """Says the same shorter; where that is still too wide, what matters less is left out."""
    saturated = Row("128", (run("128", 0.8, cpu=0.1, p95=500.0),))
    found = compared(*USUAL, saturated)
    assert table(found, 200) == table(found)
    narrow = table(found, 80).splitlines()
    assert narrow[0] == "  mode                  wall s (min-max)     pages/s  CPU ms    p50/95 ms   gain"
    assert narrow[3] == "  async 32              1.25 (1.20-1.30)         400    1.40  50.5 / 52.0  20.8x"
    assert narrow[5:8] == ["  best: async 128", "  async 128: server saturated: p95 grew 10x", ""]
    assert table(found, 40).splitlines()[3] == "  async 32                  400  20.8x"


def test_the_figures_for_programs() -> None:
    """The same as JSON, with every run."""
    found = to_json(compared(*USUAL), {"url": None}, datetime(2026, 11, 22, 12, 0, tzinfo=UTC))
    assert json.loads(json.dumps(found)) == found
    assert (found["date"], found["pages"], found["digest"], found["whole_site"]) == ("2026-11-22T12:00:00Z", 500, "same", True)
    sync, _, many = found["modes"]
    assert sync["wall"] == {"median": 26.0, "min": 25.5, "max": 26.5}
    assert (sync["cpu_ms_per_page"], sync["speed_up"], sync["best"]) == (1.0, 1.0, False)
    assert (many["pages_per_second"], many["speed_up"], many["best"], many["ttfb_ms"]) == (400.0, 20.8, True, {"p50": 50.5, "p95": 52.0})
    assert [each["wall"] for each in many["runs"]] == [1.25, 1.3, 1.2]


def test_without_sync_the_first_mode_is_the_measure() -> None:
    """A speed-up always has something it is measured against."""
    assert [row.speed_up for row in rated(USUAL[1:])] == [1.0, 20.6]
    assert [row.is_best for row in rated(USUAL[:1])] == [False], "one mode alone is not the best of anything"


@pytest.mark.parametrize(
    ("cpu", "p95", "server", "others", "note"),
    [
        (0.2, 60.0, None, None, ""),
        (0.2, 60.0, 0.3, 0.9, ""),
        (0.2, 312.0, None, None, "server saturated: p95 grew 6x"),
        (0.2, 312.0, 1.2, 0.9, "server saturated: p95 grew 6x"),
        (0.2, 312.0, 0.3, 0.9, "machine busy with other programs: p95 grew 6x"),
        (0.2, 312.0, 0.3, 0.1, "server saturated: p95 grew 6x"),
        (1.2, 312.0, None, None, "our core was busy: p95 grew 6x"),
        (1.2, 60.0, 0.3, None, "our core was busy"),
        (0.9, 60.0, 1.2, None, "server saturated: its core was busy"),
    ],
)
def test_what_limited_a_mode(cpu: float, p95: float, server: float | None, others: float | None, note: str) -> None:
    """Answers that come much later than one at a time, or a process that had no more to give: the server, ours, or other programs."""
    rows = rated([*USUAL[:2], Row("32", (run("32", 1.25, cpu=cpu, p95=p95, server=server, others=others),))])
    assert [row.note for row in rows] == ["", "", note]
    assert any("the server was the limit" in warning for warning in warnings(compared(*rows))) is note.startswith("server")


@pytest.mark.parametrize(
    ("others", "was_busy", "note"),
    [
        (None, False, "server saturated: p95 grew 6x"),
        (None, True, "server or machine busy: p95 grew 6x"),
        (0.1, True, "server saturated: p95 grew 6x"),
        (0.5, True, "machine busy with other programs: p95 grew 6x"),
    ],
)
def test_a_server_is_not_blamed_for_a_busy_machine(others: float | None, was_busy: bool, note: str) -> None:
    """A server of the user's on this machine: nobody knows what of its time others took, so on a busy one neither is accused."""
    rows = rated([*USUAL[:2], Row("32", (run("32", 1.25, cpu=0.2, p95=312.0, others=others),))], was_busy=was_busy)
    assert rows[-1].note == note
    found = Comparison(Plan("http://127.0.0.1/"), rows, whole=True)
    assert any("the server was the limit" in warning for warning in warnings(found)) is note.startswith("server saturated")


def test_warnings() -> None:
    """A busy machine, a site that is too small, and runs that differ are said."""
    many = Row("32", (run("32", 1.0), run("32", 1.5)))
    assert warnings(compared(*USUAL)) == []
    found = warnings(compared(*USUAL[:2], many, plan=Plan("http://127.0.0.1/", pages=700), load=99.0))
    assert re.match(r"the machine was busy when this began \(load 99\.0 on \d+ cores\)", found[0])
    assert found[1:] == [
        "the site has 500 pages, not 700",
        "async 32 took 1.00 to 1.50 s: this machine or the server was doing something else",
    ]
    disturbed = Row("32", (run("32", 1.25, others=0.5), run("32", 1.25, others=0.1)))
    assert warnings(compared(disturbed)) == ["other programs took 30% of this machine meanwhile, which makes the figures worse"]
    slowed = Row("32", (run("32", 499.0, delay=1.0),))
    limit = "robots.txt asks for 1.0 s between two requests, which every mode kept: that was the limit"
    assert warnings(compared(slowed)) == [limit], "or the speed-up would be a riddle"
    one = compared(Row("32", (run("32", 1.0, pages=1),)))
    assert warnings(one) == ["the site has 1 page, not 500"]
    assert "the same 1 URL with" in table(one)
    assert "chose them" in table(compared(*USUAL, whole=False, plan=Plan("http://127.0.0.1/", pages=700)))


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank."""
    assert percentile([], 0.5) is None
    assert [percentile([1.0, 2.0, 3.0, 4.0], part) for part in (0.5, 0.75, 0.95)] == [2.0, 3.0, 4.0]
    assert percentile([float(number) for number in range(1, 101)], 0.95) == 95.0


# -- the proof ---------------------------------------------------------------------------------------------------------------


def test_a_digest_knows_pages_by_path_and_body() -> None:
    """The order of fetching and the port of a site do not count; every URL and every byte does."""
    pages = [("http://127.0.0.1:8000/", "aa"), ("http://127.0.0.1:8000/b?x=1", "bb")]
    elsewhere = [(url.replace("8000", "9000"), body) for url, body in reversed(pages)]
    assert digest(pages) == digest(elsewhere)
    others = [pages[:1], [pages[0], ("http://127.0.0.1:8000/b?x=2", "bb")], [pages[0], ("http://127.0.0.1:8000/b?x=1", "bc")]]
    assert len({digest(each) for each in (pages, *others)}) == 4


def test_other_pages_are_an_error() -> None:
    """No figures for a comparison of different things: exit 1."""
    check_same([run("sync", 26.0), run("32", 1.0)])
    with pytest.raises(CrawlerError, match="async 32 fetched other pages than sync") as raised:
        check_same([run("sync", 26.0), run("32", 1.0, digest="other", pages=499)])
    assert raised.value.exit_code == 1
    assert "sync (one at a time) 500 and async 32 499" in raised.value.why
    with pytest.raises(CrawlerError, match="async 32 fetched other bytes"):
        check_same([run("sync", 26.0), run("32", 1.0, digest="other")])
    with pytest.raises(CrawlerError, match="async 32 did not come to its end: disk full"):
        check_same([run("32", 1.0, reason="disk full")])


# -- the measuring -----------------------------------------------------------------------------------------------------------


def test_modes_differ_in_nothing_but_the_mode(tmp_path: Path) -> None:
    """Everything is kept and robots.txt obeyed; on the user's own site all requests at once are for its host."""
    sync, many, polite = (
        settings_of(mode, 50, tmp_path, own=own, alone=False) for mode, own in (("sync", True), ("32", True), ("32", False))
    )
    assert (sync.mode, sync.concurrency, sync.per_host, many.mode, many.concurrency, many.per_host) == ("sync", 1, 1, "async", 32, 32)
    for settings in (sync, many):
        assert (settings.robots, settings.links, settings.save, settings.delay, settings.adaptive) == ("obey", "all", "files", 0.0, False)
        assert (settings.max_pages, settings.max_depth) == (50, None)
    assert (polite.concurrency, polite.per_host, polite.adaptive) == (32, 4, True)
    assert settings_of("sync", None, tmp_path, own=True, alone=True).max_depth == 0


def test_a_measurement_survives_the_way_between_processes() -> None:
    """What the measuring process prints is what it measured."""
    measured = run("sync", 26.0, urls=("http://127.0.0.1/",), peak=peak_memory())
    assert Measurement.from_json(json.dumps(asdict(measured))) == measured
    assert measured.peak is None or measured.peak > 10 * MB


def test_a_site_with_more_pages_than_asked_for(site: Site, tmp_path: Path) -> None:
    """All modes fetch the same list, although the first pages of a crawl are others at every speed; the runs are interleaved, and
    the first one is not counted."""
    for number in range(60):  # all of which are there: a 404 would be a page beyond the limit
        site.page(f"/{number}" if number else "/", links=[f"/{(number * 3 + each) % 59 + 1}" for each in (1, 2, 3)])
    told: list[str] = []
    plan = Plan(site.url(), ("sync", "8"), pages=15, repeat=1)
    found = compare.run(plan, tmp_path, lambda done, total, mode, turn: told.append(f"{done}/{total} {mode} {turn}"))
    assert told == ["0/3 warm-up ", "1/3 sync 1 of 1", "2/3 8 1 of 1"]
    assert not found.whole
    assert found.pages == 15
    assert [row.runs[0].digest for row in found.rows] == [found.digest] * 2
    assert site.count("/") == 3, "each crawl began anew"
    assert all(row.wall > 0 and row.cpu_per_page > 0 and row.ttfb[1] for row in found.rows)


def test_a_site_that_gives_nothing_is_an_error(site: Site, tmp_path: Path) -> None:
    """With what was wrong: exit 3."""
    with pytest.raises(SeedError) as raised:
        compare.run(Plan(site.url("/none"), ("sync",), repeat=1), tmp_path, lambda *_: None)
    assert (raised.value.exit_code, raised.value.why) == (3, "HTTP 404")


@pytest.mark.parametrize(
    ("robots", "leads_to", "why"),
    [
        ("User-agent: *\nDisallow: /", "", r"http://127.0.0.1:\d+/ may not be asked for: robots.txt line 2: Disallow: /"),
        ("", "http://127.0.0.2:9/", r"http://127.0.0.2:9/ may not be asked for: private: 127.0.0.2 is a loopback address"),
    ],
)
def test_a_site_that_may_not_be_asked_is_an_error(robots: str, leads_to: str, why: str, site: Site, tmp_path: Path) -> None:
    """With what forbids it, be it the seed or where it leads to; not only with how the crawl ended."""
    if robots:
        site.page("/robots.txt", robots, headers={"Content-Type": "text/plain"})
    site.page("/", status=302 if leads_to else 200, headers={"Location": leads_to} if leads_to else {})
    with pytest.raises(SeedError) as raised:
        compare.run(Plan(site.url(), ("2",), repeat=1), tmp_path, lambda *_: None)
    assert re.fullmatch(why, raised.value.why)


def test_the_delay_of_a_robots_txt_is_measured(site: Site, tmp_path: Path) -> None:
    """What the site asked for, in seconds."""
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 0.01", headers={"Content-Type": "text/plain"})
    assert compare.measured(Plan(site.url()), "2", (), tmp_path / "0").delay == 0.01


def test_a_crawl_that_fails_is_an_error(tmp_path: Path) -> None:
    """In the words of the process that failed."""
    (tmp_path / "0").write_text("no folder")
    with pytest.raises(CrawlerError, match=r"one at a time\) failed: ") as raised:
        compare.measured(Plan("http://127.0.0.1:9/"), measure.SYNC, (), tmp_path / "0")
    assert "Traceback" not in str(raised.value)
