"""The live display on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TextIO

from crawler.cli.screen_text import encodable, page_line, paragraph, refusal_line, render_progress, start_line
from crawler.model import Page, Refusal
from crawler.progress import Progress
from crawler.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

SECONDS = 0.25
"""Between two drawings."""

# Numbers of what went wrong stand out, unless they are 0.
_WRONG = r"(?:4xx|5xx|failed) [1-9][\d,]*"


class LiveScreen:
    """Lines that change in place below whatever is said meanwhile, and vanish at the end. Needs a terminal.

    Drawn at most four times a second, on `update` alone: there is no thread. Every drawing asks anew how wide the terminal is.
    """

    def __init__(self, stream: TextIO, color: bool, verbose: int, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._color = color
        self._verbose = verbose
        self._clock = clock
        self._next = 0.0
        self._warned: set[str] = set()
        self._waiting: list[str] = []
        self._console: Console | None = None
        self._live: Live | None = None

    def start(self, title: str, folder: str, facts: Sequence[str]) -> None:
        """See `Screen.start`."""
        self._console = self._new_console()
        self._waiting += [*start_line(title, folder, facts, self._console.width), ""]
        self._guarded(self._begin)

    def _begin(self) -> None:
        from rich.live import Live

        self._say_waiting()
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
        self._live.start()

    def _new_console(self) -> Console:
        # Here, because it takes a tenth of a second: only whoever looks at it pays.
        from rich.console import Console

        class SteadyConsole(Console):
            def on_broken_pipe(self) -> None:
                # Rich would end the process, and point standard output, where our rows may go, at nothing.
                raise BrokenPipeError

        return SteadyConsole(file=self._stream, force_terminal=True, no_color=not self._color, highlight=False, markup=False, emoji=False)

    def update(self, progress: Progress) -> None:
        """See `Screen.update`."""
        now = self._clock()
        if now >= self._next:
            self._next = now + SECONDS
            self._guarded(lambda: self._draw(progress))

    def page(self, page: Page) -> None:
        """See `Screen.page`."""
        # Said with the next drawing: on its own, each would cost a drawing.
        if self._verbose and self._console is not None:
            self._waiting.append(page_line(page, self._verbose > 1))

    def refused(self, refusal: Refusal) -> None:
        """See `Screen.refused`."""
        if self._verbose > 1 and self._console is not None:
            self._waiting.append(refusal_line(refusal))

    def warn(self, message: str, cause: str | None = None) -> None:
        """See `Screen.warn`."""
        if (cause or message) not in self._warned:
            self._warned.add(cause or message)
            width = self._console.width if self._console else 80
            self._waiting += paragraph(f"warning: {printable(message)}", width, margin="", after="  ")
            self._guarded(self._say_waiting)

    def tell(self, line: str) -> None:
        """See `Screen.tell`."""
        self._waiting += paragraph(line, self._console.width if self._console else 80, margin="", after="  ")
        self._guarded(self._say_waiting)

    def stop(self) -> None:
        """See `Screen.stop`."""
        live, self._live = self._live, None
        if live is not None:
            self._guarded(live.stop)
        self._guarded(self._say_waiting)

    def _draw(self, progress: Progress) -> None:
        if self._live is None or self._console is None:
            return
        self._say_waiting()
        text = self._text("\n".join(render_progress(progress, self._console.width)), overflow="crop")
        text.highlight_regex(_WRONG, "yellow")
        self._live.update(text, refresh=True)

    def _say_waiting(self) -> None:
        if self._console is None or not self._waiting:
            return
        lines, self._waiting = self._waiting, []
        # Long lines are left to the terminal, which joins them again when it gets wider, and when they are copied.
        self._console.print(self._text("\n".join(lines), overflow="ignore"), soft_wrap=True)

    def _text(self, text: str, overflow: Literal["crop", "ignore"]) -> Text:
        from rich.text import Text

        return Text(encodable(text, self._stream.encoding), no_wrap=True, overflow=overflow)

    def _guarded(self, step: Callable[[], object]) -> None:
        """A terminal that is gone does not end a crawl."""
        try:
            step()
        except (OSError, ValueError):
            self._live = self._console = None
