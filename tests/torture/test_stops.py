"""Signals at every bad moment: the process is gone in time, complains of nothing, and the same command goes on."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from subprocess import Popen

import pytest
from figures import Torture
from running import SECONDS, assert_at_rest, ended, no_surroundings, rows, run, running, stored

from crawler.testing import Gate, Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
PAGES = 200
COMPLAINTS = ("Traceback", "never retrieved", "never awaited", "Unclosed", "Warning", "Exception ignored", "error:")


@dataclass
class Scene:
    """A crawl and the moment at which it is to be stopped: `ready` waits for it, under `hindrance`."""

    site: Site
    words: list[object]
    ready: Callable[[], object]
    hindrance: Callable[[Path], Iterator[None]]
    relief: Callable[[], object] = lambda: None


def nothing(folder: Path) -> Iterator[None]:
    yield


def locked(folder: Path) -> Iterator[None]:
    """Somebody holds the database, so that the writer waits, visits pile up and workers wait for room."""
    holder = sqlite3.connect(folder / "crawl.db", isolation_level=None, timeout=SECONDS)
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.close()


def ordinary(torture: Torture, new_site: NewSite, mode: str) -> Scene:
    """Pages that come as they are asked for."""
    site = new_site({"/": answer(links=[f"/{n}" for n in range(PAGES)])}, otherwise="<p>page", latency=0.002)
    return Scene(site, [], lambda: site.wait_for("/50", timeout=SECONDS), nothing)


def hanging(torture: Torture, new_site: NewSite, mode: str) -> Scene:
    """A hundred requests that nobody answers (one, where there is never more)."""
    gate = Gate()
    site = new_site({"/": answer(links=[f"/{n}" for n in range(PAGES)])}, otherwise=answer(body="<p>page", gate=gate))
    site.page("/robots.txt", answer(404))
    site.page("/sitemap.xml", answer(404))
    count = 100 if mode == "async" else 1
    return Scene(site, WIDE, lambda: site.wait_for(count=3 + count, timeout=SECONDS), nothing, gate.open)


def huge(torture: Torture, new_site: NewSite, mode: str) -> Scene:
    """Pages of many MB with a link every hundred bytes, which keep the parser busy for seconds."""
    count = torture.draw(short=20_000, long=120_000)
    page = "<p>" + "".join(f'<a href="/?{n % 7}">a link</a> {"and some text " * 5}\n' for n in range(count))
    site = new_site({"/": answer(links=["/1", "/2"]), "/1": page, "/2": page}, otherwise="<p>page")

    def ready() -> None:
        site.wait_for("/2" if mode == "async" else "/1", timeout=SECONDS)
        while site.in_flight:
            time.sleep(0.01)
        time.sleep(0.2)

    return Scene(site, [], ready, nothing)


def blocked(torture: Torture, new_site: NewSite, mode: str) -> Scene:
    """A disk that takes nothing any more, and a queue before it that is full."""
    site = new_site({"/": answer(links=[f"/{n}" for n in range(PAGES)])}, otherwise="<p>page", latency=0.002)

    def ready() -> None:
        before = -1
        while before != site.count():  # until nobody asks any more
            before = site.count()
            time.sleep(0.5)

    return Scene(site, WIDE, ready, locked)


WIDE: list[object] = ["-c", 100, "--per-host", 100, "--no-adaptive"]
SCENES = [ordinary, hanging, huge, blocked]
CASES = list(product(SCENES, ["async", "sync"], [signal.SIGINT, signal.SIGTERM], [1, 2]))
QUICK = [(blocked, "async", signal.SIGTERM, 2), (huge, "async", signal.SIGINT, 1)]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def crawling(scene: Scene, folder: Path, mode: str, environment: dict[str, str]) -> Iterator[Popen[str]]:
    """The crawl of a scene, at its moment."""
    words = [scene.site.url(), "-o", folder, "--mode", mode, *scene.words]
    with running(*words, environment=environment) as process:
        scene.site.wait_for("/", timeout=SECONDS)
        for _ in scene.hindrance(folder):
            scene.ready()
            yield process


def test_signals(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """SIGINT and SIGTERM, once and twice, in both modes: with ordinary pages, a hundred hanging requests, huge pages in the parser, a
    disk that takes nothing. The code says which signal, and what was stored is there once when the crawl has gone on."""
    # Python's development mode complains of more and is slower: a short draw times nothing exactly.
    environment = {} if torture.is_long else {"PYTHONDEVMODE": "1"}
    for number, (make, mode, sent, times) in enumerate(torture.random.sample(CASES, len(CASES)) if torture.is_long else QUICK):
        scene, folder = make(torture, new_site, mode), tmp_path / str(number)
        case = f"{make.__name__} {mode} {sent.name} x{times}"
        with crawling(scene, folder, mode, environment) as process:
            for _ in range(times):
                process.send_signal(sent)
                began = time.monotonic()
                time.sleep(0.1)
            left = ended(process)
        took = time.monotonic() - began
        scene.relief()
        assert (case, left.code, left.out) == (case, CODES[sent], "")
        torture.nothing("complaints when a crawl is stopped", [f"{case}: {left.err}" for word in COMPLAINTS if word in left.err])
        assert f"crawler resume {folder}" in left.err, case
        bound = torture.draw(short=15, long=5) / (1 if times == 1 else 5)
        torture.figure(f"seconds from signal {times} to the end", took, at_most=bound, unit="s", why=case)
        goes_on(torture, scene, folder, case, capfd)


def goes_on(torture: Torture, scene: Scene, folder: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The same folder completes: each page once, and nothing that was stored asked for again."""
    before = stored(folder) if folder.exists() else []
    asked = len(scene.site.log)
    assert run(capfd, "resume", folder, "-q").code == 0, case
    assert_at_rest(folder)
    again = {scene.site.url(hit.path) for hit in scene.site.log[asked:]}
    torture.nothing("stored pages asked for again after a stop", again.intersection(before), unit="pages")
    known = {url for (url,) in rows(folder, "SELECT url FROM urls WHERE role = 'page'")}
    torture.nothing("pages missing after a stop", known.symmetric_difference(stored(folder)), unit="pages")
    assert len(known) > 2, case
