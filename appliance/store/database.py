"""SQLite on SQLCipher: one writer thread that commits in groups, and readers that cannot write.

What `write` returns has been committed and synced to the disk. Jobs that wait while the disk syncs share the next
commit, each inside a savepoint of its own, so that one that fails takes nothing with it. sqlite-utils runs the queries
and the migrations; the transactions are ours, written out, because its implicit ones changed between releases.
"""

import asyncio
import fcntl
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlcipher3.dbapi2 as sqlcipher
import sqlite_utils

from appliance.errors import StorageError
from appliance.store.migrations import migrations

T = TypeVar("T")
Connection = sqlite_utils.Database
Job = Callable[[Connection], T]

IntegrityError = sqlcipher.IntegrityError

OLDEST_SAFE_SQLITE = (3, 51, 3)  # 3.7.0 to 3.51.2 can corrupt a WAL database when two connections checkpoint
BUSY_TIMEOUT_MS = 5000
READERS = 4
GROUP = 128

WRITER_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "trusted_schema = OFF",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
)
READER_PRAGMAS = (
    "query_only = ON",
    "trusted_schema = OFF",
    "wal_autocheckpoint = 0",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
)


@dataclass(frozen=True)
class _Waiting:
    job: Job[Any]
    answer: Future[Any]


class Database:
    """Open with `await Database.open(...)`, close with `aclose()`, which waits for what was asked before."""

    def __init__(self, file: Path, key: bytes) -> None:
        self._file = file
        self._key = key.hex()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._reader = threading.local()
        self._open_readers: list[Connection] = []
        self._writer = threading.Thread(target=self._write_until_closed, name="writer", daemon=True)
        self._closed = False

    @classmethod
    async def open(cls, file: Path, key: bytes) -> "Database":
        """Raises `StorageError` when the file is in use, is not ours, or this SQLite is not safe."""
        database = cls(file, key)
        await asyncio.to_thread(database._start)
        return database

    async def write(self, job: Job[T]) -> T:
        """Runs `job` in the writer's transaction; returns after COMMIT. Cancelling the caller does not undo it."""
        if self._closed:
            raise StorageError
        waiting = _Waiting(job, Future())
        self._queue.put(waiting)
        return cast(T, await asyncio.wrap_future(waiting.answer))

    async def read(self, job: Job[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, job)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._readers.shutdown)
        for reader in self._open_readers:
            reader.close()
        self._queue.put(None)  # the writer's connection is the last to close: that folds the WAL into the database
        await asyncio.to_thread(self._writer.join)
        self._lock.close()

    # --- the opener -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if sqlcipher.sqlite_version_info < OLDEST_SAFE_SQLITE:
            raise StorageError(
                f"SQLite {sqlcipher.sqlite_version} can corrupt the store; install the locked requirements."
            )
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._file.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise StorageError(f"Another process uses this store ({self._file.parent}). Stop it first.") from None
        try:
            self._connection = self._connect(f"file:{self._file}?mode=rwc", WRITER_PRAGMAS)
            migrations.apply(self._connection)
        except sqlcipher.DatabaseError as error:
            self._lock.close()
            raise StorageError(
                f"The store {self._file} cannot be opened ({error}). Is its key the right one? Else restore a backup."
            ) from error
        self._writer.start()

    def _connect(self, uri: str, pragmas: tuple[str, ...]) -> Connection:
        connection = sqlcipher.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA key = \"x'{self._key}'\"")  # a raw key: no slow derivation on each connection
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return Connection(connection, recursive_triggers=False, execute_plugins=False)

    # --- readers ----------------------------------------------------------------------------------------------------

    def _read(self, job: Job[T]) -> T:
        try:
            connection = getattr(self._reader, "connection", None)
            if connection is None:
                connection = self._reader.connection = self._connect(f"file:{self._file}?mode=ro", READER_PRAGMAS)
                self._open_readers.append(connection)
            return job(connection)
        except sqlcipher.OperationalError as error:
            raise StorageError from error

    # --- the writer -------------------------------------------------------------------------------------------------

    def _write_until_closed(self) -> None:
        while group := self._next_group():
            self._commit(group)
        self._connection.close()

    def _next_group(self) -> list[_Waiting]:
        """Blocks for the first; takes whoever else waits already. Empty when the store is being closed."""
        first = self._queue.get()
        group = [first] if first else []
        while group and len(group) < GROUP and not self._queue.empty():
            waiting = self._queue.get()
            if waiting is None:
                self._queue.put(None)
                break
            group.append(waiting)
        return group

    def _commit(self, group: list[_Waiting]) -> None:
        execute = self._connection.conn.execute
        try:
            execute("BEGIN IMMEDIATE")
            outcomes = [self._run(waiting.job) for waiting in group]
            execute("COMMIT")
        except sqlcipher.DatabaseError as error:
            self._roll_back()
            outcomes = [StorageError()] * len(group)
            for outcome in outcomes:
                outcome.__cause__ = error
        for waiting, outcome in zip(group, outcomes, strict=True):
            _settle(waiting.answer, outcome)

    def _run(self, job: Job[Any]) -> Any:
        """The job's value, or its exception as a value. A storage failure is the whole group's and is raised."""
        execute = self._connection.conn.execute
        execute("SAVEPOINT job")
        try:
            value = job(self._connection)
        except sqlcipher.OperationalError:
            raise
        except Exception as error:  # the job's own, carried to the one who asked: this thread must live on
            execute("ROLLBACK TO job")
            execute("RELEASE job")
            return _Failed(error)
        execute("RELEASE job")
        return value

    def _roll_back(self) -> None:
        if self._connection.conn.in_transaction:
            self._connection.conn.execute("ROLLBACK")


@dataclass(frozen=True)
class _Failed:
    error: BaseException


def _settle(answer: Future[Any], outcome: Any) -> None:
    if not answer.set_running_or_notify_cancel():
        return  # the caller left; what was committed stays
    if isinstance(outcome, _Failed):
        answer.set_exception(outcome.error)
    elif isinstance(outcome, StorageError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
