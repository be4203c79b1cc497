"""The requests that Tasks make of services: in definitions, and when a Task runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from aiowfm.asl.resources import ServiceResource
from aiowfm.local.integration_rules import faults, problems
from aiowfm.local.service import Service

ROLE = "arn:aws:iam::123456789012:role/role"
START = "arn:aws:states:::states:startExecution"
SEND = "arn:aws:states:::sqs:sendMessage"
CHILD = "arn:aws:states:eu-west-1:123456789012:stateMachine:child"


def found(resource: str, **fields: Any) -> list[tuple[tuple[str | int, ...], str | None]]:
    state = {"Type": "Task", "Resource": resource, "End": True, **fields}
    definition = {"StartAt": "a", "States": {"a": state}}
    return [(each.pointer, each.aws) for each in problems(definition)]


@pytest.mark.parametrize(
    ("resource", "parameters", "words"),
    [
        pytest.param(
            START, {}, ["The field 'StateMachineArn' is required but was missing"], id="machine"
        ),
        pytest.param(
            SEND,
            {},
            [
                "The field 'QueueUrl' is required but was missing",
                "The field 'MessageBody' is required but was missing",
            ],
            id="queue and body",
        ),
        pytest.param(
            START + ".sync:2",
            {"StateMachineArn": CHILD, "stateMachineArn": CHILD, "Foo.$": "$"},
            [
                'The field "stateMachineArn" is not supported by Step Functions',
                'The field "Foo" is not supported by Step Functions',
            ],
            id="unknown",
        ),
        pytest.param(
            SEND + ".waitForTaskToken",
            {"QueueUrl.$": "$.url", "MessageBody.$": "$", "MessageGroupId": "g"},
            [],
            id="paths",
        ),
        pytest.param("arn:aws:states:::lambda:invoke", {"Foo": 1}, [], id="another service"),
        pytest.param(SEND + ".sync", {"Foo": 1}, [], id="another pattern"),
    ],
)
def test_parameters_are_checked(resource: str, parameters: Any, words: list[str]) -> None:
    place = ("States", "a", "Parameters")
    assert found(resource, Parameters=parameters) == [(place, each) for each in words]


def test_a_request_must_be_there() -> None:
    words = f"Parameters field is required for resource ARN: {SEND}"
    assert found(SEND) == [(("States", "a"), words)]
    words = f"Arguments field is required for resource ARN: {START}.sync"
    assert found(START + ".sync", QueryLanguage="JSONata") == [(("States", "a"), words)]


def test_arguments_are_checked_unless_they_are_computed() -> None:
    computed = {"QueryLanguage": "JSONata", "Arguments": "{% $states.input %}"}
    assert found(SEND, **computed) == []
    literal = {"QueryLanguage": "JSONata", "Arguments": {"QueueUrl": "q", "MessageBody.$": "$"}}
    assert [words for _, words in found(SEND, **literal)] == [
        'The field "MessageBody.$" is not supported by Step Functions',
        "The field 'MessageBody' is required but was missing",
    ]


def test_tasks_in_branches_and_iterations_are_checked() -> None:
    task = {"StartAt": "b", "States": {"b": {"Type": "Task", "Resource": SEND, "Parameters": {}}}}
    definition = {
        "StartAt": "a",
        "States": {
            "a": {"Type": "Parallel", "Branches": [task]},
            "c": {"Type": "Map", "ItemProcessor": task},
        },
    }
    assert {each.pointer for each in problems(definition)} == {
        ("States", "a", "Branches", 0, "States", "b", "Parameters"),
        ("States", "c", "ItemProcessor", "States", "b", "Parameters"),
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        pytest.param({"StateMachineArn": CHILD, "Name": None, "Input": None}, [], id="nothing"),
        pytest.param(
            {"StateMachineArn": None},
            ["The value for the field 'StateMachineArn' must be a STRING"],
            id="null",
        ),
        pytest.param(
            {"StateMachineArn": 7, "Name": ["x"], "Foo": 1},
            [
                'The field "Foo" is not supported by Step Functions',
                "The value for the field 'StateMachineArn' must be a STRING",
                "The value for the field 'Name' must be a STRING",
            ],
            id="types",
        ),
        pytest.param(
            "text", ["The field 'StateMachineArn' is required but was missing"], id="no object"
        ),
    ],
)
def test_what_paths_gave_is_checked(parameters: Any, words: list[str]) -> None:
    assert faults(ServiceResource("states", "startExecution", None), parameters) == words


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(region="eu-west-1", account_id="123456789012")
    async with made.running():
        yield made


async def failed(service: Service, state: dict[str, Any], input: str) -> str:
    definition = json.dumps({"StartAt": "call", "States": {"call": state | {"End": True}}})
    arn = await service.create_state_machine("m", definition, ROLE, {})
    run = await service.start_execution(arn, "x", input)
    with anyio.fail_after(10):
        await service.execution_finished(run.arn)
    assert (run.status, run.error) == ("FAILED", "States.Runtime")
    return run.cause or ""


@pytest.mark.anyio
async def test_a_machine_that_is_no_text_fails_the_task_with_the_reason(service: Service) -> None:
    task = {"Type": "Task", "Resource": START, "Parameters": {"StateMachineArn.$": "$.arn"}}
    assert await failed(service, task, '{"arn": null}') == (
        "An error occurred while executing the state 'call' (entered at the event id #2)."
        " The Parameters '{\"StateMachineArn\":null}' could not be used to start the Task:"
        " [The value for the field 'StateMachineArn' must be a STRING]"
    )


@pytest.mark.anyio
async def test_a_computed_request_is_checked_when_the_task_runs(service: Service) -> None:
    task = {"Type": "Task", "QueryLanguage": "JSONata", "Resource": SEND}
    cause = await failed(service, task | {"Arguments": "{% $states.input %}"}, '{"Foo": 1}')
    assert "The Arguments '{\"Foo\":1}' could not be used to start the Task:" in cause
    assert 'The field "Foo" is not supported by Step Functions' in cause
    assert "The field 'QueueUrl' is required but was missing" in cause
