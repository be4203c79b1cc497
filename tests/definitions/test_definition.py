from __future__ import annotations

import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from aiowfm.asl.findings import Finding, Pointer
from aiowfm.definitions import WorkflowDefinition, load_definitions, located

MACHINE: dict[str, Any] = {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}}


def test_the_fields_may_be_named_as_in_python_or_as_in_the_file() -> None:
    by_python = WorkflowDefinition(name="n", state_machine=MACHINE, default_tags={"a": "b"})
    by_file = WorkflowDefinition.model_validate(
        {"name": "n", "stateMachine": MACHINE, "defaultTags": {"a": "b"}}
    )
    assert by_python == by_file


def test_definitions_of_equal_content_are_equal_and_hash_alike() -> None:
    one = WorkflowDefinition(name="n", state_machine=MACHINE)
    turned = dict(reversed(list(MACHINE.items())))
    two = WorkflowDefinition(name="n", state_machine=turned)
    assert one == two
    assert hash(one) == hash(two)
    assert one.content_hash == two.content_hash
    assert one != WorkflowDefinition(name="n", state_machine=MACHINE, version=1)
    assert one != "n"


def test_where_a_definition_was_read_makes_no_difference() -> None:
    (read,) = load_definitions(
        "name: n\nstateMachine: {StartAt: a, States: {a: {Type: Pass, End: true}}}"
    )
    assert read == WorkflowDefinition(name="n", state_machine=MACHINE)


def test_the_hash_is_that_of_canonical_json() -> None:
    definition = WorkflowDefinition(name="n", state_machine={"b": "é", "a": [1, 2.5, None]})
    text = '{"a":[1,2.5,null],"b":"é"}'
    assert definition.content_hash == hashlib.sha256(text.encode()).hexdigest()


def test_a_definition_cannot_be_changed() -> None:
    definition = WorkflowDefinition(name="n", state_machine=MACHINE)
    with pytest.raises(ValidationError):
        definition.name = "m"  # type: ignore[misc]


def test_findings_made_later_have_places_too() -> None:
    (definition,) = load_definitions(
        "- name: n\n  stateMachine:\n    StartAt: a\n    States:\n      a: {Type: Pass, End: true}"
    )
    finding = Finding(pointer=("stateMachine", "States", "a", "Type"), message="no")
    (problem,) = located(definition, [finding])
    assert str(problem) == "<definitions>:5:11: n.a: no"


def test_a_place_names_every_state_on_the_way() -> None:
    definition = WorkflowDefinition(name="n", state_machine=MACHINE)
    pointer: Pointer = ("stateMachine", "States", "a", "Branches", 1, "States", "b")
    pointer += ("ItemProcessor", "States", "c", "Retry", 0, "States", "no")
    (problem,) = located(definition, [Finding(pointer=pointer, message="no")])
    assert problem.where == "n.a.b.c"
