"""Rows in each format: what was put in can be read back, and nothing of it acts on a terminal, in a spreadsheet or in a page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from crawler.report.formats import Format, formatted
from crawler.report.table import Row, cell
from crawler.text import width_of

FORMATS: tuple[Format, ...] = get_args(Format)
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
NASTY = st.text(st.sampled_from("a |\\`*_<>&[]()!~$'\"=+-@,;\t\r\n\x1b\x9b\u202e#:/") | st.characters(), max_size=12)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | NASTY | st.binary(max_size=4)
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=4)


def text_in(format: Format, columns: tuple[str, ...], rows: list[Any], width: int = 0) -> str:
    """All of it as one text."""
    return "".join(formatted(format, columns, iter(rows), width))


@pytest.mark.parametrize("format", FORMATS)
@given(rows=ROWS)
def test_nothing_acts_in_any_format(format: Format, rows: list[Row]) -> None:
    """No control but line ends and the tabs of tsv gets through, whatever a row holds, and all of it can be encoded."""
    text = text_in(format, ("one", "two"), rows)
    text.encode()
    assert not ACTS.search(text)
    assert "\t" not in text or format == "tsv"


@given(rows=ROWS)
def test_json_is_read_back_as_it_was(rows: list[Row]) -> None:
    """Both forms hold every value; whole numbers that readers would round are strings, bytes are hexadecimal, infinity is null."""

    def kept(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        if isinstance(value, float):
            return None if abs(value) == float("inf") else value
        return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value

    expected = [{"one": kept(one), "two": kept(two)} for one, two in rows]
    assert json.loads(text_in("json", ("one", "two"), rows)) == expected
    assert [json.loads(line) for line in text_in("jsonl", ("one", "two"), rows).splitlines()] == expected


def test_ids_are_strings_whatever_their_size() -> None:
    """A column of ids has one type in JSON, and two columns of one name are both there."""
    text = text_in("jsonl", ("id", "src", "url", "url", "n"), [(7, None, "a", "b", 7), (-(2**63), 1, "c", "d", 2**60)])
    assert [json.loads(line) for line in text.splitlines()] == [
        {"id": "7", "src": None, "url": "a", "url_2": "b", "n": 7},
        {"id": "-9223372036854775808", "src": "1", "url": "c", "url_2": "d", "n": "1152921504606846976"},
    ]


@given(rows=ROWS)
def test_csv_and_tsv_hold_every_cell(rows: list[Row]) -> None:
    """What reads RFC 4180 finds each cell, and each row is one line; a text that begins as a formula does has a ' before it."""
    shown = [[cell(value) for value in row] for row in rows]
    text = text_in("csv", ("one", "two"), rows)

    assert len(text.splitlines()) == 1 + len(rows)
    head, *body = csv.reader(io.StringIO(text))
    assert head == ["one", "two"]
    for cells, row, seen in zip(body, rows, shown, strict=True):
        for read, value, plain in zip(cells, row, seen, strict=True):
            assert read in (plain, f"'{plain}")
            assert isinstance(value, int | float) or not read.startswith(("=", "+", "-", "@"))
    assert [line.split("\t") for line in text_in("tsv", ("one", "two"), rows).split("\n")[:-1]] == shown


def test_a_formula_is_text_in_a_spreadsheet() -> None:
    """The classic ones, and those in wide characters; negative numbers stay numbers."""
    formulas = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "＝1"]
    read = list(csv.reader(io.StringIO(text_in("csv", ("title", "n"), [(formula, -1) for formula in formulas]))))
    assert read[1:] == [[f"'{formula}", "-1"] for formula in formulas]


@given(rows=ROWS)
def test_markdown_shows_each_text_and_no_markup(rows: list[Row]) -> None:
    """A reader of Markdown makes of it one table with the cells that were put in: no links, no code, no HTML, no further cell."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text_in("md", ("one", "two"), rows))
    assert [token.type for token in tokens].count("tr_open") == 1 + len(rows)
    inline = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or ()}
    assert kinds <= {"text", "text_special"}
    shown = ["".join(child.content for child in token.children or ()) for token in inline]
    assert shown == ["one", "two", *(cell(value).strip() for row in rows for value in row)]


def test_markdown_makes_urls_links_to_themselves() -> None:
    """A URL can be followed, with underscores and pipes in it too."""
    [link] = [
        child
        for token in MarkdownIt("commonmark").enable("table").parse(text_in("md", ("url",), [("http://h/a_b_*?x|y",)]))
        for child in token.children or ()
        if child.type == "link_open"
    ]
    assert link.attrs == {"href": "http://h/a_b_*?x%7Cy"}


def test_a_table_is_aligned() -> None:
    """Numbers to the right, texts to the left, and a Chinese character takes the two columns that a terminal gives it."""
    assert text_in("table", ("url", "n", "title"), [("/a", 1, "x"), ("/bcd", 1204, None), ("/中文", None, "e\u0301\x1b")]) == (
        "url       n  title\n"
        "-----  ----  -----\n"
        "/a        1  x\n"
        "/bcd   1204\n"
        "/中文        e\u0301\\x1b\n"
    )  # fmt: skip


@given(rows=ROWS, width=st.integers(30, 60))
def test_no_line_of_a_table_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    """Texts give way, numbers do not; what was beyond the rows that were looked at is cut the same way."""
    texts = [(cell(one) * 9, cell(two)) for one, two in rows]
    long = "".join(formatted("table", ("one", "two"), iter(texts), width)).splitlines()
    assert all(width_of(line) <= width for line in long)


def test_what_comes_later_keeps_to_the_columns() -> None:
    """The first rows say how wide columns are. On a terminal a longer text after them is cut; elsewhere nothing is."""
    rows = [*[("x", 1)] * 500, ("y" * 100, 2)]
    last = text_in("table", ("one", "two"), rows, 80).splitlines()[-1]
    assert last == "yy…    2"
    assert "y" * 100 in text_in("table", ("one", "two"), rows)


def test_too_many_columns_become_a_list() -> None:
    """Where no column would say anything any more, each row is shown as a list, and nothing in it is cut."""
    columns = tuple(f"column_{number}" for number in range(10))
    text = text_in("table", columns, [tuple("v" * 30 for _ in columns), tuple(range(10))], 80)
    assert text.startswith(f"column_0  {'v' * 30}\ncolumn_1  {'v' * 30}\n")
    assert text.endswith("\n\n" + "".join(f"column_{number}  {number}\n" for number in range(10)))


@pytest.mark.parametrize("format", FORMATS)
def test_rows_are_written_as_they_come(format: Format) -> None:
    """Memory does not grow with the rows: of a hundred thousand, no more than some hundred are read before the first is written."""
    taken = 0

    def endless() -> Iterator[Row]:
        nonlocal taken
        while True:
            taken += 1
            yield "x", taken

    pieces = formatted(format, ("text", "number"), endless())
    for _ in range(3):
        assert next(pieces)
    assert taken < 1000


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows(format: Format) -> None:
    """Nothing found is an empty table, an empty list, or nothing."""
    shown = {
        "table": "one  two\n---  ---\n",
        "tsv": "",
        "csv": "one,two\n",
        "json": "[]\n",
        "jsonl": "",
        "md": "| one | two |\n|---|---|\n",
    }
    assert text_in(format, ("one", "two"), []) == shown[format]
