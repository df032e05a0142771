"""Small disks in memory, for what happens when they are full."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A disk in memory, mounted with these options; skips where that cannot be done."""
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here; that needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def make_room(place: Path, size: str) -> None:
    """Gives a mounted disk another size, such as `64m`."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)


def fill(place: Path) -> Path:
    """Takes all room that a disk has left, with a file that may be removed."""
    filler = place / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    return filler
