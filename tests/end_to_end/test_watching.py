"""Jobs, following and waiting: the embedded engine itself, and by way of a server."""

from __future__ import annotations

import tracemalloc
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiowfm import Engine, Job, TaskContext, TaskError, UsageError, WorkflowNotFoundError
from tests.end_to_end.watched import MakeWatched, engine_on, flow, shape, task

pytestmark = pytest.mark.anyio

ORDER = flow(
    {
        "lines": {
            "Type": "Map",
            "ItemsPath": "$.lines",
            "MaxConcurrency": 1,
            "ResultPath": "$.picked",
            "ItemProcessor": {"StartAt": "pick", "States": {"pick": task("pick")}},
            "Next": "both",
        },
        "both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "pack", "States": {"pack": {"Type": "Pass", "End": True}}},
                {"StartAt": "charge", "States": {"charge": task("charge")}},
            ],
            "End": True,
        },
    },
    name="order",
)


def order_engine(make_watched: MakeWatched) -> Engine:
    retried = ORDER["stateMachine"]["States"]["both"]["Branches"][1]["States"]["charge"]
    retried["Retry"] = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    engine = make_watched(ORDER, worker_name="me")

    @engine.task("pick")
    async def pick(sku: str) -> str:
        return sku.upper()

    @engine.task("charge")
    async def charge(order: dict[str, Any], ctx: TaskContext) -> str:
        if ctx.attempt == 0:
            raise TaskError("Busy", "come back later")
        if order.get("poor"):
            raise LookupError("no money")
        return "paid"

    return engine


async def test_the_jobs_of_a_workflow_tell_iterations_branches_and_attempts_apart(
    make_watched: MakeWatched,
) -> None:
    engine = order_engine(make_watched)
    async with engine:
        workflow = await engine.start_workflow("order", {"lines": ["a", "b"]})
        await engine.wait(workflow.id, timeout=15)
        plain = await engine.get_workflow(workflow.id)
        done = await engine.get_workflow(workflow.id, jobs=True)
    assert plain.jobs is None
    assert sorted(shape(done.jobs)) == [
        ("both", "succeeded"),
        ("both.0.pack", "succeeded"),
        ("both.1.charge", "succeeded"),
        ("lines", "succeeded"),
        ("lines.0.pick", "succeeded"),
        ("lines.1.pick", "succeeded"),
    ]
    assert done.failed_job is None
    jobs = {".".join(map(str, job.path)): job for job in done.jobs or ()}
    lines, first, second = jobs["lines"], jobs["lines.0.pick"], jobs["lines.1.pick"]
    assert (lines.type, lines.length) == ("Map", 2)
    assert (first.input, first.output, first.worker) == ("a", "A", "me")
    assert (second.map_index, second.branch_index, second.parent_id) == (1, None, lines.id)
    charge = jobs["both.1.charge"]
    assert (charge.output, charge.error, charge.branch_index) == ("paid", None, 1)
    assert [(each.status, each.error) for each in charge.attempts] == [
        ("failed", "Busy"),
        ("succeeded", None),
    ]
    assert charge.attempts[0].cause == "come back later"
    first_start, second_start = (each.started_at for each in charge.attempts)
    assert first_start is not None
    assert second_start is not None
    assert first_start < second_start
    assert first_start == charge.started_at
    assert charge.created_at <= first_start
    assert charge.stopped_at is not None
    assert len({job.id for job in jobs.values()}) == len(jobs)


async def test_the_job_that_failed_is_found_with_its_cause_taken_apart(
    make_watched: MakeWatched,
) -> None:
    engine = order_engine(make_watched)
    async with engine:
        workflow = await engine.start_workflow("order", {"lines": [], "poor": True})
        await engine.wait(workflow.id, timeout=15)
        failed = await engine.get_workflow(workflow.id, jobs=True)
    job = failed.failed_job
    assert job is not None
    assert (job.path, job.error, len(job.attempts)) == (("both", 1, "charge"), "LookupError", 2)
    assert job in (failed.jobs or ())
    for cause in (job.parsed_cause, job.attempts[-1].parsed_cause, failed.parsed_cause):
        assert cause is not None
        assert (cause.error_type, cause.error_message) == ("LookupError", "no money")
        assert any("no money" in line for line in cause.trace)
    assert job.attempts[0].parsed_cause is None


async def test_following_shows_each_job_as_it_changes_until_the_end(
    make_watched: MakeWatched,
) -> None:
    engine = make_watched(flow({"first": task("work", "second"), "second": task("work")}))
    may_go_on = anyio.Event()

    @engine.task("work")
    async def work(ctx: TaskContext) -> str:
        await may_go_on.wait()
        return ctx.state_name or ""

    seen: list[tuple[str, str]] = []
    async with engine:
        workflow = await engine.start_workflow("flow")
        with anyio.fail_after(15):
            async for job in engine.follow(workflow.id):
                seen.append((job.state, job.status.value))
                if job.status == "running":
                    may_go_on.set()
        ended = await engine.get_workflow(workflow.id)
        again = [job async for job in engine.follow(workflow.id)]
    assert ended.status == "succeeded"
    changes = list(dict.fromkeys(seen))
    assert changes == [
        (state, status)
        for state in ("first", "second")
        for status in ("queued", "running", "succeeded")
    ]
    assert again[-1].output == "second"


