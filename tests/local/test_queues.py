from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from aiowfm import LocalBackend
from aiowfm.local.queues import DEAD_LETTER_SECONDS
from aiowfm.ports import MAX_RECEIVES
from tests.callbacks.house import NOW

pytestmark = pytest.mark.anyio

NAME = "callbacks"


def messages(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT count(*) FROM documents WHERE kind = 'message'")
        [(count,)] = rows.fetchall()
        return int(count)


async def test_a_dead_letter_is_kept_for_two_weeks_and_a_message_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "workflows.db"
    backend = LocalBackend(file, clock=lambda: NOW)
    async with backend.open(max_polls=1) as opened:
        queue = opened.callbacks(NAME).queue
        url = await opened.callbacks(NAME).queue_url()
        backend._service.queues.send(url, "dead")
        for _ in range(MAX_RECEIVES):
            [message] = await queue.receive()
            await queue.hide([message], 0)
        with anyio.move_on_after(0.01):
            await queue.receive()  # this would be once more than allowed
        backend._service.queues.send(url, "alive")
    assert messages(file) == 2
    async with LocalBackend(file, clock=lambda: NOW + DEAD_LETTER_SECONDS - 1).open(max_polls=1):
        await anyio.wait_all_tasks_blocked()
    assert messages(file) == 2
    later = LocalBackend(file, clock=lambda: NOW + 9 * DEAD_LETTER_SECONDS)
    async with later.open(max_polls=1) as opened:
        await anyio.wait_all_tasks_blocked()
        [message] = await opened.callbacks(NAME).queue.receive()
        assert message.body == "alive"
    assert messages(file) == 1
