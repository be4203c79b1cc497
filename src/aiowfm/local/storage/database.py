"""A SQLite file that one process owns, used on a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

import anyio

from aiowfm.errors import ConfigError, FileInUseError
from aiowfm.local.storage import schema

Durability = Literal["none", "commit", "fsync"]
Result = TypeVar("Result")

MEMORY: Final = ":memory:"
RETENTION_SECONDS = 90 * 24 * 60 * 60.0  # so long Step Functions keeps executions

# SQLite, "PRAGMA synchronous": what a commit waits for.
_SYNCHRONOUS: dict[Durability, str] = {"none": "OFF", "commit": "NORMAL", "fsync": "FULL"}


class Database:
    """The connection to one file, or to a database in memory."""

    def __init__(self, path: str, durability: Durability) -> None:
        self.path = path
        self._durability = durability
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._at_work = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_file(self) -> bool:
        return self.path != MEMORY

    @property
    def acknowledges_early(self) -> bool:
        """Whether nobody waits for a commit."""
        return self._durability == "none" or not self.is_file

    async def open(self) -> None:
        """Open it and bring its tables up to date.

        Raises:
            ConfigError: it cannot be used, and why.
        """
        if self._connection is not None:
            return
        if not self.is_file:
            self._connection = self._opened()
            # It lasts as long as this; to leave it open is a warning from Python 3.13 on.
            weakref.finalize(self, self._connection.close)
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aiowfm-store")
        try:
            self._connection = await self._on_thread(self._opened)
        except BaseException:
            self._thread.shutdown(wait=False)
            self._thread = None
            raise

    async def close(self) -> None:
        """Close a file; what is in memory stays."""
        if self._thread is not None:
            await self._on_thread(self._closed)
            self._thread.shutdown()
            self._thread = None

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What *work* gives; a file is waited for on its thread.

        Work that has begun is done even if this is cancelled, after all that came before.
        """
        connection = self._connection
        assert connection is not None, "it is open"
        if self._thread is None:
            return work(connection)
        return await self._on_thread(lambda: work(connection))

    async def _on_thread(self, work: Callable[[], Result]) -> Result:
        self._at_work += 1
        try:
            with anyio.CancelScope(shield=True):
                result = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._at_work -= 1
            if not self._at_work:
                for waiter in self._waiting:
                    if not waiter.done():
                        waiter.set_result(None)
                self._waiting.clear()
        return result

    async def idle(self) -> None:
        """Wait until the thread has nothing to do.

        An event loop that never pauses hardly lets the thread have the interpreter.
        """
        while self._at_work:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    # On the thread.

    def _opened(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as exc:
            raise self._unusable(exc) from exc
        try:
            self._own(connection)
            self._check(connection)
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self._durability]}")
        except sqlite3.Error as exc:
            connection.close()
            raise self._unusable(exc) from exc
        except BaseException:
            connection.close()
            raise
        return connection

    def _own(self, connection: sqlite3.Connection) -> None:
        """Lock the file for as long as it is open; the lock dies with the process."""
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        if self.is_file:
            owner = {
                "process": os.getpid(),
                "host": socket.gethostname(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            with suppress(OSError):  # it is there for people only
                self._owner_file.write_text(json.dumps(owner), encoding="utf-8")

    def _check(self, connection: sqlite3.Connection) -> None:
        """Make the tables of an empty file, or see that they are ours and up to date."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != schema.APPLICATION_ID:
            raise self._refused("it is a SQLite file of another program: give another path")
        if version > schema.VERSION:
            raise self._refused(
                f"its schema is version {version}, and this release of aiowfm knows versions up to"
                f" {schema.VERSION}; use the newer release that wrote it"
            )
        schema.migrate(connection, version)

    def _closed(self) -> None:
        assert self._connection is not None
        self._connection.close()
        self._connection = None
        with suppress(OSError):
            self._owner_file.unlink()

    @property
    def _owner_file(self) -> Path:
        return Path(f"{self.path}-owner")

    def _unusable(self, error: sqlite3.Error) -> ConfigError:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_BUSY") or name.startswith("SQLITE_LOCKED"):
            refused = self._refused(
                f"it is in use by {self._owner()}; a file has one owner at a time"
            )
            return FileInUseError(self.path, str(refused))
        if name.startswith("SQLITE_NOTADB"):
            return self._refused("it is not a SQLite file: give another path")
        is_closed = self.is_file and os.path.exists(self.path) and not os.access(self.path, os.W_OK)
        if name.startswith("SQLITE_READONLY") or is_closed:
            return self._refused("it cannot be written: make it and its directory writable")
        if name.startswith("SQLITE_CANTOPEN"):
            return self._refused(
                "it cannot be opened: its directory must exist and be writable, as must the file"
            )
        return self._refused(str(error))

    def _owner(self) -> str:
        try:
            owner = json.loads(self._owner_file.read_text(encoding="utf-8"))
            return f"process {owner['process']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"

    def _refused(self, why: str) -> ConfigError:
        return ConfigError(f"LocalBackend({self.path!r}): {why}")
