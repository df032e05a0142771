"""Names of saved bodies: safe on every file system, no two alike; and files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.core.urls import canonical
from crawler.errors import OutputError
from crawler.store import files
from crawler.store.files import PageFiles, file_name

RESERVED = {"con", "prn", "aux", "nul", *(f"com{number}" for number in range(10)), *(f"lpt{number}" for number in range(10))}

segments = st.one_of(
    st.sampled_from([
        "", "a", "A", "b.html", "B.HTML", "index.html", "a~.html", "a~", "v1.2", "v1.2~", ".", "..", ".hidden", "con", "con.txt", "aux.",
        "a.", "a b", "a%2Fb", "%2e%2e", "%00", "é", "a-b", "a_b", "x" * 80, "x" * 81, "x" * 300, "a.tar.gz", "a.averylongextension",
        "a.PDF", "-a", "_", "~", "a:b", "a*b?", "..a", "a..b", "\\", "|", '"', "日本", "CON", "nul.txt", "a%00b",
        "..%2f..", "%2e%2e%5c", "a" * 5_000,
        "e\u0301", "\u00e9", "\u212a", "k", "K", "\ufb01", "fi", "\u017f", "s", "\uff0e\uff0e", "a%20", "a%2e", "LPT1.x", "%", "\u202e",
    ]),
    st.text("abA.~-_%é:2Ee0 ", max_size=6),
)  # fmt: skip
urls = st.builds(
    lambda scheme, host, path, query: canonical(f"{scheme}://{host}/{'/'.join(path)}{query}"),
    st.sampled_from(["http", "https"]),
    st.sampled_from(
        ["a.test", "A.test.", "a.test:80", "a.test:443", "a.test:8080", "b.test", "[::1]", "[::1]:80", "127.0.0.1:8000", "con", "aux.test"]
    ),
    st.lists(segments, max_size=5),
    st.sampled_from(["", "?", "?q=1", "?Q=1", "?a/b"]),
)


@pytest.mark.parametrize("line", [line for line in (files.__doc__ or "").splitlines() if line.startswith("    http")])
def test_the_documented_names(line: str) -> None:
    """The names are those that the table in the module's documentation shows."""
    url, name = line.split()
    begin, _, end = name.partition("…")

    assert file_name(url).startswith(begin)
    assert file_name(url).endswith(end)
    assert "…" in name or file_name(url) == name


@given(urls)
@example("http://" + "h" * 60 + "." + "g" * 60 + ".test:65535/")
@example("https://a.test/" + "d/" * 300 + "leaf")
def test_a_name_is_safe_everywhere(url: str) -> None:
    """Lower-case ASCII without anything that a file system gives a meaning to; parts and depth are bounded; no part is a name
    that Windows keeps or would change."""
    parts = file_name(url).split("/")

    assert len(parts) <= 25
    for part in parts:
        assert re.fullmatch(r"[a-z0-9_~-][a-z0-9_.~-]{0,109}", part), part
        assert not part.endswith(".")
        assert part.partition(".")[0] not in RESERVED
    assert "." in parts[-1]
    assert not any(part in (".", "..", ".tmp") for part in parts)


@given(st.lists(urls, unique=True, min_size=2, max_size=30))
def test_two_urls_never_share_a_name(several: list[str]) -> None:
    """Different URLs have different files, and none of them is a directory for another."""
    names = {url: file_name(url) for url in several}

    assert len(set(names.values())) == len(several)
    directories = {name[:end] for name in names.values() for end in range(len(name)) if name[end] == "/"}
    assert not directories & set(names.values())


@settings(max_examples=30)
@given(st.lists(urls, unique=True, min_size=2, max_size=20))
def test_whatever_the_urls_their_files_lie_in_the_folder_and_are_their_own(
    tmp_path_factory: pytest.TempPathFactory, several: list[str]
) -> None:
    """On a real file system: every body is found again under its name, inside the folder, and no other URL has touched it."""
    folder = tmp_path_factory.mktemp("crawl")
    saved = PageFiles(folder / "pages")
    for url in several:
        saved.place(saved.stage(url.encode()), saved.name_of(url))

    for url in several:
        path = folder / saved.name_of(url)
        assert path.read_bytes() == url.encode()
        assert path.resolve().is_relative_to(saved.root.resolve())
    assert sum(path.is_file() for path in folder.rglob("*")) == len(several)
    assert list(folder.iterdir()) == [saved.root]


