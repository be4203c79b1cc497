"""What a program does with workflows, on both backends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from examples.hello import app as hello
from pydantic import BaseModel

from aiowfm import (
    EngineStateError,
    NotJsonError,
    PayloadTooLargeError,
    TaskContext,
    TaskError,
    UnknownDefinitionError,
    UsageError,
    WorkflowExistsError,
    WorkflowNotFoundError,
    WorkflowStatus,
)
from tests.end_to_end.conftest import MakeEngine

pytestmark = pytest.mark.anyio


def one_state(name: str = "flow", **state: Any) -> str:
    states = {"only": state | ({} if "Next" in state else {"End": True})}
    definition = {"name": name, "stateMachine": {"StartAt": "only", "States": states}}
    return json.dumps([definition])


def flow(states: dict[str, Any], name: str = "flow", **fields: Any) -> str:
    machine = {"StartAt": next(iter(states)), "States": states}
    return json.dumps([{"name": name, "stateMachine": machine} | fields])


TASK = one_state(Type="Task", Resource="work")


async def test_the_hello_world_of_the_original_greets(backend: Any, environment: str) -> None:
    engine = hello.make_engine(backend, environment, grace_seconds=0.2)
    assert await hello.greet(engine) == "Hello, world!"


async def test_a_finished_workflow_shows_all_of_itself(
    make_engine: MakeEngine, environment: str
) -> None:
    engine = make_engine(
        flow(
            {"only": {"Type": "Task", "Resource": "work", "End": True}},
            defaultTags={"team": "core"},
        )
    )

    @engine.task("work")
    async def work(number: int) -> int:
        return number + 1

    before = datetime.now(UTC)
    async with engine:
        started = await engine.start_workflow("flow", 41, id_suffix="o-17")
        assert started.status == "running"
        done = await engine.wait(started.id, timeout=15)
        shown = await engine.get_workflow(started.id)

    assert started.id == f"{environment}--flow--0--only--o-17"
    assert shown == done
    assert done.status is WorkflowStatus.SUCCEEDED
    assert (done.name, done.input, done.output, done.error) == ("flow", 41, 42, None)
    assert done.namespace == environment
    assert done.tags == {"team": "core"}
    assert done.definition == engine.get_definition("flow")
    assert done.stopped_at is not None
    # A server's clock may count whole milliseconds.
    assert before.timestamp() - 1 < done.created_at.timestamp() <= done.stopped_at.timestamp()


async def test_models_go_in_and_come_out(make_engine: MakeEngine) -> None:
    class Order(BaseModel):
        id: str
        placed_at: datetime

    class Receipt(BaseModel):
        order: Order
        total: float

    engine = make_engine(TASK)

    @engine.task("work")
    def work(order: Order) -> Receipt:
        return Receipt(order=order, total=1.5)

    async with engine:
        order = {"id": "o-1", "placed_at": "2026-01-02T03:04:05Z"}
        workflow = await engine.start_workflow("flow", order)
        done = await engine.wait(workflow.id, timeout=15)
    assert done.output == {"order": order, "total": 1.5}


async def test_a_handler_learns_who_it_works_for(make_engine: MakeEngine) -> None:
    engine = make_engine(
        one_state(
            Type="Map",
            ItemProcessor={
                "StartAt": "each",
                "States": {"each": {"Type": "Task", "Resource": "work", "End": True}},
            },
        ),
        worker_name="me",
    )
    contexts: list[TaskContext] = []

    @engine.task("work")
    async def work(ctx: TaskContext, item: str) -> str:
        contexts.append(ctx)
        await ctx.heartbeat()
        return item.upper()

    async with engine:
        workflow = await engine.start_workflow("flow", ["a", "b"])
        done = await engine.wait(workflow.id, timeout=15)
    assert done.output == ["A", "B"]
    assert {ctx.workflow_id for ctx in contexts} == {workflow.id}
    assert {ctx.workflow_name for ctx in contexts} == {"flow"}
    assert {ctx.state_name for ctx in contexts} == {"each"}
    assert {ctx.worker_name for ctx in contexts} == {"me"}
    assert {ctx.attempt for ctx in contexts} == {0}
    assert {ctx.heartbeat_seconds for ctx in contexts} == {60}
    assert sorted(ctx.map_index or 0 for ctx in contexts) == [0, 1]
    assert all(ctx.entered_at and ctx.entered_at.tzinfo for ctx in contexts)
    assert all((ctx.execution_arn or "").endswith(workflow.id) for ctx in contexts)
    assert len({ctx.idempotency_key for ctx in contexts}) == 2


async def test_a_failing_task_is_retried_then_caught(make_engine: MakeEngine) -> None:
    engine = make_engine(
        flow(
            {
                "charge": {
                    "Type": "Task",
                    "Resource": "charge",
                    "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 1}],
                    "Catch": [{"ErrorEquals": ["Busy"], "ResultPath": "$.why", "Next": "give up"}],
                    "End": True,
                },
                "give up": {"Type": "Task", "Resource": "apologise", "End": True},
            }
        )
    )
    attempts: list[tuple[int | None, str | None]] = []

    @engine.task("charge")
    async def charge(ctx: TaskContext) -> None:
        attempts.append((ctx.attempt, ctx.idempotency_key))
        raise TaskError("Busy", "come back later")

    @engine.task("apologise")
    async def apologise(order: dict[str, Any]) -> dict[str, Any]:
        return order

    async with engine:
        workflow = await engine.start_workflow("flow", {"id": "o-1"})
        done = await engine.wait(workflow.id, timeout=15)
    assert done.output == {"id": "o-1", "why": {"Error": "Busy", "Cause": "come back later"}}
    assert [attempt for attempt, _ in attempts] == [0, 1]
    assert len({key for _, key in attempts}) == 1


async def test_an_exception_fails_the_workflow_with_its_class_and_a_cause_to_parse(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(TASK)

    @engine.task("work")
    async def work() -> None:
        raise LookupError("no such sku")

    async with engine:
        workflow = await engine.start_workflow("flow")
        done = await engine.wait(workflow.id, timeout=15)
    assert (done.status, done.error) == ("failed", "LookupError")
    cause = json.loads(done.cause or "")
    assert (cause["errorType"], cause["errorMessage"]) == ("LookupError", "no such sku")
    assert any("no such sku" in line for line in cause["trace"])


@pytest.mark.parametrize(
    ("result", "error"),
    [
        pytest.param(object(), "aiowfm.InvalidOutput", id="not JSON"),
        pytest.param(float("nan"), "aiowfm.InvalidOutput", id="NaN"),
        pytest.param("x" * 300_000, "aiowfm.PayloadTooLarge", id="too large"),
    ],
)
async def test_a_result_that_cannot_travel_fails_the_task(
    make_engine: MakeEngine, result: object, error: str
) -> None:
    engine = make_engine(TASK)

    @engine.task("work")
    async def work():  # type: ignore[no-untyped-def]  # handlers may go without annotations
        return result

    async with engine:
        workflow = await engine.start_workflow("flow")
        done = await engine.wait(workflow.id, timeout=15)
    assert (done.status, done.error) == ("failed", error)


async def test_an_input_that_does_not_fit_the_model_names_each_field(
    make_engine: MakeEngine,
) -> None:
    class Order(BaseModel):
        id: str
        quantity: int

    engine = make_engine(TASK)

    @engine.task("work")
    async def work(order: Order) -> None:
        raise AssertionError("never called")

    async with engine:
        workflow = await engine.start_workflow("flow", {"quantity": "many"})
        done = await engine.wait(workflow.id, timeout=15)
    assert done.error == "aiowfm.InvalidInput"
    assert "id" in (done.cause or "")
    assert "quantity" in (done.cause or "")


async def test_choice_parallel_map_and_wait_lead_where_they_should(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(
        flow(
            {
                "big?": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.total", "NumericGreaterThan": 100, "Next": "both"}],
                    "Default": "no",
                },
                "both": {
                    "Type": "Parallel",
                    "ResultPath": "$.done",
                    "Branches": [
                        {
                            "StartAt": "lines",
                            "States": {
                                "lines": {
                                    "Type": "Map",
                                    "ItemsPath": "$.lines",
                                    "MaxConcurrency": 2,
                                    "ItemSelector": {
                                        "sku.$": "$$.Map.Item.Value",
                                        "order.$": "$.id",
                                    },
                                    "ItemProcessor": {
                                        "StartAt": "pick",
                                        "States": {
                                            "pick": {
                                                "Type": "Task",
                                                "Resource": "pick",
                                                "End": True,
                                            }
                                        },
                                    },
                                    "End": True,
                                }
                            },
                        },
                        {
                            "StartAt": "pause",
                            "States": {
                                "pause": {"Type": "Wait", "Seconds": 1, "Next": "say so"},
                                "say so": {"Type": "Pass", "Result": "paused", "End": True},
                            },
                        },
                    ],
                    "Next": "yes",
                },
                "yes": {"Type": "Succeed", "OutputPath": "$.done"},
                "no": {"Type": "Fail", "Error": "TooSmall", "Cause": "not worth it"},
            }
        )
    )

    @engine.task("pick")
    async def pick(line: dict[str, str]) -> str:
        return f"{line['order']}/{line['sku']}"

    async with engine:
        big = await engine.start_workflow(
            "flow", {"id": "o", "total": 101, "lines": ["a", "b", "c"]}
        )
        small = await engine.start_workflow("flow", {"id": "o", "total": 100, "lines": []})
        big = await engine.wait(big.id, timeout=15)
        small = await engine.wait(small.id, timeout=15)
    assert big.output == [["o/a", "o/b", "o/c"], "paused"]
    assert (small.status, small.error, small.cause) == ("failed", "TooSmall", "not worth it")


async def test_a_suffix_makes_starting_idempotent(make_engine: MakeEngine) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=600))
    async with engine:
        first = await engine.start_workflow("flow", {"a": 1, "b": [2]}, id_suffix="x")
        again = await engine.start_workflow("flow", {"b": [2], "a": 1}, id_suffix="x")
        assert again.id == first.id
        with pytest.raises(WorkflowExistsError, match="another input") as caught:
            await engine.start_workflow("flow", {"a": 2}, id_suffix="x")
        assert '{"a":2}' in str(caught.value)
        await engine.cancel_workflow(first.id)
        finished = await engine.start_workflow("flow", {"a": 1, "b": [2]}, id_suffix="x")
        assert (finished.id, finished.status) == (first.id, "cancelled")


async def test_a_cancelled_workflow_gives_the_reason(make_engine: MakeEngine) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=600))
    async with engine:
        workflow = await engine.start_workflow("flow")
        await engine.cancel_workflow(workflow.id, reason="customer changed his mind")
        done = await engine.wait(workflow.id, timeout=15)
        await engine.cancel_workflow(workflow.id, reason="again")
        assert await engine.get_workflow(workflow.id) == done
    assert (done.status, done.cause) == ("cancelled", "customer changed his mind")
    assert done.stopped_at is not None


async def test_workflows_are_listed_by_status_over_all_versions(make_engine: MakeEngine) -> None:
    states = {
        "stop?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.wait", "BooleanEquals": True, "Next": "wait"}],
            "Default": "fail",
        },
        "wait": {"Type": "Wait", "Seconds": 600, "End": True},
        "fail": {"Type": "Fail", "Error": "No"},
    }
    old = make_engine(flow(states, version=1))
    async with old:
        first = await old.start_workflow("flow", {"wait": True})
    engine = make_engine(flow(states, version=2))
    async with engine:
        assert [each.id async for each in engine.list_workflows("flow")] == [first.id]
        second = await engine.start_workflow("flow", {"wait": False})
        await engine.wait(second.id, timeout=15)
        listed = [each async for each in engine.list_workflows("flow")]
        assert {each.id for each in listed} == {first.id, second.id}
        assert all(each.input is None and each.output is None for each in listed)
        failed = [each.id async for each in engine.list_workflows("flow", status="failed")]
        assert failed == [second.id]
        assert len([each async for each in engine.list_workflows("flow", limit=1)]) == 1
        assert [each async for each in engine.list_workflows("other")] == []
        with pytest.raises(UsageError, match="there is no status 'lost'"):
            await anext(engine.list_workflows("flow", status="lost"))


async def test_waiting_gives_up_at_its_timeout_and_the_workflow_goes_on(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=600))
    async with engine:
        workflow = await engine.start_workflow("flow")
        with pytest.raises(TimeoutError):
            await engine.wait(workflow.id, timeout=0.01)
        assert (await engine.get_workflow(workflow.id)).status == "running"


async def test_what_does_not_exist_is_said_to_be_missing(make_engine: MakeEngine) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=1))
    async with engine:
        with pytest.raises(UnknownDefinitionError, match="did you mean 'flow'"):
            await engine.start_workflow("flw")
        for call in (engine.get_workflow, engine.wait, engine.cancel_workflow):
            with pytest.raises(WorkflowNotFoundError, match="there is no workflow"):
                await call("dev--flow--0--only--nowhere1")
            with pytest.raises(WorkflowNotFoundError, match="is not the id of a workflow"):
                await call("nonsense")


@pytest.mark.parametrize(
    ("input", "error"),
    [
        pytest.param({"when": object()}, NotJsonError, id="object"),
        pytest.param(float("inf"), NotJsonError, id="infinity"),
        pytest.param("\ud800", NotJsonError, id="surrogate"),
        pytest.param("ä" * 140_000, PayloadTooLargeError, id="too many bytes"),
    ],
)
async def test_an_input_that_cannot_travel_is_refused_before_anything_is_sent(
    make_engine: MakeEngine, input: object, error: type[Exception]
) -> None:
    engine = make_engine(TASK)

    @engine.task("work")
    async def work() -> None: ...

    async with engine:
        with pytest.raises(error, match="the input of workflow 'flow'"):
            await engine.start_workflow("flow", input)
        assert [each async for each in engine.list_workflows("flow")] == []


@pytest.mark.parametrize("suffix", ["", "a--b", "-a", "a b", "x" * 60])
async def test_a_suffix_that_cannot_be_part_of_an_id_is_refused(
    make_engine: MakeEngine, suffix: str
) -> None:
    async with make_engine(one_state(Type="Wait", Seconds=1)) as engine:
        with pytest.raises(UsageError, match="cannot end the id"):
            await engine.start_workflow("flow", id_suffix=suffix)


async def test_many_workflows_at_once_all_end_right(make_engine: MakeEngine) -> None:
    engine = make_engine(
        flow(
            {
                "first": {"Type": "Task", "Resource": "first", "Next": "second"},
                "second": {"Type": "Task", "Resource": "second", "End": True},
            }
        ),
        concurrency=20,
    )

    @engine.task("first")
    async def first(number: int) -> int:
        return number + 1

    @engine.task("second")
    async def second(number: int) -> int:
        return number * 2

    outputs: dict[int, object] = {}

    async def client(number: int) -> None:
        workflow = await engine.start_workflow("flow", number)
        outputs[number] = (await engine.wait(workflow.id, timeout=18)).output

    async with engine, anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(client, number)
    assert outputs == {number: (number + 1) * 2 for number in range(30)}


async def test_calls_to_a_stopped_engine_say_so(make_engine: MakeEngine) -> None:
    engine = make_engine(one_state(Type="Wait", Seconds=1))
    with pytest.raises(EngineStateError, match="stopped"):
        await engine.start_workflow("flow")
    async with engine:
        with pytest.raises(EngineStateError, match="running, not stopped"):
            await engine.start()
        workflow = await engine.start_workflow("flow")
    for call in (engine.get_workflow, engine.wait, engine.cancel_workflow):
        with pytest.raises(EngineStateError, match="stopped"):
            await call(workflow.id)
    with pytest.raises(EngineStateError, match="stopped"):
        await engine.stop()
    await engine.closed()
