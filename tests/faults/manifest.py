"""The one list of faults: what a server does to a URL, and what has to come of it.

`manifest(random)` rolls where bodies are cut, how they are split and what they say; what is promised of a URL does not depend
on the dice. Fetchers are held to `kind` and `body`, crawls to the whole promise.
"""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from faults.bombs import BOMBS, bomb, brotli_compress, installed, zstd_compress
from faults.server import NOT_FOUND, Host, Script, Step, close, drip, hang, listen, pause, reset

from crawler.model import ErrorKind, OutcomeName

MAX_BODY = 2**20
"""The limit that the manifest is made for, in bytes."""

TRIED_AGAIN: frozenset[ErrorKind] = frozenset({"reset", "timeout", "truncated"})
"""Errors that cost a URL its `retries`; all others end it at once, or with its host."""

OK = b"HTTP/1.1 200 OK\r\n"
PROTOCOL_VERSION = b"\x15\x03\x01\x00\x02\x02\x46"  # the alert of a server that cannot do what is asked for (RFC 8446, 6.2)
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """One URL and its promise. `status` None: whichever; `body` is what an ok page holds. It is `retried` when it costs all tries,
    it `passes` when the second try brings the page, and it is `judged` when its answer is whole but cannot be used. `words` are
    in the sentence that says why."""

    path: str
    scripts: tuple[Script, ...]
    outcome: OutcomeName = "error"
    kind: ErrorKind | None = None
    status: int | None = None
    body: bytes | None = None
    host: str = "main"
    retried: bool = False
    passes: bool = False
    judged: bool = False
    words: str = ""

    @property
    def name(self) -> str:
        """What no other fault is called."""
        return self.host + self.path

    @property
    def fetched_as(self) -> ErrorKind | None:
        """The kind of error that a fetcher sees; a whole answer may still be one that cannot be used."""
        return None if self.judged else self.kind

    @property
    def is_slow(self) -> bool:
        """Whether somebody has to run out of patience."""
        return self.kind == "timeout"


def manifest(random: Random) -> list[Fault]:
    """All faults, in an order that was rolled too."""
    faults = [
        *_whole(random),
        *_cut(random),
        *_not_http(random),
        *_coded(random),
        *_too_big(random),
        *_silent(),
        *_dropped(),
        *_statuses(),
        *_passing(random),
    ]
    random.shuffle(faults)
    return faults


def hosts_of(faults: list[Fault]) -> list[Host]:
    """The hosts that answer to these faults."""
    scripts: dict[str, dict[str, tuple[Script, ...]]] = {}
    for fault in faults:
        scripts.setdefault(fault.host, {"/robots.txt": ((http(b"", "Connection: close", status="404 None"),),)})[fault.path] = fault.scripts
    return [Host(name, paths) for name, paths in scripts.items()]


