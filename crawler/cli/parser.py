"""The command line as argparse sees it, made from the settings. A setting that was not typed is not in the result."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from crawler.cli.commands import COMMANDS
from crawler.configuration.option import Alias, Option
from crawler.configuration.values import BOOLEAN, Kind, OneOf, choice, duration, integer, meant_by, nearest, parts, several, size, wrong
from crawler.effective import Effective, load
from crawler.errors import UsageError
from crawler.settings import CONFIGURATION, HTTP, KEEP, OPTIONS

SHELLS = ("bash", "zsh", "fish")


class _Formatter(argparse.HelpFormatter):
    """One is made for every argument that is added; a given width spares it the look at the terminal."""

    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, width=80)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError and knows what a mistyped flag may have meant."""

    def __init__(self, command: str) -> None:
        self.command = command
        known = COMMANDS[command]
        super().__init__(
            f"crawler {command}",
            f"crawler {command} {known.usage}",
            known.help,
            argument_default=argparse.SUPPRESS,
            formatter_class=_Formatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.add_argument("-h", "--help", action="store_true", help="Shows this.")

    def error(self, message: str) -> NoReturn:
        """Raises what argparse found as a UsageError."""
        raise UsageError(_clearer(message), f"usage: {self.usage}", f"crawler {self.command} --help")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What was typed. Raises UsageError for flags that do not exist and values that are missing."""
        if "-h" in words or "--help" in words:
            return argparse.Namespace(help=True)
        arguments, rest = self.parse_known_intermixed_args(words)
        for word in rest:
            raise self.unknown(word)
        return arguments

    def unknown(self, word: str) -> UsageError:
        """The error for a word that means nothing here."""
        if not word.startswith("-"):
            return UsageError(f"`{word}` is one argument too many", f"usage: {self.usage}", f"crawler {self.command} --help")
        flag = word.split("=", 1)[0]
        if self.command == "resume" and flag in parser_of("crawl")._option_string_actions:
            why = "seeds, scope and what is kept stay as the folder has them"
            return UsageError(f"{flag} cannot change when a crawl goes on", why, f"crawler crawl URL -o ANOTHER {flag} …")
        known = ["--version", *(name for name in self._option_string_actions if name.startswith("--"))]
        near = nearest(flag, known) if flag.startswith("--") else None
        if near == "--version":
            return UsageError(f"there is no flag {flag} here", "did you mean `crawler --version`?", "crawler --version")
        why = f"did you mean {near}?" if near else f"usage: {self.usage}"
        return UsageError(f"there is no flag {flag}", why, f"crawler {self.command} --help")


_MESSAGES = (
    (r"argument (?:.*/)?(\S+): expected one argument", r"`\1` needs a value"),
    (r"the following arguments are required: (.*)", r"\1 is missing"),
    (r"argument (?:.*/)?(\S+): ignored explicit argument (.*)", r"`\1` takes no value, and has \2"),
)


def _clearer(message: str) -> str:
    """What argparse says, as this command line says it."""
    return next((match.expand(ours) for theirs, ours in _MESSAGES if (match := re.fullmatch(theirs, message))), message)


Word = str | None


class Given(argparse.Action):
    """Keeps what was typed for a setting, unread, and the flag as it was typed (in `typed`)."""

    def __init__(self, option_strings: Sequence[str], dest: str, option: Option, alias: Alias | None = None, **more: Any) -> None:
        self.option, self.alias = option, alias
        takes_none = option.kind is BOOLEAN or option.count or (alias is not None and alias.value is not None)
        super().__init__(option_strings, dest, nargs=0 if takes_none else None, **more)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Adds to the namespace."""
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, self._value(values, before, option_string or ""))
        typed = {**getattr(namespace, "typed", {}), self.dest: option_string or self.option.flag}
        namespace.typed = typed

    def _value(self, text: Any, before: Any, flag: str) -> Any:
        if self.alias is not None and self.alias.value is not None:
            return self.alias.value
        if self.alias is not None and self.alias.shift:
            return _shifted(text, self.alias)
        if self.option.kind is BOOLEAN:
            return flag not in self.option.off
        if self.option.count:
            return (before or 0) + 1
        if self.option.kind.separator:
            return [*(before or ()), *([text] if self.option.kind.separator == "\n" else parts(text, self.option.kind.separator))]
        return text


def _shifted(text: str, alias: Alias) -> int:
    """`--tries 3` is three tries: two more after the first."""
    kind = integer(-alias.shift, 3)
    try:
        number = kind.read(text)
    except ValueError as error:
        raise UsageError(f"`{alias.flag}` cannot be {wrong(text)}", kind.why_not(error), f"{alias.flag} {kind.example}") from None
    return int(number) + alias.shift


