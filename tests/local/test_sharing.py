"""Databases that several engines of one process share, one after the other or at once."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiowfm import LocalBackend
from aiowfm.local.storage.database import MEMORY, Database
from aiowfm.local.storage.store import Store

pytestmark = pytest.mark.anyio


async def test_what_is_yet_to_be_kept_is_not_lost_when_another_opens_the_file(
    tmp_path: Path,
) -> None:
    backend = LocalBackend(tmp_path / "workflows.db")
    async with backend.open(max_polls=1) as opened:
        store = backend._service.store
        store.put("kind", "key", "document")
        async with backend.open(max_polls=1):
            assert await store.document("kind", "key") == "document"
            await opened.activities.create("is-acknowledged")


async def test_what_a_cancelled_writer_leaves_the_next_one_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(str(tmp_path / "workflows.db"), "commit")
    store = Store(database)
    run = database.run

    async def cancelled(work: Callable[..., Any]) -> Any:
        monkeypatch.setattr(database, "run", run)
        raise asyncio.CancelledError

    await store.open()
    monkeypatch.setattr(database, "run", cancelled)
    store.put("kind", "key", "document")
    with pytest.raises(asyncio.CancelledError):
        await store.run()
    async with anyio.create_task_group() as group:
        group.start_soon(store.run)
        await store.kept()
        assert await store.document("kind", "key") == "document"
        group.cancel_scope.cancel()
    await store.close()


async def test_what_is_in_memory_is_closed_when_nobody_has_it_any_more() -> None:
    database = Database(MEMORY, "commit")
    await database.open()
    connection = database._connection
    assert connection is not None
    await database.close()
    connection.execute("SELECT 1")
    del database
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
