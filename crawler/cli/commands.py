"""The table of commands: what each does, and where it is written. Nothing of a command is loaded before it runs."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A command: the module and function that run it, its usage and one line of help."""

    module: str
    function: str
    usage: str
    help: str


COMMANDS = {
    "crawl": Command("crawler.cli.crawl", "run", "URL... [options]", "crawls; on a folder that holds this crawl already, goes on"),
    "resume": Command("crawler.cli.crawl", "resume", "DIR [options]", "goes on with the seeds and settings the folder holds"),
    "worker": Command(
        "crawler.cli.worker",
        "run",
        "--frontier URL --name NAME -o DIR [options]",
        "joins a crawl that many machines share, until it is finished",
    ),
    "merge": Command("crawler.cli.merge", "run", "OUT SHARD...", "makes one crawl of the folders of workers: each URL once"),
    "status": Command(
        "crawler.cli.status",
        "run",
        "DIR | --frontier URL [--name NAME] [--json] [--watch]",
        "how far a crawl is, also while it runs, and why it stopped",
    ),
    "health": Command("crawler.cli.health", "run", "[DIR] [--within 2m]", "whether a crawl that runs gets on; for health checks"),
    "report": Command("crawler.cli.report", "run", "DIR [options]", "the summary again, and tables: what is broken, slow, the same"),
    "show": Command(
        "crawler.cli.show", "run", "DIR URL [--json]", "all that is known of one URL: state and reason, the way there, answer, links"
    ),
    "query": Command(
        "crawler.cli.query", "run", 'DIR "SQL" [--csv|--json|--jsonl|--md]', "asks the database in SQL, read-only, also while a crawl runs"
    ),
    "check": Command(
        "crawler.cli.check", "run", "URL... [options]", "which links are broken, for continuous integration: text, JSON, JUnit, Markdown"
    ),
    "diff": Command(
        "crawler.cli.diff",
        "run",
        "OLD [NEW] [--json] [--html FILE]",
        "which pages are new, gone or changed: two crawls, or an update",
    ),
    "export": Command(
        "crawler.cli.export",
        "run",
        "DIR [--to FORMAT] [-o FILE]",
        "what was found, for other tools: JSON lines, CSV, Parquet, sitemap.xml, GraphML",
    ),
    "robots": Command("crawler.cli.robots", "run", "URL|FILE [PATH...] [options]", "what robots.txt decides, and by which line"),
    "links": Command("crawler.cli.links", "run", "URL|FILE [options]", "which links a page, style sheet, sitemap or feed holds"),
    "config": Command(
        "crawler.cli.config", "run", "show [PRESET] | check FILE", "the settings in effect, where each came from; checks a file"
    ),
    "demo": Command("crawler.cli.demo", "run", "[--crawl] [options]", "serves a demo site on this machine"),
    "bench": Command("crawler.cli.bench", "run", "[URL] [options]", "measures synchronous against asynchronous crawling"),
    "completion": Command("crawler.cli.completion", "run", "bash | zsh | fish", "prints the completion script of a shell"),
}
