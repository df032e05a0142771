"""Crawlers to be killed, from the side of the test."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from running import SECONDS, is_surrounding
from wounds import Wound

from crawler.assembly import Assembly
from crawler.store.sync import INTERVAL

HERE = Path(__file__).resolve().parent


class Victim:
    """A crawl in a process of its own: `kill` ends it, `wait` says how it ended."""

    def __init__(self, number: int, answers: Any) -> None:
        self._answers = answers
        self._code: int | None = None
        self._handle = -1
        with suppress(ProcessLookupError):
            self._handle = os.pidfd_open(number)

    def kill(self) -> None:
        """SIGKILL; nothing, when it has ended."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def stop(self) -> None:
        """SIGSTOP: it does nothing, and knows nothing of it."""
        signal.pidfd_send_signal(self._handle, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        signal.pidfd_send_signal(self._handle, signal.SIGCONT)

    def pause(self) -> None:
        """SIGTERM: it is to end, and leave nothing behind."""
        signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def has_ended(self, seconds: float = 0.0) -> bool:
        """Whether it ends within so many seconds."""
        return self._handle < 0 or bool(select.select([self._handle], [], [], seconds)[0])

    def wait(self) -> int:
        """Its exit code, -9 after a kill. One that does not end by itself is killed."""
        if self._code is None:
            if not self.has_ended(SECONDS):
                self.kill()
            self._code = int(self._answers.readline())
            if self._handle >= 0:
                os.close(self._handle)
                self._handle = -1
        return self._code


class Victims:
    """Starts crawls, one after the other and quickly, under `with`. What they say goes to the file `log`."""

    def __init__(self, log: Path) -> None:
        own = {name: value for name, value in os.environ.items() if not is_surrounding(name)}
        paths = os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parent.parent), own.get("PYTHONPATH", "")])
        self._log = log
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._zygote = subprocess.Popen([sys.executable, str(HERE / "zygote.py")], env=own | {"PYTHONPATH": paths}, **pipes)
        self._last: Victim | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        if self._last is not None:
            self._last.wait()
        self._zygote.communicate()

    def start(
        self,
        *words: object,
        wounds: Sequence[Wound] = (),
        copies: Path | None = None,
        interval: float = INTERVAL,
        ttl: float = Assembly.ttl,
    ) -> Victim:
        """Starts a command line, wounded or not. The one before has to have ended. With `copies` it keeps copies of its database
        there, one for each sync, of which there is one every `interval` seconds (see `power`). Its leases last `ttl` seconds."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        words_said = [str(word) for word in words]
        job = {"words": words_said, "log": str(self._log), "wounds": wounds, "copies": copies and str(copies), "interval": interval}
        job["ttl"] = ttl
        self._zygote.stdin.write(json.dumps(job) + "\n")
        self._zygote.stdin.flush()
        self._last = Victim(int(self._zygote.stdout.readline()), self._zygote.stdout)
        return self._last

    def run(self, *words: object, **options: Any) -> int:
        """The same, and waits for its exit code."""
        return self.start(*words, **options).wait()

    def kill(self) -> None:
        """Kills the one that runs."""
        if self._last is not None:
            self._last.kill()

    @property
    def said(self) -> str:
        """What they wrote so far."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""
