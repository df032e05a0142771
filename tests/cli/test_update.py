"""`crawler crawl --update`: what has changed is fetched, what has not is asked about, and nothing that was stored is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from edited import EditedSite, Sheet
from running import SECONDS, Capture, assert_at_rest, error_lines, no_surroundings, rows, run, running, value

from crawler import crawl as crawl_in_python
from crawler.testing import Answer, Site, SiteRequest, answer

pytestmark = pytest.mark.usefixtures("no_surroundings")
MODES = ("async", "sync")
__all__ = ["no_surroundings"]

Folder = Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return tmp_path / "out"


def crawl(capfd: Capture, site: Site, folder: Folder, *more: object) -> Any:
    return run(capfd, "crawl", site.url(), "-o", folder, *more)


@pytest.mark.parametrize("mode", MODES)
def test_a_site_that_did_not_change_is_asked_and_not_moved(site: Site, folder: Folder, capfd: Capture, mode: str) -> None:
    """Every page is asked once more, with its ETag and its date, and less than 2 % of the bytes of bodies come again."""
    edited = EditedSite(site, 150, size=20_000)
    crawl(capfd, site, folder, "--mode", mode)
    first, asked = edited.sent, len(site.log)

    again = run(capfd, "crawl", "--update", folder, "--mode", mode)

    hits = {hit.path: hit for hit in site.log[asked:] if hit.path.startswith("/p") or hit.path == "/"}
    assert again.code == 0, again.err
    pages = sum(not sheet.to for sheet in edited.sheets.values())
    assert again.err.endswith(f"\n  {pages} of 151 pages not modified; what has changed: crawler diff {folder}\n")
    assert len(hits) == 151
    assert {hit.status for path, hit in hits.items() if not edited.sheets[path].to} == {304}
    assert hits["/p0"].headers["if-none-match"] == '"1-200"'
    assert hits["/p0"].headers["if-modified-since"] == "Mon, 02 Nov 2026 08:00:00 GMT"
    assert edited.sent - first < 0.02 * first
    assert_at_rest(folder)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_modified_keeps_all_that_is_stored_of_it(site: Site, folder: Folder, capfd: Capture, mode: str) -> None:
    """Title, digest, file, data and links stay; run, status and outcome are new; the old row is in history; rows on standard output
    are whole; the totals of the frontier are those of the rows."""
    EditedSite(site, 12)
    kept = "url, title, bytes, sha256, file, data, content_type, etag, link_count, depth"
    crawl(capfd, site, folder, "--extract", "words=p.words")
    before = rows(folder, f"SELECT {kept} FROM pages ORDER BY url")
    links = rows(folder, "SELECT src, dst, kind, text FROM links ORDER BY src, dst, kind, position")

    again = crawl(capfd, site, folder, "--update", "--extract", "words=p.words", "--mode", mode, "--jsonl", "-")

    assert rows(folder, f"SELECT {kept} FROM pages ORDER BY url") == before
    assert rows(folder, "SELECT src, dst, kind, text FROM links ORDER BY src, dst, kind, position") == links
    assert set(rows(folder, "SELECT run, status, outcome FROM pages")) == {(2, 304, "not_modified"), (2, 301, "redirect")}
    assert set(rows(folder, "SELECT run, outcome FROM history")) == {(1, "ok"), (1, "redirect")}
    assert value(folder, "SELECT count(*) FROM history") == 13
    assert rows(folder, "SELECT ok_pages, size, queued FROM _totals") == rows(
        folder, "SELECT sum(outcome = 'not_modified'), sum(bytes), 0 FROM pages"
    )
    shown = {row["url"]: row for row in map(json.loads, again.out.splitlines())}
    home = shown[site.url("/")]
    assert (home["ok"], home["outcome"], home["status"], home["title"], home["links"]) == (True, "not_modified", 304, "Home", 3)
    assert home["sha256"] == value(folder, "SELECT sha256 FROM pages WHERE url = ?", site.url("/"))
    assert home["data"] == {"words": "home"}
    assert_at_rest(folder)


@pytest.mark.parametrize("mode", MODES)
def test_what_has_changed_is_fetched_and_its_old_row_kept(site: Site, folder: Folder, capfd: Capture, mode: str) -> None:
    """A changed page has its new body, a new one is found, one that is gone gets its row; history has what was there."""
    edited = EditedSite(site, 12)
    crawl(capfd, site, folder)
    old = value(folder, "SELECT sha256 FROM pages WHERE url = ?", site.url("/p3"))
    body = folder / value(folder, "SELECT file FROM pages WHERE url = ?", site.url("/p5"))
    edited.edit({"/p3": "body", "/p5": "gone", "/new": "new"})

    assert crawl(capfd, site, folder, "--update", "--mode", mode).code == 0

    now = {url.removeprefix(site.url("")): rest for url, *rest in rows(folder, "SELECT url, status, outcome FROM pages")}
    assert "Page 5" in body.read_text()  # of what is gone the body stays
    assert (now["/p3"], now["/p5"], now["/new"]) == ([200, "ok"], [404, "http_error"], [200, "ok"])
    assert rows(folder, "SELECT h.sha256 FROM history h JOIN pages p USING (id) WHERE p.url = ?", site.url("/p3"))[0][0] == old
    assert value(folder, "SELECT sha256 FROM pages WHERE url = ?", site.url("/p3")) != old
    assert_at_rest(folder)


def test_a_failure_leaves_the_page_that_was_there(site: Site, folder: Folder, capfd: Capture) -> None:
    """A page that gives no answer this time keeps its row and its body; so do all when nobody answers, and then the command says 3."""
    edited = EditedSite(site, 6)
    crawl(capfd, site, folder)
    before = rows(folder, "SELECT url, outcome, sha256, file FROM pages ORDER BY url")
    site.page("/p1", answer(fault="garbage"))
    assert crawl(capfd, site, folder, "--update").code == 0
    of_page = rows(folder, "SELECT run, outcome, title FROM pages WHERE url = ?", site.url("/p1"))
    assert of_page == [(1, "ok", "Page 1")]
    assert value(folder, "SELECT state || ' ' || reason FROM urls WHERE url = ?", site.url("/p1")) == "failed protocol"

    for path in edited.sheets:
        site.page(path, answer(fault="garbage"))
    broken = crawl(capfd, site, folder, "--update")

    assert broken.code == 3
    assert error_lines(broken.err)[0] == f"error: no seed could be fetched: {site.url('/')}"
    assert rows(folder, "SELECT url, replace(outcome, 'not_modified', 'ok'), sha256, file FROM pages ORDER BY url") == before
    assert_at_rest(folder)


def test_a_kill_in_the_middle_costs_what_it_always_costs(site: Site, folder: Folder, capfd: Capture) -> None:
    """The same command goes on with the update: every page is asked about in it, those that were answered are not asked again, and
    nothing stored is lost."""
    edited = EditedSite(site, 240)
    crawl(capfd, site, folder)
    before = rows(folder, "SELECT url, sha256 FROM pages ORDER BY url")
    edited.edit({"/p7": "body"})
    asked = len(site.log)
    with running("crawl", "--update", folder, "--delay", "0.002") as process:
        site.wait_for(count=asked + 150, timeout=SECONDS)
        process.kill()
        process.wait()
    confirmed = value(folder, "SELECT count(*) FROM pages WHERE run = 2")
    killed = len(site.log)

    assert run(capfd, "crawl", "--update", folder).code == 0

    assert 0 < confirmed < 241
    assert len(site.log) - killed <= 241 - confirmed + 2
    assert value(folder, "SELECT count(*) FROM pages WHERE run < 2") == 0
    assert dict(rows(folder, "SELECT url, sha256 FROM pages")).keys() == dict(before).keys()
    assert value(folder, "SELECT value FROM meta WHERE key = 'update'") == "2"
    assert_at_rest(folder)


def test_a_folder_without_a_crawl_is_crawled_newly(site: Site, folder: Folder, capfd: Capture, tmp_path: Path) -> None:
    """`--update` before there is anything to update is a crawl; a folder of something else, or `--fresh` as well, is an error."""
    EditedSite(site, 3)
    assert crawl(capfd, site, folder, "--update").code == 0
    assert value(folder, "SELECT count(*) FROM pages WHERE outcome = 'ok'") == 4

    (tmp_path / "other").mkdir()
    other = run(capfd, "crawl", "--update", tmp_path / "other")
    assert (other.code, error_lines(other.err)[1]) == (6, "  it has no crawl.db")
    both = crawl(capfd, site, folder, "--update", "--fresh")
    assert (both.code, error_lines(both.err)[0]) == (2, "error: `fresh` and `update` cannot go together")


def test_a_crawl_that_is_not_finished_goes_on_first(site: Site, folder: Folder, capfd: Capture) -> None:
    """What a stopped crawl has not asked for comes before asking again for what it has."""
    EditedSite(site, 9)
    crawl(capfd, site, folder, "--max-pages", 3)
    asked = len(site.log)
    crawl(capfd, site, folder, "--update", "--max-pages", 5)
    assert sum(hit.status == 304 for hit in site.log[asked:]) == 0
    crawl(capfd, site, folder, "--update", "--max-pages", 5)
    assert sum(hit.status == 304 for hit in site.log[asked:]) == 5
    assert value(folder, "SELECT count(*) FROM pages WHERE outcome IN ('ok', 'not_modified')") == 5


def lying(tag: str, told: str) -> Callable[[SiteRequest], Answer]:
    """A page that answers every condition with a 304, which has the tag `told`."""

    def page(request: SiteRequest) -> Answer:
        if "if-none-match" in request.headers:
            return answer(304, "", {"ETag": told})
        return answer(200, "<title>whole</title>", {"ETag": tag})

    return page


def test_a_304_for_another_version_is_not_believed(site: Site, folder: Folder, capfd: Capture) -> None:
    """A 304 with another tag than was asked about is asked again without a condition; a weak tag, or that of the compressed body, is the
    same one."""
    site.page("/", "", links=["/other", "/weak", "/packed"])
    site.page("/other", lying('"1"', '"2"'))
    site.page("/weak", lying('W/"1"', '"1"'))
    site.page("/packed", lying('"1-gzip"', '"1"'))
    crawl(capfd, site, folder)
    crawl(capfd, site, folder, "--update")
    assert [hit.status for hit in site.log if hit.path == "/other"] == [200, 304, 200]
    assert [hit.status for hit in site.log if hit.path == "/weak"] == [200, 304]
    assert [hit.status for hit in site.log if hit.path == "/packed"] == [200, 304]


def test_a_page_is_fetched_whole_when_what_is_stored_is_not_what_is_wanted(site: Site, folder: Folder, capfd: Capture) -> None:
    """A body that was deleted, bodies that were not saved, and other selectors than before cannot be had by asking what has changed."""
    EditedSite(site, 2)
    crawl(capfd, site, folder)
    (folder / value(folder, "SELECT file FROM pages WHERE url = ?", site.url("/p0"))).unlink()
    asked = len(site.log)
    crawl(capfd, site, folder, "--update")
    assert sorted(hit.path for hit in site.log[asked:] if hit.status == 200) == ["/p0", "/sitemap.xml"]
    asked = len(site.log)
    crawl(capfd, site, folder, "--update", "--extract", "words=p.words")
    assert sum(hit.status == 200 for hit in site.log[asked:]) == 4
    assert value(folder, "SELECT data FROM pages WHERE url = ?", site.url("/")) == '{"words": "home"}'


def test_without_validators_everything_is_fetched_again(site: Site, folder: Folder, capfd: Capture) -> None:
    """A server that tells no ETag and no date is asked for whole pages; their rows say ok."""
    EditedSite(site, 4, validators=False)
    crawl(capfd, site, folder)
    crawl(capfd, site, folder, "--update")
    assert set(rows(folder, "SELECT run, outcome FROM pages")) == {(2, "ok")}
    assert value(folder, "SELECT count(*) FROM history") == 5
    assert_at_rest(folder)


def test_in_python_an_update_shows_what_is_stored(site: Site, folder: Folder, capfd: Capture) -> None:
    """A page that was not modified has its title, its body from the folder and its links, as if it had been fetched."""
    EditedSite(site, 4)
    crawl(capfd, site, folder)
    pages = {page.url: page for page in crawl_in_python(site.url(), output=str(folder), update=True)}
    home = pages[site.url("/")]
    assert (home.ok, home.outcome, home.title, "home" in home.text) == (True, "not_modified", "Home", True)
    assert [link.url for link in home.links] == [site.url(f"/p{number}") for number in range(3)]


def test_what_robots_and_failures_held_back_is_judged_again(site: Site, folder: Folder, capfd: Capture) -> None:
    """robots.txt is read again, and what it allows now is fetched; what failed is tried again."""
    edited = EditedSite(site, 3)
    site.page("/robots.txt", "User-agent: *\nDisallow: /p1")
    site.page("/p2", answer(fault="garbage"))
    crawl(capfd, site, folder)
    site.page("/robots.txt", "User-agent: *\nDisallow: /p0")
    edited.sheets["/p2"] = Sheet("Page 2", "tin")
    edited.edit({"/p2": "title"})
    crawl(capfd, site, folder, "--update")
    states = dict(rows(folder, "SELECT url, state FROM urls"))
    assert [states[site.url(path)] for path in ("/p0", "/p1", "/p2")] == ["skipped", "done", "done"]
    assert value(folder, "SELECT outcome FROM pages WHERE url = ?", site.url("/p0")) == "ok"
