"""Which encoding a page is in, found as browsers find it, and its text.

Names are those of the WHATWG Encoding Standard in lower case ("windows-1252", never "iso-8859-1").
"""

from __future__ import annotations

import codecs
import re
from functools import cache, lru_cache

from crawler.undeclared import guess_charset

FALLBACK = "windows-1252"
PRESCAN_BYTES = 16 * 1024
"""How far into a page its declaration is looked for. HTML, 13.2.3.2, asks authors for the first 1024 bytes, but browsers change
the encoding when they meet a later one."""

# Encoding Standard, 4.2: every name with its other labels.
_LABELS = """
utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8
ibm866: 866 cp866 csibm866
iso-8859-2: csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2
iso-8859-3: csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3
iso-8859-4: csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4
iso-8859-5: csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988
iso-8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596
  iso_8859-6 iso_8859-6:1987
iso-8859-7: csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek
iso-8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual
iso-8859-8-i: csiso88598i logical
iso-8859-10: csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso-8859-13: iso8859-13 iso885913
iso-8859-14: iso8859-14 iso885914
iso-8859-15: csisolatin9 iso8859-15 iso885915 iso_8859-15 l9
iso-8859-16:
koi8-r: cskoi8r koi koi8 koi8_r
koi8-u: koi8-ru
macintosh: csmacintosh mac x-mac-roman
windows-874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620
windows-1250: cp1250 x-cp1250
windows-1251: cp1251 x-cp1251
windows-1252: ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987
  l1 latin1 us-ascii x-cp1252
windows-1253: cp1253 x-cp1253
windows-1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 x-cp1254
windows-1255: cp1255 x-cp1255
windows-1256: cp1256 x-cp1256
windows-1257: cp1257 x-cp1257
windows-1258: cp1258 x-cp1258
x-mac-cyrillic: x-mac-ukrainian
gbk: chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk
gb18030:
big5: big5-hkscs cn-big5 csbig5 x-x-big5
euc-jp: cseucpkdfmtjapanese x-euc-jp
iso-2022-jp: csiso2022jp
shift_jis: csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis
euc-kr: cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949
utf-16be: unicodefffe
utf-16le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16
x-user-defined:
"""

