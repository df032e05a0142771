"""What the container image is made of is what the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
IN_THE_IMAGE = ("speed", "encodings", "redis", "metrics")


def pinned(file: str) -> dict[str, Requirement]:
    """The pins of a constraints file. Every one has a version and hashes, and nothing else is in it."""
    found = {}
    for entry in re.split(r"\n(?![ #])", re.sub(r"(?m)^#.*\n", "", (ROOT / "deploy" / file).read_text("utf-8")).strip()):
        requirement, *hashes = entry.replace("\\\n", "\n").splitlines()
        assert hashes
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64} *", line) for line in hashes), entry[:200]
        parsed = Requirement(requirement)
        assert [specifier.operator for specifier in parsed.specifier] == ["=="]
        found[parsed.name.lower().replace(".", "-").replace("_", "-")] = parsed
    return found


def test_the_image_names_its_version() -> None:
    """The label is that of this version, unless whoever builds says another."""
    assert f"\nARG VERSION={PROJECT['project']['version']}\n" in (ROOT / "Dockerfile").read_text("utf-8")


def version_of(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        (
            "constraints.txt",
            [
                *PROJECT["project"]["dependencies"],
                *(line for extra in IN_THE_IMAGE for line in PROJECT["project"]["optional-dependencies"][extra]),
            ],
        ),
        ("build-constraints.txt", PROJECT["build-system"]["requires"]),
    ],
)
def test_the_image_holds_what_the_project_asks_for(file: str, asked: list[str]) -> None:
    """Every dependency is pinned, by hash, to a version that pyproject.toml allows."""
    pins = pinned(file)
    for requirement in map(Requirement, asked):
        pin = pins[requirement.name.lower().replace(".", "-").replace("_", "-")]
        assert requirement.specifier.contains(version_of(pin)), f"{pin} is not {requirement}: write {file} anew"
