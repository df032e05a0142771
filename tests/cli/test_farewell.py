"""The last screen of a crawl, to the letter."""

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest

from crawler.cli.farewell import render_summary, resume_command
from crawler.report.diagnosis import OnlyPage
from crawler.report.summary import ClosedHost, ErrorGroup, FailedSeed, FailedSitemap, SkippedGroup, Summary
from tests.report.summaries import a_summary

SUMMARY = a_summary(
    pages=1483,
    run_pages=1483,
    ok=1391,
    redirects=58,
    broken=31,
    errors=3,
    bytes=52 * 1024 * 1024,
    max_depth=6,
    files=1391,
    error_kinds=(ErrorGroup("timeout", 2), ErrorGroup("dns", 1)),
    skipped=274,
    skipped_reasons={"scope": 212, "trap": 48, "robots": 14},
    skipped_groups=(
        SkippedGroup("scope", "host is not example.org", 212),
        SkippedGroup("trap", "/cal/{n}/{n}", 48),
        SkippedGroup("robots", "line 3: Disallow: /private", 14),
    ),
    ttfb_median_ms=41.2,
    ttfb_p95_ms=180.0,
    ttfb_max_ms=8200.0,
    broken_links=31,
    broken_links_shared=9,
    shared_title_pages=18,
    shared_titles=1,
    script_only=1,
    script_only_examples=("https://example.org/app",),
)
NOTHING_TO_SAY = replace(SUMMARY, errors=0, broken_links=0, shared_title_pages=0, script_only=0)
HOSTILE = "https://example.org/\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r\n\x7f\u2028" + "x" * 10_000

SQL = "crawler query crawl-example.org"
REPORT = "crawler report crawl-example.org"

DONE = f"""\
Done in 49 s: 1,483 pages, 52 MB, 30 pages/s             finished: queue empty

  ok 1,391 · redirects 58 · broken 31 · errors 3           depth 0-6
  time to first byte  median 41 ms · p95 180 ms · max 8.2 s
  skipped  212 outside example.org · 14 robots.txt · 48 trap /cal/{{n}}/{{n}}
  a trap that is none is released with
    crawler resume crawl-example.org --release '/cal/{{n}}/{{n}}'

  Look at first
    31 broken links, 9 of them from more than one page   {REPORT} --broken
    3 pages without an answer: 2 timeout, 1 dns          {REPORT} --broken
    18 pages share a title                               {REPORT} --duplicates
    1 page looks JavaScript-only (/app)                  {REPORT} --thin

  crawl-example.org/   pages/ 1,391 files · crawl.db · report.html
  Next: open crawl-example.org/report.html · {SQL} "select url, status, title from pages\""""

DONE_80 = f"""\
Done in 49 s: 1,483 pages, 52 MB, 30 pages/s             finished: queue empty

  ok 1,391 · redirects 58 · broken 31 · errors 3           depth 0-6
  time to first byte  median 41 ms · p95 180 ms · max 8.2 s
  skipped  212 outside example.org · 14 robots.txt · 48 trap /cal/{{n}}/{{n}}
  a trap that is none is released with
    crawler resume crawl-example.org --release '/cal/{{n}}/{{n}}'

  Look at first
    31 broken links, 9 of them from more than one page
      {REPORT} --broken
    3 pages without an answer: 2 timeout, 1 dns
      {REPORT} --broken
    18 pages share a title
      {REPORT} --duplicates
    1 page looks JavaScript-only (/app)
      {REPORT} --thin

  crawl-example.org/   pages/ 1,391 files · crawl.db · report.html
  Next: open crawl-example.org/report.html
        {SQL} "select url, status, title from pages\""""

DONE_40 = f"""\
Done in 49 s: 1,483 pages, 52 MB, 30
pages/s
finished: queue empty

  ok 1,391 · redirects 58 · broken 31
  errors 3
  depth 0-6
  time to first byte  median 41 ms
  p95 180 ms · max 8.2 s
  skipped  212 outside example.org
    14 robots.txt · 48 trap /cal/{{n}}/{{n}}
  a trap that is none is released with
    crawler resume crawl-example.org --release '/cal/{{n}}/{{n}}'

  Look at first
    31 broken links, 9 of them from more
      than one page
      {REPORT} --broken
    3 pages without an answer: 2
      timeout, 1 dns
      {REPORT} --broken
    18 pages share a title
      {REPORT} --duplicates
    1 page looks JavaScript-only (/app)
      {REPORT} --thin

  crawl-example.org/   pages/ 1,391
    files · crawl.db · report.html
  Next: open crawl-example.org/report.html
        {SQL} "select url, status, title from pages\""""

