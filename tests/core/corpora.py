"""Public test data that lies beside the checkout, in `../shared/corpora` (its SOURCES.md says where each file is from).

pytest puts this folder on the path: `from corpora import cases, told`. Call them inside a test, so that the other tests of the
file still run where the corpora are absent. What is told stands at the end of the run, so that nobody takes "passed" for more than it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

NOT_USED = {
    "url_setters.json": "URL, 6.1: nothing here sets a part of a URL",
}
"""Cases that no test asks for, and why."""

TOLD: dict[str, str] = {}
"""For each corpus that a test of this run has asked, how many of its cases got their answer."""

CORPORA = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"


def cases(name: str) -> list[Any]:
    """The cases of one JSON file, such as "robots.json". Skips the calling test, saying why, when the file is absent."""
    path = _existing(name)
    data: list[Any] = json.loads(path.read_text("utf-8"))["data"]
    return data


def files(folder: str) -> list[Path]:
    """The files of one folder, such as "robots_files", sorted. Skips the calling test, saying why, when it is absent."""
    return sorted(path for path in _existing(folder).iterdir() if path.is_file())


def told(name: str, passed: int, asked: int, note: str = "") -> None:
    """Keeps for the end of the run how many of the cases asked have passed. `note` says by what the others differ."""
    TOLD[name] = f"{passed:>5} of {asked:<5} {note}".rstrip()


def all_told() -> dict[str, str]:
    """A line for each corpus that was asked or is not asked at all, by its name; nothing when none was asked."""
    return TOLD | {name: f"not asked: {why}" for name, why in NOT_USED.items()} if TOLD else {}


def clauses(excuses: Mapping[str, str]) -> str:
    """The clauses among the reasons of a table of excuses."""
    return "the others by " + "; ".join(sorted({reason.partition(":")[0] for reason in excuses.values()}))


def _existing(name: str) -> Path:
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"the public test data is absent: shared/corpora/{name} beside the checkout", allow_module_level=True)
    return path
