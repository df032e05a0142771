"""`crawler export`: what was found, as files for other tools: whole or not at all, the same every time, however much it is."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import signal
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from disks import mounted
from running import Capture, ended, error_lines, no_surroundings, run, running

from crawler import open_results
from crawler.cli import export as command
from crawler.core.sitemaps import parse_sitemap
from crawler.report import parts
from crawler.report.export import parquet, sitemap
from crawler.report.export.commoncrawl import Hosts, surt
from crawler.report.export.watch import unwatched
from crawler.store.row import PageRow
from crawler.text import as_json
from tests.report.crawl_folder import HOSTILE, CrawlFolder, example

pytestmark = pytest.mark.usefixtures(no_surroundings.__name__)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "row.schema.json").read_text("utf-8"))
NASTY = "\x1b[2J=<b>&amp;]]>|\u202e"
ROOT = "https://example.org/"
TO = ("jsonl", "csv", "parquet", "sitemap", "graphml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrawlFolder]:
    """A finished crawl, with what no crawl would store."""
    made = example(tmp_path_factory.mktemp("export") / "out")
    made.page(HOSTILE, [(f"{ROOT}a", "a")], title=NASTY, data=json.dumps({"h": [NASTY]}), sha256="0" * 64, total_ms=1.5)
    made.connection.execute("UPDATE links SET text = ?", (NASTY,))
    with closing(made):
        yield made


def exported(capfd: Capture, folder: CrawlFolder, *words: object) -> str:
    """What a successful export prints."""
    ran = run(capfd, "export", folder.path, *words)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def pages_of(folder: CrawlFolder) -> list[PageRow]:
    """The rows, as Python has them."""
    with open_results(folder.path) as results:
        return list(results.pages())


# --- rows -------------------------------------------------------------------------------------------------------------


def test_jsonl_is_the_row_of_the_schema(folder: CrawlFolder, capfd: Capture) -> None:
    """To standard output unless a file is named, each line as the documentation promises."""
    rows = [json.loads(line) for line in exported(capfd, folder).splitlines()]
    assert rows == [page._asdict() for page in pages_of(folder)]
    for row in rows[:-1]:
        jsonschema.validate(row, SCHEMA)


def test_csv_has_the_same_rows(folder: CrawlFolder, capfd: Capture) -> None:
    """With a head; what is no text is JSON, and nothing is a formula or acts on a terminal."""
    head, *rows = csv.reader(io.StringIO(exported(capfd, folder, "--to", "csv")))
    assert tuple(head) == PageRow._fields
    first = pages_of(folder)[0]
    assert rows[0][:5] == [first.url, "200", "true", "ok", ""]
    assert [row[0] for row in rows[:-1]] == [page.url for page in pages_of(folder)[:-1]]
    assert all(character.isprintable() for row in rows for cell in row for character in cell)


def test_parquet_has_the_same_rows_with_types(folder: CrawlFolder, tmp_path: Path, capfd: Capture) -> None:
    """Times are times, what cannot be null says so, and data is JSON."""
    reader = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    exported(capfd, folder, "-q", "-o", tmp_path / "pages.parquet")
    table = reader.read_table(tmp_path / "pages.parquet")
    times = [datetime.fromisoformat(page.fetched_at or "").astimezone(UTC) for page in pages_of(folder)]
    data = [as_json(page.data) for page in pages_of(folder)]
    pages = [page._asdict() for page in pages_of(folder)]
    expected = [page | {"fetched_at": time, "data": text} for page, time, text in zip(pages, times, data, strict=True)]
    assert table.to_pylist() == expected
    assert tuple(table.column_names) == PageRow._fields
    types = {field.name: (str(field.type), field.nullable) for field in table.schema}
    assert types["fetched_at"] == ("timestamp[us, tz=UTC]", True)
    assert (types["status"], types["bytes"], types["ok"]) == (("int16", False), ("int64", False), ("bool", False))


# --- Common Crawl's index ---------------------------------------------------------------------------------------------

# cc-index-schema-flat.json of commoncrawl/cc-index-table: name, type, whether it may be null.
INDEX = """
url_surtkey string! url string! url_host_name string! url_host_tld string url_host_2nd_last_part string url_host_3rd_last_part string
url_host_4th_last_part string url_host_5th_last_part string url_host_registry_suffix string url_host_registered_domain string
url_host_private_suffix string url_host_private_domain string url_host_name_reversed string url_protocol string! url_port integer
url_path string! url_query string fetch_time timestamp! fetch_status short! fetch_redirect string content_digest string
content_mime_type string content_mime_detected string content_charset string content_languages string content_truncated string
warc_record_id binary! warc_filename string! warc_record_offset integer! warc_record_length integer! warc_segment string! crawl string!
subset string!
""".split()  # noqa: SIM905
UNKNOWN = {"content_digest", "content_mime_detected", "content_languages", "content_truncated"}
SPARK = {"string": "string", "int32": "integer", "int16": "short", "timestamp[us, tz=UTC]": "timestamp"}


def test_the_columns_are_those_of_common_crawl(folder: CrawlFolder, tmp_path: Path, capfd: Capture) -> None:
    """All that apply, in the order, with the types and nulls of the schema; only answers are in it."""
    reader = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    exported(capfd, folder, "-q", "--schema", "commoncrawl", "-o", tmp_path / "index.parquet")
    table = reader.read_table(tmp_path / "index.parquet")

    applies = [pair for pair in zip(INDEX[::2], INDEX[1::2], strict=True) if pair[0] not in UNKNOWN and not pair[0].startswith("warc_")]
    assert [(field.name, SPARK[str(field.type)] + "!" * (not field.nullable)) for field in table.schema] == applies
    rows = table.to_pylist()
    assert [row["url"] for row in rows] == [page.url for page in pages_of(folder) if page.status]
    gone = next(row for row in rows if row["url"] == f"{ROOT}gone")
    assert (gone["url_surtkey"], gone["url_path"], gone["fetch_status"], gone["subset"], gone["crawl"]) == (
        "org,example)/gone", "/gone", 404, "crawldiagnostics", folder.path.name,
    )  # fmt: skip


# What the package surt 0.3.1 says of canonical URLs.
KEYS = [
    ("https://example.org/", "org,example)/"),
    ("http://www.example.com/path/index.html", "com,example)/path/index.html"),
    ("https://www2.example.co.uk/A/B/?b=2&a=1", "uk,co,example)/a/b?a=1&b=2"),
    ("http://example.com:8080/x", "com,example:8080)/x"),
    ("http://10.0.0.1/x", "1,0,0,10)/x"),
    ("http://[::1]:81/a", "::1:81)/a"),
    ("https://example.org/x/?", "org,example)/x"),
    ("https://example.org/x//y/", "org,example)/x/y"),
    ("https://example.org/a%20b/%C3%BC", "org,example)/a%20b/%c3%bc"),
    ("https://xn--bcher-kva.example/?q=%C3%A9&Q", "example,xn--bcher-kva)/?q&q=%c3%a9"),
    ("http://example.org/?a&b=&=c", "org,example)/?=c&a&b="),
    ("http://example.org/?%2541", "org,example)/?a"),
    ("http://example.org/p?x=1&jsessionid=0123456789ABCDEF0123456789abcdef&y=2", "org,example)/p?x=1&y=2"),
    ("http://example.org/p?PHPSESSID=0123456789abcdef0123456789abcdef", "org,example)/p"),
    ("http://example.org/(a(abcdefghijklmnopqrstuvwx))/Page.aspx?x", "org,example)/page.aspx?x"),
    ("http://example.org/?cfid=1&cftoken=2", "org,example)/"),
    ("http://www.com/", "com)/"),
    ("https://example.org./a", "org,example)/a"),
    ("http://example.org/%2F%2e%2e/a", "org,example)/a"),
]


@pytest.mark.parametrize(("url", "key"), KEYS)
def test_keys_are_those_of_archives(url: str, key: str) -> None:
    """The sort-friendly spelling, by the rules of the Internet Archive."""
    assert surt(url) == key


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        (
            "www.example.co.uk",
            ("uk", "co", "example", "www", None, "co.uk", "example.co.uk", "co.uk", "example.co.uk", "uk.co.example.www"),
        ),
        ("a.b.c.d.e.github.io", ("io", "github", "e", "d", "c", "io", "github.io", "github.io", "e.github.io", "io.github.e.d.c.b.a")),
        ("github.io", ("io", "github", None, None, None, "io", "github.io", "github.io", None, "io.github")),
        ("localhost", ("localhost", None, None, None, None, None, None, None, None, "localhost")),
        ("10.0.0.1", (None,) * 10),
        ("[::1]", (None,) * 10),
    ],
)
def test_hosts_in_their_parts(host: str, parts: tuple[str | None, ...]) -> None:
    """Labels from the end, the suffixes and domains of registries and of private ones, and the name reversed; of addresses nothing."""
    assert Hosts().parts(host) == parts


# --- sitemap.xml ------------------------------------------------------------------------------------------------------


def sitemap_urls(path: Path) -> list[str]:
    """The URLs that our own reader of sitemaps finds."""
    found = parse_sitemap(path.read_bytes(), ROOT)
    return [entry.url for entry in found.urls] or list(found.sitemaps)


def test_a_sitemap_lists_what_a_search_engine_should_know(tmp_path: Path, capfd: Capture) -> None:
    """Pages and documents of one site that were answered; what says that it is not to be indexed, or is another URL's copy, is left out."""
    folder = CrawlFolder(tmp_path / "out").run()
    folder.page(ROOT, depth=0, last_modified="Sun, 22 Nov 2026 18:40:30 GMT", canonical=ROOT)
    folder.page(f"{ROOT}?a&b=c<", last_modified="yesterday").page(f"{ROOT}doc.pdf", content_type="application/pdf")
    folder.page(f"{ROOT}secret", robots_meta="NoIndex, follow").page(f"{ROOT}copy", canonical=ROOT)
    folder.page(f"{ROOT}gone", outcome="http_error")
    folder.page(f"{ROOT}logo.png", content_type="image/png").page(f"{ROOT}frame", role="requisite").page(f"{ROOT}old", outcome="redirect")
    folder.page("https://www.example.org/").page(f"{ROOT}{'x' * 2048}")
    folder.close()

    ran = run(capfd, "export", folder.path, "-o", tmp_path / "sitemap.xml")
    assert sitemap_urls(tmp_path / "sitemap.xml") == [ROOT, f"{ROOT}?a&b=c%3C", f"{ROOT}doc.pdf"]
    assert [entry.lastmod for entry in parse_sitemap((tmp_path / "sitemap.xml").read_bytes(), ROOT).urls] == [
        "2026-11-22T18:40:30Z",
        "",
        "",
    ]
    assert ran.err.endswith(
        ": 3 pages of https://example.org; left out: 1 page of other sites, 2 pages not to be indexed, 1 page with too long URLs\n"
    )
    assert run(capfd, "export", folder.path, "-o", tmp_path / "www.xml", "--site", "www.example.org").code == 0
    assert sitemap_urls(tmp_path / "www.xml") == ["https://www.example.org/"]


