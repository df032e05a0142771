"""TOML with places: what a file says, the line each key stands on, and errors with a caret."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from crawler.errors import UsageError
from crawler.redaction import masked

_TABLE = r"\s*\[\s*(?P<name>[^\[\]#]+?)\s*\]\s*(?:#.*)?$"
_KEY = r"""\s*(?P<name>[\w-]+|"[^"]*"|'[^']*')\s*[=.]"""
_PLACE = r"(?s:(?P<message>.*)) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$"

_MEND = 'NAME = VALUE on a line of its own, with quotes around text: scope = "host"'


class Document(NamedTuple):
    """A parsed TOML text, with the name it is called by in messages."""

    name: str
    text: str
    values: Mapping[str, Any]

    def line_of(self, *keys: str) -> int:
        """The line (from 1) of a key, given with the tables it is in; 0 when it cannot be told."""
        tables: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), 1):
            if table := re.match(_TABLE, line):
                tables = tuple(part.strip("\"'") for part in re.findall(r""""[^"]*"|'[^']*'|[^."'\s]+""", table["name"]))
                if tables[: len(keys)] == keys:
                    return number
            elif (key := re.match(_KEY, line)) and (*tables, key["name"].strip("\"'")) == keys:
                return number
        return 0

    def source(self, *keys: str) -> str:
        """`crawl.toml:3` for a key, the name alone when its line cannot be told."""
        line = self.line_of(*keys)
        return f"{self.name}:{line}" if line else self.name

    def place(self, *keys: str, of_value: bool = False) -> str:
        """The same with the column (from 1) of the key, or of its value."""
        line = self.line_of(*keys)
        return f"{self.name}:{line}:{self._column(line, keys[-1], of_value)}" if line else self.name

    def quote(self, *keys: str, of_value: bool = False) -> str:
        """The line of a key with a caret below its first character, or below that of its value; or ""."""
        line = self.line_of(*keys)
        return _quoted(self.text.splitlines()[line - 1], self._column(line, keys[-1], of_value)) if line else ""

    def _column(self, line: int, key: str, of_value: bool) -> int:
        text = self.text.splitlines()[line - 1]
        before = re.match(rf"{_KEY}(?<==)\s*", text) if of_value else None
        return before.end() + 1 if before else text.find(key) + 1


def parse(text: str, name: str) -> Document:
    """The document of a TOML text. Raises UsageError with line, column and a caret."""
    import tomllib

    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _error(text, name, str(error)) from None
    except RecursionError:
        raise UsageError(f"{name} cannot be read as TOML", "it is nested too deeply", 'a plain list, e.g. include = ["/docs/"]') from None


def _error(text: str, name: str, message: str) -> UsageError:
    found = re.match(_PLACE, message)
    lines = text.rstrip("\r\n").splitlines() or [""]
    if found and found["line"]:
        line, column, message = int(found["line"]), int(found["column"]), found["message"]
    else:
        line, column, message = len(lines), len(lines[-1]) + 1, found["message"] if found else message
    shown = lines[line - 1] if line <= len(lines) else ""
    why = _quoted(shown, column) if shown.strip() else "that line is empty"
    return UsageError(f"{name}:{line}:{column} is no TOML: {message[:1].lower()}{message[1:]}", why, _MEND)


def _quoted(line: str, column: int) -> str:
    # A long line is cut so that the caret stays on the screen; a tab would shift it.
    start, line = max(0, column - 60), masked(line)
    return f"{line[start : start + 76].replace(chr(9), ' ')}\n  {' ' * (column - 1 - start)}^"


def read(path: str) -> Document:
    """The document of a TOML file, or of standard input when the path is `-`. Raises UsageError."""
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        return parse(data.decode("utf-8-sig"), name)
    except OSError as error:
        raise UsageError(f"cannot read {name}", error.strerror or str(error), "crawler config show") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is no TOML: it is not UTF-8", f"at byte {error.start}", "save it again as UTF-8") from None


def literal(value: Any) -> str:
    """A value as TOML on one line: text, numbers, booleans, lists, and dictionaries as inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {literal(part)}" for name, part in value.items()) + " }" if value else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(part) for part in value)}]"
    return str(value)


def key(name: str) -> str:
    """A key as TOML, quoted where it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _string(name)


def _string(text: str) -> str:
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # regular expressions stay readable
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"'
        + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}" for one in escaped)
        + '"'
    )
