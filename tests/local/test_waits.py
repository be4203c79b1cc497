from __future__ import annotations

import functools
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from aiowfm import LocalBackend
from aiowfm.callbacks.results import success
from aiowfm.callbacks.transitions import completing, expired, waiting
from aiowfm.local.storage import schema
from aiowfm.ports import TokenStore
from aiowfm.waits import Wait
from tests.callbacks.house import NOW, message

pytestmark = pytest.mark.anyio

NAME = "callbacks"
YES = success("k", 1)


async def kept(tokens: TokenStore, key: str) -> Wait:
    wait = await tokens.find(key)
    assert wait is not None
    return wait


async def test_who_held_a_lease_on_a_file_is_gone_when_it_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    async with LocalBackend(file, clock=lambda: NOW).open(max_polls=1) as opened:
        tokens = opened.callbacks(NAME).tokens
        begun = waiting(message(), NOW)
        accepted = completing(begun, YES, NOW)
        await tokens.replace(None, begun)
        await tokens.replace(begun, accepted, YES.text)
        assert await tokens.due(NOW) == []
    async with LocalBackend(file, clock=lambda: NOW).open(max_polls=1) as opened:
        tokens = opened.callbacks(NAME).tokens
        assert await tokens.due(NOW) == ["k"]
        assert (await kept(tokens, "k")).status == "COMPLETING"
        assert await tokens.result("k") == YES.text


async def test_what_has_expired_is_removed_with_its_result(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    count = 250  # more than go at once
    async with LocalBackend(file, clock=lambda: NOW).open(max_polls=1) as opened:
        tokens = opened.callbacks(NAME).tokens
        for number in range(count):
            begun = waiting(message(key=f"k{number}"), NOW)
            await tokens.replace(None, begun)
            await tokens.replace(begun, completing(begun, YES, NOW), YES.text)
        late = waiting(message(key="late"), NOW + 1_000_000_000)
        await tokens.replace(None, late)
    end = begun.expires_at
    async with LocalBackend(file, clock=lambda: end).open(max_polls=1) as opened:
        tokens = opened.callbacks(NAME).tokens
        with anyio.fail_after(15):
            for number in range(count):
                while True:
                    if await tokens.find(f"k{number}") is None:
                        break
                    await anyio.sleep(0.01)
        assert await tokens.find("late") == late
        assert await tokens.result("k0") is None
        # It is as if it had never been.
        assert await tokens.replace(None, waiting(message(key="k0"), end))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM waits").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (0,)


async def test_a_file_from_before_callbacks_gets_their_tables(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(schema.MIGRATIONS[0])
        connection.execute("PRAGMA user_version = 1")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.commit()
    async with LocalBackend(file).open(max_polls=1) as opened:
        tokens = opened.callbacks(NAME).tokens
        assert await tokens.replace(None, waiting(message(), NOW))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


async def test_writers_of_a_tombstone_that_is_in_the_file_alone_take_turns(tmp_path: Path) -> None:
    """Each has read the tombstone; one of them writes."""
    async with LocalBackend(tmp_path / "workflows.db", clock=lambda: NOW).open(
        max_polls=1
    ) as opened:
        tokens = opened.callbacks(NAME).tokens
        begun = waiting(message(), NOW)
        tombstone = expired(begun, NOW)
        await tokens.replace(None, begun)
        await tokens.replace(begun, tombstone)
        assert await tokens.due(NOW) == []  # which sees all that was kept before
        won: list[int] = []

        async def write(number: int) -> None:
            found = await tokens.find("k")
            assert found == tombstone
            if await tokens.replace(found, waiting(message(f"t{number}", attempt=1), NOW)):
                won.append(number)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(functools.partial(write, number))
        assert len(won) == 1
        assert (await kept(tokens, "k")).token == f"t{won[0]}"
