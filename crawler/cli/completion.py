"""`crawler completion`: the completion script of a shell, made from the parser and printed as it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from crawler.cli.arguments import SHELLS, parser_of
from crawler.cli.commands import COMMANDS
from crawler.configuration.layers import presets


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag as a shell sees it: its spellings, what it does, whether it takes a value, and which values there are."""

    spellings: tuple[str, ...]
    help: str
    takes: bool
    choices: tuple[str, ...]
    files: str


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    print(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The completion script for bash, zsh or fish."""
    return "\n".join({"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]())


def flags_of(command: str) -> list[Flag]:
    """The flags of a command, hidden spellings left out."""
    shown = [action for action in parser_of(command)._actions if action.option_strings and action.help != argparse.SUPPRESS]
    return [_flag(action) for action in shown]


def _flag(action: argparse.Action) -> Flag:
    option = getattr(action, "option", None)
    kind = option.kind if option else getattr(action, "kind", None)
    choices = tuple(presets()) if action.dest == "preset" else kind.choices if kind else ()
    text = (action.help or "").split(". ")[0].removesuffix(".")
    return Flag(tuple(action.option_strings), text, action.nargs != 0, choices, kind.files if kind else "")


_WORDS = {"config": ("show", "check"), "completion": SHELLS}
_FOLDERS = ("resume", "status", "health", "show", "query", "diff")


def _bash() -> Iterator[str]:
    yield '# bash completion of crawler: eval "$(crawler completion bash)"'
    yield "_crawler() {"
    yield "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=crawl word"
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield f"    case $word in {'|'.join(COMMANDS)}) command=$word; break ;; esac"
    yield "  done"
    yield '  case "$command $previous" in'
    for command in COMMANDS:
        for flag in flags_of(command):
            if flag.takes:
                yield f"    {'|'.join(_quoted(f'{command} {one}') for one in flag.spellings)}) {_bash_values(flag)}; return ;;"
    yield "  esac"
    yield "  if [[ $current != -* && $COMP_CWORD -eq 1 ]]; then"
    yield f'    COMPREPLY=($(compgen -W "{" ".join(COMMANDS)}" -- "$current")); return'
    yield "  fi"
    yield "  if [[ $current != -* ]]; then"
    yield "    case $command in"
    for command, known in _WORDS.items():
        yield f'      {command}) COMPREPLY=($(compgen -W "{" ".join(known)}" -- "$current")) ;;'
    yield f'      {"|".join(_FOLDERS)}) compopt -o filenames; COMPREPLY=($(compgen -d -- "$current")) ;;'
    yield "    esac"
    yield "    return"
    yield "  fi"
    yield "  case $command in"
    for command in COMMANDS:
        words = " ".join(one for flag in flags_of(command) for one in flag.spellings)
        yield f'    {command}) COMPREPLY=($(compgen -W "{words}" -- "$current")) ;;'
    yield "  esac"
    yield "}"
    yield "complete -F _crawler crawler"


def _bash_values(flag: Flag) -> str:
    if flag.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(flag.choices)}" -- "$current"))'
    if flag.files:
        return f'compopt -o filenames; COMPREPLY=($(compgen -{"d" if flag.files == "folder" else "f"} -- "$current"))'
    return "COMPREPLY=()"


def _quoted(text: str) -> str:
    """For any shell: in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh() -> Iterator[str]:
    yield "#compdef crawler"
    yield '# zsh completion of crawler: crawler completion zsh > "${fpath[1]}/_crawler"'
    yield "_crawler() {"
    yield "  local command=crawl"
    yield f"  (( ${{+words[2]}} )) && case $words[2] in {'|'.join(COMMANDS)}) command=$words[2] ;; esac"
    yield "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then"
    yield "    local -a commands=("
    for name, known in COMMANDS.items():
        yield f"      {_quoted(f'{name}:{known.help}')}"
    yield "    )"
    yield "    _describe command commands; return"
    yield "  fi"
    yield "  case $command in"
    for command in COMMANDS:
        yield f"    {command})"
        yield "      _arguments \\"
        for flag in flags_of(command):
            yield f"        {_zsh_flag(flag)} \\"
        rest = f"({' '.join(_WORDS[command])})" if command in _WORDS else "_files -/" if command in _FOLDERS else "_default"
        yield f"        {_quoted(f'*:argument:{rest}')} ;;"
    yield "  esac"
    yield "}"
    yield 'if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _crawler "$@"; else compdef _crawler crawler; fi'


def _zsh_flag(flag: Flag) -> str:
    text = "".join(f"\\{character}" if character in "[]:\\" else character for character in flag.help)
    values = f"({' '.join(flag.choices)})" if flag.choices else {"folder": "_files -/", "file": "_files"}.get(flag.files, " ")
    return " ".join(_quoted(f"*{one}[{text}]" + (f":value:{values}" if flag.takes else "")) for one in flag.spellings)


def _fish() -> Iterator[str]:
    yield "# fish completion of crawler: crawler completion fish > ~/.config/fish/completions/crawler.fish"
    for name, known in COMMANDS.items():
        yield f"complete -c crawler -n __fish_use_subcommand -f -a {name} -d {_quoted(known.help)}"
    others = " ".join(name for name in COMMANDS if name != "crawl")
    for command in COMMANDS:
        condition = f"not __fish_seen_subcommand_from {others}" if command == "crawl" else f"__fish_seen_subcommand_from {command}"
        for flag in flags_of(command):
            yield f"complete -c crawler -n {_quoted(condition)} {_fish_flag(flag)}"
        if command in _WORDS:
            yield f"complete -c crawler -n {_quoted(condition)} -f -a {_quoted(' '.join(_WORDS[command]))}"


def _fish_flag(flag: Flag) -> str:
    spelled = " ".join(f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in flag.spellings)
    if not flag.takes:
        return f"{spelled} -d {_quoted(flag.help)}"
    values = f" -f -a {_quoted(' '.join(flag.choices))}" if flag.choices else "" if flag.files else " -f"
    return f"{spelled} -r{values} -d {_quoted(flag.help)}"
