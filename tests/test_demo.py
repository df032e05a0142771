"""The demo site shows what a crawl can find, the same every time."""

from __future__ import annotations

import http.client
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from running import error_lines, rows, run, stored

from crawler import demo
from crawler.cli.main import main
from crawler.demo import demo_pages, serve_demo
from crawler.testing import Answer, PageValue, Site, reachable


def fetch(site: Site, path: str, host: str = "") -> tuple[int, str, str]:
    """Status, Location and body."""
    connection = http.client.HTTPConnection(site.host, site.port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    found = response.status, response.getheader("Location", ""), response.read().decode()
    connection.close()
    return found


def declared(pages: dict[str, PageValue]) -> set[str]:
    """The pages that a polite crawl gets with 200: no redirects, no robots.txt and sitemap, nothing that is disallowed."""
    redirects = {path for path, value in pages.items() if isinstance(value, Answer) and 300 <= value.status < 400}
    return set(pages) - redirects - {"/robots.txt", "/sitemap.xml", demo.CLOSED}


@pytest.mark.parametrize("number", [1, 2, 7, 11, 12, 13, 40, 200, 900])
def test_the_number_of_pages_is_the_number_asked_for(number: int) -> None:
    """As many pages as asked for, all reachable but the one that only the sitemap knows."""
    pages = demo_pages(number, size=2000)
    good = declared(pages)
    assert len(good) == number
    assert good - reachable(pages) == ({demo.ORPHAN} if number >= 8 else set())


def test_what_is_linked_and_not_there_is_what_is_meant_to_be_gone() -> None:
    """The broken links of the site are these three, each linked from several pages."""
    pages = demo_pages()
    assert reachable(pages) - set(pages) == set(demo.GONE)
    texts = [value for value in pages.values() if isinstance(value, str)]
    assert all(sum(path.rpartition("/")[2] in text for text in texts) > 1 for path in demo.GONE)


def test_the_site_is_the_same_every_time() -> None:
    """Two builds have the same paths with the same bytes."""
    first, second = ({path: value for path, value in demo_pages(60).items() if not callable(value)} for _ in range(2))
    assert first == second


def test_pages_are_about_as_large_as_asked_for() -> None:
    """`size` is met within a paragraph."""
    sizes = [len(value) for path, value in demo_pages(size=8000).items() if isinstance(value, str) and path != demo.CLOSED]
    assert min(sizes) >= 8000
    assert max(sizes) < 8600


def test_no_page_is_deeper_than_six_clicks() -> None:
    """Deep enough for a report on depth, shallow enough for a person."""
    pages = demo_pages()
    depth, level = 0, {"/"}
    seen = set(level)
    while level := {target for path in level for target in reachable({path: pages.get(path, "")}, path)} - seen:
        seen |= level
        depth += 1
    assert depth == 6


def test_the_oddities_are_there() -> None:
    """robots.txt with its sitemap, redirects in a chain, shared titles, a mail address, a link outside, a page behind robots.txt."""
    with serve_demo(0) as site:
        status, _, robots = fetch(site, "/robots.txt")
        assert (status, robots) == (200, f"User-agent: *\nDisallow: /account/\n\nSitemap: {site.url('/sitemap.xml')}\n")
        sitemap = re.findall("<loc>(.*?)</loc>", fetch(site, "/sitemap.xml")[2])
        assert len(sitemap) == 200
        assert site.url(demo.ORPHAN) in sitemap
        steps = [fetch(site, path)[:2] for path in demo.CHAIN]
        assert steps == [(301, "/catalogue"), (301, "/catalogue/2019/"), (301, "/shop/"), (200, "")]
        assert fetch(site, "/press.html")[0] == 404
        home = fetch(site, "/")[2]
    assert demo.OUTSIDE in home
    assert demo.CLOSED in home
    texts = [value for value in demo_pages().values() if isinstance(value, str)]
    assert any(demo.MAIL in text for text in texts)
    assert sum("<title>Care sheet</title>" in text for text in texts) > 3


def test_the_page_that_fails_recovers_for_every_crawl() -> None:
    """The first try is a 500, the second is fine, and so it goes for the next crawl."""
    with serve_demo(0, pages=12) as site:
        assert [fetch(site, demo.RECOVERING)[0] for _ in range(4)] == [500, 200, 500, 200]


def test_a_site_of_two_names_is_two_sites() -> None:
    """What recovers does so under each name by itself, and each has its own sitemap."""
    with serve_demo(0, pages=12) as site:
        assert [fetch(site, demo.RECOVERING, name)[0] for name in ("one.test", "two.test", "one.test", "two.test")] == [500, 500, 200, 200]
        assert "http://one.test/sitemap.xml" in fetch(site, "/robots.txt", "one.test")[2]


def test_one_page_is_ten_times_as_slow() -> None:
    """Only when the others take time at all."""
    slow = demo_pages(latency=0.05)[demo.SLOW]
    assert isinstance(slow, Answer)
    assert slow.delay + 0.05 == pytest.approx(0.5)
    quick = demo_pages()[demo.SLOW]
    assert isinstance(quick, Answer)
    assert quick.delay == 0


def test_no_link_leaves_the_machine() -> None:
    """All hosts that are linked are this one, or reserved names that never resolve (RFC 6761)."""
    hosts = {host for value in demo_pages().values() if isinstance(value, str) for host in re.findall(r'(?:https?:)?//([^/"]+)', value)}
    assert hosts == {"example.invalid"}


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to send there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_the_address_and_stops_when_told(number: signal.Signals) -> None:
    """stdout is the address and nothing else; Ctrl-C and SIGTERM end it with 0 and without a traceback."""
    code = "import sys; from crawler.cli.main import main; sys.exit(main(['demo', '--port', '0', '--pages', '12', '--size', '2KB']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(number)
        out, talk = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in talk


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--bind", "203.0.113.1", "--port", "0"), "error: 203.0.113.1 cannot be used"),
        (("--bind", "here"), "error: `--bind` cannot be 'here'"),
        (("--bind", "0.0.0.0", "--crawl"), "error: `--bind` and `--crawl` cannot go together"),
    ],
)
def test_an_address_that_cannot_be_served_is_said(capfd: pytest.CaptureFixture[str], words: tuple[str, ...], what: str) -> None:
    """Not of this machine, no address at all, or of no use: exit code 2, before anything is served."""
    ended = run(capfd, "demo", "--pages", 12, *words)
    assert (ended.code, ended.out, error_lines(ended.err)[0][: len(what)]) == (2, "", what)


