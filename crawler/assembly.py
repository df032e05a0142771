"""The wiring of one crawl on one screen: each part opened, and given the plain values and the parts that it needs.

A folder (or memory) with its database; frontier and store on that database, so a commit is one step; a workbench, a visitor
and a group commit, which both engines drive.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from crawler import __version__
from crawler.core.seen import SeenFilter
from crawler.core.traps import RECALLED, Traps
from crawler.core.urls import host_key
from crawler.core.workbench import Workbench
from crawler.effective import to_plain, to_toml
from crawler.engine.asynchronous import AsynchronousEngine
from crawler.engine.bounds import seed_request
from crawler.engine.commit import GroupCommit
from crawler.engine.hooks import Hooks
from crawler.engine.judge import Judge
from crawler.engine.probing import Spare
from crawler.engine.reader import Reader
from crawler.engine.synchronous import SynchronousEngine
from crawler.engine.tally import Tally
from crawler.engine.visit import Visitor
from crawler.engine.watch import Watch
from crawler.errors import DiskFullError, OutputError, UsageError
from crawler.fetch import descriptors
from crawler.fetch.options import FetchOptions
from crawler.frontier.repair import repair
from crawler.frontier.revisit import Conditions, keeps_the_same, queue_again, update_of
from crawler.frontier.sharing import Sharing
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.unlisted import lists_sitemaps
from crawler.model import FinishReason, Record
from crawler.ports import BlockingFetcher as BlockingFetcherPort
from crawler.ports import Fetcher, Transaction
from crawler.progress import Progress
from crawler.report.summary import Summary, summarize
from crawler.settings import Settings
from crawler.store.database import FILE_NAME, Database
from crawler.store.files import PageFiles
from crawler.store.folder import Folder, boot_id, end_run, identify, last_end, start_run, suspects
from crawler.store.results import ResultStore
from crawler.store.sync import Syncer
from crawler.wiring import (
    fetch_options_of,
    identity_of,
    limits_of,
    politeness_of,
    read_seeds,
    scope_of,
    types_of,
    wanted_of,
)


class Engine(Protocol):
    """What runs a crawl, for whoever looks at it and may stop it."""

    def stop(self, reason: FinishReason, grace: float) -> None:
        """See `AsynchronousEngine.stop`."""

    def flying(self) -> Sequence[tuple[str, float]]:
        """The URLs in flight, each with the seconds since it started."""


_RECENT, _KNOWN = 2**15, 2**23
"""So many ids of known URLs are kept in 70 bytes each, and of older ones so many in 8 (64 MB), that the frontier need not be asked."""


class Assembly:
    """One crawl, opened: every part wired to the next. `with Assembly(settings, hooks) as crawl` closes it.

    `is_finished` tells that the folder holds this crawl complete; with `again` that also means that hosts which were given up are
    tried once more. `spare` may leave links out that `check_links` would ask. With `shows_links` False nobody asks a page for its
    `links`. Raises UsageError, OutputError.
    """

    number = 0
    """Of this worker, as the frontier knows it."""
    look_around = 5.0
    """Seconds after which a worker with room for more hosts asks again."""
    per_host = 128
    """URLs of one host that it takes at once."""
    ttl = 60.0
    """Seconds of a lease, which is renewed when half of them are gone."""
    renew_every = float("inf")
    """Seconds after which leases are renewed in any case: then it is heard which of them are to be given back."""

    def __init__(
        self,
        settings: Settings,
        hooks: Hooks,
        clock: Callable[[], float] = time.monotonic,
        *,
        again: bool = False,
        spare: Spare | None = None,
        shows_links: bool = True,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.reason: FinishReason = "error"
        self._ended = False
        self._spare = spare
        self.seeds = read_seeds(settings)
        self.hooks = hooks
        self._visitor: Visitor | None = None
        self.rules = politeness_of(settings, frozenset(map(host_key, self.seeds)), self._is_outside)
        self._shows_links = shows_links
        self.wanted = replace(wanted_of(settings), texts=shows_links or settings.links == "all")
        self.scope = scope_of(settings, self.seeds)
        # Before there is a folder: what is wrong with a login or a header leaves none behind.
        self._fetch_options = fetch_options_of(settings, self.seeds, folder=Path(settings.output) if settings.output else None)
        self._stack = ExitStack()
        try:
            self._open(again)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if isinstance(error, Exception) and self.folder is not None and self.folder.is_gone():
                why = "somebody has removed or moved it, or its crawl.db, during the crawl"
                raise OutputError(f"{self.path}/ is gone", why, "the same command, which begins anew") from error
            if self.run and isinstance(error, DiskFullError):  # wherever that was: on the disk of the log, perhaps
                self.finish("disk full")
            elif self.run and not self._ended and isinstance(error, KeyboardInterrupt):  # while there was no engine to stop yet
                self.finish(getattr(error, "reason", "interrupted"))

    def _open(self, again: bool) -> None:
        self._began = self.clock()
        self.path = Path(self.settings.output) if self.settings.output else None
        self._hold(again)
        self.store = self._new_store()
        self._widen()
        self._wire()
        if self.folder is not None and not self.is_finished:
            self._stack.enter_context(Syncer(self.folder.path / FILE_NAME))

    def _hold(self, again: bool) -> None:
        """Opens the folder, or memory, and begins the run."""
        settings = self.settings
        self.folder = self._stack.enter_context(Folder(self.path, fresh=settings.fresh)) if self.path else None
        self.database = self.folder.database if self.folder else Database(None)
        if self.folder is None:
            self._stack.callback(self.database.close)
        self.files: PageFiles | None = self.folder.files() if self.folder and settings.save == "files" else None
        if self.files is not None:
            self._stack.callback(self.files.sweep)  # bodies that were cut off on their way into the store
        self.frontier = self._new_frontier()
        with self.database.transaction():
            self.is_new = identify(self.database, identity_of(settings, self.seeds), settings.output or "memory")
            boot = boot_id()
            self.suspects: AbstractSet[int] = suspects(self.database)
            self.frontier.void_leases(same_clock=self.database.meta("boot_id") == boot)
            self.database.set_meta(boot_id=boot)
            if self.folder is not None:
                repair(self.database, self.folder.path)
            lists_sitemaps(self.database, settings.max_depth != 0)
            self.frontier.add([seed_request(seed) for seed in self.seeds])
            self._release()
            ended = None if self.is_new else self.frontier.finished()
            # A run that was cut off when all was stored is not over before another one has said so.
            self.is_finished = ended is not None and ended == last_end(self.database)
            if again or not self.is_finished or not self.frontier.stats().ok_pages:
                self.is_finished = not self.frontier.reopen_hosts() and self.is_finished
            if is_begun_anew := self.is_finished and settings.update:
                self.frontier.reopen_hosts()
                self.is_finished = False
            self.run = 0 if self.is_finished else start_run(self.database, __version__, json.dumps(to_plain(settings)))
            if is_begun_anew:
                queue_again(self.database, self.run)
            self.update = update_of(self.database)
            self._make_conditional()
        if self.folder is not None and not self.is_finished:
            self.folder.write("crawl.toml", to_toml(replace(settings, seeds=self.seeds, input_file=None)))

    def _new_frontier(self) -> SqliteFrontier:
        rest = (self.clock, lambda host: self.rules(host).delay, self._sharing())
        return SqliteFrontier(self.database, limits_of(self.settings), *rest)

    def _sharing(self) -> Sharing:
        """How hosts are shared with other workers."""
        return Sharing()

    def _new_store(self) -> ResultStore:
        min_free = self.settings.min_free_disk if self.path else 0
        keep_links = self.settings.links == "all"
        return ResultStore(self.database, self.files, self.run, keep_links=keep_links, min_free=min_free, shows_links=self._shows_links)

    def _make_conditional(self) -> None:
        """An update asks on the condition that pages have changed."""
        if self.path is not None and self.update and keeps_the_same(self.database, self.update, to_plain(self.settings)):
            self.frontier.conditions = Conditions(self.database, self.update, self.path if self.files is not None else None)

    def _release(self) -> None:
        """Lets the patterns out of quarantine that the user has named. Raises UsageError for one that is not there."""
        for pattern in self.settings.release:
            if not self.frontier.readmit(pattern):
                there = sorted({pattern for _, pattern in self.frontier.quarantine.patterns})
                why = f"there are {', '.join(there)}" if there else "nothing is"
                hint = f"crawler resume {self.settings.output} --release '{there[0]}'" if there else "the same command without --release"
                raise UsageError(f"{pattern} is not in quarantine", why, hint)

    def _traps(self, hosts: int) -> Traps | None:
        """The watch for traps of a crawl that holds so many hosts at once, with what earlier runs have found out."""
        if not self.settings.traps:
            return None
        quarantine = self.frontier.quarantine
        traps = Traps(quarantine.patterns, quarantine.released, hosts)
        if any("{x}" in pattern for _, pattern in quarantine.patterns):
            traps.recall(quarantine.known(RECALLED))
        return traps

    def _widen(self) -> None:
        """Takes the hosts into scope again to which a seed redirected in an earlier run."""
        seeds = set(self.seeds)
        rows = self.database.connection.execute(
            "SELECT redirect_to FROM pages WHERE depth = 0 AND outcome = 'redirect' AND role = 'page' ORDER BY row"
        )
        for (target,) in rows:
            verdict = self.scope.judge(target, host_key(target)) if target else None
            if verdict is not None and verdict[0] == "scope":
                self.scope = self.scope.widened(target)
                seeds.add(target)
        self.seed_hosts = frozenset(host_key(seed) for seed in seeds)

    def _wire(self) -> None:
        settings = self.settings
        seen, refused = SeenFilter(_RECENT, _KNOWN), SeenFilter(_RECENT, _KNOWN // 8)
        agent = settings.robots_agent if settings.robots == "obey" else None
        max_hosts = max(256, 4 * settings.concurrency)
        watch = Watch(self._traps(max_hosts))
        self.workbench = Workbench(
            self.rules, agent, veto=watch,
            max_hosts=max_hosts, per_host=self.per_host, ttl=self.ttl, look_around=self.look_around, renew_every=self.renew_every,
        )  # fmt: skip
        visitor = Visitor(
            self.scope,
            seen,
            refused,
            strip_query=frozenset(settings.strip_query),
            max_redirects=settings.max_redirects,
            respect_nofollow=settings.respect_nofollow,
            sitemaps=settings.max_depth != 0 and settings.sitemap != "off",
            only_sitemaps=settings.sitemap == "only",
            requisites=settings.page_requisites,
            agent=settings.robots_agent,
            file_of=self.files.name_of if self.files else lambda url: None,
            seed_hosts=self.seed_hosts,
            follow=self.hooks.choose if self.hooks.follow else None,
            watch=watch,
            probes=settings.check_links,
            deepest=settings.max_depth,
            spare=self._spare,
            types=types_of(settings),
            shows_links=self._shows_links,
            keeps_links=settings.links == "all",
        )
        self._visitor = visitor
        self.judge = Judge(self.workbench, visitor, self.clock)
        self.commit = GroupCommit(
            self.workbench,
            self.frontier,
            self.store,
            self.transaction,
            seen,
            refused,
            settings.max_size,
            self.number,
            visitor.learn,
        )
        self.tally = Tally(self.clock(), *self._stored())

    def _is_outside(self, host: str) -> bool:
        """Whether a host is only asked about links that lead there."""
        scope = self._visitor.scope if self._visitor is not None else self.scope
        return self.settings.check_links and bool(scope.outside_host(host))

    def _stored(self) -> tuple[dict[tuple[int, str], int], Counter[str], int]:
        """What the folder holds already, or its update: pages by status and outcome, all else by role, and the bytes of both."""
        since = f"WHERE run >= {self.update}" if self.update else ""
        query = f"SELECT status, outcome, role, count(*), sum(bytes) FROM pages {since} GROUP BY 1, 2, 3"
        pages, apart, size = dict[tuple[int, str], int](), Counter[str](), 0
        for status, outcome, role, count, of_these in self.database.connection.execute(query):
            size += of_these
            if role != "page":
                apart[role] += count
            else:
                pages[status, outcome] = pages.get((status, outcome), 0) + count
        return pages, apart, size

    @property
    def transaction(self) -> Transaction:
        """What makes a commit one step."""
        return self.database.transaction

    @property
    def spool(self) -> Path | None:
        """Where large bodies are streamed to; None keeps them in memory."""
        return self.files.temporary if self.files else None

    def fetch_options(self) -> FetchOptions:
        """How the pages of this crawl are asked for."""
        return self._fetch_options

    def asynchronous(self, fetcher: Fetcher, deliver: Callable[[Sequence[Record]], object]) -> AsynchronousEngine:
        """The engine that fetches many pages at once."""
        return AsynchronousEngine(
            self.workbench, self.judge, Reader(self.wanted, self.suspects), fetcher, self.commit, deliver, self.clock,  # type: ignore[arg-type]
            concurrency=min(self.settings.concurrency, descriptors.most_requests()), hooks=self.hooks,
        )  # fmt: skip

    def synchronous(self, fetcher: BlockingFetcherPort) -> SynchronousEngine:
        """The engine that fetches one page after the other."""
        return SynchronousEngine(
            self.workbench,
            self.judge,
            Reader(self.wanted, self.suspects),
            fetcher,
            self.commit,
            self.clock,
            hooks=self.hooks,
        )

    def progress(self, engine: Engine) -> Progress:
        """How far the crawl is."""
        return self.tally.progress(self.clock(), self.commit.stats, engine.flying(), self.workbench.progress(5))

    @property
    def due_hosts(self) -> int:
        """Hosts of a shared crawl for which other workers could do something now; 0 of a crawl that nobody shares."""
        return 0

    def finish(self, reason: FinishReason) -> None:
        """Writes down why the run ended. After a full disk nothing more can be written, and nothing has to be."""
        self._ended = True
        try:
            end_run(self.database, self.run, reason, round(self.clock() - self._began, 3))
        except DiskFullError:
            if reason != "disk full":
                raise

    def summary(self, patience: float | None = None) -> Summary:
        """The summary of what is stored."""
        return summarize(self.database.connection, patience)
