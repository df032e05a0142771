"""Loss of power: database and bodies fall back to the last sync; at most two seconds are fetched again, and no row is wrong."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from figures import Torture
from orchard import Orchard
from power import lose_power, slowness
from running import Capture, assert_at_rest, no_surroundings, rows, run, value, wrong_bodies
from victims import Victims

from crawler.store.sync import INTERVAL
from crawler.testing import Site, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes (Linux)")

CONCURRENCY = 16


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    """Starts the crawls that are to be killed."""
    with Victims(tmp_path / "said.log") as started:
        yield started


@pytest.mark.parametrize("mode", ["async", "sync"])
@pytest.mark.usefixtures(no_surroundings.__name__)
def test_a_body_that_never_reached_the_disk_is_asked_for_again(
    mode: str, new_site: Callable[..., Site], tmp_path: Path, capfd: Capture
) -> None:
    """Pages were stored after the last sync, and the power went. The body of one is gone, that of another is short: the same command,
    which had nothing left to do, asks for these two, and for no other."""
    site, folder = (
        new_site({"/": answer(links=["/gone", "/short", "/whole"]), "/gone": "a", "/short": "b", "/whole": "c"}),
        tmp_path / "out",
    )
    words = [site.url(), "-o", folder, "--mode", mode, "--robots", "ignore", "--sitemap", "off"]
    assert run(capfd, *words).code == 0
    before = dict(rows(folder, "SELECT url, sha256 FROM pages"))
    with closing(sqlite3.connect(folder / "crawl.db")) as database, database:
        database.execute("UPDATE meta SET value = '1' WHERE key = 'synced'")
    (folder / value(folder, "SELECT file FROM pages WHERE url = ?", site.url("/gone"))).unlink()
    (folder / value(folder, "SELECT file FROM pages WHERE url = ?", site.url("/short"))).write_bytes(b"")
    first = len(site.log)

    assert run(capfd, *words).code == 0
    assert sorted(hit.path for hit in site.log[first:]) == ["/gone", "/short"]
    assert dict(rows(folder, "SELECT url, sha256 FROM pages")) == before
    assert_at_rest(folder)


def test_a_loss_of_power_costs_two_seconds(new_site: Callable[..., Site], victims: Victims, torture: Torture, tmp_path: Path) -> None:
    """Whatever had not reached the disk, the same command goes on: what is two seconds old is there, no row points at a body that is
    missing or damaged, and in the end every page is stored as it was served."""
    pages, interval = torture.draw(short=150, long=5000), torture.draw(short=0.02, long=INTERVAL)
    orchard, folder, copies = Orchard(pages, new_site), tmp_path / "out", tmp_path / "copies"
    words = [orchard.seed, "-o", folder, "-c", CONCURRENCY, "--per-host", CONCURRENCY, "-q"]
    lost: list[str] = []
    for _ in range(torture.draw(short=3, long=12)):
        first = len(orchard.site.log)
        orchard.arm(torture.random.randint(10, torture.draw(short=60, long=700)), victims.kill)
        code = victims.run(*words, copies=copies, interval=interval)
        struck = time.monotonic()
        if code == 0:
            break
        assert code == -signal.SIGKILL, victims.said
        slow = slowness(copies, struck)
        lost.append(lose_power(folder, copies, torture.random))

        orchard.arm(1, victims.kill)
        assert victims.run(*words) in (0, -signal.SIGKILL), victims.said
        torture.nothing("rows that point at a missing or damaged body", wrong_bodies(folder), unit="rows")
        torture.nothing("damage of the database after a loss of power", set(rows(folder, "PRAGMA integrity_check")) - {("ok",)})
        stored = {url for (url,) in rows(folder, "SELECT url FROM pages")}
        again = [hit.time for hit in orchard.site.log[first:] if hit.path in orchard.bodies and orchard.site.url(hit.path) not in stored]
        if torture.is_long:
            cost = struck - min(again, default=struck) - slow
            torture.figure("work that a loss of power cost, where a sync takes half a second at most", cost, at_most=2.0, unit="s")

    assert victims.run(*words) == 0, victims.said
    assert_at_rest(folder)
    found, served = dict(rows(folder, "SELECT url, sha256 FROM pages")), orchard.digests
    torture.nothing("pages missing in the end", served.keys() - found.keys(), unit="pages")
    torture.nothing("bodies that are not as they were served", found.items() - served.items(), unit="pages")
    torture.figure("losses of power after a sync", sum(map(bool, lost)), at_least=1)
