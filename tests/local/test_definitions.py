from __future__ import annotations

import json
from typing import Any

import pytest

from aiowfm.local.definitions import diagnostics, refusal

ARN = "arn:aws:states:::lambda:invoke"
PASS = {"Type": "Pass", "End": True}


def machine(state: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"StartAt": "S", "States": {"S": state}, **fields})


def refused(text: str) -> str:
    error = refusal(diagnostics(text))
    assert error is not None
    return error.message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(
            machine({"Type": "Task", "Resource": "work", "End": True}),
            "SCHEMA_VALIDATION_FAILED: Value is not a valid resource ARN at /States/S/Resource",
            id="resource",
        ),
        pytest.param(
            machine({**PASS, "Output": 1}),
            "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output'"
            " is only supported for the 'JSONata' QueryLanguage at /States/S",
            id="field of the other language",
        ),
        pytest.param(
            machine({**PASS, "QueryLanguage": "JSONPath"}, QueryLanguage="JSONata"),
            "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata'"
            " for whole state machine at /States/S",
            id="language of a state",
        ),
        pytest.param(
            machine({**PASS, "Output": {"v": "{% phone %}"}}, QueryLanguage="JSONata"),
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not"
            " supported. at /States/S/Output/v",
            id="name at the top level",
        ),
        pytest.param(
            machine({"Type": "Pass", "Next": "S"}),
            "MISSING_END_STATE: Workflow has no terminal state at null",
            id="no end",
        ),
        pytest.param(
            '{"StartAt": "S", "States": {"S": {"Type": "Succeed"}, "S": {"Type": "Succeed"}}}',
            "DUPLICATE_STATE_NAME: Duplicate State name: S at /States/S",
            id="state given twice",
        ),
        pytest.param(
            machine({**PASS, "TimeoutSeconds": 1}),
            "SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/S",
            id="field of another type",
        ),
        pytest.param(
            machine({"Type": "Wait", "Seconds": 100_000_000, "End": True}),
            "SCHEMA_VALIDATION_FAILED: Maximum value is 99999999 at /States/S/Seconds",
            id="number",
        ),
        pytest.param(
            machine({"Type": "Parallel", "Branches": [], "End": True}),
            "SCHEMA_VALIDATION_FAILED: Value cannot be empty at /States/S/Branches",
            id="no branches",
        ),
        pytest.param(
            machine(PASS, QueryLanguage="XPath"),
            "SCHEMA_VALIDATION_FAILED: Value should be one of the following: [JSONPath, JSONata]"
            " at /QueryLanguage",
            id="value of a list",
        ),
        pytest.param(
            machine({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": True}),
            "SCHEMA_VALIDATION_FAILED: There should only be one of the following fields:"
            " [SecondsPath, Seconds, TimestampPath, Timestamp] at /States/S",
            id="two of which there should be one",
        ),
        pytest.param(
            machine({"Type": "Pass"}),
            "SCHEMA_VALIDATION_FAILED: This object should have only one of the following fields:"
            " [Next, End] at /States/S",
            id="none of which there should be one",
        ),
    ],
)
def test_a_definition_is_refused_in_the_words_of_aws(text: str, complaint: str) -> None:
    assert refused(text) == f"Invalid State Machine Definition: '{complaint}'"


def test_warnings_refuse_nothing() -> None:
    text = machine({"Type": "Task", "Resource": ARN, "Parameters": {"a": "$.a"}, "End": True})
    (warning,) = diagnostics(text)
    assert (warning.severity, warning.code) == ("WARNING", "NO_DOLLAR")
    assert warning.location == "/States/S/Parameters"
    assert refusal([warning]) is None


def test_a_workflow_without_an_end_has_no_place() -> None:
    (diagnostic,) = diagnostics(machine({"Type": "Pass", "Next": "S"}))
    assert diagnostic.location is None


def test_errors_come_before_warnings() -> None:
    found = diagnostics(machine({"Type": "Pass", "Result": "$.a", "Next": "T"}))
    assert [each.severity for each in found] == ["ERROR", "WARNING"]
