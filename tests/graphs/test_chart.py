from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from aiowfm.graphs.chart import Chart, Group, Node, Shape, chart_of
from aiowfm.graphs.labels import MAX_CHARACTERS, condition, notes, printable, shortened
from tests.graphs.machines import ALL_TYPES


def nodes_in(group: Group) -> Iterator[Node]:
    yield from group.nodes
    for each in group.groups:
        yield from nodes_in(each)


def edges(chart: Chart) -> list[tuple[str, str, str, bool]]:
    names = {node.id: node.lines[0] for node in nodes_in(chart.root)}
    return [
        (names[edge.source], names[edge.target], edge.label, edge.is_error) for edge in chart.edges
    ]


def test_all_types_of_states_have_shapes_and_say_what_they_do() -> None:
    chart = chart_of(ALL_TYPES, "order")
    shown = {node.lines: node.shape for node in nodes_in(chart.root)}
    assert shown == {
        ("start",): Shape.START,
        ("charge", "pay", "retry Busy, Slow x5", "retry States.ALL x3"): Shape.TASK,
        ("large?",): Shape.CHOICE,
        ("ask", "sqs:sendMessage.waitForTaskToken"): Shape.TASK,
        ("pause", "30 s"): Shape.WAIT,
        ("note",): Shape.PASS,
        ("pick", "4 at once"): Shape.MAP,
        ("one",): Shape.TASK,
        ("both",): Shape.PARALLEL,
        ("a",): Shape.PASS,
        ("b",): Shape.SUCCEED,
        ("done",): Shape.SUCCEED,
        ("refuse", "Refused"): Shape.FAIL,
        ("end",): Shape.END,
    }


def test_transitions_are_labelled_and_those_of_errors_marked() -> None:
    assert sorted(edges(chart_of(ALL_TYPES))) == sorted(
        [
            ("start", "charge", "", False),
            ("charge", "large?", "", False),
            ("charge", "refuse", "Declined", True),
            ("large?", "ask", "$.total > 100", False),
            ("large?", "pause", "$.vip = true and not $.late is present", False),
            ("large?", "note", "otherwise", False),
            ("ask", "note", "", False),
            ("pause", "note", "", False),
            ("note", "pick", "", False),
            ("pick", "one", "", False),
            ("one", "end", "", False),
            ("pick", "both", "", False),
            ("pick", "refuse", "States.ALL", True),
            ("both", "a", "", False),
            ("a", "end", "", False),
            ("both", "b", "", False),
            ("b", "end", "", False),
            ("both", "done", "", False),
            ("done", "end", "", False),
            ("refuse", "end", "", False),
        ]
    )


def test_maps_and_branches_are_groups_that_are_left_as_a_whole() -> None:
    chart = chart_of(ALL_TYPES)
    labels = [(each.label, [inner.label for inner in each.groups]) for each in chart.root.groups]
    assert labels == [("pick", ["each item"]), ("both", ["branch 1", "branch 2"])]
    groups = {each.id for each in chart.root.groups}
    assert sum(edge.group in groups for edge in chart.edges) == 3


def test_a_state_that_leads_to_itself_does_not_leave_its_group() -> None:
    inner = {"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}}
    state = {"Type": "Map", "Iterator": inner, "End": True}
    state["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "m"}]
    chart = chart_of({"StartAt": "m", "States": {"m": state}})
    (edge,) = [each for each in chart.edges if each.is_error]
    assert (edge.source, edge.group) == (edge.target, None)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"Variable": "$.a", "StringEquals": "x"}, '$.a = "x"'),
        ({"Variable": "$.a", "StringEqualsPath": "$.b"}, "$.a = $.b"),
        ({"Variable": "$.a", "NumericLessThanEquals": 3}, "$.a <= 3"),
        ({"Variable": "$.a", "TimestampGreaterThanEquals": "2026"}, '$.a >= "2026"'),
        ({"Variable": "$.a", "StringMatches": "x*"}, '$.a matches "x*"'),
        ({"Variable": "$.a", "IsNull": True}, "$.a is null"),
        ({"Variable": "$.a", "IsNumeric": False}, "$.a is not numeric"),
        ({"Condition": "{% $states.input.a > 1 %}"}, "$states.input.a > 1"),
        ({"Condition": True}, "true"),
        (
            {
                "Not": {
                    "Or": [
                        {"Variable": "$.a", "IsNull": True},
                        {"Variable": "$.b", "IsNull": True},
                    ]
                }
            },
            "not ($.a is null or $.b is null)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_conditions_are_short(rule: dict[str, Any], text: str) -> None:
    assert condition(rule) == text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"Type": "Wait", "SecondsPath": "$.delay"}, "$.delay s"),
        ({"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z"}, "until 2026-01-01T00:00:00Z"),
        ({"Type": "Wait", "Seconds": "{% $delay %}"}, "$delay s"),
        ({"Type": "Fail", "ErrorPath": "$.error"}, "$.error"),
        ({"Type": "Map", "MaxConcurrencyPath": "$.n"}, "$.n at once"),
        ({"Type": "Task", "Resource": "arn:aws:states:r:1:activity:a"}, "activity:a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_notes_say_what_a_state_does(state: dict[str, Any], text: str) -> None:
    assert list(notes(state)) == [text]


def test_texts_are_cut_and_shown_as_they_are_typed() -> None:
    assert shortened("a\n  b") == "a b"
    assert shortened("x" * 100) == "x" * (MAX_CHARACTERS - 1) + "…"
    assert printable("a\x00\x7f\n\u2028ä") == "a\\u0000\\u007f\\n\\u2028ä"
