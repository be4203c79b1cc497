from __future__ import annotations

from typing import Any

import pytest

from aiowfm.asl import rules
from aiowfm.asl.findings import Finding
from tests.asl.test_rules import PASS, caught, choice, machine, only


def assigning(**variables: Any) -> dict[str, Any]:
    return {"StartAt": "in", "States": {"in": {**PASS, "Assign": variables}}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("states", "the variable 'states' is reserved: choose another name"),
        ("1st", "'1st' is no name of a variable"),
        ("a-b", "'a-b' is no name of a variable"),
        ("a.b", "'a.b' is no name of a variable"),
        ("a[0]", "'a[0]' is no name of a variable"),
        ("$a", "'$a' is no name of a variable"),
        ("", "'' is no name of a variable"),
        ("a" * 81, "the name of a variable has at most 80 characters, not 81"),
    ],
)
@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_the_name_of_a_variable_is_an_identifier(name: str, message: str, language: str) -> None:
    finding = only(machine({**PASS, "Assign": {name: 1}}, QueryLanguage=language))
    assert finding.pointer == ("States", "it", "Assign", name)
    assert finding.message.startswith(f"Assign: {message}")


@pytest.mark.parametrize("name", ["a", "a1", "naïve", "変数", "x_y", "a" * 80, "States"])
def test_which_may_be_in_any_script(name: str) -> None:
    assert rules.problems(machine({**PASS, "Assign": {name: 1, f"b{name[:9]}.$": "$"}})) == []


def test_the_variables_of_catchers_and_choice_rules_are_looked_at_too() -> None:
    assert only(caught(Assign={"states": 1})).pointer[2:] == ("Catch", 0, "Assign", "states")
    rule = {"Variable": "$.a", "IsNull": True, "Assign": {"states.$": "$"}, "Next": "to"}
    assert only(choice(rule)).pointer[2:] == ("Choices", 0, "Assign", "states.$")


@pytest.mark.parametrize(
    "nesting",
    [
        pytest.param(lambda inner: {"Type": "Map", "ItemProcessor": inner}, id="Map"),
        pytest.param(lambda inner: {"Type": "Parallel", "Branches": [inner]}, id="Parallel"),
        pytest.param(
            lambda inner: {
                "Type": "Parallel",
                "Branches": [
                    {
                        "StartAt": "between",
                        "States": {"between": {"Type": "Map", "End": True, "ItemProcessor": inner}},
                    }
                ],
            },
            id="further in",
        ),
    ],
)
def test_a_variable_belongs_to_one_scope(nesting: Any) -> None:
    definition = {
        "StartAt": "outer",
        "States": {
            "outer": {**nesting(assigning(**{"x.$": "$"})), "Next": "then"},
            "then": {**PASS, "Assign": {"x": 1}},
        },
    }
    finding = only(definition)
    assert finding.pointer[-3:] == ("in", "Assign", "x.$")
    assert finding.message == (
        "Assign: 'x' is assigned outside of this Map or Parallel, too, by"
        " /States/then/Assign/x: rename one"
    )


def test_scopes_side_by_side_may_have_the_same_variables() -> None:
    branches = [assigning(x=1), assigning(x=2)]
    branches[1]["StartAt"] = "in2"
    branches[1]["States"]["in2"] = branches[1]["States"].pop("in")
    assert rules.problems(machine({"Type": "Parallel", "Branches": branches, "End": True})) == []


def test_what_only_a_catcher_assigns_may_be_assigned_further_in() -> None:
    # Recorded: test_state_variables.py, PARALLEL_CATCH_ERROR_VARIABLE_SAMPLING.
    catcher = {"ErrorEquals": ["States.ALL"], "Next": "to", "Assign": {"x": 1}}
    state = {"Type": "Parallel", "Branches": [assigning(x=1)], "Catch": [catcher], "End": True}
    definition = machine(state)
    definition["States"]["to"] = PASS
    assert rules.problems(definition) == []


def test_assign_must_not_be_null() -> None:
    assert only(machine({**PASS, "Assign": None})) == Finding(
        pointer=("States", "it", "Assign"), message="Assign must be an object, not null"
    )
