"""What depends on time on the embedded backend, on a clock that jumps."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import anyio
import pytest

from aiowfm import Engine, LocalBackend, TaskContext
from aiowfm.testing import VIRTUAL_TIME

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


def engine_of(states: dict[str, Any], **options: Any) -> Engine:
    machine = {"StartAt": next(iter(states)), "States": states}
    return Engine(
        app="app",
        environment="test",
        definitions=json.dumps({"name": "flow", "stateMachine": machine}),
        backend=LocalBackend(clock=anyio.current_time),
        **options,
    )


async def run(engine: Engine, input: Any = None) -> Any:
    async with engine:
        workflow = await engine.start_workflow("flow", input)
        return await engine.wait(workflow.id)


async def test_a_week_of_waiting_passes_in_order() -> None:
    began = anyio.current_time()
    week = 7 * 86_400
    done = await run(engine_of({"wait": {"Type": "Wait", "Seconds": week, "End": True}}))
    assert done.status == "succeeded"
    assert anyio.current_time() - began == pytest.approx(week)
    assert (done.stopped_at - done.created_at).total_seconds() == pytest.approx(week)


async def test_a_handler_that_hangs_past_its_timeout_is_cancelled() -> None:
    engine = engine_of(
        {
            "hang": {
                "Type": "Task",
                "Resource": "hang",
                "TimeoutSeconds": 30,
                "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "sorry"}],
                "End": True,
            },
            "sorry": {"Type": "Task", "Resource": "sorry", "End": True},
        }
    )
    ended_at: list[float] = []

    @engine.task("hang")
    async def hang() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended_at.append(anyio.current_time())

    @engine.task("sorry")
    async def sorry() -> str:
        await anyio.sleep(60)  # long enough for the other to hear of it
        return "sorry"

    began = anyio.current_time()
    assert (await run(engine)).output == "sorry"
    (after,) = (at - began for at in ended_at)
    assert 30 <= after <= 30 + 29 / 3 + 1


async def test_the_worker_keeps_long_tasks_alive() -> None:
    engine = engine_of(
        {"long": {"Type": "Task", "Resource": "long", "HeartbeatSeconds": 10, "End": True}}
    )

    @engine.task("long")
    async def long() -> str:
        await anyio.sleep(3_600)
        return "done"

    assert (await run(engine)).output == "done"


async def test_a_handler_that_beats_by_itself_is_on_its_own() -> None:
    engine = engine_of(
        {
            "long": {
                "Type": "Task",
                "Resource": "long",
                "HeartbeatSeconds": 10,
                "Retry": [],
                "End": True,
            }
        },
        default_retry=False,
    )

    @engine.task("long", heartbeat="manual")
    async def long(ctx: TaskContext) -> None:
        await anyio.sleep(9)
        await ctx.heartbeat()
        await anyio.sleep(9)
        await ctx.heartbeat()
        await anyio.sleep(11)

    done = await run(engine)
    assert (done.status, done.error) == ("failed", "States.Timeout")
    assert (done.stopped_at - done.created_at).total_seconds() == pytest.approx(28)


async def test_a_cancelled_workflow_cancels_its_handler_within_a_heartbeat() -> None:
    engine = engine_of({"hang": {"Type": "Task", "Resource": "hang", "End": True}})
    began, ended = anyio.Event(), anyio.Event()

    @engine.task("hang")
    async def hang() -> None:
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    async with engine:
        workflow = await engine.start_workflow("flow")
        await began.wait()
        await anyio.sleep(100)
        cancelled_at = anyio.current_time()
        await engine.cancel_workflow(workflow.id)
        await ended.wait()
        assert anyio.current_time() - cancelled_at <= 20


async def test_a_lost_worker_is_replaced_by_the_default_retrier() -> None:
    backend = LocalBackend(clock=anyio.current_time)

    def engine() -> Engine:
        machine = {
            "StartAt": "work",
            "States": {"work": {"Type": "Task", "Resource": "work", "End": True}},
        }
        return Engine(
            app="app",
            environment="test",
            definitions=json.dumps({"name": "flow", "stateMachine": machine}),
            backend=backend,
        )

    first, second = engine(), engine()
    began = anyio.Event()

    @first.task("work", heartbeat="manual")
    async def die() -> None:
        began.set()
        await anyio.sleep_forever()  # never heard of again

    attempts: list[int | None] = []

    @second.task("work")
    async def work(ctx: TaskContext) -> str:
        attempts.append(ctx.attempt)
        return "done"

    async with first:
        workflow = await first.start_workflow("flow")
        await began.wait()
        async with second:
            done = await second.wait(workflow.id)
    assert (done.output, attempts) == ("done", [1])
    seconds = (done.stopped_at - done.created_at).total_seconds()  # type: ignore[operator]  # it has finished
    assert seconds == pytest.approx(60 + 10)


async def test_timers_pass_while_no_engine_runs_and_fire_at_the_next_start() -> None:
    backend = LocalBackend(clock=anyio.current_time)
    machine = {"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 50, "End": True}}}

    def engine() -> Engine:
        definitions = json.dumps({"name": "flow", "stateMachine": machine})
        return Engine(app="app", environment="test", definitions=definitions, backend=backend)

    async with engine() as first:
        workflow = await first.start_workflow("flow")
    await anyio.sleep(1_000)
    async with engine() as second:
        done = await second.wait(workflow.id)
    assert done.status == "succeeded"
    assert done.stopped_at == done.created_at + timedelta(seconds=1_000)


async def test_one_engine_stopping_leaves_the_timers_to_the_other() -> None:
    backend = LocalBackend(clock=anyio.current_time)
    machine = {"StartAt": "w", "States": {"w": {"Type": "Wait", "Seconds": 50, "End": True}}}

    def engine() -> Engine:
        definitions = json.dumps({"name": "flow", "stateMachine": machine})
        return Engine(app="app", environment="test", definitions=definitions, backend=backend)

    first, second = engine(), engine()
    await first.start()
    await second.start()
    workflow = await second.start_workflow("flow")
    await first.stop()
    assert (await second.wait(workflow.id)).status == "succeeded"
    await second.stop()


async def test_without_an_envelope_the_worker_beats_as_the_definitions_ask() -> None:
    engine = engine_of(
        {"long": {"Type": "Task", "Resource": "long", "HeartbeatSeconds": 10, "End": True}},
        envelope=False,
    )

    @engine.task("long")
    async def long(ctx: TaskContext) -> str:
        assert ctx.workflow_id is None
        await anyio.sleep(100)
        return "done"

    done = await run(engine)
    assert (done.output, done.error) == ("done", None)
    assert (done.stopped_at - done.created_at).total_seconds() == pytest.approx(100)


async def test_following_costs_nothing_while_nothing_happens() -> None:
    week = 7 * 86_400
    engine = engine_of({"wait": {"Type": "Wait", "Seconds": week, "End": True}})
    began = anyio.current_time()
    async with engine:
        workflow = await engine.start_workflow("flow")
        seen = [(job.status, anyio.current_time()) async for job in engine.follow(workflow.id)]
    # Looking again and again would have taken these steps a million times.
    assert [status for status, _ in seen] == ["running", "succeeded"]
    assert [at - began for _, at in seen] == [pytest.approx(0), pytest.approx(week)]


async def test_what_is_started_in_bulk_keeps_its_rate() -> None:
    engine = engine_of({"go": {"Type": "Succeed"}})
    async with engine:
        began = anyio.current_time()
        started = engine.start_workflows("flow", range(21), concurrency=3, rate=2)
        assert len([each async for each in started]) == 21
        assert anyio.current_time() - began == pytest.approx(10)
