from __future__ import annotations

import logging
from typing import Any

import pytest

from aiowfm.definitions import WorkflowDefinition, check_definitions, load_definitions, unused_tasks
from aiowfm.errors import Problem

CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def definition(key: dict[str, Any], *, language: str = "JSONPath") -> WorkflowDefinition:
    field = "Arguments" if language == "JSONata" else "Parameters"
    state = {
        "Type": "Task",
        "Resource": CALLBACK,
        "TimeoutSeconds": 5,
        field: {"MessageBody": key},
        "End": True,
    }
    machine = {
        "StartAt": "it",
        "TimeoutSeconds": 60,
        "QueryLanguage": language,
        "States": {"it": state},
    }
    return WorkflowDefinition(name="n", state_machine=machine)


def found(source: Any) -> list[Problem]:
    _, problems = check_definitions(source)
    return problems


@pytest.mark.parametrize(
    "key",
    [
        {"TaskKey": "approve"},
        {"TaskKey.$": "$.kind"},
        {"TaskKey": "$.customer.name"},
        {"TaskKey.$": "States.Format('valid/{}', $.kind)"},
        {"TaskKey.$": "$$.State.Name"},
    ],
    ids=str,
)
def test_a_key_that_recurs_is_warned_of(key: dict[str, Any]) -> None:
    (problem,) = found(definition(key))
    assert problem.severity == "warning"
    assert "uses neither the execution's name nor an id" in problem.message
    assert "$$.Execution.Name" in problem.message


@pytest.mark.parametrize(
    "key",
    [
        {"TaskKey.$": "$.id"},
        {"TaskKey.$": "$.order_id"},
        {"TaskKey.$": "$['orderId']"},
        {"TaskKey": "$.TaskKey"},
        {"TaskKey.$": "$$.Execution.Name"},
        {"TaskKey.$": "$$['Execution']['Name']"},
        {"TaskKey.$": "States.Format('{}/{}', $.kind, $$.Execution.Id)"},
        {"TaskKey.$": "States.UUID()"},
    ],
    ids=str,
)
def test_a_key_of_its_own_is_fine(key: dict[str, Any]) -> None:
    assert found(definition(key)) == []


@pytest.mark.parametrize(
    ("key", "warnings"),
    [
        ("{% $states.input.kind %}", 1),
        ("approve", 1),
        ("{% $states.input.id %}", 0),
        ("{% $states.context.Execution.Name & '/x' %}", 0),
        ("{% $uuid() %}", 0),
    ],
)
def test_keys_in_jsonata_are_read_alike(key: str, warnings: int) -> None:
    problems = found(definition({"TaskKey": key}, language="JSONata"))
    assert len(problems) == warnings
    assert all("$states.context.Execution.Name" in each.message for each in problems)


MACHINE = {"StartAt": "a", "States": {"a": {"Type": "Task", "Resource": "work", "End": True}}}


def test_a_machine_without_a_limit_of_time_is_warned_of() -> None:
    (problem,) = found({"name": "n", "stateMachine": MACHINE})
    assert (problem.severity, problem.code) == ("warning", "NO_TIMEOUT")
    assert found({"name": "n", "stateMachine": {**MACHINE, "TimeoutSeconds": 9}}) == []


def test_warnings_are_logged_once_and_errors_raised(caplog: pytest.LogCaptureFixture) -> None:
    task = {"Type": "Task", "Resource": "work", "Parameters": {"a": "$.a"}, "End": True}
    machine = {"StartAt": "a", "States": {"a": task}}
    with caplog.at_level(logging.INFO, "aiowfm.definitions"):
        load_definitions({"name": "n", "stateMachine": machine})
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in logged] == ["WARNING", "INFO"]
    assert "a looks like a JSONPath" in logged[0][1]
    assert "no TimeoutSeconds" in logged[1][1]


def test_tasks_that_no_definition_names_are_unused() -> None:
    one = WorkflowDefinition(name="n", state_machine=MACHINE)
    assert unused_tasks([one], ["work", "wrok", "other"]) == ["wrok", "other"]
