"""Single handlers, with a context and without an engine."""

from __future__ import annotations

from typing import assert_type

import anyio
import pytest
from pydantic import BaseModel

from aiowfm import CancelReason, TaskContext, TaskError, TaskTokenExpiredError, current_task
from aiowfm.errors import UsageError
from aiowfm.testing import (
    VIRTUAL_TIME,
    Failed,
    HandlerCancelledError,
    Succeeded,
    TaskEnvironment,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL_TIME


class Order(BaseModel):
    id: str


async def charge(order: Order, ctx: TaskContext) -> str:
    return f"{order.id} at attempt {ctx.attempt}"


async def test_a_handler_gets_its_input_and_a_context() -> None:
    environment = TaskEnvironment(attempt=2)
    result = await environment.run(charge, {"id": "o-17"})
    assert_type(result, str)
    assert result == "o-17 at attempt 2"
    assert await environment.run(charge, Order(id="o-18")) == "o-18 at attempt 2"


async def test_a_plain_function_knows_its_task() -> None:
    def state() -> str | None:
        return current_task().state_name

    assert await TaskEnvironment(state_name="pay").run(state) == "pay"


async def test_outcomes_are_what_the_worker_would_report() -> None:
    async def fail() -> None:
        raise TaskError("OutOfStock", "sku 17")

    environment = TaskEnvironment()
    assert await environment.outcome(charge, {"id": "x"}) == Succeeded('"x at attempt 0"')
    assert await environment.outcome(fail) == Failed("OutOfStock", "sku 17")
    refused = await environment.outcome(charge, {})
    assert isinstance(refused, Failed)
    assert refused.error == "aiowfm.InvalidInput"


def test_idempotency_keys_are_the_same_across_retries() -> None:
    keys = [TaskEnvironment(attempt=attempt).context(1).idempotency_key for attempt in (0, 1)]
    assert keys[0] == keys[1] is not None
    assert TaskEnvironment(map_index=1).context(1).idempotency_key != keys[0]


async def test_heartbeats_are_recorded_and_can_be_refused() -> None:
    async def work(ctx: TaskContext) -> None:
        await ctx.heartbeat()
        await anyio.sleep(600)
        await ctx.heartbeat()

    environment = TaskEnvironment()
    await environment.run(work)
    assert environment.heartbeats == [0, 600]
    environment.expire()
    with pytest.raises(TaskTokenExpiredError):
        await environment.run(work)


async def test_a_handler_is_cancelled_with_a_reason() -> None:
    seen: list[CancelReason | None] = []

    async def work(ctx: TaskContext) -> None:
        try:
            await anyio.sleep(3_600)
        finally:
            seen.append(ctx.cancel_reason)

    environment = TaskEnvironment(cancel_after=60, cancel_reason=CancelReason.TASK_GONE)
    with pytest.raises(HandlerCancelledError, match="task gone"):
        await environment.run(work)
    assert seen == [CancelReason.TASK_GONE]
    other = TaskEnvironment()
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_soon, other)
        with pytest.raises(HandlerCancelledError, match="worker stopping"):
            await other.run(work)


async def _cancel_soon(environment: TaskEnvironment) -> None:
    await anyio.sleep(1)
    environment.cancel()


async def test_the_synchronous_form_is_refused_where_a_loop_runs() -> None:
    with pytest.raises(UsageError, match=r"await run\(\)"):
        TaskEnvironment().run_sync(charge, {"id": "o"})


def test_one_line_without_any_event_loop() -> None:
    result = TaskEnvironment().run_sync(charge, {"id": "o"})
    assert_type(result, str)
    assert result == "o at attempt 0"
    assert_type(TaskEnvironment().run_sync(lambda: 5), int)
