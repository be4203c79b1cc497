"""Machines that a generator makes have no problems; each with one mistake has it at its line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.asl.machines import BOTH, CHOSEN, JSONATA, JSONPATH, ONLY, STRUCTURE, machines

from aiowfm.asl.model import STATE_TYPES
from aiowfm.asl.rules import problems, scopes
from aiowfm.asl.shape import field_names
from aiowfm.definitions import check_definitions

TASK = {"Type": "Task", "Resource": "work"}
CHOICE_RULE = {"Variable": "$.a", "IsNull": True}
INNER = {"StartAt": "in", "States": {"in": {"Type": "Pass", "End": True}}}
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Mistake:
    """A state that is wrong, and where: the steps from it to what is wrong.

    Attributes:
        leads: Whether the state has a Next, as it would have without the mistake.
    """

    name: str
    state: dict[str, Any]
    steps: tuple[str | int, ...]
    language: str | None = None
    leads: bool = True


def retrying(**fields: Any) -> dict[str, Any]:
    return {**TASK, "Retry": [{"ErrorEquals": ["a"], **fields}]}


def choosing(**rule: Any) -> dict[str, Any]:
    return {"Type": "Choice", "Choices": [rule]}


def paths(name: str, state: dict[str, Any], *steps: str | int, leads: bool = True) -> Mistake:
    return Mistake(name, state, steps, JSONPATH, leads)


def jsonata(name: str, state: dict[str, Any], *steps: str | int, leads: bool = True) -> Mistake:
    return Mistake(name, state, steps, JSONATA, leads)


OLDEST = "the state before"  # stands for the state that the wrong one leads to
ALL = ["States.ALL"]
MISTAKES = [
    Mistake("unknown field", {**TASK, "Timeout": 1}, ("Timeout",)),
    Mistake("field of another type", {"Type": "Pass", "Retry": []}, ("Retry",)),
    Mistake("no Resource", {"Type": "Task"}, ()),
    Mistake("no Type", {"Resource": "work"}, ()),
    Mistake("unknown Type", {"Type": "Tusk"}, ("Type",)),
    Mistake("Type in lower case", {"Type": "pass"}, ("Type",)),
    Mistake("Next and End", {**TASK, "End": True}, ("End",)),
    Mistake("neither Next nor End", TASK, (), leads=False),
    Mistake("Next that is missing", {**TASK, "Next": "nowhere"}, ("Next",), leads=False),
    Mistake("Next that is a number", {**TASK, "Next": 1}, ("Next",), leads=False),
    Mistake("null", {**TASK, "Comment": None}, ("Comment",)),
    Mistake("timeout of zero", {**TASK, "TimeoutSeconds": 0}, ("TimeoutSeconds",)),
    Mistake("timeout of half a second", {**TASK, "TimeoutSeconds": 0.5}, ("TimeoutSeconds",)),
    Mistake(
        "heartbeat above timeout",
        {**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 6},
        ("HeartbeatSeconds",),
    ),
    Mistake("wait below zero", {"Type": "Wait", "Seconds": -1}, ("Seconds",)),
    Mistake("wait of nothing", {"Type": "Wait"}, ()),
    Mistake("wait of two", {"Type": "Wait", "Seconds": 1, "Timestamp": "x"}, ("Timestamp",)),
    Mistake("bad time", {"Type": "Wait", "Timestamp": "2026-01-31"}, ("Timestamp",)),
    Mistake("interval of zero", retrying(IntervalSeconds=0), ("Retry", 0, "IntervalSeconds")),
    Mistake("attempts below zero", retrying(MaxAttempts=-1), ("Retry", 0, "MaxAttempts")),
    Mistake("backoff below one", retrying(BackoffRate=0.5), ("Retry", 0, "BackoffRate")),
    Mistake("unknown jitter", retrying(JitterStrategy="half"), ("Retry", 0, "JitterStrategy")),
    Mistake("no errors", {**TASK, "Retry": [{"ErrorEquals": []}]}, ("Retry", 0, "ErrorEquals")),
    Mistake("retrier without errors", {**TASK, "Retry": [{"MaxAttempts": 1}]}, ("Retry", 0)),
    Mistake(
        "States.ALL not alone",
        {**TASK, "Retry": [{"ErrorEquals": ["a", "States.ALL"]}]},
        ("Retry", 0, "ErrorEquals", 1),
    ),
    Mistake(
        "States.ALL not last",
        {**TASK, "Retry": [{"ErrorEquals": ALL}, {"ErrorEquals": ["a"]}]},
        ("Retry", 0, "ErrorEquals", 0),
    ),
    Mistake(
        "catcher to nowhere",
        {**TASK, "Catch": [{"ErrorEquals": ALL, "Next": "nowhere"}]},
        ("Catch", 0, "Next"),
    ),
    Mistake("catcher without Next", {**TASK, "Catch": [{"ErrorEquals": ALL}]}, ("Catch", 0)),
    Mistake("no choices", {"Type": "Choice", "Choices": []}, ("Choices",), leads=False),
    Mistake("no Branches", {"Type": "Parallel"}, ()),
    Mistake("empty Branches", {"Type": "Parallel", "Branches": []}, ("Branches",)),
    Mistake("no processor", {"Type": "Map"}, ()),
    Mistake(
        "two processors", {"Type": "Map", "ItemProcessor": INNER, "Iterator": INNER}, ("Iterator",)
    ),
    Mistake(
        "unknown Mode",
        {"Type": "Map", "Iterator": {**INNER, "ProcessorConfig": {"Mode": "FAST"}}},
        ("Iterator", "ProcessorConfig", "Mode"),
    ),
    Mistake(
        "concurrency below zero",
        {"Type": "Map", "Iterator": INNER, "MaxConcurrency": -1},
        ("MaxConcurrency",),
    ),
    Mistake("long label", {"Type": "Map", "Iterator": INNER, "Label": "a" * 41}, ("Label",)),
    Mistake(
        "branch that leads out",
        {
            "Type": "Parallel",
            "Branches": [{"StartAt": "in", "States": {"in": {"Type": "Pass", "Next": "it"}}}],
        },
        ("Branches", 0, "States", "in", "Next"),
    ),
    Mistake(
        "name of another state",
        {
            "Type": "Parallel",
            "Branches": [{"StartAt": "it", "States": {"it": {"Type": "Pass", "End": True}}}],
        },
        ("Branches", 0, "States", "it"),
    ),
    Mistake(
        "start that is missing",
        {"Type": "Parallel", "Branches": [{**INNER, "StartAt": "on"}]},
        ("Branches", 0, "StartAt"),
    ),
    Mistake(
        "state that is not reached",
        {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "in", "States": {**INNER["States"], "lost": {"Type": "Succeed"}}}  # type: ignore[dict-item]  # of one kind
            ],
        },
        ("Branches", 0, "States", "lost"),
    ),
    Mistake(
        "no end",
        {
            "Type": "Parallel",
            "Branches": [{"StartAt": "in", "States": {"in": {"Type": "Pass", "Next": "in"}}}],
        },
        ("Branches", 0, "States"),
    ),
    Mistake("no RoleArn", {**TASK, "Credentials": {}}, ("Credentials",)),
    Mistake("QueryLanguage", {**TASK, "QueryLanguage": "jsonata"}, ("QueryLanguage",)),
    Mistake("bad name of a variable", {**TASK, "Assign": {"a b": 1}}, ("Assign", "a b")),
    Mistake("reserved variable", {**TASK, "Assign": {"states": 1}}, ("Assign", "states")),
    paths("JSONata's field", {**TASK, "Arguments": {}}, "Arguments"),
    paths("no path", {**TASK, "InputPath": "a"}, "InputPath"),
    paths("path to many places", {**TASK, "ResultPath": "$.a[*]"}, "ResultPath"),
    paths("no path in a template", {**TASK, "Parameters": {"a": {"b.$": "c"}}}, "Parameters", "a"),
    paths("unknown function", {**TASK, "Parameters": {"a.$": "States.Foo()"}}, "Parameters"),
    paths(
        "member twice",
        {**TASK, "Parameters": {"a": 1, "a.$": "$.a"}},
        "Parameters",
        "a.$",
    ),
    paths(
        "value and path",
        {**TASK, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.a"},
        "TimeoutSecondsPath",
    ),
    paths("expression", {**TASK, "TimeoutSeconds": "{% 1 %}"}, "TimeoutSeconds"),
    paths(
        "unknown comparison",
        choosing(Variable="$.a", StringEqual="a", Next=OLDEST),
        "Choices",
        0,
        "StringEqual",
        leads=False,
    ),
    paths(
        "operand of another type",
        choosing(Variable="$.a", NumericEquals="1", Next=OLDEST),
        "Choices",
        0,
        "NumericEquals",
        leads=False,
    ),
    paths(
        "two comparisons",
        choosing(**CHOICE_RULE, IsString=True, Next=OLDEST),
        "Choices",
        0,
        "IsString",
        leads=False,
    ),
    paths("no Variable", choosing(IsNull=True, Next=OLDEST), "Choices", 0, leads=False),
    paths("rule without Next", choosing(**CHOICE_RULE), "Choices", 0, leads=False),
    paths(
        "Next in a nested rule",
        choosing(And=[{**CHOICE_RULE, "Next": OLDEST}], Next=OLDEST),
        "Choices",
        0,
        "And",
        0,
        "Next",
        leads=False,
    ),
    paths(
        "Condition",
        choosing(Condition="{% true %}", Next=OLDEST),
        "Choices",
        0,
        "Condition",
        leads=False,
    ),
    jsonata("JSONPath's field", {**TASK, "ResultPath": "$.a"}, "ResultPath"),
    jsonata("no expression", {**TASK, "Output": {"a": ["{% 1 + %}"]}}, "Output", "a", 0),
    jsonata("half an expression", {**TASK, "Output": "{% 1"}, "Output"),
    jsonata("no context", {**TASK, "Arguments": {"a": "{% phone %}"}}, "Arguments", "a"),
    jsonata("no result yet", {**TASK, "Arguments": "{% $states.result %}"}, "Arguments"),
    jsonata("unknown member", {**TASK, "Output": "{% $states.inptu %}"}, "Output"),
    jsonata(
        "comparison",
        choosing(**CHOICE_RULE, Next=OLDEST),
        "Choices",
        0,
        "Variable",
        leads=False,
    ),
    jsonata(
        "condition that is text",
        choosing(Condition="yes", Next=OLDEST),
        "Choices",
        0,
        "Condition",
        leads=False,
    ),
    jsonata("Items", {"Type": "Map", "Iterator": INNER, "Items": "many"}, "Items"),
]


def test_the_generator_knows_all_fields() -> None:
    known = BOTH.keys() | ONLY[JSONPATH].keys() | ONLY[JSONATA].keys() | STRUCTURE | CHOSEN
    assert {name for model in STATE_TYPES.values() for name in field_names(model)} <= known


@settings(unhurried, max_examples=50)
@given(machines())
def test_a_machine_without_mistakes_has_no_problems(machine: dict[str, Any]) -> None:
    assert problems(machine, warnings=True) == []
    for written in (as_json, as_yaml):
        _, found = check_definitions(written([{"name": "n", "stateMachine": machine}]))
        assert found == []


def as_json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def as_yaml(value: object) -> str:
    stream = io.StringIO()
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda data: True
    yaml.width = 40
    yaml.dump(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
@pytest.mark.parametrize("written", [as_json, as_yaml])
@pytest.mark.slow
@settings(unhurried, max_examples=10)
@given(data=st.data())
def test_each_mistake_is_found_at_its_line(
    mistake: Mistake, written: Callable[[object], str], data: st.DataObject
) -> None:
    machine = data.draw(machines(mistake.language))
    scope = data.draw(st.sampled_from(list(scopes(machine))))
    before = scope.machine["StartAt"]
    state = json.loads(json.dumps(mistake.state).replace(OLDEST, before))
    if mistake.leads:
        state["Next"] = before
    # The one that was first, and with it all others, is reached by a state of its own.
    scope.machine["StartAt"] = "fork"
    scope.machine["States"] = {
        "it": state,
        **scope.machine["States"],
        "fork": fork(before, machine),
    }
    text = written([{"name": "n", "stateMachine": machine}])
    _, found = check_definitions(text)
    errors = {(each.line, each.column) for each in found if each.severity == "error"}
    place = (0, "stateMachine", *scope.pointer, "States", "it", *mistake.steps)
    assert position(text, place) in errors, (text, place, found)


def fork(target: str, machine: dict[str, Any]) -> dict[str, Any]:
    """A state that leads to the wrong one and to *target*."""
    rule: dict[str, Any] = (
        {"Condition": True} if machine["QueryLanguage"] == JSONATA else {**CHOICE_RULE}
    )
    return {"Type": "Choice", "Choices": [{**rule, "Next": "it"}], "Default": target}


def position(text: str, place: tuple[str | int, ...]) -> tuple[int, int]:
    """Where *place* is, as ruamel.yaml has it after reading the text into objects."""
    value = YAML().load(text)
    for step in place[:-1]:
        value = value[step]
    last = place[-1]
    line, column = value.lc.key(last) if isinstance(last, str) else value.lc.item(last)
    return line + 1, column + 1
