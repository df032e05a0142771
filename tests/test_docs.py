"""Readme and documentation say what the code does: every promise in here is a page that cannot become untrue unnoticed."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import inspect
import re
import shlex
import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest

import crawler
import crawler.testing
from crawler import errors, model
from crawler.cli import reference
from crawler.cli.arguments import parser_of
from crawler.cli.commands import COMMANDS
from crawler.cli.farewell import render_summary
from crawler.cli.main import command_of
from crawler.cli.parser import settings_from
from crawler.cli.schema_page import folder_page, relations
from crawler.cli.screen_text import render_progress, start_line
from crawler.cli.signals import EXIT_CODES
from crawler.core import retry
from crawler.core.following import FOLLOWED_KINDS
from crawler.core.html import parse_html
from crawler.core.urls import canonical
from crawler.engine.hooks import Hooks
from crawler.progress import HostProgress, Progress
from crawler.report.summary import SkippedGroup
from crawler.settings import OPTIONS
from tests.report.summaries import a_summary

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "changes" / "README.md", *sorted(DOCS.rglob("*.md"))]
README = (ROOT / "README.md").read_text("utf-8")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(name: str) -> str:
    """A page of the documentation."""
    return (DOCS / name).read_text("utf-8")


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def indented(text: str) -> list[str]:
    """The lines of code blocks that are made by indenting."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line[4:] for line in outside.splitlines() if line.startswith("    ")]


def section(text: str, title: str) -> str:
    """What stands below a heading."""
    return re.split(rf"^##+ {re.escape(title)}$", text, flags=re.MULTILINE)[1].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    is_rule = [all(set(cell) == {"-"} for cell in row) for row in cells]
    return [row for row, rule, below in zip(cells, is_rule, [*is_rule[1:], False], strict=True) if not (rule or below)]


def named(text: str) -> list[str]:
    """The names in code type in the first cells of a table."""
    return [name for cells in rows(text) for name in re.findall(r"`([^`]+)`", cells[0])]


# --- the readme -------------------------------------------------------------------------------------------------------


def test_the_readme_opens_with_the_two_commands() -> None:
    """Who comes by sees how to crawl and how to test before anything else, and is not kept long."""
    assert README.startswith("# crawler\n\n    make crawl URL=https://example.com/\n    make test\n\n")
    assert len(README.splitlines()) <= 150