PAUSED = """\
Paused after 49 s: 1,483 pages, 52 MB, 30 pages/s        finished: interrupted

  ok 1,391 · redirects 58 · broken 31 · errors 0           depth 0-6
  time to first byte  median 41 ms · p95 180 ms · max 8.2 s
  skipped  212 outside example.org · 14 robots.txt · 48 trap /cal/{n}/{n}
  a trap that is none is released with
    crawler resume crawl-example.org --release '/cal/{n}/{n}'
  left  312 queued

  crawl-example.org/   pages/ 1,391 files · crawl.db · report.html
  Next: crawler resume crawl-example.org"""


def render(summary: Summary, width: int = 80, folder: str = "crawl-example.org", **more: Any) -> str:
    return render_summary(summary, folder, width, **more)


def test_a_finished_crawl() -> None:
    """The screen of a crawl with a bit of everything, on a wide terminal, a usual one, a narrow one."""
    assert render(SUMMARY, 200) == DONE
    assert render(SUMMARY, 80) == DONE_80
    assert render(SUMMARY, 40) == DONE_40


def test_a_paused_crawl() -> None:
    """It says Paused, what is left, and the command that goes on."""
    assert render(replace(NOTHING_TO_SAY, finish_reason="interrupted", queued=312)) == PAUSED


@pytest.mark.parametrize(
    ("reason", "queued", "head", "left", "following"),
    [
        ("queue empty", 0, "Done in", "", "open"),
        ("queue empty", 2, "Stopped after", "left  2 queued", "crawler resume crawl-example.org"),
        ("interrupted", 312, "Paused after", "left  312 queued", "crawler resume crawl-example.org"),
        ("terminated", 312, "Paused after", "left  312 queued", "crawler resume crawl-example.org"),
        ("page limit", 312, "Stopped after", "left  312 queued, beyond the page limit", "crawler resume crawl-example.org --max-pages N"),
        ("depth limit", 312, "Stopped after", "left  312 queued, beyond the depth limit", "crawler resume crawl-example.org --max-depth N"),
        ("size limit", 312, "Stopped after", "left  312 queued, beyond the size limit", "crawler resume crawl-example.org --max-size SIZE"),
        ("time limit", 312, "Stopped after", "left  312 queued, beyond the time limit", "crawler resume crawl-example.org"),
        ("disk full", 312, "Stopped after", "left  312 queued", "crawler resume crawl-example.org"),
        ("error", 312, "Stopped after", "left  312 queued", "crawler resume crawl-example.org"),
        (None, 312, "Not finished after", "left  312 queued", "crawler resume crawl-example.org"),
    ],
)
def test_the_reason_is_always_told(reason: str | None, queued: int, head: str, left: str, following: str) -> None:
    """`finished:` names the reason; a partial crawl is never Done; the last line is the next command."""
    lines = render(replace(NOTHING_TO_SAY, finish_reason=reason, queued=queued)).split("\n")
    assert lines[0].startswith(f"{head} 49 s: 1,483 pages")
    assert lines[0].endswith(f"   finished: {reason or 'not recorded'}")
    assert [line.strip() for line in lines if line.strip().startswith("left ")] == ([left] if left else [])
    last = next(line for line in lines if line.startswith("  Next: "))
    assert last.startswith(f"  Next: {following}")
    assert lines[lines.index(last) + 1 :] == (
        [] if queued else ['        crawler query crawl-example.org "select url, status, title from pages"']
    )


@pytest.mark.parametrize("given", ["--max-pages 100 --port 8000", "--port 8000 --max-pages=100"])
def test_a_higher_limit_takes_the_place_of_the_one_that_was_reached(given: str) -> None:
    """A command that serves its own site again names each option once."""
    command = resume_command("demo", "page limit", f"crawler demo --crawl {given}")
    assert command == "crawler demo --crawl --port 8000 --max-pages N"


