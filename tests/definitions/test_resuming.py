from __future__ import annotations

from typing import Any

import pytest

from aiowfm import DefinitionError, WorkflowDefinition
from aiowfm.asl.rules import problems
from aiowfm.definitions import read_resumed_input, resumed, resumed_input

STATES: dict[str, Any] = {
    "first": {"Type": "Pass", "Assign": {"total": 1}, "Next": "second"},
    "second": {"Type": "Pass", "Parameters": {"n.$": "$total"}, "Next": "third"},
    "third": {"Type": "Succeed"},
}


def definition(states: dict[str, Any] = STATES) -> WorkflowDefinition:
    machine = {"StartAt": "first", "TimeoutSeconds": 60, "States": states}
    return WorkflowDefinition(
        name="flow", version=3, default_tags={"team": "core"}, state_machine=machine
    )


def test_a_resumed_definition_begins_with_a_state_that_unwraps_its_input() -> None:
    made = resumed(definition(), "second")
    assert (made.name, made.version, made.start_at) == ("flow", 3, "second")
    assert made.default_tags == {"team": "core"}
    assert made.variables == {"total"}
    assert made.state_machine == {
        "StartAt": "aiowfm resume",
        "TimeoutSeconds": 60,
        "States": {
            "aiowfm resume": {
                "Type": "Pass",
                "Assign": {"total.$": "$.aiowfm.variables.total"},
                "OutputPath": "$.input",
                "Next": "second",
            },
            "second": STATES["second"],
            "third": STATES["third"],
        },
    }
    assert not problems(made.state_machine)


def test_the_state_that_is_added_has_a_name_of_its_own() -> None:
    states = STATES | {"third": {"Type": "Pass", "Next": "aiowfm resume"}}
    made = resumed(definition(states | {"aiowfm resume": {"Type": "Succeed"}}), "second")
    assert list(made.state_machine["States"]) == [
        "aiowfm resume!",
        "second",
        "third",
        "aiowfm resume",
    ]
    assert not problems(made.state_machine)


def test_the_definition_stays_as_it_is() -> None:
    original = definition()
    before = original.model_dump_json()
    resumed(original, "third")
    assert original.model_dump_json() == before


def test_a_state_that_is_not_there_is_told() -> None:
    with pytest.raises(
        DefinitionError, match="no state 'secnd' to start at; did you mean 'second'"
    ):
        resumed(definition(), "secnd")


def test_what_is_wrapped_can_be_read_back() -> None:
    wrapped: Any = resumed_input("dev--flow--0--first--x", {"total": 1}, [7])
    assert read_resumed_input(wrapped) == ("dev--flow--0--first--x", [7])


@pytest.mark.parametrize(
    "value",
    [None, [], {"input": 1}, {"aiowfm": 1, "input": 1}, {"aiowfm": {"retry_for": "x"}, "input": 1}],
    ids=repr,
)
def test_another_input_is_not_taken_for_one(value: Any) -> None:
    assert read_resumed_input(value) is None
