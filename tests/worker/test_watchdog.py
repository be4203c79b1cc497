from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest

from aiowfm import Engine, LocalBackend
from aiowfm.testing import VIRTUAL_TIME, VirtualTimeLoop

pytestmark = pytest.mark.anyio

TASKS = """
name: flow
stateMachine:
  StartAt: both
  States:
    both:
      Type: Parallel
      Branches:
        - StartAt: later
          States:
            later: {Type: Wait, Seconds: 10, Next: block}
            block: {Type: Task, Resource: block, End: true}
        - {StartAt: other, States: {other: {Type: Task, Resource: other, End: true}}}
      End: true
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


def engine_that_blocks(seconds: float, **options: Any) -> Engine:
    """One whose task `block` keeps the loop, as its clock shows, for *seconds*."""
    backend = LocalBackend(clock=anyio.current_time)
    engine = Engine(app="a", environment="b", definitions=TASKS, backend=backend, **options)

    @engine.task("block")
    async def block() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.clock.block(seconds)

    @engine.task("other")
    async def other() -> None:
        await anyio.sleep(100)

    engine.task("idle")(lambda: None)
    return engine


async def warnings_of(engine: Engine, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.WARNING, "aiowfm")
    async with engine:
        await engine.wait((await engine.start_workflow("flow")).id)
    return [record.message for record in caplog.records if "stood still" in record.message]


async def test_a_handler_that_blocks_the_loop_is_warned_of_with_the_tasks_that_ran(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (message,) = await warnings_of(engine_that_blocks(5.0), caplog)
    assert message.endswith("tasks that ran: block, other")
    seconds = float(message.partition(" for ")[2].partition(" ")[0])
    assert 4.5 <= seconds <= 5.0


@pytest.mark.parametrize(
    ("seconds", "options"),
    [
        pytest.param(0.9, {}, id="short of a second"),
        pytest.param(5.0, {"max_lag_seconds": 6}, id="short of what is allowed"),
        pytest.param(5.0, {"max_lag_seconds": 0}, id="switched off"),
    ],
)
async def test_less_is_not_warned_of(
    seconds: float, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert await warnings_of(engine_that_blocks(seconds, **options), caplog) == []


async def test_tasks_that_wait_long_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert await warnings_of(engine_that_blocks(0.0), caplog) == []
