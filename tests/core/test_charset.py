"""Which encoding a page is in, and what it says in it."""

from __future__ import annotations

from typing import Any

import pytest
from corpora import cases, clauses, told
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.charset import _prescan, charset_of, decode, detect_charset, encode_query, encoding_of, prescan


def raw(value: Any) -> bytes:
    return value["latin1"].encode("latin-1") if isinstance(value, dict) else value.encode()


def test_every_case_of_the_html_parsing_tests() -> None:
    """A page's own declaration is found as the standard's tests have it."""
    tests = cases("html_encoding.json")
    wrong = []
    for test in tests:
        body = raw(test["html"])
        found = detect_charset(body) if body.startswith(b"\xef\xbb\xbf") else prescan(body) or "windows-1252"
        if found != test["encoding"].lower():
            wrong.append((test["encoding"], found, body[:80]))
    told("html_encoding.json", len(tests) - len(wrong), len(tests))
    assert not wrong


# Where w3lib answers otherwise, the standard decides. Each entry: part of the input, the clause.
NOT_THE_STANDARD = {
    "< meta http-equiv": "HTML, 13.2.5.6 (tag open state): `< meta` is text",
    "Fake-Content-Type-Header": "HTML, prescan, need pragma: only http-equiv=content-type counts",
    "httpequiv=": "HTML, prescan, need pragma: only http-equiv=content-type counts",
    "t searched": "HTML, prescan: the body is searched like the head",
    "utf-32": "Encoding Standard, 4.2: there is no UTF-32",
    "þÿ\\x00": "Encoding Standard, 4.2: there is no UTF-32",
    "ÿþ\\x00\\x00": "Encoding Standard, 4.2: there is no UTF-32",
    " Latin-1": "Encoding Standard, 4.2: latin1 is a label, latin-1 is none",
    "charset=utf-16": "Encoding Standard, 4.2: utf-16 means utf-16le",
}


def test_the_cases_of_w3lib() -> None:
    """Headers, declarations and bodies are read as w3lib reads them, or as a named clause of a standard says."""
    tests = [test for test in cases("encoding_w3lib.json") if test["call"] in W3LIB]
    wrong, excused = [], []
    for test in tests:
        given_, expected = W3LIB[test["call"]](*test["args"]), test["result"]
        if test["call"] == "html_to_unicode":
            expected = expected[1]
        elif test["call"] == "read_bom":
            expected = expected[0] and expected[0].replace("-le", "le").replace("-be", "be")
        elif test["call"] == "resolve_encoding":
            expected = expected and expected.replace("cp", "windows-")
        if given_ != expected:
            (excused if any(part in repr(test["args"]) for part in NOT_THE_STANDARD) else wrong).append((given_, test))
    told("encoding_w3lib.json", len(tests) - len(wrong) - len(excused), len(tests), clauses(NOT_THE_STANDARD))
    assert not wrong
    assert len(excused) <= len(tests) / 4


def named_by_mark(body: bytes) -> str | None:
    """The encoding whose byte order mark the body begins with."""
    name = detect_charset(body + b"\xff")  # no UTF-8 without a mark
    return None if name == "windows-1252" else name


W3LIB: dict[str, Any] = {
    "read_bom": lambda body: named_by_mark(raw(body)),
    "resolve_encoding": lambda label: encoding_of(label),
    "http_content_type_encoding": lambda header: charset_of(header),
    "html_body_declared_encoding": lambda body: prescan(raw(body)),
    "html_to_unicode": lambda header, body: decode(raw(body), detect_charset(raw(body), header or "")),
}


