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
from wounds import ASYNCHRONOUS, FLUSH, OFTEN, ONCE, RARE, READMIT, SYNC, WRITES, Wound

from crawler.testing import PageValue, Site, SiteRequest, answer

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs handles of processes (Linux)")

ENDS = {"kill": -signal.SIGKILL, "raise": 1, "no room": 6, "no room for a file": 6}


FULL = ("the disk is full", "no room left")
HARMS = ("kill", "raise", "no room")


def harmed(victims: Victims, wound: Wound, *words: object) -> tuple[int, str]:
    """How a wounded command ended, and what it said."""
    said = len(victims.said)
    code = victims.run(*words, wounds=[wound])
    return code, victims.said[said:]


def is_met(wound: Wound, code: int, said: str) -> bool:
    """Whether a command ended with the exit code of its wound, and one error, which names a disk that is full."""
    is_said = code < 0 or bool(error_lines(said))
    return code == ENDS[wound.harm] and is_said and any(words in said for words in FULL) == (code == 6)


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
        *(Wound(method, call=torture.random.randint(1, 3), harm=harm) for method in OFTEN for harm in HARMS),
        *(Wound(method, harm=harm) for method in ONCE for harm in HARMS),
        *(Wound(FLUSH, harm=harm) for harm in ("kill", "raise")),
        Wound(SYNC, harm="no room"),
        *(Wound(method, harm=harm) for method in WRITES for harm in ("kill", "no room for a file")),
    ]
    wrong = []
    for number, wound in enumerate(torture.random.sample(wounds, torture.draw(short=6, long=len(wounds)))):
        folder = tmp_path / str(number)
        mode = torture.random.choice(["async", "sync"]) if wound.method not in ASYNCHRONOUS else "async"
        words = [orchard.seed, "-o", folder, "-c", 8, "--per-host", 8, "-q", "--mode", mode]
        code, error = harmed(victims, wound, *words)
        if not is_met(wound, code, error):
            wrong.append((wound, code, error))
        if code != -signal.SIGKILL and (left := [*folder.glob("pages/.tmp/*")]):
            wrong.append((wound, code, left))
        torture.nothing("damage after a part broke", set(rows(folder, "PRAGMA integrity_check")) - {("ok",)})
        assert victims.run(*words) == 0, victims.said
        assert_at_rest(folder)
        lost = orchard.digests.items() ^ rows(folder, "SELECT url, sha256 FROM pages")
        torture.nothing("pages lost or changed after a part broke", lost, unit="pages")
    torture.nothing("broken parts that were not met with their exit code and one error", wrong)


PAGES = 10


def _months(request: SiteRequest) -> PageValue:
    """Without end, one leads to the next and says nothing."""
    if not request.target.startswith("/cal/"):
        return answer(404, "none")
    year, month = map(int, request.target.removeprefix("/cal/").split("/"))
    return f"<title>{month} {year}</title>No events. <a href=/cal/{year + month // 12}/{month % 12 + 1}>next</a>"


def _moved(new_site: Callable[..., Site]) -> tuple[Site, Site]:
    """A site that has moved, and the one where it is now: some pages and a calendar."""
    links = [f"/page/{number}" for number in range(1, PAGES)]
    pages: dict[str, PageValue] = {path: f"<title>{path}</title>Text<a href=/cal/2030/1>month</a>" for path in links}
    now = new_site({"/": answer(links=[*links, "/cal/2026/11"]), **pages}, otherwise=_months)
    return new_site({"/": answer(301, headers={"Location": now.url()})}), now


def test_every_rare_call_may_fail(new_site: Callable[..., Site], victims: Victims, torture: Torture, tmp_path: Path) -> None:
    """The same where a seed leads to another host, where a trap is found, and where one is released: nothing is lost, the trap is
    found again, and it is let go when the user says so again."""
    before, now = _moved(new_site)
    wounds = [Wound(method, harm=harm) for method in (*RARE, READMIT) for harm in HARMS]
    wrong = []
    for number, wound in enumerate(torture.random.sample(wounds, torture.draw(short=3, long=len(wounds)))):
        folder, mode = tmp_path / str(number), torture.random.choice(["async", "sync"])
        words = [before.url(), "-o", folder, "-c", 8, "--per-host", 8, "-q", "--mode", mode, "--allow-private"]
        if wound.method == READMIT:
            assert victims.run(*words) == 0, victims.said
            words += ["--release", "/cal/{n}/{n}", "--max-pages", PAGES + 40]
        code, error = harmed(victims, wound, *words)
        if not is_met(wound, code, error):
            wrong.append((wound, code, error))
        assert victims.run(*words) == 0, victims.said
        assert_at_rest(folder)
        lost = {now.url(path) for path in now.pages} - {url for (url,) in rows(folder, "SELECT url FROM pages WHERE outcome = 'ok'")}
        torture.nothing("pages lost after a rare part broke", lost, unit="pages")
        trapped = rows(folder, "SELECT DISTINCT detail FROM urls WHERE state = 'skipped' AND reason = 'trap'")
        assert trapped == ([] if wound.method == READMIT else [("/cal/{n}/{n}",)])
    torture.nothing("rare parts that broke and were not met with their exit code and one error", wrong)
