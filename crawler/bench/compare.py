"""Modes compared on one site: interleaved measurements, their medians, and the proof that all fetched the same.

The plan: one crawl that is dropped (it warms the server's caches, and finds out whether the site has more pages than asked for);
then `repeat` rounds, in each of which every mode runs once, so that a change in the machine hits all alike. Every crawl is a
process of its own with a fresh folder. When the site is larger than `pages`, all modes fetch the URLs which the first crawl
found and follow nothing: the first N pages of a crawl are others at every speed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from crawler.bench.machine import Machine
from crawler.bench.measure import SYNC, Measurement
from crawler.errors import CrawlerError, SeedError
from crawler.text import human_duration

SATURATED = 3.0
"""How many times slower than one at a time the slowest answers (p95) are when more requests at once only wait longer."""

BUSY = 0.7
"""The part of a core above which it is our own process that had no more to give, when answers come late."""

FULL = 0.9
"""The part of a core above which a process has no more to give, however its answers come."""

SPREAD = 0.3
"""The part of the median by which wall times may differ before the figures come with a warning."""

OTHERS = 0.15
"""The part of the machine that other programs may take before the figures come with a warning."""

WARM_UP = "warm-up"

Tell = Callable[[int, int, str, str], None]
"""Is told before each crawl: how many are done, how many there are, its mode (or `WARM_UP`), and which of that mode's runs it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare: `modes` ("sync", or a number of requests at once) on the site at `url`, each `repeat` times, on at most
    `pages` pages. `own`: the site is the user's, so the number of requests at once is all for its host."""

    url: str
    modes: tuple[str, ...] = (SYNC, "1", "8", "32", "128")
    pages: int = 500
    repeat: int = 5
    own: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One mode: its runs and their medians. Seconds, milliseconds, bytes; `speed_up` is against sync, or the first mode without it.
    `note` says what limited it."""

    mode: str
    runs: tuple[Measurement, ...]
    speed_up: float = 1.0
    is_best: bool = False
    note: str = ""

    @property
    def wall(self) -> float:
        """Seconds of the median run."""
        return median(run.wall for run in self.runs)

    @property
    def walls(self) -> tuple[float, float]:
        """Seconds of the quickest and of the slowest run."""
        return min(run.wall for run in self.runs), max(run.wall for run in self.runs)

    @property
    def pages_per_second(self) -> float:
        """Of the median run."""
        return self.runs[0].pages / self.wall

    @property
    def cpu_per_page(self) -> float:
        """Milliseconds of CPU time, user and system."""
        return median(run.cpu for run in self.runs) / self.runs[0].pages * 1000

    @property
    def peak(self) -> float | None:
        """Bytes of resident memory; None where the system does not tell."""
        return _median([run.peak for run in self.runs])

    @property
    def ttfb(self) -> tuple[float | None, float | None]:
        """Milliseconds to the headers: median and 95th percentile."""
        return _median([run.ttfb_p50 for run in self.runs]), _median([run.ttfb_p95 for run in self.runs])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a plan. `whole`: the site has no more pages than were measured. `load` is the machine's before it began."""

    plan: Plan
    rows: tuple[Row, ...]
    whole: bool
    load: float | None = None

    @property
    def pages(self) -> int:
        """How many URLs every mode fetched."""
        return self.rows[0].runs[0].pages

    @property
    def others(self) -> float | None:
        """The part of this machine that other programs took while it was measured; None where nobody knows."""
        known = [(run.others, run.wall) for row in self.rows for run in row.runs if run.others is not None]
        return sum(part * wall for part, wall in known) / sum(wall for _, wall in known) if known else None

    @property
    def digest(self) -> str:
        """The digest of their paths and bodies, which is the same for all modes."""
        return self.rows[0].runs[0].digest


def mode_name(mode: str) -> str:
    """A mode as people read it."""
    return "sync (one at a time)" if mode == SYNC else f"async {mode}"


