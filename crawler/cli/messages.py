"""What the command line says when something is wrong: three lines on standard error, never a traceback unless asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from crawler.errors import CrawlerError
from crawler.text import printable

INTERRUPTED = 130


def error_text(error: CrawlerError) -> str:
    """`error: WHAT`, `  why or where`, `  try: COMMAND`; what came from outside is escaped, line by line."""
    return "\n".join(printable(line) for line in f"error: {error}".split("\n"))


def bug_text(error: BaseException) -> str:
    """The same for an exception nobody expected."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return error_text(CrawlerError(what, "this is a bug in crawler; what was stored before is kept", "the same command with --debug"))


def say(text: str, stream: TextIO | None = None) -> None:
    """Writes a line to standard error; a closed standard error is no reason to fail."""
    try:
        print(text, file=stream or sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


def report(error: BaseException, debug: bool) -> int:
    """Says what went wrong, and returns the exit code for it."""
    if isinstance(error, BrokenPipeError):
        return _reader_left()
    if debug:
        import traceback

        say("".join(traceback.format_exception(error)).rstrip())
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return INTERRUPTED
    if isinstance(error, CrawlerError):
        say(error_text(error))
        return error.exit_code
    say(bug_text(error))
    return 1


def _reader_left() -> int:
    """Whoever read standard output has seen enough. Nothing may be written there again, not even at the end of Python."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass
    return 0


def wants_debug(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether tracebacks were asked for, told before anything is parsed."""
    return "--debug" in argv or environment.get("CRAWLER_DEBUG", "").lower() in ("1", "true", "yes", "on")
