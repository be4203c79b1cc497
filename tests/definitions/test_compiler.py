from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl import rules
from aiowfm.definitions import (
    CompilerOptions,
    WorkflowDefinition,
    compile_definition,
    stripped,
)
from aiowfm.errors import DefinitionError

PREFIX = "arn:aws:states:us-east-1:000000000000:activity:dev--app-"
RETRIER = {
    "ErrorEquals": ["aiowfm.WorkerStopped", "States.HeartbeatTimeout"],
    "IntervalSeconds": 10,
    "MaxAttempts": 10,
    "BackoffRate": 1.0,
}
PLAIN = CompilerOptions(envelope=False, default_heartbeat=False, default_retry=False)
FACTS = {
    "execution.$": "$$.Execution.Id",
    "redrive.$": "$$.Execution.RedriveCount",
    "state.$": "$$.State.Name",
    "entered.$": "$$.State.EnteredTime",
    "attempt.$": "$$.State.RetryCount",
}
JSONATA_FACTS = {
    "execution": "{% $states.context.Execution.Id %}",
    "redrive": "{% $states.context.Execution.RedriveCount %}",
    "state": "{% $states.context.State.Name %}",
    "entered": "{% $states.context.State.EnteredTime %}",
    "attempt": "{% $states.context.State.RetryCount %}",
}


def task(**fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": "work", **fields, "End": True}


def one(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**fields, "StartAt": "it", "States": {"it": state}}


def compiled(
    machine: dict[str, Any], options: CompilerOptions = PLAIN, start_at: str | None = None, **f: Any
) -> Any:
    definition = WorkflowDefinition(name="n", state_machine=machine, **f)
    return compile_definition(
        definition, start_at=start_at, activity_arn=lambda name: PREFIX + name, options=options
    )


def state_of(machine: dict[str, Any], options: CompilerOptions = PLAIN) -> Any:
    return compiled(machine, options)["States"]["it"]


def test_a_short_name_becomes_the_arn_of_the_activity() -> None:
    assert compiled(one(task(), Comment="c")) == one(
        {"Type": "Task", "Resource": f"{PREFIX}work", "End": True}, Comment="c"
    )


def test_with_all_options_a_task_looks_like_this() -> None:
    assert compiled(one(task()), CompilerOptions()) == one(
        {
            "Type": "Task",
            "Resource": f"{PREFIX}work",
            "End": True,
            "HeartbeatSeconds": 60,
            "Retry": [RETRIER],
            "Parameters": {"aiowfm": {**FACTS, "heartbeat": 60}, "input.$": "$"},
        }
    )


def test_the_order_of_fields_is_kept() -> None:
    first = {"Next": "a", "Type": "Task", "Resource": "x"}
    machine = {"States": {"b": first, "a": task()}, "StartAt": "b", "Version": "1"}
    result = compiled(machine, CompilerOptions())
    assert list(result) == ["States", "StartAt", "Version"]
    assert list(result["States"]) == ["b", "a"]
    assert list(result["States"]["b"])[:3] == ["Next", "Type", "Resource"]


def test_the_definition_stays_as_it_is() -> None:
    machine = one(
        {
            "Type": "Map",
            "Iterator": one(task(Retry=[{"ErrorEquals": ["x"]}], Parameters={"a": {"b.$": "$"}})),
            "End": True,
        }
    )
    before = deepcopy(machine)
    result = compiled(machine, CompilerOptions())
    result["States"]["it"]["Iterator"]["States"]["it"]["Retry"].clear()
    result["States"]["it"]["Iterator"]["States"]["it"]["Parameters"]["input"]["a"].clear()
    assert machine == before


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        pytest.param({}, {"aiowfm": FACTS, "input.$": "$"}, id="the input"),
        pytest.param(
            {"Parameters": {"a.$": "$.b", "c": 1}},
            {"aiowfm": FACTS, "input": {"a.$": "$.b", "c": 1}},
            id="own Parameters",
        ),
        pytest.param(
            {"HeartbeatSeconds": 7},
            {"aiowfm": {**FACTS, "heartbeat": 7}, "input.$": "$"},
            id="own heartbeat",
        ),
        pytest.param(
            {"HeartbeatSecondsPath": "$.beat"},
            {"aiowfm": {**FACTS, "heartbeat.$": "$.beat"}, "input.$": "$"},
            id="heartbeat by path",
        ),
    ],
)
def test_the_envelope_holds_what_the_handler_is_told(
    fields: dict[str, Any], parameters: dict[str, Any]
) -> None:
    options = CompilerOptions(default_heartbeat=False, default_retry=False)
    assert state_of(one(task(**fields)), options)["Parameters"] == parameters


