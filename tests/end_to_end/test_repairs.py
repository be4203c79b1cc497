"""Cancelling and resuming, one and many: the embedded engine itself, and by way of a server."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from aiowfm import (
    CancelReason,
    DefinitionError,
    Engine,
    TaskContext,
    TaskError,
    UnknownDefinitionError,
    UsageError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
)
from aiowfm.ports import Backend
from tests.end_to_end.watched import Clock, MakeWatched, engine_on, flow, shape, task

pytestmark = pytest.mark.anyio

STEPS = flow(
    {"first": task("first", "second"), "second": task("second", "third"), "third": task("third")}
)
WAITING = flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}})


class Shop:
    """An engine whose second task fails until it is mended."""

    def __init__(self, make_watched: MakeWatched, definition: dict[str, Any] = STEPS) -> None:
        self.engine: Engine = make_watched(definition)
        self.is_mended = False
        self.ran: list[str] = []

        @self.engine.task("first")
        async def first(value: Any) -> Any:
            self.ran.append("first")
            return value

        @self.engine.task("second")
        async def second(value: Any) -> Any:
            self.ran.append("second")
            if not self.is_mended:
                raise TaskError("Broken", "rust")
            return value

        @self.engine.task("third")
        async def third(value: Any) -> Any:
            self.ran.append("third")
            return value

    async def failed(self, input: Any = None) -> str:
        workflow = await self.engine.start_workflow("flow", input)
        done = await self.engine.wait(workflow.id, timeout=15)
        assert (done.status, done.error) == ("failed", "Broken")
        return workflow.id


@pytest.fixture
def shop(make_watched: MakeWatched) -> Shop:
    return Shop(make_watched)


async def test_a_failed_workflow_goes_on_where_it_failed(shop: Shop) -> None:
    async with shop.engine as engine:
        id = await shop.failed({"n": 1})
        shop.is_mended = True
        resumed = await engine.resume_workflow(id)
        done = await engine.wait(id, timeout=15)
        shown = await engine.get_workflow(id, jobs=True)
    assert (resumed.id, done.status, done.output) == (id, "succeeded", {"n": 1})
    assert shop.ran == ["first", "second", "second", "third"]
    assert shape(shown.jobs) == [(state, "succeeded") for state in ("first", "second", "third")]
    assert shown.failed_job is None
    second = (shown.jobs or ())[1]
    assert [each.error for each in second.attempts] == ["Broken", None]
    assert done.retry_for is None


async def test_redriven_iterations_keep_the_jobs_they_had(make_watched: MakeWatched) -> None:
    each = {"StartAt": "second", "States": {"second": task("second")}}
    both = {
        "Type": "Parallel",
        "Branches": [
            {
                "StartAt": "each",
                "States": {"each": {"Type": "Map", "ItemProcessor": each, "End": True}},
            },
            {"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 1, "End": True}}},
        ],
        "End": True,
    }
    engine = make_watched(flow({"both": both}))
    broken = {1, 3}
    tried = anyio.Event()
    count = 0

    @engine.task("second")
    async def second(number: int) -> int:
        nonlocal count
        count += 1
        if count == 4:
            tried.set()
        await tried.wait()  # so that all are under way when the first fails
        if number in broken:
            raise TaskError("Broken", str(number))
        return number

    async with engine:
        workflow = await engine.start_workflow("flow", [0, 1, 2, 3])
        assert (await engine.wait(workflow.id, timeout=15)).status == "failed"
        before = await engine.get_workflow(workflow.id, jobs=True)
        broken.clear()
        await engine.resume_workflow(workflow.id)
        done = await engine.wait(workflow.id, timeout=15)
        after = await engine.get_workflow(workflow.id, jobs=True)
    assert before.failed_job is not None
    assert before.failed_job.map_index in (1, 3)
    assert done.output == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert [job.path for job in after.jobs or ()] == [job.path for job in before.jobs or ()]
    assert {job.status for job in after.jobs or ()} == {"succeeded"}
    for job in after.jobs or ():
        if job.state == "second":
            assert job.output == job.input == job.map_index


async def test_a_new_workflow_begins_at_a_chosen_state(shop: Shop) -> None:
    async with shop.engine as engine:
        id = await shop.failed({"n": 1})
        shop.ran.clear()
        other = await engine.resume_workflow(id, start_at="third", input={"n": 2})
        done = await engine.wait(other.id, timeout=15)
        listed = [each.id async for each in engine.list_workflows("flow")]
        jobs = (await engine.get_workflow(other.id, jobs=True)).jobs or ()
    assert (other.retry_for, done.retry_for) == (id, id)
    assert (other.input, done.input, done.output) == ({"n": 2}, {"n": 2}, {"n": 2})
    assert "--flow--0--third--" in other.id
    assert shop.ran == ["third"]
    assert listed == [other.id, id]
    assert [job.state for job in jobs][1:] == ["third"]
    assert done.definition == shop.engine.get_definition("flow")


async def test_without_an_input_it_is_given_what_the_state_had(shop: Shop) -> None:
    async with shop.engine as engine:
        id = await shop.failed({"n": 1})
        shop.is_mended = True
        other = await engine.resume_workflow(id, start_at="second")
        done = await engine.wait(other.id, timeout=15)
        assert (done.output, done.retry_for) == ({"n": 1}, id)
        with pytest.raises(UsageError, match="never came to the state 'third': give the input"):
            await engine.resume_workflow(id, start_at="third")
        # That of its own start is no other machine: nothing can say whom it stands in for.
        whole = await engine.resume_workflow(id, start_at="first")
        assert (await engine.wait(whole.id, timeout=15)).output == {"n": 1}
        assert whole.retry_for is None


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
async def test_variables_that_nothing_assigns_must_be_given(
    make_watched: MakeWatched, language: str
) -> None:
    is_jsonata = language == "JSONata"
    read = {"Output": "{% $total %}"} if is_jsonata else {"Parameters": {"total.$": "$total"}}
    assign = {"Assign": {"total": 1}}
    states = {
        "count": {"Type": "Pass", "Next": "read"} | assign,
        "read": {"Type": "Pass", "End": True} | read,
    }
    definition = flow(states, machine={"QueryLanguage": language})
    engine = make_watched(definition)
    async with engine:
        workflow = await engine.start_workflow("flow")
        await engine.wait(workflow.id, timeout=15)
        with pytest.raises(UsageError, match="that nothing assigns before: 'total'"):
            await engine.resume_workflow(workflow.id, start_at="read")
        with pytest.raises(UsageError, match=r"does not read a variable 'totals'.*'total'"):
            await engine.resume_workflow(
                workflow.id, start_at="read", variables={"totals": 1, "total": 2}
            )
        other = await engine.resume_workflow(workflow.id, start_at="read", variables={"total": [7]})
        done = await engine.wait(other.id, timeout=15)
    assert done.output == ([7] if is_jsonata else {"total": [7]})


@pytest.mark.parametrize(
    "input", [pytest.param(value, id=str(value)) for value in ([5], [], 0, "")]
)
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
async def test_any_input_comes_through_as_it_is(
    make_watched: MakeWatched, language: str, input: object
) -> None:
    states = {
        "one": {"Type": "Pass", "Next": "two"},
        "two": {"Type": "Pass", "End": True},
    }
    async with make_watched(flow(states, machine={"QueryLanguage": language})) as engine:
        workflow = await engine.start_workflow("flow")
        await engine.wait(workflow.id, timeout=15)
        other = await engine.resume_workflow(workflow.id, start_at="two", input=input)
        assert (await engine.wait(other.id, timeout=15)).output == input


async def test_what_cannot_be_resumed_says_why_and_what_to_do(shop: Shop, clock: Clock) -> None:
    async with shop.engine as engine:
        id = await shop.failed()
        with pytest.raises(UsageError, match="give start_at"):
            await engine.resume_workflow(id, input={"n": 2})
        with pytest.raises(DefinitionError, match=r"no state 'thrid'.*did you mean 'third'"):
            await engine.resume_workflow(id, start_at="thrid")
        clock.pass_days(15)
        with pytest.raises(WorkflowNotResumableError, match=r"start_at='second'.*new workflow"):
            await engine.resume_workflow(id)
        shop.is_mended = True
        other = await engine.resume_workflow(id, start_at="second")
        assert (await engine.wait(other.id, timeout=15)).status == "succeeded"
        with pytest.raises(WorkflowNotResumableError, match="has succeeded"):
            await engine.resume_workflow(other.id)


async def test_a_running_workflow_is_not_resumed(make_watched: MakeWatched) -> None:
    async with make_watched(WAITING) as engine:
        workflow = await engine.start_workflow("flow")
        with pytest.raises(WorkflowNotResumableError, match="is running: it goes on by itself"):
            await engine.resume_workflow(workflow.id)
        with pytest.raises(WorkflowNotResumableError, match="is running: cancel it first"):
            await engine.resume_workflow(workflow.id, start_at="wait")
        await engine.cancel_workflow(workflow.id)
        resumed = await engine.resume_workflow(workflow.id)
        assert (resumed.id, resumed.status) == (workflow.id, "running")
        assert (await engine.get_workflow(workflow.id)).status == "running"


async def test_ids_that_lead_nowhere_are_refused_everywhere(
    make_watched: MakeWatched, environment: str
) -> None:
    async with make_watched(WAITING) as engine:
        mine = await engine.start_workflow("flow")

        async def follow(id: str) -> None:
            async for _ in engine.follow(id):
                pass

        async def jobs(id: str) -> None:
            await engine.get_workflow(id, jobs=True)

        calls = (follow, jobs, engine.wait, engine.cancel_workflow, engine.resume_workflow)
        for call in calls:
            with pytest.raises(WorkflowNotFoundError, match="there is no workflow"):
                await call(f"{environment}--flow--0--wait--nowhere1")
            with pytest.raises(WorkflowNotFoundError, match="is not the id of a workflow"):
                await call("nonsense")
            with pytest.raises(WorkflowNotFoundError, match="is one of 'elsewhere'"):
                await call("elsewhere--flow--0--wait--nowhere1")
        with pytest.raises(WorkflowNotFoundError, match="is not the id of a workflow"):
            await engine.resume_workflow("nonsense", start_at="wait")
        with pytest.raises(WorkflowNotFoundError, match="None is not the id of a workflow"):
            await engine.resume_workflow(None, start_at="wait")  # type: ignore[arg-type]  # so it is told
        assert (await engine.get_workflow(mine.id)).status == "running"


async def test_workflows_of_another_application_are_left_alone(make_watched: MakeWatched) -> None:
    theirs = flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}, name="theirs")
    other = make_watched(theirs, app="depot")
    async with other, make_watched(WAITING) as engine:
        workflow = await other.start_workflow("theirs")
        for call in (engine.get_workflow, engine.cancel_workflow, engine.resume_workflow):
            with pytest.raises(WorkflowNotFoundError, match=r"'shop'.*belongs to 'depot'"):
                await call(workflow.id)
        assert [each async for each in engine.list_workflows("theirs")] == []
        assert await engine.cancel_workflows("theirs") == ()
        assert (await other.get_workflow(workflow.id)).status == "running"


async def test_workflows_of_definitions_that_are_gone_are_shown_and_cancelled(
    make_watched: MakeWatched,
) -> None:
    async with make_watched(WAITING) as before:
        workflow = await before.start_workflow("flow", {"n": 1})
    async with make_watched() as engine:
        shown = await engine.get_workflow(workflow.id, jobs=True)
        assert (shown.name, shown.input, shown.definition) == ("flow", {"n": 1}, None)
        assert shape(shown.jobs) == [("wait", "running")]
        assert [each.id async for each in engine.list_workflows("flow")] == [workflow.id]
        await engine.cancel_workflow(workflow.id, reason="gone")
        assert (await engine.wait(workflow.id, timeout=15)).status == "cancelled"
        assert (await engine.resume_workflow(workflow.id)).status == "running"
        await engine.cancel_workflow(workflow.id)
        with pytest.raises(UnknownDefinitionError, match="flow"):
            await engine.resume_workflow(workflow.id, start_at="wait")


async def test_many_are_cancelled_and_resumed_after_a_dry_run(make_watched: MakeWatched) -> None:
    async with make_watched(WAITING) as engine:
        ids = {(await engine.start_workflow("flow", number)).id for number in range(7)}
        planned = await engine.cancel_workflows("flow", dry_run=True)
        assert {each.workflow.id for each in planned} == ids
        assert not any(each.is_done for each in planned)
        running = [each.id async for each in engine.list_workflows("flow", status="running")]
        assert set(running) == ids

        first = await engine.cancel_workflows("flow", limit=3, reason="enough", concurrency=2)
        assert [each.workflow.id for each in first] == running[:3]
        assert all(each.is_done and each.error is None for each in first)
        assert (await engine.get_workflow(running[0])).cause == "enough"
        rest = await engine.cancel_workflows("flow", rate=1000.0)
        assert {each.workflow.id for each in rest} == ids - set(running[:3])
        assert await engine.resume_workflows("flow") == ()

        again = await engine.resume_workflows("flow", status="cancelled", concurrency=3)
        assert {each.workflow.id for each in again} == ids
        assert {each.result.status for each in again if each.result} == {"running"}
        assert len([1 async for _ in engine.list_workflows("flow", status="running")]) == 7


async def test_one_that_cannot_be_resumed_does_not_keep_the_others_from_it(
    shop: Shop, clock: Clock
) -> None:
    async with shop.engine as engine:
        old = await shop.failed(1)
        clock.pass_days(15)
        new = await shop.failed(2)
        shop.is_mended = True
        done = {each.workflow.id: each for each in await engine.resume_workflows("flow")}
        assert isinstance(done[old].error, WorkflowNotResumableError)
        assert not done[old].is_done
        assert (done[new].is_done, done[new].error) == (True, None)
        other = await engine.resume_workflows("flow", start_at="second")
        assert [each.workflow.id for each in other] == [old]
        (repair,) = other
        assert repair.result is not None
        assert repair.result.retry_for == old
        await engine.wait_all([new, repair.result.id], timeout=15)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"rate": 0}, {"limit": -1}], ids=lambda each: next(iter(each))
)
async def test_limits_that_cannot_be_are_refused(
    make_watched: MakeWatched, options: dict[str, Any]
) -> None:
    async with make_watched(WAITING) as engine:
        with pytest.raises(UsageError, match=next(iter(options))):
            await engine.cancel_workflows("flow", **options)


async def test_only_what_has_ended_is_resumed_in_bulk(shop: Shop) -> None:
    async with shop.engine as engine:
        with pytest.raises(UsageError, match=r"status='running'.*failed, cancelled"):
            await engine.resume_workflows("flow", status="running")
        with pytest.raises(UsageError, match=r"status='succeeded'.*start_at"):
            await engine.resume_workflows("flow", status="succeeded")
        shop.is_mended = True
        done = await engine.start_workflow("flow", {"n": 1})
        await engine.wait(done.id, timeout=15)
        (repair,) = await engine.resume_workflows("flow", status="succeeded", start_at="second")
        assert repair.result is not None
        assert repair.result.retry_for == done.id


async def test_a_running_handler_is_cancelled_at_once(local: Backend, environment: str) -> None:
    engine = engine_on(local, environment, flow({"only": task("work", HeartbeatSeconds=600)}))
    is_working, is_cancelled = anyio.Event(), anyio.Event()
    reasons: list[CancelReason | None] = []

    @engine.task("work")
    async def work(ctx: TaskContext) -> None:
        is_working.set()
        try:
            await anyio.sleep_forever()
        finally:
            reasons.append(ctx.cancel_reason)
            is_cancelled.set()

    async with engine:
        workflow = await engine.start_workflow("flow")
        await is_working.wait()
        await engine.cancel_workflow(workflow.id)
        with anyio.fail_after(10):
            await is_cancelled.wait()
        assert engine.stats().tasks["work"].unwanted == 1
    assert reasons == [CancelReason.TASK_GONE]


async def test_a_running_handler_is_cancelled_within_a_heartbeat(
    served: Backend, environment: str
) -> None:
    engine = engine_on(served, environment, flow({"only": task("work", HeartbeatSeconds=2)}))
    is_working, is_cancelled = anyio.Event(), anyio.Event()

    @engine.task("work")
    async def work() -> None:
        is_working.set()
        try:
            await anyio.sleep_forever()
        finally:
            is_cancelled.set()

    async with engine:
        workflow = await engine.start_workflow("flow")
        await is_working.wait()
        await engine.cancel_workflow(workflow.id)
        with anyio.fail_after(10):
            await is_cancelled.wait()
