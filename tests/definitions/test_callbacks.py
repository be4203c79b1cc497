from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.definitions import (
    CALLBACK_RESOURCE,
    CompilerOptions,
    WorkflowDefinition,
    check_definitions,
    compile_definition,
    has_callbacks,
    load_definitions,
    stripped,
)
from aiowfm.errors import DefinitionError

QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/dev--shop-callbacks"
FENCE = {
    "execution.$": "$$.Execution.Id",
    "redrive.$": "$$.Execution.RedriveCount",
    "state.$": "$$.State.Name",
    "entered.$": "$$.State.EnteredTime",
    "attempt.$": "$$.State.RetryCount",
}
JSONATA_FENCE = {
    "execution": "{% $states.context.Execution.Id %}",
    "redrive": "{% $states.context.Execution.RedriveCount %}",
    "state": "{% $states.context.State.Name %}",
    "entered": "{% $states.context.State.EnteredTime %}",
    "attempt": "{% $states.context.State.RetryCount %}",
}
TEXT = """
name: order
stateMachine:
  StartAt: approve
  TimeoutSeconds: 86400
  States:
    approve:
      Type: Task
      Resource: arn:aws:states:::sqs:sendMessage.waitForTaskToken
      HeartbeatSeconds: 600
      Parameters:
        MessageBody:
          TaskToken.$: "$$.Task.Token"
          TaskKey: "$.TaskKey"
      End: true
"""


def callback(body: Any = None, **fields: Any) -> dict[str, Any]:
    sent = {"MessageBody": {"TaskKey.$": "$.id"} if body is None else body}
    state = {"Type": "Task", "Resource": CALLBACK_RESOURCE, "TimeoutSeconds": 60}
    language = fields.get("QueryLanguage", "JSONPath")
    field = "Arguments" if language == "JSONata" else "Parameters"
    return {**state, field: sent, "End": True, **fields}


def machine(state: dict[str, Any], name: str = "ask") -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


def definition(state: dict[str, Any]) -> WorkflowDefinition:
    (loaded,) = load_definitions({"name": "order", "stateMachine": machine(state)})
    return loaded


def compiled(of: WorkflowDefinition) -> dict[str, Any]:
    return compile_definition(of, activity_arn=str, queue_url=QUEUE, options=CompilerOptions())


def compiled_state(state: dict[str, Any]) -> Any:
    made: Any = compiled(definition(state))
    assert rules.problems(made) == []
    return made["States"]["ask"]


def test_the_example_of_the_original_is_understood_as_it_was_meant() -> None:
    (loaded,) = load_definitions(TEXT)
    made: Any = compiled(loaded)
    assert rules.problems(made) == []
    assert made["States"]["approve"] == {
        "Type": "Task",
        "Resource": CALLBACK_RESOURCE,
        "HeartbeatSeconds": 600,
        "Parameters": {
            "MessageBody": {
                "TaskToken.$": "$$.Task.Token",
                "TaskKey.$": "$.TaskKey",
                "aiowfm": FENCE | {"heartbeat": 600},
            },
            "QueueUrl": QUEUE,
        },
        "End": True,
    }


def test_the_key_may_be_spelt_as_the_language_has_it_and_the_token_left_out() -> None:
    state = compiled_state(callback({"TaskKey.$": "$.id", "amount.$": "$.amount"}))
    assert state["Parameters"]["MessageBody"] == {
        "TaskKey.$": "$.id",
        "amount.$": "$.amount",
        "TaskToken.$": "$$.Task.Token",
        "aiowfm": FENCE | {"timeout": 60},
    }


def test_a_state_in_jsonata_gets_expressions() -> None:
    state = compiled_state(callback({"TaskKey": "{% $states.input.id %}"}, QueryLanguage="JSONata"))
    assert state["Arguments"] == {
        "MessageBody": {
            "TaskKey": "{% $states.input.id %}",
            "TaskToken": "{% $states.context.Task.Token %}",
            "aiowfm": JSONATA_FENCE | {"timeout": 60},
        },
        "QueueUrl": QUEUE,
    }


