"""A long crawl takes no more memory than a short one."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from figures import Torture
from running import no_surroundings, running, value

from crawler.bench.pages import Shape
from crawler.bench.site import BenchSite

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)


def resident(pid: int) -> float:
    """The memory that a process has, in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0.0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc here")
def test_memory_stays(torture: Torture, tmp_path: Path) -> None:
    """100,000 pages: from the first fifth on a crawl grows by 64 MiB at most."""
    pages = torture.draw(short=800, long=100_000)
    grown: list[float] = []
    with BenchSite(Shape(pages=pages, links=12, size=1024)) as site:
        with running(site.url, "-o", tmp_path / "out", "-q", "--save", "none", "--max-time", "20m") as process:
            while process.poll() is None:
                if site.stats().requests >= pages / 5 and (now := resident(process.pid)):
                    grown.append(now)
                time.sleep(torture.draw(short=0.05, long=0.5))
        assert process.returncode == 0
    assert value(tmp_path / "out", "SELECT count(*) FROM pages WHERE outcome = 'ok'") == pages
    torture.figure("memory between a fifth and all of 100,000 pages", max(grown) - grown[0], at_most=64, unit="MiB")