def test_queries_are_encoded_as_the_page_means_them() -> None:
    """A link's query on a page in another encoding is percent-encoded in that encoding."""
    tests = [(test["input"], name, expected) for test in cases("url_percent_encoding.json") for name, expected in test["output"].items()]
    wrong = [test for test in tests if encode_query(test[0], test[1]) != test[2]]
    told("url_percent_encoding.json", len(tests) - len(wrong), len(tests))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "charset", "expected"),
    [
        ("q=é", "windows-1252", "q=%E9"),
        ("q=€&x=%20+", "iso-8859-1", "q=%80&x=%20+"),
        ("日本", "shift_jis", "%93%FA%96{"),
        ("日\u2028本", "euc-jp", "%C6%FC%26%238232%3B%CB%DC"),
        ("\ue5e5", "gb18030", "%26%2358853%3B"),
        ("é", "utf-16le", "%C3%A9"),
        ("é", "no such encoding", "%E9"),
        ("a'\"<># ", "windows-1252", "a%27%22%3C%3E%23%20"),
    ],
)
def test_query_encoding(text: str, charset: str, expected: str) -> None:
    """What an encoding lacks becomes an escaped character reference; UTF-16 pages use UTF-8."""
    assert encode_query(text, charset) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"\xef\xbb\xbf<meta charset=latin1>", "text/html; charset=koi8-r", "utf-8"),  # 1: byte order mark
        (b"\xff\xfea\0", "text/html; charset=utf-8", "utf-16le"),
        (b"\xfe\xff\0a", "", "utf-16be"),
        (b"<meta charset=koi8-r>", "text/html; charset=Shift_JIS", "shift_jis"),  # 2: the header
        (b"<meta charset=koi8-r>", "text/html; charset=unheard-of", "koi8-r"),
        (b"<meta charset=koi8-r>", "text/html", "koi8-r"),  # 3: the page itself
        (b"<meta charset=unheard-of>", "", "utf-8"),
        (b"<?xml version='1.0' encoding='iso-8859-1'?><html>", "", "windows-1252"),
        (b"<\0?\0x\0m\0l\0", "", "utf-16le"),
        (b"\0<\0?\0x\0m\0l", "", "utf-16be"),
        (b"<meta charset=utf-16>", "", "utf-8"),  # it could not be read so if it were
        (b"<meta charset=x-user-defined>", "", "windows-1252"),
        (b"<meta charset=koi8-r>", 'text/html; a=";charset=big5"; Charset="shift\\_jis"', "shift_jis"),
        ("é".encode(), "", "utf-8"),  # 4: valid UTF-8
        (b"plain", "", "utf-8"),
        (b"", "", "utf-8"),
        ("xé".encode()[:-1], "", "windows-1252"),  # nothing else speaks for UTF-8
        ("é" * 5 + "日", "", "utf-8"),
        (("é" * 5 + "日").encode()[:-1], "", "utf-8"),  # cut off by the end
        (b"caf\xe9", "", "windows-1252"),  # 5: as browsers do
    ],
)
def test_the_order_of_evidence(body: bytes | str, content_type: str, expected: str) -> None:
    """Byte order mark, header, declaration, valid UTF-8, windows-1252: the first that says something wins."""
    assert detect_charset(body if isinstance(body, bytes) else body.encode(), content_type) == expected


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("ISO-8859-1", "windows-1252"),
        (" latin1\n", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("gb2312", "gbk"),
        ("x-sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("UTF8", "utf-8"),
        ("unicode", "utf-16le"),
        ("iso-2022-kr", None),
        ("utf-7", None),
        ("base64", None),
        ("", None),
    ],
)
def test_labels_mean_what_browsers_take_them_for(label: str, name: str | None) -> None:
    """Old labels mean their modern superset; what browsers do not know is unknown, whatever Python knows."""
    assert encoding_of(label) == name


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        (b"\x80\x81\xe9", "windows-1252", "€\x81é"),
        (b"\xd2", "windows-1253", "\ufffd"),
        (b"\xca", "windows-1255", "\u05ba"),
        (b"\xae\xbe", "koi8-u", "ўЎ"),
        (b"\xff", "x-mac-cyrillic", "€"),
        (b"\x80A", "x-user-defined", "\uf780A"),
        (b"\x87\x40\x81\x60", "shift_jis", "①～"),
        (b"\xf9\xda", "big5", "恒"),
        (b"\x81\x30\x81\x30", "gbk", "\x80"),
        (b"\xef\xbb\xbfa\xff", "utf-8", "a\ufffd"),
        (b"\xff\xfea\0", "utf-16le", "a"),
        (b"<a href=x>\xff", "no-such-encoding", "<a href=x>ÿ"),
    ],
)
def test_decoding(body: bytes, charset: str, text: str) -> None:
    """Bytes mean what the standard's indexes say; nothing is an error."""
    assert decode(body, charset) == text


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=80), st.text(max_size=40))
def test_no_page_has_no_encoding(body: bytes, content_type: str) -> None:
    """Whatever comes, there is an encoding, and Python knows a codec of that name or decode reads it anyway."""
    for page in (body, b"<meta charset=" + body + b">", b"<meta http-equiv=content-type content='charset=" + body + b"'>"):
        assert isinstance(decode(page, detect_charset(page, f"text/html; charset={content_type}")), str)
        assert encoding_of(detect_charset(page, content_type)) == detect_charset(page, content_type)


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=20), st.sampled_from(["windows-1252", "gbk", "gb18030", "big5", "iso-2022-jp", "shift_jis", "euc-kr", "koi8-u"]))
def test_encoded_queries_are_ascii(text: str, charset: str) -> None:
    """What is encoded needs no further encoding."""
    assert all("\x20" < character < "\x7f" and character not in "\"#'<>" for character in encode_query(text, charset))


def test_no_label_stands_for_a_missing_codec() -> None:
    """Every name of the standard can be decoded."""
    for label in ("ibm866", "iso-8859-8-i", "iso-8859-16", "macintosh", "windows-874", "euc-jp", "iso-2022-jp", "utf-16be"):
        assert decode("abc".encode("utf-16-be" if label == "utf-16be" else "ascii"), label) == "abc"


_PIECES = [
    "<meta ",
    "charset",
    "=",
    "utf-8",
    "koi8-r",
    '"',
    "'",
    ">",
    " ",
    "/",
    "content",
    "http-equiv",
    "content-type",
    "<!--",
    "-->",
    "<p ",
    "<",
    ";",
]


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=24).map("".join))
def test_the_shortcut_for_equal_beginnings_changes_nothing(head: str) -> None:
    """What is found in the part that the pages of a site share is what is found in the whole page."""
    body = head.encode()
    assert prescan(body) == _prescan(body)
    declared = b'<!doctype html><html lang=en><head><meta charset="koi8-r">'
    assert [prescan(declared + b"<title>1"), prescan(declared + body)] == ["koi8-r", "koi8-r"]
