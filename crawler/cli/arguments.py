"""The arguments of each command."""

from __future__ import annotations

import argparse
from ipaddress import ip_address
from typing import Any

from crawler.cli.parser import Checked, Parser, add_settings
from crawler.configuration.option import CONFIGURATION, HTTP, KEEP
from crawler.configuration.values import FILE, Kind, choice, duration, integer, read_size, several, size
from crawler.report.tables import TABLES
from crawler.settings import OPTIONS

SHELLS = ("bash", "zsh", "fish")


def _crawl(parser: Parser) -> None:
    seeds = OPTIONS["seeds"]
    parser.add_argument("seeds", nargs="*", metavar="URL", default=argparse.SUPPRESS, help=seeds.help)
    add_settings(parser, lambda option: True)


def _resume(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    add_settings(parser, lambda option: not option.fixed and option.group not in (KEEP, CONFIGURATION))


def _worker(parser: Parser) -> None:
    local = ("output", "save", "links", "frontier", "name")
    add_settings(parser, lambda option: option.name in local or (not option.fixed and option.group not in (KEEP, CONFIGURATION)))


def _merge(parser: Parser) -> None:
    parser.add_argument("out", metavar="OUT", help="The new folder.")
    parser.add_argument("shards", metavar="SHARD", nargs="+", help="The folder of a worker, or one with several in it.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _status(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", default=None, help="The folder of the crawl.")
    add_settings(parser, lambda option: option.name in ("frontier", "name"))
    parser.add_argument("--json", action="store_true", default=False, help="Prints JSON.")
    parser.add_argument("--watch", action="store_true", default=False, help="Again every second, until the crawl has ended.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _report(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    for table in TABLES.values():
        parser.add_argument(f"--{table.name}", action="store_true", default=False, help=f"{table.help[:1].upper()}{table.help[1:]}.")
    formats = choice("text", "json", "csv", "md", "junit")
    parser.add_argument("--format", action=Checked, kind=formats, default="text", help="text, json, csv, md or junit (text).")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="The same as --format json.")
    most = integer(0, 50)
    parser.add_argument(
        "--limit", action=Checked, kind=most, default=None, help="So many of each table in text, md and junit; 0 is all (50, in junit all)."
    )
    parser.add_argument("--html", metavar="FILE", default=None, help="Writes the whole report as one HTML file (- is standard output).")
    parser.add_argument("--sql", action="store_true", default=False, help="Prints the SQL behind the tables instead.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _show(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    parser.add_argument("url", metavar="URL", help="The URL, or a path of the first seed's site.")
    parser.add_argument("--json", action="store_true", default=False, help="Prints JSON, with up to a thousand links each way.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _query(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    parser.add_argument("sql", metavar="SQL", nargs="?", default=None, help="One statement that reads (- is standard input).")
    parser.add_argument("--list", action="store_true", default=False, help="Shows all tables and views, their columns and first rows.")
    add_formats(parser, "table", "csv", "json", "jsonl", "md")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _check(parser: Parser) -> None:
    parser.add_argument("seeds", nargs="*", metavar="URL", default=argparse.SUPPRESS, help="Pages to begin with.")
    formats = choice("text", "json", "junit", "md")
    parser.add_argument("--format", action=Checked, kind=formats, default="text", help="How the result is printed: text, json, junit, md.")
    accept = Kind("statuses, e.g. 200..299,403", statuses, metavar="LIST")
    parser.add_argument("--accept", action=Checked, kind=accept, default=statuses("200..299"), help="Statuses that are good (200..299).")
    parser.add_argument("--fragments", action="store_true", default=False, help="Also whether the anchor is there that a link names (#…).")
    parser.add_argument("--cache", metavar="FILE", default=None, help="Keeps good answers of other links here, and asks for them later.")
    age = duration("1d")
    parser.add_argument("--cache-age", action=Checked, kind=age, default=age.read("1d"), help="How long a cached answer counts (1d).")
    others = {"release", "page_requisites", "check_links", "json", "jsonl", "strict", "fail_on", "metrics", "processes", "frontier", "name"}
    add_settings(parser, lambda option: (option.group != KEEP or option.name == "output") and option.name not in others)


def statuses(value: Any) -> tuple[tuple[int, int], ...]:
    """Ranges of statuses with both their ends: `200..299,403`, also `2xx` and `200-299`. Raises ValueError."""
    ranges = []
    for part in str(value).lower().split(","):
        lowest, _, highest = part.strip().replace("x", "0").replace("-", "..").partition("..")
        highest = highest or (part.strip().replace("x", "9") if "x" in part else lowest)
        if not (100 <= int(lowest) <= int(highest) <= 999):
            raise ValueError
        ranges.append((int(lowest), int(highest)))
    return tuple(ranges)


def _diff(parser: Parser) -> None:
    parser.add_argument("old", metavar="OLD", help="The folder of the crawl before; alone, what its last update changed.")
    parser.add_argument("new", metavar="NEW", nargs="?", default=None, help="The folder of the crawl after.")
    parser.add_argument("--since", action=Checked, kind=integer(1, 1), default=None, metavar="RUN", help="One folder: since that run.")
    parser.add_argument("--json", action="store_true", default=False, help="Prints JSON.")
    parser.add_argument("--html", metavar="FILE", default=None, help="Writes one offline HTML file as well (- is standard output).")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


_FORMATS = {
    "table": "Prints an aligned table, which a terminal gets anyway.",
    "csv": "Prints CSV with a head; formulas are quoted.",
    "json": "Prints one JSON array; ids are strings.",
    "jsonl": "Prints a JSON object a line; ids are strings.",
    "md": "Prints a Markdown table.",
}


def add_formats(parser: Parser, *formats: str) -> None:
    """Adds a flag for each of the formats of rows; `format` is None without one."""
    for name in formats:
        parser.add_argument(f"--{name}", dest="format", action="store_const", const=name, default=None, help=_FORMATS[name])


def _export(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", help="The folder of the crawl.")
    formats = choice("jsonl", "csv", "parquet", "sitemap", "graphml")
    text = "jsonl, csv, parquet, sitemap or graphml (what the name of FILE says, else jsonl)."
    parser.add_argument("--to", action=Checked, kind=formats, metavar="FORMAT", default=None, help=text)
    text = "Where it goes; - is standard output, which jsonl and csv take unasked."
    parser.add_argument("-o", "--output", action=Checked, kind=FILE, default=None, help=text)
    schemas = choice("pages", "commoncrawl")
    text = "Of parquet: pages, or commoncrawl for the columns of Common Crawl's URL index (pages)."
    parser.add_argument("--schema", action=Checked, kind=schemas, metavar="NAME", default="pages", help=text)
    text = "Of a sitemap: the site whose pages it lists (the one with most pages)."
    parser.add_argument("--site", metavar="URL", default=None, help=text)
    parser.add_argument("--fresh", action="store_true", default=False, help="Replaces a file that is there already.")
    parser.add_argument("-q", "--quiet", action="store_true", default=False, help="Says nothing but errors.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _looking(parser: Parser, place: str, *wanted: str) -> None:
    """A command that looks at one thing, and asks for it as a crawl would."""
    parser.add_argument("place", metavar="URL|FILE", help=place)
    parser.add_argument("--json", dest="as_json", action="store_true", default=False, help="Prints JSON.")
    names = {*wanted, "user_agent", "contact", "debug"}
    add_settings(parser, lambda option: option.name in names or (option.group == HTTP and option.name != "retries"))


def _robots(parser: Parser) -> None:
    _looking(parser, "The site, or a robots.txt (- is standard input).", "robots_agent")
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", default=[], help="Paths or URLs of the site to decide on; the URL itself when left out."
    )


def _health(parser: Parser) -> None:
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="The crawl's folder, or one with some in it (this one).")
    within = duration("2m")
    parser.add_argument(
        "--within", action=Checked, kind=within, default=within.read("2m"), help="How long nothing may come without a reason (2m)."
    )


def _links(parser: Parser) -> None:
    parser.add_argument("--base", metavar="URL", default=None, help="Where the page of a file lies, for its relative links.")
    parser.add_argument("-p", "--page-requisites", action="store_true", default=False, help="Also what styles inside of the page load.")
    parser.add_argument("--forms", action="store_true", default=False, help="Also where forms that are sent with GET go.")
    _looking(parser, "The page, or a file (- is standard input).")


def _config(parser: Parser) -> None:
    parser.add_argument(
        "action",
        metavar="show|check",
        action=Checked,
        kind=choice("show", "check"),
        help="What to do; show takes all flags of `crawler crawl`.",
    )
    parser.add_argument(
        "subject", metavar="PRESET|FILE", nargs="?", default=None, help="The preset to show, or the file to check (- is standard input)."
    )
    parser.add_argument("--json", dest="as_json", action="store_true", default=False, help="Prints JSON.")
    add_settings(parser, lambda option: option.name != "json", hidden=True)


def _site(parser: Parser, pages: int, latency: str, bytes_: Kind, help_: str) -> None:
    parser.add_argument("--pages", action=Checked, kind=integer(1, pages), default=pages, help=f"How many pages ({pages}).")
    seconds = duration("50ms")
    parser.add_argument(
        "--latency", action=Checked, kind=seconds, default=seconds.read(latency), help=f"Time before each answer ({latency})."
    )
    parser.add_argument("--size", action=Checked, kind=bytes_, default=bytes_.read("30KB"), help=help_)


def _demo(parser: Parser) -> None:
    port = integer(0, 8000, 65535)
    parser.add_argument("--port", action=Checked, kind=port, default=None, help="The port, 0 for a free one (8000; free with --crawl).")
    address = Kind(
        "an address of this machine (0.0.0.0 for all it has), e.g. 0.0.0.0", lambda value: str(ip_address(value)), metavar="ADDRESS"
    )
    help_ = "Serves others as well, in a container for example: 0.0.0.0 (127.0.0.1: this machine alone)."
    parser.add_argument("--bind", action=Checked, kind=address, default="127.0.0.1", help=help_)
    _site(parser, 200, "0s", size("30KB"), "About how large a page is (30KB).")
    parser.add_argument("--crawl", action="store_true", default=False, help="Crawls the site at once, with all flags of `crawler crawl`.")
    add_settings(parser, lambda option: True, hidden=True)


def _bench(parser: Parser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", default=None, help="The site; a generated one on this machine when left out.")
    least = Kind("a size of at least 1KB, e.g. 30KB", _page_size, metavar="SIZE")
    _site(parser, 500, "50ms", least, "How large a page is (30KB); below 20KB it has fewer than 98 links.")
    share = Kind("a part of the pages up to a half, e.g. 5%", _share, metavar="SHARE")
    help_ = "So many of the generated pages answer 404, 500 or half a second late (none)."
    parser.add_argument("--errors", action=Checked, kind=share, default=0.0, help=help_)
    parser.add_argument("--repeat", action=Checked, kind=integer(1, 5, 1000), default=5, help="How often each mode runs (5).")
    modes = Kind("sync or numbers of requests at once, e.g. sync,1,32,128", _modes, metavar="LIST", separator=",")
    usual = ("sync", "1", "8", "32", "128")
    parser.add_argument("--modes", action=Checked, kind=modes, default=usual, help="What to compare (sync,1,8,32,128).")
    parser.add_argument("--yes", action="store_true", default=False, help="The site is yours: more than 100 of its pages may be fetched.")
    parser.add_argument("-o", "--output", metavar="DIR", default=None, help="Where bench.json and bench.svg go (the current folder).")
    parser.add_argument("--json", action="store_true", default=False, help="Prints bench.json on standard output.")
    parser.add_argument("--debug", action="store_true", default=False, help=OPTIONS["debug"].help)


def _share(value: Any) -> float:
    text = str(value).strip()
    share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= share <= 0.5:
        raise ValueError
    return share


def _page_size(value: Any) -> int:
    bytes_ = read_size(value)
    if bytes_ < 1024:
        raise ValueError
    return bytes_


def _modes(value: Any) -> tuple[str, ...]:
    modes: tuple[str, ...] = several(Kind("a mode", _mode), ",").read(value)
    if not modes:
        raise ValueError
    return modes


def _mode(value: Any) -> str:
    text = str(value).strip().lower().removeprefix("async").strip(" :")
    return text if text == "sync" else str(integer(1, 32, 10_000).read(text))


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", metavar="|".join(SHELLS), action=Checked, kind=choice(*SHELLS), help="The shell.")


_ARGUMENTS = {
    "crawl": _crawl,
    "resume": _resume,
    "worker": _worker,
    "merge": _merge,
    "status": _status,
    "health": _health,
    "report": _report,
    "show": _show,
    "query": _query,
    "export": _export,
    "check": _check,
    "diff": _diff,
    "robots": _robots,
    "links": _links,
    "config": _config,
    "demo": _demo,
    "bench": _bench,
    "completion": _completion,
}


def parser_of(command: str) -> Parser:
    """The parser of a command."""
    parser = Parser(command)
    _ARGUMENTS[command](parser)
    return parser
