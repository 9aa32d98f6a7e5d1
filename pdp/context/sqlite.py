"""Facts in a folder, in SQLite: what one decision point believes, and believed, through restarts and power cuts.

    context.sqlite   current   one row for each thing: what is believed of it
                     history   one row for each thing that a write changed: what was believed from then on
                     entries   one row for each write: whose it was, and when
    lock             held while a decision point has the folder open; a second one is refused

A write is one transaction with `synchronous=FULL`: when it returns, it is on the disk; when the power fails before, it
never was. Memory holds the same facts, and answers all reads but those of history.
"""

import fcntl
import gc
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, final

from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.clock import Clock, now_ms
from pdp.context.changes import Change, Entry, Key, Origin, key_of
from pdp.context.rows import read_row, write_key, write_row
from pdp.context.state import Believed, State
from pdp.context.store import Check, ContextSnapshot, HistoryGoneError, StoreError, accept

FORMAT: Final = 1
"""The form of the tables. A store of another one is refused by name."""

APPLICATION: Final = 0x5044_5043
"""What SQLite files of this project carry in their header ("PDPC")."""

LOCKED_SECONDS: Final = 5.0
"""How long a write waits for whoever else has the file open, such as a backup."""

SLICE: Final = 1_000
"""Rows of history that are forgotten in one transaction, so that a write waits for no more than that."""

_SCHEMA: Final = """
CREATE TABLE entries (revision INTEGER PRIMARY KEY, source TEXT NOT NULL, observed_at INTEGER NOT NULL,
                      recorded_at INTEGER NOT NULL);
CREATE TABLE current (key TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE history (key TEXT NOT NULL, revision INTEGER NOT NULL, row TEXT, PRIMARY KEY (key, revision))
                     WITHOUT ROWID;
CREATE TABLE horizon (recorded_at INTEGER NOT NULL);
CREATE INDEX entries_by_time ON entries (recorded_at);
INSERT INTO horizon VALUES (0);
"""

_DAMAGED: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

_REVISION_AT: Final = "SELECT max(revision) FROM entries WHERE recorded_at <= ?"