@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        pytest.param({}, {"aiowfm": JSONATA_FACTS, "input": "{% $states.input %}"}, id="input"),
        pytest.param(
            {"Arguments": {"a": "{% 1 %}"}},
            {"aiowfm": JSONATA_FACTS, "input": {"a": "{% 1 %}"}},
            id="own Arguments",
        ),
        pytest.param(
            {"Arguments": "{% $x %}"},
            {"aiowfm": JSONATA_FACTS, "input": "{% $x %}"},
            id="Arguments as an expression",
        ),
        pytest.param(
            {"HeartbeatSeconds": "{% 5 %}"},
            {"aiowfm": {**JSONATA_FACTS, "heartbeat": "{% 5 %}"}, "input": "{% $states.input %}"},
            id="heartbeat as an expression",
        ),
    ],
)
@pytest.mark.parametrize("where", ["state", "machine"])
def test_in_jsonata_the_envelope_is_in_the_arguments(
    fields: dict[str, Any], arguments: dict[str, Any], where: str
) -> None:
    options = CompilerOptions(default_heartbeat=False, default_retry=False)
    language = {"QueryLanguage": "JSONata"}
    machine = (
        one(task(**fields, **language)) if where == "state" else one(task(**fields), **language)
    )
    state = state_of(machine, options)
    assert state["Arguments"] == arguments
    assert "Parameters" not in state


@pytest.mark.parametrize("engine", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_a_definition_has_the_last_word_on_its_envelope(engine: bool, own: bool) -> None:
    state = compiled(one(task()), CompilerOptions(envelope=engine), envelope=own)["States"]["it"]
    assert ("Parameters" in state) is own


@pytest.mark.parametrize("processor", ["ItemProcessor", "Iterator"])
def test_nested_tasks_are_compiled_and_know_their_index_inside_a_map(processor: str) -> None:
    def branch(name: str) -> dict[str, Any]:
        return {"StartAt": name, "States": {name: task()}}

    machine = {
        "StartAt": "map",
        "States": {
            "map": {
                "Type": "Map",
                processor: {
                    "StartAt": "inner",
                    "States": {
                        "inner": {"Type": "Parallel", "Branches": [branch("deep")], "End": True}
                    },
                },
                "Next": "both",
            },
            "both": {"Type": "Parallel", "Branches": [branch("a"), branch("b")], "End": True},
        },
    }
    states = compiled(machine, CompilerOptions())["States"]
    deep = states["map"][processor]["States"]["inner"]["Branches"][0]["States"]["deep"]
    flat = states["both"]["Branches"][1]["States"]["b"]
    index = {"index.$": "$$.Map.Item.Index"}
    assert deep["Resource"] == flat["Resource"] == f"{PREFIX}work"
    assert deep["Parameters"]["aiowfm"] == {**FACTS, **index, "heartbeat": 60}
    assert flat["Parameters"]["aiowfm"] == {**FACTS, "heartbeat": 60}
    assert "Parameters" not in states["map"]


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        pytest.param({}, 60, id="no timeout"),
        pytest.param({"TimeoutSeconds": 3600}, 60, id="long timeout"),
        pytest.param({"TimeoutSeconds": 61}, 60, id="61"),
        pytest.param({"TimeoutSeconds": 60}, 59, id="60"),
        pytest.param({"TimeoutSeconds": 2}, 1, id="2"),
        pytest.param({"TimeoutSeconds": 1}, None, id="1 leaves no room"),
        pytest.param({"TimeoutSecondsPath": "$.t"}, None, id="timeout by path"),
        pytest.param({"TimeoutSeconds": "{% 5 %}"}, None, id="timeout by expression"),
        pytest.param({"HeartbeatSeconds": 5}, 5, id="own"),
        pytest.param({"HeartbeatSeconds": 5, "TimeoutSeconds": 9}, 5, id="own, with timeout"),
        pytest.param({"HeartbeatSecondsPath": "$.t"}, None, id="own by path"),
    ],
)
def test_a_task_without_a_heartbeat_gets_one_below_its_timeout(
    fields: dict[str, Any], seconds: int | None
) -> None:
    state = state_of(one(task(**fields)), CompilerOptions(default_retry=False))
    assert state.get("HeartbeatSeconds") == seconds
    if "HeartbeatSecondsPath" not in fields:
        assert state["Parameters"]["aiowfm"].get("heartbeat") == seconds