def closed_doors(certificate: Callable[..., Path]) -> tuple[list[Fault], list[Host], list[Path]]:
    """Hosts that let nobody in, one fault each; and the certificates that are trusted. `certificate` makes one for names and dates."""
    good, expired = certificate("DNS:tls-good.test"), certificate("DNS:tls-expired.test", "20200101", "20200102")
    early, other = certificate("DNS:tls-early.test", "20990101", "20991231"), certificate("DNS:elsewhere.test")
    unknown = certificate("DNS:tls-self-signed.test")
    answer = {"/": ((http(b"<p>safe"),),)}
    hosts = [
        Host("refused", doors="refuses"),
        Host("unheard", doors="leaves waiting"),
        Host("silent-robots", answer | {"/robots.txt": ((hang,),)}),
        Host("reset-robots", answer | {"/robots.txt": ((reset,),)}),
        Host("tls-good", answer, "https", _tls(good)),
        Host("tls-expired", answer, "https", _tls(expired)),
        Host("tls-early", answer, "https", _tls(early)),
        Host("tls-other", answer, "https", _tls(other)),
        Host("tls-self-signed", answer, "https", _tls(unknown)),
        Host("tls-old", scheme="https", greeting=(listen, PROTOCOL_VERSION, close)),
        Host("tls-none", scheme="https", greeting=(listen, http(b"", status="400 Bad Request"), close)),
        Host("tls-silent", scheme="https"),
        Host("tls-reset", scheme="https", greeting=(listen, reset)),
        Host("tls-closed", scheme="https", greeting=(listen, close)),
    ]
    words: dict[str, tuple[ErrorKind, str]] = {
        "refused": ("refused", "the host refused the connection"),
        "unheard": ("timeout", "no connection within"),
        "nowhere": ("dns", "the host name is not known"),
        "silent-robots": ("robots_unavailable", "no headers within"),
        "reset-robots": ("robots_unavailable", "before it answered"),
        "tls-expired": ("tls", "the certificate has expired"),
        "tls-early": ("tls", "the certificate is not valid yet"),
        "tls-other": ("tls", "the certificate is for another host"),
        "tls-self-signed": ("tls", "the certificate is self-signed"),
        "tls-old": ("tls", "the server speaks only an old TLS version"),
        "tls-none": ("tls", "the server does not speak TLS on this port"),
        "tls-silent": ("timeout", "no connection within"),
        "tls-reset": ("robots_unavailable", "the connection before it answered"),
        "tls-closed": ("tls", "the server closed the connection during the handshake"),
    }
    faults = [Fault("/", (), "error", kind, 0, host=name, words=sentence) for name, (kind, sentence) in words.items()]
    return [*faults, Fault("/", (), "ok", status=200, body=b"<p>safe", host="tls-good")], hosts, [good, expired, early, other]


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# -- how answers are written ---------------------------------------------------------------------------------------------


def http(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A whole answer with its Content-Length."""
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112, 7.1); an empty one is the last."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def chunks(random: Random, body: bytes) -> bytes:
    """A body in chunks of any size, without the last one."""
    parts = []
    while body:
        size = random.randint(1, len(body))
        parts.append(chunk(body[:size]))
        body = body[size:]
    return b"".join(parts)


def page(random: Random, words: int = 400) -> bytes:
    """A page without links that is like no other."""
    text = " ".join(random.choice(("lamp", "shade", "bulb", "wire", "plug")) + str(random.randint(0, 999)) for _ in range(words))
    return f"<!doctype html><title>{random.random()}</title><p>{text}".encode()


def deflate_raw(data: bytes) -> bytes:
    """The bare stream that some servers call deflate."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


_CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "deflate": ("deflate", deflate_raw),
    "br": ("br", brotli_compress),
    "zstd": ("zstd", zstd_compress),
    "gzip-gzip": ("gzip, gzip", lambda data: gzip.compress(gzip.compress(data))),
    "deflate-gzip": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
    "stack": ("zstd, br, gzip", lambda data: gzip.compress(brotli_compress(zstd_compress(data)))),
}
CODINGS = {name: coding for name, coding in _CODINGS.items() if installed(coding[0])}
"""By name: the Content-Encoding, and what applies it."""


def _ok(name: str, body: bytes, *script: Step) -> Fault:
    return Fault(f"/ok/{name}", (script,), "ok", status=200, body=body)


def _error(kind: ErrorKind, name: str, *script: Step, status: int | None = None, host: str = "main") -> Fault:
    return Fault(f"/{kind}/{name}", (script,), "error", kind, status, host=host, retried=kind in TRIED_AGAIN)


# -- bodies --------------------------------------------------------------------------------------------------------------


