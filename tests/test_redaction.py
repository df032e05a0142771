"""What is secret is known by its name and its place, and left out without a trace of its value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.redaction import has_login, is_secret, masked, public, redact, without_login


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("Authorization", True), ("proxy-authorization", True), ("Cookie", True), ("X-Api-Key", True), ("X-Auth-Token", True),
        ("Session-Id", True), ("X-Client-Secret", True), ("PRIVATE-TOKEN", True), ("X-Amz-Credential", True), ("Password", True),
        ("Accept-Language", False), ("User-Agent", False), ("Referer", False), ("X-Request-Id", False), ("DNT", False),
    ],
)  # fmt: skip
def test_headers_that_authorise(name: str, secret: bool) -> None:
    """Whatever tells who somebody is, in any case."""
    assert is_secret(name) is secret


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("http://user:pw@h:1/", "http://h:1/"), ("user:pw@h", "h"), ("http://h/", "http://h/"), ("h", "h"),
        ("http://h/@x", "http://h/@x"), ("http://a@b@h/", "http://h/"), ("http://h/?mail=a@b", "http://h/?mail=a@b"),
    ],
)  # fmt: skip
def test_logins_of_urls(url: str, without: str) -> None:
    """Only what stands before the host goes."""
    assert without_login(url) == without
    assert has_login(url) is (url != without)


def test_headers_of_an_answer() -> None:
    """Names and attributes of cookies stay, their values do not; nor do logins in URLs."""
    given = (
        ("Set-Cookie", "sid=abc=d; Path=/; HttpOnly"), ("set-cookie", "bare"), ("SET-COOKIE2", "x=1"), ("Location", "http://u:p@h/x"),
        ("Date", "today"),
    )  # fmt: skip
    assert public(given) == (
        ("Set-Cookie", "sid=***; Path=/; HttpOnly"), ("set-cookie", "***"), ("SET-COOKIE2", "x=***"), ("Location", "http://***@h/x"),
        ("Date", "today"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('header = ["Authorization: abc"]', 'header = ["************** ***"]'),
        ('proxy = "http://u:p@h"', 'proxy = "************"'),
        ('auth_env = "X"  # mine', 'auth_env = "*"  # ****'),
        ('  "Cookie: abc",', '  "******* ***",'),
        ("delay = 'fast'", "delay = 'fast'"),
        ('include = ["/docs/"]', 'include = ["/docs/"]'),
    ],
)
def test_lines_of_a_settings_file(line: str, shown: str) -> None:
    """What may be a secret is hidden; places stay, so that a caret points to them."""
    assert len(masked(line)) == len(line)
    assert masked(line) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("//u:p@:9/", "//***@:9/"), ("http:\\\\u:p@h", "http:\\\\***@h"), ("/\t\\u:p@h", "/\t\\***@h"), ("http:u:p@h", "http:***@h"),
        ("https:/u:p@h", "https:/***@h"), ("http:////u:p@h", "http:////***@h"), ("http://u:a b'\"<>@h/", "http://***@h/"),
        ("http://u:a/b?c#d@h/", "http://***@h/"), ("http://me@here:a/b@h/", "http://***@h/"), ("ssh://u:a\\b@h", "ssh://***@h"),
        ("0;url=//u:p@h", "0;url=//***@h"), ("<http://u:p@h/a>, <http://h/@b>", "<http://***@h/a>, <http://h/@b>"),
        ("view-source:http://u:p@h", "view-source:http://***@h"), ("mailto:u:p@h", "mailto:***@h"), ("u:p@h:1/", "u:***@h:1/"),
        ("http://token@h", "http://***@h"),
    ],
)  # fmt: skip
def test_logins_in_every_spelling(text: str, shown: str) -> None:
    """As browsers read them, as people mistype them, of schemes that nobody asks for, one among others."""
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "mailto:a@b.test?cc=c@d.test", "a@b.test", "http://h/photos/1@N05/", "http://h:8080/@u", "http://[::1]:80/@u", "http://h/?a=b@c",
        "http://h/a//b@c", "http://h/ is of a@b.test", "{'a':'b@c'}", "at 12:30 a@b", "//h/@a",
    ],
)  # fmt: skip
def test_what_is_no_login_stays(text: str) -> None:
    """Addresses of mail, paths and queries with an @, and where a port is one."""
    assert redact(text) == text


@pytest.mark.parametrize("piece", ["//", "\\", "//a:b", "a:", "a:b@", "http:", "/\t", "//a@", "//a:b@", "//[", "http://h:1"])
@pytest.mark.parametrize("end", ["", "@", "\n@"])
def test_texts_of_any_kind_take_linear_time(piece: str, end: str) -> None:
    """A text of some hundred thousand characters that looks like nothing but logins takes moments, where squares would take minutes."""
    text = piece * 100_000 + end
    before = time.process_time()
    assert len(redact(text)) <= 3 * len(text)
    assert time.process_time() - before < 2


@given(st.text(max_size=60), st.text("abc!%.:", min_size=1, max_size=9))
def test_no_login_gets_through(around: str, login: str) -> None:
    """Whatever stands around a URL, its login is gone, and nothing else of what is plain."""
    text = f"{around} http://{login}@host/x {around}"
    assert f"//{login}@" not in redact(text)
    assert "@host/x" in redact(text)
    assert redact(redact(text)) == redact(text)
