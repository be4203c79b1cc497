from __future__ import annotations

import asyncio
from contextvars import ContextVar

import anyio
import pytest

from aiowfm import CallNext, Engine, TaskContext, UsageError, current_task

pytestmark = pytest.mark.anyio

TASK = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Task, Resource: work, End: true}}}
"""

request: ContextVar[str] = ContextVar("request", default="none")


async def ids_seen(engine: Engine, ids: list[str]) -> None:
    """Run one workflow; *ids* becomes what its handler saw, each the workflow's own id."""
    async with engine:
        started = await engine.start_workflow("flow")
        done = await engine.wait(started.id)
    assert done.status == "succeeded", done.cause
    assert ids
    assert set(ids) == {started.id}


def this_id() -> str:
    return current_task().workflow_id or ""


async def test_the_current_task_is_known_anywhere_below_a_handler() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    ids: list[str] = []

    async def deep() -> None:
        ids.append(this_id())

    @engine.task("work")
    async def work(ctx: TaskContext) -> None:
        assert current_task() is ctx
        await deep()
        async with anyio.create_task_group() as group:
            group.start_soon(deep)
        ids.append(await asyncio.to_thread(this_id))

    await ids_seen(engine, ids)


async def test_the_current_task_is_known_in_a_plain_function() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    ids: list[str] = []

    @engine.task("work")
    def work(ctx: TaskContext) -> None:
        assert current_task() is ctx
        ids.append(this_id())

    await ids_seen(engine, ids)


async def test_handlers_at_the_same_time_have_each_their_own_current_task() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK, concurrency=2)
    both = anyio.Event()
    seen: dict[str, str] = {}

    @engine.task("work")
    async def work(ctx: TaskContext) -> None:
        seen[str(ctx.workflow_id)] = ""
        if len(seen) == 2:
            both.set()
        await both.wait()
        seen[str(ctx.workflow_id)] = this_id()

    async with engine:
        started = [await engine.start_workflow("flow") for _ in range(2)]
        for workflow in started:
            await engine.wait(workflow.id)
    assert seen == {workflow.id: workflow.id for workflow in started}


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine function", "plain function"])
async def test_context_variables_of_middleware_reach_the_handler(is_async: bool) -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    seen: list[str] = []

    async def asynchronous() -> None:
        seen.append(request.get())

    def plain() -> None:
        seen.append(request.get())

    async def middleware(ctx: TaskContext, call_next: CallNext) -> object:
        assert current_task() is ctx
        request.set("set by middleware")
        return await call_next()

    engine.task("work")(asynchronous if is_async else plain)
    engine.middleware(middleware)
    async with engine:
        await engine.wait((await engine.start_workflow("flow")).id)
    assert seen == ["set by middleware"]


async def test_outside_of_handlers_there_is_no_current_task() -> None:
    with pytest.raises(UsageError, match="no task is being handled here"):
        current_task()
