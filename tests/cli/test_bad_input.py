"""Whatever is wrong is said once, in three lines: what, why, and what to try; and nothing that was there is lost."""

from __future__ import annotations

import io
import os
import socket
import sqlite3
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from disks import make_room, mounted
from running import Capture, Ran, assert_at_rest, error_lines, no_surroundings, rows, run, stored

from crawler.cli.commands import COMMANDS
from crawler.store.folder import Folder
from crawler.testing import Gate, PageValue, Site, answer, redirect, site

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
PAGES: dict[str, PageValue] = {"/": answer(links=["/a", "/b"]), "/a": "a", "/b": "b"}


@pytest.fixture
def web(new_site: NewSite) -> Site:
    return new_site(PAGES)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, except those that hold a lock or that SQLite makes for as long as it is open."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def said(ran: Ran, code: int) -> list[str]:
    """The lines of the one error: what, perhaps why, and perhaps what to try. Nothing comes after it, and nothing on standard output."""
    assert ran.code == code, ran
    assert ran.out == ""
    what, *more = error_lines(ran.err)
    assert len(what) > len("error: ")
    assert all(line.startswith("  ") and line.strip() for line in more)
    assert all(character.isprintable() for line in (what, *more) for character in line)
    assert ran.err.count("try: ") <= 1
    return [what, *more]


# -- exit 2: what was typed --------------------------------------------------------------------------------------------

