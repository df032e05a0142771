"""From the words of a command line to an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from crawler.cli.commands import COMMANDS
from crawler.cli.messages import escape_what_cannot_be_encoded, open_closed_streams, report, say, wants_debug, wants_json
from crawler.errors import UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code. Errors are said on standard error, data goes to standard output."""
    words = list(sys.argv[1:] if argv is None else argv)
    open_closed_streams()
    escape_what_cannot_be_encoded()
    try:
        code = run(words)
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        return report(error, wants_debug(words, os.environ), wants_json(words, os.environ))


def run(words: list[str]) -> int:
    """Finds the command and calls it. Raises CrawlerError."""
    from crawler.cli import help

    if words[:1] in (["--version"], ["-V"]):
        from crawler import __version__

        print(f"crawler {__version__}")
        return 0
    if not words:
        say(help.SHORT)
        return UsageError.exit_code
    if words[0] == "help":
        return help.show([*words[1:], "--help"])
    if words[0] in ("-h", "--help"):
        return help.show(words)
    command, rest = command_of(words)
    from crawler.cli.arguments import parser_of

    arguments = parser_of(command).read(rest)
    if getattr(arguments, "help", False):
        return help.show([command, *rest])
    if words[0] != command and (seed := next(iter(getattr(arguments, "seeds", ())), "")) in COMMANDS:
        raise UsageError(f"flags come after the command: {seed}", "a flag first means `crawler crawl`", f"crawler {seed} …")
    arguments.words = rest
    return _call(command, arguments)


def _call(command: str, arguments: object) -> int:
    from importlib import import_module

    known = COMMANDS[command]
    return int(getattr(import_module(known.module), known.function)(arguments))


def command_of(words: list[str]) -> tuple[str, list[str]]:
    """The command and its words; a URL or a flag alone means `crawl`. Raises UsageError for a mistyped command."""
    first = words[0]
    if first in COMMANDS:
        return first, words[1:]
    if first.startswith("-") or any(mark in first for mark in ".:/[") or first == "localhost":
        return "crawl", words
    from crawler.configuration.values import nearest

    near = nearest(first, list(COMMANDS))
    why = f"did you mean {near}?" if near else f"there are {', '.join(COMMANDS)}"
    hint = f"crawler {near} …" if near else f"crawler crawl {first}, if it is a host"
    raise UsageError(f"there is no command {first!r}", why, hint)