def _whole(random: Random) -> list[Fault]:
    """Bodies that are whole, however odd they come."""
    body = page(random)
    return [
        _ok("length", body, http(body)),
        _ok("pieces", body, OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[:100], pause, body[100:200], pause, body[200:]),
        _ok("chunked", body, CHUNKED + b"\r\n" + chunks(random, body) + chunk(b"")),
        _ok("chunk-extension", body, CHUNKED + b"\r\n%x;name=value\r\n" % len(body) + body + b"\r\n" + chunk(b"")),
        _ok("trailer", body, CHUNKED + b"\r\n" + chunks(random, body) + b"0\r\nX-Sum: 1\r\n\r\n"),
        _ok("to-the-end", body, OK + b"\r\n" + body, close),
        _ok("http-1.0", body, b"HTTP/1.0 200 OK\r\n\r\n" + body, close),
        _ok("hints-first", body, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(body)),
        _ok("line-after", body, http(body) + b"\r\n"),
        _ok("line-before", body, b"\r\n" + http(body)),
        _ok("lines-before", body, b"\r\n\n", pause, b"\r\n", pause, http(body)),
        _ok("limit", bytes(MAX_BODY), http(bytes(MAX_BODY), "Content-Type: application/octet-stream")),
        _ok("empty", b"", http(b"")),
        Fault("/ok/no-content", ((b"HTTP/1.1 204 No Content\r\n\r\n",),), "ok", status=204, body=b""),
    ]  # fmt: skip


def _cut(random: Random) -> list[Fault]:
    """Bodies that end too early: never a page."""
    body = page(random)
    length = OK + b"Content-Length: %d\r\n\r\n" % len(body)
    half = body[: random.randint(1, len(body) - 1)]
    faults = [
        _error("truncated", "length", length + half, close),
        _error("truncated", "length-by-one", length + body[:-1], close),
        _error("truncated", "length-nothing", length, close),
        _error("truncated", "length-late", length, pause, half, pause, close),
        _error("truncated", "length-reset", length + half, pause, reset),
        _error("truncated", "chunk", CHUNKED + b"\r\n%x\r\n" % len(body) + half, close),
        _error("truncated", "chunks", CHUNKED + b"\r\n" + chunks(random, half), close),
        _error("truncated", "chunks-reset", CHUNKED + b"\r\n" + chunks(random, half), pause, reset),
        _error("truncated", "last-line", CHUNKED + b"\r\n" + chunks(random, body) + b"0\r\n", close),
        _error("truncated", "to-the-end-reset", OK + b"\r\n" + half, pause, reset),
    ]
    for name, (coding, pack) in CODINGS.items():
        packed = pack(body)
        cut = packed[: random.randint(1, len(packed) - 1)]
        faults += [
            _error("truncated", f"{name}-in-full-length", http(cut, f"Content-Encoding: {coding}")),
            _error(
                "truncated",
                f"{name}-in-chunks",
                CHUNKED + f"Content-Encoding: {coding}\r\n\r\n".encode() + chunks(random, cut) + chunk(b""),
            ),
            _error("truncated", f"{name}-to-the-end", OK + f"Content-Encoding: {coding}\r\n\r\n".encode() + cut, close),
        ]
    return [replace(fault, status=200) for fault in faults]