def test_the_demo_site_may_be_bound_to_another_address() -> None:
    """In a container others ask it; what it says of itself is what it was asked as."""
    with serve_demo(0, pages=12, size=2000, address="127.0.0.9") as site:
        assert site.url().startswith("http://127.0.0.9:")
        assert fetch(site, "/robots.txt")[2].endswith(f"Sitemap: {site.url('/sitemap.xml')}\n")


@pytest.mark.parametrize("port", [(), ("--port", "0")])
def test_a_demo_crawl_that_stopped_goes_on_by_the_command_it_names(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], port: tuple[str, ...]
) -> None:
    """With the crawl the site is gone: what is named serves the same site, at the same address, and goes on with the same folder."""
    stopped = run(capfd, "demo", "--crawl", "--pages", 30, "--size", "2KB", *port, "-o", tmp_path / "out", "--fresh", "--max-pages", 5)
    words = shlex.split(stopped.err.rstrip().rpartition("Next: crawler ")[2])
    assert words[:4] == ["demo", "--crawl", "--pages", "30"]
    assert words[-2:] == ["--max-pages", "N"]
    assert len(stored(tmp_path / "out")) < 30

    resumed = run(capfd, *words[:-1], 1000)
    assert (resumed.code, "finished: queue empty" in resumed.err) == (0, True)
    assert rows(tmp_path / "out", "SELECT count(*) FROM runs") == [(2,)]


def test_a_port_that_is_taken_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, with the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["demo", "--port", str(taken.getsockname()[1])]) == 2
        port = taken.getsockname()[1]
    said = capsys.readouterr().err.splitlines()
    assert said == [f"error: port {port} cannot be used", "  Address already in use", "  try: crawler demo --port 0"]
