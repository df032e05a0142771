"""A signal is obeyed, and when it cannot be, the process ends in time all the same."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import sqlite3
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest
from running import SECONDS, Capture, assert_at_rest, ended, no_surroundings, run, running, start, stored, value, wait_until

from crawler.cli import signals
from crawler.cli.signals import Interrupted, Signals
from crawler.testing import Site, answer, site

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

DEV = {"PYTHONDEVMODE": "1"}  # complains of whatever is left behind


@pytest.fixture
def web(new_site: Callable[..., Site]) -> Site:
    return new_site({"/": answer(links=[f"/{n}" for n in range(100)])}, otherwise="<p>page", latency=0.002)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


class Leaving:
    """Stands for the end of the process."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.left = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = code
        self.left.set()


def send(number: int) -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_what_is_not_obeyed_in_time_is_ended(monkeypatch: pytest.MonkeyPatch, capfd: Capture, number: int, code: int) -> None:
    """Whatever the main thread is at: the code tells the signal, and the last words are the command that goes on."""
    monkeypatch.setattr(signals, "PATIENCE", 0.01)
    leaving = Leaving()
    with Signals("my\x1bfolder", leaving) as caught:
        caught.obey = lambda _: None
        send(number)
        assert leaving.left.wait(SECONDS)
    assert leaving.code == code
    assert capfd.readouterr().err.endswith("try: crawler resume my\\x1bfolder\n")


def test_the_second_signal_is_less_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shortens the time that is left, and never prolongs it; the code stays that of the first one."""
    monkeypatch.setattr(signals, "PATIENCE", 3600.0)
    leaving = Leaving()
    obeyed: list[int] = []
    with Signals("out", leaving) as caught:
        caught.obey = obeyed.append
        assert caught.left() == float("inf")
        for number in (signal.SIGTERM, signal.SIGINT):
            woken = threading.Event()
            caught.wake = woken.set
            send(number)
            assert woken.wait(SECONDS)
        assert caught.left() <= signals.IMPATIENCE
        assert leaving.left.wait(SECONDS)
    assert (leaving.code, obeyed) == (143, [signal.SIGTERM, signal.SIGINT])


def test_what_is_obeyed_in_time_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block everything is as it was before, and nobody ends the process any more."""
    monkeypatch.setattr(signals, "PATIENCE", 0.2)
    before = [signal.getsignal(number) for number in signals.SIGNALS], signal.set_wakeup_fd(-1)
    leaving = Leaving()
    with Signals("out", leaving) as caught:
        caught.obey = lambda _: None
        send(signal.SIGINT)
    for thread in threading.enumerate():
        if thread.name == "crawler-signals":
            thread.join(SECONDS)
    assert leaving.code is None
    assert ([signal.getsignal(number) for number in signals.SIGNALS], signal.set_wakeup_fd(-1)) == before


def test_before_and_after_a_crawl_a_signal_interrupts() -> None:
    """While there is nothing to pause, the main thread is interrupted, with the signal's own exit code."""
    with Signals("out"), pytest.raises(Interrupted) as caught:
        send(signal.SIGTERM)
    assert caught.value.exit_code == 143


def test_a_signal_on_top_of_another_finds_nothing_half_made() -> None:
    """What interrupts was made beforehand: from the arrival of a signal to its exception nothing is called that the next signal, or the
    exception of the last one, could spoil."""
    calls: list[object] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call") and frame.f_code.co_name != "note":
            calls.append(frame.f_code.co_name if event == "call" else argument)

    with Signals("out") as caught:
        arrived = signal.getsignal(signal.SIGTERM)
        assert callable(arrived)
        for number in (signal.SIGTERM, signal.SIGINT):
            raised: list[KeyboardInterrupt] = []
            sys.setprofile(note)
            try:
                arrived(number, None)
            except Interrupted as error:
                sys.setprofile(None)
                raised.append(error)
            finally:
                sys.setprofile(None)
            assert [getattr(error, "exit_code", None) for error in raised] == [signals.EXIT_CODES[signals.SIGNALS[number]]]
        assert caught.obey is None
    assert [call for call in calls if call is not sys.setprofile] == ["_arrived", "_arrived"]