# Python's codec where its name differs or its own codec of that name knows fewer characters than the standard's.
_CODECS = {
    "iso-8859-8-i": "iso8859_8",
    "macintosh": "mac_roman",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac_cyrillic",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
}
# Bytes that Python's single-byte codecs read differently, or not at all.
_PATCHES = {
    "koi8-u": {0xAE: "\u045e", 0xBE: "\u040e"},
    "x-mac-cyrillic": {0xA2: "\u0490", 0xB6: "\u0491", 0xFF: "\u20ac"},
    "windows-1255": {0xCA: "\u05ba"},
    "x-user-defined": {byte: chr(0xF700 + byte) for byte in range(0x80, 0x100)},
}
_MULTIBYTE = {"utf-8", "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "utf-16be", "utf-16le"}
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
_WHITE_SPACE = b"\t\n\f\r "


@cache
def _names() -> dict[str, str]:
    names = {}
    for line in _LABELS.replace("\n  ", " ").split("\n"):
        name, _, labels = line.partition(":")
        names.update(dict.fromkeys([name, *labels.split()], name))
    return names


def encoding_of(label: str) -> str | None:
    """The encoding that a label means, in any case and with white space around it; None when it means none.

    The labels that the standard maps to "replacement" are unknown here: that encoding hides every link of the page to
    protect somebody who would see it, and nobody does. Source: Encoding Standard, 4.2.
    """
    return _names().get(label.strip("\t\n\f\r ").lower()) if label else None


def detect_charset(body: bytes, content_type: str = "") -> str:
    """The encoding of a page: byte order mark, Content-Type, declaration in the page, UTF-8 if valid, else what its letters say,
    else windows-1252.

    Never fails: an unknown label counts as none. Source: HTML, 13.2.3.2, where the steps for valid UTF-8 and for letters stand for
    what browsers call autodetection. Unlike there, a label of UTF-16 does not count for a page that has markup and no NUL: as UTF-16 it
    would be noise without a link.
    """
    if (named := _named_around(body, content_type)) and not (named.startswith("utf-16") and _is_no_utf16(body)):
        return named
    if declared := prescan(body):
        return declared
    try:
        body.decode()
    except UnicodeDecodeError as error:
        # A character cut off by the end of the body is no evidence against UTF-8 when others stand for it.
        cut_off = error.reason == "unexpected end of data" and not body[: error.start].isascii()
        return "utf-8" if cut_off else guess_charset(body, otherwise=FALLBACK)
    return "utf-8"


def _is_no_utf16(body: bytes) -> bool:
    """Whether a page that is said to be UTF-16 has markup of single bytes: in UTF-16 every `<` has a NUL beside it."""
    return b"<" in body and b"\0" not in body


def _named_around(body: bytes, content_type: str) -> str | None:
    """The encoding by byte order mark or Content-Type, which come before anything that a text says of itself."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return name
    return charset_of(content_type) if content_type else None


_STYLE_CHARSET = re.compile(rb'@charset "([^"]{0,40})";')


def style_charset(body: bytes, content_type: str = "") -> str:
    """The encoding of a style sheet: byte order mark, Content-Type, `@charset`, else UTF-8. Source: CSS Syntax 3, 3.2."""
    if named := _named_around(body, content_type):
        return named
    declared = _STYLE_CHARSET.match(body)
    return (_not_utf16(encoding_of(declared[1].decode("latin-1"))) if declared else None) or "utf-8"


def decode(body: bytes, charset: str) -> str:
    """The text of a page in this encoding, without its byte order mark. What does not decode becomes U+FFFD.

    Takes any label; an unknown one is read as windows-1252, so that the ASCII part, and every link with it, survives.
    """
    name = encoding_of(charset) or FALLBACK
    for mark, marked in _BOMS:
        if marked == name and body.startswith(mark):
            body = body[len(mark) :]
    if name in _MULTIBYTE:
        return body.decode(_CODECS.get(name, name), "replace")
    return codecs.charmap_decode(body, "replace", _table(name))[0]


@cache
def _table(name: str) -> str:
    """What each byte of a single-byte encoding means, as the standard's index says."""
    codec = _CODECS.get(name, name)
    table = [bytes([byte]).decode("ascii" if name == "x-user-defined" else codec, "replace") for byte in range(256)]
    for byte in range(0x80, 0xA0):  # Python leaves holes where the standard has C1 controls
        if table[byte] == "\ufffd":
            table[byte] = chr(byte)
    for byte, character in _PATCHES.get(name, {}).items():
        table[byte] = character
    return "".join(table)


_PARAMETER = re.compile(r';[\t\n\r ]*([^;="\x00-\x20]*)(?:=("(?:[^"\\]|\\.)*"?[^;]*|[^;]*))?', re.DOTALL)


def charset_of(content_type: str) -> str | None:
    """The encoding that a Content-Type header names, or None. Source: MIME Sniffing Standard, 4.4 (parse a MIME type)."""
    for name, value in _PARAMETER.findall(content_type):
        if name.lower() == "charset" and value:
            if value[0] == '"':
                value = re.sub(r"\\(.)", r"\1", value[1:].partition('"')[0])
            # Several headers joined by a comma: Fetch, "extract a MIME type", takes each apart.
            return encoding_of(value.partition(",")[0].rstrip("\t\n\r "))
    return None


_PRESCAN_NEXT = re.compile(rb"<(?:(!--)|(?:meta([\t\n\f\r /]))|(/?[a-z])|([!/?]))", re.IGNORECASE)
_NAME_END = re.compile(rb"[\t\n\f\r >]")
_ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)[\t\n\f\r ]*"
    rb"(?:=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|([^\t\n\f\r >\"'][^\t\n\f\r >]*)(?=[\t\n\f\r >])|(?=>))|(?=[^\t\n\f\r =]))"
)
_XML = re.compile(rb"<\?xml[^>]*?encoding[\x00-\x20]*=[\x00-\x20]*(?:\"([^\"\x00-\x20>]*)\"|'([^'\x00-\x20>]*)')")
_CONTENT_CHARSET = re.compile(
    rb"charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|([^\t\n\f\r ;\"'][^\t\n\f\r ;]*))", re.IGNORECASE
)


def prescan(body: bytes) -> str | None:
    """The encoding that the page declares itself, or None. Source: HTML, "prescan a byte stream to determine its encoding"."""
    # A site says it in the same words on every page: up to where that ends, their beginnings are alike.
    end = body.find(b">", body.find(b"charset", 0, 1024), 1024) + 1
    known = _known_prescan(body[:end]) if end else None
    return known or _prescan(body[:1024]) or (_prescan(body[:PRESCAN_BYTES]) if len(body) > 1024 else None)


