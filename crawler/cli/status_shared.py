"""`crawler status --frontier URL`: how far the crawls are that many machines share."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING

from crawler.cli.commands import COMMANDS
from crawler.cli.parser import settings_from
from crawler.cli.screen_text import MARGIN, encodable, flow, plural
from crawler.errors import UsageError
from crawler.redaction import redact
from crawler.text import as_json, human_count, human_size, printable

if TYPE_CHECKING:
    from crawler.frontier.shared.charter import Condition


def run(arguments: argparse.Namespace) -> int:
    """Prints the condition of one crawl, or of all on the servers. Raises UsageError, FrontierError."""
    settings = settings_from(arguments).settings
    if settings.frontier is None:
        raise UsageError("DIR is missing", f"usage: crawler status {COMMANDS['status'].usage}", "crawler status --help")
    if arguments.watch:
        raise UsageError("--watch is for a folder", "a shared frontier is asked once", "watch -n 5 crawler status --frontier URL")
    from crawler.frontier.shared.charter import charter_of, condition_of, names
    from crawler.frontier.shared.connection import Servers

    servers = Servers(settings.frontier)
    try:
        wanted = [settings.name] if settings.name else names(servers)
        found = [condition_of(servers, name, charter_of(servers, name)) for name in wanted]
    finally:
        servers.close()
    if arguments.json:
        print(as_json([each.to_json() for each in found], indent=2, ascii=True))
        return 0
    where, width = redact(settings.frontier), shutil.get_terminal_size().columns
    blocks = ["\n".join(render(each, where, width)) for each in found] or [f"no crawl is at {printable(where)}"]
    print(encodable("\n\n".join(blocks), sys.stdout.encoding))
    return 0


def render(found: Condition, where: str, width: int = 80) -> list[str]:
    """A crawl in a few lines."""
    pending = found.queued + found.leased
    state = f"{plural(found.workers, 'worker')} at work" if found.held else "nobody is at work" if pending else "complete"
    numbers = [
        plural(found.ok_pages, "page"), f"{human_count(found.queued)} queued", f"{human_count(found.leased)} leased",
        human_size(found.size),
    ]  # fmt: skip
    urls = [f"{name} {human_count(getattr(found, name))}" for name in ("done", "failed", "skipped")]
    hosts = [f"{human_count(found.held)} held", f"{human_count(found.due)} due", f"{human_count(found.waiting)} waiting for their time"]
    hosts += [f"{human_count(found.closed)} given up"] if found.closed else []
    lines = [f"{printable(found.name)} at {printable(where)}: {state}"]
    lines += [*flow(numbers, "   ", width), *flow(urls, " · ", width), *flow([f"hosts: {hosts[0]}", *hosts[1:]], " · ", width)]
    for host, count in sorted(found.full.items())[:5]:
        lines.append(f"{MARGIN}! {printable(host)} has as many URLs waiting as may be: {human_count(count)} were not kept")
    lines += [f"{MARGIN}trap {printable(trap)}" for trap in found.traps[:10]]
    if pending and not found.held:
        lines.append(f"{MARGIN}Next: crawler worker --frontier {printable(where)} --name {found.name} -o DIR")
    return lines
