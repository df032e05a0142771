"""Help: one screen for `-h`, everything for `--help`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crawler.cli.commands import COMMANDS

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser

SHORT = """\
usage: crawler URL... [options]       crawls; run again, it goes on where it was
       crawler COMMAND ...            status show robots links … (--help)

  crawler example.org                           all of one host, politely
  crawler example.org/docs/ -np -d 3            one folder, three links deep
  crawler -i seeds.txt --max-pages 500 -o out   many seeds, a limit, a folder

  -o, --output DIR         the folder for everything (crawl-HOST)
  --scope WHAT             page, prefix, host, domain or any (host)
  -d, --max-depth N        how many links away from a seed (no limit)
  --include RE             follow only such URLs; --exclude RE leaves them out
  --max-pages N            stop after N pages; also --max-time, --max-size
  -c, --concurrency N      requests at once (32); --per-host N to one host (4)
  --delay TIME             between two requests to one host (0s)
  --preset NAME            polite, fast, links; -C FILE reads settings from TOML
  -U, --user-agent TEXT    who asks; --contact WHO adds how to reach you
  --extract NAME=CSS       keep what a selector finds
  --save none              keep the database only, no files
  --fresh                  delete what the folder holds and begin anew
  -q, -v                   say less, log more
  --help                   all options; crawler COMMAND --help for a command"""


def show(words: Sequence[str]) -> int:
    """Prints the help that the words ask for; `-h` is short only where there is much to say."""
    command = next((word for word in words if word in COMMANDS), "")
    if "--help" not in words and command in ("", "crawl"):
        print(SHORT)
    else:
        print(text_of(command or "crawl", overview=not command))
    return 0


def text_of(command: str, overview: bool = False, width: int = 0) -> str:
    """All of a command's help, `width` columns wide (0: as wide as the terminal); with `overview` the list of commands as well."""
    from crawler.cli.arguments import parser_of

    width = width or terminal_width()
    parser = parser_of(command)
    if overview:
        head = ["usage: crawler URL... [options]", "       crawler COMMAND ...", "", "commands:"]
        head += [_entry(name, f"{known.help[:1].upper()}{known.help[1:]}.", width, 15) for name, known in COMMANDS.items()]
    else:
        head = [f"usage: {parser.usage}", "", f"{COMMANDS[command].help[:1].upper()}{COMMANDS[command].help[1:]}."]
    foot = ["\nA switch is taken back by its --no- form, such as --no-strict."] if command in ("crawl", "resume") else []
    return "\n".join([*head, *_groups(parser, width), *foot])


def terminal_width() -> int:
    """How wide help is: as the terminal, between 50 and 100 columns; 80 where there is none."""
    try:
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 80
    except (ValueError, OSError):
        columns = 80
    return min(100, max(50, columns))


def _groups(parser: ArgumentParser, width: int) -> Iterator[str]:
    from argparse import SUPPRESS

    for group in parser._action_groups:
        entries = [_entry(_spelled(action), action.help or "", width) for action in group._group_actions if action.help != SUPPRESS]
        if entries:
            title = {"positional arguments": "arguments", "options": "options"}.get(group.title or "", group.title)
            yield f"\n{title}:\n" + "\n".join(entries)


def _spelled(action: Action) -> str:
    """The flags as one types them, with what they take. A switch that is off is shown without its --no- form."""
    option = getattr(action, "option", None)
    flags = ", ".join(option.flags if option and option.default is False else action.option_strings)
    return f"{flags} {action.metavar or ''}".strip()


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many characters, parted at spaces."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _entry(spelled: str, help: str, width: int, column: int = 26) -> str:
    """Two columns; what does not fit into the left one gets its own line."""
    lines = wrapped(help, width - column - 1)
    left = f"  {spelled}"
    if len(left) + 2 > column:
        lines.insert(0, "")
    return "\n".join(f"{(left if number == 0 else ''):<{column}}{line}".rstrip() for number, line in enumerate(lines or [""]))
