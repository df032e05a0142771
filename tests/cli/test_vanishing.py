"""A folder that is removed or moved under a crawl, and a working directory that is none any more: the output cannot be used, exit 6."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import Capture, error_lines, no_surroundings, run

import crawler
from crawler.errors import OutputError
from crawler.testing import PageValue, Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
AFTER = 40


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def remove(folder: Path) -> None:
    """Removes it in one step, as no crawl is quick enough to put something back meanwhile."""
    shutil.rmtree(folder.rename(folder.with_name("removed")))


@pytest.fixture
def spoiled(new_site: NewSite) -> Callable[..., Site]:
    """A site of 120 pages that does something to the crawl's folder when it answers one of them."""

    def start(spoil: Callable[[], object], after: int = AFTER) -> Site:
        asked = iter(range(10**6))

        def page(_: object) -> PageValue:
            if next(asked) == after:
                spoil()
            return "<p>" + "lamp " * 200

        paths = [f"/{number}" for number in range(120)]
        return new_site({"/": answer(links=paths), **dict.fromkeys(paths, page)})

    return start


@pytest.mark.parametrize("after", [0, AFTER])
@pytest.mark.parametrize("how", [["--mode", "async"], ["--mode", "sync"], ["--processes", "2"], ["--save", "none"]], ids=" ".join)
def test_a_folder_that_is_removed_during_the_crawl(
    spoiled: Callable[..., Site], out: Path, capfd: Capture, how: list[str], after: int
) -> None:
    """One message says what has happened, not what failed first because of it; nothing is put where the folder was."""
    web = spoiled(lambda: remove(out), after)
    ran = run(capfd, web.url(), "-o", out, "--progress", "none", *how)
    assert (ran.code, ran.out) == (6, "")
    assert error_lines(ran.err) == [
        f"error: {out}/ is gone",
        "  somebody has removed or moved it, or its crawl.db, during the crawl",
        "  try: the same command, which begins anew",
    ]
    assert not out.exists()


def test_a_folder_that_is_moved_during_the_crawl(spoiled: Callable[..., Site], out: Path, capfd: Capture) -> None:
    """The crawl stays whole where it is now, and goes on there."""
    elsewhere = out.with_name("elsewhere")
    web = spoiled(lambda: out.rename(elsewhere))
    assert run(capfd, web.url(), "-o", out, "--progress", "none").code == 6
    assert run(capfd, "resume", elsewhere).code == 0
    assert not out.exists()


def test_a_folder_that_is_removed_under_a_program(spoiled: Callable[..., Site], out: Path) -> None:
    """From Python the same is an OutputError."""
    web = spoiled(lambda: remove(out))
    with pytest.raises(OutputError, match="is gone"):
        list(crawler.crawl(web.url(), output=str(out)))


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[None]:
    """The working directory is one that somebody has removed."""
    before = os.getcwd()
    (tmp_path / "nowhere").mkdir()
    os.chdir(tmp_path / "nowhere")
    (tmp_path / "nowhere").rmdir()
    yield
    os.chdir(before)


@pytest.mark.usefixtures("nowhere")
def test_a_working_directory_that_is_gone(site: Site, out: Path, capfd: Capture) -> None:
    """A folder below it cannot be made; one that has a full path can."""
    for words in ([site.url()], [site.url(), "-o", "here"], [site.url(), "-o", "here", "--fresh"]):
        ran = run(capfd, *words)
        assert (ran.code, ran.out) == (6, "")
        assert error_lines(ran.err)[1:] == ["  the working directory has been removed", "  try: cd to another folder, or -o /a/full/path"]
    site.page("/", "here")
    assert run(capfd, site.url(), "-o", out).code == 0
