"""The values that travel through a crawl: requests, responses, pages, links, leases, outcomes.

All are frozen and know nothing of how they are fetched or kept. Times are seconds, sizes are bytes. `now` and every
deadline are readings of the store's clock (monotonic seconds), never dates; dates are `datetime`s in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from crawler.charset import charset_of, decode
from crawler.redaction import redact

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

Role = Literal["page", "requisite", "sitemap", "probe", "robots"]
"""What a URL is fetched for. `robots` is asked by the workbench itself and is never in a frontier."""

State = Literal["queued", "leased", "done", "failed", "skipped"]
OutcomeName = Literal["ok", "redirect", "http_error", "error", "not_modified"]

SkipReason = Literal["scope", "robots", "trap", "nofollow", "scheme", "private", "requisite", "hook", "too_long"]
"""Why a URL was not asked for. The closed set in code, docs and database."""

ErrorKind = Literal[
    "dns", "refused", "reset", "tls", "timeout", "truncated", "protocol", "too_big", "decode",
    "redirect_loop", "robots_unavailable", "blocked", "hook", "internal",
]  # fmt: skip
"""Why an answer could not be used. The closed set in code, docs and database."""

LinkKind = Literal[
    "a", "area", "iframe", "frame", "img", "media", "script", "css", "link", "form", "sitemap", "redirect", "refresh", "header",
]  # fmt: skip

FinishReason = Literal[
    "queue empty", "page limit", "depth limit", "size limit", "time limit", "interrupted", "terminated", "no reader", "disk full", "error",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PageError:
    """Why one page has no usable answer: a kind of the closed set, and a sentence with the details, without logins in URLs."""

    kind: ErrorKind
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", redact(self.detail))

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a page, resolved: where it leads, which element holds it, its `rel` and its text."""

    url: str
    kind: str = "a"
    rel: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One URL to ask for, as the frontier keeps it.

    `id` is the signed 64-bit fingerprint of `url`, `host` the unit of politeness. `parent` is the URL it was found on.
    `chain` holds the ids of the redirects that led here, oldest first, and of the indexes of sitemaps or the style sheets: the steps
    that are no depth, of which there may not be too many. `attempts` counts the tries so far.
    `headers` are added to what is sent (hooks set them; a frontier does not keep them).
    """

    url: str
    id: int
    host: str
    role: Role = "page"
    depth: int = 0
    parent: str | None = None
    chain: tuple[int, ...] = ()
    attempts: int = 0
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A discovered URL that is not admitted, with its one reason and the rule or line that decided."""

    url: str
    id: int
    reason: SkipReason
    detail: str = ""
    parent: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body: in memory (`data`) or, when it is large, in a temporary file (`path`), with size and digest."""

    size: int = 0
    data: bytes | None = b""
    path: Path | None = None
    sha256: str | None = None

    def head(self, size: int) -> bytes:
        """Its first bytes."""
        if self.data is not None:
            return self.data[:size]
        if self.path is None:
            return b""
        with self.path.open("rb") as file:
            return file.read(size)

    def read(self) -> bytes:
        """All of it. Reads the file of a large one: not on the event loop."""
        return (self.path.read_bytes() if self.path is not None else b"") if self.data is None else self.data


@dataclass(frozen=True, slots=True)
class Response:
    """What a fetcher got: a status line, headers in their order, a decoded body; or an error, or both.

    `status` is 0 when no status line arrived. `error`: the answer is not whole; status and headers are what did arrive, without a
    body. `ttfb` and `elapsed` are seconds from the start of the request to the headers and to the last byte.
    """

    url: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: Body = field(default_factory=Body)
    error: PageError | None = None
    ttfb: float | None = None
    elapsed: float = 0.0
    _named: dict[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[str, list[str]] = {}
        for name, value in self.headers:
            named.setdefault(name.lower(), []).append(value)
        object.__setattr__(self, "_named", named)

    def header(self, name: str) -> str | None:
        """The first header of this name (any case), or None."""
        return self._named.get(name.lower(), (None,))[0]

    def all_headers(self, name: str) -> list[str]:
        """All headers of this name (any case), in their order."""
        return list(self._named.get(name.lower(), ()))


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer was stored: `ok` for 2xx, otherwise a final 4xx or 5xx. `instead` is what came in place of a sitemap."""

    request: Request
    ok: bool
    size: int = 0
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Redirected:
    """The answer was a redirect; its target is a URL of its own."""

    request: Request
    size: int = 0


@dataclass(frozen=True, slots=True)
class NotModified:
    """304: the stored page is still the page, and counts as one that was fetched well."""

    request: Request


