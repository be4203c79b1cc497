from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, EvaluationError
from aiowfm.asl.paths import InvalidPathError, Path, PathNotFoundError, compile_path
from aiowfm.asl.payload import JsonValue
from aiowfm.asl.searches import MAX_NODES
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
    "@type": 10,
    "a:b": 11,
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
        pytest.param("$.1st", 8, id="digit first"),
        pytest.param("$.@type", 10, id="at sign"),
        pytest.param("$.a:b", 11, id="colon"),
        pytest.param("$.['with space']", 1, id="a dot before a bracket"),
        pytest.param("$.order.['lines'].[1].sku", "b", id="dots before brackets"),
        pytest.param("$[ 'order' ].lines[ 0 ].n", 1, id="spaces in brackets"),
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


# What Jayway JsonPath gives, which Step Functions reads paths with.
THINGS: Any = {
    "n": 5,
    "s": "text",
    "null": None,
    "list": [3, 1, 2],
    "in": {"x": 1, "y": {"x": 2}},
    "things": [
        {"t": "a", "g": ["x", "y"], "n": 1},
        {"t": "b", "g": [], "n": "1"},
        {"t": "c", "n": True},
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("$['n','s']", {"n": 5, "s": "text"}, id="several members"),
        pytest.param("$['n', 'nowhere']", {"n": 5}, id="of which one is missing"),
        pytest.param("$.list.length()", 3, id="length of a list"),
        pytest.param("$.in.length()", 2, id="length of an object"),
        pytest.param("$.s.length()", None, id="length of a text"),
        pytest.param("$.in.size()", 2, id="size"),
        pytest.param("$.in.keys()", ["x", "y"], id="keys"),
        pytest.param("$.list.first()", 3, id="first"),
        pytest.param("$.list.last()", 2, id="last"),
        pytest.param("$.list.index(1)", 1, id="index"),
        pytest.param("$.list.index(-1)", 2, id="index from the end"),
        pytest.param("$..list.length()", 3, id="length of what is at any depth"),
        pytest.param("$..t.first()", "a", id="the first of what is at any depth"),
        pytest.param("$.things[*].g.length()", [2, 0], id="length of each"),
    ],
)
def test_functions_and_several_members_give_one_value(path: str, value: JsonValue) -> None:
    assert compile_path(path).look_up(Scope(THINGS)) == value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        # As recorded on AWS; Jayway itself calls it a missing property.
        pytest.param("$.nowhere[*]", [], id="all of what is missing"),
        pytest.param("$.nowhere.at[1:5].x", [], id="slice of what is missing"),
        pytest.param("$.nowhere.at[?(@.a)]", [], id="filter of what is missing"),
        pytest.param("$.s[1:]", [], id="slice of a text"),
        pytest.param("$.n[*]", [], id="all of a number"),
        pytest.param("$.null.*", [], id="all of null"),
        pytest.param("$.things[*].nowhere", [], id="a member that none has"),
        pytest.param("$.list[1:]", [1, 2], id="slice without an end"),
        pytest.param("$.list[:-1]", [3, 1], id="slice without a start"),
        pytest.param("$.list[-2:]", [1, 2], id="slice from the end"),
        pytest.param("$.list[5:]", [], id="slice behind the end"),
        pytest.param("$.list[0, -1, 7]", [3, 2], id="several items"),
        pytest.param("$.list[?(@ > 1)]", [3, 2], id="filter of values"),
        pytest.param("$.in[?(@.x == 1)].y.x", [2], id="filter of an object"),
        pytest.param("$..x", [1, 2], id="any depth"),
        pytest.param("$..[?(@.x == 2)]", [{"x": 2}], id="filter at any depth"),
        pytest.param("$..[0]", [3, THINGS["things"][0], "x"], id="index at any depth"),
        pytest.param("$..['x','y']", [{"x": 1, "y": {"x": 2}}], id="several at any depth"),
    ],
)
def test_a_search_gives_what_jayway_gives(path: str, values: list[JsonValue]) -> None:
    assert compile_path(path).look_up(Scope(THINGS)) == values


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("@.t == 'a'", "a"),
        ('@.t == "a"', "a"),
        ("@.t=='a'||@.t=='c'", "ac"),
        ("@.t == 'a' && @.n == 2", ""),
        ("(@.t == 'a' || @.t == 'b') && @.g", "ab"),
        ("@.t != 'a'", "bc"),
        ("@.g != null", "abc"),
        ("@.n == 1", "ab"),
        ("@.n === 1", "a"),
        ("@.n !== 1", "bc"),
        ("1 == @.n", "ab"),
        ("@.n == true", "c"),
        ("@.n < 2", "ab"),
        ("@.n >= '1'", "ab"),
        ("@.g", "ab"),
        ("!@.g", "c"),
        ("!(@.g || @.t == 'c')", ""),
        ("@.g[*]", "ab"),
        ("@..x", ""),
        ("@.t in ['a', \"b\"]", "ab"),
        ("@.t nin ['a','b']", "c"),
        ("@.g nin [1]", "abc"),
        ("@.t in $.nowhere", ""),
        ("@.t contains 'a'", "a"),
        ("@.g contains 'x'", "a"),
        ("@.n contains 1", ""),
        ("@.g size 2", "a"),
        ("@.t size 1", "abc"),
        ("@.g empty true", "b"),
        ("@.g empty false", "a"),
        ("@.g subsetof ['x', 'y', 'z']", "ab"),
        ("@.g anyof ['x']", "a"),
        ("@.g noneof ['x']", "b"),
        ("@.g all ['x', 'y']", "a"),
        ("@.g == ['x', 'y']", "a"),
        ("@.g.length() == 2", "a"),
        ("@.t == $.things[1].t", "b"),
        ("@.t == $.things[?(@.t == 'b')].t", ""),
        ("@['t'] =~ /A|b/i", "ab"),
        ("/[ab]/ =~ @.t", "ab"),
        ("@.g =~ /x/", "a"),
        ("@.n =~ /1|true/", "abc"),
        ("@.t =~ @.t", ""),
    ],
)
def test_filters_have_the_operators_of_jayway(condition: str, found: str) -> None:
    path = f"$.things[?({condition})].t"
    assert compile_path(path).look_up(Scope(THINGS)) == [*found]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("$.s['a','b']", "Missing property in path $['s']['a', 'b']", id="members"),
        pytest.param("$.nowhere.length()", "Missing property in path $['nowhere']", id="length"),
        # Step Functions is known to say so of these.
        pytest.param("$.list.sum()", "No results for path: $.list.sum()", id="sum"),
        pytest.param("$.list.nonsense()", "No results for path", id="no function"),
        pytest.param("$.s.first()", "No results for path", id="first of a text"),
        pytest.param("$.list.index(3)", "No results for path", id="index beyond the end"),
    ],
)
def test_a_search_that_leads_nowhere_is_an_error(path: str, message: str) -> None:
    with pytest.raises(PathNotFoundError) as caught:
        compile_path(path).look_up(Scope(THINGS))
    assert message in str(caught.value)


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
        "$[0:1e9]",
        "$[?(@.a == 1e999)]",
        "$[?(@.a =~ /[/)]",
        "$[:]",
        "$[1:2:3]",
        "$...a",
        "$.a..",
        "$['a']b",
        "$.a b",
        "$.a]",
        "$.a,b",
        "$.a b()",
        "$.a(",
        "$[?@.a]",
        "$[?(@.a == 'b']",
        "$[?(@.a == 'b') ",
        "$[?(@.a foo 'b')]",
        "$[?(@.a ==)]",
        "$[?('a')]",
        "$[?(@.a @.b)]",
        "$[?((@.a)]",
        "$[?(@.a && )]",
        "$.a.index(1 2)",
        "$.a.index(x)",
        "$.a | $.b",
        "$.a & $.b",
    ],
    ids=repr,
)
def test_a_text_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidPathError, match="is not a path"):
        compile_path(path)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"$[{'9' * 5000}]", id="index"),
        pytest.param(f"$..[{'9' * 5000}]", id="index at any depth"),
        pytest.param("$[?" + "(" * 5000, id="brackets left open"),
        pytest.param("$[?" + "(" * 5000 + "@.a" + ")" * 5000 + "]", id="brackets"),
        pytest.param("$[?(" + "!" * 5000 + "@.a)]", id="not"),
        pytest.param("$[?(@" + "[?(@" * 5000 + ")]" * 5001, id="filters"),
        pytest.param(f"$.a[{' ' * 500_000}x", id="spaces"),
    ],
)
def test_a_path_with_too_much_in_it_is_refused(path: str) -> None:
    with pytest.raises(InvalidPathError, match=r"is not a path: .+"):
        compile_path(path)


