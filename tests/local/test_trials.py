"""TestState: a single state, tried by itself."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio
import pytest

from aiowfm.asl.payload import JsonValue
from aiowfm.errors import BackendError
from aiowfm.local.errors import ServiceError
from aiowfm.local.queues import Message
from aiowfm.local.service import Service

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/role"
SEND = "arn:aws:states:::sqs:sendMessage"
START = "arn:aws:states:::states:startExecution"
ACTIVITY = "arn:aws:states:eu-west-1:123456789012:activity:work"
PASS = {"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}}
SEND_IT = {
    "Type": "Task",
    "Resource": SEND,
    "Parameters": {"QueueUrl": "q", "MessageBody.$": "$.text"},
    "Next": "on",
}
BY_JSONATA = {
    "QueryLanguage": "JSONata",
    "Type": "Task",
    "Resource": SEND,
    "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.input.text %}"},
    "Next": "on",
}
ALL = ["States.ALL"]


class Refusing:
    """A sender whose queues do not exist."""

    async def send(self, url: str, body: str, options: Mapping[str, JsonValue]) -> Message:
        raise BackendError("SendMessage", "QueueDoesNotExist", "gone")


class Silent:
    """A sender that never hears back."""

    async def send(self, url: str, body: str, options: Mapping[str, JsonValue]) -> Message:
        await anyio.sleep_forever()
        raise AssertionError


def a_service(**options: Any) -> Service:
    return Service(region="eu-west-1", account_id="123456789012", **options)


def a_clock(step: float) -> Callable[[], float]:
    """A clock that goes on by *step* seconds each time somebody looks at it."""
    return itertools.count(1e9, step).__next__


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = a_service()
    async with made.running():
        yield made


async def tried(
    service: Service, state: object, input: object = None, **request: Any
) -> dict[str, Any]:
    text = json.dumps({} if input is None else input)
    call = {"definition": json.dumps(state), "input": text, "roleArn": ROLE, **request}
    return await service.call("TestState", call)


async def inspected(
    service: Service, state: object, input: object = None, **request: Any
) -> dict[str, Any]:
    """What is shown at level DEBUG, as values."""
    answer = await tried(service, state, input, inspectionLevel="DEBUG", **request)
    shown = answer["inspectionData"]
    return {name: json.loads(text) for name, text in shown.items()}


async def refusal(service: Service, **request: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        await service.call("TestState", request)
    return caught.value.code, caught.value.message


# Tasks.


async def test_a_task_sends_its_message(service: Service) -> None:
    answer = await tried(service, SEND_IT, {"text": "hello"})
    message = service.queues.take("q")
    assert message is not None
    assert message.body == "hello"
    assert answer["status"] == "SUCCEEDED"
    assert answer["nextState"] == "on"
    output = json.loads(answer["output"])
    assert output == {"MessageId": message.id, "MD5OfMessageBody": message.md5}


async def test_a_task_starts_an_execution(service: Service) -> None:
    arn = await service.create_state_machine("child", json.dumps(PASS), ROLE, {})
    state = {
        "Type": "Task",
        "Resource": START,
        "Parameters": {"StateMachineArn": arn, "Input.$": "$"},
        "ResultSelector": {"arn.$": "$.ExecutionArn"},
        "End": True,
    }
    answer = await tried(service, state, {"a": 1})
    listed: Any = await service.call("ListExecutions", {"stateMachineArn": arn})
    (only,) = listed["executions"]
    run = await service.describe_execution(only["executionArn"])
    assert json.loads(answer["output"]) == {"arn": run.arn}
    assert run.input.value == {"a": 1}


async def test_a_tried_task_leaves_no_execution_behind(service: Service) -> None:
    arn = await service.create_state_machine("m", json.dumps(PASS), ROLE, {})
    before = await service.start_execution(arn, "before", "{}")
    await tried(service, SEND_IT, {"text": "hello"})
    after = await service.start_execution(arn, "after", "{}")
    assert after.number == before.number + 1


async def test_a_resource_that_the_engine_does_not_run_fails(service: Service) -> None:
    state = {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:1:function:f", "End": True}
    answer = await tried(service, state)
    assert answer["status"] == "FAILED"
    assert answer["error"] == "States.Runtime"
    assert "sqs:sendMessage" in answer["cause"]
    assert "nextState" not in answer


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {"status": "FAILED"}, id="neither Retry nor Catch"),
        pytest.param(
            {"Retry": [{"ErrorEquals": ALL}], "Catch": [{"ErrorEquals": ALL, "Next": "mend"}]},
            {"status": "RETRIABLE"},
            id="Retry goes before Catch",
        ),
        pytest.param(
            {
                "Retry": [{"ErrorEquals": ALL, "MaxAttempts": 0}],
                "Catch": [{"ErrorEquals": ALL, "Next": "mend", "ResultPath": None}],
            },
            {"status": "CAUGHT_ERROR", "nextState": "mend", "output": '{"text": "x"}'},
            id="a retrier without attempts leaves it to Catch",
        ),
        pytest.param(
            {"Catch": [{"ErrorEquals": ["Other"], "Next": "mend"}]},
            {"status": "FAILED"},
            id="another error is caught",
        ),
    ],
)
async def test_the_status_says_what_would_follow_a_failure(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with (service := a_service(sender=Refusing())).running():
        answer = await tried(service, {**SEND_IT, **fields}, {"text": "x"})
    assert answer.pop("cause")
    assert answer == {"error": "SQS.QueueDoesNotExist", **expected}


@pytest.mark.parametrize("state", [SEND_IT, BY_JSONATA], ids=["JSONPath", "JSONata"])
async def test_an_error_that_is_caught_is_the_output(state: dict[str, Any]) -> None:
    state = {**state, "Catch": [{"ErrorEquals": ALL, "Next": "mend"}]}
    async with (service := a_service(sender=Refusing())).running():
        answer = await tried(service, state, {"text": "x"})
    assert answer["status"] == "CAUGHT_ERROR"
    assert json.loads(answer["output"]) == {"Error": answer["error"], "Cause": answer["cause"]}


async def test_a_result_that_does_not_fit_is_an_error_that_can_be_caught(
    service: Service,
) -> None:
    error = "States.ResultPathMatchFailure"
    state = {
        **SEND_IT,
        "ResultPath": "$.text.deeper",
        "Catch": [{"ErrorEquals": [error], "Next": "mend", "ResultPath": "$.error"}],
    }
    answer = await tried(service, state, {"text": "x"})
    assert (answer["status"], answer["error"]) == ("CAUGHT_ERROR", error)
    assert json.loads(answer["output"])["error"]["Error"] == error


async def test_an_expression_that_fails_can_be_tried_again(service: Service) -> None:
    retry = [{"ErrorEquals": ["States.QueryEvaluationError"]}]
    state = {**BY_JSONATA, "Arguments": "{% $nope() %}", "Retry": retry}
    answer = await tried(service, state)
    assert (answer["status"], answer["error"]) == ("RETRIABLE", "States.QueryEvaluationError")


@pytest.mark.parametrize(
    ("timeout", "step", "expected"),
    [
        pytest.param(200, 250, {"error": "States.Timeout"}, id="its own timeout"),
        pytest.param(
            9_000,
            400,
            {
                "error": "States.Timeout",
                "cause": "TestState runs for 300 seconds at most.",
            },
            id="the five minutes of a trial",
        ),
    ],
)
async def test_a_task_is_not_waited_for_beyond(
    timeout: int, step: float, expected: dict[str, Any]
) -> None:
    service = a_service(sender=Silent(), now=a_clock(step))
    answer = await tried(service, {**SEND_IT, "TimeoutSeconds": timeout}, {"text": "x"})
    assert answer == {"status": "FAILED", **expected}


async def test_a_timeout_can_be_tried_again() -> None:
    service = a_service(sender=Silent(), now=a_clock(10))
    retry = [{"ErrorEquals": ["States.Timeout"]}]
    state = {**SEND_IT, "TimeoutSeconds": 5, "Retry": retry}
    assert await tried(service, state, {"text": "x"}) == {
        "status": "RETRIABLE",
        "error": "States.Timeout",
    }


# Data.


async def test_inspection_shows_the_data_of_a_jsonpath_task_step_by_step(
    service: Service,
) -> None:
    state = {
        **SEND_IT,
        "InputPath": "$.in",
        "ResultSelector": {"sum.$": "$.MD5OfMessageBody"},
        "ResultPath": "$.sent",
        "OutputPath": "$.sent.sum",
        "Assign": {"text": "changed", "count": 2},
    }
    input = {"in": {"text": "hello"}}
    shown = await inspected(service, state, input, variables='{"text": "was", "kept": 1}')
    message = service.queues.take("q")
    assert message is not None
    assert shown == {
        "input": input,
        "afterInputPath": {"text": "hello"},
        "afterParameters": {"QueueUrl": "q", "MessageBody": "hello"},
        "result": {"MessageId": message.id, "MD5OfMessageBody": message.md5},
        "afterResultSelector": {"sum": message.md5},
        "afterResultPath": {**input, "sent": {"sum": message.md5}},
        "variables": {"text": "changed", "kept": 1, "count": 2},
    }


async def test_inspection_shows_the_data_of_a_jsonata_task(service: Service) -> None:
    state = {**BY_JSONATA, "Output": "{% $states.result.MessageId %}"}
    shown = await inspected(service, state, {"text": "hello"})
    message = service.queues.take("q")
    assert message is not None
    assert shown == {
        "input": {"text": "hello"},
        "afterArguments": {"QueueUrl": "q", "MessageBody": "hello"},
        "result": {"MessageId": message.id, "MD5OfMessageBody": message.md5},
    }


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        pytest.param({"InputPath": "$.nope"}, {"input"}, id="InputPath"),
        pytest.param(
            {"Parameters": {"a.$": "$.nope"}}, {"input", "afterInputPath"}, id="Parameters"
        ),
        pytest.param(
            {"ResultSelector": {"a.$": "$.nope"}},
            {"input", "afterInputPath", "afterParameters", "result"},
            id="ResultSelector",
        ),
    ],
)
async def test_inspection_shows_how_far_a_state_came(
    service: Service, fields: dict[str, Any], steps: set[str]
) -> None:
    shown = await inspected(service, {**SEND_IT, **fields}, {"text": "hello"})
    assert set(shown) == steps


async def test_inspection_computes_with_the_variables_that_the_state_found(
    service: Service,
) -> None:
    state = {
        "Type": "Task",
        "Resource": SEND,
        "Parameters": {"QueueUrl": "q", "MessageBody.$": "$n"},
        "ResultSelector": {"n.$": "$n"},
        "Assign": {"n": "new"},
        "End": True,
    }
    shown = await inspected(service, state, variables='{"n": "old"}')
    assert shown["afterResultSelector"] == {"n": "old"}
    assert shown["variables"] == {"n": "new"}


async def test_what_is_random_is_inspected_as_it_was(service: Service) -> None:
    state = {"Type": "Pass", "Parameters": {"id.$": "States.UUID()"}, "End": True}
    answers = [await tried(service, state, inspectionLevel="DEBUG") for _ in range(2)]
    for answer in answers:
        assert answer["inspectionData"]["afterParameters"] == answer["output"]
    assert answers[0]["output"] != answers[1]["output"]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"Type": "Succeed"}, id="Succeed"),
        pytest.param({"Type": "Wait", "Seconds": 1, "End": True}, id="Wait"),
        pytest.param({"Type": "Fail", "Error": "E"}, id="Fail"),
        pytest.param(
            {
                "Type": "Choice",
                "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "x"}],
                "Default": "y",
            },
            id="Choice",
        ),
    ],
)
async def test_states_without_a_result_show_their_input_only(
    service: Service, state: dict[str, Any]
) -> None:
    shown = await inspected(service, state, {"a": 1})
    assert shown == {"input": {"a": 1}, "afterInputPath": {"a": 1}}


@pytest.mark.parametrize("type", ["Pass", "Wait", "Succeed", "Fail", "Choice"])
async def test_jsonata_states_without_arguments_show_input_and_variables(
    service: Service, type: str
) -> None:
    fields: dict[str, dict[str, Any]] = {
        "Pass": {"End": True},
        "Wait": {"Seconds": "{% $v %}", "End": True},
        "Succeed": {},
        "Fail": {"Error": "{% $string($v) %}"},
        "Choice": {"Choices": [{"Condition": "{% $v = 1 %}", "Next": "x"}], "Default": "y"},
    }
    state = {"QueryLanguage": "JSONata", "Type": type, **fields[type]}
    shown = await inspected(service, state, {"a": 1}, variables='{"v": 1}')
    assert shown == {"input": {"a": 1}, "variables": {"v": 1}}


async def test_a_fixed_result_hides_what_it_makes_irrelevant(service: Service) -> None:
    state = {"Type": "Pass", "Result": [1], "ResultPath": "$.r", "OutputPath": "$.r", "End": True}
    assert await inspected(service, state, {"a": 1}) == {
        "input": {"a": 1},
        "result": [1],
        "afterResultSelector": [1],
        "afterResultPath": {"a": 1, "r": [1]},
    }


async def test_variables_are_taken_as_they_are(service: Service) -> None:
    variables = {"a": "{% 1 %}", "b": {"c.$": "$.nope"}}
    state = {"Type": "Pass", "Parameters": {"a.$": "$a", "b.$": "$b"}, "End": True}
    answer = await tried(service, state, variables=json.dumps(variables))
    assert json.loads(answer["output"]) == variables


# What is refused.


@pytest.mark.parametrize(
    "state",
    [
        pytest.param({"Type": "Task", "Resource": ACTIVITY, "End": True}, id="activity"),
        pytest.param({**SEND_IT, "Resource": SEND + ".waitForTaskToken"}, id="waitForTaskToken"),
        pytest.param({**SEND_IT, "Resource": START + ".sync"}, id="sync"),
        pytest.param({**SEND_IT, "Resource": START + ".sync:2"}, id="sync:2"),
        pytest.param({"Type": "Parallel", "Branches": [PASS], "End": True}, id="Parallel"),
        pytest.param({"Type": "Map", "ItemProcessor": PASS, "End": True}, id="Map"),
    ],
)
async def test_what_cannot_be_tried_is_refused(service: Service, state: dict[str, Any]) -> None:
    if "Parameters" in state:
        state = {**state, "Parameters": {"TaskToken.$": "$$.Task.Token"}}
    code, message = await refusal(service, definition=json.dumps(state), roleArn=ROLE)
    assert code == "InvalidDefinition"
    assert "TestState does not support" in message


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param({"definition": "{"}, "InvalidDefinition", id="no JSON"),
        pytest.param({"definition": "[]"}, "InvalidDefinition", id="no object"),
        pytest.param({"definition": "{}"}, "InvalidDefinition", id="no Type"),
        pytest.param({"definition": json.dumps(PASS)}, "InvalidDefinition", id="a machine"),
        pytest.param({"definition": '{"Type": 1}'}, "InvalidDefinition", id="odd Type"),
        pytest.param({"definition": '{"Type": "Pass"}'}, "InvalidDefinition", id="no way out"),
        pytest.param(
            {"definition": '{"Type": "Task", "Resource": 1, "End": true}'},
            "InvalidDefinition",
            id="odd Resource",
        ),
        pytest.param({"input": "{"}, "InvalidExecutionInput", id="input"),
        pytest.param({"input": '"' + 262_144 * "x" + '"'}, "ValidationException", id="large"),
        pytest.param({"input": '"\ud800"'}, "ValidationException", id="half a character"),
        pytest.param({"variables": "{"}, "ValidationException", id="variables are no JSON"),
        pytest.param({"variables": "[1]"}, "ValidationException", id="variables are no object"),
        pytest.param({"roleArn": "role"}, "InvalidArn", id="role"),
    ],
)
async def test_bad_requests_have_the_errors_of_aws(
    service: Service, request_: dict[str, Any], code: str
) -> None:
    request = {"definition": '{"Type": "Succeed"}', "roleArn": ROLE, **request_}
    assert (await refusal(service, **request))[0] == code


async def test_input_and_role_may_be_left_out(service: Service) -> None:
    state = {"Type": "Pass", "Parameters": {"role.$": "$$.Execution.RoleArn"}, "End": True}
    answer: Any = await service.call("TestState", {"definition": json.dumps(state)})
    assert json.loads(answer["output"]) == {"role": service.role_arn}


async def test_the_next_state_may_have_any_name(service: Service) -> None:
    for name in ("TestState", "Variables"):
        state = {"Type": "Pass", "Next": name}
        answer = await tried(service, state, variables='{"a": 1}')
        assert answer["nextState"] == name


@pytest.mark.parametrize(
    ("what", "state"),
    [
        pytest.param("asl.states.step", {"Type": "Succeed"}, id="in the interpreter"),
        pytest.param("local.queues.Queues.send", SEND_IT, id="as a message is sent"),
        pytest.param(
            "local.service.Service.begin_execution",
            {**SEND_IT, "Resource": START, "Parameters": {"StateMachineArn": "x"}},
            id="as an execution is started",
        ),
    ],
)
async def test_a_defect_of_the_engine_fails_the_state(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    what: str,
    state: dict[str, Any],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(f"aiowfm.{what}", broken)
    assert await tried(service, state, {"text": "x"}) == {
        "status": "FAILED",
        "error": "States.Runtime",
        "cause": "The embedded engine failed; its log says why.",
    }
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_state_that_takes_long_is_done_in_several_turns(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiowfm.asl.interpreter.STEPS_PER_CALL", 1)
    assert await tried(service, {"Type": "Pass", "Next": "on"}) == {
        "status": "SUCCEEDED",
        "output": "{}",
        "nextState": "on",
    }
