"""A process for pages that may take any time or kill their parser: it says what reading says, and can always be ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from parsers import OBEDIENT

from crawler.engine import parser_process
from crawler.engine.parser_process import PROGRAM, ParserProcess
from crawler.engine.reading import Wanted, read
from crawler.model import Body, Request, Response

SECONDS = 20.0


def exchange(body: bytes, content_type: str = "text/html", role: str = "page") -> tuple[Request, Response]:
    url = "http://a.test/d/"
    headers = (("Content-Type", content_type),)
    return Request(url, 1, "a.test", role), Response(url, 200, headers, Body(len(body), body, None, "aa"))  # type: ignore[arg-type]


@pytest.fixture
def child() -> Iterator[ParserProcess]:
    with closing(ParserProcess(deadline=SECONDS)) as process:
        yield process


@pytest.fixture
def obedient(monkeypatch: pytest.MonkeyPatch, child: ParserProcess) -> ParserProcess:
    monkeypatch.setattr(parser_process, "PROGRAM", OBEDIENT)
    return child


def pid_of(process: ParserProcess) -> int:
    assert process._child is not None
    return process._child.pid


def is_gone(pid: int) -> bool:
    """Whether a process ends within some seconds; one that is nobody's child any more counts once it is a zombie."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], SECONDS)[0])
        finally:
            os.close(descriptor)
    return True


PAGES = {
    "a page": exchange(b"<title>T</title><a href=x rel=next>y</a><base href=/b/><img src=i><meta name=robots content=noindex>"),
    "a page of many links": exchange(b"".join(b"<a href=%d>y</a>" % number for number in range(5_000))),
    "a hostile page": exchange(b"<div>" * 50_000 + b"<a href=x>"),
    "a page in another charset": exchange("<a href='?ü'>ü</a>".encode("latin-1"), "text/html; charset=latin-1"),
    "a sitemap": exchange(b"<urlset>" + b"<url><loc>/a</loc><lastmod>2026</lastmod></url>" * 5_000 + b"</urlset>", role="sitemap"),
    "an index": exchange(b"<sitemapindex><sitemap><loc>/b</loc></sitemap></sitemapindex>", "application/xml"),
    "what is not parsed": exchange(b"%PDF", "application/pdf"),
}


def test_it_says_what_reading_says(child: ParserProcess) -> None:
    """Whatever is read, the process says the same as reading it here, one page after the other."""
    child._wanted = wanted = Wanted({"link": "a::text"}, requisites=True, forms=True)
    first = 0
    for request, response in PAGES.values():
        assert child.read(request, response) == read(request, response, wanted)
        first = first or pid_of(child)
    assert pid_of(child) == first, "one process reads them all"


def test_a_large_body_is_read_from_its_file(child: ParserProcess, tmp_path: Path) -> None:
    """A body that was spooled is not sent through the pipe."""
    (tmp_path / "body").write_bytes(b"<title>T")
    request, response = exchange(b"")
    spooled = Response(response.url, 200, response.headers, Body(8, None, tmp_path / "body", "aa"))
    reading = child.read(request, spooled)
    assert reading.page is not None
    assert reading.page.title == "T"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_page_that_kills_its_parser_twice_is_given_up(obedient: ParserProcess, name: str) -> None:
    """The problem names the signal, and the next page is read."""
    assert obedient.read(*exchange(b"kill " + name.encode())).problem == f"its parser was ended 2 times: {name}"
    assert obedient.read(*PAGES["a page"]) == read(*PAGES["a page"])


def test_a_page_that_kills_its_parser_once_is_read(obedient: ParserProcess, tmp_path: Path) -> None:
    """Once may be chance: it is tried again, in a new process."""
    reading = obedient.read(*exchange(f"kill-once {tmp_path / 'once'}".encode()))
    assert reading.problem == ""
    assert (tmp_path / "once").exists()


def test_a_page_that_takes_too_long_is_given_up(obedient: ParserProcess) -> None:
    """After the deadline, twice, the page has its problem, and nothing of the process is left."""
    obedient._deadline = 0.5
    assert obedient.read(*exchange(b"hang")).problem == "its parser was ended 2 times: it took more than 0.5 s"
    assert obedient._child is None


