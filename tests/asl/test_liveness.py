from __future__ import annotations

from typing import Any

import pytest

from aiowfm.asl.liveness import live_variables

END = {"Type": "Pass", "End": True}


def machine(states: dict[str, Any], language: str = "JSONPath") -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "QueryLanguage": language, "States": states}


def passing(next: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"Type": "Pass"} | ({"End": True} if next is None else {"Next": next}) | fields


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param({"a": END}, set(), id="none"),
        pytest.param({"a": passing(Parameters={"n.$": "$x"})}, {"x"}, id="read at once"),
        pytest.param(
            {"a": passing("b", Assign={"x": 1}), "b": passing(Parameters={"n.$": "$x"})},
            set(),
            id="assigned before",
        ),
        pytest.param(
            {"a": passing("b", Assign={"x.$": "$x"}), "b": passing(Parameters={"n.$": "$x"})},
            {"x"},
            id="read where it is assigned",
        ),
        pytest.param(
            {
                "loop": {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$i", "NumericLessThan": 3, "Next": "count"}],
                    "Default": "end",
                },
                "count": passing("loop", Assign={"i.$": "States.MathAdd($i, 1)"}),
                "end": passing(Parameters={"n.$": "$total"}),
            },
            {"i", "total"},
            id="in a loop",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Choice",
                    "Choices": [
                        {
                            "Variable": "$.n",
                            "IsNull": True,
                            "Assign": {"x": 1},
                            "Next": "end",
                        },
                        {"Variable": "$.m", "IsNull": True, "Next": "other"},
                    ],
                    "Assign": {"y": 1},
                    "Default": "other",
                },
                "end": passing(Parameters={"n.$": "$x"}),
                "other": passing(Parameters={"n.$": "$y"}),
            },
            {"y"},
            id="by the rule that is chosen",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Task",
                    "Resource": "r",
                    "Assign": {"x": 1},
                    "Catch": [
                        {"ErrorEquals": ["A"], "Assign": {"x": 2}, "Next": "b"},
                        {"ErrorEquals": ["States.ALL"], "Next": "c"},
                    ],
                    "Next": "b",
                },
                "b": passing(Parameters={"n.$": "$x"}),
                "c": passing(Parameters={"n.$": "$x", "m.$": "$z"}),
            },
            {"x", "z"},
            id="by the catcher",
        ),
        pytest.param(
            {
                "a": {
                    "Type": "Map",
                    "ItemProcessor": {
                        "StartAt": "own",
                        "States": {
                            "own": passing("use", Assign={"mine": 1}),
                            "use": passing(Parameters={"n.$": "$mine", "m.$": "$x"}),
                        },
                    },
                    "End": True,
                }
            },
            {"x"},
            id="inside a Map",
        ),
    ],
)
def test_what_is_read_before_it_is_assigned_is_live(
    states: dict[str, Any], expected: set[str]
) -> None:
    assert live_variables(machine(states)) == expected


def test_jsonata_reads_and_assigns_variables_as_well() -> None:
    states = {
        "a": passing("b", Assign={"x": "{% $y + 1 %}"}),
        "b": passing(Output="{% ($z := $x; $z + $states.input) %}"),
    }
    assert live_variables(machine(states, "JSONata")) == {"y"}


def test_each_state_is_read_in_its_own_language() -> None:
    states = {"a": passing(QueryLanguage="JSONata", Output="{% $x %}")}
    assert live_variables(machine(states)) == {"x"}