TYPED: list[tuple[list[str], list[str]]] = [
    (["htp://x"], ["'htp://x'", "only http and https can be crawled, not htp", "try: http://x"]),
    (["crawl", "htp://x"], ["'htp://x'", "not htp"]),
    (["crawl", "ftp://lamps.invalid/"], ["ftp"]),
    (["crawl", "ftp://lamps.invalid/a"], ["try: https://lamps.invalid/a"]),
    (["crawl", "file:///etc/passwd"], ["not file", "try: python3 -m http.server, and crawler http://127.0.0.1:8000/"]),
    (["crawl", "gopher:///x"], ["not gopher", "try: crawler https://example.org"]),
    (["crawl", "http//lamps.invalid"], ["a colon is missing", "try: http://lamps.invalid"]),
    (["crawl", "http://lamps.invalid:99999/"], ["99999"]),
    (["crawl", "http://"], ["http://"]),
    (["crawl", "http://me:secret@lamps.invalid/"], ["user name or password", "--auth-env"]),
    (["crawl", ""], ["expected a URL"]),
    (["crawl", "lamps.invalid\x1b[2J"], ["control character"]),
    (["crawl"], ["no seed was given", "try: crawler crawl https://example.org"]),
    (["crawl", "lamps.invalid", "--include", "["], ["include", "["]),
    (["crawl", "lamps.invalid", "--exclude", "(?P<x"], ["exclude", "(?P<x"]),
    (["crwal", "lamps.invalid"], ["crwal", "did you mean crawl?", "try: crawler crawl"]),
    (["lamps"], ["there is no command 'lamps'", "try: crawler crawl lamps, if it is a host"]),
    (["crawl", "lamps.invalid", "--max-page", "3"], ["there is no flag --max-page", "did you mean --max-pages?"]),
    (["--versoin"], ["there is no flag --versoin", "did you mean `crawler --version`?", "try: crawler --version"]),
    (["crawl", "--version"], ["there is no flag --version here", "try: crawler --version"]),
    (["--verbos", "lamps.invalid"], ["did you mean --verbose?"]),
    (["crawl", "lamps.invalid", "--release", "/a/{n}"], ["/a/{n} is not in quarantine", "nothing in quarantine"]),
    (["crawl", "lamps.invalid", "--frobnicate"], ["there is no flag --frobnicate", "try: crawler crawl --help"]),
    (["crawl", "lamps.invalid", "--max-pages", "many"], ["--max-pages", "many"]),
    (["crawl", "lamps.invalid", "--max-pages"], ["--max-pages", "needs a value"]),
    (["crawl", "lamps.invalid", "--max-time", "2x"], ["--max-time", "2x", "expected seconds (10s, 2m, 1h) or none", "try: --max-time 2h"]),
    (["crawl", "lamps.invalid", "-T", "0"], ["`-T` cannot be '0'", "seconds above 0", "try: -T 30s"]),
    (["crawl", "lamps.invalid", "--connect-timeout", "0"], ["--connect-timeout", "seconds above 0", "try: --connect-timeout 10s"]),
    (["crawl", "lamps.invalid", "--read-timeout", "0s"], ["--read-timeout", "seconds above 0", "try: --read-timeout 15s"]),
    (["crawl", "lamps.invalid", "--metrics", "99999999"], ["--metrics", "at most 65535", "try: --metrics 9464"]),
    (["demo", "--bind", "here"], ["--bind", "try: --bind 0.0.0.0"]),
    (["crawl", "lamps.invalid", "--scope", "planet"], ["--scope", "planet"]),
    (["crawl", "lamps.invalid", "--mode", "assync"], ["--mode", "assync"]),
    (["crawl", "lamps.invalid", "--extract", "price"], ["--extract", "price"]),
    (["crawl", "lamps.invalid", "-H", "nocolon"], ["nocolon"]),
    (["crawl", "lamps.invalid", "--preset", "quick"], ["quick"]),
    (["crawl", "lamps.invalid", "-C", "missing.toml"], ["missing.toml"]),
    (["crawl", "-i", "missing.txt"], ["missing.txt"]),
    (["crawl", "lamps.invalid", "--cookies", "missing.txt"], ["missing.txt"]),
    (["crawl", "lamps.invalid", "--ca-certificate", "missing.pem"], ["missing.pem"]),
    (["crawl", "lamps.invalid", "--auth-env", "NOT_SET_ANYWHERE"], ["NOT_SET_ANYWHERE", "export"]),
    (["crawl", "lamps.invalid", "--json", "--jsonl", "-"], ["cannot go together"]),
    (["crawl", "lamps.invalid", "-q", "-v"], ["cannot go together"]),
    (["resume"], ["DIR is missing"]),
    (
        ["resume", "out", "--scope", "domain"],
        ["--scope cannot change when a crawl goes on", "try: crawler crawl -C DIR/crawl.toml -o ANOTHER --scope …"],
    ),
    (["resume", "out", "-o", "elsewhere"], ["-o cannot change", "try: crawler crawl -C DIR/crawl.toml -o ANOTHER\n"]),
    (["resume", "out", "--fresh"], ["--fresh cannot change", "try: crawler crawl -C DIR/crawl.toml -o DIR --fresh\n"]),
]


