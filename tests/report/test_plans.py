"""What every statement of the reports costs, by SQLite's plan of it: it grows with the pages and links, not with their square."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crawler.report import check, diff, figures, queries
from crawler.report.tables import SLOWEST, TABLES

SCHEMA = (Path(__file__).parents[2] / "crawler/store/schema.sql").read_text("utf-8")


def statements() -> Iterator[tuple[str, str]]:
    """All of them with their names."""
    for table in (*TABLES.values(), SLOWEST):
        for part in ("sql", "first", "total"):
            if sql := getattr(table, part):
                yield f"{table.name}.{part}", sql
    for module in (queries, figures, check, diff):
        for name, value in vars(module).items():
            if isinstance(value, str) and value.lstrip().startswith(("SELECT", "WITH")) and " FROM " in value.replace("\n", " "):
                yield f"{module.__name__}.{name}", value
    for view in re.findall(r"CREATE VIEW (\w+)", SCHEMA):
        yield view, f"SELECT * FROM {view}"


ALL = dict(statements())


@pytest.mark.parametrize("name", ALL)
def test_no_table_is_read_once_for_each_row_of_another(name: str) -> None:
    """In every join, all but the first part are looked up by a key; a single row in front, which says whether there is anything to look
    for, is no part."""
    sql = ALL[name]
    # The planner of newer SQLites knows the value of a LIMIT; beside a single row it reads the other part once, as it should.
    parameters: dict[str, object] = dict.fromkeys(re.findall(r"(?<!:):(\w+)", sql), 20)
    loops = defaultdict(list)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        for _, parent, _, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters or (1,) * sql.count("?")):
            if step.startswith(("SCAN", "SEARCH")) and step != "SCAN CONSTANT ROW":
                loops[parent].append(step)
    if "(SELECT 1 FROM" in sql and "LIMIT 1)" in sql:
        loops |= {parent: steps[1:] for parent, steps in loops.items() if steps[0].startswith("SCAN (subquery")}
    assert [steps for steps in loops.values() if any(step.startswith("SCAN") for step in steps[1:])] == []