def _not_http(random: Random) -> list[Fault]:
    """What breaks the rules of HTTP/1.1 is not guessed at."""
    body = page(random)
    length = b"Content-Length: %d\r\n" % len(body)
    cases: dict[str, tuple[Step, ...]] = {
        "too-long": (http(body) + b"and more of it",),
        "too-long-closing": (OK + b"Connection: close\r\n" + length + b"\r\n" + body + b"and more of it", close),
        "too-long-chunk": (CHUNKED + b"\r\n3\r\n" + body + b"\r\n" + chunk(b""),),
        "too-long-chunk-before-another": (CHUNKED + b"\r\n3\r\n" + body[:3] + b"XX5\r\nhello\r\n" + chunk(b""),),
        "chunk-letters": (CHUNKED + b"\r\nzz\r\n" + body,),
        "chunk-late": (CHUNKED + b"\r\n" + chunks(random, body), pause, b"zz\r\n" + body),
        "chunk-negative": (CHUNKED + b"\r\n-1\r\n" + body,),
        "chunk-empty": (CHUNKED + b"\r\n\r\n" + body,),
        "chunk-0x": (CHUNKED + b"\r\n0x1f\r\n" + body,),
        "chunk-overflow": (CHUNKED + b"\r\n" + b"f" * random.randint(17, 400) + b"\r\n" + body,),
        "http-0.9": (body, close),
        "rubbish": (random.randbytes(random.randint(20, 400)).replace(b"H", b"h") + b"\r\n\r\n", close),
        "tls-alert": (b"\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n", close),
        "http-2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", close),
        "icy": (b"ICY 200 OK\r\n" + length + b"\r\n" + body,),
        "version": (b"HTTP/3.7 200 OK\r\n" + length + b"\r\n" + body,),
        "status-letters": (b"HTTP/1.1 20x OK\r\n" + length + b"\r\n" + body,),
        "status-long": (b"HTTP/1.1 2000 OK\r\n" + length + b"\r\n" + body,),
        "status-short": (b"HTTP/1.1 42 OK\r\n" + length + b"\r\n" + body,),
        "flood": (OK + b"".join(b"X-%d: y\r\n" % number for number in range(random.randint(500, 5000))) + length + b"\r\n" + body,),
        "flood-of-long-lines": (OK + b"".join(b"X-%d: %b\r\n" % (number, b"y" * 60_000) for number in range(9)) + length + b"\r\n" + body,),
        "endless-line": (OK + b"X: " + b"y" * 300_000 + b"\r\n" + length + b"\r\n" + body,),
        "no-colon": (OK + b"no colon here\r\n" + length + b"\r\n" + body,),
        "nul": (OK + b"X: a\0b\r\n" + length + b"\r\n" + body,),
        "lengths": (OK + length + b"Content-Length: 3\r\n\r\n" + body,),
        "length-negative": (OK + b"Content-Length: -5\r\n\r\n" + body,),
        "length-list": (OK + b"Content-Length: 5, 5\r\n\r\n" + body,),
        "length-and-chunks": (CHUNKED + length + b"\r\n" + chunk(body) + chunk(b""),),
        "transfer-gzip": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(gzip.compress(body)) + chunk(b""),),
        "part": (http(body, f"Content-Range: bytes 0-{len(body) - 1}/99999", status="206 Partial Content"),),
        "switching": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",),
    }  # fmt: skip
    return [_error("protocol", name, *script) for name, script in cases.items()]


def _coded(random: Random) -> list[Fault]:
    """Content codings: undone when they are whole, `decode` when they are something else."""
    body = page(random)
    faults = []
    for name, (coding, pack) in CODINGS.items():
        line = f"Content-Encoding: {coding}"
        rubbish = b"\xff\xff" + random.randbytes(200)
        faults += [
            _ok(name, body, http(pack(body), line)),
            _ok(f"{name}-in-chunks", body, CHUNKED + f"{line}\r\n\r\n".encode() + chunks(random, pack(body)) + chunk(b"")),
            _ok(f"{name}-empty", b"", http(b"", line)),
            _error("decode", f"{name}-is-none", http(rubbish, line), status=200),
        ]
    wrong = bytearray(gzip.compress(body))
    wrong[-6] ^= 1 + random.randrange(255)
    faults += [
        _ok("members", body, http(gzip.compress(body[:50]) + gzip.compress(body[50:]), "Content-Encoding: gzip")),
        _error("decode", "checksum", http(bytes(wrong), "Content-Encoding: gzip"), status=200),
        _error("decode", "compress", http(body, "Content-Encoding: compress"), status=200),
        _error("decode", "bzip2", http(body, "Content-Encoding: bzip2"), status=200),
        _error("decode", "six", http(body, "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip"), status=200),
    ]
    return faults


