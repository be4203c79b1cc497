from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.intrinsics import InvalidIntrinsicError
from aiowfm.asl.paths import InvalidPathError
from aiowfm.asl.payload import JsonValue
from aiowfm.asl.templates import compile_expression, compile_template
from tests.asl.scopes import Scope

SCOPE = Scope(
    {"id": 17, "lines": [1, 2], "null": None, 'a\\"b': 3},
    {"Execution": {"Name": "run"}},
    {"rate": {"percent": [5, 19]}},
)


def filled(template: JsonValue) -> JsonValue:
    return compile_template(template)(SCOPE)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param({"a": 1, "b": [True, None]}, {"a": 1, "b": [True, None]}, id="constant"),
        pytest.param("text", "text", id="text"),
        pytest.param(None, None, id="null"),
        pytest.param({}, {}, id="empty"),
        pytest.param({"id.$": "$.id"}, {"id": 17}, id="path"),
        pytest.param({"all.$": "$"}, {"all": SCOPE.input}, id="whole input"),
        pytest.param({"n.$": "$.null"}, {"n": None}, id="null that is there"),
        pytest.param({"run.$": "$$.Execution.Name"}, {"run": "run"}, id="context"),
        pytest.param({"each.$": "$.lines[*]"}, {"each": [1, 2]}, id="several values"),
        pytest.param({"a": {"b": {"id.$": "$.id"}}}, {"a": {"b": {"id": 17}}}, id="nested"),
        pytest.param([{"id.$": "$.id"}, 1, ["x"]], [{"id": 17}, 1, ["x"]], id="in a list"),
        pytest.param({"a": [[{"id.$": "$.id"}]]}, {"a": [[{"id": 17}]]}, id="in lists"),
        pytest.param({"rate.$": "$rate.percent[1]"}, {"rate": 19}, id="variable"),
        pytest.param({"all.$": "$rate.percent[*]"}, {"all": [5, 19]}, id="values in a variable"),
        pytest.param({"n.$": "$['a\\\"b']"}, {"n": 3}, id="backslash before another quote"),
        pytest.param({"n.$": "States.MathAdd($.id, 1)"}, {"n": 18}, id="function"),
        pytest.param(
            [{"n.$": "States.Array($.lines)"}], [{"n": [[1, 2]]}], id="function in a list"
        ),
        pytest.param({"n": "States.UUID()"}, {"n": "States.UUID()"}, id="no mark, no function"),
        pytest.param({"id": "$.id"}, {"id": "$.id"}, id="no mark, no path"),
        pytest.param({"a": "x.$"}, {"a": "x.$"}, id="mark in a value"),
        pytest.param({".$": "$.id"}, {"": 17}, id="nothing but the mark"),
        pytest.param({"a.$.$": "$.id"}, {"a.$": 17}, id="one mark is taken off"),
    ],
)
def test_members_that_are_marked_are_looked_up(template: JsonValue, expected: JsonValue) -> None:
    assert filled(template) == expected


def test_members_keep_their_order() -> None:
    result = filled({"c.$": "$.id", "a": 1, "b.$": "$.id"})
    assert isinstance(result, dict)
    assert list(result) == ["c", "a", "b"]


def test_a_template_is_filled_in_anew_for_each_scope_and_does_not_change() -> None:
    template: Any = {"a": {"id.$": "$.id"}, "list": [{"id.$": "$.id"}]}
    before = deepcopy(template)
    fill = compile_template(template)
    first, second = fill(Scope({"id": 1})), fill(Scope({"id": 2}))
    assert first == {"a": {"id": 1}, "list": [{"id": 1}]}
    assert second == {"a": {"id": 2}, "list": [{"id": 2}]}
    assert template == before


def test_what_is_missing_is_named_with_its_field_and_the_input() -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_template({"a": {"id.$": "$.no"}})(Scope({"x": 1}))
    assert caught.value.error == "States.Runtime"
    assert caught.value.cause == (
        "The JSONPath '$.no' specified for the field 'id.$' could not be found in the input"
        " '{\"x\":1}'"
    )


@pytest.mark.parametrize(
    "template",
    [
        pytest.param({"a.$": 1}, id="number"),
        pytest.param({"a.$": None}, id="null"),
        pytest.param({"a.$": {"b": "$"}}, id="object"),
        pytest.param({"x": [{"a.$": "no path"}]}, id="other text"),
        pytest.param({"a.$": ""}, id="empty"),
        pytest.param({"a.$": "states.Format('a')"}, id="no function either"),
    ],
)
def test_a_marked_member_that_holds_no_path_is_refused_when_it_is_compiled(
    template: JsonValue,
) -> None:
    with pytest.raises(InvalidPathError, match="path"):
        compile_template(template)


@pytest.mark.parametrize("text", ["States.", "States.UUID", "States.UUID() ;", "States.Now()"])
def test_a_marked_member_that_begins_like_a_function_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidIntrinsicError):
        compile_template({"x": [{"a.$": text}]})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("$.id", 17, id="path"),
        pytest.param("$$.Execution.Name", "run", id="context"),
        pytest.param("States.Format('no. {}', $.id)", "no. 17", id="function"),
    ],
)
def test_an_expression_is_a_path_or_a_function(text: str, value: JsonValue) -> None:
    assert compile_expression("CausePath", text)(SCOPE) == value


def test_a_missing_variable_is_named_with_its_field_and_the_input() -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_expression("CausePath", "$missing.a")(Scope({"x": 1}))
    assert caught.value.error == "States.Runtime"
    assert caught.value.cause == (
        "The JSONPath '$missing.a' specified for the field 'CausePath' could not be found in the"
        " input '{\"x\":1}'"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text("ab$.", max_size=4).filter(lambda key: not key.endswith(".$")), inner
        )
    ),
)


@given(JSON)
def test_a_template_without_marks_is_what_it_gives(template: JsonValue) -> None:
    assert filled(template) == template
