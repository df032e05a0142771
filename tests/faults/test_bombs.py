"""A gibibyte behind a few kilobytes: stopped at the limit, whatever it is packed with, and however many come at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from faults.bombs import BOMBS, MIB, bomb
from faults.manifest import http
from faults.server import FaultServer, Host, Wire
from running import SECONDS, assert_at_rest, no_surroundings, rows

from crawler.fetch.body import PIECE, BodyReader
from crawler.fetch.failures import FetchFailure

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

GIBIBYTE = 1024
LIMIT = 32 * MIB


@pytest.mark.parametrize("name", BOMBS)
def test_a_gibibyte_stops_at_the_limit(name: str) -> None:
    """No more than a mebibyte beyond `max_body` is ever decoded, no more than half of one at a time."""
    reader, largest = BodyReader(BOMBS[name], LIMIT, None), 0

    with pytest.raises(FetchFailure) as stopped:  # noqa: PT012
        for piece in reader.decode(bomb(name, GIBIBYTE)):
            largest = max(largest, len(piece))
            reader.add(piece)

    assert stopped.value.error.kind == "too_big"
    assert LIMIT < reader.size <= LIMIT + MIB
    assert largest <= 2 * PIECE


@pytest.mark.parametrize("save", ["files", "none"])
def test_all_bombs_at_once_leave_the_memory_alone(tmp_path: Path, save: str) -> None:
    """One of each, a gibibyte behind every one, all in flight together: the process grows by 400 MiB at most, the pages are `too_big`
    and nothing of them is kept, whether bodies go to files or stay in memory."""
    together = asyncio.Barrier(len(BOMBS))

    async def wait_for_all(wire: Wire) -> None:
        await together.wait()

    hosts = [Host("calm", {"/": ((http(b"<p>calm", "Content-Type: text/html"),),)})]
    for name, coding in BOMBS.items():
        answer = http(bomb(name, GIBIBYTE), f"Content-Encoding: {coding}", "Content-Type: text/html")
        hosts.append(Host(name, {"/": ((answer[:1000], wait_for_all, answer[1000:]),)}))
    with FaultServer(hosts) as server:
        urls = [server.place(name) for name in BOMBS]
        calm = peak_of(server.place("calm"), "-o", tmp_path / "calm")
        grown = peak_of(*urls, "-o", tmp_path / "out", "--save", save) - calm

    assert grown <= 400 * MIB
    assert sorted(rows(tmp_path / "out", "SELECT url, error, bytes, file FROM pages")) == [
        (url, "too_big", 0, None) for url in sorted(urls)
    ]
    assert_at_rest(tmp_path / "out")


# Not getrusage: what that says of a process began with its parent.
CRAWL = """
import re, sys
from crawler.cli.main import main
code = main(sys.argv[1:])
with open("/proc/self/status") as status:
    print(re.search(r"VmHWM:\\s*(\\d+) kB", status.read())[1])
sys.exit(code)
"""


def peak_of(*words: object) -> int:
    """The most memory that a crawl ever held, in bytes."""
    if sys.platform != "linux":
        pytest.skip("the peak of a process is read from /proc")
    command = [sys.executable, "-c", CRAWL, "crawl", *map(str, words)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False)
    return int(ran.stdout) * 1024
