"""The torture harness itself: bounds hold or fail, the table shows the worst, a seed repeats what was rolled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from figures import Figures, Torture

ROOT = Path(__file__).resolve().parent.parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text("utf-8")


def test_a_figure_beyond_its_bound_fails_and_stays_in_the_table() -> None:
    """The message names promise, figure and bound, and how to see it again; the row says NO."""
    figures = Figures(7)
    torture = Torture(figures, "tests/test_it.py::test_it", is_long=True)
    with pytest.raises(
        AssertionError, match=r"pages lost: 3 pages, promised is ≤ 0 \(again: pytest 'tests/test_it.py::test_it' --seed 7 --torture"
    ):
        torture.figure("pages lost", 3, at_most=0, unit="pages")
    assert re.search(r"\| pages lost +\| 3 pages +\| ≤ 0 +\| 1 +\| NO ", figures.table()[-1])


def test_of_many_figures_the_worst_is_shown() -> None:
    """For an upper bound the highest, for a lower one the lowest, with the number of times it was measured."""
    figures = Figures(0)
    torture = Torture(figures, "t", is_long=False)
    for measured in (1, 5, 2):
        torture.figure("refetched", measured, at_most=10)
        torture.figure("rate", measured, at_least=0.5)
    assert [(row.measured, row.times, row.bound) for row in figures.rows.values()] == [(5, 3, "≤ 10"), (1, 3, "≥ 0.5")]


def test_what_should_not_be_there_is_shown() -> None:
    """`nothing` counts, and names what it found."""
    torture = Torture(Figures(0), "t", is_long=False)
    torture.nothing("tasks left", [])
    with pytest.raises(AssertionError, match="'a task'"):
        torture.nothing("tasks left", ["a task"])


def test_a_seed_repeats_what_was_rolled() -> None:
    """The same seed and test roll the same; another test or another seed rolls something else."""
    rolls = [Torture(Figures(seed), test, is_long=False).random.random() for seed, test in ((1, "a"), (1, "a"), (1, "b"), (2, "a"))]
    assert rolls[0] == rolls[1]
    assert len(set(rolls)) == 3


def test_every_test_that_the_page_of_promises_names_exists() -> None:
    """docs/reliability.md says of each promise which test holds it; `FILE::TEST` is one of ours."""
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", RELIABILITY)
    assert named
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), f"{file}::{test}"
