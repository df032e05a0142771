"""The public names: what is listed is what is visible, typed and documented."""

from __future__ import annotations

import ast
import inspect
from dataclasses import is_dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import crawler
import crawler.testing

NAMES = [name for name in crawler.__all__ if not name.startswith("_")]
EVERYTHING = [pytest.param(crawler, name, id=name) for name in NAMES] + [
    pytest.param(crawler.testing, name, id=f"testing.{name}") for name in crawler.testing.__all__
]


def test_the_list_is_sorted_and_whole() -> None:
    """`__all__` names each public name once, in order, and every one of them can be had."""
    assert crawler.__all__ == sorted(set(crawler.__all__))
    assert all(getattr(crawler, name) is not None for name in crawler.__all__)


def test_what_is_visible_is_what_is_listed() -> None:
    """`dir(crawler)` shows the public names, and beside them only what Python puts there and submodules."""
    own = {name for name in dir(crawler) if not name.startswith("_")}
    submodules = {name for name in own if inspect.ismodule(getattr(crawler, name))}

    assert own - submodules == set(NAMES)


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for types alone is what is loaded lazily, from the same modules."""
    tree = ast.parse(Path(crawler.__file__).read_text("utf-8"))
    for_types = {
        alias.name: node.module
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in ast.walk(branch)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert for_types == crawler._WHERE
    assert sorted([*for_types, "__version__"]) == crawler.__all__


def test_a_name_that_is_not_there() -> None:
    """An unknown name is an AttributeError that names it, as for any module."""
    with pytest.raises(AttributeError, match="'crawler' has no attribute 'Spider'"):
        crawler.Spider  # noqa: B018


def test_star_import_brings_the_list() -> None:
    """`from crawler import *` works, lazy names included."""
    space: dict[str, Any] = {}
    exec("from crawler import *", space)

    assert set(crawler.__all__) <= set(space)


def test_it_is_typed() -> None:
    """Type checkers may trust the package."""
    assert (Path(crawler.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize(("module", "name"), EVERYTHING)
def test_every_name_is_documented(module: Any, name: str) -> None:
    """Each public name says in a sentence what one gets; so do the public methods of each class."""
    value = getattr(module, name)
    if not inspect.isclass(value) and not isinstance(value, FunctionType):
        return  # the name of a type; its words stand below it in the source
    # A dataclass without words of its own shows its signature instead.
    assert (value.__doc__ or "").strip()
    assert not (is_dataclass(value) and value.__doc__.startswith(f"{value.__name__}("))
    undocumented = [method for method, function in public_methods(value) if not inspect.getdoc(function)]
    assert undocumented == []


@pytest.mark.parametrize(("module", "name"), EVERYTHING)
def test_every_name_is_annotated(module: Any, name: str) -> None:
    """Each parameter and each result of a public function or method has its type."""
    value = getattr(module, name)
    functions = [(name, value)] if isinstance(value, FunctionType) else public_methods(value) if inspect.isclass(value) else []
    for method, function in functions:
        signature = inspect.signature(function)
        bare = [each.name for each in signature.parameters.values() if each.annotation is each.empty and each.name not in ("self", "cls")]
        assert not bare, f"{method}: {bare}"
        assert signature.return_annotation is not signature.empty, method


def public_methods(value: Any) -> list[tuple[str, Any]]:
    """The functions that a class defines under public names."""
    return [
        (f"{value.__name__}.{name}", member.fget if isinstance(member, property) else member)
        for name, member in vars(value).items()
        if not name.startswith("_") and (isinstance(member, FunctionType) or (isinstance(member, property) and member.fget))
    ]