@dataclass(frozen=True, slots=True)
class Skipped:
    """The URL was admitted once, but is not asked for: robots.txt, a trap or a hook said no."""

    request: Request
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer, and no further try."""

    request: Request
    error: PageError


@dataclass(frozen=True, slots=True)
class Retry:
    """No usable answer yet: ask again at `at` (store's clock). `counted` tells whether it used up an attempt."""

    request: Request
    at: float
    why: str = ""
    counted: bool = True


Outcome = Fetched | Redirected | NotModified | Skipped | Failed | Retry
"""What an admitted URL ends in: exactly one of these, of which `Retry` is no end."""


@dataclass(frozen=True, slots=True)
class RobotsFacts:
    """What is known of one origin's robots.txt: its text (None: could not be had), status, and when it was read."""

    origin: str
    status: int
    text: bytes | None
    read_at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class HostState:
    """What must survive a hand-over or a restart of a host, all of it: passed with every lease, done and release.

    `next_at` (store's clock) is when the next request may start, `delay` the seconds between starts, `failures` the failed connections
    in a row, `closed` why the host is given up. Learnt: `concurrency`; `latency` of a single request; `rate` a second at which it
    refused (0: never), guessed from a burst or not, since when it was asked again (None: not yet), `refusals` in a row.
    """

    next_at: float = 0.0
    delay: float = 0.0
    concurrency: float = 1.0
    failures: int = 0
    answered: bool = False
    closed: str = ""
    closed_kind: ErrorKind | None = None
    robots: tuple[RobotsFacts, ...] = ()
    latency: float = 0.0
    rate: float = 0.0
    rate_since: float | None = None
    is_rate_guessed: bool = False
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A host, or a slot of it, until `deadline`, with the head of its queue. `token` is the fence: once the lease is lost, nothing said
    with it counts. At most `share` requests at once (0: all that the host bears); to be given back if it `leaves`."""

    host: str
    token: int
    deadline: float
    requests: tuple[Request, ...]
    state: HostState
    share: int = 0
    leaves: bool = False


@dataclass(frozen=True, slots=True)
class Leases:
    """What a frontier could give: leases, and when the next host is due (None: nothing is waiting for a time)."""

    leases: tuple[Lease, ...] = ()
    next_due: float | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """How many URLs a frontier holds in each state, pages that are ok, and bytes of them."""

    queued: int = 0
    leased: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    ok_pages: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a crawl stops by itself; None is no limit. What lies beyond stays queued."""

    max_pages: int | None = None
    max_depth: int | None = None
    max_size: int | None = None


LinkRow = tuple[int, str, str, str]
"""A link as it is stored: (id of the target, kind, rel, text)."""


@dataclass(frozen=True)
class Page:
    """One attempted URL and what came of it. Frozen; failures are pages too (`ok` is False, `error` says why).

    `url`, `status` (0: no answer), `ok` (outcome `ok` or `not_modified`), `outcome`, `error`, `headers` (names in lower case, repeated
    ones joined by ", "), `depth`, `parent` (URL it was found on), `redirect_to`, `elapsed` and `ttfb` (seconds), `sha256` (of the
    decoded body), `title`, `data` (from `extract`).

    `targets` and `anchors` are what `links` is made of: resolved targets (id, url, …; None: no URL) and (href, kind, rel, text), one each.
    """

    url: str
    id: int
    status: int = 0
    outcome: OutcomeName = "ok"
    error: PageError | None = None
    raw_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    content: Body = field(default_factory=Body, repr=False)
    role: Role = "page"
    depth: int = 0
    parent: str | None = None
    redirect_to: str | None = None
    content_type: str = ""
    charset: str = ""
    title: str = ""
    description: str = ""
    canonical: str | None = None
    lang: str = ""
    robots_meta: str = ""
    fetched_at: datetime | None = None
    ttfb: float | None = None
    elapsed: float = 0.0
    attempts: int = 1
    file: str | None = None
    targets: Sequence[tuple[Any, ...] | None] = field(default=(), repr=False)
    anchors: Sequence[tuple[str, str, str, str]] = field(default=(), repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is a page to work with."""
        return self.outcome in ("ok", "not_modified")

    @property
    def sha256(self) -> str | None:
        """Hex digest of the decoded body as saved; None when there is no body."""
        return self.content.sha256

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The response's headers, names in lower case."""
        joined: dict[str, str] = {}
        for name, value in self.raw_headers:
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return joined

    @cached_property
    def body(self) -> bytes:
        """The decoded body. A large one is read from its file."""
        return self.content.read()

    @cached_property
    def text(self) -> str:
        """The body as text, in the page's charset, else in that of its Content-Type, else in UTF-8; without its byte order mark.
        What does not decode becomes U+FFFD."""
        return decode(self.body, self.charset or charset_of(self.headers.get("content-type", "")) or "utf-8")

    @cached_property
    def links(self) -> Sequence[Link]:
        """The links of the page in their order, resolved."""
        pairs = zip(self.targets, self.anchors, strict=True)
        return tuple(Link(target[1], kind, rel, text) for target, (_, kind, rel, text) in pairs if target is not None)

    @cached_property
    def tree(self) -> LexborHTMLParser:
        """The parsed document (selectolax)."""
        from selectolax.lexbor import LexborHTMLParser

        return LexborHTMLParser(self.text)

    def css(self, selector: str) -> list[LexborNode]:
        """The nodes that match a CSS selector."""
        return self.tree.css(selector)

    def json(self) -> Any:
        """The body parsed as JSON. Raises ValueError when it is none."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Record:
    """All that one attempt gives the store: the page, its links as rows, and how many there are beside them. The body is kept when
    `page.file` names a file."""

    page: Page
    links: Sequence[LinkRow] = ()
    unkept_links: int = 0

    @property
    def link_count(self) -> int:
        """How many links the page has."""
        return len(self.links) + self.unkept_links