def test_inside_an_inline_map_the_item_is_part_of_who_waits() -> None:
    inner = machine(callback(), "inner")
    spread = {"Type": "Map", "ItemProcessor": inner, "End": True}
    state = compiled_state(spread)["ItemProcessor"]["States"]["inner"]
    about = state["Parameters"]["MessageBody"]["aiowfm"]
    assert about["index.$"] == "$$.Map.Item.Index"


def test_limits_that_are_known_at_run_time_only_travel_as_what_they_are() -> None:
    state = callback(HeartbeatSecondsPath="$.beat", TimeoutSecondsPath="$.limit")
    del state["TimeoutSeconds"]
    about = compiled_state(state)["Parameters"]["MessageBody"]["aiowfm"]
    assert (about["heartbeat.$"], about["timeout.$"]) == ("$.beat", "$.limit")


def test_a_queue_of_the_authors_own_is_left_to_him() -> None:
    state = callback()
    state["Parameters"]["QueueUrl"] = "https://elsewhere/q"
    assert compiled_state(state)["Parameters"]["QueueUrl"] == "https://elsewhere/q"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(callback(), id="JSONPath"),
        pytest.param(callback({"TaskKey": "$.id", "TaskToken.$": "$$.Task.Token"}), id="original"),
        pytest.param(
            callback({"TaskKey": "{% $states.input.id %}"}, QueryLanguage="JSONata"), id="JSONata"
        ),
    ],
)
def test_what_was_compiled_in_is_taken_off_for_comparing(state: dict[str, Any]) -> None:
    of = definition(state)
    before = deepcopy(of.state_machine)
    made = compiled(of)
    bare: Any = stripped(made, task_name=str, queue_url=QUEUE)
    assert of.state_machine == before
    assert bare == stripped(before, task_name=str, queue_url=QUEUE)
    elsewhere: Any = stripped(made, task_name=str, queue_url="https://elsewhere/q")
    assert elsewhere != bare


def test_a_definition_knows_whether_it_has_callbacks() -> None:
    assert has_callbacks(definition(callback()))
    inner = machine(callback(), "inner")
    assert has_callbacks(definition({"Type": "Parallel", "Branches": [inner], "End": True}))
    assert not has_callbacks(definition({"Type": "Succeed"}))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        pytest.param(callback(Parameters=None), "must not be null", id="no object"),
        pytest.param(callback("text"), "MessageBody must be an object", id="text"),
        pytest.param(callback(Parameters={"MessageBody.$": "$"}), "not a path to one", id="path"),
        pytest.param(callback({}), "TaskKey is missing", id="no key"),
        pytest.param(callback({"TaskKey": 5}), "TaskKey must be a string", id="a number"),
        pytest.param(callback({"TaskKey": ""}), "TaskKey must be a string", id="empty"),
        pytest.param(callback({"TaskKey": "ä" * 1_025}), "1 to 2,048 bytes", id="too long"),
        pytest.param(callback({"TaskKey.$": "$.id", "aiowfm": {}}), "is added", id="fence"),
        pytest.param(
            callback({"TaskKey.$": "$.id", "TaskToken": "x"}), "or be left out", id="token"
        ),
        pytest.param(
            callback({"TaskKey": "$.id"}, QueryLanguage="JSONata"),
            "path of JSONPath",
            id="path",
        ),
        pytest.param(
            callback("{% $states.input %}", QueryLanguage="JSONata"),
            "MessageBody must be an object",
            id="an expression",
        ),
    ],
)
def test_a_callback_that_nobody_could_finish_is_refused(
    state: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        definition(state)
    (problem,) = [each for each in caught.value.problems if message in each.message]
    assert (problem.where, problem.severity) == ("order.ask", "error")


def test_a_refusal_says_where_it_is_in_the_file() -> None:
    text = TEXT.replace('TaskKey: "$.TaskKey"', "Key: 1")
    with pytest.raises(DefinitionError) as caught:
        load_definitions(text)
    assert [(each.line, each.severity) for each in caught.value.problems] == [(12, "error")]


def test_a_wait_without_an_end_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    text = TEXT.replace("      HeartbeatSeconds: 600\n", "")
    _, (problem,) = check_definitions(text)
    assert problem.severity == "warning"
    assert "waits for a year" in problem.message
    with caplog.at_level(logging.WARNING, "aiowfm.definitions"):
        load_definitions(text)
    assert "order.approve: warning: the callback may never come" in caplog.text
