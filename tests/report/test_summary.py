"""What the summary promises: every number is a query on the database, and a crawl of one page says why."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.report import queries
from crawler.report.diagnosis import OnlyPage
from crawler.report.summary import ClosedHost, ErrorGroup, FailedSeed, SkippedGroup, Summary, summarize
from tests.report.crawl_folder import FETCHED, CrawlFolder, example, read_only
from tests.report.summaries import a_summary

ROOT = "https://example.org/"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[CrawlFolder]:
    """An empty crawl whose first run goes on."""
    folder = CrawlFolder(tmp_path / "crawl").run()
    yield folder
    folder.close()


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[CrawlFolder]:
    """The crawl of `example`."""
    folder = example(tmp_path / "example")
    yield folder
    folder.close()


def of(folder: CrawlFolder) -> Summary:
    connection = read_only(folder)
    try:
        return summarize(connection)
    finally:
        connection.close()


def end(folder: CrawlFolder, reason: str = "queue empty") -> Summary:
    folder.connection.execute("UPDATE runs SET ended = '2026-11-22T18:40:31.500000Z', finish_reason = ?", (reason,))
    return of(folder)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_every_number_of_a_crawl(finished: CrawlFolder) -> None:
    """The summary of a small crawl, number by number."""
    assert of(finished) == a_summary(
        pages=9,
        run_pages=9,
        ok=4,
        redirects=1,
        broken=3,
        errors=1,
        bytes=4600,
        max_depth=3,
        files=4,
        error_kinds=(ErrorGroup("timeout", 1),),
        skipped=18,
        skipped_reasons={"scope": 13, "trap": 3, "robots": 1, "scheme": 1},
        skipped_groups=(
            SkippedGroup("scope", "host is not example.org", 12),
            SkippedGroup("trap", "/cal/{n}/{n}", 3),
            SkippedGroup("robots", "line 3: Disallow: /private", 1),
            SkippedGroup("scheme", "mailto", 1),
            SkippedGroup("scope", "exclude \\.pdf$", 1),
        ),
        ttfb_median_ms=20.0,
        ttfb_p95_ms=8200.0,
        ttfb_max_ms=8200.0,
        broken_links=3,
        broken_links_shared=1,
        shared_title_pages=2,
        shared_titles=1,
        script_only=1,
        script_only_examples=(f"{ROOT}app",),
    )


NUMBERS = (
    queries.PAGES,
    queries.TIME_TO_FIRST_BYTE,
    queries.QUEUED,
    queries.LAST_RUN,
    queries.BROKEN_LINKS,
    queries.DUPLICATE_TITLES,
)


@pytest.mark.parametrize("query", NUMBERS)
def test_a_number_shown_equals_a_query(finished: CrawlFolder, query: str) -> None:
    """Each column of these queries bears the name of a field and has its value."""
    cursor = finished.connection.cursor()
    cursor.row_factory = sqlite3.Row
    row = dict(cursor.execute(query).fetchone())
    summary = of(finished)
    assert row == {name: pytest.approx(getattr(summary, name)) for name in row}


@pytest.mark.parametrize(
    ("sql", "field"),
    [
        ("SELECT count(*) FROM pages", "pages"),
        ("SELECT count(*) FROM pages WHERE outcome = 'ok'", "ok"),
        ("SELECT count(DISTINCT target) FROM broken_links", "broken_links"),
        ("SELECT count(*) FROM skipped", "skipped"),
        ("SELECT sum(pages) FROM duplicate_titles", "shared_title_pages"),
        ("SELECT sum(pages) FROM by_status", "pages"),
        ("SELECT sum(bytes) FROM by_status", "bytes"),
        ("SELECT max(depth) FROM by_depth", "max_depth"),
    ],
)
def test_the_public_views_say_the_same(finished: CrawlFolder, sql: str, field: str) -> None:
    """Whoever asks the database in another way gets the same number."""
    assert finished.connection.execute(sql).fetchone()[0] == getattr(of(finished), field)


def test_the_outcomes_add_up(finished: CrawlFolder) -> None:
    """Every attempted URL is counted as one of four."""
    summary = of(finished)
    assert summary.pages == summary.ok + summary.redirects + summary.broken + summary.errors


@given(times=st.lists(st.integers(1, 50), min_size=1, max_size=45))
def test_times_are_by_nearest_rank(times: list[int]) -> None:
    """The median is the smallest time that at least half of all times do not exceed, p95 the same for 95 of 100."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE pages (ttfb_ms REAL)")
    connection.executemany("INSERT INTO pages VALUES (?)", [(time,) for time in times] + [(None,)])
    median, p95, most = connection.execute(queries.TIME_TO_FIRST_BYTE).fetchone()
    connection.close()
    for share, found in ((50, median), (95, p95)):
        assert found == min(time for time in times if 100 * sum(other <= time for other in times) >= share * len(times))
    assert most == max(times)


