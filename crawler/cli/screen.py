"""Where a running crawl is shown: a live display, plain lines, JSON lines, or nothing. A screen is given values, and asks for none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Literal, Protocol, TextIO

from crawler.model import Page, Refusal
from crawler.progress import Progress

ProgressChoice = Literal["auto", "bar", "plain", "json", "none"]

# What terminals that know no control sequences call themselves.
_DUMB = ("dumb", "unknown")


class Screen(Protocol):
    """Shows a crawl while it runs. Calls come from one thread; none raises when nobody can see the screen any more."""

    def start(self, title: str, folder: str, facts: Sequence[str]) -> None:
        """Shows what begins: `title` as in `Crawling https://example.org`, the folder, a few words on how."""

    def update(self, progress: Progress) -> None:
        """Takes how far the crawl is. May be called as often as one likes; the screen decides when to draw."""

    def page(self, page: Page) -> None:
        """Takes a page that was stored. Shown when every page is to be shown."""

    def refused(self, refusal: Refusal) -> None:
        """Takes a URL that is not asked for. Shown when every decision is to be shown."""

    def warn(self, message: str, cause: str | None = None) -> None:
        """Shows a warning, once for each cause; without one, the message is its own cause."""

    def tell(self, line: str) -> None:
        """Shows a line at once, which stays."""

    def stop(self) -> None:
        """Leaves the terminal as it was. Stopping twice does no harm."""


def choose_screen(
    progress: ProgressChoice,
    stream: TextIO,
    quiet: bool,
    color: bool,
    environ: Mapping[str, str],
    verbose: int = 0,
    clock: Callable[[], float] = monotonic,
) -> Screen:
    """The screen for these wishes and this stream; `clock` gives seconds.

    `auto` is the live display on a terminal, plain lines elsewhere. What is no terminal never gets control sequences, not even
    with `bar`. `verbose` 1 shows every page, 2 also how it was found, and every URL that is refused. `none` still shows warnings,
    `quiet` shows nothing.
    """
    from crawler.cli import screen_plain

    if quiet:
        return screen_plain.SilentScreen()
    if progress == "none":
        return screen_plain.MessageScreen(stream, verbose)
    if progress == "json":
        return screen_plain.JsonScreen(stream, verbose, clock)
    is_terminal = stream.isatty()
    if is_terminal and (progress == "bar" or (progress == "auto" and not is_dumb(environ))):
        from crawler.cli.screen_live import LiveScreen

        return LiveScreen(stream, color, verbose, clock)
    return screen_plain.PlainScreen(stream, verbose, clock)


def is_dumb(environ: Mapping[str, str]) -> bool:
    """Whether the terminal knows no control sequences."""
    return environ.get("TERM", "") in _DUMB


def wants_color(choice: Literal["auto", "always", "never"], stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour what goes to the stream: `auto` means a terminal that knows colours, and no NO_COLOR (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not is_dumb(environ) and not environ.get("NO_COLOR")
