"""A Redis of the tests' own, on a socket file: one for each process of the tests, started when the first test asks for it."""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[2] / "shared" / "tools" / "with-redis"

_numbers = count()


def _die_with_parent() -> None:
    """Also when that is killed, nothing is left behind (Linux: prctl, PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class RedisServer:
    """A redis-server in a folder of its own. With `append` it writes every change to its log, and with `sync` "always", to the disk, before
    it answers. `flags` go after these."""

    def __init__(self, folder: Path, *, append: bool = False, sync: str = "always", flags: Sequence[str] = ()) -> None:
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}?db=0"
        self._append = append
        self._sync = sync
        self._flags = flags
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        words = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", "", "--daemonize", "no"]
        words += ["--appendonly", "yes", "--appendfsync", self._sync] if self._append else ["--appendonly", "no"]
        words += self._flags
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(["redis-server", *words], start_new_session=True, preexec_fn=_die_with_parent, **pipes)
        assert process.stdout is not None
        for line in process.stdout:  # says so when it listens
            if b"ready to accept connections" in line.lower():
                return process
        raise AssertionError("redis-server did not start")

    @property
    def log(self) -> Path:
        """Where the changes are written, once it is not being written anew."""
        import redis

        with closing(redis.Redis.from_url(self.url)) as client:
            while client.info("persistence")["aof_rewrite_in_progress"]:
                pass
        (log,) = (self.folder / "appendonlydir").glob("*.aof")
        return log

    def forget(self, size: int) -> None:
        """Kills it, cuts its log there, and starts it again: it has lost its power before the rest was on the disk."""
        log = self.log
        self.kill()
        with log.open("r+b") as file:
            file.truncate(size)
        self.start()

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is written."""
        self.process.kill()
        self._gone()

    def start(self) -> None:
        """The same server again, with what its log has kept."""
        self.process = self._started()

    def stop(self) -> None:
        self.process.terminate()
        self._gone()

    def _gone(self) -> None:
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def needs_redis() -> None:
    """Skips the test where there is no Redis."""
    if shutil.which("redis-server") is None:
        how = f"{TOOL} installs one" if TOOL.exists() else "install redis-server"
        pytest.skip(f"no redis-server on PATH: {how}")
    pytest.importorskip("redis", reason="redis-py is not installed: pip install 'asyncrawl[redis]'")


@cache
def shared_server() -> RedisServer:
    """The one of this process, which ends with it."""
    folder = tempfile.mkdtemp(prefix="crawler-redis-")
    server = RedisServer(Path(folder))

    def end(owner: int = os.getpid()) -> None:
        if os.getpid() == owner:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server


def new_name() -> str:
    """A name that no other crawl on the server has."""
    return f"test-{next(_numbers)}"