def many(path: Path, pages: int, links: bool = True) -> CrawlFolder:
    """A folder with many pages, a link from each to the next."""
    folder = CrawlFolder(path).run()
    series = f"WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {pages})"
    columns = "id, url, run, status, outcome, role, depth, content_type, bytes, fetched_at, attempts, title, link_count"
    values = f"i, '{ROOT}' || i, 1, 200, 'ok', 'page', 1, 'text/html', i, '2026-11-22T18:40:30.000000Z', 1, 'T' || i, 1"
    with folder.database.transaction():
        folder.connection.execute(f"INSERT INTO pages ({columns}) {series} SELECT {values} FROM n")
        if links:
            folder.connection.execute(f"INSERT INTO links {series} SELECT i, i, i % {pages} + 1, 'a', '', 'next', 0 FROM n")
    folder.close()
    return folder


def test_a_sitemap_is_split_at_fifty_thousand_urls(tmp_path: Path, capfd: Capture) -> None:
    """The index names the files as they lie at the root of the site, and together they list each page once."""
    folder = many(tmp_path / "out", 50_001, links=False)
    exported(capfd, folder, "-q", "-o", tmp_path / "sitemap.xml")

    assert sitemap_urls(tmp_path / "sitemap.xml") == [f"{ROOT}sitemap-1.xml", f"{ROOT}sitemap-2.xml"]
    files = [(tmp_path / f"sitemap-{number}.xml").read_text() for number in (1, 2)]
    assert [part.count("<loc>") for part in files] == [50_000, 1]
    assert f"<loc>{ROOT}50001</loc>" in files[1]


