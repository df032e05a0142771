"""The body of an answer: decoded piece by piece, never beyond its limit, and judged whether it is whole.

aiohttp calls a gzip body that was cut in half whole when its Content-Length says so; here the end-of-stream mark decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from crawler.fetch.failures import FetchFailure
from crawler.model import Body


def _first(*names: str) -> Any:
    """The first of these modules that is installed, or None."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


_zlib = _first("isal.isal_zlib", "zlib")
_zstd = _first("compression.zstd", "backports.zstd")
_brotli = _first("brotli")
if not hasattr(getattr(_brotli, "Decompressor", None), "can_accept_more_data"):
    _brotli = None  # before 1.2 a single call may fill the memory

PIECE = 256 * 1024
"""A decoder gives out no more than about this at a time (Brotli: twice as much)."""

_MAX_MEMBERS = 10_000  # blocked gzip (BGZF), which has the most, packs 64 KB into each
_MAX_CODINGS = 5  # curl and urllib3 stop there too
# What servers name here although it is no coding, and browsers pass over: nothing, the encoding of the letters, what a store was sent.
_NO_CODING = re.compile(
    r"|identity|none|null|undefined|plain|raw|binary|[78]bit|text(/.*)?|aws-chunked|amz-1\.0"
    r"|(charset=)?(utf-?8|utf-?16|(us-)?ascii|iso-?8859-?\d+|latin-?1|(windows-|cp)\d+|koi8-[ru]|gbk|gb2312|big5|shift_jis|euc-(jp|kr))"
)


def accept_encoding() -> str:
    """The value of Accept-Encoding: what can be decoded here, and nothing else."""
    return "gzip, deflate" + (", br" if _brotli is not None else "") + (", zstd" if _zstd is not None else "")


class Decoder(Protocol):
    """Undoes one content coding."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What `data` holds, in pieces of bounded size. Raises FetchFailure (`decode`)."""

    def finish(self) -> None:
        """Raises FetchFailure (`truncated`) when the end-of-stream mark has not been seen."""


