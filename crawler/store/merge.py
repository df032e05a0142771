"""The folders of workers that shared a crawl, as one crawl: each URL once, as whoever held its host last has it.

One shard after the other is read, so that it does not matter how many there are. Of two that have a page the one with the higher token
counts: it held the host after the other one had lost it. A page whose end was never acknowledged counts less than any other.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from crawler.errors import OutputError
from crawler.store.database import FILE_NAME, Database

MERGED = "merged.db"
"""What is made of the shards in a folder, beside them, for those who read."""

_BETTER = "(SELECT f.token FROM shard._frontier f WHERE f.id = s.id)"
_RUNS = """INSERT INTO runs (started, ended, seconds, finish_reason, version, settings)
           SELECT started, ended, seconds, finish_reason, version, settings FROM shard.runs WHERE run = ?"""
_LAST = "SELECT coalesce(max(coalesce(ended, started)), '') FROM runs"
_STATE = "SELECT (SELECT max(row) FROM pages), (SELECT max(seq) FROM _frontier), (SELECT group_concat(coalesce(ended, '')) FROM runs)"
_HOST_COLUMNS = (
    "done, failed, delay, concurrency, latency, rate, rate_since, rate_guessed, refusals, failures, answered, closed, robots, token"
)
_BY_TOKEN = ", ".join(f"excluded.{name.strip()}" for name in _HOST_COLUMNS.split(","))
_HOSTS = f"""INSERT INTO hosts (host, {_HOST_COLUMNS}) SELECT host, {_HOST_COLUMNS} FROM shard.hosts WHERE true
             ON CONFLICT (host) DO UPDATE SET ({_HOST_COLUMNS}) = ({_BY_TOKEN})
             WHERE excluded.token > hosts.token"""
_ENDED = "id, url, role, depth, chain, parent, state, rank, attempts, reason, detail, token"
_FRONTIER = f"""INSERT INTO _frontier (host_id, {_ENDED})
                SELECT m.host_id, {", ".join(f"s.{name.strip()}" for name in _ENDED.split(","))}
                FROM shard._frontier s JOIN shard.hosts h ON h.host_id = s.host_id JOIN main.hosts m ON m.host = h.host WHERE true
                ON CONFLICT (id) DO UPDATE SET ({_ENDED}) = ({", ".join(f"excluded.{name.strip()}" for name in _ENDED.split(","))})
                WHERE excluded.token > _frontier.token"""
_WINNERS = f"""CREATE TEMP TABLE winner AS
               SELECT s.id, coalesce({_BETTER}, -1) AS token FROM shard.pages s
               WHERE coalesce({_BETTER}, -1) > coalesce((SELECT token FROM temp.held WHERE id = s.id), -2)"""


def shards_of(folder: Path) -> list[Path]:
    """The folders inside of a folder in which workers have kept their shares of one crawl, by name; none when they are of several."""
    found: list[Path] = []
    crawls: set[str] = set()
    with suppress(OSError):
        for path in sorted(folder.glob(f"*/{FILE_NAME}")):
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as shard:
                facts = dict(shard.execute("SELECT key, value FROM meta WHERE key IN ('worker', 'identity')"))
                if "worker" in facts and "identity" in facts:
                    found.append(path.parent)
                    crawls.add(facts["identity"])
    return found if len(crawls) == 1 else []


def merged(folder: Path) -> Path | None:
    """The database of all shards in a folder, made anew when one of them has changed; None when there are none. Raises OutputError."""
    shards = shards_of(folder)
    if not shards:
        return None
    path, state = folder / MERGED, json.dumps([_state_of(shard) for shard in shards])
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as before:
        if before.execute("SELECT value FROM meta WHERE key = 'shards'").fetchone() == (state,):
            return path
    part = folder / f".{MERGED}.{os.getpid()}"
    try:
        merge(part, shards, lambda shard, file: f"{shard.name}/{file}", state)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}", str(error.strerror), "crawler merge OUT SHARD…, with OUT elsewhere") from error
    finally:
        _remove(part)
    return path


def _remove(part: Path) -> None:
    """Removes a database that is not whole."""
    for name in ("-wal", "-shm", ""):
        Path(f"{part}{name}").unlink(missing_ok=True)


def _state_of(shard: Path) -> list[object]:
    """What changes with every commit of a shard, and with nothing else."""
    return [shard.name, *_row(shard, _STATE)]


def _last_heard_of(shard: Path) -> str:
    """When the last run of a shard ended, or began if it was killed."""
    return str(_row(shard, _LAST)[0])


def _row(shard: Path, query: str) -> tuple[object, ...]:
    address = f"{(shard / FILE_NAME).absolute().as_uri()}?mode=ro"
    with _named(shard), closing(sqlite3.connect(address, uri=True)) as database:
        row: tuple[object, ...] = database.execute(query).fetchone()
        return row


def merge_into(out: Path, shards: Sequence[Path]) -> None:
    """Makes a crawl's folder of shards: its database, and the bodies, which are linked where that is possible. What a merge that was
    killed has left is no crawl, and is begun anew; one that fails leaves nothing. Raises OutputError."""
    is_new, part = not out.exists(), out / f".{FILE_NAME}.part"
    if not part.exists() and out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out}/ holds something", "a merge makes a new folder", "crawler merge ANOTHER SHARD…")

    def bring(shard: Path, file: str) -> str:
        source, target = shard / file, out / file
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # a crawl that runs has not renamed it yet
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)
        return file

    try:
        out.mkdir(parents=True, exist_ok=True)
        _remove(part)
        merge(part, shards, bring, "")
        with suppress(FileNotFoundError):  # one that never began has no settings
            shutil.copy2(shards[0] / "crawl.toml", out / "crawl.toml")
        part.replace(out / FILE_NAME)
    except (OutputError, OSError, KeyboardInterrupt) as error:
        _clear(out, is_new)
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {out}/", str(error.strerror), "crawler merge ANOTHER SHARD…") from error
        raise


def _clear(out: Path, is_new: bool) -> None:
    """Removes what a merge that failed has made in a folder that was empty, and the folder where it was not there before."""
    with suppress(OSError):
        for path in list(out.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if is_new:
            out.rmdir()


def merge(path: Path, shards: Sequence[Path], bring: Callable[[Path, str], str], state: str) -> None:
    """Writes the database at `path`; `bring(shard, file)` says where the body of a page is then."""
    with closing(Database(path)) as database:
        execute = database.connection.execute
        execute("PRAGMA synchronous = OFF")
        execute("CREATE TEMP TABLE held (id INTEGER PRIMARY KEY, token INTEGER NOT NULL)")
        for shard in sorted(shards, key=_last_heard_of):  # so that the run that ended last is the last one
            execute("ATTACH ? AS shard", (str(shard / FILE_NAME),))
            try:
                with database.transaction(), _named(shard):
                    _take(database, shard, bring)
            finally:
                execute("DETACH shard")
        with database.transaction():
            _count(database)
            database.set_meta(shards=state)
        execute("PRAGMA journal_mode = DELETE")  # one file, which can be put in its place


@contextmanager
def _named(shard: Path) -> Iterator[None]:
    """Raises OutputError when a shard is damaged: what is being written never is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise OutputError(f"{shard / FILE_NAME} is damaged", str(error), "crawler merge OUT, with the other shards") from error


