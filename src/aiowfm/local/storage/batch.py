"""What one transaction of the store keeps, and how it is written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiowfm.asl.history import HistoryEvent
from aiowfm.local.errors import UNAVAILABLE, ServiceError
from aiowfm.local.storage.rows import ExecutionRow, WaitRow, encoded, json_of

# All rows of a table in one statement: between two statements the thread that writes has to
# wait until the event loop lets go of the interpreter.
_SAVE_EXECUTIONS = """
INSERT INTO executions SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4,
    value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9
FROM json_each(?) WHERE TRUE
ON CONFLICT (number) DO UPDATE SET status = excluded.status, stopped_at = excluded.stopped_at,
    facts = excluded.facts, output = excluded.output
"""
_APPEND = """
INSERT OR REPLACE INTO history SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)
"""
_PUT = """
INSERT OR REPLACE INTO documents SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)
"""
_REMOVE = """
DELETE FROM documents WHERE (kind, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
"""
_SAVE_MAP_RUNS = """
INSERT OR REPLACE INTO map_runs
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)
"""
_SAVE_WAITS = """
INSERT OR REPLACE INTO waits SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3,
    value ->> 4, value ->> 5, value ->> 6
FROM json_each(?)
"""
_SAVE_RESULTS = """
INSERT OR REPLACE INTO results SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)
"""


@dataclass(slots=True)
class Batch:
    """What one transaction is to keep; of several states of one thing, the last."""

    executions: dict[int, ExecutionRow] = field(default_factory=dict)
    events: defaultdict[int, list[HistoryEvent]] = field(default_factory=lambda: defaultdict(list))
    event_count: int = 0
    documents: dict[tuple[str, str], str | None] = field(default_factory=dict)
    map_runs: dict[str, tuple[str, int, str, str]] = field(default_factory=dict)
    waits: dict[tuple[str, str], WaitRow] = field(default_factory=dict)
    results: dict[tuple[str, str], str] = field(default_factory=dict)
    when_kept: list[Callable[[], None]] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.executions or self.events or self.documents or self.map_runs or self.waits)

    def add(self, later: Batch) -> None:
        """Let this be what was to be kept first, and then *later*."""
        self.executions.update(later.executions)
        for number, events in later.events.items():
            self.events[number] += events
        self.event_count += later.event_count
        self.documents.update(later.documents)
        self.map_runs.update(later.map_runs)
        self.waits.update(later.waits)
        self.results.update(later.results)
        self.when_kept += later.when_kept
        self.waiters += later.waiters

    def settle(self, fault: str | None = None) -> None:
        """Tell those who wait that it is kept or, with a *fault*, that it is not."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if fault is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(ServiceError(UNAVAILABLE, fault))
        self.waiters = []

    def statements(self) -> list[tuple[str, str]]:
        """What writes it: SQL, each with its rows as JSON."""
        history = [(number, each[0].id, encoded(each)) for number, each in self.events.items()]
        documents = [(*key, text) for key, text in self.documents.items() if text is not None]
        results = [(*key, result) for key, result in self.results.items()]
        removed = [key for key, text in self.documents.items() if text is None]
        return [
            (sql, json_of(rows))
            for sql, rows in (
                (_SAVE_EXECUTIONS, list(self.executions.values())),
                (_APPEND, history),
                (_PUT, documents),
                (_REMOVE, removed),
                (_SAVE_MAP_RUNS, list(self.map_runs.values())),
                (_SAVE_WAITS, list(self.waits.values())),
                (_SAVE_RESULTS, results),
            )
            if rows
        ]


def write(connection: sqlite3.Connection, statements: Sequence[tuple[str, str]]) -> None:
    """Write all of a batch, or nothing."""
    with transaction(connection):
        for sql, rows in statements:
            connection.execute(sql, (rows,))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside or, where that raises, none of it."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
