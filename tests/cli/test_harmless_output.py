"""Nothing that the web says acts on a terminal, in a log, a report or a row: not from titles, URLs, headers, robots.txt, anywhere."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from running import Capture, no_surroundings, rows, run, running, start

from crawler.testing import Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]

# Sets the title of a terminal, moves its cursor, rings, colours, clears; C1 controls; directions of text; invisible characters.
EVIL = "\x1b]0;PWNED\x07\x1b[31;7m\x1b[2J\x9b31m\x85\x7f\u202eevil\u2066\u200b\ufeff\u2028"
IN_HEADER = EVIL.replace("\x85", "").replace("\u2028", "").encode()
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""What must not be seen anywhere: all but line ends, tabs, and what scripts and emoji need."""


def html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def pages(base: Callable[[str], str]) -> Mapping[str, object]:
    """A site whose every word is evil."""
    page = f"<html lang='{EVIL}'><title>a{EVIL}z</title><meta name=description content='{EVIL}'><meta name=robots content='x{EVIL}'>"
    links = [
        EVIL,
        f"/dir{EVIL}/x",
        f"?{EVIL}",
        f"{EVIL}:x",
        f"mailto:{EVIL}",
        f"http://{EVIL}.example/",
        f"//host{EVIL}/",
        f"http://h.example:{EVIL}/",
    ]
    anchors = "".join(f'<a href="{html(link)}" rel="{EVIL}">{EVIL}</a>' for link in links)
    raw = [
        b"HTTP/1.1 200 " + IN_HEADER + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 " + IN_HEADER + b"\r\nContent-Length: 0\r\nServer: " + IN_HEADER + b"\r\n\r\n",
        b"HTTP/1.1 abc " + IN_HEADER + b"\r\n\r\n",
        IN_HEADER + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + IN_HEADER + b": x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + IN_HEADER + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + IN_HEADER + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + IN_HEADER + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: " + IN_HEADER + b"\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1b[31;7m\x9b",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/\x9b31m" + "\u202e".encode() + b"\r\nETag: \x9b31m\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: \x9b31m=" + "\u202e".encode() + b"; path=\x9b\r\nSet-Cookie: a b=c\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://"
        + IN_HEADER.replace(b"\x1b", b"").replace(b"\x07", b"")
        + b"/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://\xc2\x9b31m:99999/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /to\xc2\x9b31m\xe2\x80\xae\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nLink: <\xc2\x9b31m>; rel="\xc2\x9b\xe2\x80\xae"\r\nX-Robots-Tag: \xc2\x9b31m\xe2\x80\xae\r\n'
        b"Content-Length: 0\r\n\r\n",
    ]
    found: dict[str, object] = {f"/raw/{number}": answer(raw=each) for number, each in enumerate(raw)}
    entries = "".join(
        f"<url><loc>{html(base('/listed'))}{html(EVIL.translate(dict.fromkeys(range(32))))}{number}</loc></url>" for number in (1, 2)
    )
    robots = f"User-agent: *\nDisallow: /secret{EVIL}\nDisallow: /hidden$\nDisallow: /hidden{EVIL}*\n"
    robots += f"Sitemap: {EVIL}\nSitemap: {base('/map.xml')}\n"
    found |= {
        "/": answer(body=page + anchors, links=["/hidden", "/hidden/x", "/second", *found]),
        "/robots.txt": answer(body=robots, headers=[("Content-Type", "text/plain")]),
        "/map.xml": answer(body=f"<urlset>{entries}</urlset>", headers=[("Content-Type", "application/xml")]),
        "/second": page,
    }
    return found


@pytest.fixture
def site(new_site: NewSite) -> Site:
    made = new_site(otherwise=answer(body=f"<title>{EVIL}</title>"))
    for path, value in pages(made.url).items():
        made.page(path, value)  # type: ignore[arg-type]
    return made


def harmless(text: str, where: str) -> None:
    found = ACTS.search(text)
    assert found is None, f"{where} holds {found[0]!r}: …{text[max(0, found.start() - 60) : found.end() + 20]!r}…"


def files_are_harmless(folder: Path) -> None:
    for name in ("crawl.log", "summary.json", "crawl.toml"):
        text = (folder / name).read_bytes().decode()
        harmless(text, name)
    for name in ("summary.json",):
        json.loads((folder / name).read_text("utf-8"))


