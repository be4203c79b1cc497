"""The store: takes what happened, and commits all there is in one transaction.

The service hands over and goes on in memory; it acknowledges a call to its caller only
after `flushed`. While one transaction is written, the next one gathers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import anyio

from aiowfm.asl.history import HistoryEvent
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.database import Database
from aiowfm.local.storage.rows import ExecutionRow, decoded, encoded, payload_characters

log = logging.getLogger("aiowfm.local")
Result = TypeVar("Result")

FIRST_PAUSE_SECONDS = 0.1  # before a commit that failed is tried again
LONGEST_PAUSE_SECONDS = 5.0
MOST_UNKEPT_EVENTS = 20_000  # what may gather before callers wait, however early they are answered

_SAVE_EXECUTION = """
INSERT INTO executions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET status = excluded.status, stopped_at = excluded.stopped_at,
    facts = excluded.facts, output = excluded.output
"""
_APPEND = "INSERT OR REPLACE INTO history VALUES (?, ?, ?)"
_PUT = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)"
_REMOVE = "DELETE FROM documents WHERE kind = ? AND key = ?"
_SAVE_MAP_RUN = "INSERT OR REPLACE INTO map_runs VALUES (?, ?, ?, ?)"


@dataclass(slots=True)
class _Batch:
    """What one transaction is to keep; of several states of one thing, the last."""

    executions: dict[int, ExecutionRow] = field(default_factory=dict)
    events: defaultdict[int, list[HistoryEvent]] = field(default_factory=lambda: defaultdict(list))
    event_count: int = 0
    documents: dict[tuple[str, str], str | None] = field(default_factory=dict)
    map_runs: dict[str, tuple[str, int, str, str]] = field(default_factory=dict)
    when_kept: list[Callable[[], None]] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.executions or self.events or self.documents or self.map_runs)

    def add(self, later: _Batch) -> None:
        """Let this be what was to be kept first, and then *later*."""
        self.executions.update(later.executions)
        for number, events in later.events.items():
            self.events[number] += events
        self.event_count += later.event_count
        self.documents.update(later.documents)
        self.map_runs.update(later.map_runs)
        self.when_kept += later.when_kept
        self.waiters += later.waiters

    def settle(self, failure: ServiceError | None = None) -> None:
        """Tell those who wait for it."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)
        self.waiters = []


class Store:
    """What a local backend keeps. Between `open` and `close`, `run` does the writing."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self._database = database
        self._gathering = _Batch()
        self._writing: _Batch | None = None
        self._has_work, self._is_awake = anyio.Event(), False
        self._is_well = anyio.Event()
        self._fault: ServiceError | None = None
        self._turn = anyio.Lock(fast_acquire=True)

    async def open(self) -> None:
        """Open the database.

        Raises:
            ConfigError: it cannot be used, and why.
        """
        await self._database.open()
        self._gathering = _Batch()
        self._has_work, self._is_awake = anyio.Event(), False
        self._is_well = anyio.Event()
        self._is_well.set()
        self._turn = anyio.Lock(fast_acquire=True)

    async def close(self) -> None:
        """Keep what is left, and close a file."""
        with anyio.CancelScope(shield=True):
            if not self._gathering.is_empty:
                await self._commit()  # where that has failed before, for the last time
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
            raise self._fault

    async def well(self) -> None:
        """Wait while the store cannot keep anything."""
        while self._fault is not None:
            await self._is_well.wait()

    async def flushed(self) -> None:
        """Wait until all that was handed over before this call is kept.

        Raises:
            ServiceError: it could not be kept. It is tried again until it can.
        """
        if self._database.acknowledges_early:
            self.check()
            if self._gathering.event_count < MOST_UNKEPT_EVENTS:
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
        batch, self._gathering = self._gathering, _Batch()
        self._has_work, self._is_awake = anyio.Event(), False
        self._writing = batch
        history = [(number, each[0].id, encoded(each)) for number, each in batch.events.items()]
        try:
            await self._database.run(lambda connection: _write(connection, batch, history))
        except sqlite3.Error as exc:
            self._failed(batch, exc)
            return
        except BaseException:
            batch.add(self._gathering)
            self._gathering = batch
            raise
        finally:
            self._writing = None
        if self._fault is not None:
            log.warning("the store can be written again: %s", self._database.path)
            self._fault = None
            self._is_well.set()
        batch.settle()
        for call in batch.when_kept:
            call()

    def _failed(self, batch: _Batch, error: sqlite3.Error) -> None:
        """Tell those who wait, and keep all of it for the next try."""
        message = (
            f"The file {self._database.path} cannot be written: {error}. What was accepted is kept"
            " in memory and written as soon as that is possible; nothing new is accepted until then"
        )
        if self._fault is None:
            log.error("the store cannot be written: %s", error)
            self._is_well = anyio.Event()
        self._fault = ServiceError("ServiceUnavailable", message)
        batch.settle(self._fault)
        retry = _Batch()
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
            raise ServiceError("ServiceUnavailable", message) from exc

    async def change(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What *work* gives, in a transaction of its own that takes its turn at once.

        Work handed over is written after it, as long as its batch is not being written yet.

        Raises:
            ServiceError: nothing can be written now.
        """
        self.check()

        def whole(connection: sqlite3.Connection) -> Result:
            connection.execute("BEGIN")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

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


def _write(
    connection: sqlite3.Connection,
    batch: _Batch,
    history: Sequence[tuple[int, int, str]],
) -> None:
    documents = [(*key, text) for key, text in batch.documents.items() if text is not None]
    removed = [key for key, text in batch.documents.items() if text is None]
    connection.execute("BEGIN")
    try:
        for sql, rows in (
            (_SAVE_EXECUTION, list(batch.executions.values())),
            (_APPEND, history),
            (_PUT, documents),
            (_REMOVE, removed),
            (_SAVE_MAP_RUN, list(batch.map_runs.values())),
        ):
            if rows:
                connection.executemany(sql, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
