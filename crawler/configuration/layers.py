"""Settings from several places, one upon the other: flag > environment > file > preset > default."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from crawler.configuration import toml
from crawler.configuration.option import Option, as_keyword, as_toml
from crawler.configuration.values import Inside, nearest, parts, wrong
from crawler.errors import UsageError

Options = Mapping[str, Option]


class Layer(NamedTuple):
    """Raw values of one place: `called` names a setting there in messages, `source` says later where its value came from.
    `tried` says how an option is set there to a value given as text. `place` and `quote` are the line and column of a value (with
    `of_value=False` of its key; or of one inside a table) and what the line says; "" where there are no lines."""

    values: Mapping[str, Any]
    called: Callable[[str], str]
    source: Callable[[str], str]
    tried: Callable[[Option, str], str]
    place: Callable[..., str] = lambda *keys, of_value=True: ""
    quote: Callable[..., str] = lambda *keys, of_value=True: ""


def merge(options: Options, layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """The value of every option and where it came from; the first layer that names an option wins, all are checked.

    Raises UsageError for a value that its option cannot have.
    """
    values = {name: ({} if isinstance(option.default, dict) else option.default) for name, option in options.items()}
    sources = dict.fromkeys(options, "default")
    for layer in reversed(layers):
        for name, raw in layer.values.items():
            values[name] = _read(options[name], raw, layer)
            sources[name] = layer.source(name)
    return values, sources


def _read(option: Option, raw: Any, layer: Layer) -> Any:
    try:
        return option.read(raw, layer.called(option.name), layer.tried, layer.quote(option.name))
    except Inside as error:
        of_value = not error.unknown
        place, quote = layer.place(option.name, *error.keys, of_value=of_value), layer.quote(option.name, *error.keys, of_value=of_value)
        why = "\n  ".join(reason for reason in (error.why, quote) if reason)
        raise UsageError(f"{place}: {error.what}" if place else error.what, why, error.hint) from None


def flag_layer(options: Options, flags: Mapping[str, Any], typed: Mapping[str, str]) -> Layer:
    """What was given on the command line; `typed` holds the flags as they were typed."""

    def spelled(name: str) -> str:
        return typed.get(name) or options[name].flag or options[name].kind.metavar

    def source(name: str) -> str:
        return f"flag {spelled(name)}" if spelled(name).startswith("-") else "command line"

    def tried(option: Option, text: str) -> str:
        word = spelled(option.name)
        before = word if word.startswith("-") else "crawler config show" if option.name == "preset" else "crawler"
        return f"{before} {shlex.quote(text)}"

    return Layer(flags, lambda name: f"`{spelled(name)}`", source, tried)


def environment_layer(options: Options, environment: Mapping[str, str]) -> Layer:
    """What `CRAWLER_*` variables say; an empty one says nothing. Raises UsageError for a mistyped one.

    Variables that resemble no setting are left alone: other programs (Kubernetes, say) make names of this form too.
    """
    known = {option.variable: name for name, option in options.items() if option.in_environment}
    given = {}
    for variable, value in environment.items():
        if not variable.startswith("CRAWLER_") or not value:
            continue
        if variable in known:
            given[known[variable]] = parts(value, "\n") if options[known[variable]].kind.separator == "\n" else value
        elif near := nearest(variable.removeprefix("CRAWLER_"), [name.removeprefix("CRAWLER_").lower() for name in known], 0.85):
            what, meant = f"the environment variable {variable} is no setting", f"CRAWLER_{near.upper()}"
            raise UsageError(what, f"did you mean {meant}?", f"unset {variable}; export {meant}=…")
    return Layer(
        given,
        lambda name: f"{options[name].variable}",
        lambda name: f"environment {options[name].variable}",
        lambda option, text: f"export {option.variable}={shlex.quote(text)}",
    )


def file_layer(options: Options, document: toml.Document, preset: str = "") -> Layer:
    """What a TOML file says; dashes in keys count as underscores. Raises UsageError for a key that is no setting."""
    spelled: dict[str, str] = {}
    for key in document.values:
        name = key.replace("-", "_")
        if name not in options or not options[name].in_file:
            raise _no_key(options, document, key, name)
        if name in spelled:
            what, why = f"{document.place(key)}: `{name}` is given twice", f"as `{spelled[name]}` and as `{key}`"
            raise UsageError(what, why, f"one of them, `{name}`")
        spelled[name] = key

    def place(name: str, *inner: str, of_value: bool = True) -> str:
        return document.place(spelled[name], *inner, of_value=of_value)

    def quote(name: str, *inner: str, of_value: bool = True) -> str:
        return document.quote(spelled[name], *inner, of_value=of_value)

    def source(name: str) -> str:
        return f"preset {preset}" if preset else document.source(spelled[name])

    values = {name: document.values[key] for name, key in spelled.items()}
    return Layer(values, lambda name: f"{place(name)}: `{spelled[name]}`", source, as_toml, place, quote)


def _no_key(options: Options, document: toml.Document, key: str, name: str) -> UsageError:
    what = f"{document.place(key)}: `{key}` is no setting"
    if name in options:
        why = document.quote(key) or "it is for one start of a crawl"
        return UsageError(f"{document.place(key)}: `{key}` cannot be set in a file", why, f"{options[name].flag} on the command line")
    near = nearest(name, [known for known, option in options.items() if option.in_file])
    why = document.quote(key) or "a file holds the settings that `crawler config show` prints"
    return UsageError(what + (f"; did you mean `{near}`?" if near else ""), why, "crawler config show")


def keyword_layers(options: Options, keywords: Mapping[str, Any]) -> list[Layer]:
    """Python keywords, with the file and the preset they name below them. Raises UsageError for an unknown keyword."""
    for name in keywords:
        if name not in options:
            near = nearest(name, list(options))
            why = f"did you mean `{near}`?" if near else "keywords are the settings that `crawler config show` prints"
            raise UsageError(f"`{name}` is no setting", why, f"{near}=…" if near else "crawler config show")
    top = Layer(keywords, lambda name: f"`{name}`", lambda name: "keyword", as_keyword)
    return list(with_files(options, [top], keywords.get("config"), None))


def with_files(options: Options, layers: Sequence[Layer], config: Any, preset: str | None) -> Iterator[Layer]:
    """The layers, then the file, then the preset that the first of them asks for; `preset` when none does."""
    yield from layers
    asking = list(layers)
    if config is not None:
        file = file_layer(options, toml.read(os.fspath(config)))
        yield file
        asking.append(file)
    layer = next((layer for layer in asking if layer.values.get("preset")), None)
    name = layer.values["preset"] if layer else preset
    if name is not None and name != "none":
        yield preset_layer(options, name, layer)


def preset_layer(options: Options, name: Any, asking: Layer | None = None) -> Layer:
    """What a preset says. Raises UsageError for an unknown one, which the layer asked for."""
    known = presets()
    if name not in known:
        near = nearest(name, list(known)) if isinstance(name, str) else None
        why = f"did you mean {near}? " if near else ""
        what = f"{asking.called('preset') if asking else '`preset`'} is {wrong(name)}; there is no such preset"
        hint = (asking.tried if asking else as_keyword)(options["preset"], near or options["preset"].suggestion)
        raise UsageError(what, f"{why}there are {', '.join(known)}", hint)
    return file_layer(options, toml.read(known[name]), preset=name)


def presets() -> dict[str, str]:
    """The presets by name, with their files: data of the package in an installation, config/ beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, "_config"), os.path.join(os.path.dirname(package), "config")):
        if os.path.isfile(os.path.join(folder, "default.toml")):
            files = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))
            return {name.removesuffix(".toml"): os.path.join(folder, name) for name in files}
    return {}