def test_a_sitemap_is_split_at_fifty_megabytes(tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is larger than the protocol allows."""
    assert sitemap.MOST_BYTES == 52_428_800
    monkeypatch.setattr(sitemap, "MOST_BYTES", 600)
    folder = many(tmp_path / "out", 30)
    exported(capfd, folder, "-q", "-o", tmp_path / "map.xml")

    files = sorted(tmp_path.glob("map-*.xml"), key=lambda path: int(path.stem[4:]))
    assert all(500 < path.stat().st_size <= 600 for path in files[:-1])
    assert [url for part in files for url in sitemap_urls(part)] == [f"{ROOT}{number}" for number in range(1, 31)]


# --- GraphML ----------------------------------------------------------------------------------------------------------


def test_graphml_has_every_page_and_every_link_between_pages(folder: CrawlFolder, tmp_path: Path, capfd: Capture) -> None:
    """Well-formed whatever a title holds; ids are those of the database."""
    exported(capfd, folder, "-q", "-o", tmp_path / "site.graphml")
    tree = ElementTree.parse(tmp_path / "site.graphml")
    name = "{http://graphml.graphdrawing.org/xmlns}"
    nodes = [node.attrib["id"] for node in tree.iter(f"{name}node")]
    edges = [(edge.attrib["source"], edge.attrib["target"]) for edge in tree.iter(f"{name}edge")]
    with open_results(folder.path) as results:
        assert nodes == [str(row["id"]) for row in results.query("SELECT id FROM pages ORDER BY row")]
        sql = "SELECT src, dst FROM links WHERE src IN (SELECT id FROM pages) AND dst IN (SELECT id FROM pages) ORDER BY link"
        assert edges == [(str(row["src"]), str(row["dst"])) for row in results.query(sql)]
    keys = {key.attrib["id"] for key in tree.iter(f"{name}key")}
    assert {data.attrib["key"] for data in tree.iter(f"{name}data")} <= keys
    assert "\\x1b[2J=<b>&amp;]]>|\\u202e" in {data.text for data in tree.iter(f"{name}data")}


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", TO)
def test_the_same_twice(folder: CrawlFolder, tmp_path: Path, capfd: Capture, to: str) -> None:
    """An export is the same every time, byte for byte."""
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    for name in ("one", "two"):
        exported(capfd, folder, "-q", "--to", to, "-o", tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("to", TO)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_half_file(
    folder: CrawlFolder, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, to: str, number: signal.Signals
) -> None:
    """Whatever was there before stays, and nothing else."""
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")

    def interrupted(rows: Iterator[Any], what: str) -> Iterator[Any]:
        for row in unwatched(rows, what):
            yield row
            signal.raise_signal(number)

    monkeypatch.setattr(command, "unwatched", interrupted)
    (tmp_path / "file").write_text("before")
    ran = run(capfd, "export", folder.path, "--to", to, "-o", tmp_path / "file", "--fresh")
    assert ran.code == 128 + number
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "before"}


def test_nothing_is_replaced_unasked(folder: CrawlFolder, tmp_path: Path, capfd: Capture) -> None:
    """A file that is there stays; with --fresh it is replaced in one step."""
    path = tmp_path / "pages.jsonl"
    path.write_text("before")
    ran = run(capfd, "export", folder.path, "-o", path)
    assert (ran.code, error_lines(ran.err)[0]) == (2, f"error: {path} is there already")
    assert path.read_text() == "before"
    exported(capfd, folder, "-q", "-o", path, "--fresh")
    assert len(path.read_text().splitlines()) == len(pages_of(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["pages.jsonl"]


@pytest.mark.parametrize("to", ["jsonl", "sitemap", "graphml"])
def test_memory_does_not_grow_with_the_crawl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """Six times the pages take the same memory."""
    monkeypatch.setattr(parts, "_ROWS_AT_ONCE", 100)

    def peak(folder: CrawlFolder, name: str) -> int:
        words = command.argparse.Namespace(
            folder=str(folder.path), to=to, output=str(tmp_path / name), schema="pages", site=None, fresh=False, quiet=True
        )
        tracemalloc.start()
        command.run(words)
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    small, large = many(tmp_path / "small", 400), many(tmp_path / "large", 2_400)
    peak(small, "warm")
    assert peak(large, "large.x") < 1.2 * peak(small, "small.x")


def test_parquet_is_written_in_row_groups(folder: CrawlFolder, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which one is in memory."""
    reader = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 4)
    exported(capfd, folder, "-q", "-o", tmp_path / "pages.parquet")
    found = reader.ParquetFile(tmp_path / "pages.parquet").metadata
    assert [found.row_group(number).num_rows for number in range(found.num_row_groups)] == [4, 4, 2]


