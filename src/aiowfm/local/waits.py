"""The waits of callback tasks: those that go on in memory, tombstones in the store alone."""

from __future__ import annotations

import functools
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import anyio
from pydantic import TypeAdapter

from aiowfm.idling import idling
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.rows import WaitRow
from aiowfm.local.storage.store import Store
from aiowfm.ports import MAX_DUE
from aiowfm.waits import Wait, WaitStatus

log = logging.getLogger("aiowfm.local")

CHECK_SECONDS = 60 * 60.0
REMOVED_AT_ONCE = 100
PAUSE_SECONDS = 0.02  # for others, between one turn and the next
LISTED_AT_ONCE = 100

_LIVE = "SELECT document, name FROM waits WHERE status IN ('EARLY', 'WAITING', 'COMPLETING')"
_KEYS = "SELECT name, task_key FROM waits"
_FIND = "SELECT document FROM waits WHERE name = ? AND task_key = ?"
_RESULT = "SELECT result FROM results WHERE name = ? AND task_key = ?"
_PENDING = f"""
SELECT document FROM waits
WHERE name = ? AND status = 'WAITING' AND (entered, task_key) > (?, ?)
ORDER BY entered, task_key LIMIT {LISTED_AT_ONCE}
"""
_DUE = f"""
SELECT task_key FROM waits WHERE name = ? AND due_at <= ? ORDER BY due_at LIMIT {MAX_DUE}
"""
_REMOVE = f"""
DELETE FROM waits WHERE (name, task_key) IN (
    SELECT name, task_key FROM waits WHERE expires_at <= ? LIMIT {REMOVED_AT_ONCE}
)
RETURNING name, task_key
"""
_REMOVE_RESULT = "DELETE FROM results WHERE name = ? AND task_key = ?"


@functools.cache
def _codec() -> TypeAdapter[Wait]:
    return TypeAdapter(Wait)


class Waits:
    """The waits of all applications, by the name of the store and the key."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        # Those that are going on, or whose end is yet to be kept.
        self._live: dict[tuple[str, str], Wait] = {}
        # Of all there are; saves asking the store for keys that are new.
        self._hashes: set[int] = set()
        self._turn = anyio.Lock()

    async def load(self) -> None:
        """Read what the store has.

        Whoever delivered a result had this file to himself, and is gone: his leases are over.
        """
        rows = await self._store.ask(lambda connection: connection.execute(_LIVE).fetchall())
        for document, name in rows:
            wait = _codec().validate_json(document)
            if wait.status is WaitStatus.COMPLETING:
                wait = replace(wait, due_at=self._now())
                self._store.save_wait(_row(name, wait), None)
            self._live[_place(name, wait.key)] = wait
        self._hashes = await self._store.ask(
            lambda connection: set(map(hash, connection.execute(_KEYS)))
        )
        self._turn = anyio.Lock()

    async def find(self, name: str, key: str) -> Wait | None:
        place = _place(name, key)
        if place in self._live or hash(place) not in self._hashes:
            return self._live.get(place)
        text = await self._ask(_FIND, place)
        if text is None or place in self._live:
            return self._live.get(place)
        return _codec().validate_json(text)

    async def replace(self, name: str, old: Wait | None, new: Wait, result: str | None) -> bool:
        """Put *new* in the place of *old*, unless something else is there."""
        place = _place(name, new.key)
        if place in self._live or hash(place) not in self._hashes:
            return self._replace(place, self._live.get(place), old, new, result)
        async with self._turn:  # nothing that is in the store alone changes meanwhile
            return self._replace(place, await self.find(name, new.key), old, new, result)

    def _replace(
        self,
        place: tuple[str, str],
        found: Wait | None,
        old: Wait | None,
        new: Wait,
        result: str | None,
    ) -> bool:
        if _identity(found) != _identity(old):
            return found is not None and found.revision == new.revision
        self._live[place] = new
        self._hashes.add(hash(place))
        self._store.save_wait(_row(place[0], new), result)
        if new.status in (WaitStatus.DONE, WaitStatus.EXPIRED):
            self._store.when_kept(functools.partial(self._leave, place, new))
        return True

    def _leave(self, place: tuple[str, str], wait: Wait) -> None:
        if self._live.get(place) is wait:
            del self._live[place]

    async def result(self, name: str, key: str) -> str | None:
        return await self._ask(_RESULT, _place(name, key))

    async def pending(self, name: str) -> AsyncIterator[Wait]:
        """Those with status WAITING, as they were entered."""
        last = "", ""
        while True:
            rows = await self._store.ask(functools.partial(_all, _PENDING, (name, *last)))
            for (document,) in rows:
                wait = _codec().validate_json(document)
                last = wait.entered, _place(name, wait.key)[1]
                yield replace(wait, token=None)
            if len(rows) < LISTED_AT_ONCE:
                return

    async def due(self, name: str, now: float) -> list[str]:
        rows = await self._store.ask(functools.partial(_all, _DUE, (name, now)))
        return [json.loads(key) for (key,) in rows]

    async def run(self) -> None:
        """Remove what is old, now and every hour, until cancelled."""
        while True:
            has_more = False
            try:
                has_more = await self._remove()
            except (ServiceError, sqlite3.Error) as exc:
                log.warning("old callbacks could not be removed, which is tried again: %s", exc)
            with idling():
                await anyio.sleep(PAUSE_SECONDS if has_more else CHECK_SECONDS)

    async def _remove(self) -> bool:
        """Remove some of what is old; whether there may be more."""

        def remove(connection: sqlite3.Connection) -> list[tuple[str, str]]:
            gone = connection.execute(_REMOVE, (self._now(),)).fetchall()
            connection.executemany(_REMOVE_RESULT, gone)
            return gone

        async with self._turn:
            gone = await self._store.change(remove)
            for place in gone:
                live = self._live.get(place)
                if live is not None and live.expires_at <= self._now():
                    del self._live[place]
                if place not in self._live:
                    self._hashes.discard(hash(place))
        return len(gone) == REMOVED_AT_ONCE

    async def _ask(self, sql: str, values: Sequence[object]) -> str | None:
        rows = await self._store.ask(functools.partial(_all, sql, values))
        return rows[0][0] if rows else None


def _all(sql: str, values: Sequence[object], connection: sqlite3.Connection) -> list[tuple[str]]:
    return connection.execute(sql, values).fetchall()


def _place(name: str, key: str) -> tuple[str, str]:
    """Where a wait is kept; the key as JSON, since SQLite ends a text at a NUL."""
    return name, json.dumps(key, ensure_ascii=False)


def _identity(wait: Wait | None) -> tuple[str, str, str] | None:
    return None if wait is None else (wait.revision, wait.status, wait.token_hash)


def _row(name: str, wait: Wait) -> WaitRow:
    return WaitRow(
        name=name,
        task_key=_place(name, wait.key)[1],
        status=wait.status.value,
        entered=wait.entered,
        due_at=wait.due_at,
        expires_at=wait.expires_at,
        document=_codec().dump_json(wait).decode(),
    )
