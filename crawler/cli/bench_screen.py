"""How far a measurement is: a bar on a terminal, a line for each crawl elsewhere."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, TextIO

from crawler.bench.compare import WARM_UP, Plan, Tell, mode_name
from crawler.cli.messages import say
from crawler.cli.screen import wants_color
from crawler.text import human_clock, human_duration

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


class Forecast:
    """How long the rest of a plan takes: each mode as long as its last run."""

    def __init__(self, modes: Sequence[str], repeat: int) -> None:
        self._schedule = [WARM_UP, *[mode for _ in range(repeat) for mode in modes]]
        self._took: dict[str, float] = {}
        self._begun: tuple[str, float] | None = None

    def starts(self, done: int, now: float) -> None:
        """The crawl after `done` others starts, and the one before has ended."""
        if self._begun is not None:
            mode, then = self._begun
            self._took[mode] = now - then
        self._begun = self._schedule[done], now

    def left(self, done: int, now: float) -> float | None:
        """Seconds until the end; None while a mode is still to run for the first time."""
        rest = self._schedule[done:]
        if self._begun is None or not all(mode in self._took for mode in rest):
            return None
        running = max(0.0, self._took[rest[0]] - (now - self._begun[1]))
        return running + sum(self._took[mode] for mode in rest[1:])


@contextmanager
def telling(plan: Plan, stream: TextIO) -> Iterator[Tell]:
    """Gives what a comparison tells of its progress to; whatever was drawn is gone at the end."""
    forecast = Forecast(plan.modes, plan.repeat)
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, total, mode, turn: _say_line(forecast, stream, done, f"{done + 1}/{total}  {_what(mode, turn)}")
        return
    with _bar(forecast, stream) as bar:
        task = bar.add_task("", total=1 + plan.repeat * len(plan.modes), number=1)

        def draw(done: int, total: int, mode: str, turn: str) -> None:
            forecast.starts(done, time.monotonic())
            bar.update(task, completed=done, number=done + 1, description=_what(mode, turn))

        yield draw


def _what(mode: str, turn: str) -> str:
    return mode if mode == WARM_UP else f"{mode_name(mode)}, {turn}"


def _say_line(forecast: Forecast, stream: TextIO, done: int, line: str) -> None:
    now = time.monotonic()
    forecast.starts(done, now)
    say(f"  {line}{_left(forecast.left(done, now))}", stream)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"   about {human_duration(ceil(seconds))} left"


def _bar(forecast: Forecast, stream: TextIO) -> Progress:
    # Here, because it takes a tenth of a second: only who measures pays.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = _left(forecast.left(int(task.completed), time.monotonic()))
            return Text(left.strip() or human_clock(task.elapsed or 0.0), no_wrap=True)

    whole = Column(no_wrap=True)
    columns: list[ProgressColumn] = [
        TextColumn("  {task.fields[number]}/{task.total}", style="none", table_column=Column(no_wrap=True, min_width=7)),
        BarColumn(table_column=Column(ratio=1, min_width=6, max_width=40), complete_style="cyan", finished_style="cyan"),
        TextColumn("{task.description}", style="none", table_column=whole),
        Left(table_column=whole),
    ]
    color = wants_color("auto", stream, os.environ)
    width = shutil.get_terminal_size().columns - len("^C ")  # what Ctrl-C leaves there would break a full line
    console = Console(file=stream, width=width, force_terminal=True, no_color=not color, highlight=False, markup=False, emoji=False)
    return Progress(*columns, console=console, transient=True, refresh_per_second=4, expand=True)
