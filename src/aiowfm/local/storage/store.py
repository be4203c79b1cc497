"""The store: takes what happened, and commits all there is in one transaction.

The service hands over and goes on in memory; it acknowledges a call to its caller only
after `flushed`. While one transaction is written, the next one gathers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import anyio

from aiowfm.asl.history import HistoryEvent
from aiowfm.local.errors import UNAVAILABLE, ServiceError
from aiowfm.local.storage.batch import Batch, transaction, write
from aiowfm.local.storage.database import Database
from aiowfm.local.storage.rows import ExecutionRow, WaitRow, decoded, payload_characters

log = logging.getLogger("aiowfm.local")
Result = TypeVar("Result")

FIRST_PAUSE_SECONDS = 0.1  # before a commit that failed is tried again
LONGEST_PAUSE_SECONDS = 5.0
MAX_UNKEPT_EVENTS = 20_000  # what may gather before callers wait, however early they are answered


class Store:
    """What a local backend keeps. Between `open` and `close`, `run` does the writing."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self._database = database
        self._is_open = False
        self._gathering = Batch()
        self._writing: Batch | None = None
        self._has_work, self._is_awake = anyio.Event(), False
        self._is_well = anyio.Event()
        self._fault: str | None = None
        self._turn = anyio.Lock(fast_acquire=True)

    async def open(self) -> None:
        """Open the database, unless that has been done.

        Raises:
            ConfigError: it cannot be used, and why.
        """
        if self._is_open:
            return
        await self._database.open()
        self._is_open = True
        self._gathering = Batch()
        self._has_work, self._is_awake = anyio.Event(), False
        self._is_well = anyio.Event()
        self._is_well.set()
        self._turn = anyio.Lock(fast_acquire=True)

    async def close(self) -> None:
        """Keep what is left, and close a file."""
        with anyio.CancelScope(shield=True):
            if not self._gathering.is_empty:
                await self._commit()  # where that has failed before, for the last time
            self._is_open = False
            await self._database.close()

    # Handing over: at once, and on the event loop.

    def append(self, execution: int, events: Sequence[HistoryEvent]) -> None:
        """Add *events* to the history of *execution*."""
        self._gathering.events[execution] += events
        self._gathering.event_count += len(events)
        self._wake()

    def save_execution(self, row: ExecutionRow) -> None:
        self._gathering.executions[row.number] = row
        self._wake()

    def save_map_run(self, arn: str, execution: int, status: str, document: str) -> None:
        self._gathering.map_runs[arn] = (arn, execution, status, document)
        self._wake()

    def save_wait(self, row: WaitRow, result: str | None) -> None:
        """Keep a wait and, unless it is None, the result that was accepted for it."""
        self._gathering.waits[row.name, row.task_key] = row
        if result is not None:
            self._gathering.results[row.name, row.task_key] = result
        self._wake()

    def put(self, kind: str, key: str, document: str | None) -> None:
        """Keep a document under its kind and key; None takes it away."""
        self._gathering.documents[kind, key] = document
        self._wake()

    def when_kept(self, call: Callable[[], None]) -> None:
        """Call once all that was handed over is kept."""
        self._gathering.when_kept.append(call)
        self._wake()

    def _wake(self) -> None:
        if not self._is_awake:
            self._is_awake = True
            self._has_work.set()

    def check(self) -> None:
        """See that the store can keep what is handed over next.

        Raises:
            ServiceError: it cannot; nothing should be begun now.
        """
        if self._fault is not None:
            raise ServiceError(UNAVAILABLE, self._fault)

    async def well(self) -> None:
        """Wait while the store cannot keep anything."""
        while self._fault is not None:
            await self._is_well.wait()

    async def ready(self) -> None:
        """Wait while the store is at work or cannot be: let what goes on by itself do so first."""
        await self._database.idle()
        await self.well()

    async def flushed(self) -> None:
        """Wait until all that was handed over before this call is kept.

        Raises:
            ServiceError: it could not be kept. It is tried again until it can.
        """
        if self._database.acknowledges_early:
            self.check()
            if self._gathering.event_count < MAX_UNKEPT_EVENTS:
                return
        await self.kept()

    async def kept(self) -> None:
        """As `flushed`, and wait where nobody else waits for a commit, too."""
        self.check()
        batch = self._writing if self._gathering.is_empty else self._gathering
        if batch is not None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            batch.waiters.append(waiter)
            await waiter

    # Writing.

    async def run(self) -> None:
        """Commit what is handed over, until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._has_work.wait()
            await self._commit()
            if self._fault is None:
                pause = FIRST_PAUSE_SECONDS
            else:
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _commit(self) -> None:
        async with self._turn:
            if not self._gathering.is_empty or self._gathering.when_kept:
                await self._commit_gathered()

    async def _commit_gathered(self) -> None:
        batch, self._gathering = self._gathering, Batch()
        self._has_work, self._is_awake = anyio.Event(), False
        self._writing = batch
        statements = batch.statements()  # here: the other thread would contend for Python
        try:
            await self._database.run(lambda connection: write(connection, statements))
        except sqlite3.Error as exc:
            self._failed(batch, exc)
            return
        except BaseException:
            batch.add(self._gathering)
            self._gathering = batch
            self._wake()
            raise
        finally:
            self._writing = None
        if self._fault is not None:
            log.warning("the file %s can be written again", self.path)
            self._fault = None
            self._is_well.set()
        batch.settle()
        for call in batch.when_kept:
            call()

    def _failed(self, batch: Batch, error: sqlite3.Error) -> None:
        """Tell those who wait, and keep all of it for the next try."""
        if self._fault is None:
            log.error("the file %s cannot be written, which is tried again: %s", self.path, error)
            self._is_well = anyio.Event()
        self._fault = (
            f"The file {self.path} cannot be written: {error}. What was accepted is kept in memory"
            " and written as soon as that is possible; nothing new is accepted until then"
        )
        batch.settle(self._fault)
        retry = Batch()
        retry.add(batch)
        retry.add(self._gathering)
        self._gathering = retry
        self._wake()

    # Asking: sees all that was handed over before.

    async def ask(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        """What *question* gives when it is put to the database.

        Raises:
            ServiceError: the database cannot be read.
        """
        if self._fault is None:
            await self._commit()
        try:
            return await self._database.run(question)
        except sqlite3.Error as exc:
            message = f"The file {self.path} cannot be read: {exc}"
            raise ServiceError(UNAVAILABLE, message) from exc

    async def change(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What *work* gives, in a transaction of its own that takes its turn at once.

        Work handed over is written after it, as long as its batch is not being written yet.

        Raises:
            ServiceError: nothing can be written now.
        """
        self.check()

        def whole(connection: sqlite3.Connection) -> Result:
            with transaction(connection):
                return work(connection)

        return await self._database.run(whole)

    async def documents(self, kind: str) -> list[tuple[str, str]]:
        """Keys and documents of a kind, by key."""
        return await self.ask(
            lambda connection: connection.execute(
                "SELECT key, document FROM documents WHERE kind = ? ORDER BY key", (kind,)
            ).fetchall()
        )

    async def document(self, kind: str, key: str) -> str | None:
        def question(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT document FROM documents WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
            return None if row is None else str(row[0])

        return await self.ask(question)

    async def largest(self, kind: str) -> int:
        """The largest number of the numbered documents of a kind; 0 if there is none."""
        return await self.ask(
            lambda connection: int(
                connection.execute(
                    "SELECT max(key) FROM documents WHERE kind = ?", (kind,)
                ).fetchone()[0]
                or 0
            )
        )

    async def executions(
        self, where: str, values: Sequence[object], *, limit: int = -1, descending: bool = True
    ) -> list[ExecutionRow]:
        """Those that fulfil an SQL condition, in the order of their numbers."""
        order = "DESC" if descending else "ASC"
        sql = f"SELECT * FROM executions WHERE {where} ORDER BY number {order} LIMIT ?"
        return await self.ask(
            lambda connection: [
                ExecutionRow(*row) for row in connection.execute(sql, (*values, limit))
            ]
        )

    async def history(
        self,
        execution: int,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        most_characters: float = math.inf,
        descending: bool = False,
    ) -> list[HistoryEvent]:
        """Events of *execution* whose ids lie between *after* and *before*.

        The one with which their payloads exceed *most_characters* is the last.
        """

        def question(connection: sqlite3.Connection) -> list[HistoryEvent]:
            events = events_of(connection, execution, after, before, descending=descending)
            found: list[HistoryEvent] = []
            room = most_characters
            for event in islice(events, limit):
                found.append(event)
                room -= payload_characters(event)
                if room < 0 and len(found) > 1:
                    break
            return found

        return await self.ask(question)

    async def map_runs(self, where: str, values: Sequence[object]) -> list[str]:
        """The documents of Map runs that fulfil an SQL condition."""
        sql = f"SELECT document FROM map_runs WHERE {where}"
        return await self.ask(
            lambda connection: [row[0] for row in connection.execute(sql, values)]
        )


def numbered(number: int) -> str:
    """The key of a document that has a number: keys are sorted as text."""
    return f"{number:016}"


def events_of(
    connection: sqlite3.Connection,
    execution: int,
    after: int = 0,
    before: int | None = None,
    *,
    descending: bool = False,
) -> Iterator[HistoryEvent]:
    """Events of *execution*, read as they are asked for."""
    order = "DESC" if descending else "ASC"
    # A row holds several events: the one with the first that is asked for may begin before it.
    rows = connection.execute(
        "SELECT events FROM history WHERE execution = ?1 AND first < ?3 AND first >="
        " coalesce((SELECT max(first) FROM history WHERE execution = ?1 AND first <= ?2), 0)"
        f" ORDER BY first {order}",
        (execution, after + 1, 1 << 62 if before is None else before),
    )
    for (text,) in rows:
        events = decoded(text)
        for event in reversed(events) if descending else events:
            if event.id > after and (before is None or event.id < before):
                yield event