@pytest.mark.parametrize(("words", "parts"), TYPED, ids=[" ".join(words).replace("\x1b", "ESC") for words, _ in TYPED])
def test_what_was_typed_wrong(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str], parts: list[str]) -> None:
    """Exit 2; the message holds the value and what was meant; no folder is made and nobody is asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", None)  # whoever asks, fails loudly
    lines = said(run(capfd, *words), 2)
    assert [part for part in parts if part not in "\n".join([*lines, ""])] == []
    assert list(tmp_path.iterdir()) == []


TOML = {
    'max_pages = "ten"\n': ["crawl.toml:1:13: `max_pages`", "ten"],
    "delay = 1\nmax_page = 3\n": ["crawl.toml:2:1: `max_page`", "max_pages"],
    "delay = 1\nscope = host\n": ["crawl.toml:2:9", "scope = host", "^"],
    'include = ["["]\n': ["include", "["],
}


@pytest.mark.parametrize("text", TOML)
def test_a_file_of_settings_that_is_wrong(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Exit 2 with file and line; where TOML itself is broken a caret stands below the place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "crawl.toml").write_text(text)
    lines = said(run(capfd, "crawl", "http://127.0.0.1:1/", "-C", "crawl.toml"), 2)
    assert [part for part in TOML[text] if part not in "\n".join(lines)] == []
    if "^" in TOML[text]:
        [shown, caret] = [line for line in lines if "scope = host" in line or line.strip() == "^"]
        assert shown[caret.index("^") :].startswith("host")
    assert list(tmp_path.iterdir()) == [tmp_path / "crawl.toml"]


def test_seeds_that_are_wrong_in_a_file(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed of an input file is named as it stands there, with file and line; a file that is no text is said to be none."""
    (tmp_path / "seeds").write_bytes(b"\xef\xbb\xbf# five hundred\r\n" + b"http://127.0.0.1:1/\r\n" * 499 + b"  htp://x\r\nhttp://[\r\n")
    lines = said(run(capfd, "-i", tmp_path / "seeds", "-o", tmp_path / "out"), 2)
    assert lines[0] == f"error: {tmp_path}/seeds:501: seed 'htp://x' cannot be crawled"
    assert lines[2] == "  try: http://x"
    (tmp_path / "seeds").write_bytes(b"\xff\xfe\x00")
    assert "seeds" in said(run(capfd, "-i", tmp_path / "seeds", "-o", tmp_path / "out"), 2)[0]
    (tmp_path / "seeds").write_text("# none\n\n")
    assert "no seed" in said(run(capfd, "-i", tmp_path / "seeds", "-o", tmp_path / "out"), 2)[0]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\nexample.org\nftp://x\n"))
    assert said(run(capfd, "-i", "-", "-o", tmp_path / "out"), 2)[0] == "error: standard input:3: seed 'ftp://x' cannot be crawled"
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_seeds(web: Site, out: Path, capfd: Capture) -> None:
    """Exit 2 names both; the folder is as it was."""
    assert run(capfd, web.url(), "-o", out).code == 0
    before = contents(out)
    lines = said(run(capfd, web.url("/a"), "-o", out), 2)
    assert lines[0] == f"error: {out}/ holds another crawl: `seeds` is {web.url()} there, {web.url('/a')} here"
    assert f"crawler resume {out}" in lines[-1]
    assert contents(out) == before


# -- exit 3: seeds that give no page -----------------------------------------------------------------------------------


@pytest.fixture(params=["async", "sync"])
def fail(request: pytest.FixtureRequest, capfd: Capture, out: Path) -> Callable[..., list[str]]:
    """Crawls in both modes; the crawl has to fail with exit 3, its folder is at rest, and the lines of its error are returned."""

    def crawl(*words: object) -> list[str]:
        lines = said(run(capfd, *words, "-o", out, "--retries", 0, "--mode", request.param), 3)
        assert len(lines) == 3
        again = ("the same command once that is mended", "the same command with --fresh once that is mended")
        meant = "the same command with --fresh --allow-private, if that address is meant"
        assert lines[2].removeprefix("  try: ") in (again if "  private: " not in lines[1] else [meant])
        assert_at_rest(out)
        return lines[:2]

    return crawl


