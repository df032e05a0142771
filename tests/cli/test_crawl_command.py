"""`crawler crawl` and `crawler resume`, as people and programs use them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shlex
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from running import SECONDS, Capture, Ran, assert_at_rest, ended, error_lines, no_surroundings, rows, run, running, start, stored, value

from crawler import __version__
from crawler.testing import Gate, PageValue, Site, answer, in_turn, redirect

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]

SHOP: dict[str, PageValue] = {
    "/robots.txt": "User-agent: *\nDisallow: /closed/\n",
    "/": answer(
        body="<title>Lamps</title>",
        links=["/a", "/b", "/old", "/gone", "/boom", "http://other.invalid/x", "mailto:lamps@shop.invalid", "/closed/1"],
    ),
    "/a": answer(body="<title>Lamp</title>", links=["/a/1", "/a/2"]),
    "/a/1": "<title>Lamp</title><span class=price>12 €</span>",
    "/a/2": "<p>two",
    "/b": "<title>B</title>",
    "/old": redirect("/b"),
    "/boom": answer(500),
}
ATTEMPTED = {"/", "/a", "/a/1", "/a/2", "/b", "/old", "/gone", "/boom"}


@pytest.fixture
def web(new_site: NewSite) -> Site:
    return new_site(SHOP)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def crawl(capfd: Capture, web: Site, out: Path) -> Callable[..., Ran]:
    """Crawls the shop into `out` with these words, without retries."""
    return lambda *words: run(capfd, "crawl", web.url(), "-o", out, "--retries", 0, *words)


@pytest.fixture
def refused() -> Iterator[int]:
    """A port that refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def paths(site: Site, urls: Iterable[str]) -> set[str]:
    return {url.removeprefix(site.url("")) for url in urls}


