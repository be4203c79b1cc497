from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aiowfm.definitions import CompilerOptions, WorkflowDefinition, compile_definition
from aiowfm.ports import ActivityTask, TaskToken
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.envelope import opened
from tests.worker.fakes import EXECUTION, MACHINE, activity_task


async def beat() -> None: ...


def context_of(task: ActivityTask) -> TaskContext:
    return opened(task, task_name="charge", worker_name="me", beat=beat)


def raw(value: object) -> ActivityTask:
    return ActivityTask(token=TaskToken("secret"), input=json.dumps(value))


def test_an_envelope_tells_everything_about_the_task() -> None:
    ctx = context_of(activity_task("t", {"id": 17}, attempt=2, index=3, heartbeat=60))
    assert ctx.input == {"id": 17}
    assert (ctx.task_name, ctx.worker_name, ctx.task_token) == ("charge", "me", "t")
    assert ctx.execution_arn == EXECUTION
    assert ctx.workflow_id == f"{MACHINE}--o-17"
    assert ctx.workflow_name == "orders"
    assert ctx.state_name == "charge"
    assert (ctx.attempt, ctx.map_index, ctx.heartbeat_seconds) == (2, 3, 60)
    assert ctx.entered_at == datetime(2024, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)


def test_what_an_envelope_does_not_say_is_none() -> None:
    ctx = context_of(activity_task("t"))
    assert (ctx.map_index, ctx.heartbeat_seconds) == (None, None)


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        ([{"traceparent": "p", "tracestate": "s"}], ("p", "s")),
        ([{"traceparent": "p"}], ("p", None)),
        ([{"traceparent": "p", "tracestate": 1}], ("p", None)),
        ([{"traceparent": 1, "tracestate": "s"}], (None, None)),
        ([{"traceparent": "p"}] * 2, (None, None)),
        ([], (None, None)),
        (["p"], (None, None)),
        ({"traceparent": "p"}, (None, None)),
        (None, (None, None)),
    ],
    ids=repr,
)
def test_a_trace_context_is_told_if_it_is_one(trace: object, told: object) -> None:
    ctx = context_of(activity_task("t", trace=trace))
    assert (ctx.traceparent, ctx.tracestate) == told


@pytest.mark.parametrize("seconds", [True, 0, -1, 10**400, 1e300, "60", None, [60]], ids=repr)
def test_a_heartbeat_that_no_state_can_have_is_none(seconds: object) -> None:
    assert context_of(activity_task("t", heartbeat=seconds)).heartbeat_seconds is None


def test_an_execution_that_another_program_named_has_an_id_but_no_workflow() -> None:
    arn = "arn:aws:states:us-east-1:000000000000:execution:other:run"
    ctx = context_of(activity_task("t", execution=arn))
    assert (ctx.execution_arn, ctx.workflow_id, ctx.workflow_name) == (arn, "run", None)


ABOUT = {"execution": EXECUTION, "state": "charge", "entered": "2024-01-01T00:00:00Z", "attempt": 0}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param([1, 2], id="list"),
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"id": 17}, id="object"),
        pytest.param({"aiowfm": ABOUT}, id="no input"),
        pytest.param({"aiowfm": ABOUT, "input": 1, "more": 2}, id="another field"),
        pytest.param({"aiowfm": "ours?", "input": 1}, id="text"),
        pytest.param({"aiowfm": {}, "input": 1}, id="says nothing"),
        pytest.param({"aiowfm": {"execution": EXECUTION}, "input": 1}, id="no state"),
        pytest.param({"aiowfm": ABOUT | {"execution": 3}, "input": 1}, id="execution a number"),
        pytest.param({"aiowfm": ABOUT | {"state": None}, "input": 1}, id="state null"),
        pytest.param({"aiowfm": ABOUT | {"entered": "then"}, "input": 1}, id="entered no time"),
        pytest.param({"aiowfm": ABOUT | {"entered": [1]}, "input": 1}, id="entered a list"),
        pytest.param({"aiowfm": ABOUT | {"attempt": "1"}, "input": 1}, id="attempt text"),
        pytest.param({"aiowfm": ABOUT | {"index": {}}, "input": 1}, id="index an object"),
    ],
)
def test_an_input_that_is_no_envelope_is_taken_as_it_is(value: Any) -> None:
    ctx = context_of(raw(value))
    assert ctx.input == value
    assert ctx.execution_arn is None
    assert ctx.workflow_id is None
    assert ctx.workflow_name is None
    assert ctx.state_name is None
    assert ctx.attempt is None
    assert ctx.entered_at is None
    assert ctx.idempotency_key is None


def test_only_the_outermost_envelope_is_opened() -> None:
    inner = {"aiowfm": ABOUT, "input": 1}
    assert context_of(activity_task("t", inner)).input == inner


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[" * 100_000], ids=["empty", "cut", "NaN", "deep"]
)
def test_an_input_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        context_of(ActivityTask(token=TaskToken("t"), input=text))


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_what_the_compiler_puts_into_the_envelope_is_what_is_read_out_of_it(language: str) -> None:
    task = {"Type": "Task", "Resource": "charge", "HeartbeatSeconds": 30, "End": True}
    inner = {"StartAt": "charge", "States": {"charge": task}}
    each = {"Type": "Map", "ItemProcessor": inner, "End": True}
    definition = WorkflowDefinition(
        name="orders",
        state_machine={
            "StartAt": "each",
            "QueryLanguage": language,
            "States": {"each": each},
        },
    )
    options = CompilerOptions(trace_context=True)
    compiled: Any = compile_definition(
        definition, activity_arn=lambda name: f"arn:{name}", options=options
    )
    state = compiled["States"]["each"]["ItemProcessor"]["States"]["charge"]
    envelope = state.get("Parameters") or state["Arguments"]
    facts = {name.removesuffix(".$") for name in envelope["aiowfm"]}
    assert facts == {*ABOUT, "redrive", "heartbeat", "index", "trace"}
    assert {name.removesuffix(".$") for name in envelope} == {"aiowfm", "input"}
