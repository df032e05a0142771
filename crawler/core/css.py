"""The URLs of a style sheet."""

from __future__ import annotations

import re

from crawler.model import LinkKind

# One pass: comments and other strings are consumed so that nothing is read inside of them.
_TOKENS = re.compile(
    r"""/\*.*?(?:\*/|\Z)
    | (?P<import>@import(?:\s++|(?=["'])))(?:url\(\s*+)?(?:"(?P<d1>(?:[^"\\\n]|\\.)*)"|'(?P<s1>(?:[^'\\\n]|\\.)*)'|(?P<p1>[^\s"'();]+))
    | (?<![\w-])url\(\s*+(?:"(?P<d2>(?:[^"\\\n]|\\.)*)"|'(?P<s2>(?:[^'\\\n]|\\.)*)'|(?P<p2>(?:[^\s"'()\\]|\\[0-9a-f]{1,6}\s?|\\.)*))
    | "(?:[^"\\\n]|\\.)*"? | '(?:[^'\\\n]|\\.)*'?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})[ \t\n\r\f]?|\n|(.))", re.DOTALL)
_FONT = (".woff2", ".woff", ".ttf", ".otf", ".eot")


def parse_css(text: str) -> list[tuple[str, LinkKind]]:
    """What a style sheet or a `style` attribute loads, in order: (href, kind), kind `css` for `@import`, `media` for fonts, else `img`.

    Hrefs are as written, escapes decoded; they resolve against the style sheet's own URL. `data:` URLs and references into
    the same document (`url(#id)`) are left out. Source: CSS Syntax 3 and CSS Values 4 (url()).
    """
    found: list[tuple[str, LinkKind]] = []
    for token in _TOKENS.finditer(text):
        groups = token.groupdict()
        href = next((groups[name] for name in ("d1", "s1", "p1", "d2", "s2", "p2") if groups[name] is not None), "")
        if "\\" in href:
            href = _ESCAPE.sub(_unescaped, href)
        if not href or href.startswith("#") or href[:5].lower() == "data:":
            continue
        is_font = href.partition("?")[0].partition("#")[0].lower().endswith(_FONT)
        found.append((href, "css" if groups["import"] else "media" if is_font else "img"))
    return found


def _unescaped(escape: re.Match[str]) -> str:
    if not escape[1]:
        return escape[2] or ""
    code = int(escape[1], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
