from __future__ import annotations

from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.asl.findings import NO_DOLLAR, NO_PATH, STATIC_RESULT, Finding
from tests.asl.test_rules import PASS, TASK, choice, machine, mapping


def warned(definition: object) -> Finding:
    (finding,) = rules.problems(definition, warnings=True)
    assert finding.severity == "warning"
    return finding


@pytest.mark.parametrize(
    ("value", "looks_like"),
    [
        ("$.a", "JSONPath"),
        ("$", "JSONPath"),
        ("$['a']", "JSONPath"),
        ("$$.Execution.Id", "JSONPath"),
        ("States.Format('{}', $.a)", "Intrinsic Function"),
    ],
)
def test_a_member_that_looks_like_a_path_should_end_in_a_dollar(
    value: str, looks_like: str
) -> None:
    # In the words of the example of ValidateStateMachineDefinition.
    finding = warned(machine({**TASK, "Parameters": {"in": {"a": value}}}))
    assert finding.pointer == ("States", "it", "Parameters", "in", "a")
    assert finding.at == ("States", "it", "Parameters")
    assert finding.code == NO_DOLLAR
    assert finding.aws == (
        f"The value of 'a' looks like a {looks_like}. Instead of 'a', use 'a.$' to evaluate it"
        f" as a {looks_like} at runtime."
    )


def test_a_result_is_never_looked_up() -> None:
    finding = warned(machine({**PASS, "Result": {"c.$": "$.c"}}))
    assert finding.pointer == ("States", "it", "Result", "c.$")
    assert finding.at == ("States", "it", "Result")
    assert finding.code == STATIC_RESULT
    assert finding.aws == (
        "The value of 'c.$' will not evaluate as a JSONPath or Intrinsic Function at runtime."
        " Instead of 'Result', use 'Parameters' to evaluate it as a JSONPath or Intrinsic Function"
        " at runtime."
    )
    assert warned(machine({**PASS, "Result": "$.c"})).pointer == ("States", "it", "Result")


def test_a_value_that_looks_like_a_path_belongs_into_the_field_for_paths() -> None:
    finding = warned(machine({"Type": "Fail", "Error": "$.e", "Cause": "it broke"}))
    assert finding.pointer == ("States", "it", "Error")
    assert finding.code == NO_PATH
    assert finding.aws == (
        "The value of 'Error' looks like a JSONPath. Instead of 'Error', use 'ErrorPath'"
        " to evaluate it as a JSONPath at runtime."
    )
    rule = {"Variable": "$.a", "StringEquals": "$.b", "Next": "to"}
    assert warned(choice(rule)).pointer[2:] == ("Choices", 0, "StringEquals")


@pytest.mark.parametrize(
    "definition",
    [
        machine({**TASK, "Parameters": {"a": "$5", "b": "costs $.5", "c": "$ ", "d.$": "$.d"}}),
        machine({**PASS, "Result": {"a": "b"}}),
        machine({**PASS, "Output": "$.a"}, QueryLanguage="JSONata"),
        mapping(ItemSelector={"a": "States"}),
        choice({"Variable": "$.a", "StringMatches": "$.*", "Next": "to"}),
    ],
)
def test_other_values_are_no_reason(definition: dict[str, Any]) -> None:
    assert rules.problems(definition, warnings=True) == []


def test_warnings_are_given_on_demand() -> None:
    assert rules.problems(machine({**PASS, "Result": "$.c"})) == []