class BodyReader:
    """One body on its way in: `decode` each chunk, `add` each piece, `drain` when told to, `finish` at the end, then `result`.

    `received` counts the bytes before decoding, `size` those after it. No more than `max_body` bytes and one piece are ever
    decoded, no more than `memory` bytes and one piece are held when the caller drains.
    """

    __slots__ = ("_decoders", "_digest", "_held", "_limit", "_memory", "_pieces", "received", "size")

    def __init__(self, content_encoding: str, max_body: int, memory: int | None) -> None:
        self._decoders = _decoders(content_encoding) if content_encoding else ()
        self._limit = max_body
        self._memory = max_body if memory is None else memory
        self._pieces: list[bytes] = []
        self._held = 0
        self._digest: Any = None
        self.received = 0
        self.size = 0

    def decode(self, chunk: bytes) -> Iterator[bytes] | tuple[bytes]:
        """The pieces of one chunk. Raises FetchFailure (`decode`; `too_big` when what is received decodes to nothing without end)."""
        self.received += len(chunk)
        if self.received > 2 * self._limit + PIECE:
            raise too_big(self._limit)
        return _through(self._decoders, chunk) if self._decoders else (chunk,)

    def add(self, piece: bytes) -> bool:
        """Keeps a piece; True when it is time to drain. Raises FetchFailure (`too_big`)."""
        self.size += len(piece)
        if self.size > self._limit:
            raise too_big(self._limit)
        self._pieces.append(piece)
        self._held += len(piece)
        return self._held > self._memory

    def drain(self) -> bytes:
        """What is held, which is then no longer held but counts for the digest."""
        data = self._joined()
        if self._digest is None:
            self._digest = hashlib.sha256()
        self._digest.update(data)
        self._pieces = []
        self._held = 0
        return data

    def finish(self) -> None:
        """To be called after the last chunk. Raises FetchFailure (`truncated`) when a coding has not seen its end."""
        if self.received:
            for decoder in self._decoders:
                decoder.finish()

    def result(self, path: Path | None = None) -> Body:
        """The whole body: in memory, or in the file at `path` if it was drained to there."""
        if path is not None:
            return Body(self.size, None, path, self._digest.hexdigest())
        data = self._joined()
        return Body(self.size, data, None, hashlib.sha256(data).hexdigest())

    def rest(self) -> Body:
        """What there is of a body that is not whole: without a digest; empty when a part of it was drained."""
        return Body(self.size, self._joined()) if self._digest is None else Body()

    def _joined(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


def too_big(limit: int) -> FetchFailure:
    """The failure for a body beyond its limit in bytes."""
    size = f"{limit / 2**20:g} MB" if limit >= 2**20 else f"{limit} bytes"
    return FetchFailure("too_big", f"the body is larger than {size}")


def _through(decoders: tuple[Decoder, ...], data: bytes) -> Iterator[bytes]:
    first, *rest = decoders
    if not rest:
        yield from first.decode(data)
        return
    for piece in first.decode(data):
        yield from _through(tuple(rest), piece)


def _decoders(content_encoding: str) -> tuple[Decoder, ...]:
    """The decoders for a Content-Encoding, in the order in which to undo them: the last coding first (RFC 9110, 8.4)."""
    codings = [coding for part in content_encoding.split(",") if not _NO_CODING.fullmatch(coding := part.strip().lower())]
    if len(codings) > _MAX_CODINGS:
        raise FetchFailure("decode", f"the body has {len(codings)} content codings on top of each other")
    return tuple(_decoder(coding) for coding in reversed(codings))


def _decoder(coding: str) -> Decoder:
    if coding in ("gzip", "x-gzip"):
        return _Gzip()
    if coding == "deflate":
        return _Deflate()
    if coding == "br" and _brotli is not None:
        return _Brotli()
    if coding == "zstd" and _zstd is not None:
        return _Zstd()
    raise FetchFailure("decode", f"Content-Encoding {coding[:40]} cannot be decoded here, and was not asked for")


def _garbage(coding: str, error: Exception) -> FetchFailure:
    return FetchFailure("decode", f"the body is no valid {coding}: {error}")


def _cut(coding: str) -> FetchFailure:
    return FetchFailure("truncated", f"the {coding} stream ends before its end mark")


def _one_more(members: int, coding: str) -> int:
    """The number of members with the one that begins. Raises FetchFailure (`decode`) for thousands, which may hold nothing."""
    if members >= _MAX_MEMBERS:
        raise FetchFailure("decode", f"the body is more than {_MAX_MEMBERS:,} {coding} streams one after the other")
    return members + 1


def _inflate(stream: Any, data: bytes, coding: str) -> Iterator[bytes]:
    """All that a zlib stream makes of `data`, PIECE bytes at a time."""
    try:
        while True:
            piece = stream.decompress(data, PIECE)
            if piece:
                yield piece
            data = stream.unconsumed_tail
            # A full piece may leave output behind although all input is consumed.
            if stream.eof or (not data and len(piece) < PIECE):
                return
    except _zlib.error as error:
        raise _garbage(coding, error) from error


class _Gzip:
    """gzip (RFC 1952), which may have several members. What follows the last one and is none is ignored, as gunzip does."""

    def __init__(self) -> None:
        self._stream: Any = _zlib.decompressobj(wbits=31)
        self._after = b""
        self._members = 1

    def decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                data = self._after + data
                if len(data) < 2:
                    self._after = data
                    return
                if data[:2] != b"\x1f\x8b":
                    self._after = b"\0"  # never again the start of a member
                    return
                self._members = _one_more(self._members, "gzip")
                self._stream, self._after = _zlib.decompressobj(wbits=31), b""
                yield b""  # a member takes its time, also when it holds nothing
            yield from _inflate(self._stream, data, "gzip")
            data = self._stream.unused_data if self._stream.eof else b""

    def finish(self) -> None:
        if not self._stream.eof or self._after == b"\x1f":  # half a mark is the beginning of a member
            raise _cut("gzip")


class _Deflate:
    """deflate: zlib (RFC 1950) as the standard says, or the bare stream (RFC 1951) that some servers send."""

    def __init__(self) -> None:
        self._stream: Any = None
        self._head = b""

    def decode(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0
            self._stream = _zlib.decompressobj(wbits=15 if is_zlib else -15)
        if not self._stream.eof:
            yield from _inflate(self._stream, data, "deflate")

    def finish(self) -> None:
        if self._stream is None or not self._stream.eof:
            raise _cut("deflate")


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        self._stream: Any = _brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        try:
            while not stream.is_finished():
                piece = stream.process(data, output_buffer_limit=PIECE)
                if piece:
                    yield piece
                data = b""
                if stream.can_accept_more_data():
                    return
        except _brotli.error as error:
            raise _garbage("br", error) from error

    def finish(self) -> None:
        if not self._stream.is_finished():
            raise _cut("br")


# How a frame begins, one of data or one to be skipped (RFC 8878, 3.1), and a beginning of that.
_FRAME = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
_HALF_MARK = re.compile(rb"\x28(\xb5\x2f?)?|[\x50-\x5f](\x2a\x4d?)?")


class _Zstd:
    """zstd (RFC 8878), which may have several frames; those to be skipped give nothing. RFC 9659 limits the window to 8 MB."""

    def __init__(self) -> None:
        self._stream: Any = self._new()
        self._after = b""
        self._members = 1

    @staticmethod
    def _new() -> Any:
        return _zstd.ZstdDecompressor(options={_zstd.DecompressionParameter.window_log_max: 23})

    def decode(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                if self._stream.eof:
                    data = self._after + data
                    if len(data) < 4:
                        self._after = data
                        return
                    if not _FRAME.fullmatch(data[:4]):
                        self._after = b"\0\0\0\0"
                        return
                    self._members = _one_more(self._members, "zstd")
                    self._stream, self._after = self._new(), b""
                    yield b""  # a frame takes its time, also when it holds nothing
                yield from self._frame(data)
                data = self._stream.unused_data if self._stream.eof else b""
        except _zstd.ZstdError as error:
            raise _garbage("zstd", error) from error

    def _frame(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        while True:
            piece = stream.decompress(data, PIECE)
            if piece:
                yield piece
            data = b""
            if stream.eof or stream.needs_input:
                return

    def finish(self) -> None:
        if not self._stream.eof or _HALF_MARK.fullmatch(self._after):
            raise _cut("zstd")
