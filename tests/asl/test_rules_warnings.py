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


def with_recovery(**fields: Any) -> dict[str, Any]:
    definition = machine({"Type": "Task", "Resource": "work", "Next": "to", **fields})
    definition["States"]["to"] = PASS
    return definition


def catching(*errors: list[str]) -> dict[str, Any]:
    return with_recovery(Catch=[{"ErrorEquals": each, "Next": "to"} for each in errors])


def test_a_catcher_that_others_precede_is_not_reached() -> None:
    finding = warned(catching(["a", "b"], ["c"], ["b", "c"]))
    assert finding.pointer == ("States", "it", "Catch", 2, "ErrorEquals")
    assert finding.message == "Catch[2] cannot be reached: Catch[0] takes 'b' before it"
    assert rules.problems(catching(["a", "b"], ["b", "c"]), warnings=True) == []


def test_any_error_of_a_task_but_a_timeout_is_its_failure() -> None:
    finding = warned(catching(["States.TaskFailed"], ["a"]))
    assert finding.message == "Catch[1] cannot be reached: Catch[0] takes 'a' before it"
    definition = catching(["States.TaskFailed"], ["States.Timeout"], ["States.ALL"])
    assert rules.problems(definition, warnings=True) == []


def test_a_reserved_name_must_exist() -> None:
    finding = warned(catching(["States.Timout"]))
    assert finding.pointer == ("States", "it", "Catch", 0, "ErrorEquals", 0)
    assert finding.message == ("there is no error 'States.Timout'; did you mean 'States.Timeout'?")
    assert rules.problems(catching(["States.Http.StatusCode.404"]), warnings=True) == []


def test_what_fails_the_execution_at_once_is_not_caught() -> None:
    finding = warned(catching(["States.Runtime"]))
    assert finding.message.startswith("States.Runtime fails the execution at once")


def test_the_longest_delay_should_not_be_shorter_than_the_interval() -> None:
    retrier = {"ErrorEquals": ["a"], "IntervalSeconds": 5, "MaxDelaySeconds": 4}
    finding = warned(with_recovery(Retry=[retrier]))
    assert finding.pointer == ("States", "it", "Retry", 0, "MaxDelaySeconds")


def test_an_inline_map_has_no_use_for_what_a_distributed_one_does() -> None:
    finding = warned(mapping(ToleratedFailureCount=1))
    assert finding.pointer == ("States", "it", "ToleratedFailureCount")
    assert "here it does nothing" in finding.message


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("$uppercas('a')", "did you mean 'uppercase'?"),
        ("$eval('1')", "Step Functions leaves it out"),
    ],
)
def test_a_function_that_is_called_should_exist(expression: str, hint: str) -> None:
    finding = warned(machine({**PASS, "Output": f"{{% {expression} %}}"}, QueryLanguage="JSONata"))
    assert finding.pointer == ("States", "it", "Output")
    assert "there is no such function" in finding.message
    assert hint in finding.message


@pytest.mark.parametrize(
    "expression",
    [
        "($f := function($x) { $x + 1 }; $f(1))",
        "$map([1], function($each) { $each })",
        "[1] ~> $map(λ($g) { $g(1) })",
        "$substringBefore(?, 'x')",
        "$partition($range(1, 4, 1), 2)",
    ],
)
def test_functions_of_the_language_and_of_the_expression_exist(expression: str) -> None:
    definition = machine({**PASS, "Output": f"{{% {expression} %}}"}, QueryLanguage="JSONata")
    assert rules.problems(definition, warnings=True) == []
