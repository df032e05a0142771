"""The commands of the pages on many machines run as they are written. Those of docs/docker.md run where an engine is: see `.ci/docker`."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer, needs_redis
from running import Capture, no_surroundings, rows, run

from crawler.testing import Site, site

ROOT = Path(__file__).resolve().parent.parent
PAGES = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("guides/many-machines.md", "scale.md"))
COMMANDS = [line for block in re.findall(r"^```\w*\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL) for line in block.splitlines()]

pytestmark = pytest.mark.usefixtures("no_surroundings")
__all__ = ["no_surroundings"]


@pytest.fixture
def web() -> Iterator[Site]:
    """Five pages that link to the next, and one that does not exist."""
    with site({f"/{number or ''}": f"<title>{number}</title><a href=/{number + 1}>on</a>" for number in range(5)}) as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with the flags that the guide gives it, in the place of the one it names."""
    needs_redis()
    (flags,) = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("redis-server ")]
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis", flags=flags)
    yield server
    server.stop()


def test_the_commands_of_these_pages_run_one_after_the_other(
    server: RedisServer, web: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    """From the first seed to one merged folder; only the site and the server are elsewhere."""
    monkeypatch.chdir(tmp_path)
    crawls = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("crawler ")]
    for words in crawls:
        here = [word.replace("https://example.org", web.url()).replace("redis://queue.internal:6379/0", server.url) for word in words]
        ran = run(capfd, *here)
        assert ran.code == 0, f"{words}: {ran.err}"
    assert [words[0] for words in crawls[:5]] == ["crawl", "worker", "status", "report", "merge"]
    assert rows(tmp_path / "out", "SELECT outcome, count(*) FROM pages GROUP BY 1") == [("http_error", 1), ("ok", 5)]
    assert sorted(path.name for path in (tmp_path / "shards").glob("*/crawl.db")) == ["crawl.db", "crawl.db"]
    info = subprocess.run(["redis-cli", "-s", str(server.socket), "config", "get", "*"], check=True, capture_output=True, text=True).stdout
    assert "appendonly\nyes\n" in info
    assert "maxmemory-policy\nnoeviction\n" in info