def test_an_empty_folder_has_a_summary(tmp_path: Path) -> None:
    """Nothing crawled, no run: zeros, and no claim that anything is complete."""
    folder = CrawlFolder(tmp_path / "crawl")
    summary = of(folder)
    folder.close()
    assert (summary.pages, summary.run, summary.duration, summary.rate, summary.ttfb_median_ms, summary.min_depth) == (
        0,
        0,
        0.0,
        0.0,
        None,
        None,
    )
    assert not summary.complete


def test_a_folder_of_several_runs(folder: CrawlFolder) -> None:
    """Counts are of the whole folder; rate, duration and reason of the last run."""
    folder.page(ROOT).page(f"{ROOT}a")
    folder.connection.execute("UPDATE runs SET ended = started, finish_reason = 'page limit'")
    folder.run("2026-11-22T19:00:00.000000Z", "2026-11-22T19:00:10.000000Z", "queue empty").page(f"{ROOT}b", outcome="not_modified")
    summary = of(folder)
    assert (summary.run, summary.pages, summary.run_pages, summary.ok) == (2, 3, 1, 3)
    assert (summary.duration, summary.rate, summary.finish_reason) == (10.0, 0.1, "queue empty")


def test_a_killed_run_lasted_until_its_last_page(folder: CrawlFolder) -> None:
    """A run without an end has no reason, and the time of its last page for its duration."""
    folder.page(ROOT).url(f"{ROOT}a").url(f"{ROOT}b", "leased")
    summary = of(folder)
    assert (summary.finish_reason, summary.ended, summary.duration, summary.queued) == (None, None, 30.0, 2)
    assert not summary.complete


def test_a_clock_set_back_gives_no_negative_time(folder: CrawlFolder) -> None:
    """A run that ended before it started lasted 0 s."""
    folder.connection.execute("UPDATE runs SET ended = '2026-11-22T18:00:00.000000Z', finish_reason = 'queue empty'")
    assert (of(folder).duration, of(folder).rate) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("reason", "queued", "complete"),
    [("queue empty", 0, True), ("queue empty", 1, False), ("page limit", 0, False), ("interrupted", 3, False)],
)
def test_a_partial_crawl_is_never_called_complete(folder: CrawlFolder, reason: str, queued: int, complete: bool) -> None:
    """Complete is: the queue is empty, and the database agrees."""
    folder.page(ROOT)
    for number in range(queued):
        folder.url(f"{ROOT}{number}")
    assert end(folder, reason).complete is complete


def test_closed_hosts(folder: CrawlFolder) -> None:
    """Hosts that were given up are counted, the first five with what they said."""
    folder.page(ROOT)
    for number in range(7):
        folder.host(f"h{number}.example", closed="refused: connection refused", failed=number)
    summary = of(folder)
    assert summary.closed_hosts == 7
    assert summary.closed_host_examples[0] == ClosedHost("h6.example", "refused: connection refused")
    assert len(summary.closed_host_examples) == 5


