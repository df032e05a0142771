"""A trap in a real crawl: what the rows, the summary and the commands say of it, and how it is let go."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from endless import trapped
from running import Capture, no_surroundings, run

from crawler.report.folder import open_folder
from crawler.testing import PageValue, Site, SiteRequest, answer, site

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

CALENDAR = "/cal/{n}/{n}"


def calendar(request: SiteRequest) -> PageValue:
    """A site of ten pages, and months without end."""
    if not request.target.startswith("/cal/"):
        return answer(404, "none")
    year, month = map(int, request.target.removeprefix("/cal/").split("/"))
    near = [f"/cal/{year + month // 12}/{month % 12 + 1}", f"/cal/{year - (month == 1)}/{month - 1 or 12}"]
    return f"<title>{month} {year}</title>No events. " + "".join(f"<a href={each}>{each}</a>" for each in near)


@pytest.fixture
def web() -> Iterator[Site]:
    """Ten pages beside a calendar."""
    pages: dict[str, PageValue] = {
        f"/page/{number}": f"<title>{number}</title>Text {number}<a href=/cal/2030/{number}>month</a>" for number in range(1, 10)
    }
    pages["/"] = "<a href=/cal/2026/11>Calendar</a>" + "".join(f"<a href=/page/{number}>{number}</a>" for number in range(1, 10))
    with site(pages, otherwise=calendar) as opened:
        yield opened


def states(folder: Path) -> Counter[tuple[str, str | None, str | None]]:
    """How many URLs of the calendar there are by state, reason and detail."""
    with closing(open_folder(folder)) as connection:
        rows = connection.execute(
            "SELECT state, reason, detail, count(*), count(DISTINCT id) FROM urls WHERE url LIKE '%/cal/%' GROUP BY 1, 2, 3"
        )
        found = Counter[tuple[str, str | None, str | None]]()
        for *key, count, ids in rows:
            assert count == ids
            found[tuple(key)] = count  # type: ignore[index]
    return found


def quarantined(folder: Path) -> set[str]:
    """The patterns by which URLs of the calendar were skipped."""
    return {str(detail) for state, reason, detail in states(folder) if (state, reason) == ("skipped", "trap")}


def test_a_trap_is_left_named_and_let_go(web: Site, tmp_path: Path, capfd: Capture) -> None:
    """The crawl ends; what is left out keeps its row with the pattern; the summary, summary.json and `show` name it with the command that
    releases it; after that the crawl goes on and never quarantines it again."""
    out = tmp_path / "out"
    ran = run(capfd, "crawl", web.url("/"), "-o", out)
    assert ran.code == 0
    asked = Counter(web.paths)
    assert {f"/page/{number}" for number in range(1, 10)} <= set(asked)
    assert sum(path.startswith("/cal/") for path in asked) < 20
    (pattern,) = quarantined(out)
    count = states(out)["skipped", "trap", pattern]
    assert f"{count} trap {pattern}" in ran.err
    assert f"crawler resume {out} --release {shlex.quote(pattern)}" in ran.err
    groups = json.loads((out / "summary.json").read_text())["skipped_groups"]
    assert {"reason": "trap", "detail": pattern, "urls": count} in groups
    with closing(open_folder(out)) as connection:
        (url,) = connection.execute("SELECT url FROM skipped WHERE reason = 'trap'").fetchone()
    shown = run(capfd, "show", out, url).out
    assert f"skipped: trap: {pattern}" in shown
    assert f"--release {shlex.quote(pattern)}" in shown.splitlines()[-1]

    before = web.count()
    assert run(capfd, "resume", out, "--release", pattern, "--max-pages", 80).code == 0
    assert not quarantined(out)
    assert sum("/cal/" in path for path in web.paths[before:]) >= 40
    assert run(capfd, "resume", out, "--max-pages", 100).code == 0
    assert not quarantined(out)
    assert max(Counter(path for path in web.paths if "/cal/" in path).values()) == 1


def test_the_next_run_knows_the_trap(tmp_path: Path, capfd: Capture) -> None:
    """A crawl that is stopped and goes on does not ask for another page of it, though it finds links to months that it did not know."""
    out = tmp_path / "out"
    pages: dict[str, PageValue] = {
        f"/page/{n}": f"Text {n}<a href=/page/{n + 1}>on</a><a href=/cal/{2100 + n}/1>month</a>" for n in range(60)
    }
    with site(pages, otherwise=calendar) as web:
        run(capfd, "crawl", web.url("/page/0"), "-o", out, "--max-pages", 45)
        (pattern,) = quarantined(out)
        before = web.count()
        assert run(capfd, "resume", out, "--max-pages", 1000).code == 0
        later = web.paths[before:]

    assert len([path for path in later if path.startswith("/page/")]) >= 15
    assert not [path for path in later if path.startswith("/cal/")]
    assert quarantined(out) == {pattern}


def test_without_the_watch_nothing_is_left_out(web: Site, tmp_path: Path, capfd: Capture) -> None:
    """`--no-traps` crawls on, up to the limit."""
    out = tmp_path / "out"
    assert run(capfd, "crawl", web.url("/"), "-o", out, "--no-traps", "--max-pages", 60).code == 0
    assert not quarantined(out)
    assert len({path for path in web.paths if "/cal/" in path}) >= 45


def test_what_is_not_in_quarantine_is_an_error(web: Site, tmp_path: Path, capfd: Capture) -> None:
    """A mistyped pattern names those that are there, and changes nothing."""
    out = tmp_path / "out"
    run(capfd, "crawl", web.url("/"), "-o", out)
    (pattern,) = quarantined(out)
    before = web.count(), states(out)
    ran = run(capfd, "resume", out, "--release", "/cal/{n")

    assert ran.code == 2
    assert ran.err.splitlines()[-3:] == [
        "error: /cal/{n is not in quarantine",
        f"  there are {pattern}",
        f"  try: crawler resume {out} --release {shlex.quote(pattern)}",
    ]
    assert (web.count(), states(out)) == before


def test_five_traps_on_a_real_site(tmp_path: Path, capfd: Capture) -> None:
    """Over sockets, with answers in any order and in batches, as in the simulation: every page, few requests more."""
    generated = trapped(880_500, pages=300)
    with site(otherwise=lambda request: generated.page(request.target) or answer(404, "none")) as web:
        assert run(capfd, "crawl", web.url("/"), "-o", tmp_path / "out", "--max-pages", 1000, "--save", "none").code == 0
        asked = web.paths

    assert generated.pages <= set(asked)
    assert len(asked) - len(generated.pages) < 60
