"""Public test data that lies beside the checkout, in `../shared/corpora` (its SOURCES.md says where each file is from).

pytest puts this folder on the path: `from corpora import cases`. Call both inside a test, so that the other tests of the
file still run where the corpora are absent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CORPORA = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"


def cases(name: str) -> list[Any]:
    """The cases of one JSON file, such as "robots.json". Skips the calling test, saying why, when the file is absent."""
    path = _existing(name)
    data: list[Any] = json.loads(path.read_text("utf-8"))["data"]
    return data


def files(folder: str) -> list[Path]:
    """The files of one folder, such as "robots_files", sorted. Skips the calling test, saying why, when it is absent."""
    return sorted(path for path in _existing(folder).iterdir() if path.is_file())


def _existing(name: str) -> Path:
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"the public test data is absent: shared/corpora/{name} beside the checkout", allow_module_level=True)
    return path
