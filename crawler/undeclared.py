"""The encoding of a page that declares none and is no UTF-8: guessed by the letters that a language uses most.

Each candidate decodes the text; in the right one the characters beyond ASCII are the most frequent of its script, in a wrong one far
fewer are. Latin scripts are not told apart: they are read as windows-1252, as browsers mostly do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache

SAMPLE = 1024
"""Bytes that are looked at, from the first beyond ASCII on."""

# Letters by falling frequency: the first count most.
_CYRILLIC = "оаиентсрвлкмдпуяыгзбьіхйчжцшщюїєґјљњћђќѓџѕэъёў"
_GREEK = "αοιτεσνηυρπκμλςίγόδήάέύθωφχβώξζψϊϋΐ"
_HEBREW = "ילהומתרבאשנקעדםספחטגכןצזךףץ"
_ARABIC = "ايلمتنروبعدةسفحهكقجصشطخأضذىغئزثظءإؤآیکپچگ"
_THAI = "านรอกเงมยลวดทสตะปบคหแจพชขใไ่้ีัิ์ืุู็ึ"
# Of the thousands of others these make up a known part, in no order.
_JAPANESE = (
    "のにはをたがでてとしれさいるもかなこあまりっうよらくすせそつどけめえみろわちおんだじーンスルトリアイクラシドレ、。日一人年大国本中出会"
)
_SIMPLIFIED = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家，。、"
_TRADITIONAL = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家，。、"
_KOREAN = "이다는을에의가하고지기로서한사도를은자리아어시나정일인스대라그보수원해제전들습니있과만것부장"

# Name, Python's codec, the frequent characters, and the mean weight of the characters of a text of that script.
_CANDIDATES = (
    ("windows-1251", "cp1251", _CYRILLIC, 0.83),
    ("koi8-u", "koi8-u", _CYRILLIC, 0.83),
    ("iso-8859-5", "iso8859-5", _CYRILLIC, 0.83),
    ("ibm866", "cp866", _CYRILLIC, 0.83),
    (
        "x-mac-cyrillic",
        "mac-cyrillic",
        _CYRILLIC,
        0.835,
    ),  # differs from windows-1251, which far more sites have, in one small letter
    ("windows-1253", "cp1253", _GREEK, 0.8),
    ("windows-1255", "cp1255", _HEBREW, 0.76),
    ("windows-1256", "cp1256", _ARABIC, 0.83),
    ("iso-8859-6", "iso8859-6", _ARABIC, 0.83),
    ("windows-874", "cp874", _THAI, 0.66),
    ("shift_jis", "cp932", _JAPANESE, 0.56),
    ("euc-jp", "euc-jp", _JAPANESE, 0.56),
    ("gbk", "gbk", _SIMPLIFIED, 0.23),
    ("big5", "big5hkscs", _TRADITIONAL, 0.22),
    ("euc-kr", "cp949", _KOREAN, 0.45),
)
_UNORDERED = frozenset({_JAPANESE, _SIMPLIFIED, _TRADITIONAL, _KOREAN})
_LEAST = 0.55
"""The score below which a guess is none."""
_FEW = 6  # characters beyond ASCII that say nothing
_WHOLE = 100  # bytes of which one may be damaged; one more by the end of the sample
_RUN = 2.0
"""Bytes beyond ASCII in a row, on average, that a script other than Latin has: among Latin letters they stand alone."""
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_ascii = re.compile(r"[\x00-\x7f]+")


def guess_charset(body: bytes, otherwise: str) -> str:
    """The name of the encoding that the text is most likely in; `otherwise` when nothing speaks for one with another script.

    A text that is UTF-8 but for some bytes (a word cut in its middle, a piece from elsewhere) is UTF-8.
    """
    first = _BEYOND_ASCII.search(body)
    if first is None:
        return otherwise
    sample = body[first.start() : first.start() + SAMPLE]
    as_utf8 = _ascii.sub("", sample.decode("utf-8", "replace"))
    if 4 * as_utf8.count("\ufffd") <= len(as_utf8):
        return "utf-8"
    runs = _BEYOND_ASCII.findall(sample)
    if sum(map(len, runs)) < _RUN * len(runs):
        return otherwise
    scores = {name: _score(sample, codec, frequent, mean) for name, codec, frequent, mean in _CANDIDATES}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] >= _LEAST else otherwise


def _score(sample: bytes, codec: str, frequent: str, mean: float) -> float:
    """How much like its script the sample is in this encoding: about 1 when it is in it."""
    found = _ascii.sub("", _decoded(sample, codec))
    if len(found) < _FEW:
        return 0.0
    weight = _weights(frequent).get
    return sum(times * weight(character, 0.0) for character, times in Counter(found).items()) / len(found) / mean


def _decoded(sample: bytes, codec: str) -> str:
    """The text of a sample, without a few bytes that do not decode: "" when there are more. Cheaper than replacing hundreds."""
    text = ""
    for _ in range(2 + len(sample) // _WHOLE):
        try:
            return text + sample.decode(codec)
        except UnicodeDecodeError as error:
            text += sample[: error.start].decode(codec)
            sample = sample[error.end :]
    return ""


@cache
def _weights(frequent: str) -> Mapping[str, float]:
    falling = 0.0 if frequent in _UNORDERED else 0.8
    return {character: 1 - falling * rank / len(frequent) for rank, character in enumerate(frequent)}
