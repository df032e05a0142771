"""Whoever looks at a crawl while it runs: the screen, the log, the rows on standard output."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crawler.cli.rows import Rows
from crawler.cli.screen import Screen
from crawler.core.seen import SeenFilter
from crawler.model import Page, Record, Refusal
from crawler.progress import Trouble
from crawler.text import as_json, human_duration

if TYPE_CHECKING:
    from crawler.assembly import Assembly, Engine
    from crawler.cli.metrics import Metrics
    from crawler.store.log import EventLog


class Audience:
    """Everything that looks at pages while the crawl runs: the screen, the log, the rows on standard output."""

    def __init__(self, opened: Assembly, screen: Screen, log: EventLog | None, rows: Rows | None, metrics: Metrics | None = None) -> None:
        self._opened = opened
        self._screen = screen
        self._log = log
        self._rows = rows
        self._metrics = metrics
        self.engines: list[Engine] = []
        """What runs the crawl: stopped when nobody reads the rows any more."""
        opened.judge.on_trouble = self._worry
        self._verbose = opened.settings.verbose
        if self._verbose > 1:
            opened.judge.on_refusal = self._refuse
            self._refused = SeenFilter()  # several pages link to one URL

    @property
    def looks(self) -> bool:
        """Whether anybody looks at what is stored."""
        return self._rows is not None or not self._opened.settings.quiet

    def warn(self, message: str) -> None:
        """Says on the screen and in the log that something went wrong which does not end the crawl."""
        self._screen.warn(message)
        self._write("warning", message=message)

    def _worry(self, trouble: Trouble) -> None:
        """Says why nothing seems to happen, the first time for each cause; the log is told of every host."""
        message = f"{trouble.host} is left alone for {human_duration(trouble.seconds)}: {trouble.why}"
        self._screen.warn(message, trouble.cause)
        self._write("trouble", host=trouble.host, cause=trouble.cause, why=trouble.why, seconds=round(trouble.seconds, 3))

    def pages(self, records: Sequence[Record]) -> None:
        """Takes what a commit stored."""
        if self._rows is not None:
            with self._reader():
                self._rows.put(self._lines(records))
        self._name(records)

    async def deliver(self, records: Sequence[Record]) -> None:
        """The same, for the asynchronous engine."""
        if self._rows is not None:
            with self._reader():
                await self._rows.deliver(self._lines(records))
        self._name(records)

    @contextmanager
    def _reader(self) -> Iterator[None]:
        """Pauses the crawl when whoever reads the rows has left."""
        try:
            yield
        except BrokenPipeError:
            for engine in self.engines:
                engine.stop("no reader", 0.0)

    def give_up(self) -> None:
        """Waits no longer for whoever reads the rows."""
        if self._rows is not None:
            self._rows.give_up()

    def _lines(self, records: Sequence[Record]) -> str:
        """A row for each page."""
        from crawler.store.row import row_of

        rows = (row_of(record) for record in records if record.page.role != "sitemap")
        return "".join(as_json(row._asdict()) + "\n" for row in rows)

    def _name(self, records: Sequence[Record]) -> None:
        if self._metrics is not None:
            self._metrics.count(records)
        if self._verbose:
            for record in records:
                if record.page.role != "sitemap":
                    self._screen.page(record.page)
                    self._write("page", **_facts_of(record.page))

    def _refuse(self, refusal: Refusal) -> None:
        if refusal.id not in self._refused:
            self._refused.update((refusal.id,))
            self._screen.refused(refusal)
            facts = {"reason": refusal.reason, "detail": refusal.detail, "parent": refusal.parent, "depth": refusal.depth}
            self._write("refused", url=refusal.url, **facts)

    def _write(self, event: str, **facts: object) -> None:
        if self._log is not None:
            self._log.write(event, **facts)

    def progress(self, engine: Engine) -> None:
        """Redraws the screen."""
        progress = self._opened.progress(engine)
        self._screen.update(progress)
        if self._metrics is not None:
            self._metrics.progress(progress, self._opened.workbench.losses, self._opened.due_hosts)

    def pausing(self, number: int, grace: float) -> None:
        """Says at once that a signal was heard, for what is in flight may take a while."""
        from crawler.cli.screen_text import pausing_line

        in_flight = sum(len(engine.flying()) for engine in self.engines)
        self._screen.tell(pausing_line(in_flight, grace, "Ctrl-C again" if number == signal.SIGINT else "a second signal"))


def _facts_of(page: Page) -> dict[str, object]:
    """What the log says of a page; seconds and bytes."""
    return {
        "url": page.url,
        "status": page.status,
        "outcome": page.outcome,
        "error": page.error and str(page.error),
        "redirect_to": page.redirect_to,
        "depth": page.depth,
        "parent": page.parent,
        "bytes": page.content.size,
        "elapsed": round(page.elapsed, 3),
        "attempts": page.attempts,
    }