# -- folders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["crawl"], []])
def test_a_url_is_all_it_takes(web: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    """`crawler crawl URL` and `crawler URL` are the same: everything goes into `crawl-HOST`, and the exit code is 0."""
    monkeypatch.chdir(tmp_path)
    ran = run(capfd, *words, web.url(), "--retries", 0)
    folder = tmp_path / f"crawl-{web.host}-{web.port}"
    assert (ran.code, ran.out) == (0, "")
    assert paths(web, stored(folder)) == ATTEMPTED
    assert {path.name for path in folder.iterdir()} >= {"crawl.db", "pages", "summary.json", "report.html", "crawl.log", "crawl.toml"}
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert_at_rest(folder)


def test_a_finished_crawl_says_so(crawl: Callable[..., Ran], web: Site, out: Path) -> None:
    """The same command again asks for nothing and exits with 0; `-q` says nothing, `--json` prints the summary."""
    assert crawl().code == 0
    asked, before = web.count(), (out / "crawl.toml").read_bytes()
    again = crawl("--max-pages", 99)
    assert (again.code, again.out) == (0, "")
    assert (
        again.err
        == f"{out}/ holds this crawl, finished: 8 pages. Nothing is left to do (--update asks what has changed, --fresh begins anew).\n"
    )
    assert crawl("-q") == Ran(0, "", "")
    assert json.loads(crawl("--json").out) == json.loads((out / "summary.json").read_text())
    assert web.count() == asked
    assert (out / "crawl.toml").read_bytes() == before


def test_findings_count_again_in_a_finished_crawl(crawl: Callable[..., Ran]) -> None:
    """A build that failed for a broken page does not pass because it is run again."""
    assert [crawl("--fail-on", "broken").code for _ in range(2)] == [4, 4]
    assert crawl().code == 0


def test_a_partial_crawl_is_never_called_finished(crawl: Callable[..., Ran], out: Path) -> None:
    """At its limit a folder says which one, what is left and how to go on."""
    assert crawl("--max-pages", 2).code == 0
    again = crawl("--max-pages", 2)
    assert again.code == 0
    assert "up to its page limit" in again.err
    assert "Nothing is left" not in again.err
    assert f"try: crawler resume {out} --max-pages N" in again.err
    assert crawl("--max-pages", 2, "--strict").code == 5


def test_fresh_begins_anew(crawl: Callable[..., Ran], web: Site, out: Path) -> None:
    """`--fresh` deletes what the crawl made, and nothing that others put there."""
    assert crawl().code == 0
    (out / "notes.txt").write_text("mine")
    (out / "pages" / "stray").write_text("of the crawl")
    web.page("/new", "<p>new")
    web.page("/", links=["/new"])
    assert crawl("--fresh").code == 0
    assert paths(web, stored(out)) == {"/", "/new"}
    assert value(out, "SELECT count(*) FROM runs") == 1
    assert (out / "notes.txt").read_text() == "mine"
    assert not (out / "pages" / "stray").exists()


def test_a_second_process_is_told_who_holds_the_folder(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """Exit 6 with the pid of the holder; when that one is dead, however it died, its lock blocks nobody."""
    gate = Gate()
    site = new_site({"/": answer(links=["/held"]), "/held": answer(body="held", gate=gate)})
    with running(site.url(), "-o", out) as process:
        site.wait_for("/held", timeout=SECONDS)
        refused = run(capfd, site.url(), "-o", out)
        assert refused.code == 6
        assert f"in use by process {process.pid}" in error_lines(refused.err)[0]
        process.kill()
        ended(process)
        gate.open()
        assert run(capfd, site.url(), "-o", out).code == 0
    assert stored(out) == sorted(site.reachable())


# -- going on ----------------------------------------------------------------------------------------------------------


def test_crawl_toml_repeats_the_crawl(crawl: Callable[..., Ran], web: Site, out: Path, tmp_path: Path, capfd: Capture) -> None:
    """`-C crawl.toml` elsewhere finds the same with the same settings; on the same folder it is the same crawl."""
    assert crawl("--exclude", "/a/2$", "--max-depth", 1, "-U", "mine/1.0").code == 0
    other = tmp_path / "other"
    assert run(capfd, "crawl", "-C", out / "crawl.toml", "-o", other).code == 0
    query = "SELECT url, status, outcome, depth, sha256, file FROM pages ORDER BY url"
    assert rows(out, query) == rows(other, query)
    assert {hit.headers["user-agent"] for hit in web.log} == {"mine/1.0"}
    tomls = [(folder / "crawl.toml").read_text().replace(str(folder), "FOLDER") for folder in (out, other)]
    assert tomls[0] == tomls[1]
    asked = web.count()
    assert run(capfd, "crawl", "-C", out / "crawl.toml").code == 0
    assert web.count() == asked


def test_resume_needs_the_folder_alone(crawl: Callable[..., Ran], web: Site, out: Path, tmp_path: Path, capfd: Capture) -> None:
    """`crawler resume DIR` knows seeds and settings, also of a folder that was moved."""
    assert crawl("--max-pages", 2, "--exclude", "/a/2$").code == 0
    moved = out.rename(tmp_path / "moved")
    resumed = run(capfd, "resume", moved, "--max-pages", 100)
    assert resumed.code == 0
    assert "goes on" in resumed.err
    assert paths(web, stored(moved)) == ATTEMPTED - {"/a/2"}
    assert not out.exists()
    assert all(web.count(path) == 1 for path in ATTEMPTED - {"/a/2"})


def test_resume_needs_the_database_alone(crawl: Callable[..., Ran], out: Path, capfd: Capture) -> None:
    """A folder that has lost its crawl.toml gets the same one again, from the settings that the database keeps."""
    assert crawl("--max-pages", 2, "-d", 1, "--delay", "1ms").code == 0
    before = (out / "crawl.toml").read_text("utf-8")
    (out / "crawl.toml").unlink()
    assert "page limit" in run(capfd, "resume", out).err
    assert (out / "crawl.toml").read_text("utf-8") == before
    (out / "crawl.toml").unlink()
    assert run(capfd, "resume", out, "--max-pages", 3).code == 0
    assert value(out, "SELECT count(*) FROM pages WHERE outcome = 'ok'") == 3


@pytest.mark.parametrize(
    ("limit", "low", "high", "reason"),
    [("--max-pages", 2, 100, "page limit"), ("--max-depth", 1, 9, "depth limit"), ("--max-size", "1B", "1GB", "size limit")],
)
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_raised_limit_goes_on(
    crawl: Callable[..., Ran], web: Site, out: Path, capfd: Capture, mode: str, limit: str, low: object, high: object, reason: str
) -> None:
    """What lies beyond a limit stays queued, and a later run with a higher one fetches that and nothing again."""
    stopped = crawl(limit, low, "--mode", mode)
    assert stopped.code == 0
    assert f"finished: {reason}" in stopped.err
    assert stopped.err.rstrip().endswith(f"crawler resume {out} {limit} " + ("SIZE" if limit == "--max-size" else "N"))
    assert value(out, "SELECT count(*) FROM urls WHERE state = 'queued'") > 0
    assert run(capfd, "resume", out, limit, high).code == 0
    assert paths(web, stored(out)) == ATTEMPTED
    assert all(web.count(path) == 1 for path in ATTEMPTED)
    assert [ended for (ended,) in rows(out, "SELECT finish_reason FROM runs")] == [reason, "queue empty"]


def test_limits_are_exact(crawl: Callable[..., Ran], out: Path) -> None:
    """As many good pages as asked for, however many are fetched at once; a depth limit fetches nothing deeper."""
    for number in (1, 3, 4):
        assert crawl("--max-pages", number, "--fresh", "-c", 8, "--per-host", 8, "--no-adaptive").code == 0
        assert value(out, "SELECT count(*) FROM pages WHERE outcome = 'ok'") == number
    assert crawl("--max-depth", 1, "--fresh").code == 0
    assert value(out, "SELECT max(depth) FROM pages") == 1


def test_depth_zero_is_the_seeds_alone(crawl: Callable[..., Ran], web: Site, out: Path) -> None:
    """`-d 0` fetches the seeds and no sitemap."""
    web.page("/sitemap.xml", "<urlset><url><loc>" + web.url("/b") + "</loc></url></urlset>")
    assert crawl("-d", 0).code == 0
    assert paths(web, stored(out)) == {"/"}
    assert web.count("/sitemap.xml") == 0


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_time_limit_ends_a_crawl(new_site: NewSite, out: Path, capfd: Capture, mode: str) -> None:
    """`--max-time` stops a crawl that waits; what is left stays queued."""
    site = new_site({"/": answer(links=["/a", "/b"]), "/a": "a", "/b": "b"})
    stopped = run(capfd, site.url(), "-o", out, "--max-time", "0.3s", "--delay", "1m", "--mode", mode, "--robots", "ignore")
    assert stopped.code == 0
    assert "finished: time limit" in stopped.err
    assert_at_rest(out)
    assert value(out, "SELECT count(*) FROM urls WHERE state = 'queued' AND role = 'page'") == 2


@pytest.mark.parametrize("path", ["/robots.txt", "/hangs", "/drips"])
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_time_limit_waits_for_nobody(
    new_site: NewSite, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str, path: str
) -> None:
    """What is in flight gets one second; then it is cut off and stays queued, untried, and a later run goes on with it."""
    monkeypatch.setattr("crawler.app.AFTER_THE_LIMIT", 0.2)
    slow = {"/robots.txt": answer(fault="hang"), "/hangs": answer(fault="hang"), "/drips": answer(body="x" * 9999, rate=200)}
    site = new_site(
        {"/": answer(links=["/a", "/hangs", "/drips"])} | dict.fromkeys(["/a", "/hangs", "/drips"], "<p>page") | {path: slow[path]}
    )
    began = time.monotonic()
    stopped = run(capfd, site.url(), "-o", out, "--max-time", "0.5s", "--mode", mode, "--sitemap", "off")
    assert time.monotonic() - began < 5
    assert stopped.code == 0
    assert "finished: time limit" in stopped.err
    assert stopped.err.rstrip().endswith(f"crawler resume {out}")
    assert_at_rest(out)
    assert rows(out, "SELECT DISTINCT state, attempts FROM urls WHERE state <> 'done'") == [("queued", 0)]
    site.page(path, answer(404) if path == "/robots.txt" else "<p>quick now")
    assert run(capfd, "resume", out).code == 0
    assert stored(out) == [site.url(each) for each in ("/", "/a", "/drips", "/hangs")]
    assert value(out, "SELECT count(*) FROM pages WHERE attempts = 1") == 4


@pytest.mark.parametrize(
    ("name", "words"), [("scope", ["--scope", "domain"]), ("exclude", ["--exclude", "x"]), ("strip_query", ["--strip-query", "sid"])]
)
def test_another_scope_is_another_crawl(crawl: Callable[..., Ran], web: Site, out: Path, name: str, words: list[str]) -> None:
    """Exit 2 names what differs, with both values, and the folder stays as it is."""
    assert crawl().code == 0
    asked, before = web.count(), (out / "crawl.toml").read_bytes()
    refused = crawl(*words)
    assert refused.code == 2
    what, _, hint = error_lines(refused.err)
    assert f"`{name}` is" in what
    assert words[1] in what
    assert "--fresh" in hint
    assert (web.count(), (out / "crawl.toml").read_bytes()) == (asked, before)
    assert crawl().code == 0


# -- seeds -------------------------------------------------------------------------------------------------------------


def test_seeds_from_a_file(web: Site, out: Path, tmp_path: Path, capfd: Capture) -> None:
    """One on each line; empty lines and comments count for nothing; the folder remembers them when the file is gone."""
    (tmp_path / "seeds").write_text(f"# two of them\n\n{web.url('/a')}\n  {web.url('/b')}  \n")
    assert run(capfd, "-i", tmp_path / "seeds", "-o", out, "-d", 0).code == 0
    assert paths(web, stored(out)) == {"/a", "/b"}
    (tmp_path / "seeds").unlink()
    assert run(capfd, "resume", out, "-d", 1).code == 0
    assert paths(web, stored(out)) == {"/a", "/b", "/a/1", "/a/2"}


@pytest.mark.parametrize("where", ["file", "standard input"])
def test_a_byte_order_mark_is_no_part_of_the_first_seed(
    web: Site, out: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Editors and spreadsheets on Windows put one before a text; it is invisible, and means nothing in UTF-8."""
    text = f"\ufeff{web.url('/a')}\r\n{web.url('/b')}\r\n"
    (tmp_path / "seeds").write_bytes(text.encode())
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert run(capfd, "-i", tmp_path / "seeds" if where == "file" else "-", "-o", out, "-d", 0).code == 0
    assert paths(web, stored(out)) == {"/a", "/b"}


def test_seeds_from_standard_input(web: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-i -` reads standard input, names the folder after the first seed, and can be resumed without it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{web.url('/a')}\n{web.url('/b')}\n"))
    assert run(capfd, "-i", "-", "-d", 0).code == 0
    folder = tmp_path / f"crawl-{web.host}-{web.port}"
    assert paths(web, stored(folder)) == {"/a", "/b"}
    assert run(capfd, "resume", folder, "-d", 1).code == 0
    assert paths(web, stored(folder)) == {"/a", "/b", "/a/1", "/a/2"}


def names(monkeypatch: pytest.MonkeyPatch, *known: str) -> None:
    """Makes these host names, and no other, lead to this machine."""

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setitem(sys.modules, "uvloop", None)  # it has a resolver of its own


class Plain(socketserver.BaseRequestHandler):
    """Speaks HTTP alone, and says so to whoever begins with TLS, as web servers do."""

    def handle(self) -> None:
        is_tls = self.request.recv(65536)[:1] == b"\x16"
        head = b"400 Bad Request" if is_tls else b"200 OK\r\nContent-Type: text/html"
        self.request.sendall(b"HTTP/1.1 " + head + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")


@pytest.fixture
def plain() -> Iterator[int]:
    """The port of a server that speaks no TLS."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_seed_without_a_scheme(plain: int, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """https is assumed; where nobody speaks it, http is tried, and said so. The folder holds the crawl that worked."""
    names(monkeypatch, "lamps.test")
    ran = run(capfd, f"lamps.test:{plain}", "-o", out, "--retries", 0, "--mode", mode)
    assert ran.code == 0
    assert f"lamps.test:{plain} cannot be asked over https (tls: the server does not speak TLS on this port); trying http\n" in ran.err
    assert "error:" not in ran.err
    assert stored(out) == [f"http://lamps.test:{plain}/"]
    assert tomllib.loads((out / "crawl.toml").read_text())["seeds"] == [f"http://lamps.test:{plain}/"]
    assert run(capfd, "resume", out).code == 0


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_trying_http_is_one_line(plain: int, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """That nobody speaks https is said in a line, not as a crawl that failed: one summary, on the screen and as JSON."""
    names(monkeypatch, "lamps.test")
    ran = run(capfd, f"lamps.test:{plain}", "-o", out, "--retries", 0, "--mode", mode, "--json")
    assert ran.err.count("Done in") == 1
    assert "No page was fetched" not in ran.err
    assert json.loads(ran.out)["ok"] == 1
    told = run(capfd, f"lamps.test:{plain}", "-o", f"{out}-2", "--retries", 0, "--mode", mode, "--progress", "json")
    events = [json.loads(line)["event"] for line in told.err.splitlines()]
    assert (events.count("message"), events.count("summary"), events[-1]) == (1, 1, "summary")


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_fell_back_to_http_goes_on_with_the_same_command(
    plain: int, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A finished one says so, one that was cut off goes on over http, whatever was asked last; another scope is another crawl."""
    names(monkeypatch, "lamps.test")
    words = (f"lamps.test:{plain}", "-o", out, "--retries", 0, "--mode", mode)
    assert run(capfd, *words).code == 0
    again = run(capfd, *words)
    assert (again.code, "Nothing is left to do" in again.err, "https" in again.err) == (0, True, False)
    with closing(sqlite3.connect(out / "crawl.db")) as connection, connection:
        connection.execute("UPDATE runs SET ended = NULL, finish_reason = NULL")  # as a kill leaves it
    went_on = run(capfd, *words)
    assert (went_on.code, "goes on" in went_on.err, "https" in went_on.err) == (0, True, False)
    assert stored(out) == [f"http://lamps.test:{plain}/"]
    other = run(capfd, *words, "--scope", "any")
    assert (other.code, "`scope` is host there, any here" in other.err) == (2, True)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_was_cut_off_over_https_still_tries_http(
    plain: int, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A crawl that ended before it had tried http tries it when the same command is given again."""
    names(monkeypatch, "lamps.test")
    words = (f"lamps.test:{plain}", "-o", out, "--retries", 0, "--mode", mode)
    assert run(capfd, f"https://{words[0]}", *words[1:]).code == 3
    ran = run(capfd, *words)
    assert (ran.code, "trying http" in ran.err) == (0, True)
    assert stored(out) == [f"http://lamps.test:{plain}/"]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_seed_that_is_refused_over_https_and_http(
    out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str, refused: int
) -> None:
    """Both are tried, once each, and one error is said: of http, which came last."""
    names(monkeypatch, "lamps.test")
    ran = run(capfd, f"lamps.test:{refused}", "-o", out, "--retries", 0, "--mode", mode)
    assert ran.code == 3
    assert "cannot be asked over https (refused: " in ran.err
    assert error_lines(ran.err)[0] == f"error: no seed could be fetched: http://lamps.test:{refused}/"


def test_a_scheme_that_was_typed_stays(plain: int, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`https://` means https."""
    names(monkeypatch, "lamps.test")
    ran = run(capfd, f"https://lamps.test:{plain}", "-o", out, "--retries", 0)
    assert ran.code == 3
    assert "trying http" not in ran.err


def test_this_machine_needs_no_https(web: Site, out: Path, capfd: Capture) -> None:
    """`crawler 127.0.0.1:8000` asks over http at once."""
    ran = run(capfd, f"{web.host}:{web.port}/b", "-o", out, "-d", 0)
    assert ran.code == 0
    assert "https" not in ran.err
    assert stored(out) == [web.url("/b")]


# -- what programs read ------------------------------------------------------------------------------------------------

ROW = [
    "url", "status", "ok", "outcome", "error", "error_detail", "redirect_to", "depth", "parent", "content_type", "charset", "bytes",
    "sha256", "title", "fetched_at", "ttfb_ms", "total_ms", "attempts", "file", "links", "data",
]  # fmt: skip


DIFFERENT = {"ok", "parent", "links", "data", "fetched_at", "ttfb_ms", "total_ms"}
"""What is no column of `pages` under its name, and what is another time in every crawl."""


def test_rows_on_standard_output(crawl: Callable[..., Ran], web: Site, out: Path) -> None:
    """`--jsonl -` writes one object for each attempted URL with the documented keys, and each value is that of the database."""
    ran = crawl("--jsonl", "-", "--extract", "price=.price")
    written = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 0
    assert paths(web, [row["url"] for row in written]) == ATTEMPTED
    assert len(written) == len(ATTEMPTED)
    assert all(list(row) == ROW for row in written)
    same = [name for name in ROW if name not in ("ok", "parent", "links", "data")]
    query = f"SELECT {', '.join('p.' + name for name in same)}, q.url, p.link_count FROM pages p LEFT JOIN pages q ON q.id = p.parent"
    database = {row[0]: row[1:] for row in rows(out, query)}
    for row in written:
        *facts, parent, links = database[row["url"]]
        assert [row[name] for name in same[1:]] == facts
        assert (row["parent"], row["links"], row["ok"]) == (parent, links, row["outcome"] == "ok")
    [lamp] = [row for row in written if row["url"] == web.url("/a/1")]
    assert lamp["data"] == {"price": "12 €"}
    assert lamp["sha256"] == hashlib.sha256((out / lamp["file"]).read_bytes()).hexdigest()
    assert (lamp["title"], lamp["depth"], lamp["parent"]) == ("Lamp", 2, web.url("/a"))


def test_rows_in_a_file(crawl: Callable[..., Ran], web: Site, tmp_path: Path) -> None:
    """`--jsonl FILE` is added to when a crawl goes on."""
    rows_file = tmp_path / "rows.jsonl"
    assert crawl("--jsonl", rows_file, "--max-pages", 1).code == 0
    assert crawl("--jsonl", rows_file).code == 0
    urls = [json.loads(line)["url"] for line in rows_file.read_text("utf-8").splitlines()]
    assert paths(web, urls) == ATTEMPTED
    assert len(urls) == len(ATTEMPTED)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_reader_who_has_seen_enough(new_site: NewSite, out: Path, mode: str) -> None:
    """`crawler … --jsonl - | head -1` pauses: the exit code is that of a pipe that nobody reads, all say so, and the folder goes on."""
    site = new_site({"/": answer(links=[f"/{n}" for n in range(2000)])}, otherwise="<p>page", latency=0.001)
    with running(site.url(), "-o", out, "--jsonl", "-", "--mode", mode) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"] == site.url()
        process.stdout.close()
        process.stdout = None
        left = ended(process)
    assert left.code == 141
    assert "\nPaused: the reader of the rows has left. The same command goes on.\n" in left.err
    assert f"  Next: crawler resume {out}" in left.err
    assert "Traceback" not in left.err
    assert_at_rest(out)
    assert value(out, "SELECT finish_reason FROM runs") == "no reader"
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    assert (summary["finish_reason"], summary["complete"]) == ("no reader", False)
    assert 0 < len(stored(out)) < 2001


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_reader_who_leaves_at_the_end_pauses_nothing(new_site: NewSite, out: Path, mode: str) -> None:
    """When nothing is left to do the crawl is complete, whoever has read of it."""
    site = new_site({"/": "<p>alone"})
    read, write = os.pipe()
    os.close(read)
    with running(site.url(), "-o", out, "--jsonl", "-", "--sitemap", "off", "--mode", mode, stdout=write) as process:
        os.close(write)
        left = ended(process)
    assert left.code == 0
    assert "Paused" not in left.err
    assert value(out, "SELECT finish_reason FROM runs") == "queue empty"


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize(("closed", "way"), [((2,), ["-q"]), ((0, 1, 2), ["-v", "--jsonl", "-"])])
def test_a_stream_that_is_closed_means_that_nobody_hears(
    new_site: NewSite, out: Path, mode: str, closed: tuple[int, ...], way: list[str]
) -> None:
    """`crawler … 2>&-` crawls like any other, and writes nothing into a file that has got the number of the stream."""
    site = new_site({"/": answer(links=["/1", "/2"])}, otherwise="<p>page")

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    with running(site.url(), "-o", out, "--mode", mode, *way, preexec_fn=close) as process:
        left = ended(process)
    assert (left.code, left.err) == (0, "")
    assert_at_rest(out)
    assert stored(out) == sorted(site.reachable())


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_nobody_reads_the_summary(new_site: NewSite, out: Path, mode: str) -> None:
    """`--json | true`: the exit code tells how the crawl ended all the same."""
    site = new_site({"/": answer(links=["/1", "/2"])}, otherwise="<p>page")
    read, write = os.pipe()
    os.close(read)
    with running(site.url(), "-o", out, "--json", "-q", "--max-pages", 1, "--strict", "--mode", mode, stdout=write) as process:
        os.close(write)
        left = ended(process)
    assert (left.code, left.err) == (5, "")


NUMBERS = {
    "pages": "SELECT count(*) FROM pages",
    "run_pages": "SELECT count(*) FROM pages WHERE run = (SELECT max(run) FROM runs)",
    "ok": "SELECT count(*) FROM pages WHERE outcome IN ('ok', 'not_modified')",
    "redirects": "SELECT count(*) FROM pages WHERE outcome = 'redirect'",
    "broken": "SELECT count(*) FROM pages WHERE outcome = 'http_error'",
    "errors": "SELECT count(*) FROM pages WHERE outcome = 'error'",
    "bytes": "SELECT sum(bytes) FROM pages",
    "min_depth": "SELECT min(depth) FROM pages",
    "max_depth": "SELECT max(depth) FROM pages",
    "files": "SELECT count(*) FROM pages WHERE file IS NOT NULL",
    "queued": "SELECT count(*) FROM urls WHERE state = 'queued'",
    "skipped": "SELECT count(*) FROM skipped",
    "broken_links": "SELECT count(DISTINCT target) FROM broken_links",
    "shared_titles": "SELECT count(*) FROM duplicate_titles",
    "shared_title_pages": "SELECT coalesce(sum(pages), 0) FROM duplicate_titles",
    "closed_hosts": "SELECT count(*) FROM hosts WHERE closed <> ''",
    "ttfb_max_ms": "SELECT max(ttfb_ms) FROM pages",
    "run": "SELECT max(run) FROM runs",
    "started": "SELECT started FROM runs",
    "ended": "SELECT ended FROM runs",
    "finish_reason": "SELECT finish_reason FROM runs",
}


def test_every_number_is_a_query(crawl: Callable[..., Ran], out: Path) -> None:
    """`--json` prints summary.json, and each of its numbers is what the database says."""
    ran = crawl("--json", "--max-depth", 1)
    summary = json.loads(ran.out)
    assert ran.out == (out / "summary.json").read_text("utf-8")
    assert {name: summary[name] for name in NUMBERS} == {name: value(out, query) for name, query in NUMBERS.items()}
    reasons = dict(rows(out, "SELECT reason, count(*) FROM skipped GROUP BY reason"))
    assert summary["skipped_reasons"] == reasons == {"scope": 1, "scheme": 1, "robots": 1}
    assert (summary["pages"], summary["queued"], summary["complete"]) == (6, 2, False)


# -- what people read --------------------------------------------------------------------------------------------------

TIMES = r"\d+(?:\.\d+)? ?(?:ms|s)\b"
SUMMARY = """\
Crawling http://SITE/ -> out/ polite · robots.txt obeyed · Ctrl-C pauses
Done in TIME: 8 pages, SIZE, RATE pages/s finished: queue empty

 ok 5 · redirects 1 · broken 2 · errors 0 depth 0-2
 time to first byte median TIME · p95 TIME · max TIME
 skipped 1 outside SITE · 1 robots.txt · 1 not http

 Look at first
 2 broken links crawler report out --broken
 2 pages share a title crawler report out --duplicates

 out/ pages/ 5 files · crawl.db · report.html
 Next: open out/report.html · crawler query out "select url, status, title from pages"
"""


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_the_screen_counts_is_what_its_command_shows(new_site: NewSite, out: Path, capfd: Capture, mode: str) -> None:
    """As many broken links are named as the printed command shows, however many pages link to each."""
    pages: dict[str, PageValue] = {f"/{n}": answer(links=["/", "/gone", "/lost", f"/gone/{n}"]) for n in range(5)}
    web = new_site({"/": answer(links=list(pages)), **pages})
    ran = run(capfd, web.url(), "-o", out, "--mode", mode)
    told = re.search(r"(\d+) broken links, (\d+) of them from more than one page\s+crawler (.+)", ran.err)
    assert told is not None, ran.err
    found = json.loads(run(capfd, *shlex.split(told[3]), "--json").out)["broken"]
    assert (int(told[1]), int(told[2])) == (len(found), sum(row["links"] > 1 for row in found)) == (7, 2)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_guess_that_robots_txt_forbids_is_not_counted(new_site: NewSite, out: Path, capfd: Capture, mode: str) -> None:
    """What nobody has named, /sitemap.xml, is no skipped URL; a sitemap that robots.txt names and forbids is one. What it
    allows is guessed."""
    web = new_site({"/robots.txt": "User-agent: *\nDisallow: /\n", "/": "here"})
    ran = run(capfd, web.url(), "-o", out, "--mode", mode)
    assert ran.code == 3
    assert "skipped  1 robots.txt" in ran.err
    assert rows(out, "SELECT url FROM skipped") == [(web.url(),)]
    web.page("/robots.txt", f"User-agent: *\nDisallow: /\nSitemap: {web.url('/list.xml')}\n")
    run(capfd, web.url(), "-o", out, "--mode", mode, "--fresh")
    assert sorted(rows(out, "SELECT url FROM skipped")) == [(web.url(),), (web.url("/list.xml"),)]
    assert web.count("/sitemap.xml") == 0
    web.page("/robots.txt", "User-agent: *\nDisallow: /closed\n")
    assert run(capfd, web.url(), "-o", out, "--mode", mode, "--fresh").code == 0
    assert web.count("/sitemap.xml") == 1


def normal(text: str, site: Site) -> str:
    """The text without what differs from run to run."""
    text = text.replace(f"{site.host}:{site.port}", "SITE")
    text = re.sub(TIMES, "TIME", re.sub(r"[\d.,]+ pages/s", "RATE pages/s", text))
    return re.sub(r"[ ]+", " ", text)


def test_the_screen_at_the_end(web: Site, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found, what to look at first, and the next command, which is the last thing on the screen."""
    monkeypatch.chdir(tmp_path)
    ran = run(capfd, web.url(), "-o", "out", "--retries", 0)
    size = value(tmp_path / "out", "SELECT sum(bytes) FROM pages")
    assert normal(ran.err, web) == SUMMARY.replace("SIZE", f"{size} B")


def test_no_terminal_means_plain_lines(crawl: Callable[..., Ran], web: Site) -> None:
    """No control character, no carriage return, not even with `--progress bar`; titles of pages cannot bring any in."""
    web.page("/b", "<title>\x1b[2J\x1b]0;gone\x07 \x9b31m</title>")
    ran = crawl("--progress", "bar", "-v")
    assert [character for character in ran.err if not character.isprintable() and character != "\n"] == []
    assert ran.out == ""


def test_progress_for_programs(crawl: Callable[..., Ran], out: Path) -> None:
    """`--progress json` writes JSON lines on standard error and nothing else; the last one is the summary, also of a finished crawl."""
    ran = crawl("--progress", "json", "-v")
    events = [json.loads(line) for line in ran.err.splitlines()]
    assert [events[0]["event"], *(event["event"] for event in events[-2:])] == ["start", "stop", "summary"]
    assert events[-1] == {"event": "summary"} | json.loads((out / "summary.json").read_text("utf-8"))
    assert [json.loads(line)["event"] for line in crawl("--progress", "json").err.splitlines()] == ["summary"]
    assert sum(event["event"] == "page" for event in events) == 8


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one kind in the folder's log."""
    return [event for event in map(json.loads, (folder / "crawl.log").read_text("ascii").splitlines()) if event["event"] == kind]


REFUSED = "SELECT url, reason, coalesce(detail, '') FROM urls WHERE state = 'skipped' AND role = 'page' ORDER BY url"


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_every_page_is_logged_when_asked_for(crawl: Callable[..., Ran], out: Path, mode: str) -> None:
    """Without `-v` the log names no page; with it, each page that is stored, with its status and outcome; no refusal."""
    crawl("--mode", mode)
    assert events(out, "page") == []
    crawl("--mode", mode, "--fresh", "-v")
    logged = sorted((event["url"], event["status"], event["outcome"]) for event in events(out, "page"))
    assert logged == rows(out, "SELECT url, status, outcome FROM pages ORDER BY url")
    assert len(logged) == 8
    assert events(out, "refused") == []


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_every_refusal_is_shown_and_logged_when_asked_for(crawl: Callable[..., Ran], web: Site, out: Path, mode: str) -> None:
    """With `-vv` each URL that is not asked for is there once, with its reason and the rule or line that decided; nothing in it acts on
    a terminal, and no password is shown."""
    web.page("/a", answer(links=["/a/1", "/a/2", "http://lamp:secret@other.invalid/\u202ex", "/closed/1"]))
    ran = crawl("--mode", mode, "-vv")
    refused = rows(out, REFUSED)
    assert sorted((event["url"], event["reason"], event["detail"]) for event in events(out, "refused")) == refused
    assert {reason for _, reason, _ in refused} >= {"robots", "scope", "scheme"}
    lines = [line for line in ran.err.splitlines() if line.startswith("refused ")]
    assert len(lines) == len(refused)
    assert f"refused robots  {web.url('/closed/1')}  line 2: Disallow: /closed/  from {web.url()}" in lines
    for shown in (ran.err, (out / "crawl.log").read_text()):
        assert "secret" not in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize("kind", ["json", "none", "bar"])
def test_refusals_are_shown_on_every_screen(crawl: Callable[..., Ran], kind: str) -> None:
    """As lines, or as JSON for programs."""
    ran = crawl("-vv", "--progress", kind)
    lines = ran.err.splitlines()
    if kind == "json":
        assert {json.loads(line)["reason"] for line in lines if '"refused"' in line} == {"robots", "scope", "scheme"}
    else:
        assert any(line.startswith("refused robots") for line in lines)


def test_quiet_says_nothing(crawl: Callable[..., Ran]) -> None:
    """`-q` leaves both streams empty; data that was asked for still comes."""
    assert crawl("-q") == Ran(0, "", "")
    assert len(crawl("-q", "--fresh", "--jsonl", "-").out.splitlines()) == 8


LONELY: dict[str, tuple[dict[str, PageValue], str, str]] = {
    "scripts": ({"/": "<script src=/app.js></script><div id=app></div>"}, "JavaScript", ""),
    "no links": ({"/": "<p>alone"}, "it has no links", ""),
    "robots.txt": (
        {"/": answer(links=["/a", "/b"]), "/robots.txt": "User-agent: *\nDisallow: /a\nDisallow: /b\n"},
        "robots.txt forbids",
        "",
    ),
    "other hosts": ({"/": answer(links=["http://www.other.invalid/a", "http://www.other.invalid/b"])}, "out of the scope", ""),
    "login": ({"/": redirect("/login"), "/login": "<form><input type=password></form>"}, "asks for a login", "--cookies"),
    "not html": ({"/": answer(body="plain", headers={"Content-Type": "text/plain"})}, "not HTML", ""),
}


@pytest.mark.parametrize("why", LONELY)
def test_a_crawl_of_one_page_says_why(new_site: NewSite, out: Path, capfd: Capture, why: str) -> None:
    """Loudly, with the cause, and with the option that helps where there is one."""
    pages, said, option = LONELY[why]
    site = new_site(pages)
    ran = run(capfd, site.url(), "-o", out)
    assert ran.code == 0
    assert "Only one page was found" in ran.err
    assert said in ran.err
    assert option in ran.err


def test_links_to_www_suggest_the_domain(new_site: NewSite, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that links to itself under `www.` only: `--scope domain`."""
    site = new_site()
    site.page("/", links=[f"http://www.lamps.com:{site.port}/{name}" for name in "ab"])
    names(monkeypatch, "lamps.com")
    ran = run(capfd, f"http://lamps.com:{site.port}", "-o", out)
    assert f"all its 2 links lead to www.lamps.com:{site.port}" in ran.err
    assert "--scope domain" in ran.err


# -- exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--fail-on", "broken"], 4),
        (["--fail-on", "4xx"], 4),
        (["--fail-on", "500"], 4),
        (["--fail-on", "errors"], 0),
        (["--fail-on", "403,errors"], 0),
        (["--strict"], 0),
        (["--strict", "--max-pages", 1], 5),
        (["--max-pages", 1], 0),
        (["--strict", "--max-depth", 1, "--fail-on", "5xx"], 4),
    ],
)
def test_exit_codes(crawl: Callable[..., Ran], words: list[object], code: int) -> None:
    """Single failed pages never change the exit code, unless `--fail-on` asks; `--strict` asks for completeness."""
    ran = crawl(*words)
    assert ran.code == code
    assert "error:" not in ran.err


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_both_modes_find_the_same(crawl: Callable[..., Ran], out: Path) -> None:
    """`--mode sync` stores the same rows, links and bodies as the asynchronous mode."""
    queries = [
        f"SELECT {', '.join(set(ROW) - DIFFERENT)} FROM pages ORDER BY url",
        "SELECT url, role, headers FROM pages ORDER BY url",
        "SELECT src, dst, kind, rel, text, position FROM links ORDER BY src, position",
        "SELECT id, url, host, role, depth, hops, state, reason, detail FROM urls ORDER BY url",
    ]
    found = []
    for mode in ("async", "sync"):
        assert crawl("--mode", mode, "--fresh").code == 0
        found.append([rows(out, query) for query in queries])
    assert found[0] == found[1]


def test_nothing_is_saved_when_nothing_is_wanted(crawl: Callable[..., Ran], out: Path) -> None:
    """`--save none` writes no bodies, `--links none` no links; the pages are the same."""
    assert crawl("--save", "none", "--links", "none").code == 0
    assert not (out / "pages").exists()
    assert value(out, "SELECT count(*) FROM pages WHERE file IS NULL AND sha256 IS NOT NULL AND outcome = 'ok'") == 5
    assert value(out, "SELECT count(*) FROM links") == 0
    assert value(out, "SELECT count(*) FROM pages") == 8


def test_extract_keeps_values(crawl: Callable[..., Ran], web: Site, out: Path) -> None:
    """`--extract NAME=CSS` fills the column `data`."""
    assert crawl("--extract", "price=span.price::text", "--extract", "first=a::attr(href)").code == 0
    data = json.loads(value(out, "SELECT data FROM pages WHERE url = ?", web.url("/a/1")))
    assert data == {"price": "12 €", "first": None}


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_who_is_asking(crawl: Callable[..., Ran], web: Site) -> None:
    """The user agent names us and whom to write to; headers are sent with every request, robots.txt included."""
    assert crawl("--contact", "crawls@example.org", "-H", "X-Team: lamps", "-H", "Accept-Language: de").code == 0
    sent = [(hit.headers["user-agent"], hit.headers["x-team"], hit.headers["accept-language"]) for hit in web.log]
    assert set(sent) == {(f"asyncrawl/{__version__} (+crawls@example.org)", "lamps", "de")}
    assert "/robots.txt" in web.paths


@pytest.mark.parametrize("where", ["pages", "pages/.tmp", "pages/{host}", "crawl.log"])
def test_a_link_in_the_folder_is_refused(web: Site, out: Path, tmp_path: Path, capfd: Capture, where: str) -> None:
    """A symbolic link that somebody put into the folder is named, and nothing is written or removed where it leads."""
    run(capfd, web.url(), "-o", out, "-q", "--max-pages", "1")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("precious")
    link = out / where.format(host=f"127.0.0.1~{web.port}")
    link.unlink() if link.is_file() else shutil.rmtree(link)
    link.symlink_to(elsewhere / "thesis.txt" if where == "crawl.log" else elsewhere)
    ran = run(capfd, "resume", out, "--max-pages", "9")
    assert ran.code == 6
    what, _, hint = error_lines(ran.err)
    assert what == f"error: {link} is a symbolic link"
    assert hint.startswith("  try: rm ")
    assert [path.read_text() for path in elsewhere.iterdir()] == ["precious"]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_cookies_stay_with_their_host(new_site: NewSite, out: Path, capfd: Capture, mode: str) -> None:
    """A cookie comes back to the host that set it and goes to no other; `--no-cookies` keeps none."""
    other = new_site({"/": "other"}, address="127.0.0.2")
    pages = {"/": answer(headers={"Set-Cookie": "lamp=on"}, links=["/a", other.url()]), "/a": "a"}
    site = new_site(pages)
    words = [site.url(), "-o", out, "--scope", "any", "--allow-private", "--mode", mode]
    assert run(capfd, *words).code == 0
    assert site.log[-1].headers.get("cookie") == "lamp=on"
    assert [hit for hit in other.log if "cookie" in hit.headers] == []
    assert run(capfd, *words, "--fresh", "--no-cookies").code == 0
    assert [hit.headers.get("cookie") for hit in site.log if hit.path == "/a"] == ["lamp=on", None]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_password_goes_to_the_seeds_alone(
    new_site: NewSite, out: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """`--auth-env NAME` is sent to the seed's origin and to nobody else, and is in no file of the folder."""
    monkeypatch.setenv("SHOP_LOGIN", "me:opensesame")
    other = new_site({"/": "other"}, address="127.0.0.2")
    site = new_site({"/": answer(links=["/a", other.url()]), "/a": "a"})
    words = ["-H", "Authorization-Hint: opensesame", "--auth-env", "SHOP_LOGIN", "--scope", "any", "--allow-private", "-vv"]
    assert run(capfd, site.url(), "-o", out, *words, "--mode", mode).code == 0
    assert {hit.headers.get("authorization") for hit in site.log} == {"Basic bWU6b3BlbnNlc2FtZQ=="}
    assert [hit for hit in other.log if "authorization" in hit.headers] == []
    files = [path for path in out.rglob("*") if path.is_file()]
    assert (out / "crawl.toml") in files
    for secret in (b"opensesame", b"bWU6b3BlbnNlc2FtZQ"):
        assert [path for path in files if secret in path.read_bytes()] == []
    assert 'auth_env = "SHOP_LOGIN"' in (out / "crawl.toml").read_text()


def test_what_may_pass_is_tried_again(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """A page that fails at first is asked again, as often as `--retries` says, and the row tells how often it was."""
    site = new_site({"/": in_turn(answer(503, headers={"Retry-After": "0"}), "<p>open")})
    assert run(capfd, site.url(), "-o", out).code == 0
    assert rows(out, "SELECT status, attempts FROM pages") == [(200, 2)]


# -- as a process ------------------------------------------------------------------------------------------------------


def test_the_module_is_the_command(web: Site, out: Path) -> None:
    """`python -m crawler URL` crawls; what it writes is on standard error, and it leaves nothing behind."""
    ran = ended(start(web.url(), "-o", out, "--retries", 0))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith(f'  Next: open {out}/report.html\n        crawler query {out} "select url, status, title from pages"\n')
    assert_at_rest(out)


def test_seeds_come_through_a_pipe(web: Site, out: Path) -> None:
    """`seeds | crawler -i -`, and rows come out of the other end."""
    process = start("-i", "-", "-o", out, "-d", 0, "--jsonl", "-", "-q", stdin=subprocess.PIPE)
    ran = ended(process, f"{web.url('/a')}\n{web.url('/b')}\n")
    assert (ran.code, ran.err) == (0, "")
    assert {json.loads(line)["url"] for line in ran.out.splitlines()} == {web.url("/a"), web.url("/b")}
