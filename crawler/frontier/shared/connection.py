"""The servers of a shared frontier: which one has which partition, their clock, and patience when one is away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from threading import Event
from typing import Any

from crawler.errors import FrontierError, UsageError
from crawler.redaction import redact

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.exceptions import AuthenticationError, ConnectionError, NoScriptError, RedisError, TimeoutError
    from redis.retry import Retry
except ImportError as error:  # the extra is not installed
    raise UsageError("a shared frontier needs redis-py", str(error), "pip install 'asyncrawl[redis]'") from error

PATIENCE = 60.0
"""Seconds for which a server may be away before the crawl gives up; whatever was begun goes on when it is back."""

_AGAIN = (0.05, 0.1, 0.2, 0.5, 1.0)
_OLDEST = (6, 2)
_SHIFTING = 5.0
_AT_FIRST = 3.0  # a wrong address is said soon
_RUN = re.compile(rb"run_id:(\w+)")
_AGE = re.compile(rb"uptime_in_seconds:(\d+)")

Argument = bytes | str | int | float


class Servers:
    """One or several Redis servers, `redis://host:port/db` separated by commas; partition p lies on server p modulo their number.

    Every call is repeated for `patience` (`PATIENCE`) seconds while its server is away: all scripts bear being run twice. Raises
    FrontierError when it stays away, or says no; UsageError for a server that cannot be used at all (too old, or one that forgets when it
    is full).
    """

    def __init__(self, urls: str, patience: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.urls = tuple(url.strip() for url in urls.split(",") if url.strip())
        self._patience = PATIENCE if patience is None else patience
        self._monotonic = clock
        self._offset: float | None = None
        self.hurry = Event()
        """Set it when nobody has time to wait for a server any more."""
        try:
            self._clients = [_client(url, self._connected(number)) for number, url in enumerate(self.urls)]
        except ValueError as error:
            raise UsageError(f"'{redact(urls)}' is no frontier", str(error), "--frontier redis://localhost:6379/0") from error
        self._runs: list[tuple[str, float] | None] = [None] * len(self._clients)  # which run of each server is known, and its start
        self.on_restart: Callable[[int], object] = lambda server: None
        """Called with the number of a server that is another run than before, before anything else is asked of it."""
        self._is_begun = False
        try:
            for number in range(len(self._clients)):
                self._check(number)
            self._is_begun = True
            self._set_clock()
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._clients)

    def __repr__(self) -> str:
        return f"<Servers {redact(', '.join(self.urls))}>"

    def _connected(self, number: int) -> Callable[[Any], None]:
        """What is done with each new connection to a server. Raises RestartedError when it leads to another run than the one before."""

        def greet(connection: Any) -> None:
            connection.on_connect()
            connection.send_command("INFO", "server")
            info = connection.read_response()
            run, age = _RUN.search(info), _AGE.search(info)
            name, seconds = run[1].decode() if run else "", float(age[1]) if age else 0.0
            known, self._runs[number] = self._runs[number], (name, self._monotonic() - seconds)
            if known is not None and known[0] != name:
                raise RestartedError(f"{redact(self.urls[number])} was started again")

        return greet

    def run_of(self, number: int) -> tuple[str, float]:
        """Which run of a server it is that was reached last, and for how many seconds it has been up, to a second."""
        name, started = self._runs[number] or ("", self._monotonic())
        return name, self._monotonic() - started

    def may_forget(self, number: int) -> bool:
        """Whether a server that is killed, or loses its power, may lose what it has acknowledged: unless its log is on the disk first
        (`appendfsync always`), and it says so."""
        try:
            known: dict[str, str] = self.command(number, "CONFIG GET", "append*")
        except FrontierError:  # a service that does not show its configuration
            return True
        return known.get("appendonly") != "yes" or known.get("appendfsync") != "always"

    def rewrite_log(self, number: int) -> None:
        """Has a server write its log anew, after a start that found it cut off. Redis (7.0.15) may have left the first half of a
        transaction at that place, to which the next start would join the beginning of another one."""
        with suppress(FrontierError):  # it is at it already, or has no log
            self.command(number, "BGREWRITEAOF")

    def _check(self, number: int) -> None:
        """Makes sure that a server can be relied on."""
        known: dict[str, Any] = self.command(number, "INFO")
        where, version = redact(self.urls[number]), str(known.get("redis_version", "0.0"))
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            raise UsageError(f"{where} is Redis {version}", "a shared frontier needs 6.2 or later, or Valkey", "a newer server")
        if (policy := known.get("maxmemory_policy", "noeviction")) != "noeviction":
            why = f"its maxmemory-policy is {policy}: it would forget URLs when its memory is full"
            raise UsageError(f"{where} cannot hold a frontier", why, "redis-cli config set maxmemory-policy noeviction")

    # -- time ------------------------------------------------------------------------------------------------------------

    def clock(self) -> float:
        """The first server's time now, as near as can be told from here: never behind it."""
        return self._monotonic() + (self._offset or 0.0)

    def own_time(self) -> float:
        """Our own clock, by which `heard` is told when something was sent."""
        return self._monotonic()

    def heard(self, server_time: float, sent_at: float) -> None:
        """A server's time in an answer to what was sent at `sent_at` (of our own clock): the server cannot have been further ahead."""
        ahead = server_time - sent_at
        if self._offset is None or ahead < self._offset or ahead > self._offset + _SHIFTING:
            self._offset = ahead

    def _set_clock(self) -> None:
        for _ in range(3):
            sent_at = self._monotonic()
            seconds, micros = self.command(0, "TIME")
            self.heard(int(seconds) + int(micros) / 1e6, sent_at)

    # -- calls -----------------------------------------------------------------------------------------------------------

    def script(self, server: int, name: str, prefix: str, arguments: Sequence[Argument]) -> Any:
        """Runs a script on the partition with this prefix."""
        text, digest = _script(name)
        client = self._clients[server]

        def run() -> Any:
            try:
                return client.evalsha(digest, 1, prefix, *arguments)
            except NoScriptError:
                return client.eval(text, 1, prefix, *arguments)

        return self._patiently(server, run)

    def command(self, server: int, *words: Argument) -> Any:
        """Runs one command."""
        return self._patiently(server, lambda: self._clients[server].execute_command(*words))  # type: ignore[no-untyped-call]

    def _patiently(self, server: int, run: Callable[[], Any]) -> Any:
        until: float | None = None
        tries = 0
        while True:
            try:
                return run()
            except RestartedError:
                self.on_restart(server)
            except AuthenticationError as error:
                raise self._refused(server, error) from error
            except (ConnectionError, TimeoutError, OSError) as error:
                now = self._monotonic()
                until = now + (self._patience if self._is_begun else min(self._patience, _AT_FIRST)) if until is None else until
                if now >= until or self.hurry.is_set():
                    self.hurry.set()  # whoever gives up does not wait again for each thing that is left to say
                    raise self._away(server, error) from error
                self.hurry.wait(_AGAIN[min(tries, len(_AGAIN) - 1)])
                tries += 1
            except RedisError as error:
                raise self._refused(server, error) from error

    def _away(self, server: int, error: Exception) -> FrontierError:
        where = redact(self.urls[server])
        return FrontierError(
            f"the frontier at {where} cannot be reached", redact(str(error)), "the same command once it is back: nothing is lost"
        )

    def _refused(self, server: int, error: Exception) -> FrontierError:
        where = redact(self.urls[server])
        hint = "give it more memory (maxmemory)" if "OOM" in str(error) or "maxmemory" in str(error) else "redis-cli -u URL ping"
        return FrontierError(f"the frontier at {where} refuses", redact(str(error)), hint)

    def close(self) -> None:
        """Closes all connections."""
        for client in self._clients:
            client.close()


class RestartedError(ConnectionError):
    """A server is another run than before."""


def _client(url: str, greet: Callable[[Any], None]) -> redis.Redis:
    never = Retry(NoBackoff(), 0)
    times = {"socket_timeout": 10.0, "socket_connect_timeout": 3.0}
    client: redis.Redis = redis.Redis.from_url(url, retry=never, redis_connect_func=greet, protocol=2, **times)
    return client


@cache
def _script(name: str) -> tuple[str, str]:
    """A script, and the digest under which servers know it."""
    from hashlib import sha1

    folder = files("crawler.frontier.shared").joinpath("lua")
    parts = ("library", name) if name == "add" else ("library", "hosts", name)  # what a script brings, each call of it makes anew
    text = "".join(folder.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()