@pages
def test_every_verb_of_make_is_in_the_makefile(page: Path) -> None:
    """`make VERB` in a text is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    code = " ".join([*indented(page.read_text("utf-8")), *re.findall(r"`([^`\n]+)`", page.read_text("utf-8"))])
    assert set(re.findall(r"\bmake ([a-z]+)\b", code)) <= targets


def test_the_screens_in_the_readme_are_those_of_the_code() -> None:
    """With the numbers of that crawl, the code says what the readme shows, letter for letter; the guide shows the same."""
    host = "127.0.0.1:45697"
    running = Progress(
        10.5, 449, 449, 446, 2, 1, 0, 0, 353, 4, 13 << 20, 44.0,
        (f"http://{host}/shop/candles/no-059.html", 0.039), (HostProgress(host, 4, 100, 0.0),),
    )  # fmt: skip
    skipped = (SkippedGroup("scope", f"host is not {host}", 1), SkippedGroup("robots", "line 2", 1), SkippedGroup("scheme", "mailto", 1))
    found = a_summary(
        duration=19.7, pages=807, run_pages=807, bytes=24 << 20, files=800, ok=800, redirects=4, broken=3, max_depth=2, skipped=3,
        skipped_reasons={"scope": 1, "robots": 1, "scheme": 1}, skipped_groups=skipped, ttfb_median_ms=85.0, ttfb_p95_ms=99.0,
        ttfb_max_ms=805.0, broken_links=3, broken_links_shared=3, shared_title_pages=52, shared_titles=1,
    )  # fmt: skip

    first = start_line(f"Crawling http://{host}/", "demo", ["polite", "robots.txt obeyed", "Ctrl-C pauses"], 100)
    live = "\n".join([*first, "", *render_progress(running, 100)])
    last = render_summary(found, "demo", 100)

    for screen in (live, last):
        shown = textwrap.indent(screen, "    ")
        assert shown in README
    assert textwrap.indent(live, "    ") in text_of("guides/first-crawl.md")
    assert textwrap.indent(last.partition("\n\n  Look")[0], "    ") in text_of("guides/first-crawl.md")


# --- nothing is left out ----------------------------------------------------------------------------------------------


def test_generated_pages_are_fresh() -> None:
    """What is generated from settings, parser and schema says what they say now."""
    assert reference.stale() == []
    assert text_of("reference/folder.md") == folder_page(), "try: python -m crawler.cli.schema_page"


def test_every_command_and_setting_has_its_section() -> None:
    """Commands and settings are documented one by one."""
    commands, settings = text_of("reference/commands.md"), text_of("reference/settings.md")
    assert [name for name in COMMANDS if f"\n## crawler {name}\n" not in commands] == []
    assert [name for name in OPTIONS if f"\n### `{name}`\n" not in settings] == []


def test_every_public_table_and_view_is_documented_column_by_column() -> None:
    """What SQLite makes of the schema is on the page, and no column is left without a meaning."""
    connection = sqlite3.connect(":memory:")
    connection.executescript((ROOT / "crawler" / "store" / "schema.sql").read_text("utf-8"))
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')") if name[0] != "_"]
    real = {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}
    connection.close()

    assert {relation.name: [column.name for column in relation.columns] for relation in relations()} == real
    assert [(relation.name, column.name) for relation in relations() for column in relation.columns if not column.meaning] == []
    assert [relation.name for relation in relations() if not relation.meaning] == []


def test_every_hook_is_documented() -> None:
    """Guide and reference show each hook."""
    for hook in dataclasses.fields(Hooks):
        assert f"@crawler.{hook.name}" in text_of("guides/python.md")
        assert f"`Crawler.{hook.name}`" in text_of("reference/python.md")


def test_every_exit_code_is_documented() -> None:
    """Each error of the tree stands beside the code it ends with, and so do the codes that are no errors."""
    table = {int(code): raised for code, _, raised in rows(text_of("reference/exit-codes.md"))}
    tree = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, errors.CrawlerError)]

    for kind in tree:
        assert f"`{kind.__name__}`" in table[kind.exit_code]
    assert table.keys() == {0, 4, 5, *EXIT_CODES.values(), *(kind.exit_code for kind in tree)}


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("States", model.State),
        ("Outcomes", model.OutcomeName),
        ("Why a URL was skipped", model.SkipReason),
        ("Why there was no usable answer", model.ErrorKind),
        ("Why a run ended", model.FinishReason),
    ],
)
def test_every_closed_set_is_documented(title: str, values: Any) -> None:
    """States, outcomes, reasons and kinds: the table has exactly those of the code."""
    table = section(text_of("reference/outcomes.md"), title)
    assert [cells[0].strip("`") for cells in rows(table)] == sorted(get_args(values), key=[c[0].strip("`") for c in rows(table)].index)
    assert len(rows(table)) == len(get_args(values))


def test_every_kind_of_link_and_every_role_is_documented() -> None:
    """The words in the tables are explained."""
    text = text_of("reference/outcomes.md")
    assert [kind for kind in get_args(model.LinkKind) if f"`{kind}`" not in section(text, "What a link is")] == []
    assert [role for role in get_args(model.Role) if f"`{role}`" not in section(text, "Roles")] == []


def test_every_term_is_in_the_glossary() -> None:
    """The words of the field that code, screen and settings share."""
    words = {word for cells in rows(text_of("reference/words.md")) for word in re.findall(r"\*\*([^*]+)\*\*", cells[0])}
    terms = (
        "seed scope frontier host slot lease release workbench fetcher request response page link record store outcome reason run preset"
    )
    assert words >= set(terms.split())
    assert sorted(words, key=str.lower) == [cells[0].strip("*") for cells in rows(text_of("reference/words.md"))]


# --- it is true -------------------------------------------------------------------------------------------------------


def test_the_retry_table_is_that_of_the_code() -> None:
    """The page has the table that the workbench obeys, row by row."""
    shown = rows(section(text_of("concepts/politeness.md"), "What is tried again"))
    assert shown == [[rule.what, rule.times, rule.after] for rule in retry.TABLE]


def test_the_canonical_rules_are_those_of_the_code() -> None:
    """As many rules as the code has, and what is said to stay different does."""
    text = section(text_of("concepts/canonical-urls-and-scope.md"), "One URL, one spelling")
    numbered = re.compile(r"^\s*\d\. ", re.MULTILINE)
    assert len(numbered.findall(text)) == len(numbered.findall(canonical.__doc__ or ""))

    pairs = {("/a", "/a/"), ("/a", "/a?"), ("/?x=1&y=2", "/?y=2&x=1"), ("/?q=+", "/?q=%20"), ("/a//b", "/a/b")}
    assert all(canonical(f"http://h{one}") != canonical(f"http://h{other}") for one, other in pairs)
    assert canonical("HTTP://User@EXAMPLE.org:80/%7ea/../%2fb?utm_x=1#top", frozenset({"utm_*"})) == "http://example.org/%2Fb"

    examples = [cells for cells in rows(section(text, "By example")) if len(cells) == 3]
    assert {cells[0] for cells in examples} == set("123456")
    for _, link, page in examples:
        spelt, *option = re.findall("`([^`]+)`", page)
        assert canonical(link.strip("`"), frozenset({"utm_*"} if option else ())) == spelt


def test_the_links_of_the_page_are_those_that_are_found() -> None:
    """Each kind of markup is a link of that kind, and leads to a page if it says so."""
    for markup, kind, to_page in rows(text_of("concepts/links.md")):
        found = parse_html(re.findall("`([^`]+)`", markup)[0].encode(), "http://h/", forms=True).links
        assert [(href, f"`{name}`") for href, name, _, _ in found] == [("x", kind)], markup
        assert (found[0][1] in FOLLOWED_KINDS) == (to_page == "yes"), markup


@pages
def test_commands_in_the_pages_can_be_typed(page: Path) -> None:
    """Every `crawler …` in a code block is a command with flags that exist and values that can be read."""
    for line in indented(page.read_text("utf-8")):
        found = re.match(r"(?:docker run .* )?crawler ([^#|>]*)", line.strip())
        if found is None or found[1].startswith(". "):
            continue
        words = [{"-f": "-"}.get(word, word) for word in shlex.split(found[1].partition(" < ")[0])]
        if words[:1] == ["-m"] or "--entrypoint" in line:
            continue
        command, rest = command_of(words)
        arguments = parser_of(command).read(rest)
        if command in ("crawl", "resume") and not {"-i", "-C"} & set(words):
            settings_from(arguments, {})


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """Links between pages resolve, and so do their anchors."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}, target


