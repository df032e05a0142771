"""The command line as argparse sees it, made from the settings. A setting that was not typed is not in the result."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from crawler.cli.commands import COMMANDS
from crawler.configuration.option import Alias, Option
from crawler.configuration.values import BOOLEAN, Kind, OneOf, integer, meant_by, nearest, parts, wrong
from crawler.effective import Effective, load
from crawler.errors import UsageError
from crawler.settings import OPTIONS


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
        self.set_defaults(typed={})

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
        if self.command == "resume" and any(flag in strings_of(option) for option in OPTIONS.values()):
            why = "seeds, scope and what is kept stay as the folder has them"
            return UsageError(f"{flag} cannot change when a crawl goes on", why, _as_another(flag))
        known = ["--version", *(name for name in self._option_string_actions if name.startswith("--"))]
        near = nearest(flag, known) if flag.startswith("--") else None
        if near == "--version":
            return UsageError(f"there is no flag {flag} here", "did you mean `crawler --version`?", "crawler --version")
        why = f"did you mean {near}?" if near else f"usage: {self.usage}"
        return UsageError(f"there is no flag {flag}", why, f"crawler {self.command} --help")


def _as_another(flag: str) -> str:
    """The command of a crawl with the settings of one that is there, but for this flag."""
    if flag == "--fresh":
        return "crawler crawl -C DIR/crawl.toml -o DIR --fresh"
    return "crawler crawl -C DIR/crawl.toml -o ANOTHER" + ("" if flag in strings_of(OPTIONS["output"]) else f" {flag} …")


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
        _note(namespace, self.dest, option_string or self.option.flag)

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


def _note(namespace: argparse.Namespace, name: str, flag: str) -> None:
    """Keeps in `typed` that something was given, and as which flag."""
    namespace.typed = {**namespace.typed, name: flag}


class Checked(argparse.Action):
    """Keeps the value of an argument that is no setting, read by its kind, and the flag as it was typed (in `typed`)."""

    def __init__(self, option_strings: Sequence[str], dest: str, kind: Kind, **more: Any) -> None:
        self.kind = kind
        super().__init__(option_strings, dest, metavar=more.pop("metavar", kind.metavar), **more)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        """Adds to the namespace; raises UsageError."""
        try:
            setattr(namespace, self.dest, self.kind.read(values))
            _note(namespace, self.dest, option_string or self.dest)
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


def strings_of(option: Option) -> tuple[str, ...]:
    """All flags that set a setting, its other spellings included."""
    return (*option.flags, *option.off, *(alias.flag for alias in option.aliases))


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
