"""Each problem has the line and column of what is wrong, however the text is written."""

from __future__ import annotations

import pytest

from aiowfm.definitions import check_definitions, yaml_nodes

ANCHORS = """\
- name: &name order
  stateMachine:
    StartAt: a
    TimeoutSeconds: 60
    States:
      a: &task
        Type: Task
        Resource: work
        TimeoutSeconds: &limit 0      # wrong here
        Next: b
      b: {Type: Task, Resource: work, TimeoutSeconds: *limit, Next: c}
      c: {<<: *task, TimeoutSeconds: 5, Next: nowhere}
      d:
        <<: *task
        Next: e
      e: *task
"""
COMMENTS = """\
# A file begins.

- name: order            # the name
  # and its machine
  stateMachine:

    StartAt: a           # first
    TimeoutSeconds: 60
    States:
      # a comment, deeper
      a:   # the state
        # before the type
        Type: Pass
        # before the mistake
        Nxt: b
        End: true
"""
FLOW = """\
[{name: order, stateMachine: {StartAt: a, TimeoutSeconds: 60, States: {
  a: {Type: Choice,
      Choices: [{Variable: $.a, IsNull: true, Next: b}, {Variable: $.b,
        IsNull: "yes", Next: b}]},
  b: {Type: Succeed}}}}]
"""
MULTI_LINE = """\
- name: order
  stateMachine:
    StartAt: a
    TimeoutSeconds: 60
    Comment: |
      Some lines
        of text: with colons
    QueryLanguage: JSONata
    States:
      a:
        Type: Pass
        Comment: "quoted
          over lines"
        Output: >-
          {%
            $states.input.a +
          %}
        Assign:
          x: |-
            {% $states.inptu %}
        End: true
"""
JSON = """\
{
  "name": "order",
\t"stateMachine": {"StartAt": "a", "TimeoutSeconds": 60,
    "States": {"a": {"Type": "Wait", "Seconds": -1,
                     "Next": "ä😀"}, "ä😀": {"Type": "Pas"}}}
}
"""
QUOTES = """\
- name: order
  stateMachine:
    "StartAt": 'a'
    'TimeoutSeconds': 60
    States:
      "a": {"Type": 'Pass', ? "Resu" : 1, 'End': true}
"""


@pytest.fixture(params=["C", "Python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Python":
        monkeypatch.setattr(yaml_nodes, "_is_compiled", lambda parser: False)


def places(text: str) -> list[tuple[int | None, int | None, str]]:
    _, problems = check_definitions(text)
    return [(each.line, each.column, each.message) for each in problems]


def starts(text: str, *expected: tuple[int, int, str]) -> None:
    found = places(text)
    assert [place[:2] for place in found] == [place[:2] for place in expected], found
    for (*_, message), (*_, beginning) in zip(found, expected, strict=True):
        assert message.startswith(beginning)


def test_what_an_anchor_names_is_wrong_where_it_is_used() -> None:
    starts(
        ANCHORS,
        (9, 9, "TimeoutSeconds must be at least 1, not 0"),
        (9, 9, "TimeoutSeconds must be at least 1, not 0"),  # d, by <<
        (9, 9, "TimeoutSeconds must be at least 1, not 0"),  # e
        (11, 39, "TimeoutSeconds must be at least 1, not 0"),
        (12, 41, "Next names no state: 'nowhere'"),
    )


def test_comments_and_empty_lines_count() -> None:
    starts(COMMENTS, (15, 9, "a Pass state has no field 'Nxt'"))


def test_flow_style_has_places_inside_a_line() -> None:
    starts(FLOW, (4, 9, "IsNull must be true or false, not 'yes'"))


def test_text_over_several_lines_is_placed_at_its_key() -> None:
    starts(
        MULTI_LINE,
        (14, 9, "Output is no JSONata expression"),
        (19, 11, "x: there is no $states.inptu here"),
    )


def test_json_has_places_too() -> None:
    starts(
        JSON,
        (4, 38, "Seconds must be at least 0, not -1"),
        (5, 44, "unknown state Type 'Pas'; did you mean 'Pass'?"),
    )


def test_keys_are_found_in_quotes() -> None:
    starts(QUOTES, (6, 31, "a Pass state has no field 'Resu'"))


@pytest.mark.parametrize("text", [ANCHORS, COMMENTS, FLOW, MULTI_LINE, JSON, QUOTES])
def test_the_ends_of_lines_may_be_windows_own(text: str) -> None:
    assert places(text.replace("\n", "\r\n")) == places(text)


def test_a_byte_order_mark_moves_nothing() -> None:
    assert places("\ufeff" + FLOW) == places(FLOW)
