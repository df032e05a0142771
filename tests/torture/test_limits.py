"""Limits, again and again on sites that were rolled: exact whatever fails, redirects, is refused or comes late."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from figures import Torture
from running import Capture, assert_at_rest, no_surroundings, rows, run, stored, value

from crawler.testing import Answer, PageValue, Site, answer, redirect

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

NewSite = Callable[..., Site]
WIDE = ["-c", 100, "--per-host", 100, "--no-adaptive", "--retries", 0, "-q"]
ROBOTS = answer(body="User-agent: *\nDisallow: /no/", headers={"Content-Type": "text/plain"})


def trouble(roll: random.Random, others: list[str]) -> Answer:
    """A page that will not count: missing, broken, somewhere else, cut off."""
    kinds = [answer(404), answer(500), answer(fault="reset"), answer(fault="truncate", body="x" * 99), redirect(roll.choice(others))]
    return roll.choice(kinds)


def test_page_limit(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """`--max-pages` at concurrency 100 stores exactly so many good pages when there are as many, although most URLs bring none; what
    was left is queued, and a higher limit goes on, exact again."""
    roll = torture.random
    for number in range(torture.draw(short=2, long=100)):
        good = [f"/{n}" for n in range(40)]
        bad = [f"/bad/{n}" for n in range(120)]
        refused = [f"/no/{n}" for n in range(40)]
        every = [*good, *bad, *refused]
        roll.shuffle(every)
        pages: dict[str, PageValue] = {path: answer(body="<p>good", delay=roll.uniform(0, 0.02)) for path in good}
        pages |= {path: trouble(roll, every) for path in bad}
        site = new_site({"/": answer(links=every), "/robots.txt": ROBOTS, **pages})
        folder = tmp_path / str(number)
        for limit in (10, roll.randrange(11, 41)):
            assert run(capfd, site.url(), "-o", folder, "--max-pages", limit, *WIDE).code == 0
            found = value(folder, "SELECT count(*) FROM pages WHERE outcome = 'ok'")
            torture.figure("good pages more or less than --max-pages", abs(found - limit), at_most=0, unit="pages")
            assert value(folder, "SELECT finish_reason FROM runs ORDER BY run DESC LIMIT 1") == "page limit"
            assert value(folder, "SELECT count(*) FROM urls WHERE state = 'queued'") > 0
            assert_at_rest(folder)
        again = [hit.path for hit in site.log if hit.path in good]
        torture.nothing("pages asked for twice under a limit", {path for path in again if again.count(path) > 1}, unit="pages")
        site.stop()


def within(links: dict[str, list[str]], moved: dict[str, str], clicks: int) -> dict[str, int]:
    """Every URL that so many clicks lead to, with its depth; a redirect is no click."""
    depths = {"/": 0}
    waiting = ["/"]
    while waiting:
        path = min(waiting, key=lambda path: depths[path])
        waiting.remove(path)
        steps = [(moved[path], 0)] if path in moved else [(target, 1) for target in links[path]]
        for target, cost in steps:
            depth = depths[path] + cost
            if depth <= clicks and depth < depths.get(target, clicks + 1):
                depths[target] = depth
                waiting.append(target)
    return depths


def test_depth_limit(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """`--max-depth` fetches exactly what so many clicks lead to, each page at its least depth, however late any page comes; then one
    level more."""
    roll = torture.random
    for number in range(torture.draw(short=3, long=60)):
        paths = ["/", *(f"/{n}" for n in range(1, 80))]
        links = {path: roll.sample(paths, roll.randrange(1, 4)) for path in paths}
        moved = {path: roll.choice(paths[: int(path[1:])]) for path in roll.sample(paths[1:], 25)}
        pages = {path: answer(links=links[path], delay=roll.choice([0, 0, 0.03])) for path in paths}
        pages |= {path: redirect(target) for path, target in moved.items()}
        site, folder = new_site(pages), tmp_path / str(number)
        for clicks in (2, 4):
            assert run(capfd, site.url(), "-o", folder, "--max-depth", clicks, "--sitemap", "off", *WIDE).code == 0
            found = dict(rows(folder, "SELECT url, depth FROM pages"))
            expected = {site.url(path): depth for path, depth in within(links, moved, clicks).items()}
            if clicks == 2:
                torture.nothing("pages too few, too many or at a wrong depth under --max-depth", found.items() ^ expected.items())
            # A depth that the first run has written down is not changed by what the second one finds.
            torture.nothing("pages too few or too many after a higher --max-depth", found.keys() ^ expected.keys())
            assert_at_rest(folder)
        site.stop()


def test_size_limit(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """`--max-size` is passed by less than one body; few are fetched in vain, and none is lost: a higher limit goes on."""
    roll = torture.random
    wasted = fetched = 0
    for number in range(torture.draw(short=1, long=40)):
        sizes = {f"/{n}": roll.choice([50, 500, 5_000, 20_000]) for n in range(1_000)}
        pages = {path: answer(body="x" * size, delay=roll.uniform(0, 0.01)) for path, size in sizes.items()}
        site, folder = new_site({"/": answer(links=[*pages]), **pages}), tmp_path / str(number)
        mode = roll.choice(["async", "async", "sync"])
        for limit in (500_000, 2_000_000):
            assert run(capfd, site.url(), "-o", folder, "--max-size", limit, "--mode", mode, *WIDE).code == 0
            bodies = value(folder, "SELECT sum(bytes) FROM pages")
            largest = value(folder, "SELECT max(bytes) FROM pages")
            torture.figure("bodies by which --max-size is passed", (bodies - limit) / largest, at_least=0, at_most=1, unit="bodies")
            assert value(folder, "SELECT finish_reason FROM runs ORDER BY run DESC LIMIT 1") == "size limit"
            assert_at_rest(folder)
        asked = [hit.path for hit in site.log if hit.path in sizes]
        thrown_away = len(asked) - len(stored(folder)) + 1
        # What is in flight when the limit is reached is all that a run may fetch in vain, and there were two runs.
        torture.figure("fetched in vain under --max-size, a run", thrown_away / 2, at_most=100, unit="pages")
        wasted += thrown_away
        fetched += len(asked)
        site.stop()
    if torture.is_long:  # A share of a few pages swings with the moment of the stop; of forty crawls' it does not.
        torture.figure("of what is fetched under --max-size is thrown away", 100 * wasted / fetched, at_most=10, unit="%")


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that does not know the names under `slow.test`, and takes 20 s to say so."""
    over, look_up = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if str(host).endswith(".slow.test"):
            over.wait(20)
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return look_up(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    over.set()


def hanging(roll: random.Random) -> dict[str, PageValue]:
    """A site that hangs: before the headers, in a body, before robots.txt is known."""
    hangs = answer(fault="hang")
    slow: list[PageValue] = [hangs, answer(body="x" * 99_999, rate=5_000), answer(fault="stall", body="x" * 99)]
    pages: dict[str, PageValue] = {f"/{n}": roll.choice(slow) for n in range(200)}
    return {"/": answer(links=[*pages]), "/robots.txt": hangs if roll.random() < 0.2 else ROBOTS, **pages}


def huge(roll: random.Random) -> dict[str, PageValue]:
    """A page that takes many seconds to read, to judge, or to add all that it links to."""
    links = "".join(f"<a href='/{n}'>a link</a> and words\n" for n in range(180_000))
    same = "<a href=/x>a link</a> and words\n" * 600_000
    return {"/": answer(body=roll.choice([links, same, "<div>" * 1_000_000])), "/robots.txt": ROBOTS}


def unnamed(roll: random.Random) -> dict[str, PageValue]:
    """A page of links to hosts whose names are looked up in vain."""
    return {"/": answer(links=[f"http://{n}.slow.test/" for n in range(40)]), "/robots.txt": ROBOTS}


@pytest.mark.usefixtures(slow_names.__name__)
def test_time_limit(torture: Torture, new_site: NewSite, tmp_path: Path, capfd: Capture) -> None:
    """`--max-time` is passed by two seconds at most, whatever takes long: a server, a page that is huge, the looking up of a name."""
    roll = torture.random
    if torture.is_long:  # what is loaded once is no part of it
        for mode in ("async", "sync"):
            run(capfd, new_site({"/": ""}).url(), "-o", tmp_path / mode, "--mode", mode, *WIDE)
    for number in range(torture.draw(short=1, long=30)):
        kind = roll.choice([hanging, huge, unnamed])
        site, folder = new_site(kind(roll)), tmp_path / str(number)
        limit, mode = roll.uniform(0.2, torture.draw(short=0.3, long=1.5)), roll.choice(["async", "sync"])
        began = time.monotonic()
        limits = ["--max-time", f"{limit:.1f}s", "--scope", "any"]
        assert run(capfd, site.url(), "-o", folder, *limits, "--mode", mode, *WIDE).code == 0
        over, why = time.monotonic() - began - limit, (mode, kind.__name__)
        torture.figure("seconds by which --max-time is passed", over, at_most=torture.draw(short=10, long=2), unit="s", why=why)
        [(started, ended, reason)] = rows(folder, "SELECT started, ended, finish_reason FROM runs")
        took = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
        # A page that is huge may be read in the last second, and lead nowhere.
        assert reason == "time limit" or (kind is huge and reason == "queue empty" and 0 <= took <= limit + 1)
        left = [] if kind is huge else [("queued", 0)]
        assert rows(folder, "SELECT DISTINCT state, attempts FROM urls WHERE state <> 'done'") in (left, [("queued", 0)])
        assert_at_rest(folder)
        site.stop()
