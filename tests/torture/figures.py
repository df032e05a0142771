"""What a torture test is given: how much to do, what to roll, and where its figures go.

A promise has a figure and a bound. `figure` keeps both for the table that `make torture` prints, and fails the test when the
figure is beyond the bound; of several figures for one promise the worst is shown.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

Count = TypeVar("Count", int, float)


@dataclass(slots=True)
class Figure:
    """One line of the table: the worst that was measured for a promise, how often it was measured, and what it may be."""

    promise: str
    measured: float
    at_most: float | None
    at_least: float | None
    unit: str
    test: str
    times: int = 1

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return (self.at_most is None or self.measured <= self.at_most) and (self.at_least is None or self.measured >= self.at_least)

    @property
    def bound(self) -> str:
        """The bound in words."""
        parts = [f"≥ {_number(self.at_least)}"] if self.at_least is not None else []
        return " and ".join([*parts, *([f"≤ {_number(self.at_most)}"] if self.at_most is not None else [])])

    def is_worse(self, other: Figure) -> bool:
        """Whether this is the one to show of two for the same promise."""
        if self.holds != other.holds:
            return other.holds
        return self.measured > other.measured if self.at_most is not None else self.measured < other.measured


@dataclass(slots=True)
class Figures:
    """All figures of a session, in the order of their first appearance, by promise and test; and what the session rolls."""

    seed: int
    rows: dict[tuple[str, str], Figure] = field(default_factory=dict)

    def keep(self, figure: Figure) -> None:
        """Adds a figure, or lets it stand for its promise when it is the worst so far."""
        key = (figure.promise, figure.test)
        before = self.rows.get(key)
        if before is None:
            self.rows[key] = figure
            return
        times = before.times + 1
        if figure.is_worse(before):
            self.rows[key] = figure
        self.rows[key].times = times

    def table(self) -> list[str]:
        """The lines of the table, in Markdown, so that they can be kept as they are."""
        head = ("promise", "measured", "bound", "times", "holds", "test")
        body = [
            (row.promise, f"{_number(row.measured)} {row.unit}".strip(), row.bound, str(row.times), "yes" if row.holds else "NO", row.test)
            for row in self.rows.values()
        ]
        widths = [max(len(cells[column]) for cells in (head, *body)) for column in range(len(head))]
        lines = [head, tuple("-" * width for width in widths), *body]
        return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |" for cells in lines]


class Torture:
    """The fixture `torture`.

    `random` is seeded with the seed of the session and the name of the test, so that a test alone rolls what it rolled among all;
    `is_long` says whether time does not matter.
    """

    def __init__(self, figures: Figures, test: str, *, is_long: bool) -> None:
        self._figures = figures
        self._test = test
        self.is_long = is_long
        self.random = random.Random(f"{figures.seed} {test}")

    def draw(self, *, short: Count, long: Count) -> Count:
        """How much to do: `short` within the suite, a few seconds at most; `long` under `make torture`."""
        return long if self.is_long else short

    def figure(
        self,
        promise: str,
        measured: float,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        unit: str = "",
        why: object = "",
    ) -> None:
        """Keeps a figure for the table and fails the test when it is beyond its bound; `why` is shown then."""
        assert at_most is not None or at_least is not None, "a figure without a bound promises nothing"
        figure = Figure(promise, measured, at_most, at_least, unit, self._test)
        self._figures.keep(figure)
        again = f"again: pytest '{self._test}' --seed {self._figures.seed}{' --torture' if self.is_long else ''}"
        assert figure.holds, f"{promise}: {_number(measured)} {unit}, promised is {figure.bound} ({again})\n{why}"

    def nothing(self, promise: str, found: Iterable[object], unit: str = "") -> None:
        """A figure that has to be 0: how many things were found; they are shown when there are any."""
        things = list(found)
        self.figure(promise, len(things), at_most=0, unit=unit, why="\n".join(map(repr, things[:20])))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
