"""The cookie jar: RFC 6265, with every cookie kept to the origin that set it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import UsageError
from crawler.fetch.cookies import CookieJar, origin_of

SITE = "https://www.example.org"


def jar(*lines: str, path: str = "/a/b", origin: str = SITE) -> CookieJar:
    made = CookieJar()
    made.keep(origin, path, lines)
    return made


@pytest.mark.parametrize(
    ("scheme", "host", "port", "origin"),
    [
        ("http", "example.org", None, "http://example.org"),
        ("http", "example.org", 80, "http://example.org"),
        ("https", "example.org", 443, "https://example.org"),
        ("http", "example.org", 443, "http://example.org:443"),
        ("http", "::1", 8000, "http://[::1]:8000"),
    ],
)
def test_origins(scheme: str, host: str, port: int | None, origin: str) -> None:
    """An origin is scheme, host and port; the usual port is left out (RFC 6454, 6.2)."""
    assert origin_of(scheme, host, port) == origin


@pytest.mark.parametrize(
    "other",
    [
        "http://www.example.org", "https://www.example.org:8443", "https://example.org", "https://sub.www.example.org",
        "https://www.example.org.evil.test", "https://evil.test", "https://[::1]", "https://127.0.0.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["id=1", "id=1; Domain=example.org", "id=1; Domain=.example.org", "id=1; Domain=org"])
def test_a_cookie_never_leaves_its_origin(other: str, line: str) -> None:
    """Another host, scheme or port does not see it, whatever Domain says."""
    kept = jar(line)

    assert kept.header(other, "/a/b") is None
    assert kept.header(SITE, "/a/b") == "id=1"


@pytest.mark.parametrize("domain", ["evil.test", "ww.example.org", "sub.www.example.org", "www.example.org.evil.test"])
def test_a_cookie_for_somebody_else_is_dropped(domain: str) -> None:
    """A host cannot set a cookie for a domain that it is not part of (RFC 6265, 5.3)."""
    assert jar(f"id=1; Domain={domain}").header(SITE, "/") is None


@pytest.mark.parametrize(
    ("line", "path", "seen"),
    [
        ("id=1", "/a/b", True),
        ("id=1", "/a/c", True),
        ("id=1", "/a", True),
        ("id=1", "/b", False),
        ("id=1; Path=/", "/b", True),
        ("id=1; Path=/docs", "/docs", True),
        ("id=1; Path=/docs", "/docs/web", True),
        ("id=1; Path=/docs", "/docsets", False),
        ("id=1; Path=/docs/", "/docs", False),
        ("id=1; Path=docs", "/a/x", True),
    ],
)
def test_paths(line: str, path: str, seen: bool) -> None:
    """A cookie goes to its path and below; without one, to the folder of the page that set it (RFC 6265, 5.1.4)."""
    assert (jar(line).header(SITE, path) is not None) is seen


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("id=1; Max-Age=100", True),
        ("id=1; Max-Age=0", False),
        ("id=1; Max-Age=-5", False),
        ("id=1; Max-Age=-" + "9" * 5000, False),
        ("id=1; Max-Age=soon", True),
        ("id=1; Max-Age=--5", True),
        ("id=1; Max-Age=-", True),
        ("id=1; Max-Age=5-", True),
        ("id=1; Max-Age=²", True),
        ("id=1; Max-Age=-٥", True),
        ("id=1; Max-Age=00000000000000005", True),
        ("id=1; Max-Age=" + "9" * 5000, True),
        ("id=1; Max-Age=99999999999999999999999", True),
        ("id=1; Expires=Wed, 09 Jun 2060 10:18:14 GMT", True),
        ("id=1; expires=Wednesday, 09-Jun-60 10:18:14 GMT", True),
        ("id=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT", False),
        ("id=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT; Max-Age=100", True),
        ("id=1; Expires=whenever", True),
    ],
)
def test_when_cookies_end(line: str, kept: bool) -> None:
    """Max-Age wins over Expires; what is in the past removes the cookie (RFC 6265, 5.3), and what is no time is passed over (5.2.2)."""
    made = jar("id=old", line)

    assert made.header(SITE, "/a/b") == ("id=1" if kept else None)


_PIECES = ["id=1", "=", ";", ",", " ", "-", "--5", "0", "9" * 5000, "²", "٥", "1e9", ":", "Max-Age=", "Expires=", "Domain=", "Path=", ".",
           "Thu, 01 Jan 1970 00:00:00 GMT", "Jan", "+9999", "(", '"', "\xff", "[", "]"]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=5), max_size=12).map("".join), st.text(max_size=3))
def test_no_cookie_breaks_its_answer(line: str, path: str) -> None:
    """Whatever a server says in Set-Cookie, it is a cookie or it is dropped."""
    header = jar(line, path=path).header(SITE, path)

    assert header is None or header.isprintable()


def test_a_new_value_replaces_the_old() -> None:
    """Name and path make a cookie; the same again is the same cookie."""
    assert jar("id=1", "id=2", "id=3; Path=/").header(SITE, "/a/b") == "id=2; id=3"


def test_longest_paths_come_first() -> None:
    """The order of the Cookie header (RFC 6265, 5.4)."""
    assert jar("x=1; Path=/", "y=2; Path=/a/b", "z=3; Path=/a").header(SITE, "/a/b") == "y=2; z=3; x=1"


@pytest.mark.parametrize("line", ["", ";", "=", "  ; Path=/", "a=b\x00c", "a=b\nc", "x" * 5000, "na\x7fme=1", "a=\xe9"])
def test_what_cannot_be_sent_is_not_kept(line: str) -> None:
    """Empty, huge and unprintable cookies are dropped."""
    assert jar(line).header(SITE, "/a/b") is None


def test_odd_but_common_cookies() -> None:
    """A value without a name and quotes around a value are sent back as they came."""
    assert jar("just-this").header(SITE, "/a/b") == "just-this"
    assert jar('q="a b"; Secure; HttpOnly; SameSite=Lax').header(SITE, "/a/b") == 'q="a b"'
    assert jar("eq=a=b").header(SITE, "/a/b") == "eq=a=b"


def test_a_server_cannot_fill_the_memory() -> None:
    """An origin keeps its newest fifty cookies."""
    made = jar(*(f"c{number}=1" for number in range(200)))

    header = made.header(SITE, "/a/b")
    assert header is not None
    assert [pair.split("=")[0] for pair in header.split("; ")] == [f"c{number}" for number in range(150, 200)]


def netscape(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "cookies.txt"
    file.write_text("\n".join(("# Netscape HTTP Cookie File", *(line.replace(" ", "\t") for line in lines), "")))
    return file


def test_the_users_file(tmp_path: Path) -> None:
    """A cookie file serves hosts, and domains with their subdomains when it says so; secure ones go over TLS only."""
    made = CookieJar(netscape(
        tmp_path,
        ".example.org TRUE / FALSE 4102444800 wide 1",
        "www.example.org FALSE / TRUE 0 safe 2",
        "",
        "# a comment",
        "www.example.org FALSE / FALSE 1000000000 old 3",
        "#HttpOnly_www.example.org FALSE /a FALSE 4102444800 hidden 4",
    ))  # fmt: skip

    assert made.header("https://www.example.org", "/a") == "hidden=4; wide=1; safe=2"
    assert made.header("http://www.example.org", "/") == "wide=1"
    assert made.header("https://example.org", "/") == "wide=1"
    assert made.header("https://notexample.org", "/") is None


def test_a_server_may_replace_what_the_file_said(tmp_path: Path) -> None:
    """The server's newer value wins, and what it removes stays removed, for that origin."""
    made = CookieJar(netscape(tmp_path, ".example.org TRUE / FALSE 4102444800 id file"))

    made.keep(SITE, "/", ["id=server; Path=/"])
    assert made.header(SITE, "/") == "id=server"
    made.keep(SITE, "/", ["id=; Path=/; Max-Age=0"])
    assert made.header(SITE, "/") is None
    assert made.header("https://example.org", "/") == "id=file"


