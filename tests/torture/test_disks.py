"""A disk that fills up, at every write there is: one message, a quick end, nothing damaged, and with room all goes on."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import TimeoutExpired

import pytest
from disks import make_room, mounted
from figures import Torture
from running import Capture, assert_at_rest, ended, error_lines, no_surroundings, rows, run, running, stored, value

from crawler.testing import Gate, Site, answer

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]


def rolled_site(roll: random.Random, new_site: NewSite, late: int = 0, gate: Gate | None = None) -> Site:
    """Some sixty pages of all sizes, some of them large enough to go through a file, and `late` ones that wait for the gate."""
    paths = [f"/{n}" for n in range(60)]
    sizes = {path: roll.choice([100, 2_000, 20_000, 300_000 if roll.random() < 0.3 else 500]) for path in paths}
    pages = {path: answer(body=roll.randbytes(size // 2).hex(), links=roll.sample(paths, 3)) for path, size in sizes.items()}
    pages |= {f"/late/{n}": answer(body="late", gate=gate) for n in range(late)}
    head = {"Set-Cookie": "session=1"}
    return new_site({"/": answer(links=[*pages], headers=head), "/robots.txt": answer(404), "/sitemap.xml": answer(404), **pages})


def test_full_disk(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """Whatever does not fit any more (the frontier, a page, the log, the summary): exit 6 with one message within five seconds of the
    last answer, though others hang. With room the same command completes, and asks for no page again that was stored."""
    roll = torture.random
    full = 0
    for number in range(torture.draw(short=3, long=80)):
        gate, mode = Gate(), roll.choice(["async", "async", "sync"])
        site = rolled_site(roll, new_site, 3 if mode == "async" else 0, gate)
        with mounted(tmp_path / str(number), f"size={roll.randrange(60, 4_500)}k") as disk:
            folder = disk / "out"
            words = [site.url(), "-o", folder, "--mode", mode, "--min-free-disk", 0, "-q"]
            with running(*words) as process:
                while process.poll() is None and len(set(site.paths)) < len(site.pages):
                    time.sleep(0.02)
                with suppress(TimeoutExpired):
                    process.wait(1)
                gate.open()  # it had room for all the others
                left = ended(process)
            if left.code != 0:
                full += 1
                since = time.monotonic() - max((hit.time for hit in site.log), default=time.monotonic())
                bound = torture.draw(short=15, long=5)
                torture.figure("seconds from the last answer to the end on a full disk", since, at_most=bound, unit="s")
                assert left.code == 6, left.err
                [what, why, hint] = error_lines(left.err)
                assert "cannot write" in what
                assert (why, hint) == ("  the disk is full", "  try: make room and run the same command again")
            make_room(disk, "64m")
            before = stored(folder) if (folder / "crawl.db").is_file() and rows(folder, "SELECT * FROM sqlite_master") else []
            asked = len(site.log)
            assert run(capfd, *words).code == 0
            assert_at_rest(folder)
            torture.nothing("temporary files left after a full disk", folder.glob("**/*.part"), unit="files")
            again = {site.url(hit.path) for hit in site.log[asked:]}
            torture.nothing("stored pages asked for again after a full disk", again.intersection(before), unit="pages")
            torture.nothing("pages missing after a full disk", site.reachable().symmetric_difference(stored(folder)), unit="pages")
            assert rows(folder, "SELECT url, error_detail FROM pages WHERE outcome <> 'ok'") == []
        site.stop()
    torture.figure("crawls that found their disk full", full, at_least=torture.draw(short=1, long=20))


def test_little_room(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """Below `--min-free-disk` a crawl stops by itself, with a summary of what is left to do and room to spare; with room it goes on."""
    roll = torture.random
    for number in range(torture.draw(short=1, long=20)):
        site = rolled_site(roll, new_site)
        with mounted(tmp_path / str(number), "size=5500k") as disk:
            words = [site.url(), "-o", disk / "out", "--min-free-disk", "5MB", "-q", "--mode", roll.choice(["async", "sync"])]
            ran = run(capfd, *words)
            assert ran.code == 6
            assert "are left for" in error_lines(ran.err)[0]
            free = os.statvfs(disk)
            torture.figure(
                "left when a crawl stops for --min-free-disk 5MB", free.f_bavail * free.f_frsize / 2**20, at_least=4.0, unit="MB"
            )
            assert value(disk / "out", "SELECT finish_reason FROM runs") == "disk full"
            assert_at_rest(disk / "out")
            make_room(disk, "64m")
            assert run(capfd, *words).code == 0
            assert stored(disk / "out") == sorted(site.reachable())
        site.stop()
