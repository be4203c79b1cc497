from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.errors import RESULT_PATH_MATCH_FAILURE, EvaluationError
from aiowfm.asl.paths import InvalidPathError, Path, PathNotFoundError, compile_path
from aiowfm.asl.payload import JsonValue
from tests.asl.scopes import Scope

DOCUMENT: Any = {
    "order": {"id": 17, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "note": None},
    "with space": 1,
    "it's": 2,
    'say "so"': 3,
    "back\\slash": 4,
    "a.b": 5,
    "a*b": 6,
    "größe": 7,
    "1st": 8,
    "dashed-name": 9,
    "empty": [],
}
CONTEXT: JsonValue = {"Execution": {"Name": "run"}, "Map": {"Item": {"Index": 3}}}
VARIABLES: dict[str, JsonValue] = {"order": {"id": 18}, "none": None, "größe": [1, 2]}
SCOPE = Scope(DOCUMENT, CONTEXT, VARIABLES)


def found(path: str) -> JsonValue:
    return compile_path(path).look_up(SCOPE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("$", DOCUMENT, id="all"),
        pytest.param("$.order.id", 17, id="members"),
        pytest.param("$['order']['id']", 17, id="brackets"),
        pytest.param('$["order"]["id"]', 17, id="double quotes"),
        pytest.param("$.order['lines'][1].sku", "b", id="mixed"),
        pytest.param("$.order.lines[0].n", 1, id="item"),
        pytest.param("$.order.lines[-1].n", 2, id="item from the end"),
        pytest.param("$.order.note", None, id="null is there"),
        pytest.param("$['with space']", 1, id="space"),
        pytest.param(r"$['it\'s']", 2, id="escaped quote"),
        pytest.param('$["it\'s"]', 2, id="the other quote"),
        pytest.param(r'$["say \"so\""]', 3, id="escaped double quote"),
        pytest.param(r"$['back\\slash']", 4, id="escaped backslash"),
        pytest.param("$['a.b']", 5, id="dot in a name"),
        pytest.param("$['a*b']", 6, id="star in a name"),
        pytest.param("$.größe", 7, id="letters of other languages"),
        pytest.param("$.dashed-name", 9, id="dash"),
        pytest.param("$$.Execution.Name", "run", id="context"),
        pytest.param("$$['Map'].Item.Index", 3, id="context in brackets"),
        pytest.param("$$", CONTEXT, id="whole context"),
        pytest.param("$order.id", 18, id="variable"),
        pytest.param("$order", {"id": 18}, id="whole variable"),
        pytest.param("$none", None, id="variable that is null"),
        pytest.param("$größe[1]", 2, id="item of a variable"),
    ],
)
def test_a_definite_path_leads_to_one_value(path: str, value: JsonValue) -> None:
    assert found(path) == value
    assert compile_path(path).steps is not None


@pytest.mark.parametrize(
    ("path", "values"),
    [
        pytest.param("$.order.lines[*].sku", ["a", "b"], id="all items"),
        pytest.param("$.order.lines.*.n", [1, 2], id="all members"),
        pytest.param("$..sku", ["a", "b"], id="any depth"),
        pytest.param("$.order.lines[0:1].sku", ["a"], id="slice"),
        pytest.param("$.order.lines[0,1].n", [1, 2], id="several items"),
        pytest.param("$.order['id','note']", [17, None], id="several members"),
        pytest.param("$.order.lines[?(@.n > 1)].sku", ["b"], id="filter"),
        pytest.param("$.order.lines[?(@.n > 5)].sku", [], id="filter that finds nothing"),
        pytest.param("$.empty[*]", [], id="all of nothing"),
        pytest.param("$..nowhere", [], id="any depth, nowhere"),
        pytest.param("$$.Map.Item.*", [3], id="context"),
    ],
)
def test_a_path_that_may_lead_to_several_values_gives_a_list(
    path: str, values: list[JsonValue]
) -> None:
    assert found(path) == values
    assert compile_path(path).steps is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("$.nowhere", "No results for path: $['nowhere']", id="member"),
        pytest.param("$.order.nowhere", "No results for path: $['order']['nowhere']", id="nested"),
        pytest.param("$.no.where.at", "Missing property in path $['no']", id="on the way"),
        pytest.param("$.order.lines[2]", "No results for path: $['order']['lines'][2]", id="item"),
        pytest.param("$.order.lines[-3]", "$['order']['lines'][-3]", id="item from the end"),
        pytest.param("$.order.id.x", "No results for path", id="below a number"),
        pytest.param("$.order.note.x", "No results for path", id="below null"),
        pytest.param("$.order[0]", "No results for path", id="index of an object"),
        pytest.param("$.order.lines.sku", "No results for path", id="member of a list"),
        pytest.param("$$.Task.Token", "Missing property in path $['Task']", id="context"),
        pytest.param("$nowhere.id", "No results for path: $nowhere.id", id="variable"),
    ],
)
def test_a_definite_path_that_leads_nowhere_is_an_error(path: str, message: str) -> None:
    with pytest.raises(PathNotFoundError) as caught:
        found(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "order",
        ".order",
        "@.order",
        "$.",
        "$1st",
        "$a b",
        "$$x",
        "$[",
        "$.a[",
        "$.a['b]",
        "$.a[?(]",
        " $",
    ],
    ids=repr,
)
def test_a_text_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidPathError, match="is not a path"):
        compile_path(path)


