"""Decoding: every coding, cut anywhere, stacked, bounded, judged at its end."""

from __future__ import annotations

import bz2
import gzip
import struct
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.fetch.body import PIECE, BodyReader, accept_encoding
from crawler.fetch.failures import FetchFailure

LIMIT = 10 * 2**20


def read(coding: str, *chunks: bytes, limit: int = LIMIT) -> bytes:
    reader = BodyReader(coding, limit, None)
    for chunk in chunks:
        for piece in reader.decode(chunk):
            reader.add(piece)
    reader.finish()
    body = reader.result()
    assert body.data is not None
    assert (body.size, body.sha256) == (len(body.data), sha256(body.data).hexdigest())
    assert reader.received == sum(map(len, chunks))
    return body.data


def fails(coding: str, *chunks: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(FetchFailure) as caught:
        read(coding, *chunks, limit=limit)
    return caught.value.error.kind


def raw_deflate(data: bytes) -> bytes:
    packed = zlib.compressobj(wbits=-15)
    return packed.compress(data) + packed.flush()


def brotli(data: bytes) -> bytes:
    return pytest.importorskip("brotli").compress(data, quality=5)  # type: ignore[no-any-return]


def zstd(data: bytes) -> bytes:
    try:
        from compression.zstd import compress  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        compress = pytest.importorskip("backports.zstd").compress
    return compress(data)  # type: ignore[no-any-return]


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli,
    "zstd": zstd,
}
TEXT = b"".join(b"<p>line %d of a page</p>\n" % number for number in range(3000))


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest) -> str:
    """Every coding that can be decoded with what is installed."""
    name: str = request.param
    if name.removeprefix("x-") not in accept_encoding().split(", "):
        pytest.skip(f"nothing is installed that decodes {name}")
    return name


def test_every_coding_comes_out_as_it_went_in(coding: str) -> None:
    """What was encoded is decoded, also under a name in capitals, and the name is among those we offer."""
    assert read(coding, CODINGS[coding](TEXT)) == TEXT
    assert read(coding.upper(), CODINGS[coding](TEXT)) == TEXT
    assert coding.removeprefix("x-") in accept_encoding().split(", ")


def test_chunks_may_be_cut_anywhere(coding: str) -> None:
    """One byte at a time makes no difference."""
    packed = CODINGS[coding](b"hello hello hello")
    assert read(coding, *(packed[at : at + 1] for at in range(len(packed)))) == b"hello hello hello"


