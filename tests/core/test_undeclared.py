"""Pages that say nothing of their encoding and are no UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.charset import FALLBACK, decode, detect_charset, encoding_of
from crawler.core.html import parse_html
from crawler.undeclared import guess_charset

TEXTS = {
    "Russian": "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью.",
    "Ukrainian": "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا.",
    "Serbian": "Сва људска бића рађају се слободна и једнака у достојанству и правима. Она су обдарена разумом и свешћу.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Japanese": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "Chinese (Taiwan)": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
}
ENCODED = [
    ("Russian", "cp1251", "windows-1251"), ("Russian", "koi8-r", "koi8-u"), ("Russian", "iso8859-5", "iso-8859-5"),
    ("Russian", "cp866", "ibm866"), ("Russian", "mac-cyrillic", "x-mac-cyrillic"), ("Ukrainian", "cp1251", "windows-1251"),
    ("Ukrainian", "koi8-u", "koi8-u"), ("Serbian", "cp1251", "windows-1251"),
    ("Greek", "cp1253", "windows-1253"), ("Hebrew", "cp1255", "windows-1255"),
    ("Arabic", "cp1256", "windows-1256"), ("Arabic", "iso8859-6", "iso-8859-6"), ("Thai", "cp874", "windows-874"),
    ("Japanese", "cp932", "shift_jis"), ("Japanese", "euc-jp", "euc-jp"), ("Chinese", "gbk", "gbk"),
    ("Chinese (Taiwan)", "big5", "big5"), ("Korean", "euc-kr", "euc-kr"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "codec", "name"), ENCODED, ids=[f"{language} in {name}" for language, _, name in ENCODED])
def test_the_letters_say_the_encoding(language: str, codec: str, name: str) -> None:
    """A page of one sentence is read as it was written, its links with it."""
    text = TEXTS[language]
    body = f"<html><title>{text[:20]}</title><p>{text}<a href='/?q={text[:5]}'>{text}</a>".encode(codec)

    assert detect_charset(body) == name
    page = parse_html(body, "http://example.org/")
    assert page.title == text[:20].strip()
    assert page.links[0][3] == text[:200].strip()
    assert page.links[0][0].isascii()


LATIN = [
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen …",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos: “razón” y conciencia, año, niño, corazón, ¿qué?",
    "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, ação, coração.",
    "Alla människor är födda fria och lika i värde och rättigheter. De har utrustats med förnuft och samvete och bör handla så.",
    "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu järki ja omatunto, ääni.",
    "Allir eru bornir frjálsir og jafnir öðrum að virðingu og réttindum. Menn eru gæddir vitsmunum og samvisku, þess vegna.",
    "© 2026 · 10 °C · 5 £ · naïve café",
]


@pytest.mark.parametrize("text", LATIN)
def test_latin_scripts_are_windows_1252(text: str) -> None:
    """Single letters beyond ASCII are no other script, however many there are."""
    assert detect_charset(f"<p>{text}</p>".encode("cp1252")) == FALLBACK
    assert detect_charset(f"<p>{text}</p>".encode("cp1252") * 50) == FALLBACK


def test_what_is_declared_or_valid_is_not_guessed() -> None:
    """Letters are asked last."""
    russian = TEXTS["Russian"].encode("cp1251")
    assert detect_charset(russian, "text/html; charset=iso-8859-1") == "windows-1252"
    assert detect_charset(b"<meta charset=koi8-r>" + russian) == "koi8-r"
    assert detect_charset(TEXTS["Russian"].encode()) == "utf-8"


@pytest.mark.parametrize("language", TEXTS)
def test_utf8_with_a_broken_character_is_utf8(language: str) -> None:
    """A word that a program cut in its middle does not turn all others, and the URLs made of them, into something else."""
    text = TEXTS[language]
    cut = text[:2].encode()[:-1]
    page = parse_html(b"<p>" + cut + f" <a href='/{text[:4]}'>{text}</a>".encode(), "http://example.org/")

    assert (page.charset, page.links[0][0]) == ("utf-8", f"/{text[:4]}")


def test_a_few_characters_say_nothing() -> None:
    """A name or two is no evidence."""
    assert guess_charset("<p>да</p>".encode("cp1251"), "x") == "x"
    assert guess_charset(b"", "x") == "x"


TAIL = b"<a href='/a/b?c=d' title='e'>f</a>"


@given(st.binary(max_size=20), st.sampled_from(list(TEXTS.values())), st.sampled_from([codec for _, codec, _ in ENCODED]))
def test_a_wrong_guess_loses_no_link(junk: bytes, text: str, codec: str) -> None:
    """Whatever stands before it, and however it is read, a link in ASCII stays one: no encoding that is guessed takes `<` into a
    character."""
    body = text.encode(codec, "ignore") + junk.translate(None, b"<>!?/") + TAIL

    assert detect_charset(body) in {name for _, _, name in ENCODED} | {"utf-8", "utf-16le", "utf-16be", FALLBACK}
    assert decode(body, guess_charset(body, FALLBACK)).endswith(TAIL.decode())


@given(st.binary(max_size=200))
def test_any_bytes_have_an_encoding(body: bytes) -> None:
    """Whatever comes, a name of the standard comes out."""
    name = detect_charset(body)
    assert encoding_of(name) == name