# --- put -----------------------------------------------------------------------------


def put(path: str, root: JsonValue, value: JsonValue) -> JsonValue:
    return Path(path).put(root, value)


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        pytest.param("$", {"a": 1}, "new", id="all"),
        pytest.param("$.a", {"a": 1, "b": 2}, {"a": "new", "b": 2}, id="replaces"),
        pytest.param("$.b", {"a": 1}, {"a": 1, "b": "new"}, id="adds"),
        pytest.param("$.a.b.c", {}, {"a": {"b": {"c": "new"}}}, id="makes what is missing"),
        pytest.param("$.a.b", {"a": None}, {"a": {"b": "new"}}, id="null counts as missing"),
        pytest.param("$.a[1]", {"a": [1, 2]}, {"a": [1, "new"]}, id="item"),
        pytest.param("$.a[-1]", {"a": [1, 2]}, {"a": [1, "new"]}, id="item from the end"),
        pytest.param("$.a[0].b", {"a": [{}]}, {"a": [{"b": "new"}]}, id="in an item"),
        pytest.param("$['a b']", {}, {"a b": "new"}, id="brackets"),
    ],
)
def test_a_value_is_put_where_a_path_leads(path: str, root: JsonValue, expected: JsonValue) -> None:
    assert put(path, root, "new") == expected


@pytest.mark.parametrize(
    ("path", "root"),
    [
        pytest.param("$.a", [1], id="member of a list"),
        pytest.param("$.a", "text", id="member of a text"),
        pytest.param("$.a", None, id="member of null"),
        pytest.param("$.a.b", {"a": 1}, id="member of a number on the way"),
        pytest.param("$[0]", {"a": 1}, id="item of an object"),
        pytest.param("$.a[1]", {"a": [1]}, id="item beyond the end"),
        pytest.param("$.a[0]", {}, id="item of what is missing"),
    ],
)
def test_a_place_that_cannot_exist_is_a_result_path_failure(path: str, root: JsonValue) -> None:
    with pytest.raises(EvaluationError) as caught:
        put(path, root, "new")
    assert caught.value.error == RESULT_PATH_MATCH_FAILURE
    assert caught.value.cause == (
        f"Unable to apply ReferencePath {path} to input {json.dumps(root, separators=(',', ':'))}"
    )


@pytest.mark.parametrize("path", ["$.a[*]", "$..a", "$$.Execution", "$.a[0:1]", "$order"])
def test_only_a_reference_path_can_be_put_to(path: str) -> None:
    with pytest.raises(EvaluationError, match="is not a reference path"):
        put(path, {"a": [1]}, "new")


def test_what_was_there_stays_as_it_was_and_what_is_beside_the_way_is_shared() -> None:
    root: Any = {"a": {"b": [{"c": 1}, {"d": 2}]}, "beside": {"x": 1}}
    before = deepcopy(root)
    changed: Any = put("$.a.b[0].c", root, "new")
    assert root == before
    assert changed["a"]["b"][0]["c"] == "new"
    assert changed["beside"] is root["beside"]
    assert changed["a"]["b"][1] is root["a"]["b"][1]


NAMES = st.text(min_size=1, max_size=6)


def quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


@given(st.lists(NAMES, min_size=1, max_size=4), st.integers())
def test_what_was_put_is_found_whatever_the_names(names: list[str], value: int) -> None:
    path = compile_path("$" + "".join(map(quoted, names)))
    assert path.look_up(Scope(path.put({}, value))) == value
