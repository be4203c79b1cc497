from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel, field_validator

from aiowfm.errors import BackendUnavailableError, TaskError, TaskTokenExpiredError
from aiowfm.ports import ActivityTask, TaskToken
from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.testing import VIRTUAL_TIME
from aiowfm.worker.heartbeats import Heartbeats
from aiowfm.worker.runner import Runner
from aiowfm.worker.statistics import Tally
from aiowfm.worker.threads import Threads
from tests.worker.fakes import Report, Reports, activity_task, handler

pytestmark = pytest.mark.anyio

EXPIRED = TaskTokenExpiredError("the workflow was cancelled")
LOST = BackendUnavailableError("SendTaskFailure", "ConnectionClosed", "connection lost")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_TIME


@pytest.fixture
def reports() -> Reports:
    return Reports()


@asynccontextmanager
async def runner(
    reports: Reports, heartbeat_seconds: Mapping[str, float] | None = None
) -> AsyncIterator[Runner]:
    heartbeats = Heartbeats()
    async with anyio.create_task_group() as group:
        group.start_soon(heartbeats.run)
        made = Runner(
            reports,
            heartbeats=heartbeats,
            threads=Threads(2),
            worker_name="me",
            heartbeat_seconds=heartbeat_seconds or {},
            tallies=defaultdict(Tally),
        )
        yield made
        assert made.running_count == 0
        group.cancel_scope.cancel()


async def result_of(
    reports: Reports, function: Callable[..., Any], task: ActivityTask | None = None
) -> Report:
    async with runner(reports) as running:
        await running.run(handler(function), task or activity_task("t", {"id": 17}))
    (report,) = reports.taken
    return report


class Order(BaseModel):
    id: int

    @field_validator("id")
    @classmethod
    def _never_thirteen(cls, value: int) -> int:
        if value == 13:
            raise KeyError(value)  # neither ValueError nor AssertionError
        return value


async def asynchronous(order: Order, ctx: TaskContext) -> dict[str, Any]:
    return {"id": order.id, "attempt": ctx.attempt, "by": ctx.worker_name}


def plain(order: Order, ctx: TaskContext) -> dict[str, Any]:
    assert threading.current_thread() is not threading.main_thread()
    return {"id": order.id, "attempt": ctx.attempt, "by": ctx.worker_name}


class Callee:
    async def __call__(self, ctx: TaskContext, order: Order) -> dict[str, Any]:
        return await asynchronous(order, ctx)

    def method(self, order: Order, ctx: TaskContext) -> dict[str, Any]:
        return plain(order, ctx)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(asynchronous, id="coroutine function"),
        pytest.param(plain, id="plain function"),
        pytest.param(Callee(), id="callable object"),
        pytest.param(Callee().method, id="bound method"),
        pytest.param(lambda order: asyncio.sleep(0, {"id": order["id"]}), id="gives an awaitable"),
    ],
)
async def test_a_handler_gets_input_and_context_and_its_result_is_reported(
    reports: Reports, function: Callable[..., Any]
) -> None:
    report = await result_of(reports, function, activity_task("t", {"id": 17}, attempt=2))
    assert (report.token, report.kind) == ("t", "succeed")
    whole = {"id": 17, "attempt": 2, "by": "me"}
    assert json.loads(report.text).items() <= whole.items()


async def test_input_that_does_not_fit_fails_the_task_without_calling_the_handler(
    reports: Reports,
) -> None:
    called = False

    async def function(order: Order) -> None:
        nonlocal called
        called = True

    report = await result_of(reports, function, activity_task("t", {"id": "x"}))
    assert (report.kind, report.text) == ("fail", "aiowfm.InvalidInput")
    assert not called


async def test_input_that_is_not_json_fails_the_task(reports: Reports) -> None:
    task = ActivityTask(token=TaskToken("t"), input="{rubbish")
    report = await result_of(reports, asynchronous, task)
    assert (report.kind, report.text) == ("fail", "aiowfm.InvalidInput")


async def test_input_that_is_nested_beyond_reading_fails_the_task(reports: Reports) -> None:
    task = ActivityTask(token=TaskToken("t"), input="[" * 100_000 + "]" * 100_000)
    report = await result_of(reports, asynchronous, task)
    assert (report.kind, report.text) == ("fail", "aiowfm.InvalidInput")
    assert "nested too deep" in report.cause


