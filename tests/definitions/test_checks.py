from __future__ import annotations

import json
from typing import Any

import pytest

from aiowfm.definitions import (
    CALLBACK_RESOURCE,
    WorkflowDefinition,
    check_definitions,
    load_definitions,
    located,
    problems_for_names,
    resource_names,
    unknown_resources,
)


def definition(*names: str, name: str = "order", version: int = 0) -> WorkflowDefinition:
    states: dict[str, Any] = {each: {"Type": "Pass", "End": True} for each in names}
    machine = {"StartAt": names[0], "States": states}
    return WorkflowDefinition(name=name, version=version, state_machine=machine)


def messages(of: WorkflowDefinition, environment: str = "dev") -> list[str]:
    return [finding.message for finding in problems_for_names(of, environment)]


def test_good_names_are_fine() -> None:
    assert messages(definition("check stock", "pack")) == []


@pytest.mark.parametrize("version", [0, -1, 10])
def test_every_state_must_leave_room_for_eight_characters(version: int) -> None:
    # dev--order--VERSION--STATE--12345678
    room = 80 - len(f"dev--order--{version}----12345678")
    assert messages(definition("a", "b" * room, version=version)) == []
    (finding,) = problems_for_names(definition("a", "b" * (room + 3), version=version), "dev")
    assert finding.pointer == ("stateMachine", "States", "b" * (room + 3))
    assert finding.message.endswith("by 3")


def test_two_states_that_have_one_name_on_step_functions_are_refused() -> None:
    assert messages(definition("pack it", "pack-it")) == [
        "the states 'pack it' and 'pack-it' have one name on Step Functions, 'pack-it': rename one"
    ]


@pytest.mark.parametrize("name", ["a--b", "a - b"])
def test_a_state_name_that_cannot_be_told_from_its_neighbours_is_refused(name: str) -> None:
    (message,) = messages(definition(name))
    assert message.startswith(f"the name of the state {name!r}")


def test_nested_states_are_no_part_of_names() -> None:
    inner = {"StartAt": "a--" * 20, "States": {"a--" * 20: {"Type": "Pass", "End": True}}}
    machine = {
        "StartAt": "p",
        "States": {"p": {"Type": "Parallel", "Branches": [inner], "End": True}},
    }
    assert messages(WorkflowDefinition(name="n", state_machine=machine)) == []


NESTED = f"""\
name: order
stateMachine:
  StartAt: charge
  States:
    charge: {{Type: Task, Resource: charge, Next: lines}}
    lines:
      Type: Map
      ItemProcessor:
        StartAt: pack
        States:
          pack: {{Type: Task, Resource: pak, End: true}}
      Next: both
    both:
      Type: Parallel
      Branches:
        - StartAt: again
          States:
            again:
              Type: Task
              Resource: charge
              End: true
        - StartAt: ask
          States:
            ask:
              Type: Task
              Resource: "{CALLBACK_RESOURCE}"
              TimeoutSeconds: 60
              Parameters: {{MessageBody: {{TaskKey.$: $.id}}}}
              End: true
      Next: last
    last: {{Type: Task, Resource: "arn:aws:lambda:x", End: true}}
"""


def test_the_resources_of_all_tasks_are_found() -> None:
    (order,) = load_definitions(NESTED)
    assert {name: len(pointers) for name, pointers in resource_names(order).items()} == {
        "charge": 2,
        "pak": 1,
        CALLBACK_RESOURCE: 1,
        "arn:aws:lambda:x": 1,
    }


def test_a_resource_is_a_registered_name_or_that_of_callbacks() -> None:
    (order,) = load_definitions(NESTED)
    found = located(order, unknown_resources(order, ["charge", "pack"]))
    assert sorted(map(str, found)) == [
        "<definitions>:11:30: order.lines.pack: Resource: no handler is registered for 'pak';"
        " did you mean 'pack'?",
        "<definitions>:31:24: order.last: Resource must be the name of a handler, or"
        f" {CALLBACK_RESOURCE} for a callback, not 'arn:aws:lambda:x'",
    ]


def test_an_unknown_resource_without_a_near_one_says_how_to_register() -> None:
    machine = {"StartAt": "a", "States": {"a": {"Type": "Task", "Resource": "x", "End": True}}}
    (finding,) = unknown_resources(WorkflowDefinition(name="n", state_machine=machine), [])
    assert "register one with @engine.task('x')" in finding.message


def tagged(**tags: str) -> list[tuple[str, str, str]]:
    fields = {"name": "n", "defaultTags": tags, "stateMachine": MACHINE}
    _, problems = check_definitions(json.dumps(fields, indent=0))
    return [(str(each.line), each.severity, each.message) for each in problems]


MACHINE = {
    "StartAt": "a",
    "TimeoutSeconds": 60,
    "States": {"a": {"Type": "Pass", "End": True}},
}


def test_tags_that_aws_takes_are_fine() -> None:
    assert tagged(**{"Größe des Teams": "a b_c.d:e/f=g+h-i@j", "k" * 128: "v" * 256, "e": ""}) == []
    assert tagged(**{f"t{number}": "" for number in range(44)}) == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("AWS:x", "", "tags that begin with 'aws:' are AWS's own", id="reserved"),
        pytest.param("", "", "the key of a tag has 1 to 128 characters, not 0", id="no key"),
        pytest.param("k" * 129, "", "the key of a tag has 1 to 128 characters", id="long key"),
        pytest.param("k", "v" * 257, "a tag's value has at most 256 characters", id="long value"),
        pytest.param("k", "a#b", "tags take letters, digits, blanks and _.:/=+-@, not '#'", id="#"),
        pytest.param("k?", "", "tags take letters, digits, blanks and _.:/=+-@, not '?'", id="?"),
    ],
)
def test_a_tag_that_aws_refuses_is_an_error_at_its_line(key: str, value: str, message: str) -> None:
    ((line, severity, found),) = tagged(ok="", **{key: value})
    assert (line, severity) == ("5", "error")
    assert found.startswith(message)


def test_a_state_machine_has_no_more_than_fifty_tags() -> None:
    ((line, _, message),) = tagged(**{f"t{number}": "" for number in range(45)})
    assert (line, message) == ("3", "at most 44 tags, since 6 are added, not 45")


def test_a_tag_of_ours_is_not_the_authors_to_set() -> None:
    ((_, severity, message),) = tagged(application="x")
    assert severity == "warning"
    assert message.startswith("the tag 'application' is set to what it stands for")