def test_an_exception_is_a_problem_of_its_page(obedient: ParserProcess) -> None:
    """What reading raises is told, and the process goes on."""
    assert obedient.read(*exchange(b"raise")).problem == "ValueError: what nobody foresaw"
    pid = pid_of(obedient)
    obedient.read(*PAGES["a page"])
    assert pid_of(obedient) == pid


@pytest.mark.parametrize(
    "lie",
    [
        "cposix\nsystem\n(S'true'\ntR.",
        "[]",
        '{"page":null}',
        '{"content_type":"","page":{"base":1},"sitemap":null,"data":{},"problem":""}',
        '{"content_type":"","page":null,"sitemap":null,"data":{"a":[1]},"problem":""}',
        '{"content_type":"","page":null,"sitemap":[[],["/a"],2],"data":{},"problem":""}',
        '{"content_type":"","page":{"base":"","canonical":null},"sitemap":null,"data":{},"problem":""} [["x","a",""]]',
        "[" * 100_000,
    ],
)
def test_nothing_that_it_says_is_believed(obedient: ParserProcess, lie: str) -> None:
    """A page that has taken its parser over can say what it likes: it ends as a problem of that page."""
    assert obedient.read(*exchange(b"lie " + lie.encode())).problem == "its parser was ended 2 times: it did not make sense"
    assert obedient.read(*PAGES["a page"]) == read(*PAGES["a page"])


def test_giving_up_ends_it_at_once(obedient: ParserProcess) -> None:
    """Whoever waits no longer need not wait for the deadline; the next page is read as always."""
    given_up = threading.Event()
    done = threading.Thread(target=obedient.read, args=(*exchange(b"hang"), given_up))
    done.start()
    while obedient._child is None:
        os.sched_yield()
    pid = pid_of(obedient)
    given_up.set()
    obedient.give_up()
    done.join(SECONDS)
    assert not done.is_alive()
    assert is_gone(pid)
    assert obedient.read(*PAGES["a page"]).problem == ""


def test_what_was_given_up_before_it_began_starts_nothing(obedient: ParserProcess) -> None:
    """A cancellation that comes before the thread does is not overlooked."""
    given_up = threading.Event()
    given_up.set()
    assert obedient.read(*exchange(b"hang"), given_up).problem


def test_closing_leaves_nothing(child: ParserProcess) -> None:
    """After `close` the process is gone, and closing again does no harm."""
    child.read(*PAGES["a page"])
    pid = pid_of(child)
    child.close()
    assert is_gone(pid)
    child.close()


def test_what_a_terminal_sends_does_not_reach_it(child: ParserProcess) -> None:
    """Ctrl-C goes to the process group in front; the child has one of its own."""
    child.read(*PAGES["a page"])
    assert os.getpgid(pid_of(child)) == pid_of(child)


def test_a_process_that_has_grown_is_not_kept(child: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a page that took much memory a new process begins with little."""
    monkeypatch.setattr(parser_process, "PROGRAM", PROGRAM.replace("import main; main()", "import *; p.RESTED = 0; p.main()").replace(
        "from crawler.engine.parser_process import *", "import crawler.engine.parser_process as p"))  # fmt: skip
    assert child.read(*PAGES["a page"]) == read(*PAGES["a page"])
    assert child._child is None


def test_where_no_process_can_be_started_pages_are_read_here(child: ParserProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without descriptors or memory for a process the crawl goes on without."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert child.read(*PAGES["a page"]) == read(*PAGES["a page"])


PARENT = """
import sys, threading
from crawler.engine import parser_process
from parsers import OBEDIENT
from test_parser_process import exchange
parser_process.PROGRAM = OBEDIENT
process = parser_process.ParserProcess()
threading.Thread(target=process.read, args=exchange(b"hang"), daemon=True).start()
while process._child is None: pass
print(process._child.pid, flush=True)
threading.Event().wait()
"""


def test_after_a_kill_of_the_parent_nothing_is_left() -> None:
    """kill -9 of the parent, in the middle of a page: the child ends by itself."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        assert is_gone(pid)
