"""Saved bodies: a safe name for every URL, no two alike, and files that appear whole or not at all.

The name is a pure function of the URL, so a body fetched again overwrites its own file and nothing else. It stays close to
the URL where that is safe on every file system:

    https://example.org/                  example.org/index.html
    https://example.org/docs/             example.org/docs/index.html
    https://example.org/docs/intro.html   example.org/docs/intro.html
    https://example.org/docs/intro        example.org/docs/intro~.html
    https://example.org/v1.2/notes.txt    example.org/v1.2~/notes.txt
    https://example.org/search?q=lamp     example.org/search~89ac…38.html
    http://example.org/                   example.org~http/index.html
    http://127.0.0.1:8000/                127.0.0.1~8000/index.html

Directories never hold a dot and plain files always do, so `/a` and `/a/b` can both be saved. Whatever is not plain (upper
case, a query, an unusual character, a reserved name, a great length) is simplified and gets `~` and the URL's fingerprint.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from crawler.core.urls import fingerprint
from crawler.errors import OutputError

# One character class: lower case only, because some file systems know no other.
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,79}")
_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}$")
_UNSAFE = re.compile(r"[^a-z0-9_-]+")
# Names that Windows keeps for devices, whatever the extension.
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))})
_DEEPEST = 24
_LONGEST_PART = 80


def file_name(url: str) -> str:
    """The path of a saved body below `pages/`, with `/` between its parts. Injective for canonical URLs (up to a collision of
    64-bit fingerprints); at most 24 directories of at most 110 characters; only `a-z 0-9 _ - . ~`."""
    path, question, _ = url.partition("?")
    directory, _, leaf = path.rpartition("/")
    folder, is_plain = _directory(directory)
    name = _leaf(leaf) if is_plain and not question else ""
    if not name:
        stem, dot, extension = leaf.rpartition(".")
        if not dot or not _EXTENSION.search(f".{extension}"):
            stem, extension = leaf, "html"
        name = f"{_simple(stem)}~{fingerprint(url) & 0xFFFFFFFFFFFFFFFF:016x}.{extension}"
    return f"{folder}/{name}"


@lru_cache(maxsize=1024)
def _directory(url: str) -> tuple[str, bool]:
    """The folder for what lies directly below a URL, and whether all of it is plain."""
    scheme, _, rest = url.partition("://")
    place, *folders = rest.split("/")
    parts = [_folder(folder) for folder in folders]
    safe = [part or _simple(folder) + "~~" for part, folder in zip(parts, folders, strict=True)]
    return "/".join([_place(scheme, place), *safe[: _DEEPEST - 1]]), all(parts) and len(parts) < _DEEPEST


def _place(scheme: str, place: str) -> str:
    """The folder of an origin. What is usual is left out: https, and http where a port is named."""
    host, _, port = place.rpartition("@")[2].partition(":") if "[" not in place else (place, "", "")
    name = host if _folder(host) else f"{_simple(host)}~{fingerprint(place) & 0xFFFFFFFFFFFFFFFF:016x}"
    unusual = scheme != ("http" if port else "https")
    return name + (f"~{port}" if port else "") + (f"~{scheme}" if unusual else "")


def _folder(part: str) -> str:
    """The folder for one part of a path, or "" when the part is not plain."""
    if not _PLAIN.fullmatch(part) or part.endswith(".") or part.partition(".")[0] in _RESERVED:
        return ""
    return part + "~" if "." in part else part


def _leaf(part: str) -> str:
    """The file for the last part of a path, or "" when the part is not plain."""
    if not part:
        return "index.html"
    if part == "index.html" or not _PLAIN.fullmatch(part) or part.endswith(".") or part.partition(".")[0] in _RESERVED:
        return ""
    return part if "." in part else part + "~.html"


def _simple(text: str) -> str:
    """What is left of a name on every file system."""
    return _UNSAFE.sub("-", unquote(text).lower())[:_LONGEST_PART].strip("-") or "_"


def refuse_link(path: Path) -> None:
    """Raises OutputError when a path is a symbolic link: what a crawl writes stays in its folder."""
    if path.is_symlink():
        raise OutputError(
            f"{path} is a symbolic link", "what a crawl writes stays in its folder", f"rm {shlex.quote(str(path))}, or -o another-folder"
        )


class PageFiles:
    """The folder `pages/`. Bodies are written to `.tmp` first and renamed into place inside the store's transaction.

    No symbolic link below it is followed, whoever made it: OutputError names the first that would have to be.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.temporary = root / ".tmp"
        self._known: set[str] = set()
        self._count = 0
        root.parent.mkdir(parents=True, exist_ok=True)
        self._make(root)
        self._make(self.temporary)

    def sweep(self) -> int:
        """Removes what an unclean end left in `.tmp`, if that is there; returns how many files that were."""
        left = list(self.temporary.iterdir()) if self.temporary.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def stage(self, data: bytes) -> str:
        """Writes a body to a temporary file and returns its path."""
        self._count += 1
        path = f"{self.temporary}/{os.getpid()}-{self._count}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            # A short write means a full disk: the second call raises the error that says so.
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, data[written:])
        finally:
            os.close(descriptor)
        return path

    def name_of(self, url: str) -> str:
        """Where the body of a URL is kept, relative to the crawl's folder."""
        return f"{self.root.name}/{file_name(url)}"

    def place(self, staged: str | Path, name: str) -> None:
        """Renames a temporary file to a name that `name_of` gave."""
        name = name.partition("/")[2]
        folder = name.rpartition("/")[0]
        if folder not in self._known:
            made = self.root
            for part in folder.split("/"):
                made /= part
                self._make(made)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known.add(folder)
        os.replace(staged, f"{self.root}/{name}")  # replaces a link, and does not follow it

    @staticmethod
    def _make(folder: Path) -> None:
        """Makes a folder, unless it is there and is one."""
        try:
            folder.mkdir()
        except FileExistsError:
            refuse_link(folder)
            if not folder.is_dir():
                raise

    @staticmethod
    def discard(staged: Iterable[str | Path]) -> None:
        """Removes temporary files that are not to be kept."""
        for path in staged:
            Path(path).unlink(missing_ok=True)
