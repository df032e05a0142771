"""What all workers of a shared crawl know: shapes of URLs that are traps, and where seeds have led."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from crawler.frontier.shared.journal import Journal
from crawler.news import NO_NEWS, News


class Bulletin:
    """Part of the shared frontier; `command` asks the server that has the first partition, whose keys begin with `prefix`."""

    def __init__(self, command: Callable[..., Any], prefix: str, journal: Journal) -> None:
        self._command = command
        self._traps, self._released, self._widened = f"{prefix}traps", f"{prefix}released", f"{prefix}widened"
        self._journal = journal
        self._news = NO_NEWS

    def widen(self, url: str) -> None:
        """See `Frontier.widen`."""
        if url.encode() not in self._command("LRANGE", self._widened, 0, -1):
            self._command("RPUSH", self._widened, url)

    def news(self) -> News:
        """See `Frontier.news`."""
        widened = tuple(dict.fromkeys(url.decode() for url in self._command("LRANGE", self._widened, 0, -1)))
        news = News(tuple(self.patterns), widened)
        if news != self._news:
            self._news = news
        return self._news

    @property
    def patterns(self) -> list[tuple[str, str]]:
        """Hosts, each with a pattern that is quarantined there."""
        pairs = [member.decode().partition("\n") for member in self._command("SMEMBERS", self._traps)]
        return sorted((host, pattern) for host, _, pattern in pairs)

    @property
    def released(self) -> list[str]:
        """Patterns that were released: they are never quarantined again."""
        return sorted(pattern.decode() for pattern in self._command("SMEMBERS", self._released))

    def known(self, most: int) -> Iterator[tuple[str, int, str]]:
        """URLs on hosts with a trap that this worker has asked for, those that were first: each with its id and host."""
        return self._journal.known(sorted({host for host, _ in self.patterns}), most)

    def add(self, host: str, pattern: str) -> bool:
        """Remembers a trap; False when the pattern was released."""
        if self._command("SISMEMBER", self._released, pattern):
            return False
        self._command("SADD", self._traps, f"{host}\n{pattern}")
        return True

    def release(self, pattern: str) -> bool:
        """Lets a pattern go for good; False when it is not in quarantine, and never was."""
        pairs = [(host, known) for host, known in self.patterns if known == pattern]
        if not pairs:
            return pattern in self.released
        self._command("SADD", self._released, pattern)
        self._command("SREM", self._traps, *(f"{host}\n{known}" for host, known in pairs))
        return True