def _too_big(random: Random) -> list[Fault]:
    """Bodies beyond `MAX_BODY`, by a byte or by a thousand times."""
    over = bytes(MAX_BODY + random.randint(1, 1000))
    faults = [
        _error("too_big", "length", http(over)),
        _error("too_big", "announced", OK + b"Content-Length: 99999999999999\r\n\r\n", hang),
        _error("too_big", "chunked", CHUNKED + b"\r\n" + chunk(over) + chunk(b"")),
        _error("too_big", "to-the-end", OK + b"\r\n" + over, close),
        _error("too_big", "endless", OK + b"\r\n", drip(bytes(100_000), 0.0)),
    ]
    faults += [_error("too_big", f"bomb-{name}", http(bomb(name, 64), f"Content-Encoding: {coding}")) for name, coding in BOMBS.items()]
    return [replace(fault, status=200) for fault in faults]


# -- servers -------------------------------------------------------------------------------------------------------------


def _silent() -> list[Fault]:
    """Servers that keep us waiting, each on a host of its own."""
    body = OK + b"Content-Length: 50000\r\n\r\n"
    cases: dict[str, tuple[int, tuple[Step, ...]]] = {
        "nothing": (0, (hang,)),
        "half-a-head": (0, (OK, hang)),
        "dripping-head": (0, (OK + b"X: ", drip(b"y", 0.005))),
        "half-a-body": (200, (body + b"half", hang)),
        "half-a-chunk": (200, (CHUNKED + b"\r\n" + chunk(b"half") + b"ff\r\n", hang)),
        "half-a-gzip": (200, (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"half" * 999)[:30], hang)),
        "dripping-body": (200, (body, drip(b"y"))),
    }  # fmt: skip
    return [_error("timeout", name, *script, status=status, host=f"slow-{name}") for name, (status, script) in cases.items()]


def _dropped() -> list[Fault]:
    """Connections that end before the header does."""
    cases: dict[str, tuple[Step, ...]] = {"close": (close,), "reset": (reset,), "half-a-head": (OK + b"Content-Le", close)}
    return [_error("reset", name, *script, status=0) for name, script in cases.items()]


def _statuses() -> list[Fault]:
    """Answers that are no pages."""
    faults = [
        Fault("/status/404", (NOT_FOUND,), "http_error", status=404),
        Fault("/status/410", ((http(b"gone", status="410 Gone"),),), "http_error", status=410),
        Fault("/status/999", ((http(b"what", status="999 What"),),), "http_error", status=999),
        Fault("/status/500", ((http(b"oops", status="500 Oops"),),), "http_error", status=500, retried=True),
        Fault("/status/408", ((http(b"late", status="408 Late"),),), "http_error", status=408, retried=True),
        Fault("/status/304", ((b"HTTP/1.1 304 Not Modified\r\n\r\n",),), "error", "protocol", 304, judged=True),
        Fault("/status/loop", ((http(b"", "Location: /status/loop", status="302 Found"),),), "error", "redirect_loop", 302, judged=True),
        Fault("/status/nowhere", ((http(b"", status="302 Found"),),), "error", "protocol", 302, judged=True),
    ]  # fmt: skip
    return faults


def _passing(random: Random) -> list[Fault]:
    """Faults that pass: the second time there is a page."""
    body = page(random)
    half = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body[: random.randint(0, len(body) - 1)]
    firsts: dict[str, Script] = {
        "reset": (reset,),
        "close": (close,),
        "truncated": (half, close),
        "truncated-gzip": (http(gzip.compress(body)[:-1], "Content-Encoding: gzip"),),
        "500": (http(b"oops", status="500 Oops"),),
        "503": (http(b"busy", "Retry-After: 1", status="503 Busy"),),
        "429": (http(b"slow", "Retry-After: 1", status="429 Slow"),),
        "425": (http(b"early", status="425 Early"),),
    }  # fmt: skip
    return [
        Fault(f"/passes/{name}", (first, (http(body),)), "ok", status=200, body=body, host=f"passing-{name}", passes=True)
        for name, first in firsts.items()
    ]