def test_a_bar_on_a_terminal(folder: CrawlFolder, tmp_path: Path) -> None:
    """Whoever waits sees how far it is, on standard error alone; afterwards only what was written stays."""
    controlling, terminal = pty.openpty()
    with running("export", folder.path, "-o", tmp_path / "x.csv", stderr=terminal, environment={"TERM": "xterm"}) as process:
        assert ended(process)[:2] == (0, "")
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(controlling, 4096)
        except OSError:  # all was read, and the other end is closed
            break
        shown += piece
    os.close(controlling)
    assert b"pages" in shown
    assert b"Wrote " in shown.rpartition(b"\x1b")[2]


WRONG: list[tuple[list[str], int, str, str]] = [
    (["--to", "markdown"], 2, "`--to` cannot be 'markdown'", ""),
    (["--to", "parquett"], 2, "`--to` cannot be 'parquett'", "parquet"),
    (["--to", "sitemap"], 2, "a sitemap needs a file", "-o sitemap.xml"),
    (["--to", "graphml"], 2, "graphml needs a file", "-o pages.graphml"),
    (["--schema", "commoncrawl"], 2, "`--schema commoncrawl` is for parquet, not for jsonl", "--to parquet"),
    (["--site", "example.org", "--to", "csv"], 2, "`--site` is for sitemaps, not for csv", "--to sitemap"),
    (["-o", "/nowhere/x.csv"], 2, "there is no folder /nowhere", "mkdir -p /nowhere"),
    (["-o", "."], 2, ". is a folder", ""),
    (["-o", "/dev/null", "--fresh"], 2, "/dev/null is no file", "-o -"),
    (["--to", "sitemap", "-o", "x.xml", "--site", "nowhere.example"], 2, "https://nowhere.example has no page for a sitemap", "--site URL"),
]


