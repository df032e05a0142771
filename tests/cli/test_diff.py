"""`crawler diff`: what is new, gone or changed, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from edited import EditedSite
from running import Capture, error_lines, no_surroundings, run
from spoilt import spoil

from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]

EDITS = 37
WHAT = {"title": ["title", "body"], "body": ["body"], "status": ["status"], "redirect": ["redirect"], "new": [], "gone": []}


def expected(plan: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """What a plan of edits has to be listed as."""
    return {path: (kind if kind in ("new", "gone") else "changed", WHAT[kind]) for path, kind in plan.items()}


def listed(capfd: Capture, site: Site, *words: object) -> dict[str, tuple[str, list[str]]]:
    """What `crawler diff` lists, by path."""
    ran = run(capfd, "diff", *words, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    assert found["new"]["folder"] == str(words[-1])
    return {change["url"].removeprefix(site.url("")): (change["kind"], change["what"]) for change in found["changes"]}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_37_edits_are_listed_as_exactly_those(site: Site, tmp_path: Path, capfd: Capture, seed: int) -> None:
    """Whichever pages they are of, in an update as between two folders: those 37, each with what was done to it."""
    edited = EditedSite(site, 130)
    run(capfd, "crawl", site.url(), "-o", tmp_path / "a", "-q")
    run(capfd, "crawl", "--update", tmp_path / "a", "-q")
    assert listed(capfd, site, tmp_path / "a") == {}
    plan = edited.plan(seed, EDITS)
    edited.edit(plan)
    run(capfd, "crawl", "--update", tmp_path / "a", "-q")

    assert listed(capfd, site, tmp_path / "a") == expected(plan)

    if seed == 1:
        run(capfd, "crawl", site.url(), "-o", tmp_path / "b", "-q")
        again = edited.plan(99, EDITS)
        taken_back = {path: kind for path, kind in again.items() if path not in plan}
        edited.edit(taken_back)
        run(capfd, "crawl", site.url(), "-o", tmp_path / "c", "-q")
        assert listed(capfd, site, tmp_path / "b", tmp_path / "c") == expected(taken_back)
        assert listed(capfd, site, tmp_path / "a", tmp_path / "b") == {}


def test_a_page_that_nobody_links_to_any_more_is_gone(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """Between two folders a page is gone when the second crawl never met it, and it says so; what robots.txt refuses says that."""
    site.page("/", "", links=["/a", "/b"])
    site.page("/a", "A")
    site.page("/b", "B")
    run(capfd, "crawl", site.url(), "-o", tmp_path / "old", "-q")
    site.page("/", "", links=["/b"])
    site.page("/robots.txt", "User-agent: *\nDisallow: /b")
    run(capfd, "crawl", site.url(), "-o", tmp_path / "new", "-q")

    text = run(capfd, "diff", tmp_path / "old", tmp_path / "new").out

    assert f"  {site.url('/a')}\n      no page leads to it any more\n" in text
    assert f"  {site.url('/b')}\n      skipped: robots (line 2: Disallow: /b)" in text
    assert "0 new · 2 gone · 1 changed · 0 the same" in text


def test_what_was_not_asked_for_is_neither_new_nor_gone(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """A crawl that stopped at a limit is called incomplete, and what it has not asked for is only counted."""
    EditedSite(site, 9)
    run(capfd, "crawl", site.url(), "-o", tmp_path / "all", "-q")
    run(capfd, "crawl", site.url(), "-o", tmp_path / "some", "-q", "--max-pages", 4)

    for words in ((tmp_path / "all", tmp_path / "some"), (tmp_path / "some", tmp_path / "all")):
        text = run(capfd, "diff", *words).out
        assert re.search(r"0 new · 0 gone · 0 changed · \d the same · [1-9] not asked for", text)
        assert f"{tmp_path / 'some'} is not complete" in text


def test_text_and_page_of_a_hostile_site_are_harmless(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """Titles and URLs are escaped: no control reaches the terminal, no tag the page, which has no script and allows none."""
    site.page("/", "<title>one</title>")
    run(capfd, "crawl", site.url(), "-o", tmp_path / "a", "-q")
    site.page("/", answer(200, "<title>\x1b[31m&lt;script&gt;alert(1)&lt;/script&gt;</title>"))
    run(capfd, "crawl", "--update", tmp_path / "a", "-q")

    text = run(capfd, "diff", tmp_path / "a", "--html", tmp_path / "diff.html").out
    page = (tmp_path / "diff.html").read_text("utf-8")

    assert "title  one -> [31m<script>alert(1)</script>" in text
    assert "\x1b" not in text + page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; img-src" in page
    assert run(capfd, "diff", tmp_path / "a", "--html", "-").out == page


def test_what_cannot_be_compared_is_said_in_one_error(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """No crawl is 6; a crawl that was never updated, a run that there is not, and `--since` with two folders are 2."""
    site.page("/", "x")
    folder = tmp_path / "a"
    run(capfd, "crawl", site.url(), "-o", folder, "-q")
    for words, code, what in (
        ((folder, tmp_path / "none"), 6, f"error: {tmp_path / 'none'} is not a crawl"),
        ((folder,), 2, f"error: {folder} was never updated"),
        ((folder, "--since", 1), 2, "error: there is nothing to compare since run 1"),
        ((folder, folder, "--since", 1), 2, "error: `--since` is for one folder"),
        ((folder, "--since", "x"), 2, "error: `--since` cannot be 'x'"),
    ):
        ran = run(capfd, "diff", *words)
        assert (ran.code, error_lines(ran.err)[0], ran.out) == (code, what, "")


@pytest.mark.parametrize("bad", ["old", "new"])
def test_of_two_folders_the_damaged_one_is_named(site: Site, tmp_path: Path, capfd: Capture, bad: str) -> None:
    """Whichever of the two it is."""
    site.page("/", "x")
    for name in ("old", "new"):
        run(capfd, "crawl", site.url(), "-o", tmp_path / name, "-q")
    spoil(tmp_path / bad, "torn")
    ran = run(capfd, "diff", tmp_path / "old", tmp_path / "new")
    assert (ran.code, error_lines(ran.err)[0]) == (6, f"error: cannot read {tmp_path / bad}")