def test_what_comes_before_anybody_can_obey_is_remembered() -> None:
    """From `remember` on nobody is interrupted; who obeys at last is told of all that came, in order, and of what comes then."""
    obeyed: list[int] = []
    with Signals("out", leave=Leaving()) as caught:
        caught.remember()
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert obeyed == []
        caught.obeyed_by(obeyed.append)
        send(signal.SIGHUP)
    assert obeyed == [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_the_first_line_holds_what_it_promises(new_site: Callable[..., Site], tmp_path: Path, mode: str) -> None:
    """`Ctrl-C pauses` is true as soon as it can be read: whoever is that quick gets the summary and the command that goes on, and the
    folder knows why its run ended."""
    web = new_site({"/": answer(links=[f"/{n}" for n in range(400)])}, otherwise="<p>page", latency=0.05)
    ends = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")] * 2
    for number, (sent, code, reason) in enumerate(ends):
        out = tmp_path / str(number)
        with running(web.url(), "-o", out, "--mode", mode) as process:
            assert process.stderr is not None
            assert "Ctrl-C pauses" in process.stderr.readline()
            process.send_signal(sent)
            left = ended(process)
        assert left.code == code, left.err
        assert f"crawler resume {out}" in left.err
        assert value(out, "SELECT finish_reason FROM runs WHERE ended IS NOT NULL") == reason
        assert (out / "summary.json").is_file()
        assert_at_rest(out)


def test_a_run_that_never_began_has_an_end_too(web: Site, out: Path, tmp_path: Path) -> None:
    """Interrupted before its first line, while it waits for a reader of its rows, a run says why it ended all the same."""
    pipe = tmp_path / "rows"
    os.mkfifo(pipe)
    with running(web.url(), "-o", out, "--jsonl", pipe) as process:
        wait_until(lambda: (out / "crawl.log").is_file() and (out / "crawl.log").stat().st_size, process)
        process.send_signal(signal.SIGTERM)
        left = ended(process)
    assert (left.code, left.err) == (143, "terminated\n")
    assert value(out, "SELECT finish_reason FROM runs WHERE ended IS NOT NULL") == "terminated"


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_two_signals_after_the_first_line(web: Site, out: Path, mode: str) -> None:
    """Two at once, before there is an engine to stop, are no trouble either."""
    with running(web.url(), "-o", out, "--mode", mode, environment=DEV) as process:
        assert process.stderr is not None
        assert "Ctrl-C pauses" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        left = ended(process)
    assert left.code in (130, 143), left.err
    assert f"crawler resume {out}" in left.err


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_disk_that_takes_nothing_keeps_nobody(web: Site, out: Path, capfd: Capture, mode: str) -> None:
    """The writer waits for somebody who holds the database; two signals end the process within a second, and all goes on."""
    with running(web.url(), "-o", out, "--mode", mode, environment=DEV) as process:
        web.wait_for("/5", timeout=SECONDS)
        with closing(sqlite3.connect(out / "crawl.db", isolation_level=None, timeout=SECONDS)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            sent = time.monotonic()
            left = ended(process)
    assert time.monotonic() - sent < 4  # 1 where nobody else needs the processor: tests/torture
    assert left.code in (130, 143)
    assert "Traceback" not in left.err
    assert f"crawler resume {out}" in left.err
    assert run(capfd, "resume", out).code == 0
    assert_at_rest(out)
    assert stored(out) == sorted(web.reachable())


def test_opening_a_folder_can_be_interrupted(web: Site, out: Path, capfd: Capture) -> None:
    """The same while the folder is opened, which has to wait for its database."""
    assert run(capfd, web.url(), "-o", out, "--max-pages", 3).code == 0
    with closing(sqlite3.connect(out / "crawl.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with running("resume", out, environment=DEV) as process:
            wait_until(lambda: (out / ".lock").read_text().startswith(f"{process.pid}\n"), process)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            left = ended(process)
    assert left.code in (130, 143)
    assert "Traceback" not in left.err
    assert run(capfd, "resume", out, "--max-pages", 999).code == 0
    assert stored(out) == sorted(web.reachable())


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_closed_terminal_pauses(web: Site, out: Path, capfd: Capture, mode: str) -> None:
    """Whoever closes the window, or loses the connection to another machine, finds everything saved; there is nobody to tell."""
    terminal, ours = pty.openpty()

    def control() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    options = {"stdin": ours, "stdout": ours, "stderr": ours, "preexec_fn": control, "environment": {"TERM": "xterm"}}
    with running(web.url(), "-o", out, "--mode", mode, **options) as process:
        os.close(ours)
        while "/5" not in web.paths:
            if select.select([terminal], [], [], 0.01)[0]:
                os.read(terminal, 65_536)
        os.close(terminal)
        assert ended(process).code == 143
    assert value(out, "SELECT finish_reason FROM runs") == "terminated"
    assert (out / "summary.json").is_file()
    assert_at_rest(out)
    assert run(capfd, "resume", out).code == 0
    assert stored(out) == sorted(web.reachable())


def test_nohup_means_it(out: Path) -> None:
    """A crawl that was started with `nohup` goes on when its terminal is closed."""
    with site({"/": answer(links=[f"/{n}" for n in range(30)])}, otherwise="<p>page", latency=0.002) as web:
        with running(web.url(), "-o", out, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
            web.wait_for("/5", timeout=SECONDS)
            process.send_signal(signal.SIGHUP)
            assert ended(process).code == 0
        assert stored(out) == sorted(web.reachable())


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_reader_of_messages_who_stands_still_keeps_nobody(web: Site, out: Path, capfd: Capture, mode: str) -> None:
    """`crawler … 2>&1 | less`: the crawl waits for whoever does not read on, but two signals end it all the same."""
    words = [web.url(), "-o", out, "--mode", mode, "-v", "--progress", "json"]
    with running(*words) as process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        pipe = select.poll()
        pipe.register(process.stderr, select.POLLIN)
        assert pipe.poll(SECONDS * 1000)
        before = -1
        while before != web.count():  # until the pipe is full and nothing goes on
            before = web.count()
            time.sleep(0.2)
        assert before < 100
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) in (130, 143)
    assert run(capfd, "resume", out, "-q").code == 0
    assert_at_rest(out)
    assert stored(out) == sorted(web.reachable())


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_reader_of_messages_who_leaves_ends_nothing(web: Site, out: Path, mode: str) -> None:
    """`crawler … 2>&1 | head -1`: what is said to nobody is no reason to stop."""
    with running(web.url(), "-o", out, "--mode", mode, "-v") as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.close()
        process.stderr = None
        assert ended(process).code == 0
    assert stored(out) == sorted(web.reachable())


def test_a_reader_of_rows_who_leaves_ends_a_crawl_that_hangs(new_site: Callable[..., Site], out: Path) -> None:
    """`crawler … --jsonl - | head -1` comes back although other pages hang: at the next row that nobody takes."""
    pages = {"/": answer(links=["/1", "/2", "/hangs"]), "/1": "<p>1", "/2": answer(body="<p>2", delay=0.3), "/hangs": answer(fault="hang")}
    web = new_site(pages)
    with start(web.url(), "-o", out, "--jsonl", "-", "-q", environment=DEV) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        left = ended(process)
    slow = "Executing <"  # what asyncio says then of a machine that is busy
    assert (left.code, [line for line in left.err.splitlines() if not line.startswith(slow)]) == (141, [])
    assert_at_rest(out)
    assert value(out, "SELECT finish_reason FROM runs") == "no reader"
    assert value(out, "SELECT state FROM urls WHERE url = ?", web.url("/hangs")) == "queued"