@pages
def test_python_in_the_pages_compiles(page: Path) -> None:
    """Every snippet is Python."""
    for code in fenced(page.read_text("utf-8"), "python"):
        compile(code, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_news_files_are_named_by_their_kind() -> None:
    """SUBJECT.KIND.md, so that a release can sort them."""
    names = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in names if not re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)] == []


def test_the_picture_of_the_house_names_every_file() -> None:
    """The architecture page shows what is there: each folder and each module, and none that is not."""
    (picture,) = fenced(text_of("architecture.md"), "text")
    shown: set[str] = set()
    folders: list[str] = []
    for line in picture.splitlines():
        name = re.match(r" *([\w.]+/?)(?=\s|$)", line)
        if name is not None:
            depth = (len(line) - len(line.lstrip())) // 2
            folders[depth:] = [name[1]]
            shown.add("".join(folders))
    package = {str(path.relative_to(ROOT)) for kind in ("py", "sql", "css", "js") for path in (ROOT / "crawler").rglob(f"*.{kind}")}
    whole = {"crawler/cli/", "crawler/bench/", "crawler/testing/"}
    expected = {name for name in package if not any(name.startswith(folder) for folder in whole)}
    expected = {name for name in expected if not name.endswith("/__init__.py") or name == "crawler/__init__.py"}

    assert {name for name in shown if name.startswith("crawler/") and not name.endswith("/")} == expected
    assert [name for name in shown if not (ROOT / name).exists()] == []