@lru_cache(maxsize=256)
def _known_prescan(head: bytes) -> str | None:
    return _prescan(head)


def _prescan(head: bytes) -> str | None:
    if head.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    if head.startswith(b"\0<\0?\0x"):
        return "utf-16be"
    lower = head.lower()
    if b"charset" not in lower and b"encoding" not in lower:
        return None
    position = 0
    while found := _PRESCAN_NEXT.search(head, position):
        comment, meta, tag, other = found.groups()
        position = found.end()
        if comment:
            end = head.find(b"-->", found.start() + 2)
            position = end + 3
        elif other:
            end = head.find(b">", position - 1)
            position = end + 1
        else:
            if tag:
                name_end = _NAME_END.search(head, position)
                position = name_end.start() if name_end else len(head)
            attributes, end = _attributes(head, position)
            position = end + 1
            if meta and end >= 0 and (name := _declared(attributes)):
                return name
        if end < 0:
            break
    xml = _XML.match(head)
    return _not_utf16(encoding_of((xml[1] or xml[2] or b"").decode("latin-1"))) if xml else None


def _attributes(head: bytes, position: int) -> tuple[dict[bytes, bytes], int]:
    """The attributes from here on, each name once, and where the tag ends: -1 when the bytes run out."""
    attributes: dict[bytes, bytes] = {}
    while found := _ATTRIBUTE.match(head, position):
        position = found.end()
        value = found[2] or found[3] or found[4] or b""
        attributes.setdefault(found[1].lower(), value.lower())
    rest = head[position:]
    skipped = len(rest) - len(rest.lstrip(_WHITE_SPACE + b"/"))
    return attributes, position + skipped if head[position + skipped : position + skipped + 1] == b">" else -1


def _declared(attributes: dict[bytes, bytes]) -> str | None:
    """What a meta element declares, if anything."""
    if b"charset" in attributes:
        return _not_utf16(encoding_of(attributes[b"charset"].decode("latin-1")))
    if attributes.get(b"http-equiv") != b"content-type":
        return None
    found = _CONTENT_CHARSET.search(attributes.get(b"content", b""))
    return _not_utf16(encoding_of((found[1] or found[2] or found[3] or b"").decode("latin-1"))) if found else None


def _not_utf16(name: str | None) -> str | None:
    """A declaration that could be read byte by byte is not in UTF-16."""
    if name in ("utf-16le", "utf-16be"):
        return "utf-8"
    return FALLBACK if name == "x-user-defined" else name


_QUERY_ESCAPES = re.compile(rb"[\x00-\x20\x22#'<>\x7f-\xff]")
_ENCODER_CODECS = {**_CODECS, "gbk": "gbk"}
# Encoding Standard: what the encoders read differently from Python's.
_ENCODER_READS = {
    "shift_jis": {0xA5: "\\", 0x203E: "~", 0x2212: "\uff0d"},
    "euc-jp": {0xA5: "\\", 0x203E: "~", 0x2212: "\uff0d"},
    "iso-2022-jp": {0x0E: "\ufffd", 0x0F: "\ufffd", 0x1B: "\ufffd", 0x2212: "\uff0d"},
}


def encode_query(text: str, charset: str) -> str:
    """A URL's query percent-encoded as a page in this encoding means it; what the encoding lacks becomes `%26%23N%3B`.

    Source: URL, 1.3 (percent-encode after encoding) with the special-query percent-encode set.
    """
    name = encoding_of(charset) or FALLBACK
    codec = _ENCODER_CODECS.get(name, name)
    if name in ("utf-16le", "utf-16be", "x-user-defined"):
        codec = "utf-8"
    pieces = []
    text = text.translate(_ENCODER_READS.get(name, {}))
    if name in ("gbk", "gb18030"):
        text = text.replace("\ue5e5", "\ud800")  # the one character that the standard's encoder refuses and Python's does not
    while text:
        try:
            pieces.append(_escaped(text.encode(codec)))
            break
        except UnicodeEncodeError as error:
            pieces.append(_escaped(text[: error.start].encode(codec)))
            refused = text[error.start : error.end].replace("\ud800", "\ue5e5")
            pieces.extend(f"%26%23{ord(character)}%3B" for character in refused)
            text = text[error.end :]
    return "".join(pieces)


def _escaped(data: bytes) -> str:
    return _QUERY_ESCAPES.sub(lambda match: b"%%%02X" % match[0][0], data).decode("ascii")