def test_a_text_is_not_searched_as_if_it_were_json() -> None:
    assert compile_path("$..a").look_up(Scope('{"a": 1}')) == []
    assert compile_path("$..a").look_up(Scope("{")) == []


# --- Bounds --------------------------------------------------------------------------

HARD: JsonValue = {"x": {"a": "a" * 40 + "!"}, "pattern": "(a|aa)+$"}


def nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


class Counting(NamedTuple):
    """A scope that is told what is done."""

    input: JsonValue
    told: list[int]
    context: JsonValue = None
    variables: Mapping[str, JsonValue] = {}

    def entropy(self) -> Random:
        return Random(0)

    def spend(self, effort: int) -> None:
        self.told.append(effort)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        pytest.param("$..[?(@.a =~ /(a|aa)+$/)]", HARD, id="operator"),
        pytest.param("$[?(@ =~ /(a|aa)+$/)]", ["a" * 18 + "!"] * 10_000, id="many texts"),
        pytest.param("$..*..*", [[1, 2, 3]] * 40_000, id="nodes found"),
        pytest.param("$..*..*..*..nowhere", [nested(10)] * 1_500, id="nodes on the way"),
        pytest.param("$[?(@..*)]", [nested(20)] * 9_000, id="nodes in a filter"),
        pytest.param("$[?($..*)]", [[1]] * 1_200, id="nodes in a filter from the root"),
        pytest.param("$" + "[0,0]" * 40, nested(50), id="the same node over and over"),
        pytest.param("$[?(@ in $)]", [*range(180_000)], id="comparisons"),
    ],
)
def test_a_path_that_takes_too_long_is_an_evaluation_error(path: str, data: JsonValue) -> None:
    scope = Counting(data, [])
    with pytest.raises(EvaluationError, match=r"takes too long|more than 300,000 nodes") as caught:
        compile_path(path).look_up(scope)
    assert caught.value.error == RUNTIME
    assert caught.value.cause.startswith(f"Invalid path '{path}' : ")
    assert sum(scope.told) < 2 * MAX_NODES


