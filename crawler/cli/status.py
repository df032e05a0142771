"""`crawler status`: how far a crawl is, also while another process works on it, and why it stopped."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from crawler.cli.facts import print_facts, reading
from crawler.cli.farewell import resume_command
from crawler.cli.screen_text import MARGIN, aligned, flow, paragraph, plural, two_columns
from crawler.cli.watch import watch
from crawler.report.folder import holder
from crawler.report.status import HostStatus, Status, status
from crawler.text import human_clock, human_count, human_rate, human_size, printable, shortened

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_LONGEST_HOST, _LONGEST_WHY = 40, 60


def run(arguments: argparse.Namespace) -> int:
    """Prints the status of `arguments.folder`, as JSON with `arguments.json`, until the crawl has ended with `arguments.watch`. With
    `--frontier` that of the crawls there. Raises OutputError when it holds no crawl."""
    if arguments.folder is None:
        from crawler.cli import status_shared

        return status_shared.run(arguments)
    folder = Path(arguments.folder)
    with reading(folder) as connection:

        def look() -> Status:
            return status(connection, holder(folder), datetime.now(UTC))

        if arguments.watch:
            return watch(look, render_status, status_line, arguments)
        found = look()
    print_facts(found, render_status, arguments)
    return 0


def status_line(found: Status) -> str:
    """The status on one line, for a log."""
    first, *others = _numbers(found, 10_000)
    return "   ".join([human_clock(found.elapsed), _word(found), first.strip(), *(line.strip() for line in others[:1])])


def _word(found: Status) -> str:
    return f"stopped: {printable(found.finish_reason or '')}" if found.state == "stopped" else found.state


def render_status(found: Status, folder: str, width: int = 80, color: bool = False) -> str:
    """The status as text without a final line end; what came from the web is escaped, commands are never broken."""
    folder = printable(folder.rstrip("/"))
    head = two_columns(f"{folder}/ {_state(found)}", _since(found), width, margin="")
    if color:
        head[0] = head[0].replace(folder, f"{_BOLD}{folder}{_PLAIN}", 1)
    blocks = [head, _numbers(found, width), _hosts(found, width), _next(found, folder)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _state(found: Status) -> str:
    match found.state:
        case "running":
            return f"is being crawled by process {found.holder}" if found.holder else "is being crawled"
        case "complete":
            return "is complete"
        case "killed":
            return "stopped without an end: killed, or the power was lost"
        case "new":
            return "was never crawled"
        case _:
            return f"stopped: {printable(found.finish_reason or '')}"


def _since(found: Status) -> str:
    if found.started is None:
        return ""
    # 2026-11-22T18:40:02.123Z
    started = printable(found.started[:16].replace("T", " "))
    return f"run {found.run} of {started} UTC · {human_clock(found.elapsed)}"


def _numbers(found: Status, width: int) -> list[str]:
    rate = [f"{human_rate(found.rate)}/s"] if found.state == "running" else []
    leased = [f"{human_count(found.leased)} leased"] if found.leased else []
    apart = [plural(found.requisites, "requisite")] if found.requisites else []
    apart += [f"{plural(found.probes, 'other link')} asked"] if found.probes else []
    first = [plural(found.pages, "page"), *apart, *rate, f"{human_count(found.queued)} queued", *leased, human_size(found.bytes)]
    counts = (("ok", found.ok), ("redirects", found.redirects), ("broken", found.broken), ("errors", found.errors))
    outcomes = " · ".join(f"{name} {human_count(count)}" for name, count in counts)
    kinds = ", ".join(f"{human_count(group.urls)} {printable(group.kind)}" for group in found.error_kinds[:5])
    states = (("leased", found.leased), ("done", found.done), ("failed", found.failed), ("skipped", found.skipped))
    urls = " · ".join(f"{name} {human_count(count)}" for name, count in states if count or name != "leased")
    return [
        *flow(first, "   ", width),
        *two_columns(outcomes, f"errors: {kinds}" if kinds else "", width),
        *paragraph(f"all URLs: queued {human_count(found.queued)} · {urls}", width),
    ]


def _hosts(found: Status, width: int) -> list[str]:
    if not found.busiest_hosts:
        return []
    hosts = found.busiest_hosts
    columns = [
        aligned([f"{human_count(host.done)} done" for host in hosts]),
        aligned([f"{human_count(host.queued)} queued" for host in hosts]),
        aligned([f"{human_count(host.failed)} failed" for host in hosts]) if any(host.failed for host in hosts) else [],
    ]
    names = [shortened(printable(host.host), max(12, min(_LONGEST_HOST, width - 30))) for host in hosts]
    widest = max(map(len, names))
    rows = zip(names, *(column for column in columns if column), strict=True)
    lines = []
    for host, (name, *facts) in zip(hosts, rows, strict=True):
        lines += flow([name.ljust(widest), *facts, _pace(host)], "   ", width, after=MARGIN)
    more = found.hosts - len(hosts)
    return [*lines, *([f"{MARGIN}+ {plural(more, 'host')}"] if more > 0 else [])]


def _pace(host: HostStatus) -> str:
    return f"given up: {shortened(printable(host.closed), _LONGEST_WHY)}" if host.closed else f"delay {host.delay:.1f} s"


def _next(found: Status, folder: str) -> list[str]:
    if found.state in ("running", "complete", "new"):
        return []
    return [f"{MARGIN}Next: {resume_command(folder, found.finish_reason)}"]