async def test_an_error_in_a_validator_fails_the_task(reports: Reports) -> None:
    report = await result_of(reports, asynchronous, activity_task("t", {"id": 13}))
    assert (report.kind, report.text) == ("fail", "KeyError")


async def test_a_result_that_is_not_json_fails_the_task(reports: Reports) -> None:
    async def function() -> list[Any]:
        circle: list[Any] = []
        circle.append(circle)
        return circle

    report = await result_of(reports, function)
    assert (report.kind, report.text) == ("fail", "aiowfm.InvalidOutput")


async def test_a_handler_annotated_to_return_nothing_has_no_output(reports: Reports) -> None:
    def function() -> None:
        return "ignored"  # type: ignore[return-value]  # on purpose

    assert (await result_of(reports, function)).text == "{}"


async def test_a_task_error_is_reported_verbatim(reports: Reports) -> None:
    async def function() -> None:
        raise TaskError("OutOfStock", "sku 17")

    assert await result_of(reports, function) == Report("t", "fail", "OutOfStock", "sku 17")


class Careless(TaskError):
    def __init__(self, sku: int) -> None:  # does not call super
        self.sku = sku


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine function", "plain function"])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("x"), id="exception"),
        pytest.param(SystemExit(1), id="SystemExit"),
        pytest.param(KeyboardInterrupt(), id="KeyboardInterrupt"),
        pytest.param(GeneratorExit(), id="GeneratorExit"),
        pytest.param(asyncio.CancelledError("mine"), id="CancelledError"),
        pytest.param(BaseExceptionGroup("g", [SystemExit(1)]), id="group"),
        pytest.param(Careless(17), id="TaskError whose own __init__ was left out"),
    ],
)
async def test_whatever_a_handler_raises_fails_its_task_and_nothing_else(
    reports: Reports, error: BaseException, is_async: bool
) -> None:
    async def asynchronous() -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    def plain() -> None:
        raise error

    async with runner(reports) as running:
        await running.run(handler(asynchronous if is_async else plain), activity_task("t"))
        await running.run(handler(lambda: "fine"), activity_task("next"))
    assert (reports.of("t").kind, reports.of("t").text) == ("fail", type(error).__name__)
    assert reports.of("next") == Report("next", "succeed", '"fine"')


async def test_a_handler_that_cancels_its_own_task_fails_and_is_reported(reports: Reports) -> None:
    async def function() -> None:
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        await anyio.sleep(1)

    reports.faults.append(LOST)
    async with runner(reports) as running, anyio.create_task_group() as group:
        group.start_soon(running.run, handler(function), activity_task("t"))
        group.start_soon(running.run, handler(lambda: "fine"), activity_task("next"))
    assert reports.of("t").text == "CancelledError"
    assert reports.of("next").text == '"fine"'


async def test_a_handler_may_time_out_on_its_own(reports: Reports) -> None:
    async def function() -> str:
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        with anyio.fail_after(1):
            await anyio.sleep_forever()
        return "never"

    assert (await result_of(reports, function)).text == "TimeoutError"


async def test_a_long_handler_is_beaten_for(reports: Reports) -> None:
    async def function() -> None:
        await anyio.sleep(100)

    await result_of(reports, function, activity_task("t", heartbeat=30))
    assert len(reports.beats) >= 10


@pytest.mark.parametrize(
    ("facts", "told", "least", "most"),
    [
        pytest.param({}, {}, 5, 7, id="a minute, where nobody says"),
        pytest.param({}, {"charge": 9}, 33, 45, id="what the worker is told for the name"),
        pytest.param({}, {"other": 9}, 5, 7, id="told for another name"),
        pytest.param({"heartbeat": 30}, {"charge": 9}, 10, 14, id="what the task says"),
    ],
)
async def test_beats_come_as_often_as_step_functions_waits_for_them(
    reports: Reports, facts: dict[str, Any], told: dict[str, float], least: int, most: int
) -> None:
    async def function() -> None:
        await anyio.sleep(101)

    async with runner(reports, told) as running:
        await running.run(handler(function), activity_task("t", **facts))
    assert least <= len(reports.beats) <= most


async def test_a_handler_with_manual_heartbeat_beats_for_itself(reports: Reports) -> None:
    async def function(ctx: TaskContext) -> None:
        await anyio.sleep(100)
        await ctx.heartbeat()
        await anyio.sleep(100)

    async with runner(reports) as running:
        await running.run(handler(function, heartbeat="manual"), activity_task("t", heartbeat=30))
    assert len(reports.beats) == 1