# --- Python -----------------------------------------------------------------------------------------------------------


def documented() -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The classes and functions of the Python reference, by name."""
    for code in fenced(text_of("reference/python.md"), "python"):
        for node in ast.parse(code).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node


DOCUMENTED = dict(documented())


def found(name: str) -> Any:
    """The object behind a documented name."""
    return getattr(crawler, name, None) or getattr(crawler.testing, name)


def described(arguments: ast.arguments, returns: ast.expr | None) -> str:
    """A documented signature in one spelling; a default that is too long to show is `...`."""
    return f"({ast.unparse(arguments)}) -> {ast.unparse(returns) if returns else None}"


def real(function: Any) -> str:
    """The signature of a function in the same spelling."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    constants = (ast.Constant, ast.Tuple)
    node.args.kw_defaults = [
        value if value is None or isinstance(value, constants) else ast.Constant(...) for value in node.args.kw_defaults
    ]
    return described(node.args, node.returns)


def test_every_public_name_is_in_the_python_reference() -> None:
    """Whatever can be imported from `crawler` and `crawler.testing` is documented."""
    text = text_of("reference/python.md")
    names = [*crawler.__all__, *crawler.testing.__all__]
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)] == []


@pytest.mark.parametrize("name", DOCUMENTED)
def test_signatures_in_the_python_reference_are_those_of_the_code(name: str) -> None:
    """Functions, methods and fields are documented as they are, none is left out and none invented."""
    node, thing = DOCUMENTED[name], found(name)
    if not isinstance(node, ast.ClassDef):
        assert described(node.args, node.returns) == real(thing)
        return
    methods = {method.name: method for method in node.body if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)}
    for method in methods.values():
        function = inspect.getattr_static(thing, method.name)
        function = getattr(function, "__func__", function)
        assert described(method.args, method.returns) == real(function), method.name
    public = {key for key, value in vars(thing).items() if inspect.isfunction(value) and not key.startswith("_")}
    assert public - methods.keys() <= {"deliver"}  # for the engine alone
    if dataclasses.is_dataclass(thing) and name != "Settings":
        fields = {field.target.id for field in node.body if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)}
        properties = {key for key, value in vars(thing).items() if type(value).__name__ in ("property", "cached_property")}
        assert fields == {field.name for field in dataclasses.fields(thing)} | properties
    if issubclass(thing, tuple):
        shown = [field.target.id for field in node.body if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)]
        assert tuple(shown) == thing._fields


SHOP: dict[str, crawler.testing.PageValue] = {
    "/": "<title>Shop</title><a href=/shop/>Shop</a> <a href=/print/1 rel=next>Print</a> <a href=/item/1>One</a> <a href=/gone>Gone</a>",
    "/shop/": "<title>Shop</title><span class=price>3.50</span><a href=/old>Old</a> <a href=https://example.invalid/>Elsewhere</a>",
    "/item/1": "<p>no title</p><a href=/gone>Gone</a>",
    "/print/1": "<title>To print</title>",
    "/old": crawler.testing.redirect("/shop/"),
}


def run_snippet(code: str, url: str) -> dict[str, Any]:
    """Runs a snippet against a loopback site and returns its names."""
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(code.replace("https://example.org", url), "snippet", "exec"), names)
    return names