def _take(database: Database, shard: Path, bring: Callable[[Path, str], str]) -> None:
    """Takes over one shard."""
    execute = database.connection.execute
    identity = execute("SELECT value FROM shard.meta WHERE key = 'identity'").fetchone()
    if identity is None:
        return  # cut off before it began
    if (before := database.meta("identity")) is None:
        database.set_meta(identity=identity[0])
    elif json.loads(before) != json.loads(identity[0]):
        raise OutputError(
            f"{shard}/ belongs to another crawl", "its seeds or its scope are others", "crawler merge OUT, with shards of one"
        )
    runs = {}
    for (run,) in execute("SELECT run FROM shard.runs ORDER BY run").fetchall():
        runs[run] = execute(_RUNS, (run,)).lastrowid
    execute(_HOSTS)
    execute(_FRONTIER)
    execute("INSERT OR IGNORE INTO _refused SELECT * FROM shard._refused")
    execute(_WINNERS)
    _take_pages(database, shard, runs, bring)
    execute("INSERT OR REPLACE INTO temp.held SELECT id, token FROM temp.winner")
    execute("DROP TABLE temp.winner")


def _take_pages(database: Database, shard: Path, runs: dict[int, int | None], bring: Callable[[Path, str], str]) -> None:
    """The pages of which this shard has the best, with their links."""
    execute = database.connection.execute
    worse = "SELECT first_link, first_link + link_count - 1 FROM pages WHERE id IN (SELECT id FROM temp.winner) AND first_link IS NOT NULL"
    for where in execute(worse).fetchall():
        execute("DELETE FROM links WHERE link BETWEEN ? AND ?", where)
    execute("DELETE FROM pages WHERE id IN (SELECT id FROM temp.winner)")
    columns = [name for _, name, *_ in execute("PRAGMA table_info(pages)") if name not in ("row", "run", "file", "first_link")]
    query = f"SELECT row, run, file, first_link, {', '.join(columns)} FROM shard.pages JOIN temp.winner USING (id) ORDER BY row"
    insert = f"INSERT INTO pages (run, file, first_link, {', '.join(columns)}) VALUES ({', '.join('?' * (len(columns) + 3))})"
    link = int(execute("SELECT coalesce(max(link), 0) FROM links").fetchone()[0])
    count = columns.index("link_count")
    copy = "INSERT INTO links SELECT link + ?, src, dst, kind, rel, text, position FROM shard.links WHERE link BETWEEN ? AND ?"
    for _, run, file, first, *rest in execute(query).fetchall():
        moved = None
        if first is not None:
            moved = link + 1
            execute(copy, (moved - first, first, first + rest[count] - 1))
            link += rest[count]
        execute(insert, (runs.get(run, 1), file and bring(shard, file), moved, *rest))
    # What sitemaps list belongs to no page.
    row = "src, dst, kind, rel, text, position"
    listed = "src IN (SELECT id FROM shard._frontier WHERE role = 'sitemap') AND src NOT IN (SELECT src FROM main.links)"
    execute(f"INSERT INTO links ({row}) SELECT {row} FROM shard.links WHERE {listed}")


def _count(database: Database) -> None:
    """What a frontier keeps so that nothing has to be counted."""
    execute = database.connection.execute
    for state in ("done", "failed"):
        execute(f"UPDATE hosts SET {state} = (SELECT count(*) FROM _frontier f WHERE f.host_id = hosts.host_id AND f.state = '{state}')")
    execute("UPDATE hosts SET queued = 0, leased_until = NULL")
    states = "queued", "leased", "done", "failed", "skipped"
    counts = ", ".join(f"{state} = (SELECT count(*) FROM _frontier WHERE state = '{state}')" for state in states)
    pages = "FROM pages WHERE outcome IN ('ok', 'not_modified')"
    execute(
        f"UPDATE _totals SET {counts}, ok_pages = (SELECT count(*) {pages} AND role = 'page'),"
        " size = (SELECT coalesce(sum(bytes), 0) FROM pages)"
    )