@pytest.mark.parametrize(
    ("retry", "is_given"),
    [
        pytest.param(None, True, id="no Retry"),
        pytest.param([], True, id="empty Retry"),
        pytest.param([{"ErrorEquals": ["Mine"], "MaxAttempts": 0}], True, id="another error"),
        pytest.param([{"ErrorEquals": ["aiowfm.WorkerStopped"]}], False, id="WorkerStopped"),
        pytest.param([{"ErrorEquals": ["x", "States.HeartbeatTimeout"]}], False, id="Heartbeat"),
        pytest.param([{"ErrorEquals": ["States.ALL"]}], True, id="ALL"),
        pytest.param([{"ErrorEquals": ["States.Timeout"]}], True, id="Timeout"),
        pytest.param([{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}], False, id="ALL 0"),
        pytest.param(
            [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0}], False, id="Timeout 0"
        ),
        pytest.param(
            [{"ErrorEquals": ["x"]}, {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 0}],
            False,
            id="TaskFailed 0",
        ),
    ],
)
def test_a_task_gets_a_retrier_for_lost_workers_unless_it_says_otherwise(
    retry: list[Any] | None, is_given: bool
) -> None:
    fields = {} if retry is None else {"Retry": retry}
    state = state_of(one(task(**fields)), CompilerOptions())
    own = retry or []
    assert state.get("Retry", []) == ([RETRIER, *own] if is_given else own)


def test_a_task_registered_without_retries_gets_none() -> None:
    machine = {
        "StartAt": "a",
        "States": {"a": {"Type": "Task", "Resource": "a", "Next": "b"}, "b": task()},
    }
    options = CompilerOptions(no_retry_tasks=frozenset({"a"}))
    states = compiled(machine, options)["States"]
    assert "Retry" not in states["a"]
    assert states["b"]["Retry"] == [RETRIER]


@pytest.mark.parametrize("resource", ["arn:aws:lambda:us-east-1:1:function:f"])
def test_what_is_no_activity_stays_as_it_is(resource: str) -> None:
    machine = one({"Type": "Task", "Resource": resource, "Parameters": {"a": 1}, "End": True})
    assert compiled(machine, CompilerOptions()) == machine


MANY = {
    "StartAt": "a",
    "States": {
        "a": {"Type": "Pass", "Next": "b"},
        "b": task(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "c"}]),
        "c": {"Type": "Fail"},
    },
}


def test_another_start_leaves_out_what_cannot_be_reached_from_it() -> None:
    result = compiled(MANY, start_at="b")
    assert result["StartAt"] == "b"
    assert list(result["States"]) == ["b", "c"]
    assert rules.problems(result) == []
    assert list(compiled(MANY, start_at="a")["States"]) == ["a", "b", "c"]


def test_a_start_that_is_no_state_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="no state 'B' to start at; did you mean 'b'"):
        compiled(MANY, start_at="B")


def test_stripping_gives_what_the_author_wrote() -> None:
    machine = one(task(Parameters={"a": 1}, Retry=[{"ErrorEquals": ["x"]}], TimeoutSeconds=30))
    result = compiled(machine, CompilerOptions())
    assert stripped(result, task_name=lambda arn: arn.removeprefix(PREFIX)) == machine


def test_a_compiled_machine_is_without_problems() -> None:
    assert rules.problems(compiled(MANY, CompilerOptions())) == []