def test_a_resumed_crawl_counts_its_run_and_all() -> None:
    """Rate and duration are of this run, and said so."""
    text = render(replace(NOTHING_TO_SAY, run=3, run_pages=98), 100)
    assert text.startswith("Done in 49 s: 98 pages in this run, 1,483 in all, 52 MB, 2.0 pages/s   finished: queue empty\n")


def test_lines_with_nothing_to_say_are_left_out() -> None:
    """No skipped URLs, no times, no files, no findings: no lines for them."""
    quiet = replace(NOTHING_TO_SAY, skipped=0, skipped_reasons={}, ttfb_median_ms=None, files=0, max_depth=0)
    assert render(quiet).split("\n")[1:] == [
        "",
        "  ok 1,391 · redirects 58 · broken 31 · errors 0           depth 0",
        "",
        "  crawl-example.org/   crawl.db · report.html",
        "  Next: open crawl-example.org/report.html",
        '        crawler query crawl-example.org "select url, status, title from pages"',
    ]


def test_what_there_was_no_time_for_is_left_out() -> None:
    """A summary that was cut short says what it knows."""
    unknown = dict.fromkeys(
        ("failed_seeds", "skipped", "skipped_reasons", "skipped_groups", "ttfb_median_ms", "ttfb_p95_ms", "ttfb_max_ms", "broken_links",
         "broken_links_shared", "shared_title_pages", "shared_titles", "script_only", "script_only_examples")
    )  # fmt: skip
    text = render(replace(SUMMARY, errors=0, finish_reason="interrupted", queued=312, **unknown))  # type: ignore[arg-type]
    assert "Look at first" not in text
    assert "None" not in text
    assert text.endswith("Next: crawler resume crawl-example.org")


def test_at_most_five_findings_the_gravest_first() -> None:
    """Seeds, hosts, links, pages without an answer, titles; what is beyond five waits in the database."""
    everything = replace(
        SUMMARY,
        failed_seeds=(FailedSeed("https://a.example/", 0, "dns: no such host"), FailedSeed("https://b.example/", 401, "HTTP 401")),
        closed_hosts=2,
        closed_host_examples=(ClosedHost("cdn.example.org", "refused: connection refused"),),
    )
    lines = render(replace(everything, errors=0), 300).split("\n")
    findings = lines[lines.index("  Look at first") + 1 :]
    assert [line.strip().split("   ")[0] for line in findings[: findings.index("")]] == [
        "2 seeds gave no page: https://a.example/ (dns: no such host), and 1 more",
        "2 hosts given up: cdn.example.org (refused: connection refused), and 1 more",
        "31 broken links, 9 of them from more than one page",
        "18 pages share a title",
        "1 page looks JavaScript-only (/app)",
    ]
    assert "without an answer" not in render(everything), "the hosts that were given up say it already"


def test_sitemaps_that_were_not_read_whole_are_told() -> None:
    """What else they list nobody knows, so the first one is named, with why."""
    broken = tuple(FailedSitemap(f"https://example.org/{number}.xml", "truncated: truncated gzip") for number in range(2))
    assert "2 sitemaps could not be read whole: https://example.org/0.xml (truncated: truncated gzip), and 1 more" in render(
        replace(SUMMARY, failed_sitemaps=broken), 200
    )


def test_kinds_of_errors_that_are_not_named_leave_a_sign() -> None:
    """Three are named, the most frequent; an ellipsis stands for the others."""
    kinds = tuple(ErrorGroup(kind, 1) for kind in ("redirect_loop", "reset", "timeout", "dns"))
    assert "4 pages without an answer: 1 redirect_loop, 1 reset, 1 timeout, …" in render(replace(SUMMARY, errors=4, error_kinds=kinds), 200)
    assert "1 timeout   " in render(replace(SUMMARY, errors=3, error_kinds=kinds[:3]), 200)


