"""One worker of a crawl that many machines share: the frontier is elsewhere, all it finds out is in a folder of its own."""

from __future__ import annotations

import json
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from crawler import __version__
from crawler.assembly import Assembly
from crawler.effective import to_plain, to_toml
from crawler.engine.bounds import seed_request
from crawler.engine.hooks import Hooks
from crawler.errors import UsageError
from crawler.frontier.redis import RedisFrontier
from crawler.frontier.shared.charter import Charter, charter_of, delete, found
from crawler.frontier.shared.connection import Servers
from crawler.frontier.shared.journal import Journal
from crawler.ports import Transaction
from crawler.settings import Settings
from crawler.store.folder import Folder, check_same, end_run, identify, last_end, start_run, suspects
from crawler.store.results import ResultStore
from crawler.store.synced import SyncedStore
from crawler.wiring import identity_of, limits_of


class SharedAssembly(Assembly):
    """A share of a crawl, opened. `is_finished` tells that all of the crawl is complete.

    The crawl is created unless the frontier has it; then seeds, scope and the like have to be the same. Raises UsageError, OutputError,
    FrontierError.
    """

    look_around = 1.0  # others find hosts all the time
    renew_every = 2.0  # and may need some of these

    def __init__(self, settings: Settings, hooks: Hooks, *, again: bool = False, shows_links: bool = True) -> None:
        assert settings.frontier is not None
        if settings.name is None or settings.output is None:
            raise UsageError("a shared crawl needs a name and a folder", "what is found out is kept in this folder", "name=…, output=…")
        self._servers = Servers(settings.frontier)
        try:
            super().__init__(settings, hooks, self._servers.clock, again=again, shows_links=shows_links)
        except BaseException:
            self._servers.close()
            raise

    def _open(self, again: bool) -> None:
        self._stack.callback(self._servers.close)
        super()._open(again)
        self._shared.on_loss = self.commit.forget

    def _hold(self, again: bool) -> None:
        """Opens the folder, joins the crawl, and begins the run."""
        settings = self.settings
        self._check()
        self.folder = self._stack.enter_context(Folder(Path(settings.output or ""), fresh=settings.fresh))
        self.database = self.folder.database
        # What the frontier hears of may outlive this machine: every commit is on the disk.
        self.database.connection.execute("PRAGMA synchronous = FULL")
        self.files = self.folder.files() if settings.save == "files" else None
        if self.files is not None:
            self._stack.callback(self.files.sweep)
        identity = identity_of(settings, self.seeds)
        with self.database.transaction():
            identify(self.database, identity, settings.output or "")
            self.suspects = suspects(self.database)
        frontier = self._shared = self._join(json.loads(json.dumps(identity)))
        self._stack.callback(frontier.close)
        frontier.evict(0)  # what this folder's last worker held, if it was killed
        frontier.add([seed_request(seed) for seed in self.seeds])
        self.frontier = frontier  # type: ignore[assignment]
        self._release()
        self._begin(again)
        if not self.is_finished:
            self.folder.write("crawl.toml", to_toml(replace(settings, seeds=self.seeds, input_file=None)))

    def _begin(self, again: bool) -> None:
        """Begins a run, unless all is done."""
        ended = None if self.is_new else self._shared.finished()
        if ended is not None and (again or not self._shared.stats().ok_pages) and self._shared.reopen_hosts():
            ended = None
        self.is_finished, self.update, self.run = ended is not None, 0, 0
        if ended is None or last_end(self.database) != ended:
            with self.database.transaction():
                self.run = start_run(self.database, __version__, json.dumps(to_plain(self.settings)))
        if ended is not None and self.run:  # others have done all: this folder says how the crawl ended, too
            end_run(self.database, self.run, ended, 0.0)
            self.run = 0

    def _new_store(self) -> ResultStore:
        return SyncedStore(super()._new_store())  # type: ignore[return-value]

    def _check(self) -> None:
        """Raises UsageError for what a shared crawl cannot do."""
        settings = self.settings
        limits = [name for name in ("max_pages", "max_depth", "max_size") if getattr(settings, name) is not None]
        if len(self._servers) > 1 and limits:
            why = "several servers cannot count together in one step: limits are exact, or there are none"
            raise UsageError(f"`{limits[0]}` needs a single server", why, "one server in --frontier")
        if settings.update:
            raise UsageError("`update` and `frontier` cannot go together", "an update looks at the folder alone", "without --frontier")
        if settings.mode == "sync":
            raise UsageError("`mode` sync and `frontier` cannot go together", "it is for comparing on one machine", "without --mode")

    def _join(self, identity: dict[str, object]) -> RedisFrontier:
        """The frontier of this crawl, which is created unless it is there."""
        settings, servers, name = self.settings, self._servers, self.settings.name or ""
        if settings.fresh:
            delete(servers, name)
        toml = to_toml(replace(settings, seeds=self.seeds, input_file=None, output=None, frontier=None, name=None, log_file=None))
        charter, self.is_new = found(servers, name, Charter(len(servers), identity, toml))
        check_same(
            charter.identity, identity, f"the frontier has another crawl `{name}`", "--name ANOTHER, or --fresh to delete that crawl"
        )
        with self.database.transaction():
            worker = self.database.meta("worker") or uuid.uuid4().hex
            self.database.set_meta(worker=worker)
        limits, delay_of = limits_of(settings), lambda host: self.rules(host).delay
        return RedisFrontier(servers, name, charter.partitions, Journal(self.database), limits, None, delay_of, worker=worker)

    @property
    def due_hosts(self) -> int:
        """Hosts that nobody holds and that may be asked now."""
        return self._shared.due_hosts

    @property
    def transaction(self) -> Transaction:
        """Nothing: store and frontier are in two places, and the order of the steps makes up for it."""
        return _apart


def _apart() -> AbstractContextManager[object]:
    return nullcontext()


def settings_at(frontier: str, name: str) -> str:
    """The settings (TOML) with which workers of a crawl begin. Raises UsageError when there is no such crawl, FrontierError."""
    servers = Servers(frontier)
    try:
        return charter_of(servers, name).settings
    finally:
        servers.close()
