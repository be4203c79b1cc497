"""Finding and repairing on an emulator of AWS, as far as that goes.

It redrives nothing, its histories leave out what is inside Map and Parallel, and it starts a
name only once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from aiowfm import TaskError, UsageError, WorkflowNotFoundError
from tests.end_to_end.watched import engine_on, flow, shape, task
from tests.ministack import MiniStack

pytestmark = [pytest.mark.anyio, pytest.mark.aws]

WAITING = flow(
    {"wait": {"Type": "Wait", "Seconds": 600, "Next": "end"}, "end": {"Type": "Succeed"}}
)


async def test_workflows_are_started_listed_and_cancelled_in_bulk(
    ministack: MiniStack, environment: str
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)  # a server's clock may count whole seconds
    async with engine_on(ministack.backend(), environment, WAITING) as engine:
        started = engine.start_workflows("flow", range(6), concurrency=3)
        ids = [each.id async for each in started]
        listed = engine.list_workflows("flow", status="running", since=began)
        assert {each.id async for each in listed} == set(ids)
        later = datetime.now(UTC) + timedelta(days=1)
        assert [each async for each in engine.list_workflows("flow", since=later)] == []
        planned = await engine.cancel_workflows("flow", dry_run=True, limit=2)
        assert [each.is_done for each in planned] == [False, False]
        done = await engine.cancel_workflows("flow", reason="enough")
        assert {each.workflow.id for each in done if each.is_done} == set(ids)
        cancelled = await engine.wait_all(ids, timeout=15)
        assert {each.status for each in cancelled} == {"cancelled"}


async def test_a_new_workflow_begins_at_a_chosen_state(
    ministack: MiniStack, environment: str
) -> None:
    async with engine_on(ministack.backend(), environment, WAITING) as engine:
        workflow = await engine.start_workflow("flow", {"n": 1})
        await engine.cancel_workflow(workflow.id)
        await engine.wait(workflow.id, timeout=15)
        other = await engine.resume_workflow(workflow.id, start_at="end", input={"n": 2})
        done = await engine.wait(other.id, timeout=15)
        assert (done.input, done.output, done.retry_for) == ({"n": 2}, {"n": 2}, workflow.id)
        assert {each.id async for each in engine.list_workflows("flow")} == {workflow.id, other.id}


async def test_jobs_are_followed_and_shown(ministack: MiniStack, environment: str) -> None:
    steps = flow({"first": task("first", "second"), "second": task("second")})
    engine = engine_on(ministack.backend(), environment, steps)

    @engine.task("first")
    async def first(value: int) -> int:
        return value + 1

    @engine.task("second")
    async def second(value: int) -> int:
        raise TaskError("Broken", f"at {value}")

    async with engine:
        workflow = await engine.start_workflow("flow", 1)
        with anyio.fail_after(30):
            followed = {job.id: job async for job in engine.follow(workflow.id)}
        done = await engine.get_workflow(workflow.id, jobs=True)
    assert done.jobs == tuple(followed.values())
    assert shape(done.jobs) == [("first", "succeeded"), ("second", "failed")]
    assert done.failed_job is not None
    assert (done.failed_job.error, done.failed_job.cause) == ("Broken", "at 2")


async def test_ids_of_others_and_filters_that_are_local_are_refused(
    ministack: MiniStack, environment: str
) -> None:
    backend: Any = ministack.backend()
    other = engine_on(backend, environment, WAITING, app="depot")
    async with other, engine_on(backend, environment) as engine:
        workflow = await other.start_workflow("flow")
        for call in (engine.get_workflow, engine.cancel_workflow):
            with pytest.raises(WorkflowNotFoundError, match="belongs to 'depot'"):
                await call(workflow.id)
        assert [each async for each in engine.list_workflows("flow")] == []
        with pytest.raises(UsageError, match="LocalBackend alone"):
            await anext(engine.list_workflows("flow", error="X"))
