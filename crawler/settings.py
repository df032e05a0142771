"""All settings of a crawl: one frozen dataclass, the source of flags, TOML keys, environment variables, Python keywords, help
texts and the reference page. A name is the same everywhere: `max_pages` is `--max-pages`, `max_pages` in TOML (dashes are
accepted), `CRAWLER_MAX_PAGES` and `Crawler(max_pages=…)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from crawler import __version__
from crawler.configuration import values
from crawler.configuration.answers import MEDIA_TYPE, RATE, patience
from crawler.configuration.layers import keyword_layers, merge
from crawler.configuration.option import (
    CONFIGURATION,
    HTTP,
    KEEP,
    LIMITS,
    OUTPUT,
    POLITENESS,
    SPEED,
    WHAT,
    Alias,
    options_of,
    setting,
)
from crawler.configuration.servers import CRAWL_NAME, FRONTIER
from crawler.configuration.values import choice, duration, integer, optional, several, size
from crawler.errors import UsageError
from crawler.host_settings import HOSTS, HostSettings

_MB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one crawl, checked. Durations are seconds, sizes bytes; None means no limit or not used."""

    seeds: tuple[str, ...] = setting(
        (), "URLs to begin with.", WHAT, several(values.URL, " "), example='["https://example.org"]', typed=False, fixed=True
    )
    input_file: str | None = setting(
        None, "Reads more seeds from FILE, one on each line; - is standard input.", WHAT, optional(values.FILE),
        flags=("-i",), example='"seeds.txt"', fixed=True,
    )  # fmt: skip
    sitemap: Literal["auto", "off", "only"] = setting(
        "auto",
        "Adds the URLs of sitemaps (named in robots.txt, else /sitemap.xml), ignores them, or crawls only them.",
        WHAT,
        choice("auto", "off", "only"),
        fixed=True,
    )
    scope: Literal["page", "prefix", "host", "domain", "any"] = setting(
        "host",
        "How far to go from the seeds: these URLs alone, their folder, host or registered domain, or anywhere.",
        WHAT,
        choice("page", "prefix", "host", "domain", "any"),
        fixed=True,
        aliases=(Alias("-np", "the same as --scope prefix", "prefix"),),
    )
    include: tuple[str, ...] = setting(
        (), "Follows only URLs in which this regular expression is found (seeds are always taken).", WHAT,
        several(values.REGULAR_EXPRESSION), example='["/docs/"]', fixed=True,
    )  # fmt: skip
    exclude: tuple[str, ...] = setting(
        (), "Leaves out URLs in which this regular expression is found; wins over --include.", WHAT, several(values.REGULAR_EXPRESSION),
        example="['[?&]sort=']", fixed=True,
    )  # fmt: skip
    max_depth: int | None = setting(
        None,
        "Follows links up to N steps away from a seed; 0 is the seeds alone, no limit when left out.",
        WHAT,
        optional(integer(0, 3)),
        flags=("-d",),
        example="3",
        aliases=(
            Alias("--depth", "the same as --max-depth"),
            Alias("-l", "the same as --max-depth"),
            Alias("--level", "the same as --max-depth"),
        ),
    )
    page_requisites: bool = setting(
        False,
        "Fetches what pages are made of as well (images, styles, scripts, fonts, media), wherever it lies; counts in no page limit.",
        WHAT,
        flags=("-p",),
        fixed=True,
    )
    check_links: bool = setting(
        False, "Asks once for every link that is not followed, to other sites and to images too: HEAD, then GET; without robots.txt.", WHAT,
        fixed=True,
    )  # fmt: skip
    forms: bool = setting(False, "Follows forms that are sent with GET, as they are before anything is filled in.", WHAT, fixed=True)
    strip_query: tuple[str, ...] = setting(
        (),
        "Removes these keys from the query of every URL.",
        WHAT,
        several(values.QUERY_KEY, ","),
        example='["utm_source", "sid"]',
        fixed=True,
    )
    traps: bool = setting(True, "Leaves out shapes of URLs that only produce more of themselves, such as endless calendars.", WHAT)
    release: tuple[str, ...] = setting(
        (),
        "Lets this shape of URLs out of quarantine, as the summary names it, for good.",
        WHAT,
        several(values.TEXT),
        example='["/cal/{n}/{n}"]',
        in_file=False,
        in_environment=False,
    )
    allow_private: bool = setting(
        False, "Lets links lead to private, loopback and link-local addresses (a seed's own address is always allowed).", WHAT
    )

    max_pages: int | None = setting(None, "Stops after N pages that were fetched well.", LIMITS, optional(integer(1, 500)), example="500")
    max_time: float | None = setting(None, "Stops after this time.", LIMITS, optional(duration("2h")), example='"2h"')
    max_size: int | None = setting(None, "Stops when this many bytes of bodies are stored.", LIMITS, optional(size("5GB")), example='"5GB"')
    max_body: int = setting(32 * _MB, "Gives up a page whose decoded body is larger.", LIMITS, size("32MB"))
    max_url_length: int = setting(2083, "Skips URLs with more characters.", LIMITS, integer(16, 2083))
    min_free_disk: int = setting(200 * _MB, "Stops the crawl, to be resumed, when less room is left on the disk.", LIMITS, size("200MB"))

    concurrency: int = setting(32, "Requests at once in all.", SPEED, integer(1, 64, 10_000), flags=("-c",))
    per_host: int = setting(4, "Requests at once to one host, at most.", SPEED, integer(1, 4, 10_000))
    delay: float = setting(
        0.0,
        "Time between the starts of two requests to one host.",
        SPEED,
        duration("0.5"),
        aliases=(Alias("--wait", "the same as --delay"),),
    )
    adaptive: bool = setting(
        True, "Asks a host for more pages at once only while it answers quickly, for fewer when it is busy; off, --per-host at once.", SPEED
    )
    random_wait: bool = setting(False, "Lengthens the delay at random, up to one and a half of it (never below it, unlike wget).", SPEED)
    limit_rate: int | None = setting(
        None, "Reads bodies at so many bytes a second at most, all requests together.", SPEED, optional(RATE), example='"500KB"'
    )
    processes: int = setting(
        1,
        "Crawls with so many processes on the same folder; --concurrency and --per-host hold for all of them together.",
        SPEED,
        integer(1, 2, 64),
    )
    mode: Literal["async", "sync"] = setting(
        "async", "Many pages at once, or one after the other (to compare).", SPEED, choice("async", "sync")
    )

    frontier: str | None = setting(
        None, "Shares the crawl with workers on other machines through this Redis; see crawler worker.", SPEED, optional(FRONTIER),
        example='"redis://localhost:6379/0"',
    )  # fmt: skip
    name: str | None = setting(
        None,
        "Its name at --frontier; the first seed's host when left out.",
        SPEED,
        optional(CRAWL_NAME),
        example='"web"',
    )

    robots: Literal["obey", "ignore"] = setting(
        "obey",
        "Obeys robots.txt, or ignores it (your own sites only).",
        POLITENESS,
        choice("obey", "ignore"),
        aliases=(Alias("--no-robots", "the same as --robots ignore", "ignore"),),
    )
    robots_agent: str = setting("asyncrawl", "The name that is looked for in robots.txt.", POLITENESS, values.PRODUCT_TOKEN)
    max_crawl_delay: float = setting(
        30.0, "The longest Crawl-delay of a robots.txt that is kept to; a longer one counts as this.", POLITENESS, duration("30s")
    )
    respect_nofollow: bool = setting(False, 'Does not follow links marked rel="nofollow" nor those of pages that say nofollow.', POLITENESS)
    user_agent: str | None = setting(
        None,
        "The User-Agent header; asyncrawl/VERSION when left out.",
        POLITENESS,
        optional(values.TEXT),
        flags=("-U",),
        example='"docs-check/1.0"',
    )
    contact: str | None = setting(
        None,
        "URL or mail address for the owners of the sites, put into the User-Agent.",
        POLITENESS,
        optional(values.CONTACT),
        example='"crawls@example.org"',
    )

    header: tuple[tuple[str, str], ...] = setting(
        (),
        "Sends this header with every request; secrets (Authorization, Cookie, X-Api-Key …) go to the seeds' origins alone.",
        HTTP,
        several(values.HEADER),
        flags=("-H",),
        example='["Accept-Language: de"]',
    )
    cookies: str | None = setting(
        None,
        "Starts with the cookies of this file (Netscape format, as wget, curl and browser add-ons write it).",
        HTTP,
        optional(values.FILE),
        example='"cookies.txt"',
    )
    cookie_jar: bool = setting(True, "Keeps the cookies that sites set and sends them back.", HTTP, off=("--no-cookies",))
    auth_env: str | None = setting(
        None,
        "Name of an environment variable that holds user:password (Basic, for the seeds' origins alone).",
        HTTP,
        optional(values.ENVIRONMENT_NAME),
        example='"SITE_LOGIN"',
    )
    proxy: str | None = setting(
        None,
        "Sends all requests through this proxy; otherwise HTTP_PROXY, HTTPS_PROXY and NO_PROXY count.",
        HTTP,
        optional(values.PROXY),
        example='"http://proxy.example.org:3128"',
    )
    timeout: float = setting(
        30.0,
        "Longest wait for the headers of an answer; its body then has to arrive at 1 KB/s or more.",
        HTTP,
        patience("30s"),
        flags=("-T",),
    )
    connect_timeout: float = setting(10.0, "Longest wait for a connection.", HTTP, patience("10s"))
    read_timeout: float = setting(15.0, "Longest silence inside a body.", HTTP, patience("15s"))
    retries: int = setting(
        2,
        "Tries again this many times after a failure that may pass.",
        HTTP,
        integer(0, 2, 100),
        aliases=(Alias("--tries", "the same as --retries N-1", shift=-1),),
    )
    max_redirects: int = setting(10, "Follows at most this many redirects in a row.", HTTP, integer(0, 10, 100))
    accept_type: tuple[str, ...] = setting(
        (),
        "Reads only answers of these media types, of others the headers alone; what names no type is read.",
        HTTP,
        several(MEDIA_TYPE, ","),
        example='["text/html", "application/pdf"]',
    )
    reject_type: tuple[str, ...] = setting(
        (),
        "Reads the headers alone of answers of these media types; wins over --accept-type.",
        HTTP,
        several(MEDIA_TYPE, ","),
        example='["image/*"]',
    )
    insecure: bool = setting(False, "Accepts any certificate.", HTTP)
    ca_certificate: str | None = setting(
        None, "Trusts the certificates of this PEM file besides the system's.", HTTP, optional(values.FILE), example='"ca.pem"'
    )

    output: str | None = setting(
        None, "The folder for everything; crawl-HOST when left out.", KEEP, optional(values.FOLDER), flags=("-o",), example='"docs-crawl"'
    )
    save: Literal["files", "none"] = setting("files", "Saves the bodies of pages as files, or not.", KEEP, choice("files", "none"))
    links: Literal["all", "none"] = setting("all", "Keeps every link of every page in the database, or none.", KEEP, choice("all", "none"))
    extract: tuple[tuple[str, str], ...] = setting(
        (),
        "Keeps what a CSS selector finds under a name; ::text and ::attr(NAME) choose what of it.",
        KEEP,
        several(values.EXTRACTION),
        example='["price=span.price::text"]',
    )
    fresh: bool = setting(False, "Deletes the crawl the folder holds and begins anew.", KEEP, in_file=False, in_environment=False)
    update: bool = setting(
        False, "Crawls a finished crawl once more: asks for what has changed since, and for what is new.", KEEP,
        in_file=False, in_environment=False,
    )  # fmt: skip

    quiet: bool = setting(False, "Says nothing but errors.", OUTPUT, flags=("-q",))
    verbose: int = setting(
        0,
        "Shows and logs every page; given twice, also every URL that is refused, and why.",
        OUTPUT,
        integer(0, 1, 2),
        flags=("-v",),
        count=True,
    )
    progress: Literal["auto", "bar", "plain", "json", "none"] = setting(
        "auto",
        "How progress is shown: a live display, a line every ten seconds, JSON lines, or nothing.",
        OUTPUT,
        choice("auto", "bar", "plain", "json", "none"),
    )
    jsonl: str | None = setting(
        None,
        "Writes one JSON line for each page to FILE while crawling; - is standard output.",
        OUTPUT,
        optional(values.FILE),
        example='"pages.jsonl"',
    )
    log_file: str | None = setting(
        None, "Writes the log here instead of crawl.log in the folder.", OUTPUT, optional(values.FILE), example='"crawl.log"'
    )
    color: Literal["auto", "always", "never"] = setting(
        "auto", "Colours on a terminal, always or never; NO_COLOR is honoured.", OUTPUT, choice("auto", "always", "never")
    )
    json: bool = setting(False, "Prints summary.json on standard output at the end.", OUTPUT)
    metrics: str | None = setting(
        None, "Serves numbers for Prometheus on this port while crawling (/metrics, /healthz); on this machine unless an address is given.",
        OUTPUT, optional(values.ADDRESS), example="9464",
    )  # fmt: skip
    strict: bool = setting(False, "Exits with 5 when a limit left URLs behind.", OUTPUT)
    fail_on: tuple[str, ...] = setting(
        (),
        "Exits with 4 when there is any of this: broken (all that failed), errors (no answer), 4xx, 5xx or a status.",
        OUTPUT,
        several(values.FINDING, ","),
        example='["broken"]',
    )
    debug: bool = setting(False, "Shows tracebacks of errors.", OUTPUT, in_file=False)

    config: str | None = setting(
        None,
        "Reads settings from this TOML file; - is standard input.",
        CONFIGURATION,
        optional(values.FILE),
        flags=("-C",),
        in_file=False,
        example='"crawl.toml"',
    )
    preset: str | None = setting(
        None, "Starts from a named set of settings: polite, fast or links.", CONFIGURATION, optional(values.PRESET), example='"fast"'
    )
    hosts: Mapping[str, HostSettings] = setting(
        {},
        "What is different for single hosts.",
        CONFIGURATION,
        HOSTS,
        typed=False,
        in_environment=False,
        example='{ "example.org" = { delay = "2s" } }',
    )

    @property
    def agent(self) -> str:
        """The User-Agent header that is sent: `user_agent` or ours, and the contact."""
        name = self.user_agent or f"asyncrawl/{__version__}"
        return f"{name} (+{self.contact})" if self.contact else name

    @classmethod
    def from_keywords(cls, **keywords: Any) -> Settings:
        """Settings from Python keywords; `preset` and `config` are read first. Raises UsageError for an unknown or wrong one."""
        merged, _ = merge(OPTIONS, keyword_layers(OPTIONS, keywords))
        return checked(cls(**merged))