def test_many_rules_are_cut_and_still_counted(folder: CrawlFolder) -> None:
    """The summary names twenty groups; its totals count all of them."""
    for number in range(50):
        folder.refused(f"https://{number}.example/", "private", f"10.0.0.{number} is a private address")
    summary = of(folder)
    assert (summary.skipped, summary.skipped_reasons, len(summary.skipped_groups or ())) == (50, {"private": 50}, 20)


def test_the_summary_is_json(finished: CrawlFolder) -> None:
    """summary.json holds the fields, the rate, and whether the crawl is complete."""
    values = json.loads(json.dumps(of(finished).to_json(), allow_nan=False))
    assert values["pages"] == 9
    assert values["rate"] == pytest.approx(9 / 49, abs=0.001)
    assert values["complete"] is True
    assert values["skipped_groups"][1] == {"reason": "trap", "detail": "/cal/{n}/{n}", "urls": 3}


def test_impatience_costs_findings_but_no_counts(finished: CrawlFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is up, what takes long is None; counts are there, and the connection can be used on."""
    monkeypatch.setattr("crawler.report.patience._INSTRUCTIONS", 1)
    connection = read_only(finished)
    ticks = iter(range(10_000))
    summary = summarize(connection, patience=0.5, clock=lambda: next(ticks))
    assert (summary.pages, summary.ok, summary.finish_reason) == (9, 4, "queue empty")
    assert (summary.failed_seeds, summary.skipped, summary.broken_links, summary.ttfb_max_ms) == (None, None, None, None)
    json.dumps(summary.to_json())
    assert summarize(connection, patience=60).broken_links == 3
    connection.close()


# --- JavaScript -------------------------------------------------------------------------------------------------------


def test_pages_that_scripts_build_are_told_from_pages_that_end(folder: CrawlFolder) -> None:
    """Scripts and nothing to follow; not so: a link, a form, no script, a large page, an error, another type, links not kept."""
    script = (f"{ROOT}s.js", "script")
    folder.page(f"{ROOT}app", [script, (f"{ROOT}s.css", "css"), (f"{ROOT}i.png", "img"), (f"{ROOT}m", "link")])
    folder.page(f"{ROOT}1", [script, ROOT]).page(f"{ROOT}2", [script, (ROOT, "form")]).page(f"{ROOT}3", [(f"{ROOT}i.png", "img")])
    folder.page(f"{ROOT}4", [script], bytes=100_000).page(f"{ROOT}5", [script], "http_error").page(
        f"{ROOT}6", [script], content_type="image/svg+xml"
    )
    folder.page(f"{ROOT}7", link_count=3).page(f"{ROOT}8", [script], role="probe").page(f"{ROOT}9")
    summary = of(folder)
    assert (summary.script_only, summary.script_only_examples) == (1, (f"{ROOT}app",))


def test_of_many_script_pages_three_are_named(folder: CrawlFolder) -> None:
    """The highest in the site come first."""
    for depth in (3, 2, 1, 0):
        folder.page(f"{ROOT}{depth}", [(f"{ROOT}s.js", "script")], depth=depth)
    summary = of(folder)
    assert (summary.script_only, summary.script_only_examples) == (4, (f"{ROOT}0", f"{ROOT}1", f"{ROOT}2"))


# --- seeds that failed ------------------------------------------------------------------------------------------------


def test_failed_seeds_say_why(folder: CrawlFolder) -> None:
    """No answer, a bad status, a refusal, a host given up; and where a redirect from a seed has led."""
    folder.page("https://ok.example/", depth=0)
    folder.page("https://dns.example/", outcome="error", error="dns", error_detail="no such host", depth=0)
    folder.page("https://login.example/", outcome="http_error", status=401, depth=0)
    folder.page("https://moved.example/", outcome="redirect", depth=0)
    folder.page("https://new.example/", outcome="http_error", depth=0, parent="https://moved.example/", hops=1)
    folder.url("https://robots.example/", "skipped", "robots", "line 2: Disallow: /", depth=0)
    folder.url("https://closed.example/", "failed", "refused", "connection refused", depth=0)
    folder.page("https://ok.example/deep", outcome="http_error", depth=1)
    folder.page("https://ok.example/style.css", outcome="http_error", depth=0, role="requisite", parent="https://ok.example/")
    assert set(of(folder).failed_seeds or ()) == {
        FailedSeed("https://dns.example/", 0, "dns: no such host"),
        FailedSeed("https://login.example/", 401, "HTTP 401"),
        FailedSeed("https://new.example/", 404, "HTTP 404"),
        FailedSeed("https://robots.example/", 0, "robots.txt line 2: Disallow: /"),
        FailedSeed("https://closed.example/", 0, "refused: connection refused"),
    }


# --- a crawl of one page ----------------------------------------------------------------------------------------------


def test_one_page_of_scripts(folder: CrawlFolder) -> None:
    """No links, but scripts: JavaScript builds it."""
    folder.page(ROOT, [(f"{ROOT}{number}.js", "script") for number in range(5)], depth=0).refused(
        "mailto:me@example.org", "scheme", "mailto", ROOT
    )
    folder.refused("https://cdn.example/1.js", "requisite", "", ROOT)
    assert end(folder).only_page == OnlyPage(
        ROOT, "javascript", "it has 5 scripts and no links: JavaScript seems to build it, which is not run"
    )


def test_one_page_whose_links_lead_to_www(folder: CrawlFolder) -> None:
    """The usual trap: the seed without www., all links with it."""
    folder.page(ROOT, depth=0)
    for number in range(40):
        folder.refused(f"https://www.example.org/{number}", "scope", "host is not example.org", ROOT)
    folder.refused("https://social.example/", "scope", "host is not example.org", ROOT)
    assert end(folder).only_page == OnlyPage(ROOT, "scope", "all its 41 links lead to www.example.org", "--scope domain")


@pytest.mark.parametrize(
    ("seed", "targets", "why"),
    [
        ("https://www.example.co.uk/", ["https://example.co.uk/a"], "its only link leads to example.co.uk"),
        (
            "https://a.example.org/",
            ["https://b.example.org/", "https://c.example.org/"],
            "all its 2 links lead to b.example.org and c.example.org",
        ),
        (
            "https://example.org/",
            [f"https://{name}.example.org/" for name in "abcd"],
            "all its 4 links lead to a.example.org and 3 other hosts of the domain",
        ),
    ],
)
def test_one_page_whose_links_lead_elsewhere_in_the_domain(folder: CrawlFolder, seed: str, targets: list[str], why: str) -> None:
    """Hosts that were registered together, by the public suffix list."""
    folder.page(seed, depth=0)
    for target in targets:
        folder.refused(target, "scope", "host is not the seed", seed)
    assert end(folder).only_page == OnlyPage(seed, "scope", why, "--scope domain")


def test_one_page_whose_links_lead_to_other_sites(folder: CrawlFolder) -> None:
    """Nothing helps: these are other people's. Two hosts under one public suffix are not one domain."""
    folder.page("https://me.github.io/", depth=0)
    folder.refused("https://you.github.io/", "scope", "host is not me.github.io", "https://me.github.io/")
    assert end(folder).only_page == OnlyPage(
        "https://me.github.io/", "scope", "its only link leads out of the scope (host is not me.github.io)"
    )


def test_one_page_of_a_narrow_scope(folder: CrawlFolder) -> None:
    """With --scope page or prefix, the links stay on the host."""
    folder.page(ROOT, depth=0).refused(f"{ROOT}a", "scope", "not a seed", ROOT).refused(f"{ROOT}b", "scope", "not a seed", ROOT)
    assert end(folder).only_page == OnlyPage(ROOT, "scope", "all its 2 links lead out of the scope (not a seed)", "--scope host")


def test_one_page_and_robots_txt(folder: CrawlFolder) -> None:
    """The line of robots.txt that forbids the rest."""
    folder.page(ROOT, depth=0).refused("https://other.example/", "scope", "host is not example.org", ROOT)
    for number in range(3):
        folder.url(f"{ROOT}{number}", "skipped", "robots", "line 7: Disallow: /*", parent=ROOT)
    assert end(folder).only_page == OnlyPage(ROOT, "robots", "robots.txt forbids 3 of its 4 links (line 7: Disallow: /*)")


@pytest.mark.parametrize("path", ["login", "users/sign_in?next=/", "accounts/LogIn/", "sso/start", "wp-login.php", "oauth2/authorize"])
def test_one_page_that_asks_for_a_login(folder: CrawlFolder, path: str) -> None:
    """A seed that ends at a login page."""
    folder.page(ROOT, outcome="redirect", depth=0).page(ROOT + path, depth=0, parent=ROOT, hops=1)
    assert end(folder).only_page == OnlyPage(ROOT + path, "login", "it asks for a login", "--cookies FILE")


@pytest.mark.parametrize("path", ["blog/login-free", "author/", "catalogins", "assorted"])
def test_not_every_path_is_a_login(folder: CrawlFolder, path: str) -> None:
    """Words that only contain one."""
    folder.page(ROOT + path, depth=0)
    found = end(folder).only_page
    assert found is not None
    assert found.cause == "no links"


def test_one_page_of_which_nothing_was_read(folder: CrawlFolder) -> None:
    """An empty one, or one whose type is not wanted."""
    folder.page(ROOT, depth=0, bytes=0)
    why = "nothing of it was read: it is empty, or --accept-type or --reject-type leaves it out"
    assert end(folder).only_page == OnlyPage(ROOT, "no links", why)


def test_other_single_pages(folder: CrawlFolder) -> None:
    """No links at all, links to itself, no HTML, links that were not kept, nofollow."""
    folder.page(ROOT, depth=0)
    assert end(folder).only_page == OnlyPage(ROOT, "no links", "it has no links")
    folder.refused(f"{ROOT}a", "nofollow", "meta robots", ROOT)
    assert end(folder).only_page == OnlyPage(ROOT, "refused", "its only link was skipped as nofollow (meta robots)")


@pytest.mark.parametrize(
    ("links", "columns", "cause", "why"),
    [
        ([ROOT], {}, "no links", "its links lead only to itself"),
        ([], {"content_type": "application/pdf"}, "not html", "it is application/pdf, not HTML"),
        ([], {"content_type": None}, "not html", "it is of no known type, not HTML"),
        ([], {"link_count": 8}, "unknown", "its links lead to nothing new; they were not kept"),
        ([f"{ROOT}#"], {}, "no links", "its links lead to no other page"),
    ],
)
def test_single_pages_without_links(folder: CrawlFolder, links: list[str], columns: dict[str, object], cause: str, why: str) -> None:
    """What is told when nothing was refused."""
    folder.page(ROOT, links, depth=0, **columns)
    assert end(folder).only_page == OnlyPage(ROOT, cause, why)  # type: ignore[arg-type]


def test_a_limit_explains_itself(folder: CrawlFolder) -> None:
    """One page at a limit, two pages, a broken page, or none: nothing to diagnose."""
    assert end(folder).only_page is None
    folder.page(ROOT, depth=0)
    assert end(folder, "page limit").only_page is None
    assert end(folder, "interrupted").only_page is None
    folder.page(f"{ROOT}gone", outcome="http_error")
    assert end(folder).only_page is None


def test_a_broken_seed_is_no_only_page(folder: CrawlFolder) -> None:
    """It is a failed seed."""
    folder.page(ROOT, outcome="http_error", depth=0, fetched_at=FETCHED)
    summary = end(folder)
    assert summary.only_page is None
    assert summary.failed_seeds == (FailedSeed(ROOT, 404, "HTTP 404"),)
