"""The house stands: imports go down only, in no circle, and the core waits for nothing. Every import counts: inside of
functions and for types alone, too."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "crawler"

PICTURE = PACKAGE.parent / "docs" / "architecture.md"

# Inner parts take plain values: only who wires them knows the settings.
SETTINGS = ("configuration", "settings", "effective", "wiring")
# Of the second floor: who knows of whom, beside the ports.
NEIGHBOURS = {
    "fetch": set(),
    "store": set(),
    "frontier": {"store"},
    "report": {"store"},
    "engine": {"store"},
}
# What waits, looks at a clock, throws dice, or reaches outside. Types and pure parts of the standard library are welcome.
NOT_IN_CORE = {
    "aiofiles", "aiohttp", "asyncio", "concurrent", "datetime", "fcntl", "io", "logging", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib3",
}  # fmt: skip


def name_of(path: Path) -> str:
    """The dotted name of a module below `crawler`; the package itself is ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module, by its name."""
    return {name_of(path): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def imported(tree: ast.Module) -> Iterator[str]:
    """The dotted names of everything a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(name: str) -> set[str]:
    """The modules of this package that a module imports."""
    found = set()
    for target in imported(modules()[name]):
        if target.startswith("crawler."):
            inside = target.removeprefix("crawler.")
            found.add(inside if inside in modules() else inside.rpartition(".")[0])
    return found


@cache
def floors() -> list[set[str]]:
    """The parts on each floor, from the ground up, as the picture in the documentation shows them. A module may import what
    lies on its own floor or below."""
    drawing = PICTURE.read_text("utf-8").partition("```text\ncrawler/\n")[2].partition("```")[0]
    shown: list[set[str]] = []
    for line in drawing.splitlines():
        if re.search(r" (ground|roof|\w+ floor)$", line):
            shown.append(set())
        if part := re.match(r"  (\w+)(\.py|/)(?= |$)", line):
            shown[-1].add(part[1])
    return shown[::-1]


def floor_of(name: str) -> int:
    part = name.partition(".")[0]
    return next(number for number, parts in enumerate(floors()) if part in parts)


def test_every_module_has_a_floor() -> None:
    """The picture has five floors, and every part of the package is on one of them."""
    parts = {name.partition(".")[0] for name in modules() if name}

    assert len(floors()) == 5
    assert sorted(part for floor in floors() for part in floor if part != "__init__") == sorted(parts)


def test_imports_go_down() -> None:
    """No module knows anything of a floor above it."""
    upwards = [
        f"{name} imports {target}"
        for name in modules()
        if name
        for target in own_imports(name)
        # Its own version is all that a module may ask the package for.
        if target and floor_of(target) > floor_of(name)
    ]

    assert upwards == []


def test_the_package_itself_is_asked_for_its_version_alone() -> None:
    """Modules import names from where they are, not from the public door."""
    through_the_door = {
        f"{name} imports {target}"
        for name, tree in modules().items()
        for target in imported(tree)
        if target.count(".") == 1 and target.startswith("crawler.") and target.removeprefix("crawler.") not in modules()
    }

    assert {line for line in through_the_door if not line.endswith("crawler.__version__")} == set()


def test_no_circles() -> None:
    """Modules can be put in an order in which each imports only earlier ones."""
    graph = {name: own_imports(name) - {""} for name in modules() if name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_neighbours_know_little_of_each_other() -> None:
    """On the second floor adapters know at most the store, and nobody knows the engine."""
    for part, allowed in NEIGHBOURS.items():
        known = {
            target.partition(".")[0]
            for name in modules()
            if name.partition(".")[0] == part
            for target in own_imports(name)
            if floor_of(target) == 2
        }
        assert known - {part, "ports"} <= allowed, part


def test_inner_parts_take_plain_values() -> None:
    """Below the wiring nothing knows the settings object."""
    assert [
        f"{name} imports {target}"
        for name in modules()
        if name and floor_of(name) in (1, 2)
        for target in own_imports(name)
        if target.partition(".")[0] in SETTINGS
    ] == []


def core() -> list[str]:
    return [name_of(path) for path in sorted((PACKAGE / "core").rglob("*.py"))]


@pytest.mark.parametrize("name", core())
def test_the_core_waits_for_nothing(name: str) -> None:
    """No clock, socket, file, thread, await, chance or log in the core."""
    tree = modules()[name]
    outside = {target.partition(".")[0] for target in imported(tree)}
    assert outside & NOT_IN_CORE == set()

    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert calls & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def test_nothing_global_changes() -> None:
    """No module rebinds a name of its own from inside a function."""
    assert [name for name, tree in modules().items() for node in ast.walk(tree) if isinstance(node, ast.Global)] == []


def test_files_are_small() -> None:
    """No file of the package has more than 400 lines."""
    lengths = {path.relative_to(PACKAGE).as_posix(): len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}

    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_files_of_tests_have_names_of_their_own() -> None:
    """Two of one name in different folders cannot be collected together; pytest says so only when both are asked for."""
    names = Counter(path.name for path in (PACKAGE.parent / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, files in names.items() if files > 1] == []


def test_functions_fit_on_a_screen() -> None:
    """No function has 60 lines or more, and the median has fewer than ten."""
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: length for name, length in lengths.items() if length >= 60} == {}
    assert sorted(lengths.values())[len(lengths) // 2] < 10


def test_importing_is_cheap() -> None:
    """`import crawler` loads neither a client, a parser, a database nor a loop: each comes with its first use."""
    code = "import sys; before = set(sys.modules); import crawler; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    heavy = {"aiohttp", "asyncio", "urllib3", "selectolax", "sqlite3", "rich", "ada_url", "crawler.app", "crawler.settings"}
    assert heavy & set(loaded) == set()
