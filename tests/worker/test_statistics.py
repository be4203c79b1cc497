from __future__ import annotations

import dataclasses
from typing import Any

import anyio
import pytest

from aiowfm import CancelReason, Engine, EngineStats, TaskContext, TaskError, TaskStats
from aiowfm.testing import VIRTUAL_TIME

pytestmark = pytest.mark.anyio

TASK = """
name: flow
stateMachine:
  StartAt: w
  States:
    w: {Type: Task, Resource: work, HeartbeatSeconds: 30, End: true}
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.fixture
def engine() -> Engine:
    return Engine(app="a", environment="b", definitions=TASK, concurrency=3)


async def until_finished(engine: Engine, count: int = 1) -> None:
    for workflow in [await engine.start_workflow("flow") for _ in range(count)]:
        await engine.wait(workflow.id)


async def test_before_its_first_start_an_engine_has_done_nothing(engine: Engine) -> None:
    engine.task("work")(lambda: None)
    assert engine.stats() == EngineStats(tasks={"work": TaskStats()})


async def test_an_idle_task_has_one_poller_whose_poll_is_open(engine: Engine) -> None:
    engine.task("work")(lambda: None)
    async with engine:
        await anyio.wait_all_tasks_blocked()
        assert engine.stats().tasks == {"work": TaskStats(pollers=1, open_polls=1, slots_in_use=1)}


async def test_pollers_grow_with_the_work_and_never_beyond_the_slots(engine: Engine) -> None:
    may_end = anyio.Event()

    @engine.task("work")
    async def work() -> None:
        await may_end.wait()

    async with engine:
        for _ in range(5):
            await engine.start_workflow("flow")
        await anyio.wait_all_tasks_blocked()
        stats = engine.stats().tasks["work"]
        assert stats == TaskStats(pollers=3, open_polls=0, slots_in_use=3, running=3, started=3)
        may_end.set()
        await anyio.sleep(1)
        stats = engine.stats().tasks["work"]
        assert (stats.running, stats.succeeded) == (0, 5)
        assert stats.slots_in_use == stats.open_polls


async def test_outcomes_are_counted_and_known_after_the_stop_until_the_next_start(
    engine: Engine,
) -> None:
    @engine.task("work")
    async def work() -> None:
        if engine.stats().tasks["work"].started == 2:
            raise TaskError("Second")

    async with engine:
        await until_finished(engine, 3)
    stats = engine.stats().tasks["work"]
    assert stats == TaskStats(started=3, succeeded=2, failed=1)
    async with engine:
        assert engine.stats().tasks["work"].started == 0


async def test_what_is_handed_back_is_counted(engine: Engine) -> None:
    began = anyio.Event()

    @engine.task("work")
    async def work() -> None:
        began.set()
        await anyio.sleep_forever()

    await engine.start()
    await engine.start_workflow("flow")
    await began.wait()
    await engine.stop(grace=0)
    assert engine.stats().tasks["work"] == TaskStats(started=1, handed_back=1)


async def test_a_task_whose_workflow_was_cancelled_is_counted_as_unwanted(engine: Engine) -> None:
    began, ended = anyio.Event(), anyio.Event()
    reasons: list[CancelReason | None] = []

    @engine.task("work")
    async def work(ctx: TaskContext) -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            reasons.append(ctx.cancel_reason)
            ended.set()

    async with engine:
        workflow = await engine.start_workflow("flow")
        await began.wait()
        await engine.cancel_workflow(workflow.id)
        await ended.wait()
    assert reasons == [CancelReason.TASK_GONE]
    assert engine.stats().tasks["work"] == TaskStats(started=1, unwanted=1)


async def test_an_embedded_engine_abandons_no_polls_however_it_stops(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.task("work")(lambda: None)
    await engine.start()
    await anyio.wait_all_tasks_blocked()
    await engine.stop(grace=0)
    assert engine.stats().tasks["work"] == TaskStats()
    async with anyio.create_task_group() as group:
        await engine.start()
        await anyio.wait_all_tasks_blocked()
        group.start_soon(engine.stop)
        group.cancel_scope.cancel()
    assert engine.stats().tasks["work"] == TaskStats()
    assert not caplog.records


async def test_stats_are_frozen(engine: Engine) -> None:
    engine.task("work")(lambda: None)
    async with engine:
        stats = engine.stats()
        with pytest.raises(dataclasses.FrozenInstanceError):
            stats.tasks["work"].running = 1  # type: ignore[misc]  # on purpose
        with pytest.raises(TypeError):
            stats.tasks["more"] = TaskStats()  # type: ignore[index]  # on purpose
