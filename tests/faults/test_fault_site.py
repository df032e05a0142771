"""The whole manifest as one crawl: every URL ends as its promise says, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults.whole_crawl import crawl_the_site
from running import Capture, no_surroundings

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_every_fault_ends_as_promised(mode: str, tmp_path: Path, capfd: Capture, certificates: Callable[..., Path]) -> None:
    """Bodies, answers, connections, certificates: each has its outcome, status, kind of error and sentence. Whole pages are stored
    byte by byte and nothing else is; what may pass is asked again, what will not is asked once; the crawl ends by itself."""
    crawl_the_site(Random(1), mode, tmp_path / "out", capfd, certificates)