@pytest.mark.parametrize(("words", "code", "what", "hint"), WRONG)
def test_what_is_wrong_is_said(
    folder: CrawlFolder, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, what: str, hint: str
) -> None:
    """In three lines, and no file is left."""
    monkeypatch.chdir(tmp_path)
    ran = run(capfd, "export", folder.path, *words)
    lines = error_lines(ran.err)
    assert (ran.code, ran.out) == (code, "")
    assert lines[0].startswith(f"error: {what}")
    assert hint in lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_format_without_its_extra(folder: CrawlFolder, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says what to install, before anything else."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ran = run(capfd, "export", folder.path, "-o", tmp_path / "x.parquet")
    assert (ran.code, error_lines(ran.err)[0]) == (2, "error: parquet needs pyarrow")
    assert error_lines(ran.err)[-1] == "  try: pip install 'asyncrawl[parquet]'"


def test_a_crawl_that_has_found_nothing_yet(tmp_path: Path, capfd: Capture) -> None:
    """No rows is no error, except that there is no sitemap of nothing."""
    folder = CrawlFolder(tmp_path / "out").run()
    folder.close()
    assert exported(capfd, folder) == ""
    assert exported(capfd, folder, "--to", "csv") == ",".join(PageRow._fields) + "\n"
    exported(capfd, folder, "-q", "-o", tmp_path / "x.graphml")
    assert ElementTree.parse(tmp_path / "x.graphml").getroot().tag.endswith("}graphml")
    ran = run(capfd, "export", folder.path, "-o", tmp_path / "x.xml")
    assert (ran.code, error_lines(ran.err)[0]) == (2, "error: there is no page for a sitemap")


def test_a_full_disk(tmp_path: Path, capfd: Capture) -> None:
    """Exit code 6, said as such, and what was written so far is taken away again."""
    folder = many(tmp_path / "out", 2_000)
    with mounted(tmp_path / "disk", "size=64k") as disk:
        for to in ("jsonl", "csv", "sitemap", "graphml"):
            ran = run(capfd, "export", folder.path, "--to", to, "-o", disk / "x")
            assert (ran.code, error_lines(ran.err)[:2]) == (6, [f"error: cannot write {disk / 'x'}", "  the disk is full"])
            assert list(disk.iterdir()) == []


@pytest.mark.parametrize("to", ["jsonl", "sitemap", "graphml"])
def test_a_damaged_database(tmp_path: Path, capfd: Capture, to: str) -> None:
    """Exit code 6, said in a line, and no half file."""
    folder = example(tmp_path / "out")
    (root,) = folder.connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
    (size,) = folder.connection.execute("PRAGMA page_size").fetchone()
    folder.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    folder.close()
    with (folder.path / "crawl.db").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    ran = run(capfd, "export", folder.path, "--to", to, "-o", tmp_path / "x")
    assert (ran.code, error_lines(ran.err)[0]) == (6, f"error: cannot read {folder.path}")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_without_a_crawl(tmp_path: Path, capfd: Capture) -> None:
    """Exit code 6."""
    assert run(capfd, "export", tmp_path, "-o", tmp_path / "x.csv").code == 6