def test_a_regular_expression_that_is_easy_is_matched_as_a_whole() -> None:
    names: list[JsonValue] = [{"a": "Foo"}, {"a": "food"}, {"a": 1}, {}]
    assert compile_path("$[?(@.a =~ /foo/i)]").look_up(Scope(names)) == [{"a": "Foo"}]
    assert compile_path("$[?(@.a =~ /.*oo.*/)]").look_up(Scope(names)) == names[:2]
    assert compile_path("$..[?(@.a =~ /(a+)+$/)]").look_up(Scope(HARD)) == []


@pytest.mark.parametrize(
    ("path", "data", "problem"),
    [
        pytest.param("$[?(@.a)]", 5, "Filter: [?] can not be applied to primitives.", id="filter"),
        pytest.param("$['a','b'].c", {}, "Multi properties can only be used as path", id="members"),
    ],
)
def test_a_path_that_cannot_be_followed_is_an_evaluation_error(
    path: str, data: JsonValue, problem: str
) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_path(path).look_up(Scope(data))
    assert caught.value.cause.startswith(f"Invalid path '{path}' : {problem}")


def test_a_search_goes_as_deep_as_the_data_and_the_path() -> None:
    data: JsonValue = {"a": nested(400)}
    assert compile_path("$..a").look_up(Scope(data)) == [nested(400)]
    assert compile_path("$..a" + ".a" * 5000).look_up(Scope({"a": 1})) == []


def test_a_search_tells_how_many_nodes_it_visited() -> None:
    scope = Counting([1, 2, 3], [])
    assert compile_path("$[*]").look_up(scope) == [1, 2, 3]
    assert compile_path("$[0]").look_up(scope) == 1
    assert scope.told == [4]


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


def test_a_value_is_put_however_deep_the_place() -> None:
    root = put("$" + ".a" * 5000, {"b": 1}, "new")
    assert compile_path("$" + ".a" * 5000).look_up(Scope(root)) == "new"
    assert compile_path("$.b").look_up(Scope(root)) == 1


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