class Checked(argparse.Action):
    """Keeps the value of an argument that is no setting, read by its kind."""

    def __init__(self, option_strings: Sequence[str], dest: str, kind: Kind, **more: Any) -> None:
        self.kind = kind
        super().__init__(option_strings, dest, metavar=more.pop("metavar", kind.metavar), **more)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Adds to the namespace; raises UsageError."""
        try:
            setattr(namespace, self.dest, self.kind.read(values))
        except ValueError as error:
            found = error.value if isinstance(error, OneOf) else values
            what = f"`{option_string}` cannot be {wrong(found)}" if option_string else f"{wrong(found)} means nothing here"
            hint = f"{option_string or parser.prog} {meant_by(error) or self.kind.example}"
            raise UsageError(what, self.kind.why_not(error), hint) from None


def shown_default(option: Option) -> str:
    """The default as help and reference say it; "" for none."""
    if option.kind is BOOLEAN or option.default in (None, (), {}) or option.count:
        return "on" if option.default is True else ""
    return str(option.kind.write(option.default))


def help_of(option: Option) -> str:
    """The sentence of a setting with its default and its other spellings."""
    default = shown_default(option)
    text = f"{option.help.removesuffix('.')} (default {default})." if default else option.help
    same = [alias.flag for alias in option.aliases if alias.value is None and not alias.shift]
    others = [f"{alias.flag} is {alias.help.removeprefix('the same as ')}." for alias in option.aliases if alias.flag not in same]
    return " ".join([text, *([f"Also {', '.join(same)}."] if same else []), *others])


def add_settings(parser: argparse.ArgumentParser, wanted: Callable[[Option], bool], hidden: bool = False) -> None:
    """Adds the flags of the settings that are wanted, in their groups."""
    groups: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if not option.flags or not wanted(option):
            continue
        group = groups.get(option.group) or groups.setdefault(option.group, parser.add_argument_group(option.group))
        strings = (*option.flags, *option.off)
        metavar = None if option.count else option.kind.metavar or None
        help = argparse.SUPPRESS if hidden else help_of(option)
        group.add_argument(*strings, dest=name, action=Given, option=option, metavar=metavar, help=help)
        for alias in option.aliases:
            group.add_argument(alias.flag, dest=name, action=Given, option=option, alias=alias, metavar=metavar, help=argparse.SUPPRESS)


def _crawl(parser: Parser) -> None:
    seeds = OPTIONS["seeds"]
    parser.add_argument("seeds", nargs="*", metavar="URL", default=argparse.SUPPRESS, help=seeds.help)
    add_settings(parser, lambda option: True)


def _resume(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    add_settings(parser, lambda option: not option.fixed and option.group not in (KEEP, CONFIGURATION))


def _status(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    parser.add_argument("--json", action="store_true", default=False, help="Prints JSON.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _show(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    parser.add_argument("url", metavar="URL", help="The URL, or a path of the first seed's site.")
    parser.add_argument("--json", action="store_true", default=False, help="Prints JSON, with up to a thousand links each way.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _query(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    parser.add_argument("sql", metavar="SQL", nargs="?", default=None, help="One statement that reads (- is standard input).")
    parser.add_argument("--list", action="store_true", default=False, help="Shows all tables and views, their columns and first rows.")
    add_formats(parser, "table", "csv", "json", "jsonl", "md")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


_FORMATS = {
    "table": "Prints an aligned table, which a terminal gets anyway.",
    "csv": "Prints CSV with a head; formulas are quoted.",
    "json": "Prints one JSON array; ids are strings.",
    "jsonl": "Prints a JSON object a line; ids are strings.",
    "md": "Prints a Markdown table.",
}


def add_formats(parser: Parser, *formats: str) -> None:
    """Adds a flag for each of the formats of rows; `format` is None without one."""
    for name in formats:
        parser.add_argument(f"--{name}", dest="format", action="store_const", const=name, default=None, help=_FORMATS[name])


def _looking(parser: Parser, place: str, *wanted: str) -> None:
    """A command that looks at one thing, and asks for it as a crawl would."""
    parser.add_argument("place", metavar="URL|FILE", help=place)
    parser.add_argument("--json", dest="as_json", action="store_true", default=False, help="Prints JSON.")
    names = {*wanted, "user_agent", "contact", "debug"}
    add_settings(parser, lambda option: option.name in names or (option.group == HTTP and option.name != "retries"))


def _robots(parser: Parser) -> None:
    _looking(parser, "The site, or a robots.txt (- is standard input).", "robots_agent")
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", default=[], help="Paths or URLs of the site to decide on; the URL itself when left out."
    )


def _health(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="The crawl's folder, or one with some in it (this one).")
    within = duration("2m")
    parser.add_argument(
        "--within", action=Checked, kind=within, default=within.read("2m"), help="How long nothing may come without a reason (2m)."
    )


def _links(parser: Parser) -> None:
    parser.add_argument("--base", metavar="URL", default=None, help="Where the page of a file lies, for its relative links.")
    parser.add_argument("-p", "--page-requisites", action="store_true", default=False, help="Also what styles inside of the page load.")
    parser.add_argument("--forms", action="store_true", default=False, help="Also where forms that are sent with GET go.")
    _looking(parser, "The page, or a file (- is standard input).")


def _config(parser: Parser) -> None:
    parser.add_argument(
        "action",
        metavar="show|check",
        action=Checked,
        kind=choice("show", "check"),
        help="What to do; show takes all flags of `crawler crawl`.",
    )
    parser.add_argument(
        "name", metavar="PRESET|FILE", nargs="?", default=None, help="The preset to show, or the file to check (- is standard input)."
    )
    parser.add_argument("--json", dest="as_json", action="store_true", default=False, help="Prints JSON.")
    add_settings(parser, lambda option: option.name != "json", hidden=True)


def _site(parser: Parser, pages: int, latency: str) -> None:
    parser.add_argument("--pages", action=Checked, kind=integer(1, pages), default=pages, help=f"How many pages ({pages}).")
    seconds = duration("50ms")
    parser.add_argument(
        "--latency", action=Checked, kind=seconds, default=seconds.read(latency), help=f"Time before each answer ({latency})."
    )
    bytes_ = size("30KB")
    parser.add_argument("--size", action=Checked, kind=bytes_, default=bytes_.read("30KB"), help="About how large a page is (30KB).")


def _demo(parser: Parser) -> None:
    port = integer(0, 8000, 65535)
    parser.add_argument("--port", action=Checked, kind=port, default=None, help="The port, 0 for a free one (8000; free with --crawl).")
    _site(parser, 200, "0s")
    parser.add_argument("--crawl", action="store_true", default=False, help="Crawls the site at once, with all flags of `crawler crawl`.")
    add_settings(parser, lambda option: True, hidden=True)


def _bench(parser: Parser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", default=None, help="The site; a generated one on this machine when left out.")
    _site(parser, 500, "50ms")
    parser.add_argument("--repeat", action=Checked, kind=integer(1, 5, 1000), default=5, help="How often each mode runs (5).")
    modes = several(Kind("sync or numbers of requests at once, e.g. sync,1,32,128", _mode, metavar="LIST"), ",")
    parser.add_argument("--modes", action=Checked, kind=modes, default=("sync", "1", "32", "128"), help="What to compare (sync,1,32,128).")
    parser.add_argument("--yes", action="store_true", default=False, help="The site is yours: more than 100 of its pages may be fetched.")
    parser.add_argument("-o", "--output", metavar="DIR", default=None, help="Where bench.json goes (the current folder).")
    parser.add_argument("--json", action="store_true", default=False, help="Prints bench.json on standard output.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _mode(value: Any) -> str:
    text = str(value).strip().lower().removeprefix("async").strip(" :")
    return text if text == "sync" else str(integer(1, 32, 10_000).read(text))


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", metavar="|".join(SHELLS), action=Checked, kind=choice(*SHELLS), help="The shell.")


_ARGUMENTS = {
    "crawl": _crawl,
    "resume": _resume,
    "status": _status,
    "health": _health,
    "show": _show,
    "query": _query,
    "robots": _robots,
    "links": _links,
    "config": _config,
    "demo": _demo,
    "bench": _bench,
    "completion": _completion,
}


def parser_of(command: str) -> Parser:
    """The parser of a command."""
    parser = Parser(command)
    _ARGUMENTS[command](parser)
    return parser


def settings_from(
    arguments: argparse.Namespace,
    environment: Mapping[str, str] = os.environ,
    file: str | os.PathLike[str] | None = None,
    preset: str | None = None,
) -> Effective:
    """The settings in effect: flags that were typed > environment > file > preset > defaults. Raises UsageError.

    `file` and `preset` are read when neither flags nor environment name others.
    """
    flags = {name: value for name, value in vars(arguments).items() if name in OPTIONS}
    return load(flags, environment, file, preset, getattr(arguments, "typed", {}))
