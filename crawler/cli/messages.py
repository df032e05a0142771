"""What the command line says when something is wrong: three lines on standard error, never a traceback unless asked for."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import TextIO

from crawler.cli.commands import COMMANDS
from crawler.errors import CrawlerError, DiskFullError
from crawler.redaction import redact
from crawler.text import as_json, printable

INTERRUPTED = 130


def error_text(error: CrawlerError) -> str:
    """`error: WHAT`, `  why or where`, `  try: COMMAND`; what came from outside is escaped, line by line, without logins in URLs."""
    return _harmless(f"error: {error}")


def _harmless(text: str) -> str:
    return "\n".join(printable(redact(line)) for line in text.split("\n"))


def error_line(error: CrawlerError) -> str:
    """The same as one JSON object, for a program that reads standard error."""
    said = {"what": error.what, "why": error.why, "try": error.hint}
    return as_json({"event": "error"} | {name: _harmless(text) for name, text in said.items()} | {"exit_code": error.exit_code}, ascii=True)


def _bug(error: BaseException) -> CrawlerError:
    """An exception nobody expected, as one that can be said."""
    # One line of it all: what an exception quotes must not pose as lines of ours.
    what = f"{type(error).__name__}: {printable(str(error))}" if str(error) else type(error).__name__
    return CrawlerError(what, "this is a bug in crawler; what was stored before is kept", "the same command with --debug")


def called() -> str:
    """How this command is typed where it was started: what the environment says (`make crawl` runs one that is not on PATH)."""
    return os.environ.get("CRAWLER_COMMAND") or "crawler"


def say(text: str, stream: TextIO | None = None) -> None:
    """Writes a line to standard error, with commands as they can be typed; a closed standard error is no reason to fail."""
    if (name := called()) != "crawler":
        text = re.sub(rf"(?<![\w./-])crawler(?= (?:{'|'.join(COMMANDS)}|https?://\S*|-)\b)", lambda _: name, text)
    try:
        print(text, file=stream or sys.stderr, flush=True)
    except (OSError, ValueError):
        pass


def put(text: str) -> None:
    """Writes a line to standard output, at once; nobody reading it any more changes nothing."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _forget_standard_output()


def report(error: BaseException, debug: bool, as_lines: bool = False) -> int:
    """Says what went wrong, as a JSON object on one line with `as_lines`, and returns the exit code for it."""
    if isinstance(error, BrokenPipeError):
        # Whoever read standard output has seen enough: nothing to complain about.
        _forget_standard_output()
        return 0
    if debug:
        import traceback

        say(_harmless("".join(traceback.format_exception(error)).rstrip()))
    if isinstance(error, KeyboardInterrupt):
        reason, code = str(getattr(error, "reason", "interrupted")), int(getattr(error, "exit_code", INTERRUPTED))
        say(as_json({"event": "message", "message": reason}, ascii=True) if as_lines else reason)
        return code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _forget_standard_output()
        error = DiskFullError("no room left", str(error.filename or "where standard output goes"), "df -h")
    if not isinstance(error, CrawlerError):
        error = _bug(error)
    say(error_line(error) if as_lines else error_text(error))
    return error.exit_code


def _forget_standard_output() -> None:
    """Sends what Python still holds for standard output nowhere, so that it does not fail again at the very end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass


def escape_what_cannot_be_encoded() -> None:
    """Makes standard output escape what its encoding lacks, as standard error does; a page's title must not end a crawl."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def open_closed_streams() -> None:
    """Opens what the shell has closed (`2>&-`): nobody hears, and no file or socket gets the number of a standard stream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free number, which is the right one in this order; open to the end, as any standard stream.
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def wants_debug(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether tracebacks were asked for, told before anything is parsed."""
    return "--debug" in argv or environment.get("CRAWLER_DEBUG", "").lower() in ("1", "true", "yes", "on")


def wants_json(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a program reads standard error (`--progress json`), told before anything is parsed."""
    chosen = environment.get("CRAWLER_PROGRESS", "")
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        name, _, value = word.partition("=")
        if name == "--progress":
            chosen = value or following
    return chosen == "json"