OPTIONS = options_of(Settings)
"""Every setting by name, in the order of help and reference."""


def checked(settings: Settings) -> Settings:
    """The same settings. Raises UsageError when two of them cannot go together."""
    if settings.jsonl == "-" and settings.json:
        raise UsageError("`jsonl` to standard output and `json` cannot go together", "both would print there", "--jsonl FILE")
    if settings.input_file == "-" and settings.config == "-":
        raise UsageError("`input_file` and `config` are both -", "standard input can be read once", "a file for one of them")
    if settings.fresh and settings.update:
        raise UsageError("`fresh` and `update` cannot go together", "one deletes what the other asks about again", "one of them")
    if settings.frontier is not None and settings.processes > 1:
        raise UsageError("`processes` and `frontier` cannot go together", "each worker has a folder of its own", "several `crawler worker`")
    if settings.frontier and settings.update:
        raise UsageError("`frontier` and `update` cannot go together", "an update asks about what one folder holds", "--update alone")
    if settings.quiet and settings.verbose:
        raise UsageError("`quiet` and `verbose` cannot go together", "one says less, the other more", "one of them")
    if settings.processes > 1 and settings.mode == "sync":
        raise UsageError("`processes` and mode sync cannot go together", "that is one page after the other", "--mode async")
    return settings