def test_an_unknown_host(fail: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody knows is said to be unknown."""

    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setitem(sys.modules, "uvloop", None)  # it has a resolver of its own
    lines = fail("https://lamps.invalid/")
    assert lines == ["error: no seed could be fetched: https://lamps.invalid/", "  dns: the host name is not known"]


def test_a_refused_port(fail: Callable[..., list[str]]) -> None:
    """A port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        lines = fail(f"http://127.0.0.1:{bound.getsockname()[1]}/")
    assert lines[1] == "  refused: the host refused the connection"


def test_an_expired_certificate(new_site: NewSite, fail: Callable[..., list[str]], certificates: Callable[..., Path]) -> None:
    """The certificate's fault is named; http is not tried instead."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired = certificates("IP:127.0.0.1", "20200101", "20200102")
    context.load_cert_chain(expired)
    web = new_site(PAGES, tls=context)
    lines = fail(web.url(), "--ca-certificate", expired)
    assert lines == [f"error: no seed could be fetched: {web.url()}", "  tls: the certificate has expired"]
    assert web.count() == 0


def test_of_several_seeds_the_first_is_named(new_site: NewSite, fail: Callable[..., list[str]]) -> None:
    """The first as it was typed, whichever failed first."""
    slow, quick = new_site({"/": answer(404, delay=0.2)}), new_site({"/": answer(403)}, address="127.0.0.2")
    assert fail(slow.url(), quick.url(), "--no-robots")[:2] == [f"error: no seed could be fetched: {slow.url()}", "  HTTP 404"]


def test_a_server_that_hangs(new_site: NewSite, fail: Callable[..., list[str]]) -> None:
    """Waiting ends with `--timeout`, also when it is robots.txt that never comes."""
    gate = Gate()
    web = new_site({"/": answer(gate=gate), "/robots.txt": answer(gate=gate)})
    assert fail(web.url(), "-T", "0.1s", "--fresh")[1] == "  robots_unavailable: timeout: no headers within 0.1 s"
    assert fail(web.url(), "-T", "0.1s", "--fresh", "--no-robots")[1] == "  timeout: no headers within 0.1 s"


START: dict[str, tuple[dict[str, PageValue], str]] = {
    "403": ({"/": answer(403, "forbidden")}, "HTTP 403"),
    "404": ({}, "HTTP 404"),
    "500": ({"/": answer(500)}, "HTTP 500"),
    "robots.txt forbids": ({**PAGES, "/robots.txt": "User-agent: *\nDisallow: /\n"}, "robots.txt line 2: Disallow: /"),
    "robots.txt 503": ({**PAGES, "/robots.txt": answer(503)}, "robots_unavailable: robots.txt answered 503"),
    "redirect loop": ({"/": lambda request: answer(302, headers={"Location": "/"})}, "redirect_loop"),
    "cut off": ({"/": answer(body="x" * 99, fault="truncate")}, "truncated"),
    "no HTTP": ({"/": answer(fault="garbage")}, "protocol"),
}


@pytest.mark.parametrize("what", START)
def test_a_start_page_that_gives_nothing(new_site: NewSite, fail: Callable[..., list[str]], what: str) -> None:
    """The answer of the server, or the line of robots.txt, is in the message."""
    pages, why = START[what]
    web = new_site(pages)
    first, second = fail(web.url())
    assert first == f"error: no seed could be fetched: {web.url()}"
    assert second.strip().startswith(why)


@pytest.mark.parametrize("target", ["http://192.168.1.1/", "http://10.0.0.1:8080/admin"])
def test_a_start_page_that_leads_to_a_private_address(new_site: NewSite, fail: Callable[..., list[str]], target: str) -> None:
    """What it redirects to is named, and that it is private: nobody has to look into the database."""
    web = new_site({"/": redirect(target)})
    first, second = fail(web.url())
    assert first == f"error: no seed could be fetched: {target}"
    assert second.strip().startswith("private: ")


def test_a_start_page_that_leads_to_another_port_here(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """The host of a seed is its port too; what is suggested then helps."""
    there = new_site({"/": "here"})
    here = new_site({"/": redirect(there.url())})
    lines = said(run(capfd, here.url(), "-o", out), 3)
    assert lines[1:] == [
        "  private: 127.0.0.1 is a loopback address",
        "  try: the same command with --fresh --allow-private, if that address is meant",
    ]
    assert run(capfd, here.url(), "-o", out, "--fresh", "--allow-private").code == 0
    assert stored(out) == sorted([here.url(), there.url()])


def test_what_failed_is_said_again_until_it_is_mended(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """The same command says the same; with `--fresh`, as the message says, the seed is asked again."""
    web = new_site({"/": answer(404)})
    command = [web.url(), "-o", out]
    first = said(run(capfd, *command), 3)
    assert said(run(capfd, *command), 3) == first
    web.page("/", "<p>there")
    assert run(capfd, *command, "--fresh").code == 0
    assert stored(out) == [web.url()]


@pytest.mark.parametrize("start", [answer(403), answer(404), answer(fault="reset"), redirect("/"), redirect("/gone")])
def test_a_start_page_that_fails_although_a_sitemap_leads_on(new_site: NewSite, out: Path, capfd: Capture, start: Any) -> None:
    """Its pages are stored and summed up, and still no seed could be fetched; with `--sitemap only` that is what was asked for."""
    web = new_site({"/": start, "/listed": "listed"})
    web.page("/sitemap.xml", answer(200, f"<urlset><url><loc>{web.url('/listed')}</loc></url></urlset>", {"Content-Type": "text/xml"}))
    ran = run(capfd, web.url(), "-o", out, "--retries", "0")
    assert ran.code == 3
    assert "error: no seed could be fetched: " in ran.err
    assert web.url("/listed") in stored(out)
    assert run(capfd, web.url(), "-o", out, "--fresh", "--retries", "0", "--sitemap", "only").code == 0


def test_one_good_seed_is_enough(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """A seed that fails beside one that does not is a finding, no error."""
    web = new_site({"/": "here"})
    ran = run(capfd, web.url(), web.url("/gone"), "-o", out)
    assert ran.code == 0
    assert "1 seed gave no page" in ran.err


# -- exit 6: where it should go ----------------------------------------------------------------------------------------


@pytest.fixture
def no_entry(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be made, not even by root."""
    if os.geteuid() == 0:
        with mounted(tmp_path / "disk", "ro") as place:
            yield place
    else:
        (tmp_path / "theirs").mkdir(mode=0o555)
        yield tmp_path / "theirs"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    with mounted(tmp_path / "disk", "size=2m") as place:
        yield place


def test_a_file_in_the_way(web: Site, out: Path, capfd: Capture) -> None:
    """A file where the folder should be, or above it, is named and left alone."""
    out.write_text("mine")
    for folder in (out, out / "below"):
        lines = said(run(capfd, web.url(), "-o", folder), 6)
        assert str(folder) in lines[0]
        assert "-o" in lines[-1]
    assert out.read_text() == "mine"
    assert web.count() == 0


def test_a_place_that_may_not_be_written(web: Site, no_entry: Path, capfd: Capture) -> None:
    """The message says whose it is and who we are."""
    lines = said(run(capfd, web.url(), "-o", no_entry / "out"), 6)
    assert lines[0] == f"error: cannot write {no_entry / 'out'}/"
    assert f"this process runs as uid {os.geteuid()}, {no_entry} belongs to uid {no_entry.stat().st_uid}" in lines[1]
    assert "-o another-folder" in lines[2]
    assert list(no_entry.iterdir()) == []
    assert web.count() == 0


def test_a_folder_that_is_no_crawl(web: Site, out: Path, capfd: Capture) -> None:
    """A folder with other files is not crawled into, `--fresh` or not; nothing in it changes."""
    (out / "pages").mkdir(parents=True)
    (out / "pages" / "thesis.tex").write_text("years of work")
    before = contents(out)
    for words in ([], ["--fresh"]):
        lines = said(run(capfd, web.url(), "-o", out, *words), 6)
        assert lines[0] == f"error: {out}/ is not a crawl folder"
        assert "no crawl.db" in lines[1]
    assert contents(out) == before
    assert web.count() == 0


def test_resuming_what_is_no_crawl(out: Path, capfd: Capture) -> None:
    """A folder that is not there, or holds no crawl, cannot be resumed, and is not made."""
    assert "there is no such folder" in said(run(capfd, "resume", out), 6)[1]
    assert not out.exists()
    out.mkdir()
    assert "crawl" in said(run(capfd, "resume", out), 6)[0]
    assert list(out.iterdir()) == []


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "crawl.db")) as database, database:
        database.execute(statement)


