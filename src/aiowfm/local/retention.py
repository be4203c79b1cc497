"""What is old goes: executions that ended long ago, and machines that nobody can ask for.

All of it happens in small pieces with pauses between them, on the store's thread.
"""

from __future__ import annotations

import functools
import logging
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio

from aiowfm.errors import ConfigError
from aiowfm.idling import idling
from aiowfm.local.errors import ServiceError
from aiowfm.local.executions import Executions
from aiowfm.local.machines import REVISION, Machines
from aiowfm.local.storage.store import Store, numbered

log = logging.getLogger("aiowfm.local")

CHECK_SECONDS = 60 * 60.0
LOOK_SECONDS = 60.0  # the clock on the wall may be set while we sleep: look at it this often
REMOVED_AT_ONCE = 100
LONGEST_TURN_SECONDS = 0.005  # what takes longer is removed in several turns
READ_AT_ONCE = 1_000
PAUSE_SECONDS = 0.02  # for others, between one turn and the next

_LARGEST = ("retention", "largest number")  # kind and key of a document

_ENDED = f"""
SELECT stopped_at, number, arn, map_run FROM executions
WHERE (stopped_at, number) > (?, ?) AND stopped_at < ?
ORDER BY stopped_at, number LIMIT {READ_AT_ONCE}
"""
_MAP_RUNS = f"""
SELECT arn, NOT EXISTS (SELECT 1 FROM executions WHERE number = map_runs.execution)
FROM map_runs WHERE arn > ? ORDER BY arn LIMIT {READ_AT_ONCE}
"""
_CHILDREN = f"""
SELECT number, arn FROM executions WHERE map_run = ? AND number > ?
ORDER BY number LIMIT {READ_AT_ONCE}
"""
_REFERENCES = f"""
SELECT number, machine, facts ->> 'revision' FROM executions WHERE number > ?
ORDER BY number LIMIT {READ_AT_ONCE}
"""
_REMOVE_EXECUTION = """
DELETE FROM executions
WHERE number = ? AND status <> 'RUNNING' AND stopped_at < ? AND NOT EXISTS (
    SELECT 1 FROM map_runs JOIN executions AS parents ON parents.number = map_runs.execution
    WHERE map_runs.arn = executions.map_run
)
RETURNING arn
"""
_REMOVE_HISTORY = "DELETE FROM history WHERE execution = ?"
_REMOVE_MAP_RUNS = """
DELETE FROM map_runs
WHERE {} = ? AND status <> 'RUNNING'
    AND NOT EXISTS (SELECT 1 FROM executions WHERE number = map_runs.execution)
    AND NOT EXISTS (SELECT 1 FROM executions WHERE map_run = map_runs.arn)
"""
_NOTE_LARGEST = """
INSERT INTO documents VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET document = max(document, excluded.document)
"""
_LARGEST_NUMBER = """
SELECT max(
    (SELECT coalesce(max(number), 0) FROM executions),
    (SELECT coalesce(max(CAST(document AS INTEGER)), 0) FROM documents WHERE kind = ? AND key = ?)
)
"""