def run(plan: Plan, folder: Path, tell: Tell, server: Callable[[], float] | None = None) -> Comparison:
    """Carries out a plan, with the crawls' folders below `folder`. `server` tells the seconds of CPU that the site's server has
    taken of this machine so far; without it nobody knows what else the machine was doing.

    Raises SeedError when the site gives no page, CrawlerError when a crawl fails or two modes did not fetch the same.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    total = 1 + plan.repeat * len(plan.modes)
    tell(0, total, WARM_UP, "")
    first = measured(plan, max(plan.modes, key=requests), (), folder / "0")
    if not first.ok:
        raise SeedError(f"no page of {plan.url} could be fetched", first.error or f"the crawl ended with: {first.reason}", "another URL")
    runs: dict[str, list[Measurement]] = {mode: [] for mode in plan.modes}
    for number, (turn, mode) in enumerate(_turns(plan), 1):
        tell(number, total, mode, f"{turn} of {plan.repeat}")
        machine = Machine(server)
        found = measured(plan, mode, first.urls, folder / str(number))
        runs[mode].append(replace(found, server=machine.taken_by_server(), others=machine.part_of_others()))
        check_same([run for mode in plan.modes for run in runs[mode]])
    rows = rated([Row(mode, tuple(runs[mode])) for mode in plan.modes], was_busy=_is_busy(load))
    return Comparison(plan, rows, not first.urls, load)


def _is_busy(load: float | None) -> bool:
    return load is not None and load > (os.cpu_count() or 1) / 2


def _turns(plan: Plan) -> Iterator[tuple[int, str]]:
    return ((turn, mode) for turn in range(1, plan.repeat + 1) for mode in plan.modes)


def requests(mode: str) -> int:
    """How many requests at once; 0 for sync."""
    return 0 if mode == SYNC else int(mode)


def measured(plan: Plan, mode: str, urls: Sequence[str], folder: Path) -> Measurement:
    """One crawl in a process of its own: of the whole site, or of `urls` alone. Raises CrawlerError when it fails."""
    command = [sys.executable, "-m", "crawler.bench.measure", f"--mode={mode}", f"--output={folder}"]
    command += ["--own"] * plan.own + (["--alone"] if urls else [f"--pages={plan.pages}"])
    seeds = "".join(f"{url}\n" for url in urls or (plan.url,))
    done = subprocess.run(command, input=seeds, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        what, *why = done.stderr.strip().removeprefix("error: ").splitlines() or [f"exit status {done.returncode}"]
        raise CrawlerError(f"{mode_name(mode)} failed: {what}", "; ".join(line.strip() for line in why))
    _make_room(folder)
    return Measurement.from_json(done.stdout)


def _make_room(folder: Path) -> None:
    """Empties the saved pages of a crawl that was measured, but leaves the files: for minutes after files were removed, ext4 takes
    ten times as long to make new ones, which the next crawl would pay for."""
    for file in (folder / "pages").rglob("*.*"):
        if file.is_file():
            os.truncate(file, 0)


def check_same(runs: Sequence[Measurement]) -> None:
    """Raises CrawlerError unless all crawls ended by themselves and fetched the same URLs with the same bodies."""
    ended = ("queue empty", "depth limit")  # the latter for a list of URLs, whose links are not followed
    for run in runs:
        if run.reason not in ended:
            raise CrawlerError(f"{mode_name(run.mode)} did not come to its end: {run.reason}")
        if run.digest != runs[0].digest:
            counts = " and ".join(f"{mode_name(each.mode)} {each.pages:,}" for each in (runs[0], run))
            what = "other bytes" if run.pages == runs[0].pages else "other pages"
            raise CrawlerError(
                f"{mode_name(run.mode)} fetched {what} than {mode_name(runs[0].mode)}",
                f"URLs fetched: {counts}; a site that changes, or fails at times, cannot be measured",
                "crawler bench, which serves a site that does not change",
            )


def rated(rows: Sequence[Row], *, was_busy: bool = False) -> tuple[Row, ...]:
    """The rows with their speed-up, the best one marked, and what limited each. `was_busy`: this machine, before it began."""
    reference = next((row for row in rows if row.mode == SYNC), rows[0])
    calm = min(rows, key=lambda row: requests(row.mode) or 1)
    best = min(rows, key=lambda row: row.wall)
    is_compared = len(rows) > 1
    return tuple(
        replace(row, speed_up=reference.wall / row.wall, is_best=is_compared and row is best, note=_limit(row, calm, was_busy))
        for row in rows
    )


def _limit(row: Row, calm: Row, was_busy: bool) -> str:
    """What kept a mode from being quicker: a process that had no more to give, or answers that came much later than one at a time."""
    slow, usual = row.ttfb[1], calm.ttfb[1]
    ours = median(run.cpu / run.wall for run in row.runs)
    servers = median((run.server or 0.0) / run.wall for run in row.runs)
    if row is not calm and slow is not None and usual and slow >= SATURATED * usual:
        limit = "our core was busy" if ours >= BUSY and ours >= servers else "server saturated"
        others = _median([run.others for run in row.runs])
        if max(ours, servers) < BUSY and others is not None and others > OTHERS:
            limit = "machine busy with other programs"
        elif others is None and was_busy and limit != "our core was busy":
            limit = "server or machine busy"  # on a server of this machine nobody knows which
        return f"{limit}: p95 grew {slow / usual:.0f}x"
    if max(ours, servers) >= FULL:
        return "our core was busy" if ours >= servers else "server saturated: its core was busy"
    return ""


def warnings(found: Comparison) -> list[str]:
    """What makes the figures less than they seem."""
    said = []
    if _is_busy(found.load):
        load = f"load {found.load:.1f} on {os.cpu_count() or 1} cores"
        said.append(f"the machine was busy when this began ({load}), which makes the figures worse")
    if found.others is not None and found.others > OTHERS:
        said.append(f"other programs took {found.others:.0%} of this machine meanwhile, which makes the figures worse")
    if found.whole and found.pages < found.plan.pages:
        said.append(f"the site has {found.pages:,} page{'s' * (found.pages != 1)}, not {found.plan.pages:,}")
    if delay := max(run.delay for row in found.rows for run in row.runs):
        said.append(f"robots.txt asks for {human_duration(delay)} between two requests, which every mode kept: that was the limit")
    for row in found.rows:
        low, high = row.walls
        if high - low > SPREAD * row.wall:
            said.append(f"{mode_name(row.mode)} took {low:.2f} to {high:.2f} s: this machine or the server was doing something else")
    if any(row.note.startswith("server saturated") for row in found.rows):
        said.append("the server was the limit: with another one the modes would differ more")
    return said


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
