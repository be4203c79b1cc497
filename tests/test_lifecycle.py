from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from aiowfm import Engine, EngineStateError, LocalBackend
from aiowfm.local.adapters import OpenLocalBackend
from aiowfm.testing import VIRTUAL_TIME

pytestmark = pytest.mark.anyio

TASK = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Task, Resource: work, End: true}}}
"""
GRACE = 30


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


class House:
    """An engine whose one task runs for a given time."""

    def __init__(self, seconds: float) -> None:
        self.engine = Engine(app="a", environment="b", definitions=TASK, grace_seconds=GRACE)
        self.engine.task("work")(self._work)
        self._seconds = seconds

    async def _work(self) -> None:
        self._began.set()
        await anyio.sleep(self._seconds)

    async def start(self) -> None:
        self._began = anyio.Event()
        await self.engine.start()
        await self.engine.start_workflow("flow")
        await self._began.wait()

    def outcomes(self) -> tuple[int, int]:
        stats = self.engine.stats().tasks["work"]
        return stats.succeeded, stats.handed_back


@pytest.mark.parametrize(
    ("seconds", "grace", "outcomes"),
    [
        pytest.param(GRACE - 1, None, (1, 0), id="the engine's own, long enough"),
        pytest.param(GRACE + 1, None, (0, 1), id="the engine's own, too short"),
        pytest.param(GRACE + 1, GRACE + 2, (1, 0), id="a longer one"),
        pytest.param(GRACE - 1, GRACE - 2, (0, 1), id="a shorter one"),
    ],
)
async def test_a_stop_waits_for_its_grace(
    seconds: float, grace: float | None, outcomes: tuple[int, int]
) -> None:
    house = House(seconds)
    await house.start()
    await house.engine.stop(grace)
    assert house.outcomes() == outcomes


async def test_the_grace_of_one_stop_is_not_that_of_the_next() -> None:
    house = House(GRACE - 1)
    await house.start()
    await house.engine.stop(grace=0)
    assert house.outcomes() == (0, 1)
    await house.start()
    await house.engine.stop()
    assert house.outcomes() == (1, 0)


class ClosingBackend(LocalBackend):
    """Notes who still uses it when it begins to close, which takes it a while."""

    def __init__(self) -> None:
        super().__init__()
        self.users = 0
        self.users_at_the_end: int | None = None
        self.is_used = anyio.Event()

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenLocalBackend]:
        async with super().open(max_polls=max_polls) as opened:
            finished = opened.executions.finished

            async def noted(arn: Any) -> Any:
                self.users += 1
                self.is_used.set()
                try:
                    return await finished(arn)
                finally:
                    self.users -= 1

            opened.executions.finished = noted  # type: ignore[method-assign]  # to look on
            yield opened
            self.users_at_the_end = self.users
            await anyio.sleep(1)


async def test_no_call_uses_a_backend_that_closes() -> None:
    backend = ClosingBackend()
    engine = Engine(app="a", environment="b", definitions=TASK, backend=backend)
    engine.task("work")(anyio.sleep_forever)
    said: list[str] = []

    async def call(id: str) -> None:
        with pytest.raises(EngineStateError) as raised:
            await engine.wait(id)
        said.append(str(raised.value))

    await engine.start()
    workflow = await engine.start_workflow("flow")
    async with anyio.create_task_group() as group:
        group.start_soon(call, workflow.id)
        await backend.is_used.wait()
        await engine.stop(grace=0)
    assert backend.users_at_the_end == 0
    assert said == ["the engine was stopped during the call"]