def test_a_coding_cut_short_is_truncated(coding: str) -> None:
    """Wherever the stream stops before its end mark, checksum included, the body is not whole."""
    packed = CODINGS[coding](TEXT)
    for cut in (1, 2, 10, len(packed) // 2, len(packed) - 1):
        assert fails(coding, packed[:cut]) == "truncated"


def test_garbage_is_no_body(coding: str) -> None:
    """Bytes that are not what the header says: `decode`."""
    assert fails(coding, b"\xff\xff<html>this was never compressed</html>" * 10) == "decode"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_wrong_checksum_is_no_body(coding: str) -> None:
    """The checksum at the end of a stream is looked at."""
    packed = bytearray(CODINGS[coding](TEXT))
    packed[-6 if coding == "gzip" else -2] ^= 1
    assert fails(coding, bytes(packed)) == "decode"


def test_an_empty_body_is_whole(coding: str) -> None:
    """No bytes at all, under any coding, is an empty body: servers send that with redirects."""
    assert read(coding) == b""


def test_a_bomb_gives_little_at_a_time_and_stops_at_the_limit(coding: str) -> None:
    """No piece is large, no more than a mebibyte beyond the limit is decoded, and the failure is `too_big`."""
    reader = BodyReader(coding, 2**20, None)
    pieces = []

    def explode() -> None:
        for piece in reader.decode(CODINGS[coding](bytes(32 * 2**20))):
            pieces.append(len(piece))
            reader.add(piece)

    with pytest.raises(FetchFailure) as caught:
        explode()
    assert str(caught.value.error) == "too_big: the body is larger than 1 MB"
    assert reader.size <= 2 * 2**20
    assert max(pieces) <= 2 * PIECE


def test_a_bomb_of_bombs() -> None:
    """A bomb packed once more is stopped as early."""
    assert fails("gzip, gzip", gzip.compress(gzip.compress(bytes(16 * 2**20))), limit=2**20) == "too_big"


@pytest.mark.parametrize("codings", [("gzip", "gzip"), ("deflate", "gzip"), ("br", "zstd", "gzip"), ("identity", "gzip")])
def test_codings_on_top_of_each_other(codings: tuple[str, ...]) -> None:
    """The last coding named is undone first (RFC 9110, 8.4), over one header line or several."""
    packed = TEXT
    for coding in codings:
        packed = CODINGS.get(coding, bytes)(packed)
    assert read(", ".join(codings), packed) == TEXT
    assert read(" ,".join(codings), *(packed[at : at + 1000] for at in range(0, len(packed), 1000))) == TEXT


def test_too_many_codings() -> None:
    """Nobody needs six."""
    assert fails(",".join(["gzip"] * 6), b"x") == "decode"


def test_deflate_with_and_without_its_envelope() -> None:
    """`deflate` means zlib (RFC 1950), but some servers send the bare stream (RFC 1951)."""
    assert read("deflate", raw_deflate(TEXT)) == TEXT
    assert read("deflate", raw_deflate(b"")) == b""
    assert fails("deflate", raw_deflate(TEXT)[:-5]) == "truncated"


def test_gzip_with_several_members() -> None:
    """Members follow each other (RFC 1952, 2.2); what follows the last one and is none is ignored."""
    two = gzip.compress(b"one ") + gzip.compress(b"two")
    assert read("gzip", two) == b"one two"
    assert read("gzip", *(two[at : at + 1] for at in range(len(two)))) == b"one two"
    assert read("gzip", two + bytes(100)) == b"one two"
    assert read("gzip", two, b"\0", b"\x1f", gzip.compress(b"not this")) == b"one two"
    assert fails("gzip", gzip.compress(b"one ") + b"\x1f") == "truncated"
    assert fails("gzip", gzip.compress(b"one ") + b"\x1f\x8b") == "truncated"
    assert fails("gzip", two[:-1]) == "truncated"


def test_zstd_with_several_frames() -> None:
    """Frames follow each other (RFC 8878, 3.1)."""
    two = zstd(b"one ") + zstd(b"two")
    assert read("zstd", two) == b"one two"
    assert read("zstd", *(two[at : at + 1] for at in range(len(two)))) == b"one two"
    assert read("zstd", two + b"junk") == b"one two"
    assert fails("zstd", two[:-1]) == "truncated"
    for cut in (1, 2, 3, 4):
        assert fails("zstd", zstd(b"one ") + zstd(b"two")[:cut]) == "truncated"


@pytest.mark.parametrize("magic", [0x184D2A50, 0x184D2A57, 0x184D2A5F])
def test_zstd_frames_to_be_skipped(magic: int) -> None:
    """A skippable frame (RFC 8878, 3.1.2) says nothing wherever it stands, and cut short it is truncated as any other."""
    one, two, skipped = zstd(b"one "), zstd(b"two"), struct.pack("<II", magic, 5) + b"hello"
    nothing = struct.pack("<II", magic, 0)
    whole = skipped + one + skipped + skipped + two + nothing + skipped
    assert read("zstd", whole) == b"one two"
    assert read("zstd", *(whole[at : at + 1] for at in range(len(whole)))) == b"one two"
    for cut in range(1, len(skipped)):
        assert fails("zstd", skipped[:cut]) == "truncated"
        assert fails("zstd", one + skipped[:cut]) == "truncated"


NO_CODINGS = ["", "identity", "none", "UTF-8", "IDENTITY, binary", ", ,", "aws-chunked", "text/html", "ISO-8859-1", "charset=utf-8", "8bit"]


@pytest.mark.parametrize("coding", NO_CODINGS)
def test_what_is_no_coding_is_left_alone(coding: str) -> None:
    """Some servers name here what is no coding, such as the encoding of the letters: the body is what it is."""
    assert read(coding, b"hel", b"lo") == b"hello"


@pytest.mark.parametrize("coding", ["compress", "dcz", "gzip, compress", "bzip2", "xz", "gzip;q=1", '"gzip"', "gzip gzip", "nonsense"])
def test_a_coding_we_cannot_undo(coding: str) -> None:
    """A coding that was not asked for, known or not, leaves nothing to read (RFC 9110, 8.4), and the failure names it."""
    with pytest.raises(FetchFailure) as caught:
        read(coding, b"hello")

    assert caught.value.error.kind == "decode"
    assert coding.rpartition(", ")[2] in caught.value.error.detail


def test_junk_without_end_is_too_big(coding: str) -> None:
    """What follows a coding's end is ignored, but not for ever."""
    assert fails(coding, CODINGS[coding](b"hello"), *[b"junk" * 1000] * 100, limit=1000) == "too_big"


@pytest.mark.parametrize(
    ("coding", "member"),
    [("gzip", gzip.compress(b"", mtime=0)), ("zstd", struct.pack("<II", 0x184D2A50, 0)), ("zstd", bytes.fromhex("28b52ffd2000010000"))],
)
def test_members_without_end_are_no_body(coding: str, member: bytes) -> None:
    """Thousands of members that hold nothing are soon left; between two of them others have their turn."""
    first = CODINGS[coding](b"hello")
    reader = BodyReader(coding, LIMIT, None)

    assert list(reader.decode(first + member * 100)) == [b"hello", *[b""] * 100]
    assert read(coding, first + member * 100) == b"hello"
    assert fails(coding, first + member * 10_001) == "decode"


def test_large_bodies_can_be_drained() -> None:
    """`add` says when to drain; size and digest cover what was drained."""
    reader = BodyReader("", LIMIT, memory=10)
    chunks = (b"0123456789", b"a", b"b", b"0123456789")
    drained = [reader.drain() for chunk in chunks for piece in reader.decode(chunk) if reader.add(piece)]
    reader.finish()
    drained.append(reader.drain())
    body = reader.result(Path("x"))

    assert drained == [b"0123456789a", b"b0123456789", b""]
    assert (body.size, body.data, body.path) == (22, None, Path("x"))
    assert body.sha256 == sha256(b"".join(drained)).hexdigest()


@given(st.binary(max_size=2000), st.lists(st.sampled_from(["gzip", "deflate", "x-gzip"]), max_size=3), st.integers(1, 50))
def test_any_body_any_stack_any_chunks(body: bytes, codings: list[str], size: int) -> None:
    """Decoding undoes encoding, however the bytes are cut."""
    packed = body
    for coding in codings:
        packed = CODINGS[coding](packed)
    assert read(",".join(codings), *(packed[at : at + size] for at in range(0, len(packed), size))) == body


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, br"]))
def test_any_bytes_end_well(junk: bytes, coding: str) -> None:
    """Whatever a server sends under a coding, it is a body or a failure with a kind, never another exception."""
    try:
        kind = f"{len(read(coding, junk))} bytes"
    except FetchFailure as failure:
        kind = failure.error.kind
    assert kind in ("truncated", "decode") or kind.endswith("bytes")


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("html-gzip.bin", "gzip"),
        ("html-gzip-deflate.bin", "gzip, deflate"),
        ("html-zstd-static-content-size.bin", "zstd"),
        ("html-zstd-streaming-no-content-size.bin", "zstd"),
        ("feed-sample1.xml.gz", "gzip"),
    ],
)
def test_samples_of_others(corpora: Path, name: str, coding: str) -> None:
    """Files made by other programs decode to what they hold."""
    CODINGS[coding.partition(",")[0]](b"")  # skips where it cannot be decoded
    data = (corpora / "compressed" / name).read_bytes()
    body = read(coding, data)
    if name == "feed-sample1.xml.gz":
        assert body == (corpora / "compressed" / "feed-sample1.xml").read_bytes()
        assert body == bz2.decompress((corpora / "compressed" / "feed-sample1.xml.bz2").read_bytes())
    else:
        assert b"<html" in body.lower()


def test_bombs_of_others(corpora: Path) -> None:
    """Bombs made by other people hit the limit."""
    bombs = {path: path.stem.removeprefix("bomb-") for path in (corpora / "compressed").glob("bomb-*.bin")}
    assert bombs
    for path, coding in bombs.items():
        CODINGS[coding](b"")  # skips where it cannot be decoded
        assert fails(coding, path.read_bytes(), limit=2**20) == "too_big", path.name


def test_truncated_samples_of_others(corpora: Path) -> None:
    """Files that end before their last byte are not whole."""
    cut = [path for pattern in ("truncated-*.gz", "unexpected-eof*.gz") for path in (corpora / "compressed").glob(pattern)]
    assert cut
    for path in cut:
        assert fails("gzip", path.read_bytes()) in ("truncated", "decode"), path.name
