"""`--processes N`: several workers on one folder do what one would, each page once, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from running import (
    SECONDS,
    Capture,
    assert_at_rest,
    ended,
    error_lines,
    no_surroundings,
    rows,
    run,
    running,
    start,
    stored,
    value,
    wait_until,
)

from crawler import crawl
from crawler.engine.commit import AT_RISK
from crawler.errors import UsageError
from crawler.testing import Answer, Site, SiteRequest, answer

pytestmark = [
    pytest.mark.usefixtures(no_surroundings.__name__),
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc, to find the workers (Linux)"),
]

PAGES = 300
TWO = ("--processes", 2, "-c", 16, "--per-host", 8, "-q")


class Tree:
    """A site whose first page links to all others, with a robots.txt; `strike` is called when the n-th request arrives."""

    def __init__(self, new_site: Callable[..., Site], robots: str = "User-agent: *\nAllow: /") -> None:
        self.moment, self.strike = -1, lambda: None
        self.share = 0  # of one worker: pages are slow until another one comes
        self._robots = robots
        self._lock = threading.Lock()
        self.site = new_site(otherwise=self._page, latency=0.004)

    def _page(self, request: SiteRequest) -> Answer:
        with self._lock:
            self.moment -= 1
            if not self.moment:
                self.strike()
        if request.target == "/robots.txt":
            return answer(200, self._robots, {"Content-Type": "text/plain"})
        if request.target == "/sitemap.xml":
            return answer(404)
        if self.site.in_flight > self.share:
            self.share = 0
        links = [f"/{n}" for n in range(1, PAGES)] if request.target == "/" else ["/"]
        return answer(200, f"<p>{request.target}", links=links, delay=0.2 if self.share else 0.0)

    @property
    def urls(self) -> list[str]:
        return sorted(self.site.url(f"/{number or ''}") for number in range(PAGES))


@pytest.fixture
def tree(new_site: Callable[..., Site]) -> Tree:
    return Tree(new_site)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a crawl has started."""
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def twice(paths: Sequence[str]) -> dict[str, int]:
    """What was asked for more than once."""
    return {path: count for path, count in Counter(paths).items() if count > 1}


def test_several_workers_do_what_one_does(tree: Tree, out: Path) -> None:
    """One site feeds both; every page, and robots.txt, is asked for once; rows come through whoever was started, each once and stored;
    the summary is of all."""
    tree.share = 4
    ran = ended(start("crawl", tree.site.url(), "-o", out, *TWO[:-1], "--no-adaptive", "--jsonl", "-"))

    assert (ran.code, ran.err.count("warning")) == (0, 0), ran.err
    assert twice(tree.site.paths) == {}
    assert stored(out) == sorted(json.loads(line)["url"] for line in ran.out.splitlines()) == tree.urls
    assert_at_rest(out)
    assert {slot for (slot,) in rows(out, "SELECT DISTINCT slot FROM _frontier")} == {0, 1}
    assert json.loads((out / "summary.json").read_text())["pages"] == PAGES
    assert rows(out, "SELECT count(*), min(finish_reason) FROM runs") == [(1, "queue empty")]
    assert f"{PAGES} pages" in ran.err.partition("Done in ")[2]


def test_limits_hold_for_all_together(tree: Tree, out: Path) -> None:
    """Not one page more than the limit is asked for, and never more at once than one process would ask for."""
    assert ended(start("crawl", tree.site.url(), "-o", out, "--processes", 3, "-c", 5, "--per-host", 4, "--max-pages", 77, "-q")).code == 0

    assert (len(stored(out)), tree.site.count()) == (77, 79)
    assert tree.site.in_flight_peak <= 4
    assert value(out, "SELECT finish_reason FROM runs") == "page limit"


def test_a_host_with_a_delay_has_one_holder(new_site: Callable[..., Site], out: Path) -> None:
    """A Crawl-delay is kept, for nobody else asks; also when the holder is killed and another one goes on, without asking for robots.txt
    anew."""
    delay = 0.3
    tree = Tree(new_site, f"User-agent: *\nCrawl-delay: {delay}")
    with running("crawl", tree.site.url(), "-o", out, *TWO[:-1], "--max-pages", 5, "--progress", "none") as process:
        tree.strike = lambda: os.kill(workers_of(process)[value(out, "SELECT holder FROM _leases")], signal.SIGKILL)
        tree.moment = 4
        ran = ended(process)

    assert ran.code == 0, ran.err
    assert "was killed (signal 9)" in ran.err
    gaps = [later.time - earlier.time for earlier, later in pairwise(tree.site.log)]
    assert min(gaps) >= delay - 0.1, gaps  # which a busy machine may take on the way to the log
    assert (tree.site.paths[0], tree.site.count("/robots.txt"), tree.site.in_flight_peak) == ("/robots.txt", 1, 1)
    assert {slot for (slot,) in rows(out, "SELECT DISTINCT slot FROM _frontier WHERE slot IS NOT NULL")} == {0}
    assert value(out, "SELECT delay FROM hosts") == delay


def test_what_a_killed_worker_had_goes_to_the_others(tree: Tree, out: Path) -> None:
    """The crawl goes on and loses nothing; it says what happened."""
    with running("crawl", tree.site.url(), "-o", out, *TWO[:-1], "--progress", "none") as process:
        tree.strike = lambda: os.kill(workers_of(process)[0], signal.SIGKILL)
        tree.moment = 60
        ran = ended(process)

    assert ran.code == 0, ran.err
    assert "warning: worker 1 was killed (signal 9); the others go on with what it had in hand" in ran.err
    assert stored(out) == tree.urls
    assert_at_rest(out)


