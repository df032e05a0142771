"""`crawler check`: which links are broken, on which pages they stand, and what a build is told."""

from __future__ import annotations

import json
import socket
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from running import SECONDS, Capture, error_lines, no_surroundings, run, running

from crawler.testing import Gate, Site, answer, in_turn, redirect

pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]

NewSite = Callable[..., Site]
MODES = ("async", "sync")


@pytest.fixture
def outside(new_site: NewSite) -> Site:
    """A site of somebody else."""
    return new_site({"/ok": "x", "/teapot": answer(418)}, address="127.0.0.2")


@pytest.fixture
def check(site: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Checks the site, in a folder of its own, without the delay for hosts of others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crawler.wiring.ASIDE", 0.0)
    return lambda *words: run(capfd, "check", site.url(), "--allow-private", *words)


def found(ran: Any) -> dict[str, Any]:
    """The broken targets of a result as JSON, by URL."""
    return {link["url"]: link for link in json.loads(ran.out)["broken"]}


@pytest.mark.parametrize("mode", MODES)
def test_broken_links_are_grouped_by_target(site: Site, outside: Site, check: Callable[..., Any], mode: str) -> None:
    """Below each target the pages that link to it, with the text of the link; the verdict comes last; the code is 4; progress is on
    standard error, and no folder stays behind."""
    site.page("/", f"<a href=/a>A</a><a href=/gone>to <b>nowhere</b></a><img src=/x.png><a href={outside.url('/gone')}>away</a>")
    site.page("/a", f"<a href=/gone>gone too</a><a href={outside.url('/ok')}>fine</a>")

    ran = check("--mode", mode)

    assert ran.code == 4
    assert ran.out == (
        f'{site.url("/gone")}   HTTP 404\n    {site.url("/")}   "to nowhere"\n    {site.url("/a")}   "gone too"\n\n'
        f"{site.url('/x.png')}   HTTP 404\n    {site.url('/')}   img\n\n"
        f'{outside.url("/gone")}   HTTP 404\n    {site.url("/")}   "away"\n\n'
        "3 broken links of 6 checked on 3 pages\n"
    )
    assert ran.err.startswith(f"Checking {site.url('/')}  ")
    assert "-> " not in ran.err
    assert list(Path().iterdir()) == []


def test_a_site_without_a_broken_link_is_fine(site: Site, outside: Site, check: Callable[..., Any]) -> None:
    """Code 0, and one line."""
    site.page("/", "", links=["/a", outside.url("/ok")])
    site.page("/a", "x")
    ran = check("-q")
    assert (ran.code, ran.out, ran.err) == (0, "No broken links of 3 checked on 2 pages\n", "")


@pytest.mark.parametrize("start", [answer(404), answer(fault="garbage"), answer(500)])
def test_a_start_that_cannot_be_had_is_3(site: Site, check: Callable[..., Any], start: Any) -> None:
    """Nothing was checked, so nothing is said on standard output."""
    site.page("/", start)
    ran = check("--retries", 0)
    assert (ran.code, ran.out) == (3, "")
    assert error_lines(ran.err)[0] == f"error: the start cannot be checked: {site.url('/')}"


def test_of_several_starts_a_broken_one_is_a_finding(site: Site, check: Callable[..., Any]) -> None:
    """It is listed as the start that it is."""
    site.page("/", "x")
    ran = check(site.url("/none"), "--format", "json")
    assert ran.code == 4
    assert found(ran)[site.url("/none")]["sources"] == [{"page": "", "kind": "start", "text": ""}]


@pytest.mark.parametrize(
    ("accept", "code"), [("200..299", 4), ("200..299,418", 0), ("2xx,4xx", 0), ("200-299,400-450", 0), ("201", 4)]
)  # fmt: skip
def test_what_is_accepted_is_not_broken(site: Site, outside: Site, check: Callable[..., Any], accept: str, code: int) -> None:
    """Ranges with both ends, single statuses, whole classes."""
    site.page("/", "", links=[outside.url("/teapot")])
    assert check("--accept", accept, "-q").code == code


@pytest.mark.parametrize("mode", MODES)
def test_redirects_are_judged_by_their_end(site: Site, outside: Site, check: Callable[..., Any], mode: str) -> None:
    """A link to a redirect that ends badly is broken, with its end; one that ends well is not; one in a circle is."""
    site.page("/", "", links=["/bad", "/good", "/round"])
    site.page("/bad", redirect(outside.url("/hop")))
    outside.page("/hop", redirect("/gone"))
    site.page("/good", redirect(outside.url("/ok")))
    site.page("/round", redirect("/round"))

    broken = found(check("--format", "json", "--mode", mode))

    assert broken.keys() == {site.url("/bad"), site.url("/round")}
    assert (broken[site.url("/bad")]["why"], broken[site.url("/bad")]["end"]) == ("HTTP 404", outside.url("/gone"))
    assert broken[site.url("/round")]["why"].startswith("redirect_loop: back to")


@pytest.mark.parametrize("mode", MODES)
def test_anchors_are_looked_for_where_they_are_linked(site: Site, check: Callable[..., Any], mode: str) -> None:
    """An id or the name of an a, as it stands or percent-decoded, also behind a redirect; not the top, not a text to be found, not a route
    of a script, not in what is no HTML, and only with `--fragments`."""
    site.page(
        "/",
        "<h1 id=one>1</h1><a name='t w o'></a><p id='%41'>x</p>"
        "<a href=#one>.</a><a href=#t%20w%20o>.</a><a href='#%41'>.</a><a href=#>.</a><a href=#TOP>.</a><a href='#:~:text=x'>.</a>"
        "<a href=#/route>.</a><a href=#!hash>.</a><a href=/plain.txt#line>.</a><a href=/old#there>.</a><a href=/new#there:~:text=x>.</a>"
        "<a href=#ONE>wrong case</a><a href=/old#gone>moved</a><a href=/new#gone>new</a><img src=/new#gone>",
    )
    site.page("/plain.txt", "x")
    site.page("/old", redirect("/new"))
    site.page("/new", "<p id=there>x</p>")

    assert check("--format", "json", "--mode", mode).code == 0
    broken = found(check("--format", "json", "--fragments", "--mode", mode))

    assert broken.keys() == {site.url("/#ONE"), site.url("/old#gone"), site.url("/new#gone")}
    assert broken[site.url("/#ONE")]["sources"] == [{"page": site.url("/"), "kind": "a", "text": "wrong case"}]


@pytest.mark.parametrize("mode", MODES)
def test_anchors_on_pages_of_others_are_looked_for_too(
    site: Site, outside: Site, check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Each such page is read once, however many of its anchors are linked, and nothing behind it. Ids that a script finds under a longer
    name and lines of files are no findings; what is too large or gone meanwhile is counted as not checked."""
    monkeypatch.setattr("crawler.cli.check_anchors.LARGEST", 10_000)
    outside.page("/doc", "<h1 id=one>1</h1><p id=user-content-two>2</p><a href=/behind>x</a>")
    outside.page("/moved", redirect("/doc"))
    outside.page("/large", "<p id=far>x" + "x" * 10_000)
    outside.page("/plain", answer(200, "x", headers={"Content-Type": "text/plain"}))
    paths = (
        "/doc",
        "/doc#one",
        "/doc#two",
        "/doc#three",
        "/doc#L10",
        "/doc#L1-L20",
        "/moved#one",
        "/moved#four",
        "/large#near",
        "/plain#x",
    )
    site.page("/", "", links=[outside.url(path) for path in (*paths, "/plain#x", "/gone#x")])

    assert check("--mode", mode).code == 4
    assert [hit.path for hit in outside.log if hit.method == "GET"] == ["/gone"]
    asked = len(outside.log)
    ran = check("--format", "json", "--fragments", "--mode", mode)

    broken = found(ran)
    assert {url: link["why"] for url, link in broken.items()} == {
        outside.url("/doc#three"): "no such anchor", outside.url("/moved#four"): "no such anchor", outside.url("/gone"): "HTTP 404",
    }  # fmt: skip
    assert broken[outside.url("/moved#four")]["sources"][0]["page"] == site.url("/")
    assert json.loads(ran.out)["unchecked"] == {"anchors": 1}
    assert sorted(hit.path for hit in outside.log[asked:] if hit.method == "GET") == ["/doc", "/gone", "/large"]
    assert "Reading 2 pages of others" in ran.err


def test_anchors_of_others_that_were_there_lately_are_not_looked_for(site: Site, outside: Site, check: Callable[..., Any]) -> None:
    """A page of others is read again only for an anchor that was not found there lately: one that is new, or missing."""
    outside.page("/doc", "<h1 id=one>1</h1><h1 id=two>2</h1>")
    site.page("/", "", links=[outside.url("/doc#one")])
    words = ("--cache", "good.json", "--fragments", "--format", "json")
    assert check(*words).code == 0
    asked = len(outside.log)
    assert check(*words).code == 0
    assert len(outside.log) == asked

    site.page("/", "", links=[outside.url("/doc#one"), outside.url("/doc#two"), outside.url("/doc#three")])
    for _ in range(2):
        asked = len(outside.log)
        assert found(check(*words)).keys() == {outside.url("/doc#three")}
        assert [(hit.method, hit.path) for hit in outside.log[asked:]] == [("GET", "/doc")]
    kept = json.loads(Path("good.json").read_text())["answers"]
    assert kept.keys() == {outside.url("/doc"), outside.url("/doc#one"), outside.url("/doc#two")}


def test_what_fails_with_its_host_counts_and_has_one_reason(site: Site, check: Callable[..., Any]) -> None:
    """Of a host that is given up, all links are broken for one reason, which is said once; they and anchors that were looked for count as
    checked, so that there never are more broken links than links."""
    unused = socket.socket()
    unused.bind(("127.0.0.2", 0))
    unknown = [f"http://127.0.0.2:{unused.getsockname()[1]}/{number}" for number in range(6)]
    site.page("/", "<p id=here>", links=[*unknown, "#here", "#one", "#two", "#three"])

    with unused:
        ran = check("--format", "json", "--fragments", "--retries", 0)
        text = check("--fragments", "--retries", 0).out

    broken = found(ran)
    assert {broken[url]["why"] for url in unknown} == {"refused: the host refused the connection"}
    assert len(broken) == 9
    assert json.loads(ran.out)["checked"] == 1 + 6 + 4
    assert "9 broken links of 11 checked on 1 page\n" in text


def test_good_answers_are_kept_for_a_while(site: Site, outside: Site, check: Callable[..., Any]) -> None:
    """What was good lately is not asked again, what was broken or is older is; another file than ours is an error and stays as it is."""
    outside.page("/moved", redirect("/ok"))
    site.page("/", "", links=[outside.url("/moved"), outside.url("/gone")])
    first = check("--cache", "good.json", "--format", "json")
    kept = json.loads(Path("good.json").read_text())
    assert {url: status for url, (status, _) in kept["answers"].items()} == {outside.url("/moved"): 200, outside.url("/ok"): 200}
    asked = len(outside.log)

    second = check("--cache", "good.json", "--format", "json")

    assert found(first) == found(second)
    assert {hit.path for hit in outside.log[asked:]} == {"/gone"}
    assert (json.loads(second.out)["known"], second.code) == (1, 4)
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    Path("good.json").write_text(json.dumps({"version": 1, "answers": {outside.url("/moved"): [200, old]}}))
    asked = len(outside.log)
    check("--cache", "good.json", "--cache-age", "1d")
    assert "/moved" in {hit.path for hit in outside.log[asked:]}
    Path("good.json").write_text("something else")
    assert check("--cache", "good.json").code == 6
    assert Path("good.json").read_text() == "something else"


def test_what_was_not_checked_is_said(site: Site, check: Callable[..., Any]) -> None:
    """What robots.txt forbids, what `--exclude` names, and what a limit left."""
    site.page("/robots.txt", "User-agent: *\nDisallow: /secret")
    site.page("/", "", links=["/secret", "/not-this", "/a", "/b", "mailto:a@b.test"])
    site.page("/a", "", links=["/c"])
    out = check("--exclude", "not-this", "--max-pages", 1, "-q").out
    assert "  not checked: 1 excluded, 1 robots.txt\n" in out or "  not checked: 1 excluded\n" in out
    assert "  not complete: " in out
    assert "URLs left (page limit)\n" in out
    assert "not checked: 1 excluded, 1 robots.txt\n" in check("--exclude", "not-this", "-q").out


def test_a_hostile_site_reaches_no_format_with_its_tricks(site: Site, check: Callable[..., Any]) -> None:
    """Texts of links are escaped as each format needs it, and JUnit and JSON can be read."""
    site.page("/", "<a href='/gone?a=1&b=|x'>&lt;script&gt; | `\x1b[2J` &amp; \u202e **bold**</a>")
    text, mark, junit = (check("--format", name, "-q").out for name in ("text", "md", "junit"))
    assert "\x1b" not in text + mark + junit
    assert "\u202e" not in text + mark + junit
    assert r"\<script\>" in mark
    assert r"\*\*bold\*\*" in mark
    [row] = [line for line in mark.splitlines() if "gone" in line]
    assert row.replace(r"\|", "").count("|") == 4
    suite = ElementTree.fromstring(junit).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert "<script>" in (suite.find("testcase/failure").text or "")  # type: ignore[union-attr]


def test_junit_of_a_clean_site_has_one_case_that_passed(site: Site, check: Callable[..., Any]) -> None:
    """So that a build that shows test results shows this one."""
    site.page("/", "x")
    suite = ElementTree.fromstring(check("--format", "junit").out).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("1", "0", 1)


def test_a_folder_keeps_the_check_and_is_asked_again(site: Site, outside: Site, check: Callable[..., Any], tmp_path: Path) -> None:
    """`-o` keeps crawl.db; the same command asks everything once more, and never calls fine what is gone since."""
    site.page("/", "", links=["/a", outside.url("/ok")])
    site.page("/a", "x")
    assert check("-o", "kept").code == 0
    assert (tmp_path / "kept" / "crawl.db").is_file()
    outside.remove("/ok")
    site.page("/a", answer(fault="garbage"))
    again = check("-o", "kept", "--format", "json")
    assert again.code == 4
    assert {url: link["why"].partition(":")[0] for url, link in found(again).items()} == {
        site.url("/a"): "protocol", outside.url("/ok"): "HTTP 404",
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_the_check_and_says_what_is_left(site: Site) -> None:
    """Code 130, what was found so far, and that it is not complete."""
    gate = Gate()
    site.page("/", "", links=["/slow", "/a", "/b"])
    site.page("/slow", answer(200, "x", gate=gate))
    with running("check", site.url(), "-c", 1) as process:
        site.wait_for("/slow", timeout=SECONDS)
        process.send_signal(2)
        assert process.stderr is not None
        while "Pausing" not in process.stderr.readline():
            pass
        gate.open()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "not complete: " in out


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_while_pages_of_others_are_read(site: Site, outside: Site) -> None:
    """Code 130; all that was found before is printed, and that anchors were not checked."""
    gate = Gate()
    outside.page("/doc", in_turn("x", answer(200, "<p id=x>", gate=gate)))
    site.page("/", "", links=[outside.url("/doc#x"), "/gone"])
    with running("check", site.url(), "--fragments", "--allow-private") as process:
        assert process.stderr is not None
        while "Reading 1 page of others" not in process.stderr.readline():
            pass
        process.send_signal(2)
        out, _ = process.communicate(timeout=30)
        gate.open()
    assert process.returncode == 130
    assert "not checked: 1 anchors" in out
    assert site.url("/gone") in out


def test_no_page_to_begin_with_is_said(capfd: Capture) -> None:
    """With the command that has one."""
    ran = run(capfd, "check")
    assert (ran.code, error_lines(ran.err)[::2]) == (2, ["error: no URL was given", "  try: crawler check https://example.org"])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--accept", "abc"), "error: `--accept` cannot be 'abc'"), (("--accept", "299..200"), "error: `--accept` cannot be '299..200'"),
        (("--format", "xml"), "error: `--format` cannot be 'xml'"), (("--cache-age", "soon"), "error: `--cache-age` cannot be 'soon'"),
        (("--strict",), "error: there is no flag --strict"), (("-p",), "error: there is no flag -p"),
    ],
)  # fmt: skip
def test_wrong_words_are_said_before_anything_is_asked(site: Site, check: Callable[..., Any], words: tuple[str, ...], what: str) -> None:
    """One error, code 2, and no request."""
    ran = check(*words)
    assert (ran.code, error_lines(ran.err)[0]) == (2, what)
    assert site.log == []