WAYS = {
    "plain": ["--progress", "plain", "-vv"],
    "json": ["--progress", "json", "-vv", "--json"],
    "rows": ["-q", "--jsonl", "-", "--extract", "title=title::text", "--extract", "rel=a::attr(rel)"],
    "debug": ["--progress", "plain", "-vv", "--debug", "--include", "."],
    "synchronous": ["--progress", "plain", "-vv", "--mode", "sync", "--json"],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_is_harmless(site: Site, tmp_path: Path, capfd: Capture, way: str) -> None:
    """Lines, JSON, rows, tracebacks, logs and summaries hold no character that acts; JSON stays JSON."""
    ran = run(capfd, site.url(), "-o", tmp_path / "out", "--retries", "0", *WAYS[way])
    assert ran.code == 0, ran.err
    assert site.count("/raw/0") == 1
    harmless(ran.out, "standard output")
    harmless(ran.err, "standard error")
    files_are_harmless(tmp_path / "out")
    if way == "rows":
        title = {row["url"]: row["data"]["title"] for row in map(json.loads, ran.out.splitlines()) if row["url"] == site.url()}
        assert "\u202e" in title[site.url()], "data is data: escaped, not lost"
    status = run(capfd, "status", tmp_path / "out")
    harmless(status.out + status.err, "status")
    status = run(capfd, "status", tmp_path / "out", "--json")
    harmless(status.out, "status --json")


def test_what_is_looked_at_is_harmless(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """`show`, `robots` and `links` say what the web says, in text and in JSON, and none of it acts."""
    run(capfd, site.url(), "-o", tmp_path / "out", "-q", "--retries", "0", "--extract", "title=title")
    (tmp_path / "page.html").write_text(f"<title>{EVIL}</title><a href='/x{EVIL}' rel='{EVIL}'>{EVIL}</a>")
    urls = [url for (url,) in rows(tmp_path / "out", "SELECT url FROM urls WHERE url LIKE 'http%'")]
    commands: list[list[object]] = [["show", tmp_path / "out", url] for url in urls[:30]]
    commands += [["robots", site.url(), f"/secret{EVIL}", "/hidden"], ["links", site.url()], ["links", tmp_path / "page.html"]]
    for command in commands:
        for more in ([], ["--json"]):
            ran = run(capfd, *command, *more)
            assert ran.out, ran.err
            harmless(ran.out, f"{command} {more}")
            harmless(ran.err, f"{command} {more}")


def test_the_database_holds_no_control_characters(site: Site, tmp_path: Path, capfd: Capture) -> None:
    """Whoever looks at the tables with another program sees titles and texts without any: nobody writes them."""
    run(capfd, site.url(), "-o", tmp_path / "out", "-q", "--retries", "0")
    controls = re.compile("[\x00-\x1f\x7f-\x9f]")
    for table in ("pages", "links", "urls", "skipped", "hosts", "broken_links"):
        for row in rows(tmp_path / "out", f"SELECT * FROM {table}"):
            for value in row:
                assert not (isinstance(value, str) and controls.search(value)), f"{table}: {value!r}"
    assert rows(tmp_path / "out", "SELECT count(*) FROM pages WHERE title LIKE 'a]0;PWNED%'") != [(0,)]


@pytest.mark.parametrize("flags", [["-vv"], ["--jsonl", "-"], ["--json"]])
def test_a_terminal_gets_no_sequence_of_the_web(site: Site, tmp_path: Path, flags: list[str]) -> None:
    """On a real terminal the live display has control sequences of its own, and none of a page's."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [site.url(), "-o", tmp_path / "out", "--retries", "0", *flags]
    with running(*command, stdout=side, stderr=side, text=False, environment={"TERM": "xterm", "COLUMNS": "120"}) as process:
        os.close(side)
        shown = bytearray()
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not part:
                break
            shown += part
        assert process.wait(10) == 0
    os.close(main)
    text = shown.decode("utf-8")
    for evil in ("\x1b]0;", "\x07", "\x1b[31;7m", "\x1b[2J", "\x9b", "\x85", "\x7f", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028"):
        assert evil not in text, f"{evil!r} in {text!r}"
    assert "PWNED" in text or "Done" in text


def test_a_name_of_a_certificate_is_harmless(certificates: Callable[..., Path], new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """What a certificate is for is said by whoever made it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates("DNS:\x1b[31mevil.test"))
    secure = new_site(tls=context)
    ran = run(capfd, secure.url(), "-o", tmp_path / "out", "-vv", "--retries", "0", "--progress", "plain")
    assert ran.code == 3
    harmless(ran.out + ran.err, "what is said")
    files_are_harmless(tmp_path / "out")


def test_no_library_speaks_for_itself(site: Site, tmp_path: Path) -> None:
    """Not a word of aiohttp's, urllib3's or asyncio's own logging reaches standard error, in neither mode."""
    for mode in ("async", "sync"):
        process = start(site.url(), "-o", tmp_path / mode, "--retries", "0", "-q", "--mode", mode)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