@pytest.mark.parametrize("number", [0, 1])
def test_a_worker_killed_before_it_has_its_place_is_missed(tree: Tree, out: Path, number: int) -> None:
    """The others do its part, and it is said."""
    with running("crawl", tree.site.url(), "-o", out, *TWO[:-1], "--progress", "none") as process:
        wait_until(lambda: len(workers_of(process)) > 1, process)
        os.kill(workers_of(process)[number], signal.SIGKILL)
        ran = ended(process)

    assert ran.code == 0, ran.err
    assert f"warning: worker {number + 1} was killed (signal 9)" in ran.err
    assert stored(out) == tree.urls
    assert_at_rest(out)


def test_when_all_workers_are_lost_the_crawl_says_so_and_goes_on_later(tree: Tree, out: Path) -> None:
    """It is no end of the crawl: the same command goes on."""
    with running("crawl", tree.site.url(), "-o", out, *TWO[:-1], "--progress", "none") as process:
        tree.strike = lambda: [os.kill(worker, signal.SIGKILL) for worker in workers_of(process)]  # type: ignore[assignment]
        tree.moment = 60
        ran = ended(process)

    assert ran.code == 1
    assert error_lines(ran.err) == [
        "error: all 2 workers were lost",
        "  they were killed, or a page brought them down; nothing that was stored is lost",
        f"  try: crawler resume {out}",
    ]
    assert ended(start("crawl", tree.site.url(), "-o", out, *TWO)).code == 0
    assert stored(out) == tree.urls
    assert_at_rest(out)


def test_workers_end_with_whoever_holds_the_folder(tree: Tree, out: Path) -> None:
    """After kill -9 the next run may start at once: nothing that was stored is lost or asked for again."""
    with running("crawl", tree.site.url(), "-o", out, *TWO) as process:
        struck = threading.Event()

        def strike() -> None:
            process.kill()
            struck.set()

        tree.strike, tree.moment = strike, 80
        assert struck.wait(SECONDS)
        process.wait()
        code = ended(start("crawl", tree.site.url(), "-o", out, *TWO)).code

    assert code == 0
    assert stored(out) == tree.urls
    assert_at_rest(out)
    assert sum(twice(tree.site.paths).values()) - len(twice(tree.site.paths)) <= 2 * (AT_RISK + 16)


def test_a_signal_pauses_all(tree: Tree, out: Path) -> None:
    """What is in flight is finished, nothing stays leased, and the same command goes on."""
    with running("crawl", tree.site.url(), "-o", out, *TWO) as process:
        tree.site.wait_for(count=50, timeout=SECONDS)
        process.send_signal(signal.SIGTERM)
        assert ended(process).code == 143
    assert_at_rest(out)
    done = stored(out)
    assert len(done) < PAGES
    asked = tree.site.count()

    assert ended(start("crawl", tree.site.url(), "-o", out, *TWO)).code == 0
    assert stored(out) == tree.urls
    assert set(done).isdisjoint(tree.site.url(path) for path in tree.site.paths[asked:])


def test_a_reader_that_leaves_pauses_all(tree: Tree, out: Path) -> None:
    """As with one process: exit code 141."""
    process = start("crawl", tree.site.url(), "-o", out, *TWO, "--delay", 0.05, "--jsonl", "-")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(SECONDS) == 141
    assert process.stderr is not None
    process.stderr.close()
    assert_at_rest(out)


def test_rows_that_cannot_be_written_end_all(tree: Tree, out: Path) -> None:
    """As with one process: exit code 6, and the crawl can go on."""
    ran = ended(start("crawl", tree.site.url(), "-o", out, *TWO, "--jsonl", "/dev/full"))

    assert (ran.code, error_lines(ran.err)[1]) == (6, "  the disk is full")
    assert_at_rest(out)
    assert value(out, "SELECT finish_reason FROM runs") == "disk full"
    assert len(stored(out)) < PAGES


def test_a_seed_that_moves_moves_all(new_site: Callable[..., Site], out: Path) -> None:
    """A host to which a seed leads is in scope for every worker, whoever was led there."""
    pages = {f"/{n}": answer(200, links=["/"]) for n in range(40)}
    there = new_site({"/": answer(200, links=list(pages)), **pages}, latency=0.004)
    here = new_site({"/": answer(301, headers={"Location": there.url()})}, address="127.0.0.2")

    assert ended(start("crawl", here.url(), "-o", out, *TWO, "--allow-private")).code == 0
    assert len(stored(out)) == 42
    assert value(out, "SELECT count(*) FROM skipped") == 0


@pytest.mark.parametrize("words", [("--processes", 0), ("--processes", 65), ("--processes", 2, "--mode", "sync")])
def test_what_cannot_be_is_refused(capfd: Capture, out: Path, words: Sequence[object]) -> None:
    """Before there is a folder, or a process."""
    ran = run(capfd, "crawl", "http://127.0.0.1:1", "-o", out, *words)

    assert (ran.code, out.exists()) == (2, False)
    assert error_lines(ran.err)


def test_a_program_has_one_process() -> None:
    """It says why, and what to do."""
    with pytest.raises(UsageError, match="`processes` is for the command line"):
        next(iter(crawl("http://127.0.0.1:1", processes=2)))
