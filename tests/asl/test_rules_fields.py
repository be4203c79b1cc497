"""Values that a field cannot have, and what is said of the rest of the machine beside them."""

from __future__ import annotations

from typing import Any

import pytest

from aiowfm.asl import rules
from tests.asl.test_rules import PASS, TASK, choice, machine, mapping, messages, only
from tests.asl.test_rules_states import distributed


def reading(**config: Any) -> dict[str, Any]:
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": config,
        "Parameters": {"Bucket": "b", "Key": "k"},
    }
    return distributed(ItemReader=reader)


def jsonata(definition: dict[str, Any]) -> dict[str, Any]:
    return {**definition, "QueryLanguage": "JSONata"}


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        pytest.param(machine({**PASS, "Next": None}), "Next must be a string", id="Next"),
        pytest.param(machine({**PASS, "Comment": None}), "Comment must be a string", id="Comment"),
        pytest.param(
            machine({**TASK, "TimeoutSeconds": None}), "TimeoutSeconds must be a whole", id="number"
        ),
        pytest.param(
            machine({**PASS, "QueryLanguage": None}), "QueryLanguage must be 'JSONPath'", id="enum"
        ),
        pytest.param(machine(PASS, Version=None), "Version must be a string", id="of the machine"),
        pytest.param(mapping(ItemReader=None), "ItemReader must be an object", id="object"),
    ],
)
def test_null_is_only_where_it_means_something(definition: dict[str, Any], message: str) -> None:
    finding = only(definition)
    assert finding.message.startswith(message)
    assert finding.message.endswith("not null")


@pytest.mark.parametrize("field", ["InputPath", "OutputPath", "ResultPath", "Parameters"])
def test_null_paths_and_templates_mean_something(field: str) -> None:
    assert rules.problems(machine({**TASK, field: None})) == []


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        pytest.param(
            machine({**TASK, "TimeoutSeconds": "{% 1 %}"}),
            "TimeoutSeconds must be a whole number, not '{% 1 %}': expressions are for"
            " QueryLanguage JSONata, and a path is given as TimeoutSecondsPath",
            id="expression in JSONPath",
        ),
        pytest.param(
            jsonata(choice({"Condition": "true", "Next": "to"})),
            "Condition must be true or false or a JSONata expression '{% … %}', not 'true'",
            id="Condition is text",
        ),
        pytest.param(
            jsonata(choice({"Condition": True, "Nxt": 1, "Next": "to"})),
            "a choice rule has no field 'Nxt'; did you mean 'Next'?",
            id="unknown field of a rule",
        ),
        pytest.param(
            jsonata(mapping(Items=3)),
            "Items must be a list or an expression '{% … %}', not 3",
            id="Items",
        ),
        pytest.param(
            choice({"Variable": "$.a", "TimestampEquals": "noon", "Next": "to"}),
            "TimestampEquals must be a time like 2026-01-31T12:00:00Z, not 'noon'",
            id="Timestamp",
        ),
        pytest.param(
            machine({**TASK, "Credentials": "arn:aws:iam::1:role/a"}),
            "Credentials must be an object with RoleArn, not 'arn:aws:iam::1:role/a'",
            id="Credentials",
        ),
        pytest.param(
            reading(InputType="XML"),
            "InputType must be 'CSV', 'JSON', 'JSONL', 'MANIFEST' or 'PARQUET'",
            id="InputType",
        ),
        pytest.param(
            reading(InputTyp="CSV"),
            "a ReaderConfig has no field 'InputTyp'; did you mean 'InputType'?",
            id="unknown field of ReaderConfig",
        ),
        pytest.param(
            reading(InputType="JSON", MaxItems="{% 1 %}"),
            "MaxItems must be a whole number, not '{% 1 %}'",
            id="MaxItems",
        ),
        pytest.param(
            distributed(ResultWriter={"WriterConfig": {"OutputType": "CSV"}}),
            "OutputType must be 'JSON' or 'JSONL'",
            id="WriterConfig",
        ),
    ],
)
def test_a_value_that_a_field_cannot_have(definition: dict[str, Any], message: str) -> None:
    assert only(definition).message.startswith(message)


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param(jsonata(choice({"Condition": False, "Next": "to"})), id="Condition"),
        pytest.param(jsonata(mapping(Items=[1, {"a": "{% 1 %}"}])), id="Items"),
        pytest.param(jsonata(mapping(Items="{% [1] %}")), id="Items by an expression"),
        pytest.param(
            reading(InputType="CSV", CSVHeaderLocation="GIVEN", CSVHeaders=["a"], MaxItems=5),
            id="ReaderConfig",
        ),
    ],
)
def test_values_that_fields_can_have(definition: dict[str, Any]) -> None:
    assert rules.problems(definition) == []


def test_a_mistake_elsewhere_does_not_hide_a_state_that_is_not_reached() -> None:
    definition = machine({**TASK, "TimeoutSeconds": 0})
    definition["States"]["lost"] = PASS
    assert messages(definition) == [
        "TimeoutSeconds must be at least 1, not 0",
        "nothing leads to state 'lost' from StartAt: take it out or lead to it",
    ]


def test_what_may_follow_from_a_mistake_is_not_reported_too() -> None:
    definition = machine({"Type": "Pass"})
    definition["States"]["lost"] = PASS
    assert messages(definition) == ["a Pass state needs Next or End: true"]


def test_a_definition_has_a_size_that_step_functions_takes() -> None:
    finding = only(machine({**PASS, "Comment": "x" * 1_048_576}))
    assert finding.pointer == ()
    assert "Step Functions takes 1,048,576: split it" in finding.message
