"""A part breaks: every call to store and frontier, and everything that writes, is made to fail once, in every way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from figures import Torture
from orchard import Orchard
from running import assert_at_rest, error_lines, rows
from victims import Victims
from wounds import ASYNCHRONOUS, OFTEN, ONCE, WRITES, Wound

from crawler.testing import Site

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes (Linux)")

ENDS = {"kill": -signal.SIGKILL, "raise": 1, "no room": 6, "no room for a file": 6}


@pytest.fixture
def victims(tmp_path: Path) -> Iterator[Victims]:
    """Starts the crawls that are to be harmed."""
    with Victims(tmp_path / "said.log") as started:
        yield started


def test_every_call_may_fail(new_site: Callable[..., Site], victims: Victims, torture: Torture, tmp_path: Path) -> None:
    """Whichever call dies, raises or finds the disk full: the process ends with its exit code and one error, nothing is damaged, no
    temporary file is left unless it was killed, and the same command brings the crawl to its end with every page stored once."""
    orchard = Orchard(60, new_site, latency=0.001)
    wounds = [
        *(Wound(method, call=torture.random.randint(1, 3), harm=harm) for method in OFTEN for harm in ("kill", "raise", "no room")),
        *(Wound(method, harm=harm) for method in ONCE for harm in ("kill", "raise")),
        *(Wound(method, harm=harm) for method in WRITES for harm in ("kill", "no room for a file")),
    ]
    wrong = []
    for number, wound in enumerate(torture.random.sample(wounds, torture.draw(short=6, long=len(wounds)))):
        folder = tmp_path / str(number)
        mode = torture.random.choice(["async", "sync"]) if wound.method not in ASYNCHRONOUS else "async"
        words = [orchard.seed, "-o", folder, "-c", 8, "--per-host", 8, "-q", "--mode", mode]
        said = len(victims.said)
        code = victims.run(*words, wounds=[wound])
        error = victims.said[said:]
        if code != ENDS[wound.harm] or (code > 0 and not error_lines(error)):
            wrong.append((wound, code, error))
        if code != -signal.SIGKILL and (left := [*folder.glob("pages/.tmp/*")]):
            wrong.append((wound, code, left))
        torture.nothing("damage after a part broke", set(rows(folder, "PRAGMA integrity_check")) - {("ok",)})
        assert victims.run(*words) == 0, victims.said
        assert_at_rest(folder)
        lost = orchard.digests.items() ^ rows(folder, "SELECT url, sha256 FROM pages")
        torture.nothing("pages lost or changed after a part broke", lost, unit="pages")
    torture.nothing("broken parts that were not met with their exit code and one error", wrong)