def damage(folder: Path) -> None:
    (folder / "crawl.db").write_bytes(b"no database at all " * 500)


def forget(folder: Path) -> None:
    (folder / "crawl.db").unlink()
    with closing(sqlite3.connect(folder / "crawl.db")) as database, database:
        database.execute("CREATE TABLE recipes (name)")


SPOILED: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "a newer format": (
        lambda folder: change(folder, "UPDATE meta SET value = '999' WHERE key = 'format'"),
        ["has format 999", "reads formats up to 1", "--upgrade"],
    ),
    "a damaged database": (damage, ["is damaged or is no database"]),
    "somebody else's database": (forget, ["is not a crawl"]),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_folder_that_cannot_be_read(web: Site, out: Path, capfd: Capture, how: str) -> None:
    """Newer, damaged, foreign: said so, and left as it is."""
    assert run(capfd, web.url(), "-o", out).code == 0
    spoil, parts = SPOILED[how]
    spoil(out)
    before, asked = contents(out), web.count()
    for command in ([web.url(), "-o", out], ["resume", out]):
        text = "\n".join(said(run(capfd, *command), 6))
        assert [part for part in parts if part not in text] == []
    assert contents(out) == before
    assert web.count() == asked


def test_a_folder_in_use(web: Site, out: Path, capfd: Capture) -> None:
    """Whoever holds the folder is named, and is not disturbed."""
    with Folder(out):
        lines = said(run(capfd, web.url(), "-o", out), 6)
    assert lines[0] == f"error: {out}/ is in use by process {os.getpid()}"
    assert "crawler status" in lines[2]
    assert web.count() == 0