@final
class SqliteStore:
    """A `ContextStore` that outlives its process. One process at a time has a folder open."""

    def __init__(self, directory: Path, clock: Clock = now_ms) -> None:
        """Opens the store, or makes one; the folder is made too.

        Raises StoreError: another process has it, it cannot be read, or it is damaged.
        """
        self._clock: Final = clock
        self._place: Final = Source(printable(str(directory / "context.sqlite")), "")
        self._lock: Final = Lock()
        with self._faults("open"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file_lock: int | None = _take(directory / "lock", self._place)
            try:
                self._database: Final = sqlite3.connect(
                    directory / "context.sqlite", timeout=LOCKED_SECONDS, isolation_level=None, check_same_thread=False
                )
            except BaseException:
                self._release()
                raise
        try:
            with self._faults("open"):
                self._prepare()
                self._current = self._load()
                self._last_time = self._number("SELECT max(recorded_at) FROM entries")
        except BaseException:
            self.close()
            raise

    def snapshot(self) -> ContextSnapshot:
        """The newest facts."""
        return self._current

    def write(self, changes: Sequence[Change], source: str, observed_at: int, check: Check = accept) -> ContextSnapshot:
        """Make the changes; see `ContextStore`."""
        with self._lock:
            # A clock that is set back must not reorder what was believed when.
            recorded_at = max(self._clock(), self._last_time)
            origin = Origin(source, observed_at, recorded_at, self._current.revision + 1)
            snapshot = ContextSnapshot(origin.revision, self._current.state.after(Entry(origin, tuple(changes))))
            check(snapshot)
            rows = {write_key(key): _row(snapshot.state, key) for key in map(key_of, changes)}
            with self._transaction("write"):
                self._keep(origin, rows)
            self._last_time = recorded_at
            self._current = snapshot
            return snapshot

    def _keep(self, origin: Origin, rows: Mapping[str, str | None]) -> None:
        revision, database = origin.revision, self._database
        database.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?)", (revision, origin.source, origin.observed_at, origin.recorded_at)
        )
        database.executemany(
            "INSERT INTO history VALUES (?, ?, ?)", [(key, revision, row) for key, row in rows.items()]
        )
        kept = [(key, row) for key, row in rows.items() if row is not None]
        database.executemany("INSERT OR REPLACE INTO current VALUES (?, ?)", kept)
        database.executemany("DELETE FROM current WHERE key = ?", [(key,) for key, row in rows.items() if row is None])

    def believed(self, key: Key, instant: int) -> Believed | None:
        """What was believed then; see `ContextStore`."""
        with self._lock, self._faults("read"):
            if instant < self._number("SELECT recorded_at FROM horizon"):
                raise HistoryGoneError("what was believed then is not kept any more")
            revision = self._number(_REVISION_AT, instant)
            found = self._database.execute(
                "SELECT row FROM history WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1",
                (write_key(key), revision),
            ).fetchone()
            return None if found is None or found[0] is None else read_row(found[0])

    def forget(self, instant: int) -> int:
        """Forget what was believed before an instant (ms), and return how many rows that were.

        What is believed now, and was believed at that instant, stays.
        """
        forgotten = 0
        with self._lock, self._transaction("write"):
            self._database.execute("UPDATE horizon SET recorded_at = max(recorded_at, ?)", (instant,))
        while True:
            with self._lock, self._transaction("write"):
                revision = self._number(_REVISION_AT, instant)
                done = self._database.execute(
                    "DELETE FROM history WHERE (key, revision) IN (SELECT key, revision FROM history AS old"
                    " WHERE revision < ? AND EXISTS (SELECT 1 FROM history AS new WHERE new.key = old.key"
                    " AND new.revision > old.revision AND new.revision <= ?) LIMIT ?)",
                    (revision, revision, SLICE),
                ).rowcount
            forgotten += done
            if done < SLICE:
                return forgotten

    def close(self) -> None:
        """Close the file and let another process have the folder. Harmless when repeated."""
        self._database.close()
        self._release()

    def _release(self) -> None:
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None

    def _prepare(self) -> None:
        execute = self._database.execute
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            execute(f"PRAGMA {pragma}")
        application, format = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        if self._number("SELECT count(*) FROM sqlite_schema") == 0:
            with self._transaction("write"):
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    execute(statement)
                execute(f"PRAGMA application_id = {APPLICATION}")
                execute(f"PRAGMA user_version = {FORMAT}")
        elif application != APPLICATION:
            raise StoreError("this is not a store of facts", source=self._place, help="name another folder")
        elif format != FORMAT:
            raise StoreError(
                f"the store is of format {format}, and this version reads {FORMAT}",
                source=self._place,
                help="start the version that wrote it",
            )
        if execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise self._damaged()

    def _load(self) -> ContextSnapshot:
        rows = (read_row(row) for (row,) in self._database.execute("SELECT row FROM current"))
        with _no_collection():
            return ContextSnapshot(self._number("SELECT max(revision) FROM entries"), State.of(rows))

    def _number(self, statement: str, *arguments: int) -> int:
        (number,) = self._database.execute(statement, arguments).fetchone()
        return int(number or 0)

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[None]:
        with self._faults(doing):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults(self, doing: str) -> Iterator[None]:
        """SQLite's and the file system's errors as StoreErrors that say what to do."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode in _DAMAGED:
                raise self._damaged() from error
            raise StoreError(
                f"cannot {doing} the store: {error}",
                source=self._place,
                help="is the disk full, or the folder not ours?",
            ) from error

    def _damaged(self) -> StoreError:
        return StoreError(
            "the store is damaged", source=self._place, help="restore it from a copy, or start without it"
        )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection: it would walk again and again over millions of objects that all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _row(state: State, key: Key) -> str | None:
    believed = state.believed(key)
    return None if believed is None else write_row(believed)


def _take(path: Path, place: Source) -> int:
    """The lock of a folder. It goes with the process, however that ends."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreError(
            "another decision point has this folder open", source=place, help="stop it, or name another folder"
        ) from None
    return lock