# Links that somebody put there


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else, with a file."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "index.html").write_text("precious")
    return folder


@pytest.mark.parametrize("where", ["a.test", "a.test/d", "a.test/d/e"])
def test_a_folder_that_is_a_link_is_not_entered(saved: PageFiles, outside: Path, where: str) -> None:
    """A body is not written where a link leads; the error names the link, and nothing of the body is left."""
    link = saved.root / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    staged = saved.stage(b"body")
    with pytest.raises(OutputError) as caught:
        saved.place(staged, saved.name_of("https://a.test/d/e/"))

    assert caught.value.what == f"{link} is a symbolic link"
    assert [path.read_text() for path in outside.rglob("*")] == ["precious"]


def test_a_file_that_is_a_link_is_replaced(saved: PageFiles, outside: Path) -> None:
    """The body takes the place of the link; where that led nothing changes."""
    name = saved.name_of("https://a.test/")
    (saved.root / "a.test").mkdir()
    (saved.root.parent / name).symlink_to(outside / "index.html")
    saved.place(saved.stage(b"body"), name)

    assert (saved.root.parent / name).read_bytes() == b"body"
    assert not (saved.root.parent / name).is_symlink()
    assert (outside / "index.html").read_text() == "precious"


@pytest.mark.parametrize("where", ["pages", "pages/.tmp"])
def test_nothing_is_swept_behind_a_link(tmp_path: Path, outside: Path, where: str) -> None:
    """Neither the folder of bodies nor that of temporary files may be a link: what lies behind it is not ours to remove."""
    link = tmp_path / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    with pytest.raises(OutputError, match="is a symbolic link"):
        PageFiles(tmp_path / "pages").sweep()
    assert (outside / "index.html").read_text() == "precious"


# Files


@pytest.fixture
def saved(tmp_path: Path) -> PageFiles:
    return PageFiles(tmp_path / "pages")


def test_a_body_appears_whole_under_its_name(saved: PageFiles) -> None:
    """A body is written aside, and is in its place in one step, directories included."""
    name = saved.name_of("https://a.test/x/y.html")
    staged = saved.stage(b"body")
    assert not (saved.root.parent / name).exists()
    assert Path(staged).parent == saved.temporary

    saved.place(staged, name)
    assert (saved.root.parent / name).read_bytes() == b"body"
    assert list(saved.temporary.iterdir()) == []


def test_a_body_fetched_again_overwrites_its_own_file(saved: PageFiles) -> None:
    """The same URL has one file: the latest body."""
    name = saved.name_of("https://a.test/")
    for body in (b"a long first body", b"second"):
        saved.place(saved.stage(body), name)

    assert (saved.root.parent / name).read_bytes() == b"second"


def test_a_page_and_pages_below_it(saved: PageFiles) -> None:
    """`/a`, `/a/` and `/a/b` can all be saved."""
    for path in ("/a", "/a/", "/a/b", "/a.html", "/a.html/b"):
        saved.place(saved.stage(path.encode()), saved.name_of(f"https://a.test{path}"))

    assert sorted(path.read_bytes() for path in saved.root.rglob("*") if path.is_file()) == [
        b"/a",
        b"/a.html",
        b"/a.html/b",
        b"/a/",
        b"/a/b",
    ]


def test_what_an_unclean_end_left_is_swept(saved: PageFiles) -> None:
    """Bodies that never got their name are removed, stored ones stay."""
    name = saved.name_of("https://a.test/")
    saved.place(saved.stage(b"stored"), name)
    for _ in range(3):
        saved.stage(b"left over")

    assert PageFiles(saved.root).sweep() == 3
    assert list(saved.temporary.iterdir()) == []
    assert (saved.root.parent / name).exists()


def test_discarding_twice_is_no_error(saved: PageFiles) -> None:
    """What is not to be kept is removed, also when it is gone already."""
    staged = saved.stage(b"x")
    PageFiles.discard([staged, staged, Path(staged)])

    assert list(saved.temporary.iterdir()) == []


def test_a_full_disk_is_an_error_and_not_half_a_file(saved: PageFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only a part can be written, the next write says why; nothing appears under a page's name."""
    real = os.write

    def short(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:7])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match="No space"):
        saved.stage(b"0123456789abcdef")