def test_the_snippet_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first program somebody copies works as it stands, and the guide shows the same one."""
    monkeypatch.chdir(tmp_path)
    (snippet,) = fenced(README, "python")
    assert snippet in text_of("guides/python.md")

    with crawler.testing.site(SHOP) as web:
        run_snippet(snippet, web.url())
        shown = capsys.readouterr().out
        for path in ("/", "/shop/", "/gone"):
            assert web.url(path) in shown

    assert "finish_reason='queue empty'" in shown
    assert (tmp_path / "out" / "crawl.db").is_file()


def test_the_snippets_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Pages, hooks, batches, the blocking form and the test of one's own do what is said of them."""
    monkeypatch.chdir(tmp_path)
    _, look, hooks, batches, blocking, results, _, own = fenced(text_of("guides/python.md"), "python")

    with crawler.testing.site(SHOP) as web:
        crawling = run_snippet(hooks, web.url())["crawler"]
        by_path = asyncio.run(read_all(crawling, web.url()))
        assert str(by_path["/item/1"].error) == "hook: ValueError: no title"
        assert by_path.keys() == {"/", "/item/1"}  # only what `follow` chose, and nothing of /print/
        with closing(sqlite3.connect("out/crawl.db")) as connection:
            skipped = dict(connection.execute("SELECT url, detail FROM skipped").fetchall())
        assert skipped[web.url("/print/1")] == "print versions"

        look_at = run_snippet(look, web.url())["look"]
        for page in by_path.values():
            look_at(page)
        asyncio.run(run_snippet(batches, web.url())["some"]([web.url("/"), web.url("/old"), web.url("/gone")]))
        run_snippet(blocking.replace('"out"', '"other"'), web.url())
        assert run_snippet(results.replace('"out"', '"other"'), web.url())["broken"] == {
            web.url("/gone"): [web.url("/"), web.url("/item/1")]
        }
    run_snippet(own, "")["test_the_shop_is_crawled"]()
    assert f"404 {web.url('/gone')}" in capsys.readouterr().out


async def read_all(crawling: crawler.Crawler, url: str) -> dict[str, crawler.Page]:
    """The pages of a crawl by path."""
    async with crawling:
        return {page.url.removeprefix(url.rstrip("/")): page async for page in crawling.crawl(url)}


# --- SQL --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """The database of a small crawl."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    with crawler.testing.site(SHOP) as web:
        for _ in crawler.crawl(web.url(), output=str(folder), extract=["price=span.price::text"]):
            pass
    connection = sqlite3.connect(f"file:{folder}/crawl.db?mode=ro", uri=True)
    yield connection
    connection.close()


def statements(text: str) -> Iterator[str]:
    """The SQL of a page: in blocks of its own, and as an argument of sqlite3 and of `crawler query`."""
    for block in fenced(text, "sql"):
        statement = ""
        for line in block.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        assert not statement.strip(), f"unfinished: {statement}"
    yield from re.findall(r'(?:sqlite3|crawler query) [^"\n]*"(select [^"]*)"', text, re.IGNORECASE)


@pages
def test_sql_in_the_pages_runs(page: Path, crawled: sqlite3.Connection) -> None:
    """Every question can be asked of a real crawl."""
    for statement in statements(page.read_text("utf-8")):
        crawled.execute(statement).fetchall()


def test_the_questions_of_the_readme_have_answers(crawled: sqlite3.Connection) -> None:
    """They find the broken link, the refusal and the page that is linked most."""
    broken, refused, linked = (crawled.execute(statement).fetchall() for statement in fenced_statements(README))
    assert [(status, links) for _, status, links, _ in broken] == [(404, 2)]
    assert [(reason, urls) for reason, _, urls, _ in refused] == [("scope", 1)]
    assert linked[0][1] == 2


def fenced_statements(text: str) -> list[str]:
    """The SQL in blocks of its own."""
    return [statement for statement in statements(text) if not statement.startswith("select")]