@pytest.mark.parametrize("text", ["<html>", '{"cookies": []}', "# Netscape HTTP Cookie File\nexample.org nonsense\n"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    """What is no cookie file is an error that names it."""
    file = tmp_path / "cookies.txt"
    file.write_text(text)

    with pytest.raises(UsageError, match=r"cookies\.txt"):
        CookieJar(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    with pytest.raises(UsageError, match=r"nowhere\.txt"):
        CookieJar(tmp_path / "nowhere.txt")


def test_a_jar_survives_its_crawl(tmp_path: Path) -> None:
    """What was saved is restored: values, paths, ends, session cookies too; only the owner can read the file."""
    file = tmp_path / "cookies.json"
    jar("id=1; Path=/; Max-Age=1000", "session=2", 'q="a b"').save(file)

    restored = CookieJar()
    restored.restore(file)

    assert restored.header(SITE, "/a/b") == 'session=2; q="a b"; id=1'
    assert restored.header("https://example.org", "/a/b") is None
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["cookies.json"]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"https://x": [[1]]}', '{"https://x": 5}', "\x00", "[" * 100_000,
        '{"https://x": [["a", "b", 5]]}', '{"https://x": [["a", "b", "/", "soon"]]}', '{"https://x": [[[], "b", "/"]]}',
    ],
)  # fmt: skip
def test_a_damaged_jar_is_an_empty_one(tmp_path: Path, text: str) -> None:
    """Cookies that cannot be read again stop nobody."""
    file = tmp_path / "cookies.json"
    file.write_text(text)

    made = CookieJar()
    made.restore(file)
    made.restore(tmp_path / "nowhere.json")

    assert not made


def test_a_jar_that_cannot_be_saved(tmp_path: Path) -> None:
    """A folder that is gone, or a full disk, stops nobody either."""
    jar("id=1").save(tmp_path / "nowhere" / "cookies.json")


def test_a_jar_whose_saving_is_cut_off_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it is written: the file is as it was, and no other one is there."""
    file = tmp_path / "cookies.json"
    jar("id=1").save(file)
    before = file.read_text()
    monkeypatch.setattr(json, "dump", cut_off)
    with pytest.raises(KeyboardInterrupt):
        jar("id=2").save(file)
    assert (file.read_text(), list(tmp_path.iterdir())) == (before, [file])


def cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_is_secret_is_not_kept(tmp_path: Path) -> None:
    """The cookies of the user's own file stay in that file until a site that saw them sets cookies of its own."""
    made = CookieJar(netscape(tmp_path, "www.example.org FALSE / FALSE 0 secret 1"))

    made.save(tmp_path / "cookies.json")

    assert "secret" not in (tmp_path / "cookies.json").read_text()
