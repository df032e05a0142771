"""Stories of crawls are told on every way of running."""

from __future__ import annotations

import pytest
from drive import WAYS, Drive


@pytest.fixture(params=WAYS)
def drive(request: pytest.FixtureRequest) -> Drive:
    """Crawls a story: with the synchronous engine, the asynchronous one, and three workers on one frontier."""
    return Drive(request.param)