class Retention:
    """Removes executions some time after their end, and what nothing refers to any more."""

    def __init__(
        self,
        store: Store,
        executions: Executions,
        machines: Machines,
        now: Callable[[], float],
        seconds: float | None,
    ) -> None:
        """Make it; nothing is removed yet.

        Args:
            store: Where executions are kept.
            executions: Those that are under way.
            machines: What they belong to.
            now: The time in seconds since the epoch.
            seconds: How long after their end executions are kept; None: for good.

        Raises:
            ConfigError: *seconds* is not positive.
        """
        if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
            raise ConfigError(
                "retention: give a positive number of seconds, or None to keep everything,"
                f" not {seconds!r}"
            )
        self._store = store
        self._executions = executions
        self._machines = machines
        self._now = now
        self._seconds = seconds
        self._held: Counter[str] = Counter()

    async def load(self) -> None:
        """See to it that no number of an execution is used twice: task tokens contain them."""
        newest = await self._store.ask(
            lambda connection: connection.execute(_LARGEST_NUMBER, _LARGEST).fetchone()[0]
        )
        self._executions.number_after(newest)

    @contextmanager
    def holding(self, arn: str) -> Iterator[None]:
        """Let the execution of this ARN be, while it is read to be taken up again."""
        self._held[arn] += 1
        try:
            yield
        finally:
            self._held[arn] -= 1
            if not self._held[arn]:
                del self._held[arn]

    async def run(self) -> None:
        """Remove what is old, now and every hour, until cancelled."""
        if self._seconds is None:
            return
        checked_at = -math.inf
        while True:
            now = self._now()
            if not checked_at <= now < checked_at + CHECK_SECONDS:
                checked_at = now
                await self._try()
            with idling():
                await anyio.sleep(LOOK_SECONDS)

    async def _try(self) -> None:
        try:
            await self.check()
        except (ServiceError, sqlite3.Error) as exc:
            log.warning("old executions could not be removed, which is tried again: %s", exc)
        except Exception:
            # A defect of ours, which must not stop everything else.
            log.exception("old executions could not be removed")

    async def check(self) -> None:
        """Remove what is old by now."""
        if self._seconds is None:
            return
        ended_before = self._now() - self._seconds
        await self._remove_ended(ended_before)
        # A child that goes may have had Map runs of its own.
        while await self._remove_children(ended_before):
            pass
        await self._remove_machines()

    # Executions: those of Map runs after the ones that began them, so that no execution is
    # ever there without its children.

    async def _remove_ended(self, ended_before: float) -> None:
        last = (-math.inf, 0)
        while rows := await self._read(_ENDED, *last, ended_before):
            last = rows[-1][0], rows[-1][1]
            found = [(number, arn) for _, number, arn, map_run in rows if map_run is None]
            await self._remove(found, ended_before)

    async def _remove_children(self, ended_before: float) -> bool:
        """Remove children of executions that are gone; False if there were none."""
        removed = 0
        last = ""
        while rows := await self._read(_MAP_RUNS, last):
            last = rows[-1][0]
            for arn, is_orphan in rows:
                if is_orphan:
                    removed += await self._remove_map_run(arn, ended_before)
        return removed > 0

    async def _remove_map_run(self, arn: str, ended_before: float) -> int:
        removed = last = 0
        while rows := await self._read(_CHILDREN, arn, last):
            last = rows[-1][0]
            removed += await self._remove(rows, ended_before)
        sql = _REMOVE_MAP_RUNS.format("arn")
        await self._store.change(lambda connection: connection.execute(sql, (arn,)))
        return removed

    async def _remove(self, found: Sequence[tuple[int, str]], ended_before: float) -> int:
        """Remove those of *found* that are old and at rest; how many that were."""
        removed = 0
        waiting = list(found)
        while waiting:
            await self._store.well()
            # From here until the work has its turn nothing may begin: a redrive that began
            # before is held or live, and one that begins later finds nothing.
            batch, waiting = waiting[:REMOVED_AT_ONCE], waiting[REMOVED_AT_ONCE:]
            resting = [each for each in batch if self._is_at_rest(*each)]
            remove = functools.partial(_remove_executions, resting, ended_before)
            tried, gone = await self._store.change(remove)
            self._executions.forget(gone)
            removed += len(gone)
            waiting = resting[tried:] + waiting
            await anyio.sleep(PAUSE_SECONDS)
        return removed

    def _is_at_rest(self, number: int, arn: str) -> bool:
        return arn not in self._held and self._executions.live(number) is None

    # Machines and their revisions.

    async def _remove_machines(self) -> None:
        """Remove deleted machines without executions, and revisions without both."""
        keys = await self._store.ask(
            lambda connection: connection.execute(
                "SELECT key FROM documents WHERE kind = ?", (REVISION,)
            ).fetchall()
        )
        # No execution begins on any of these from now on, but redriven ones and children
        # of Map runs, and there is an older one that has the same.
        machines = self._machines.deleted()
        revisions = {int(key) for (key,) in keys} - self._machines.revisions(without=machines)
        last = 0
        while (machines or revisions) and (rows := await self._read(_REFERENCES, last)):
            last = rows[-1][0]
            machines -= {machine for _, machine, _ in rows}
            revisions -= {revision for _, _, revision in rows}
        self._machines.forget(machines)
        self._machines.forget_revisions(revisions - self._machines.revisions())

    async def _read(self, sql: str, *values: object) -> list[Any]:
        """Rows that show all that was handed over before."""
        await self._store.well()
        rows = await self._store.ask(lambda connection: connection.execute(sql, values).fetchall())
        self._store.check()
        if rows:
            await anyio.sleep(PAUSE_SECONDS)
        return rows


def _remove_executions(
    found: Sequence[tuple[int, str]], ended_before: float, connection: sqlite3.Connection
) -> tuple[int, list[tuple[str, int]]]:
    """Remove executions until time is up; how many were tried, and which are gone."""
    began = time.monotonic()
    tried, gone = 0, []
    for number, _ in found:
        tried += 1
        for (arn,) in connection.execute(_REMOVE_EXECUTION, (number, ended_before)).fetchall():
            connection.execute(_REMOVE_HISTORY, (number,))
            connection.execute(_REMOVE_MAP_RUNS.format("execution"), (number,))
            gone.append((arn, number))
        if time.monotonic() - began > LONGEST_TURN_SECONDS:
            break
    if gone:
        largest = max(number for _, number in gone)
        connection.execute(_NOTE_LARGEST, (*_LARGEST, numbered(largest)))
    return tried, gone
