"""Small bodies that decode to very large ones: whole and valid to their last byte, and made in no time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from crawler.fetch.body import accept_encoding

MIB = 2**20
_ZEROS = bytes(MIB)


def deflate_raw(mebibytes: int) -> bytes:
    """Zeros as a bare deflate stream (RFC 1951)."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(_ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)  # which forgets: each mebibyte is packed alike
    return packed * mebibytes + b"\x03\x00"


def deflate(mebibytes: int) -> bytes:
    """Zeros as zlib packs them (RFC 1950)."""
    checksum = (mebibytes * MIB % 65521) << 16 | 1
    return b"\x78\xda" + deflate_raw(mebibytes) + checksum.to_bytes(4)


def gzip(mebibytes: int) -> bytes:
    """Zeros as gzip packs them (RFC 1952)."""
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(_ZEROS, checksum)
    size = mebibytes * MIB % 2**32
    return (
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff" + deflate_raw(mebibytes) + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    )


def brotli(mebibytes: int) -> bytes:
    """Zeros as Brotli packs them (RFC 7932)."""
    packer = import_module("brotli").Compressor(quality=5)
    packed = packer.process(_ZEROS) + packer.flush()
    packed += (packer.process(_ZEROS) + packer.flush()) * (mebibytes - 1)
    return packed + b"\x03"  # an empty last block


def zstd(mebibytes: int) -> bytes:
    """Zeros as zstd packs them (RFC 8878), a frame for each mebibyte."""
    return zstd_compress(_ZEROS) * mebibytes


def zstd_compress(data: bytes) -> bytes:
    """Data as one zstd frame."""
    try:
        module: Any = import_module("compression.zstd")
    except ImportError:
        module = import_module("backports.zstd")
    packed: bytes = module.compress(data)
    return packed


def brotli_compress(data: bytes) -> bytes:
    """Data as one Brotli stream."""
    packed: bytes = import_module("brotli").compress(data, quality=5)
    return packed


def gzip_of_gzip(mebibytes: int) -> bytes:
    """A bomb packed once more: `Content-Encoding: gzip, gzip`."""
    return zlib.compress(gzip(mebibytes), wbits=31)


def stack(mebibytes: int) -> bytes:
    """`Content-Encoding: zstd, br, gzip`."""
    return zlib.compress(brotli_compress(zstd(mebibytes)), wbits=31)


def installed(codings: str) -> bool:
    """Whether there is something that packs and unpacks these codings."""
    return set(codings.replace("x-gzip", "gzip").split(", ")) <= set(accept_encoding().split(", "))


_BOMBS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "gzip": ("gzip", gzip),
    "x-gzip": ("x-gzip", gzip),
    "zlib": ("deflate", deflate),
    "deflate": ("deflate", deflate_raw),
    "br": ("br", brotli),
    "zstd": ("zstd", zstd),
    "gzip-gzip": ("gzip, gzip", gzip_of_gzip),
    "stack": ("zstd, br, gzip", stack),
}
BOMBS = {name: coding for name, (coding, _) in _BOMBS.items() if installed(coding)}
"""The Content-Encoding of each bomb, by its name."""


@cache
def bomb(name: str, mebibytes: int) -> bytes:
    """The bomb of that name with so much behind it."""
    return _BOMBS[name][1](mebibytes)