def test_a_seed_that_asks_for_a_login_says_what_helps() -> None:
    """401 and 407 name the options."""
    text = render(replace(SUMMARY, failed_seeds=(FailedSeed("https://a.example/", 401, "HTTP 401"),)), 200)
    assert "1 seed gave no page: https://a.example/ (HTTP 401, which asks for a login: --auth-env NAME or --cookies FILE)" in text


def test_words_for_one_and_many() -> None:
    """One is one."""
    one = replace(SUMMARY, pages=1, run_pages=1, errors=1, broken_links=1, broken_links_shared=0, shared_titles=3, files=1)
    text = render(replace(one, error_kinds=(ErrorGroup("dns", 1),)))
    for words in (
        "1 page, 52 MB   ",
        "1 broken link\n",
        "1 page without an answer: 1 dns\n",
        "18 pages share 3 titles\n",
        "pages/ 1 file ",
    ):
        assert words in text
    several = replace(SUMMARY, script_only=40, script_only_examples=("https://a.example/x", "https://a.example", "https://a.example/y?z"))
    assert "40 pages look JavaScript-only (/x, a.example, /y?z, …)" in render(several)


def test_every_reason_for_skipping_has_words() -> None:
    """In the order of the closed set; scope and traps by rule, the rest by count."""
    reasons = ("scope", "robots", "trap", "nofollow", "scheme", "private", "requisite", "hook", "too_long")
    groups = (
        SkippedGroup("scope", "domain is not example.org", 500),
        SkippedGroup("scope", "exclude \\.pdf$", 300),
        SkippedGroup("scope", "path is not under /docs/", 100),
        SkippedGroup("trap", "/a/{x}", 400),
    )
    text = render(replace(SUMMARY, skipped=1, skipped_reasons=dict.fromkeys(reasons, 1000), skipped_groups=groups), 400)
    assert next(line for line in text.split("\n") if line.startswith("  skipped")) == (
        "  skipped  500 outside example.org · 300 exclude \\.pdf$ · 200 other scope rules · 1,000 robots.txt"
        " · 400 trap /a/{x} · 600 other traps · 1,000 nofollow · 1,000 not http"
        " · 1,000 private addresses · 1,000 page requisites · 1,000 by a hook · 1,000 too long"
    )


def test_traps_that_are_not_named_are_named_elsewhere() -> None:
    """The two largest have their patterns on the screen; where there are more, the command that names all stands below."""
    groups = tuple(SkippedGroup("trap", f"/{name}/{{n}}", 9) for name in "abc")
    several = replace(SUMMARY, skipped=30, skipped_reasons={"trap": 30}, skipped_groups=groups)
    assert "9 trap /b/{n} · 12 other traps" in render(several)
    assert "crawler report crawl-example.org --skipped" in render(several)
    assert "--skipped" not in render(replace(several, skipped_groups=groups[:2]))


# --- one page, or none ------------------------------------------------------------------------------------------------


def test_a_crawl_of_one_page_says_so_first() -> None:
    """Loudly, before all numbers, with the command that helps."""
    page = OnlyPage("https://example.org/", "scope", "all its 41 links lead to www.example.org", "--scope domain")
    text = render(replace(NOTHING_TO_SAY, pages=1, run_pages=1, only_page=page))
    assert text.split("\n")[1:5] == [
        "",
        "  Only one page was found, https://example.org/:",
        "  all its 41 links lead to www.example.org",
        "    try: crawler crawl https://example.org/ --scope domain --fresh -o crawl-example.org",
    ]
    assert "try:" not in render(replace(NOTHING_TO_SAY, only_page=replace(page, options="")))


def test_a_script_page_is_not_told_twice() -> None:
    """The only page that JavaScript builds is no finding besides."""
    page = OnlyPage(
        "https://example.org/app", "javascript", "it has 5 scripts and no links: JavaScript seems to build it, which is not run"
    )
    text = render(replace(SUMMARY, only_page=page), 200)
    assert "it has 5 scripts and no links: JavaScript seems to build it, which is not run" in text
    assert "JavaScript-only" not in text