async def test_following_a_cancelled_workflow_ends_with_cancelled_jobs(
    make_watched: MakeWatched,
) -> None:
    engine = make_watched(flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}))
    last: Job | None = None
    async with engine:
        workflow = await engine.start_workflow("flow")
        with anyio.fail_after(15):
            async for job in engine.follow(workflow.id):
                if last is None:
                    await engine.cancel_workflow(workflow.id, reason="enough")
                last = job
    assert last is not None
    assert (last.state, last.status) == ("wait", "cancelled")


async def test_following_can_be_given_up(make_watched: MakeWatched) -> None:
    engine = make_watched(flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}))
    async with engine:
        workflow = await engine.start_workflow("flow")
        with anyio.move_on_after(0.3) as scope:
            async for _ in engine.follow(workflow.id):
                pass
        assert scope.cancelled_caught
        assert (await engine.get_workflow(workflow.id)).status == "running"


async def test_many_are_awaited_at_once_in_the_order_asked_for(make_watched: MakeWatched) -> None:
    engine = make_watched(flow({"go": {"Type": "Pass", "End": True}}))
    async with engine:
        ids = [(await engine.start_workflow("flow", number)).id for number in range(5)]
        done = await engine.wait_all([*reversed(ids), ids[0]], timeout=15)
        assert [each.output for each in done] == [4, 3, 2, 1, 0, 0]
        assert await engine.wait_all([]) == ()
        with pytest.raises(WorkflowNotFoundError):
            await engine.wait_all([ids[0], "nonsense"], timeout=15)
        with pytest.raises(UsageError, match="one text"):
            await engine.wait_all(ids[0])


async def test_waiting_gives_up_at_its_timeout_and_says_for_whom(
    make_watched: MakeWatched,
) -> None:
    engine = make_watched(flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}))
    async with engine:
        workflow = await engine.start_workflow("flow")
        with pytest.raises(TimeoutError, match=f"{workflow.id!r} has not ended after 0.05 s"):
            await engine.wait(workflow.id, timeout=0.05)
        other = await engine.start_workflow("flow")
        await engine.cancel_workflow(other.id)
        with pytest.raises(TimeoutError, match=rf"1 of 2 .*{workflow.id!r} first"):
            await engine.wait_all([other.id, workflow.id], timeout=0.5)


async def test_an_id_that_leads_nowhere_is_told_before_the_others_end(
    make_watched: MakeWatched,
) -> None:
    engine = make_watched(flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}))
    async with engine:
        ids = [(await engine.start_workflow("flow")).id for _ in range(25)]
        with pytest.raises(WorkflowNotFoundError, match="nonsense"):
            await engine.wait_all([*ids, "nonsense"], timeout=15)


async def test_a_history_of_nearly_25_000_events_is_read_in_pages(
    make_watched: MakeWatched,
) -> None:
    each = {"StartAt": "one", "States": {"one": {"Type": "Pass", "End": True}}}
    engine = make_watched(flow({"all": {"Type": "Map", "ItemProcessor": each, "End": True}}))
    async with engine:
        workflow = await engine.start_workflow("flow", list(range(6_200)))
        await engine.wait(workflow.id, timeout=15)
        done = await engine.get_workflow(workflow.id, jobs=True)
    whole, *ones = done.jobs or ()
    assert (whole.length, len(ones)) == (6_200, 6_200)
    assert all(job.map_index == job.input == job.output for job in ones)
    assert {job.status for job in done.jobs or ()} == {"succeeded"}


@pytest.mark.parametrize("way", ["shown", "followed"])
async def test_others_have_their_turn_while_a_long_history_is_read(
    local: Any, environment: str, way: str
) -> None:
    each = {"StartAt": "one", "States": {"one": {"Type": "Pass", "End": True}}}
    states = {"all": {"Type": "Map", "ItemProcessor": each, "End": True}}
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with engine_on(local, environment, flow(states)) as engine:
        workflow = await engine.start_workflow("flow", list(range(2_000)))
        await engine.wait(workflow.id, timeout=15)
        store = local._service.store
        between: list[int] = []
        read = store.history

        async def one_page(*args: Any, **options: Any) -> Any:
            between.append(turns)
            page = await read(*args, **options)
            between.append(turns)
            return page

        store.history = one_page
        async with anyio.create_task_group() as group:
            group.start_soon(take_turns)
            if way == "shown":
                await engine.get_workflow(workflow.id, jobs=True)
            else:
                assert [job async for job in engine.follow(workflow.id)]
            between.append(turns)
            group.cancel_scope.cancel()
    # From the end of each full page to the beginning of the next.
    gaps = [after - before for before, after in zip(between[1::2], between[2::2], strict=False)]
    assert len(gaps) >= 8
    assert min(gaps[:8]) >= 5


async def test_what_is_over_is_not_kept_while_following(local: Any, environment: str) -> None:
    states: dict[str, Any] = {
        "grow": {
            "Type": "Pass",
            "Parameters": {
                "text.$": "$.text",
                "n.$": "States.MathAdd($.n, 1)",
            },
            "Next": "again",
        },
        "again": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericLessThan": 600, "Next": "grow"}],
            "Default": "done",
        },
        "done": {"Type": "Succeed"},
    }
    async with engine_on(local, environment, flow(states)) as engine:
        workflow = await engine.start_workflow("flow", {"text": "x" * 20_000, "n": 0})
        await engine.wait(workflow.id, timeout=15)
        tracemalloc.start()
        try:
            async for _ in engine.follow(workflow.id):
                pass
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # All of the texts, once each, are 12 MB.
    assert peak < 6_000_000
