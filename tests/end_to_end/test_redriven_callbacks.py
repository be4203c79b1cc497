"""A callback state that failed and is redriven: the new wait, and the fence against the old."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from aiowfm import CallbackTask, Engine, Finalization, FinalizationConflictError
from aiowfm.definitions import CALLBACK_RESOURCE
from aiowfm.names import callbacks_name
from tests.end_to_end.watched import engine_on, flow

pytestmark = pytest.mark.anyio

ORDER = flow(
    {
        "approve": {
            "Type": "Task",
            "Resource": CALLBACK_RESOURCE,
            "TimeoutSeconds": 600,
            "Parameters": {"MessageBody": {"TaskKey.$": "$.id"}},
            "End": True,
        }
    },
    name="order",
)


async def waiting(engine: Engine, key: str, *, after: str | None = None) -> CallbackTask:
    """The task, once the token of a wait other than *after* has come."""
    while True:
        task = await engine.finalizer.get(key)
        if task is not None and task.status == "WAITING" and task.wait_id != after:
            return task
        await anyio.sleep(0.01)


async def test_a_redriven_callback_waits_anew_and_takes_a_new_result(
    local: Any, environment: str
) -> None:
    engine = engine_on(local, environment, ORDER)
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-1"})
        first = await waiting(engine, "o-1")
        await engine.finalizer.failure("o-1", "Rejected", "too dear")
        failed = await engine.wait(workflow.id, timeout=15)
        assert (failed.status, failed.error) == ("failed", "Rejected")

        await engine.resume_workflow(workflow.id)
        with anyio.fail_after(15):
            second = await waiting(engine, "o-1", after=first.wait_id)
        assert second.workflow_id == workflow.id
        done = await engine.finalizer.success("o-1", "yes", wait_id=second.wait_id)
        assert done is Finalization.DELIVERED
        finished = await engine.wait(workflow.id, timeout=15)
        jobs = (await engine.get_workflow(workflow.id, jobs=True)).jobs
        with pytest.raises(FinalizationConflictError):
            await engine.finalizer.failure("o-1", "Rejected")
    assert (finished.status, finished.output) == ("succeeded", "yes")
    assert jobs is not None
    assert [(each.status, each.error) for each in jobs[0].attempts] == [
        ("failed", "Rejected"),
        ("succeeded", None),
    ]


async def test_the_message_of_the_wait_that_failed_changes_nothing_when_it_comes_again(
    local: Any, environment: str
) -> None:
    engine = engine_on(local, environment, ORDER)
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-2"})
        first = await waiting(engine, "o-2")
        async with local.open(max_polls=1) as opened:
            old = await opened.callbacks(callbacks_name(environment, "shop")).tokens.find("o-2")
        assert old is not None
        await engine.cancel_workflow(workflow.id)
        await engine.resume_workflow(workflow.id)
        with anyio.fail_after(15):
            second = await waiting(engine, "o-2", after=first.wait_id)

        # SQS may deliver the first message once more, and late.
        owner, fence = old.owner, old.fence
        assert owner is not None
        assert fence is not None
        late = {
            "TaskToken": old.token,
            "TaskKey": "o-2",
            "aiowfm": {
                "execution": owner.execution,
                "state": owner.state,
                "entered": fence.entered,
                "redrive": fence.redrive,
                "attempt": fence.attempt,
            },
        }
        await send_again(local, environment, late)
        with anyio.fail_after(15):
            await ignored(engine)
        again = await engine.finalizer.get("o-2")
        assert again is not None
        assert (again.wait_id, again.status) == (second.wait_id, "WAITING")
        assert await engine.finalizer.success("o-2", 7) is Finalization.DELIVERED
        assert (await engine.wait(workflow.id, timeout=15)).output == 7


async def ignored(engine: Engine) -> None:
    """Return when a message has changed nothing."""
    while True:
        if engine.stats().callbacks.duplicates:
            return
        await anyio.sleep(0.01)


async def send_again(local: Any, environment: str, body: dict[str, Any]) -> None:
    """Put a message into the queue, as Step Functions does."""
    name = callbacks_name(environment, "shop")
    async with local.open(max_polls=1) as opened:
        opened.service.queues.send(await opened.callbacks(name).queue_url(), json.dumps(body))