def test_too_little_room_left(new_site: NewSite, out: Path, capfd: Capture) -> None:
    """Below `--min-free-disk` the crawl stops with what it has; with room, the same command goes on."""
    web = new_site(PAGES)
    lines = said(run(capfd, web.url(), "-o", out, "--min-free-disk", "900000GB"), 6)
    assert "left for" in lines[0]
    assert lines[2] == "  try: make room and run the same command again"
    assert_at_rest(out)
    assert rows(out, "SELECT finish_reason FROM runs") == [("disk full",)]
    assert run(capfd, web.url(), "-o", out).code == 0
    assert stored(out) == sorted(web.reachable())


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.parametrize("size", [40_000, 400_000])
def test_a_full_disk(new_site: NewSite, small_disk: Path, capfd: Capture, mode: str, size: int) -> None:
    """Exit 6 and one message; what was stored stays, and with more room the same command completes, each page once."""
    bodies = {f"/{n}": os.urandom(8).hex() * (size // 16) for n in range(4_000_000 // size)}
    web = new_site({"/": answer(links=[*bodies]), **bodies})
    command = [web.url(), "-o", small_disk / "out", "--min-free-disk", 0, "-q", "--mode", mode]
    lines = said(run(capfd, *command), 6)
    assert "full" in " ".join(lines[:2])
    assert "make room" in lines[2]
    kept = stored(small_disk / "out")
    make_room(small_disk, "64m")
    assert run(capfd, *command).code == 0
    assert_at_rest(small_disk / "out")
    assert stored(small_disk / "out") == sorted(web.reachable())
    assert set(kept) <= set(stored(small_disk / "out"))
    assert rows(small_disk / "out", "SELECT url, error_detail FROM pages WHERE outcome <> 'ok'") == []


# -- anything else -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_nonsense(capfd: Capture, command: str) -> None:
    """A flag that no command has is exit 2 with one message, whatever the command."""
    said(run(capfd, command, "--no-such-flag"), 2)


def test_tracebacks_are_for_those_who_ask(out: Path, capfd: Capture) -> None:
    """`--debug` shows where an error came from; the message stays the last thing."""
    out.write_text("in the way")
    with site(PAGES) as web:
        ran = run(capfd, web.url(), "-o", out, "--debug")
    assert ran.code == 6
    assert "Traceback" in ran.err
    assert ran.err.rstrip().split("\n")[-3].startswith("error: ")
