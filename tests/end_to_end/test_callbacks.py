"""Workflows that wait for somebody, on both backends."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from aiowfm import (
    CallbackTask,
    Engine,
    Finalization,
    FinalizationConflictError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
)
from aiowfm.definitions import CALLBACK_RESOURCE
from tests.end_to_end.conftest import MakeEngine, waiting

pytestmark = pytest.mark.anyio


def approval(body: dict[str, Any] | None = None, **fields: Any) -> str:
    state = {
        "Type": "Task",
        "Resource": CALLBACK_RESOURCE,
        "TimeoutSeconds": 60,
        "Parameters": {"MessageBody": body or {"TaskKey": "$.id", "amount.$": "$.amount"}},
        "End": True,
    }
    machine = {"StartAt": "approve", "States": {"approve": state | fields}}
    return json.dumps([{"name": "order", "stateMachine": machine}])


async def over(engine: Engine, key: str) -> CallbackTask:
    """The task, once it does not wait any more."""
    while True:
        task = await engine.finalizer.get(key)
        if task is not None and task.status != "WAITING":
            return task
        await anyio.sleep(0.01)


async def test_a_workflow_waits_until_somebody_finishes_it_by_key(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-17", "amount": 12})
        task = await waiting(engine, "o-17")
        assert (task.key, task.workflow_id, task.state_name) == ("o-17", workflow.id, "approve")
        assert task.message == {"amount": 12}
        assert [each.key async for each in engine.finalizer.pending()] == ["o-17"]
        assert (await engine.get_workflow(workflow.id)).status == "running"

        done = await engine.finalizer.success("o-17", {"approved_by": "ops"})
        finished = await engine.wait(workflow.id, timeout=15)
        assert done is Finalization.DELIVERED
        assert (finished.status, finished.output) == ("succeeded", {"approved_by": "ops"})
        assert [each async for each in engine.finalizer.pending()] == []


async def test_without_callbacks_their_table_is_not_asked_not_even_at_the_stop(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = anyio.Event()

    async def due(store: object, now: float) -> list[str]:
        asked.set()
        return []

    monkeypatch.setattr("aiowfm.aws.token_store.DynamoTokenStore.due", due)
    monkeypatch.setattr("aiowfm.local.callbacks.SqliteTokenStore.due", due)
    machine = {"StartAt": "only", "States": {"only": {"Type": "Succeed"}}}
    async with make_engine(json.dumps([{"name": "order", "stateMachine": machine}])) as engine:
        workflow = await engine.start_workflow("order")
        await engine.wait(workflow.id, timeout=15)
    assert not asked.is_set()
    async with make_engine(approval()):
        await asked.wait()  # where there are callbacks, this is what is asked


async def test_a_failure_reaches_the_workflow(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-1", "amount": 1})
        await waiting(engine, "o-1")
        assert await engine.finalizer.failure("o-1", "Rejected", "too dear") == "DELIVERED"
        finished = await engine.wait(workflow.id, timeout=15)
    assert (finished.status, finished.error, finished.cause) == ("failed", "Rejected", "too dear")


async def test_a_result_that_comes_before_its_task_is_delivered_when_that_waits(
    make_engine: MakeEngine,
) -> None:
    class Approval(BaseModel):
        by: str

    engine = make_engine(approval())
    async with engine:
        early = await engine.finalizer.success("o-2", Approval(by="ops"))
        workflow = await engine.start_workflow("order", {"id": "o-2", "amount": 1})
        finished = await engine.wait(workflow.id, timeout=15)
        assert early is Finalization.DEFERRED
        assert finished.output == {"by": "ops"}
        with pytest.raises(UnknownTaskKeyError):
            await engine.finalizer.success("o-3", early=False)


async def test_the_first_result_is_the_only_one(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-4", "amount": 1})
        task = await waiting(engine, "o-4")
        with pytest.raises(TaskTokenExpiredError, match="is over"):
            await engine.finalizer.success("o-4", 1, wait_id="another")
        assert await engine.finalizer.success("o-4", {"a": 1, "b": 2}, wait_id=task.wait_id)
        again = await engine.finalizer.success("o-4", {"b": 2, "a": 1})
        with pytest.raises(FinalizationConflictError, match="accepted first, a success"):
            await engine.finalizer.failure("o-4", ValueError("no"))
        finished = await engine.wait(workflow.id, timeout=15)
    assert again is Finalization.ALREADY_FINALIZED
    assert finished.output == {"a": 1, "b": 2}


async def test_a_wait_that_timed_out_takes_no_result(make_engine: MakeEngine) -> None:
    engine = make_engine(approval(TimeoutSeconds=1))
    async with engine:
        workflow = await engine.start_workflow("order", {"id": "o-5", "amount": 1})
        await waiting(engine, "o-5")
        finished = await engine.wait(workflow.id, timeout=15)
        assert finished.error == "States.Timeout"
        with pytest.raises(TaskTokenExpiredError):
            await engine.finalizer.success("o-5", 1)
        task = await engine.finalizer.get("o-5")
        assert task is not None
        assert task.status == "EXPIRED"


async def test_a_wait_that_timed_out_is_shown_as_over_before_anybody_tries_to_finish_it(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(approval(TimeoutSeconds=1), link_secret="a secret of some length")
    async with engine:
        await engine.start_workflow("order", {"id": "o-7", "amount": 1})
        await waiting(engine, "o-7")
        url = await engine.finalizer.link("o-7", "approve", "https://shop.example/decide")
        assert (await engine.finalizer.open_link(url)).is_open
        task = await over(engine, "o-7")
        assert task.status == "EXPIRED"
        assert not (await engine.finalizer.open_link(url)).is_open


async def test_what_fails_while_it_keeps_a_task_alive_raises_its_own_error(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(approval(HeartbeatSeconds=1))
    async with engine:
        await engine.start_workflow("order", {"id": "o-10", "amount": 1})
        await waiting(engine, "o-10")
        with pytest.raises(ValueError, match="mine"):
            async with engine.finalizer.keep_alive("o-10"):
                raise ValueError("mine")


async def test_two_workflows_under_one_key_are_told_apart_at_once(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(approval())
    async with engine:
        first = await engine.start_workflow("order", {"id": "same", "amount": 1})
        await waiting(engine, "same")
        second = await engine.start_workflow("order", {"id": "same", "amount": 2})
        failed = await engine.wait(second.id, timeout=15)
        assert failed.error == "aiowfm.DuplicateTaskKey"
        assert "make it unique" in (failed.cause or "")
        await engine.finalizer.success("same", "first")
        assert (await engine.wait(first.id, timeout=15)).output == "first"


@pytest.mark.parametrize("key", [pytest.param(7, id="a number"), pytest.param("", id="empty")])
async def test_a_key_that_is_none_fails_its_task(make_engine: MakeEngine, key: object) -> None:
    engine = make_engine(approval())
    async with engine:
        workflow = await engine.start_workflow("order", {"id": key, "amount": 1})
        failed = await engine.wait(workflow.id, timeout=15)
    assert failed.error == "aiowfm.CallbackFailed"
    assert "TaskKey must" in (failed.cause or "")


async def test_a_process_without_a_worker_finishes_what_another_waits_for(
    make_engine: MakeEngine,
) -> None:
    definitions = approval(Next="ship")
    machine = json.loads(definitions)
    state = machine[0]["stateMachine"]["States"]
    del state["approve"]["End"]
    state["ship"] = {"Type": "Task", "Resource": "ship", "End": True}
    worker, web = make_engine(json.dumps(machine)), make_engine(json.dumps(machine))

    @worker.task("ship")
    async def ship(order: dict[str, Any]) -> str:
        return f"shipped by {order['by']}"

    async with worker:
        await web.start(worker=False)
        try:
            workflow = await web.start_workflow("order", {"id": "o-6", "amount": 1})
            await waiting(web, "o-6")
            await web.finalizer.success("o-6", {"by": "ops"})
            finished = await web.wait(workflow.id, timeout=15)
        finally:
            await web.stop()
    assert finished.output == "shipped by ops"
