"""Workflows on virtual time: what they do, what tests say of it, and what goes wrong."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from aiowfm import CancelReason, Engine, TaskContext, TaskError
from aiowfm.errors import EngineStateError, UsageError
from aiowfm.testing import (
    NEVER,
    VIRTUAL_TIME,
    Faults,
    Outcomes,
    Script,
    StalledError,
    VirtualEngine,
    after,
    run_workflow,
    run_workflow_sync,
)

pytestmark = pytest.mark.anyio

CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
TASK: dict[str, Any] = {
    "StartAt": "one",
    "States": {"one": {"Type": "Task", "Resource": "work", "End": True}},
}
ORDER: dict[str, Any] = {
    "StartAt": "charge",
    "States": {
        "charge": {
            "Type": "Task",
            "Resource": "charge",
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "refund"}],
            "Next": "cool-down",
        },
        "cool-down": {"Type": "Wait", "Seconds": 604_800, "Next": "ship"},
        "ship": {"Type": "Task", "Resource": "ship", "End": True},
        "refund": {"Type": "Fail", "Error": "Refunded"},
    },
}
APPROVAL: dict[str, Any] = {
    "StartAt": "approve",
    "States": {
        "approve": {
            "Type": "Task",
            "Resource": CALLBACK,
            "TimeoutSeconds": 3 * 86_400,
            "Parameters": {"MessageBody": {"TaskKey.$": "$.id"}},
            "End": True,
        }
    },
}


@pytest.fixture(
    params=["asyncio", VIRTUAL_TIME],
    ids=["on the loop that runs", "on a loop of its own"],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_a_scripted_order_retries_waits_a_week_and_ships() -> None:
    script = Script({"charge": [TaskError("Busy"), {"paid": True}], "ship": "shipped"})
    async with VirtualEngine(ORDER, script) as virtual:
        run = await virtual.run({"id": "o-17"})
    run.assert_succeeded("shipped")
    run.assert_path("charge", "cool-down", "ship")
    run.assert_not_visited("refund")
    (charge,) = run.steps("charge")
    assert (charge.attempts, charge.errors, charge.exited_at) == (2, ("Busy",), 60)
    (ship,) = run.steps("ship")
    assert ship.entered_at == 60 + 604_800
    assert [(call.state, call.attempt) for call in virtual.calls] == [
        ("charge", 0),
        ("charge", 1),
        ("ship", 0),
    ]


def test_one_line_without_any_event_loop() -> None:
    run = run_workflow_sync(ORDER, {"id": "o-17"}, {"charge": {"paid": True}, "ship": "shipped"})
    run.assert_succeeded("shipped")


async def test_one_line_where_a_loop_runs() -> None:
    run = await run_workflow(ORDER, {}, {"charge": TaskError("Broke"), "ship": None})
    run.assert_failed("Refunded")
    run.assert_order("charge", "refund")
    with pytest.raises(UsageError, match="await run_workflow"):
        run_workflow_sync(TASK)


async def test_failed_expectations_show_the_path() -> None:
    run = await run_workflow(ORDER, {}, {"charge": TaskError("Broke"), "ship": None})
    with pytest.raises(AssertionError) as failure:
        run.assert_visited("ship")
    assert str(failure.value) == (
        "state 'ship' was not visited.\n"
        "The path of test--workflow--0--charge--0001 (failed: Refunded):\n"
        "  +0s  charge  Task  failed: Broke\n"
        "  +0s  refund  Fail"
    )
    expectations: list[Callable[[], None]] = [
        lambda: run.assert_not_visited("refund"),
        lambda: run.assert_order("refund", "charge"),
        lambda: run.assert_path("charge"),
        lambda: run.assert_visited("charge", times=2),
        lambda: run.assert_succeeded(),
        lambda: run.assert_failed("Other"),
    ]
    for expect in expectations:
        with pytest.raises(AssertionError, match="The path of"):
            expect()


async def test_a_misspelt_state_is_not_taken_for_one_that_was_not_visited() -> None:
    run = await run_workflow(TASK, {}, {"work": 1})
    with pytest.raises(UsageError, match="no state 'onee'; did you mean 'one'"):
        run.assert_not_visited("onee")


async def test_tasks_are_handlers_values_exceptions_and_outcomes() -> None:
    def plain(value: dict[str, int]) -> int:
        return value["n"] + 1

    async def coroutine(value: dict[str, int], ctx: TaskContext) -> str:
        await anyio.sleep(3_600)
        return f"{ctx.state_name} {value['n']}"

    assert (await run_workflow(TASK, {"n": 1}, {"work": plain})).output == 2
    assert (await run_workflow(TASK, {"n": 1}, {"work": coroutine})).output == "one 1"
    assert (await run_workflow(TASK, {}, {"work": [1, 2]})).output == [1, 2]
    assert (await run_workflow(TASK, {}, {"work": ValueError})).error == "ValueError"
    assert (await run_workflow(TASK, {}, {"work": Outcomes(plain)})).error == "KeyError"
    assert (await run_workflow(TASK, {"n": 1}, Script({"one": plain}))).output == 2


async def test_a_script_that_is_too_short_says_so_and_dots_repeat_its_end() -> None:
    busy: dict[str, Any] = {
        **TASK,
        "States": {"one": {**TASK["States"]["one"], "Retry": [{"ErrorEquals": ["Busy"]}]}},
    }
    short = await run_workflow(busy, {}, Script({"one": [TaskError("Busy")]}))
    short.assert_failed("aiowfm.testing.ScriptEnded")
    assert short.cause is not None
    assert "state 'one' has 1 scripted outcome, and this is attempt 2" in short.cause
    again = await run_workflow(busy, {}, Script({"one": [TaskError("Busy"), ...]}))
    again.assert_failed("Busy")
    with pytest.raises(UsageError):
        Outcomes(..., 1)


async def test_a_task_that_hangs_times_out_and_one_that_is_slow_does_not() -> None:
    limited = {"StartAt": "one", "States": {"one": {**TASK["States"]["one"], "TimeoutSeconds": 90}}}
    (await run_workflow(limited, {}, {"work": NEVER})).assert_failed("States.Timeout")
    (await run_workflow(limited, {}, {"work": after(89, "just")})).assert_succeeded("just")


async def test_a_callback_is_awaited_and_finished_by_its_key() -> None:
    async with VirtualEngine(APPROVAL) as virtual:
        workflow = await virtual.start({"id": "o-17"})
        task = await virtual.until_pending("o-17")
        assert task.workflow_id == workflow.id
        await virtual.clock.advance(2 * 86_400)
        await virtual.engine.finalizer.success("o-17", "yes")
        (await virtual.finished(workflow.id)).assert_succeeded("yes")
        (await virtual.run({"id": "o-18"})).assert_failed("States.Timeout")


async def test_what_never_ends_shows_where_it_stands() -> None:
    endless = copy.deepcopy(APPROVAL)
    del endless["States"]["approve"]["TimeoutSeconds"]
    async with VirtualEngine(endless) as virtual:
        with pytest.raises(StalledError) as stalled:
            await virtual.run({"id": "o-17"})
        assert "  +0s  approve  Task  not left\ncallbacks that wait: 'o-17'" in str(stalled.value)
        with pytest.raises(StalledError, match="'o-18'\ncallbacks that waited: 'o-17'"):
            await virtual.until_pending("o-18")


async def test_an_application_s_own_engine_is_lent_and_given_back() -> None:
    engine = Engine(app="shop", environment="dev", definitions={"name": "o", "stateMachine": ORDER})

    @engine.task("charge", concurrency=3)
    async def charge() -> str:
        return "charged"

    @engine.task("ship")
    async def ship(what: str) -> str:
        return f"{what} and shipped"

    before = dict(vars(engine))
    async with VirtualEngine(engine, {"charge": "faked"}) as virtual:
        assert (await virtual.run()).output == "faked and shipped"
        with pytest.raises(EngineStateError):
            await VirtualEngine(engine).__aenter__()
    names = ("_backend", "_handlers", "_middlewares", "config")
    assert [vars(engine)[name] for name in names] == [before[name] for name in names]
    (await run_workflow(engine)).assert_succeeded("charged and shipped")


async def test_a_worker_that_dies_is_replaced_when_its_heartbeats_are_missed() -> None:
    reasons: list[CancelReason | None] = []

    async def work(ctx: TaskContext) -> int | None:
        try:
            await anyio.sleep(10)
        finally:
            reasons.append(ctx.cancel_reason)
        return ctx.attempt

    faults = Faults()
    faults.kill_worker("work", after=5)
    run = await run_workflow(TASK, {}, {"work": work}, faults=faults)
    run.assert_succeeded(1)
    assert reasons == [CancelReason.TASK_GONE, None]
    (step,) = run.steps("one")
    assert step.exited_at is not None
    assert 60 + 10 + 10 <= step.exited_at <= 60 + 5 + 10 + 10
    faults.assert_none_left()


@pytest.mark.parametrize(
    ("order", "attempts"),
    [
        pytest.param(lambda faults: faults.lose_result("work"), 2, id="a result that is lost"),
        pytest.param(lambda faults: faults.lose_answer("one"), 1, id="an answer that is lost"),
        pytest.param(lambda faults: faults.lose_heartbeats("one", attempt=0), 2, id="heartbeats"),
        pytest.param(lambda faults: faults.throttle("report", times=3), 1, id="reports"),
        pytest.param(lambda faults: faults.throttle("heartbeat", task="one"), 1, id="a beat"),
        pytest.param(lambda faults: faults.throttle("poll", times=3), 1, id="polls"),
    ],
)
async def test_faults_are_survived(order: Any, attempts: int) -> None:
    faults = Faults()
    order(faults)
    run = await run_workflow(TASK, {}, {"work": after(100, "done")}, faults=faults)
    run.assert_succeeded("done")
    assert run.steps("one")[0].attempts == attempts
    faults.assert_none_left()


def test_faults_that_never_came_about_are_told() -> None:
    faults = Faults()
    faults.kill_worker("charge")
    with pytest.raises(AssertionError, match="worker of 'charge', 1 more"):
        faults.assert_none_left()
    with pytest.raises(
        UsageError, match="'start', 'poll', 'heartbeat', 'report', 'receive', 'table'"
    ):
        faults.throttle("pull")  # type: ignore[arg-type]  # that is the mistake


async def test_two_at_once_share_the_time() -> None:
    outputs: list[object] = []

    async def run(seconds: float) -> None:
        outputs.append((await run_workflow(TASK, {}, {"work": after(seconds, seconds)})).output)

    async with anyio.create_task_group() as group:
        group.start_soon(run, 86_400)
        group.start_soon(run, 60)
    assert outputs == [60, 86_400]


async def test_a_file_keeps_workflows_and_its_thread_holds_the_time(tmp_path: Any) -> None:
    async with VirtualEngine(ORDER, {"charge": 1, "ship": 2}, path=tmp_path / "w.db") as virtual:
        workflow = await virtual.start()
        await virtual.clock.advance(86_400)
        await virtual.engine.stop()
        await virtual.engine.start()
        run = await virtual.finished(workflow.id)
    run.assert_succeeded(2)
    assert run.steps("ship")[0].entered_at == 604_800


def busy_definition() -> dict[str, Any]:
    retry = [
        {
            "ErrorEquals": ["Busy"],
            "IntervalSeconds": 5,
            "MaxAttempts": 4,
            "JitterStrategy": "FULL",
        }
    ]
    task = {"Type": "Task", "Resource": "work", "HeartbeatSeconds": 6, "Retry": retry, "End": True}

    def branch(number: int) -> dict[str, Any]:
        wait = {"Type": "Wait", "Seconds": number, "Next": f"t{number}"}
        return {"StartAt": f"w{number}", "States": {f"w{number}": wait, f"t{number}": task}}

    branches = [branch(number) for number in range(1, 5)]
    return {
        "StartAt": "all",
        "States": {"all": {"Type": "Parallel", "Branches": branches, "End": True}},
    }


async def test_each_time_the_same_happens_at_the_same_time() -> None:
    async def work(ctx: TaskContext) -> int:
        await anyio.sleep(random.uniform(1, 20))
        if ctx.attempt != 2:
            raise TaskError("Busy")
        return 1

    async def told() -> tuple[object, ...]:
        random.random()  # what was drawn before does not matter
        async with VirtualEngine(busy_definition(), {"work": work}) as virtual:
            run = await virtual.run()
            run.assert_succeeded()
            calls = [(call.state, call.attempt, call.at) for call in virtual.calls]
            return str(run), calls, virtual.clock.now()

    first = await told()
    assert [await told() for _ in range(5)] == [first] * 5
