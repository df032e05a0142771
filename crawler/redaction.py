"""What is secret, and how it is left out of what is written and said: headers that authorise, credentials in URLs, cookies."""

from __future__ import annotations

import re

# Headers of these names say who somebody is: Authorization, Cookie, X-Api-Key, X-Auth-Token, X-Session-Id …
_SECRET_NAME = re.compile(r"auth|cookie|token|key|secret|password|session|credential", re.IGNORECASE)
# Where an authority begins that may hold a login, in whatever spelling a browser would take, and broken ones.
_BEGINS = r"(?<![a-z0-9+.-])"  # a scheme does, here
_WEB = rf"{_BEGINS}(?:https?|wss?|ftp):[/\\\t\r\n]*"  # after these any slashes do, or none (WHATWG URL, 4.4)
_SLASHES = r"(?<![a-z0-9._~%/\\-])[/\\][\t\r\n]*[/\\][/\\\t\r\n]*"  # after all others two, which are not inside of a path
_MAIL = r"(?:mailto|sips?|xmpp|im|acct):[^:/?#]*@"  # an address, which holds no password
_OTHER = rf"{_BEGINS}(?!{_MAIL})[a-z][a-z0-9+.-]*:(?=[^ /?#@:]+[:@])"  # sip:user:password@host
# How far it goes: to the path, or to the last "@" behind what is no port, but a password that no URL may hold so.
_PROPER = r"""[^/?#\\\s"'<>]*"""  # RFC 3986, 3.2
_BROKEN = rf"(?:{_PROPER}@)?+[^/?#\\@\[:]*:(?!\d*[/?#\\]).*@"
# Every match takes all that it has looked at, so the time is linear.
_AUTHORITY = re.compile(rf"({_WEB}|{_SLASHES}|{_OTHER})({_BROKEN}|{_PROPER})", re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(r"^([a-z]+://)?[^/?#\s]*@", re.IGNORECASE)
# A line of a settings file that may hold a secret, and what of its value is hidden: all but what makes it TOML.
_SECRET_LINE = re.compile(rf"header|proxy|login|@|{_SECRET_NAME.pattern}", re.IGNORECASE)
_CONTENT = re.compile(r"""[^\s\[\]{}"',=#]""")


_COOKIES = frozenset({"set-cookie", "set-cookie2"})


def is_secret(header: str) -> bool:
    """Whether a header of this name tells who somebody is: it goes to the origins it is meant for, and is not written down."""
    return _SECRET_NAME.search(header) is not None


def redact(text: str) -> str:
    """The text with the user name and password of every URL in it replaced by `***`, whatever its scheme and spelling: rather too
    much than too little. Mail addresses stay. Takes linear time."""
    head, at, tail = text.rpartition("@")
    return _AUTHORITY.sub(_without_user_information, head + at) + tail if at else text


def _without_user_information(found: re.Match[str]) -> str:
    # The last "@" parts the user information from the host.
    login, _, host = found[2].rpartition("@")
    return f"{found[1]}***@{host}" if login else found[0]


def has_login(url: str) -> bool:
    """Whether a URL, or a host without a scheme, begins with a user name or password."""
    return _LOGIN.match(url) is not None


def without_login(url: str) -> str:
    """A URL, or a host without a scheme, without the user name and password before the host."""
    return _LOGIN.sub(r"\1", url)


def public(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers of an answer with `***` for the value of every cookie that they set (names and attributes stay), and for user
    names and passwords in URLs."""
    return tuple(
        [(name, _named(value) if name.lower() in _COOKIES else redact(value) if "@" in value else value) for name, value in headers]
    )


def _named(cookie: str) -> str:
    pair, semicolon, attributes = cookie.partition(";")
    name, equals, _ = pair.partition("=")
    return f"{name if equals else ''}{equals}***{semicolon}{attributes}"


def masked(line: str) -> str:
    """A line of a settings file as a message may show it: as long as it is, its value hidden where it may be a secret."""
    if not _SECRET_LINE.search(line):
        return line
    key, equals, value = line.partition("=")
    return key + equals + _CONTENT.sub("*", value) if equals else _CONTENT.sub("*", line)
