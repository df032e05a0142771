"""Screens of whole lines: for logs, for programs, and for those who want less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TextIO

from crawler.cli.messages import say
from crawler.cli.screen_text import encodable, page_line, plain_progress, refusal_line, start_line
from crawler.model import Page, Refusal
from crawler.progress import Progress
from crawler.redaction import redact
from crawler.text import as_json, printable

# A log has no width: one line each.
_ANY_WIDTH = 10_000


class SilentScreen:
    """Shows nothing."""

    def start(self, title: str, folder: str, facts: Sequence[str]) -> None:
        """See `Screen.start`."""

    def update(self, progress: Progress) -> None:
        """See `Screen.update`."""

    def page(self, page: Page) -> None:
        """See `Screen.page`."""

    def refused(self, refusal: Refusal) -> None:
        """See `Screen.refused`."""

    def warn(self, message: str, cause: str | None = None) -> None:
        """See `Screen.warn`."""

    def tell(self, line: str) -> None:
        """See `Screen.tell`."""

    def stop(self) -> None:
        """See `Screen.stop`."""


class MessageScreen(SilentScreen):
    """Shows warnings, and pages when `verbose`; no progress."""

    def __init__(self, stream: TextIO, verbose: int) -> None:
        self._stream = stream
        self._verbose = verbose
        self._warned: set[str] = set()

    def page(self, page: Page) -> None:
        """See `Screen.page`."""
        if self._verbose:
            self._say(page_line(page, self._verbose > 1))

    def refused(self, refusal: Refusal) -> None:
        """See `Screen.refused`."""
        if self._verbose > 1:
            self._say(refusal_line(refusal))

    def warn(self, message: str, cause: str | None = None) -> None:
        """See `Screen.warn`."""
        if (cause or message) not in self._warned:
            self._warned.add(cause or message)
            self._say(f"warning: {printable(message)}")

    def tell(self, line: str) -> None:
        """See `Screen.tell`."""
        self._say(line)

    def _say(self, line: str) -> None:
        say(encodable(line, self._stream.encoding), self._stream)


class PlainScreen(MessageScreen):
    """One line at the start and one every ten seconds."""

    SECONDS = 10.0

    def __init__(self, stream: TextIO, verbose: int, clock: Callable[[], float]) -> None:
        super().__init__(stream, verbose)
        self._clock = clock
        self._next = 0.0

    def start(self, title: str, folder: str, facts: Sequence[str]) -> None:
        """See `Screen.start`."""
        self._next = self._clock() + self.SECONDS
        for line in start_line(title, folder, facts, _ANY_WIDTH):
            self._say(line)

    def update(self, progress: Progress) -> None:
        """See `Screen.update`."""
        now = self._clock()
        if now >= self._next:
            # From the due time on, so that lines do not drift; after a pause from now on, so that they do not pile up.
            due = self._next + self.SECONDS
            self._next = due if due > now else now + self.SECONDS
            self._say(plain_progress(progress))


class JsonScreen(MessageScreen):
    """One JSON object a line: `event` is start, progress (once a second, and the last one at the end), page, refused, warning,
    message or stop."""

    SECONDS = 1.0

    def __init__(self, stream: TextIO, verbose: int, clock: Callable[[], float]) -> None:
        super().__init__(stream, verbose)
        self._clock = clock
        self._next: float | None = None
        self._unsaid: Progress | None = None
        self._stopped = False

    def start(self, title: str, folder: str, facts: Sequence[str]) -> None:
        """See `Screen.start`."""
        self._put(event="start", title=title, folder=folder, facts=list(facts))

    def update(self, progress: Progress) -> None:
        """See `Screen.update`."""
        self._unsaid = progress
        now = self._clock()
        if self._next is None or now >= self._next:
            self._next = now + self.SECONDS
            self._say_progress()

    def page(self, page: Page) -> None:
        """See `Screen.page`."""
        if self._verbose:
            error = page.error and str(page.error)
            self._put(
                event="page",
                url=page.url,
                status=page.status,
                outcome=page.outcome,
                error=error,
                bytes=page.content.size,
                elapsed=page.elapsed,
            )

    def refused(self, refusal: Refusal) -> None:
        """See `Screen.refused`."""
        if self._verbose > 1:
            self._put(event="refused", url=redact(refusal.url), reason=refusal.reason, detail=redact(refusal.detail), parent=refusal.parent)

    def warn(self, message: str, cause: str | None = None) -> None:
        """See `Screen.warn`."""
        if (cause or message) not in self._warned:
            self._warned.add(cause or message)
            self._put(event="warning", message=message, cause=cause)

    def tell(self, line: str) -> None:
        """See `Screen.tell`."""
        self._put(event="message", message=line)

    def stop(self) -> None:
        """See `Screen.stop`."""
        if not self._stopped:
            self._stopped = True
            self._say_progress()
            self._put(event="stop")

    def _say_progress(self) -> None:
        if self._unsaid is not None:
            self._put(event="progress", **asdict(self._unsaid))
            self._unsaid = None

    def _put(self, **values: object) -> None:
        say(as_json(values, ascii=True), self._stream)
