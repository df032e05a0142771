"""kill -9 at any moment: the same command goes on, nothing stored is lost, nothing appears twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from disks import mounted
from figures import Torture
from orchard import Orchard
from running import SECONDS, Capture, assert_at_rest, no_surroundings, rows, run, stored
from victims import Victims
from wounds import ASYNCHRONOUS, END, POINTS, RECOVERY, Wound

from crawler.engine.commit import AT_RISK
from crawler.testing import Site, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes (Linux)")

CONCURRENCY = 16
COST = CONCURRENCY + AT_RISK
"""Pages that a kill can cost: in flight, or not yet committed."""
KINDS = ("start", "request", "recovery", "second", "point", "checkpoint")

NewSite = Callable[..., Site]


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    """Starts the crawls that are to be killed."""
    with Victims(tmp_path / "said.log") as started:
        yield started


class Crawl:
    """One crawl of an orchard that is killed again and again, and what it had stored after the last time."""

    def __init__(self, orchard: Orchard, victims: Victims, folder: Path, torture: Torture) -> None:
        self.orchard = orchard
        self.victims = victims
        self.folder = folder
        self.torture = torture
        self.words = [orchard.seed, "-o", folder, "-c", CONCURRENCY, "--per-host", CONCURRENCY, "-q"]
        self.digests: dict[str, str] = {}
        self.kills = 0
        self.within_checkpoint = 0

    def kill(self, kind: str) -> bool:
        """Goes on, kills it at a moment of this kind, and looks at what is left. False: it had ended before."""
        roll = self.torture.random
        wounds: list[Wound] = []
        if kind == "recovery":
            wounds = [roll.choice([*RECOVERY.values()])]
        elif kind == "point":
            wounds = [roll.choice([*POINTS.values()])._replace(call=roll.randint(1, 40))]
        moment = roll.randint(1, 120) if kind == "request" else -1
        seconds = {"start": roll.uniform(0, 0.05), "second": roll.uniform(0, 1)}.get(kind, SECONDS)
        return self.strike(wounds, moment, seconds, at_checkpoint=kind == "checkpoint")

    def strike(self, wounds: Sequence[Wound] = (), moment: int = -1, seconds: float = SECONDS, at_checkpoint: bool = False) -> bool:
        """Goes on until the wounds, the n-th request, the time or a checkpoint kills it, and looks at what is left."""
        self.orchard.arm(moment, self.victims.kill)
        before = self._database_time()
        mode = (
            "async"
            if any(wound.method in ASYNCHRONOUS for wound in wounds)
            else self.torture.random.choice(["async", "async", "async", "sync"])
        )
        victim = self.victims.start(*self.words, "--mode", mode, wounds=wounds)
        if at_checkpoint:
            while self._database_time() == before and not victim.has_ended(0.0002):
                pass
        if at_checkpoint or not victim.has_ended(seconds):
            victim.kill()
        code = victim.wait()
        assert code in (0, -signal.SIGKILL), f"{code}\n{self.victims.said}"
        if code == 0:
            return False
        self.kills += 1
        self._look()
        return True

    def _database_time(self) -> int:
        try:
            return (self.folder / "crawl.db").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _look(self) -> None:
        """What holds after every kill."""
        if not (self.folder / "crawl.db").exists():
            return
        self.within_checkpoint += within_checkpoint(self.folder)
        self.torture.nothing("damage of the database after a kill", set(rows(self.folder, "PRAGMA integrity_check")) - {("ok",)})
        if not rows(self.folder, "SELECT name FROM sqlite_master WHERE name = 'pages'"):
            return
        now = dict(rows(self.folder, "SELECT url, sha256 FROM pages"))
        self.torture.nothing("stored pages that a kill took away or changed", self.digests.items() - now.items(), unit="pages")
        assert stored(self.folder) == sorted(now)
        self._look_at_requests()
        cost = self.orchard.asked_in_vain(now)
        self.torture.figure("pages to fetch again after a kill", cost, at_most=COST, unit="pages")
        self.digests = now

    def _look_at_requests(self) -> None:
        """The log of the server is the judge: what was stored before this run is never asked for again."""
        self.torture.nothing("stored pages asked for again after a kill", self.orchard.asked_again(self.digests), unit="pages")

    def finish(self) -> None:
        """Lets it come to its end, and looks at the whole."""
        self.orchard.arm(-1, bool)
        assert self.victims.run(*self.words) == 0, self.victims.said
        self._look_at_requests()
        assert_at_rest(self.folder)
        assert json.loads((self.folder / "summary.json").read_text())["complete"]
        torture, orchard = self.torture, self.orchard
        found, served = dict(rows(self.folder, "SELECT url, sha256 FROM pages")), orchard.digests
        torture.nothing("pages missing in the end", served.keys() - found.keys(), unit="pages")
        torture.nothing("pages stored twice", rows(self.folder, "SELECT url FROM pages GROUP BY url HAVING count(*) > 1"), unit="pages")
        torture.nothing("bodies that are not as they were served", found.items() - served.items(), unit="pages")
        torture.nothing("temporary files left by the resumed run", [*self.folder.rglob("*.part"), *self.folder.glob("pages/.tmp/*")])
        again = orchard.asked.total() - len(served)
        torture.figure("requests more than pages, for each kill", again / max(1, self.kills), at_most=COST, unit="requests")


def within_checkpoint(folder: Path) -> bool:
    """Whether the write-ahead log was being merged into the database when its process died: frames that were to be merged are not
    all marked as merged (https://sqlite.org/walformat.html, 2.2: nBackfillAttempted and nBackfill of the index)."""
    try:
        index = (folder / "crawl.db-shm").read_bytes()
    except FileNotFoundError:
        return False
    merged, begun = struct.unpack_from("=I", index, 96)[0], struct.unpack_from("=I", index, 128)[0]
    return bool(begun > merged)


def test_a_killed_crawl_goes_on(new_site: NewSite, victims: Victims, torture: Torture, tmp_path: Path) -> None:
    """After every kill the database is whole, what was stored before is there as it was and was not asked for again, and no more than
    what was in flight or not yet committed is fetched again; in the end every page is stored once, byte for byte, and no temporary file
    is left."""
    pages, wanted = torture.draw(short=500, long=5000), torture.draw(short=len(KINDS), long=60)
    kills = checkpoints = crawls = 0
    while kills < wanted:
        crawls += 1
        crawl = Crawl(Orchard(pages, new_site), victims, tmp_path / str(crawls), torture)
        while kills + crawl.kills < wanted and crawl.kill(KINDS[(kills + crawl.kills) % len(KINDS)]):
            pass
        kills += crawl.kills
        checkpoints += crawl.within_checkpoint
        crawl.finish()
    torture.figure("kills of crawls", kills, at_least=wanted)
    torture.figure("kills that hit a checkpoint", checkpoints, at_least=torture.draw(short=0, long=3))


def test_a_crawl_killed_at_every_point(new_site: NewSite, victims: Victims, torture: Torture, tmp_path: Path) -> None:
    """Each step of a page's journey, of a start after a kill, and of the end of a run can be the last: one crawl dies of all."""
    wounds = [wound for points in (POINTS, RECOVERY) for wound in torture.random.sample([*points.values()], len(points))]
    crawl = Crawl(Orchard(250, new_site, latency=0.001), victims, tmp_path / "out", torture)
    for wound in [*wounds, *END.values()]:
        call = torture.random.randint(1, 5) if wound in POINTS.values() else wound.call
        assert crawl.strike([wound._replace(call=call)]), f"call {call} of {wound} was not reached"
    crawl.finish()


@pytest.mark.usefixtures(no_surroundings.__name__)
def test_a_crawl_killed_at_its_very_end(new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """All is stored, but nobody has said so yet: the same command asks for nothing, and says it."""
    site, folder = new_site({"/": answer(links=["/a", "/b"]), "/a": "a", "/b": "b"}), tmp_path / "out"
    assert run(capfd, site.url(), "-o", folder).code == 0
    with closing(sqlite3.connect(folder / "crawl.db")) as database, database:
        database.execute("UPDATE runs SET ended = NULL, finish_reason = NULL")
    (folder / "summary.json").unlink()
    asked = site.count()
    again = run(capfd, site.url(), "-o", folder)
    assert again.code == 0
    assert "finished: queue empty" in again.err
    assert json.loads((folder / "summary.json").read_text())["complete"]
    assert site.count() == asked


def test_a_crawl_killed_on_a_full_disk(new_site: NewSite, victims: Victims, tmp_path: Path) -> None:
    """The half of a body that filled the disk is swept before anything else is written: the same command needs no room to be made."""
    bodies = iter([b"x" * 2**23])
    pages = {"/": answer(links=["/large", "/a"]), "/large": lambda request: next(bodies, b"small"), "/a": "a"}
    with mounted(tmp_path / "disk", "size=4m") as disk:
        words = [new_site(pages).url(), "-o", disk / "out", "-q", "--min-free-disk", "0"]
        assert victims.run(*words, wounds=[Wound("crawler.fetch.spool.SpoolFile.discard")]) == -signal.SIGKILL, victims.said
        assert [*(disk / "out" / "pages" / ".tmp").iterdir()]
        assert shutil.disk_usage(disk).free == 0

        assert victims.run(*words) == 0, victims.said
        assert_at_rest(disk / "out")
        assert len(stored(disk / "out")) == 3
