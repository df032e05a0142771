"""Sixty faults that a seed has planted: the report finds the sixty, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engine.drive import Drive
from running import Capture, run

from crawler.report.folder import open_folder
from crawler.report.groups import Shown, take
from crawler.report.tables import TABLES
from tests.report.planted import FAULTS, SETTINGS, Fault, Plants, plant

SEEDS = (2026, 77, 4)
Finding = tuple[str, tuple[Any, ...]]


def crawl(seed: int, output: Path) -> Plants:
    """The site of a seed, crawled in virtual time."""
    planted = plant(seed)
    Drive("synchronous")(planted.story, output=output, **SETTINGS)
    return planted


def as_finding(fault: Fault) -> Finding:
    """What the report has to say of a fault."""
    match fault.kind:
        case "broken":
            return "broken", (fault.urls[0], *fault.facts)
        case "chain":
            return "redirects", fault.urls
        case "loop":
            return "redirects", ("loop", *_turned(fault.urls))
        case "title" | "body":
            return "duplicates", (fault.kind, *fault.urls)
        case "no title" | "no description":
            return "missing", (fault.kind.removeprefix("no "), *fault.urls)
        case "thin":
            return "thin", ("thin", *fault.urls)
        case "script":
            return "thin", ("JavaScript-only", *fault.urls)
        case "orphan":
            return "orphans", fault.urls
        case "slow":
            return "slow", fault.urls
        case "trap":
            return "skipped", fault.facts
        case _:
            reason, rule = fault.facts
            # Of a robots.txt the line is named with what it says.
            return "skipped", (reason, rule, len(fault.urls))


def _turned(urls: tuple[str, ...]) -> tuple[str, ...]:
    """A loop has no beginning: this one begins with its least URL."""
    first = urls.index(min(urls))
    return urls[first:] + urls[:first]


def expected(planted: Plants) -> Counter[Finding]:
    """All that the report has to find: other sites are skipped by one rule."""
    elsewhere = [fault for fault in planted.faults if fault.kind == "elsewhere"]
    faults = [fault for fault in planted.faults if fault.kind != "elsewhere"]
    assert len(faults) + len(elsewhere) == FAULTS
    rule = Fault("skipped", tuple(fault.urls[0] for fault in elsewhere), ("scope", "domain is not site.test"))
    return Counter(map(as_finding, [*faults, *planted.consequences, rule]))


def found(report: dict[str, list[dict[str, Any]]]) -> Counter[Finding]:
    """What it has found."""
    findings: list[Finding] = []
    for row in report["broken"]:
        status = 0 if row["error"] else row["status"]
        findings.append(("broken", (row["url"], status, row["error"])))
    for row in report["redirects"]:
        hops = tuple(step["url"] for step in row["steps"])
        findings.append(("redirects", ("loop", *_turned(hops[:-1])) if row["ends"] == "loop" else hops))
    findings += [("duplicates", (row["same"], *(each["url"] for each in row["urls"]))) for row in report["duplicates"]]
    findings += [("missing", (row["lacks"], row["url"])) for row in report["missing"]]
    findings += [("thin", (row["looks"], row["url"])) for row in report["thin"]]
    findings += [(name, (row["url"],)) for name in ("orphans", "slow") for row in report[name]]
    for row in report["skipped"]:
        rule = row["rule"].partition(": ")[0] if row["reason"] == "robots" else row["rule"]
        findings.append(("skipped", (row["reason"], rule) if row["reason"] == "trap" else (row["reason"], rule, row["urls"])))
    return Counter(findings)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sixty_are_found_and_nothing_else(tmp_path: Path, capfd: Capture, seed: int) -> None:
    """Of a generated site with its near misses: each planted fault is in its table, with all that belongs to it, and every row of every
    table is a planted fault or what follows from one."""
    planted = crawl(seed, tmp_path / "out")
    tables = ("broken", "redirects", "duplicates", "missing", "thin", "slow", "orphans", "skipped")
    ran = run(capfd, "report", tmp_path / "out", "--json", *(f"--{name}" for name in tables))
    assert ran.code == 0, ran.err
    report = json.loads(ran.out)

    assert sum(planted.innocent.values()) > 15
    assert found(report) == expected(planted)
    for row in report["broken"]:
        links = {(link["source"], link["text"], link["through"]) for link in row["found_on"] if link["kind"] != "sitemap"}
        links |= {(link["source"], "", None) for link in row["found_on"] if link["kind"] == "sitemap"}
        assert links == planted.found_on[row["url"]], row["url"]
        assert row["links"] == len(row["found_on"])
    assert {row["url"] for row in report["broken"]} == set(planted.found_on)
    with closing(open_folder(tmp_path / "out")) as connection:
        for table in TABLES.values():
            assert take(connection, table, 10**6) == take(connection, table)  # the first of them, and all
            assert (
                take(connection, table, 3, 2).groups
                == [Shown(key, items[:2], total) for key, items, total in take(connection, table).groups[:3]]
                or table.name == "redirects"
            )