@pytest.mark.parametrize(
    ("language", "field", "facts"),
    [
        ("JSONPath", "Parameters", {"trace.$": "$$.Execution.Input.aiowfm.trace[*]"}),
        (
            "JSONata",
            "Arguments",
            {"trace": "{% [$states.context.Execution.Input.aiowfm.trace] %}"},
        ),
    ],
)
def test_a_traced_machine_takes_the_trace_context_out_and_hands_it_to_tasks(
    language: str, field: str, facts: dict[str, str]
) -> None:
    """Executions that run have such machines: what these states say may not change."""
    first = {"Type": "Task", "Resource": "work", "Next": "aiowfm trace"}
    states = {"it": first, "aiowfm trace": {"Type": "Succeed"}}
    machine = {"QueryLanguage": language, "StartAt": "it", "States": states}
    made = compiled(machine, CompilerOptions(trace_context=True))
    assert made["StartAt"] == "aiowfm trace!"
    assert made["States"]["aiowfm trace!"] == {
        "Type": "Pass",
        "QueryLanguage": "JSONata",
        "Output": (
            "{% $type($states.input) = 'object'"
            " and $exists($states.input.aiowfm.trace.traceparent) ? ("
            " $rest := $sift($states.input.aiowfm, function($value, $name) { $name != 'trace' });"
            " $exists($rest) ? $merge([$states.input, {'aiowfm': $rest}])"
            " : $merge([{}, $sift($states.input, function($value, $name) { $name != 'aiowfm' })])"
            " ) : $states.input %}"
        ),
        "Next": "it",
    }
    assert made["States"]["it"][field]["aiowfm"].items() >= facts.items()
    assert rules.problems(made) == []
    # What executions are given is no matter of the compiler's alone: the state stays.
    bare: Any = stripped(made, task_name=lambda arn: arn.removeprefix(PREFIX))
    assert list(bare["States"]) == ["aiowfm trace!", "it", "aiowfm trace"]
    assert bare["States"]["it"] == first


def test_a_definition_without_an_envelope_is_not_traced() -> None:
    options = CompilerOptions(trace_context=True)
    assert compiled(one(task()), options, envelope=False)["StartAt"] == "it"
    assert compiled(one(task()), replace(options, envelope=False))["StartAt"] == "it"
    again = compiled(one(task()), replace(options, envelope=False), envelope=True)
    assert again["StartAt"] == "aiowfm trace"


ENVELOPE = {"aiowfm": FACTS, "input": {"a": 1}}
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "TimeoutSeconds": st.sampled_from([1, 2, 60, 61, "{% 3 %}"]),
    "HeartbeatSeconds": st.sampled_from([1, 59, 60, "{% 3 %}"]),
    "HeartbeatSecondsPath": st.just("$.h"),
    "Retry": st.lists(
        st.sampled_from(
            [
                RETRIER,
                {"ErrorEquals": ["x"]},
                {"ErrorEquals": ["States.ALL"], "MaxAttempts": 0},
                {"ErrorEquals": ["States.HeartbeatTimeout"]},
            ]
        ),
        max_size=2,
    ),
    "Parameters": st.sampled_from([{}, {"a.$": "$.b"}, ENVELOPE, {"aiowfm": 1, "input": 2}]),
    "Arguments": st.sampled_from(["{% $states.input %}", {"a": "{% 1 %}"}, {"input": 1}]),
    "QueryLanguage": st.sampled_from(["JSONPath", "JSONata"]),
}


@st.composite
def machines(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=4))
    state: dict[str, Any] = task(**{name: draw(FIELDS[name]) for name in sorted(chosen)})
    if depth and draw(st.booleans()):
        inner = draw(machines(depth - 1))
        state = draw(
            st.sampled_from(
                [
                    {"Type": "Map", "ItemProcessor": inner, "End": True},
                    {"Type": "Parallel", "Branches": [inner], "End": True},
                ]
            )
        )
    return one(state)


OPTIONS = st.builds(
    CompilerOptions,
    envelope=st.booleans(),
    default_heartbeat=st.booleans(),
    default_retry=st.booleans(),
    no_retry_tasks=st.sampled_from([frozenset[str](), frozenset({"work"})]),
)


@given(machines(), OPTIONS, OPTIONS)
def test_compiled_and_stripped_a_definition_is_the_same_for_any_options(
    machine: dict[str, Any], first: CompilerOptions, second: CompilerOptions
) -> None:
    def name(arn: str) -> str:
        return arn.removeprefix(PREFIX)

    one_way = stripped(compiled(machine, first), task_name=name)
    assert one_way == stripped(compiled(machine, second), task_name=name)


def test_the_children_of_a_distributed_map_have_no_index() -> None:
    each = {"StartAt": "t", "States": {"t": {"Type": "Task", "Resource": "work", "End": True}}}
    distributed = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **each}
    machine = {
        "StartAt": "m",
        "States": {"m": {"Type": "Map", "ItemProcessor": distributed, "End": True}},
    }
    made = compile_definition(
        WorkflowDefinition(name="flow", state_machine=machine),
        activity_arn=lambda task: f"arn:aws:states:us-east-1:000000000000:activity:{task}",
        options=CompilerOptions(),
    )
    assert "$$.Map.Item.Index" not in json.dumps(made)
