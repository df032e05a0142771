"""Every adapter of a Protocol, so that one suite runs on all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from frontiers import Adapter, Clock


@pytest.fixture
def clock() -> Clock:
    """Time, at which the test turns."""
    return Clock()


@pytest.fixture(params=["disk", "memory database", "memory", "redis"])
def adapter(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Adapter]:
    """One kind of frontier."""
    with closing(Adapter(request.param, tmp_path, clock)) as adapter:
        yield adapter


@pytest.fixture(params=["disk", "memory database"])
def in_database(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Adapter]:
    """One kind of frontier that has transactions."""
    with closing(Adapter(request.param, tmp_path, clock)) as adapter:
        yield adapter


@pytest.fixture
def on_disk(tmp_path: Path, clock: Clock) -> Iterator[Adapter]:
    """A frontier that can be opened again."""
    with closing(Adapter("disk", tmp_path, clock)) as adapter:
        yield adapter