class Cancellable:
    """A handler that waits until it is cancelled, and notes why that was."""

    def __init__(self) -> None:
        self.reasons: list[CancelReason | None] = []

    async def __call__(self, ctx: TaskContext) -> None:
        assert ctx.cancel_reason is None
        try:
            await anyio.sleep_forever()
        finally:
            self.reasons.append(ctx.cancel_reason)


async def test_a_dead_token_cancels_the_handler_and_nothing_is_reported(
    reports: Reports,
) -> None:
    reports.dead["t"] = EXPIRED
    function = Cancellable()
    async with runner(reports) as running:
        await running.run(handler(function), activity_task("t"))
    assert function.reasons == [CancelReason.TASK_GONE]
    assert reports.tried == 0


async def test_a_task_whose_heartbeats_fail_is_handed_back(reports: Reports) -> None:
    reports.beat_faults.extend([LOST] * 1000)
    function = Cancellable()
    async with runner(reports) as running:
        await running.run(handler(function), activity_task("t", heartbeat=30))
    assert function.reasons == [CancelReason.HEARTBEATS_FAILED]
    assert reports.of("t").text == "aiowfm.WorkerStopped"
    assert (
        json.loads(reports.of("t").cause)["errorMessage"] == "worker me could not send heartbeats"
    )


async def test_a_handler_that_learns_from_its_own_heartbeat_that_it_is_not_wanted(
    reports: Reports,
) -> None:
    reports.dead["t"] = EXPIRED
    reasons: list[CancelReason | None] = []

    async def function(ctx: TaskContext) -> None:
        with pytest.raises(TaskTokenExpiredError):
            await ctx.heartbeat()
        reasons.append(ctx.cancel_reason)

    async with runner(reports) as running:
        await running.run(handler(function, heartbeat="manual"), activity_task("t"))
    assert reasons == [CancelReason.TASK_GONE]
    assert reports.tried == 0


async def test_cancelled_handlers_hand_their_tasks_back(reports: Reports) -> None:
    function = Cancellable()
    async with runner(reports) as running, anyio.create_task_group() as group:
        for token in ("a", "b"):
            group.start_soon(running.run, handler(function), activity_task(token))
        await anyio.wait_all_tasks_blocked()
        assert running.running_count == 2
        running.cancel_all()
    assert function.reasons == [CancelReason.WORKER_STOPPING] * 2
    assert {report.token for report in reports.taken} == {"a", "b"}
    assert {report.text for report in reports.taken} == {"aiowfm.WorkerStopped"}
    assert json.loads(reports.taken[0].cause)["errorMessage"] == "worker me stopped"


async def test_a_task_that_comes_after_the_others_were_cancelled_is_handed_back_unbegun(
    reports: Reports,
) -> None:
    called = False

    async def function() -> None:
        nonlocal called
        called = True

    async with runner(reports) as running:
        running.cancel_all()
        await running.run(handler(function), activity_task("late"))
    assert reports.of("late").text == "aiowfm.WorkerStopped"
    assert not called


async def test_what_a_cancelled_handler_still_returns_is_its_result(reports: Reports) -> None:
    async def function() -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "saved"
        return "never"

    async with runner(reports) as running, anyio.create_task_group() as group:
        group.start_soon(running.run, handler(function), activity_task("t"))
        await anyio.wait_all_tasks_blocked()
        running.cancel_all()
    assert reports.of("t") == Report("t", "succeed", '"saved"')


async def test_a_task_is_handed_back_when_the_worker_itself_is_cancelled(reports: Reports) -> None:
    reports.delay_seconds = 1.0
    async with runner(reports) as running, anyio.create_task_group() as group:
        group.start_soon(running.run, handler(anyio.sleep_forever), activity_task("t"))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert reports.of("t").text == "aiowfm.WorkerStopped"


async def test_neither_tokens_nor_payloads_are_logged(
    reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def function(value: str) -> None:
        raise ValueError("no")

    await result_of(reports, function, activity_task("secret-token", "secret-input"))
    (record,) = caplog.records
    assert "charge" in record.message
    assert "failed: ValueError" in record.message
    assert "secret" not in str(record.__dict__)