def test_a_crawl_without_a_page_says_so_first() -> None:
    """Every seed with its reason, three at most."""
    seeds = tuple(FailedSeed(f"https://{number}.example/", 0, "dns: no such host") for number in range(5))
    text = render(replace(NOTHING_TO_SAY, ok=0, failed_seeds=seeds))
    assert text.split("\n")[2:7] == [
        "  No page was fetched:",
        "    https://0.example/ (dns: no such host)",
        "    https://1.example/ (dns: no such host)",
        "    https://2.example/ (dns: no such host)",
        "    and 2 seeds more",
    ]
    assert "Look at first" not in text


# --- what reaches the terminal ----------------------------------------------------------------------------------------

WORST = replace(
    SUMMARY,
    finish_reason=HOSTILE,
    error_kinds=(ErrorGroup(HOSTILE, 3),),
    closed_hosts=1,
    closed_host_examples=(ClosedHost(HOSTILE, HOSTILE),),
    failed_seeds=(FailedSeed(HOSTILE, 401, HOSTILE),) * 5,
    skipped_reasons={"scope": 9, "trap": 9, HOSTILE: 9},
    skipped_groups=(SkippedGroup("scope", HOSTILE, 3), SkippedGroup("trap", HOSTILE, 3), SkippedGroup(HOSTILE, HOSTILE, 3)),
    script_only_examples=(HOSTILE,) * 3,
)


@pytest.mark.parametrize("width", [20, 40, 80, 100, 200])
@pytest.mark.parametrize("summary", [WORST, replace(WORST, ok=0), replace(WORST, only_page=OnlyPage(HOSTILE, "login", HOSTILE, "--x"))])
def test_nothing_from_the_web_acts_on_the_terminal(summary: Summary, width: int) -> None:
    """Whatever stands in the database: no control character, no change of direction, no line of its own."""
    text = render(summary, width, HOSTILE)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)
    assert not any(line.startswith("x" * 1000) for line in text.split("\n"))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_no_line_is_too_wide_but_commands(width: int) -> None:
    """Text fits the terminal; commands stay whole, to be copied."""
    for line in render(SUMMARY, width).split("\n"):
        assert len(line) <= width or re.match(r"\s+(Next: )?(open|crawler) ", line)


@pytest.mark.parametrize("folder", ["my crawls/it's", "a;rm -rf b", "$HOME", "crawl-example.org/"])
def test_commands_name_the_folder_for_a_shell(folder: str) -> None:
    """What is copied means this folder, whatever its name."""
    paused = render(replace(NOTHING_TO_SAY, finish_reason="interrupted"), 80, folder).rpartition("Next: ")[2]
    assert shlex.split(paused) == ["crawler", "resume", folder.rstrip("/")]
    report, query = render(NOTHING_TO_SAY, 40, folder).rpartition("Next: ")[2].splitlines()
    assert shlex.split(report) == ["open", f"{folder.rstrip('/')}/report.html"]
    assert shlex.split(query) == ["crawler", "query", folder.rstrip("/"), "select url, status, title from pages"]


def test_colors_add_nothing_else() -> None:
    """With the colours taken out, it is the same text."""
    for summary in (SUMMARY, WORST, replace(NOTHING_TO_SAY, only_page=OnlyPage("https://example.org/", "scope", "why", "--scope domain"))):
        for width in (40, 200):
            colored = render(summary, width, color=True)
            assert re.sub(r"\x1b\[\d+m", "", colored) == render(summary, width)
            assert "\x1b[1mStopped after\x1b[0m" in colored or "\x1b[1mDone in\x1b[0m" in colored


@pytest.mark.parametrize(
    ("links", "shared", "said"),
    [
        (1, 0, "1 broken link"),
        (1, 1, "1 broken link, from more than one page"),
        (3, 0, "3 broken links"),
        (3, 1, "3 broken links, 1 of them from more than one page"),
        (3, 3, "3 broken links, all from more than one page"),
    ],
)
def test_how_many_broken_links_are_on_several_pages(links: int, shared: int, said: str) -> None:
    """Those that one page has are mended there; the others are mostly in a template."""
    shown = render(replace(SUMMARY, broken_links=links, broken_links_shared=shared))
    line = next(line for line in shown.split("\n") if "broken link" in line)
    assert line.strip().split("   ")[0] == said
