"""One setting as data: the source of its flag, TOML key, environment variable, keyword, help text and reference entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

from crawler.configuration import toml
from crawler.configuration.values import BOOLEAN, Inside, Kind, OneOf, meant_by, wrong
from crawler.errors import UsageError

WHAT, LIMITS, SPEED, POLITENESS = "what to crawl", "limits", "how fast", "politeness"
HTTP, KEEP, OUTPUT, CONFIGURATION = "http", "what to keep", "output", "configuration"
"""The groups of help and reference, in their order."""


class Alias(NamedTuple):
    """Another spelling people's fingers know: a flag, what it means, and the value it sets (None: its argument, shifted)."""

    flag: str
    help: str
    value: Any = None
    shift: int = 0


@dataclass(frozen=True)
class Option:
    """What is known of one setting.

    `flags` and `off` (for booleans) are spelled as typed; `off` comes first in help where the default is true. `example` is a
    TOML value for documentation. What is not `typed` has no flag. `fixed` settings define which crawl it is: they cannot change
    when it goes on.
    """

    default: Any
    help: str
    group: str
    kind: Kind
    flags: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    example: str = ""
    in_file: bool = True
    in_environment: bool = True
    typed: bool = True
    fixed: bool = False
    count: bool = False
    name: str = ""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"CRAWLER_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """The flag as messages and documentation name it: the long one."""
        return next((flag for flag in self.flags if flag.startswith("--")), "")

    @property
    def suggestion(self) -> str:
        """A value that is right, as text."""
        if self.default in self.kind.choices:
            return str(self.default)
        return self.kind.example or self.example.strip('"') or ("true" if self.kind is BOOLEAN else self.kind.metavar)

    def read(self, value: Any, place: str, tried: Callable[[Option, str], str], where: str = "") -> Any:
        """The value of the setting. Raises UsageError that names the place, the value, what is expected, and (by `tried`, from the
        text of a value) how to set another; Inside for what is wrong inside a table."""
        try:
            return self.kind.read(value)
        except Inside:
            raise
        except ValueError as error:
            why = "\n  ".join(filter(None, (self.kind.why_not(error), where)))
            found = error.value if isinstance(error, OneOf) else value
            hint = tried(self, meant_by(error) or self.suggestion)
            raise UsageError(f"{place} cannot be {wrong(found, self.kind.secret)}", why, hint) from None


def as_toml(option: Option, text: str) -> str:
    """`max_pages = 500`: how a file sets an option to a value given as text; the option's example where no text can say it."""
    try:
        return f"{option.name} = {toml.literal(option.kind.write(option.kind.read(text)))}"
    except ValueError:
        return f"{option.name} = {option.example}"


def as_keyword(option: Option, text: str) -> str:
    """`max_pages=500`: the same in Python."""
    import tomllib

    return f"{option.name}={tomllib.loads(as_toml(option, text))[option.name]!r}"


def setting(default: Any, help: str, group: str, kind: Kind = BOOLEAN, **more: Any) -> Any:
    """A dataclass field that carries its Option. Secrets stay out of the repr."""
    option = Option(default, help, group, kind, **more)
    if isinstance(default, dict):
        return field(default_factory=dict, hash=False, metadata={"option": option})
    return field(default=default, repr=not kind.secret, metadata={"option": option})


def options_of(settings: type) -> dict[str, Option]:
    """The options of a dataclass by name, in their order. The flag is the name with dashes where none is given."""
    options = {}
    for described in fields(settings):
        option: Option = described.metadata["option"]
        dashed = described.name.replace("_", "-")
        flags = option.flags if any(flag.startswith("--") for flag in option.flags) or not option.typed else (*option.flags, f"--{dashed}")
        off = option.off or ((f"--no-{dashed}",) if option.kind is BOOLEAN and option.in_file else ())
        options[described.name] = replace(option, name=described.name, flags=flags, off=off)
    return options
