"""Fixtures for tests of frontiers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from crawler.store.database import Database


@pytest.fixture
def database() -> Iterator[Database]:
    """An empty database in memory."""
    with closing(Database(None)) as database:
        yield database
