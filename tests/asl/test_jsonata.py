from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.errors import QUERY_EVALUATION_ERROR, EvaluationError
from aiowfm.asl.jsonata import (
    UNDEFINED,
    InvalidExpressionError,
    JsonataError,
    Kind,
    Undefined,
    compile_expression,
    compile_jsonata_template,
    expect,
    expression_in,
)
from aiowfm.asl.payload import JsonValue

NOW = 1_700_000_000.25
INPUT: JsonValue = {
    "id": 17,
    "name": "Ada",
    "none": None,
    "nulls": [1, None, 3],
    "empty": [],
    "lines": [
        {"sku": "a", "price": 2.5, "count": 2},
        {"sku": "b", "price": 4, "count": 1},
        {"sku": "a", "price": 1, "count": 10},
    ],
}
BINDINGS: Mapping[str, JsonValue] = {
    "states": {"input": INPUT, "context": {"Execution": {"Name": "run"}}},
    "limit": 10,
    "text": "abc",
}


class Scope(NamedTuple):
    bindings: Mapping[str, JsonValue] = BINDINGS
    now: float = NOW

    def entropy(self) -> Random:
        return Random(1)

    def spend(self, effort: int) -> None:
        pass


def value(
    text: str, bindings: Mapping[str, JsonValue] = BINDINGS, seed: int = 1
) -> JsonValue | Undefined:
    return compile_expression(text).evaluate(bindings, Random(seed), NOW)


def error(text: str) -> JsonataError:
    with pytest.raises(JsonataError) as caught:
        value(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$states.input.id", 17),
        ("$states.context.Execution.Name", "run"),
        ("$limit + 1", 11),
        ("$states.input.lines.sku", ["a", "b", "a"]),
        ("$states.input.lines[sku = 'b'].price", 4),
        ("$states.input.lines[sku = 'b'].price[]", [4]),
        ("$sum($states.input.lines.(price * count))", 19),
        ("$states.input.lines{sku: $sum(count)}", {"a": 12, "b": 1}),
        ("$states.input.lines^(price).price", [1, 2.5, 4]),
        ("$states.input.lines[0].%.id", 17),
        ("$states.input.lines@$line.$line.sku", ["a", "b", "a"]),
        ("($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(6))", 720),
        ("$map([1..3], function($n) { $n * 2 })", [2, 4, 6]),
        ("[1..3] ~> $map(function($n) { $n * 2 }) ~> $sum()", 12),
        ("$filter($states.input.lines, function($l) { $l.price > 2 }).sku", ["a", "b"]),
        ("$reduce([1..4], function($a, $b) { $a + $b })", 10),
        ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
        ("$contains('abc', /B/i)", True),
        ("$replace('2024-05', /(\\d+)-(\\d+)/, '$2/$1')", "05/2024"),
        ("$replace('1,2', /\\d/, function($m) { $m.match & '!' })", "1!,2!"),
        ("$split('a1b22c', /\\d+/)", ["a", "b", "c"]),
        ("$match('a1b2', /[a-z](\\d)/).groups", ["1", "2"]),
        ("$sort([3, 1, 2])", [1, 2, 3]),
        ("$sort($states.input.lines, function($l, $r) { $l.price > $r.price }).sku", list("aab")),
        (
            "$distinct([1, 1.0, '1', true, [1], [1], {'a': 1}, {'a': 1}])",
            [1, "1", True, [1], {"a": 1}],
        ),
        ("$substring(?, 0, 2)('abc')", "ab"),
        ("$round(2.5) & $round(3.5) & $round(2.345, 2)", "242.34"),
        ("5.5 % 2", 1.5),
        ("$string({'a': [1.0, 2.5, null]})", '{"a":[1,2.5,null]}'),
        ("$string(1e21) & ' ' & $string(0.1 + 0.2) & ' ' & $string(1e-7)", "1e+21 0.3 1e-7"),
        ('"\\uD834\\uDD1E"', "\U0001d11e"),
        ("'1' in ['1', 2] and $not(true in [1])", True),
        ("$toMillis('2024-01-02T03:04:05.678Z')", 1704164645678),
        (
            "($m := function($s) { {'match': 'b', 'start': 1, 'end': 2, 'groups': []} };"
            " [$split('abc', $m), $replace('abc', $m, 'x'), $contains('abc', $m)])",
            ["a", "c", "axc", True],
        ),
        ("$fromMillis(0, '[Y]-[M01]-[D01]')", "1970-01-01"),
        ("$formatNumber(1234.5, '#,##0.00')", "1,234.50"),
    ],
)
def test_an_expression_has_the_value_that_jsonata_gives_it(text: str, expected: JsonValue) -> None:
    assert value(text) == expected


RECORDED = json.loads(Path(__file__).with_name("jsonata_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["text"][:60])
def test_an_expression_answers_as_the_javascript_library_did(case: dict[str, JsonValue]) -> None:
    answer: dict[str, JsonValue] = {"text": case["text"]}
    try:
        found = value(str(case["text"]), RECORDED["bindings"])
        answer |= {"undefined": True} if found is UNDEFINED else {"value": found}
    except (JsonataError, InvalidExpressionError) as exc:
        answer |= {"code": exc.code, "message": exc.message}
    assert answer == case


@pytest.mark.parametrize(
    "text", ["$states.input.nothing", "$nothing", "$", "$$", "nothing", "()", "$sum", "/a/"]
)
def test_what_leads_to_nothing_is_undefined(text: str) -> None:
    assert value(text) is UNDEFINED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$states.input.none", None),
        ("null", None),
        ("$states.input.nulls", [1, None, 3]),
        ("$states.input.nulls[1]", None),
        ("$map($states.input.nulls, function($n) { $type($n) })", ["number", "null", "number"]),
        ("$states.input.nulls ~> |$|{}|", [1, None, 3]),
        ("$count($states.input.nulls)", 3),
        ("{'a': null}", {"a": None}),
        ("{'a': $nothing}", {}),
        ("$type($states.input.none)", "null"),
        ("$states.input.none = null", True),
        ("$exists($states.input.none)", True),
        ("$exists($states.input.nothing)", False),
        ("$each($states.input, function($v, $k) { $v = null ? $k })", "none"),
        ("$states.input.*[$ = null]", [None, None]),
    ],
)
def test_null_is_something(text: str, expected: JsonValue) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4 / 2", "2"),
        ("2.0", "2"),
        ("$parse('-0')", "0"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("$power(2, 60)", "1152921504606846976"),
        ("1e300", "1e+300"),
        ("[1, 2][]", "[1, 2]"),
        ("$states.input.lines.price", "[2.5, 4, 1]"),
    ],
)
def test_results_are_plain_json_and_whole_numbers_have_no_fraction(
    text: str, expected: str
) -> None:
    result = value(text)
    assert json.dumps(result) == expected
    assert type(result) in (int, float, list)


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    text=st.sampled_from(
        [
            "$x",
            "$x{'k': $}",
            "$x.a{'k': b}",
            "$x ~> |$|{'new': 1}, ['a']|",
            "{} ~> |$x|{'new': 1}, 'a'|",
            "{'o': 1} ~> |$x.a|{'new': 1}, 'b'|",
            "[$x, $x]",
            "$append($x, 1)",
            "$x.a[]",
            "$x.**",
            "$x.*",
            "$spread($x)",
            "$x[0]",
            "$x#$i.{'i': $i}",
            "$shuffle($x)",
            "$x^($string($))",
            "$distinct($x)",
            "$string($x)",
            "$merge([$x, {'a': 2}])",
        ]
    ),
)
def test_what_an_expression_is_given_never_changes(data: JsonValue, text: str) -> None:
    before = deepcopy(data)
    try:
        result = value(text, {"x": data})
    except JsonataError:
        pass
    else:
        if text == "$x":
            assert result == before
        _assert_plain(result)
    assert data == before


def _assert_plain(found: JsonValue | Undefined) -> None:
    assert type(found) in (dict, list, str, int, float, bool, type(None), Undefined)
    if isinstance(found, dict | list):
        for item in found.values() if isinstance(found, dict) else found:
            _assert_plain(item)


def test_a_transform_that_looks_elsewhere_changes_nothing_there() -> None:
    data: JsonValue = {"a": {"b": 1}}
    assert value("{'c': 1} ~> |$x.a|{'b': 2}|", {"x": data}) == {"c": 1}
    assert data == {"a": {"b": 1}}


def test_nothing_is_left_from_one_evaluation_to_the_next() -> None:
    assert value("($kept := 1; $kept)") == 1
    assert value("$kept") is UNDEFINED
    assert value("($sum := function($x) { 'mine' }; $sum([1]))") == "mine"
    assert value("$sum([1])") == 1
    assert value("$text", {"text": "a"}) == "a"
    assert value("$text", {}) is UNDEFINED
    assert error("($kept := 1; $error('stop'))").code == "D3137"
    assert value("$kept") is UNDEFINED


# What Step Functions adds and takes away


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$partition([1..5], 2)", [[1, 2], [3, 4], [5]]),
        ("$partition($nothing, 2)", UNDEFINED),
        ("$range(0, 9, 3)", [0, 3, 6, 9]),
        ("$range(0, 10, 3)", [0, 3, 6, 9]),
        ("$range(5, 1, -2)", [5, 3, 1]),
        ("$range(1, 9, 9)", 1),
        ("$range(1, 9, 9)[]", [1]),
        ("$range(2, 1, 1)", UNDEFINED),
        ("$parse('{\"a\": [1, null]}')", {"a": [1, None]}),
        ("$parse('null')", None),
        ("$parse($nothing)", UNDEFINED),
        ("$hash($nothing, 'MD5')", UNDEFINED),
        ("$millis()", 1_700_000_000_250),
        ("$now()", "2023-11-14T22:13:20.250Z"),
        ("$now('[Y]')", "2023"),
    ],
)
def test_the_functions_of_step_functions_are_there(
    text: str, expected: JsonValue | Undefined
) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("name", ["MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"])
def test_hashes_are_written_in_hexadecimal_digits(name: str) -> None:
    expected = hashlib.new(name.replace("SHA-", "sha"), "Käse".encode()).hexdigest()
    assert value(f"$hash('Käse', '{name}')") == expected


def test_randomness_comes_from_what_is_given() -> None:
    text = "[$random(), $uuid(), $shuffle([1..20])]"
    assert value(text) == value(text)
    assert value(text) != value(text, seed=2)
    assert value("$random(7)") == value("$random(7)", seed=2)
    assert value("$random(7)") != value("$random(8)")
    drawn = value("$map([1..200], function() { $random() })")
    assert isinstance(drawn, list)
    assert len(drawn) == len(set(map(str, drawn))) == 200
    assert all(isinstance(number, float) and 0 <= number < 1 for number in drawn)
    assert value("$sort($shuffle([1..20]))") == list(range(1, 21))


def test_uuids_are_of_version_4() -> None:
    made = value("$uuid()")
    assert isinstance(made, str)
    assert UUID(made).version == 4
    assert str(UUID(made)) == made


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("$eval('1')", "T1006", "Attempted to invoke a non-function"),
        ("$randomSeeded(1)", "T1006", "Attempted to invoke a non-function"),
        ("sum(1)", "T1005", "Attempted to invoke a non-function. Did you mean $sum?"),
        ("1 + 'a'", "T2002", 'The right side of the "+" operator must evaluate to a number'),
        (
            "1 < 'a'",
            "T2009",
            'The values 1 and "a" either side of operator "<" must be of the same data type',
        ),
        (
            "$uppercase(1)",
            "T0410",
            'Argument 1 of function "uppercase" does not match function signature',
        ),
        (
            "$uppercase(null)",
            "T0410",
            'Argument 1 of function "uppercase" does not match function signature',
        ),
        ("$sum('a')", "T0412", 'Argument 1 of function "sum" must be an array of "numbers"'),
        ("$number('a')", "D3030", 'Unable to cast value to a number: "a"'),
        ("-'a'", "D1002", 'Cannot negate a non-numeric value: "a"'),
        ("{1: 2}", "T1003", "Key in object structure must evaluate to a string; got: 1"),
        ("$error('mine')", "D3137", "mine"),
        ("$assert(false, 'mine')", "D3141", "mine"),
        ("1 / 0", "D1001", "Number out of range: null"),
        ("[0 / 0]", "D1001", "Number out of range: null"),
        ("$power(10, 400)", "D3061", None),
        ("$toMillis('today')", "D3110", None),
        ("$replace('ab', /x*/, '')", "D1004", "Regular expression matches zero length string"),
        ("$parse('{')", "", None),
        ("$parse('NaN')", "", None),
        ("$hash('a', 'CRC')", "", None),
        ("$hash('a')", "T0410", None),
        ("$partition([1], 0)", "", None),
        ("$range(1, 2, 0)", "", None),
        ("$range(1, 2)", "T0410", None),
        ("$fromMillis(1e300)", "", None),
        ("$states.input.name and $error('late')", "D3137", "late"),
    ],
)
def test_errors_are_in_the_words_of_the_javascript_library(
    text: str, code: str, message: str | None
) -> None:
    found = error(text)
    assert found.code == code
    assert found.message
    assert message is None or found.message == message
    assert str(found) == (f"{code}: {found.message}" if code else found.message)


@pytest.mark.parametrize(
    ("text", "code", "message", "position"),
    [
        ("1 +", "S0207", "Unexpected end of expression", 3),
        ("a[1,2)", "S0202", 'Expected "]", got ","', 4),
        ("'open", "S0101", "String literal must be terminated by a matching quote", 5),
        ("$x := ", "S0207", "Unexpected end of expression", 6),
        ("$match('a', /b", "S0302", "No terminating / in regular expression", 14),
        ("1 ?: 2", "S0211", 'The symbol ":" cannot be used as a unary operator', 4),
        ("1 ?? 2", "S0211", 'The symbol "?" cannot be used as a unary operator', 4),
        ("[1!2]", "S0204", 'Unknown operator: "!"', None),
        ("'\\y'", "S0103", 'Unsupported escape sequence: \\"y"', None),
        ("1 /* open", "S0106", "Comment has no closing tag", None),
        ("function($x)<n<n>>{1}", "S0401", None, None),
        ("/+/", "", None, None),
        ("1 2", "S0201", "Syntax error: 2", None),
        ("(" * 5000, "", "The expression is nested too deep", None),
        ("", "S0207", "Unexpected end of expression", 0),
    ],
)
def test_a_text_that_is_no_expression_is_refused_with_the_place(
    text: str, code: str, message: str | None, position: int | None
) -> None:
    with pytest.raises(InvalidExpressionError) as caught:
        compile_expression(text)
    assert caught.value.code == code
    assert message is None or caught.value.message == message
    assert position is None or caught.value.position == position
    assert 0 <= caught.value.position <= len(text)


# Bounds


@pytest.mark.parametrize(
    "text",
    [
        "($f := function($x) { $f($x + 1) }; $f(1))",
        "($f := function($x) { 1 + $f($x + 1) }; $f(1))",
        "($f := function() { $map([1, 2], $f) }; $f())",
        "($f := function() { $sort([1, 2], function($a, $b) { $f() }) }; $f())",
        "($f := function() { $replace('a', /a/, function($m) { $f() }) }; $f())",
        "($f := function($x) { $x ~> |$|{'a': $f($)}| }; $f({}))",
        "($f := function($n) { $n = 0 ? 1 : $f($n - 1) + $f($n - 1) }; $f(60))",
        "[1..1000000000]",
        "[1..9000000]",
        "$range(1, 1000000000, 1)",
        "($x := [1..1000]; $x.$x.$x)",
        "($x := [1..1000]; $x@$a.$x@$b.$x@$c.{'a': $a})",
        "($f := function($s) { $f($s & $s) }; $f('ab'))",
        "($f := function($s) { $f([$s, $s]) }; $f([1]))",
        "($f := function($s) { $f([[$s], [$s]]) }; $f([1]))",
        "($f := function($s) { $f({'a': $s, 'b': $s}) }; $f(1))",
        "$reduce([1..100000], function($a, $v) { [[$a]] })",
        "$pad('x', 1e300)",
        "$join([1..1000].$string(), $pad('', 100000))",
        "($x := $pad('', 1000000, 'x'); $replace($x, 'x', $x))",
        "($x := $pad('', 1000000, 'x'); $replace($x, /x/, $x))",
        "($x := $pad('', 4000000, 'x'); $match($x, /x/))",
        "($x := [1..400000]; $map([1..1000], function() { $sum($x) }))",
        "($x := [1..400000]; $map([1..1000], function() { $reverse($x) }))",
        "($x := $pad('', 1000000, 'a b '); $map([1..1000], function() { $trim($x) }))",
        "$contains($pad('', 60, 'a') & 'b', /(a|aa)+$/)",
        "[1..400000][$contains($pad('', 22, 'a') & 'b', /(a|aa)+$/)]",
        "$toMillis($pad('', 5000, 'a') & '!', '[Fn][Fn][Fn][Fn][Fn]')",
        "$toMillis($pad('', 60, 'a') & 'b', '(a|aa)+c[Y]')",
        "$fromMillis(0, '[Y,1000000000-1000000000]')",
        "$fromMillis(0, '[Y,1-99999999]')",
        "$fromMillis(0, $pad('', 1000000, '[Y]'))",
        "$formatInteger(1, $pad('', 1000000, '#,') & '0')",
        "$partition([1..499999], 1)",
        "($s := $pad('', 4000000, 'a'); $t := $s & ''; [1..200000][$s = $t])",
        "($s := $pad('', 4000000, 'a'); $t := [$s & '']; [1..200000][$s in $t])",
        "($s := $pad('', 4000000, 'a'); $t := $s & ''; [1..200000]^($ % 2 = 0 ? $s : $t))",
    ],
)
def test_an_expression_without_end_ends(text: str) -> None:
    assert error(text).code in {"U1001", "D2014"}
    assert value("1 + 1") == 2


def test_what_takes_many_steps_but_ends_is_evaluated() -> None:
    assert value("$sum($map([1..20000], function($n) { $n * 2 }))") == 400_020_000
    assert value("($f := function($n) { $n > 8999 ? $n : $f($n + 1) }; $f(0))") == 9000
    assert value("($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(200))") == 200
    assert value("$count($reduce([1..2000], function($a, $v) { $append($a, $v) }, []))") == 2000


def test_what_an_evaluation_took_is_told_even_if_it_fails() -> None:
    told: list[int] = []
    sum_up = compile_expression("$sum([1..1000].($ * 2))")
    assert sum_up.evaluate({}, Random(1), NOW, told.append) == 1_001_000
    with pytest.raises(JsonataError):
        compile_expression("([1..1000].($ * 2); $error('no'))").evaluate(
            {}, Random(1), NOW, told.append
        )
    assert all(3_000 < steps < 10_000 for steps in told)
    look_up = compile_expression("$x[0]")
    look_up.evaluate({"x": [1]}, Random(1), NOW, told.append)
    look_up.evaluate({"x": [1] * 10_000}, Random(1), NOW, told.append)
    *_, small, large = told
    assert small < 100
    assert large > 2_000


def test_deep_input_is_an_error_at_worst() -> None:
    deep: JsonValue = 1
    for _ in range(20_000):
        deep = [deep]
    for text in ("$x", "[$x]", "$string($x)", "$x = $x", "$x.**", "$x.a"):
        assert compile_expression(text).evaluate({}, Random(1), NOW) in (UNDEFINED, [], False)
        with pytest.raises(JsonataError):
            value(text, {"x": deep})


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\ud800": 1}', '$string(["\\udc00"])'])
def test_half_a_character_never_gets_out(text: str) -> None:
    json.dumps(value(text), ensure_ascii=False).encode()
    str(error(f"$number({text})")).encode()
    str(error(f"$error($string({text}))")).encode()


# Templates


def filled(template: JsonValue, field: str = "Output") -> JsonValue:
    return compile_jsonata_template(template, field)(Scope())


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("{% $limit %}", 10, id="text"),
        pytest.param("{%$limit%}", 10, id="without spaces"),
        pytest.param({"a": {"b": ["{% $limit %}", 1]}}, {"a": {"b": [10, 1]}}, id="nested"),
        pytest.param({"a": None, "b": [], "c": {}}, {"a": None, "b": [], "c": {}}, id="constant"),
        pytest.param(" {% $limit %}", " {% $limit %}", id="space before"),
        pytest.param("{% $limit %} ", "{% $limit %} ", id="space after"),
        pytest.param("a {% $limit %}", "a {% $limit %}", id="text before"),
        pytest.param("$limit", "$limit", id="no marks"),
        pytest.param("{%}", "{%}", id="marks that overlap"),
        pytest.param({"{% $limit %}": 1}, {"{% $limit %}": 1}, id="in a key"),
        pytest.param({"a": "{% null %}"}, {"a": None}, id="null"),
        pytest.param("{% $lowercase('A') %}", "a", id="of a function"),
    ],
)
def test_strings_that_are_expressions_are_evaluated(
    template: JsonValue, expected: JsonValue
) -> None:
    assert filled(template) == expected


def test_members_keep_their_order_and_constants_are_shared() -> None:
    constant: JsonValue = {"deep": [1, 2]}
    fill = compile_jsonata_template({"c": "{% 1 %}", "a": constant, "b": "{% 2 %}"}, "Output")
    first, second = fill(Scope()), fill(Scope({"other": 1}))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert list(first) == ["c", "a", "b"]
    assert first["a"] is second["a"] is constant
    assert first is not second


@pytest.mark.parametrize(
    ("template", "field", "cause"),
    [
        pytest.param(
            {"result": "{% $doesNotExist %}"},
            "Output",
            "The JSONata expression '$doesNotExist' specified for the field 'Output/result'"
            " returned nothing (undefined).",
            id="undefined",
        ),
        pytest.param(
            {"a": {"b": "{% $randomSeeded(1) %}"}},
            "Arguments",
            "The JSONata expression '$randomSeeded(1)' specified for the field 'Arguments/a/b'"
            " threw an error during evaluation. T1006: Attempted to invoke a non-function",
            id="error",
        ),
        pytest.param(
            {"a": [1, "{% $x %}"]},
            "Assign",
            "The JSONata expression '$x' specified for the field 'Assign/a[1]'"
            " returned nothing (undefined).",
            id="in a list",
        ),
        pytest.param(
            "{% $range(1, 2, 0) %}",
            "Output",
            "The JSONata expression '$range(1, 2, 0)' specified for the field 'Output' threw an"
            " error during evaluation: The third argument of the range function must not be 0",
            id="error without a code",
        ),
    ],
)
def test_what_cannot_be_evaluated_names_the_expression_and_its_field(
    template: JsonValue, field: str, cause: str
) -> None:
    with pytest.raises(EvaluationError) as caught:
        filled(template, field)
    assert (caught.value.error, caught.value.cause) == (QUERY_EVALUATION_ERROR, cause)


def test_a_template_with_a_text_that_is_no_expression_is_refused() -> None:
    with pytest.raises(InvalidExpressionError, match=re.escape("(at character 3)")):
        compile_jsonata_template({"a": ["{% 1 + %}"]}, "Output")


@pytest.mark.parametrize(
    ("found", "kind", "end"),
    [
        (1, "array", "Expected 'array', but was 'number' for value: 1"),
        ({"a": 1}, "array", "Expected 'array', but was 'object' for value: {\"a\":1}"),
        (None, "array", "Expected 'array', but was 'null' for value: null"),
        ("x", "boolean", "Expected 'boolean', but was 'string' for value: \"x\""),
        (True, "number", "Expected 'number', but was 'boolean' for value: true"),
        ([1], "string", "Expected 'string', but was 'array' for value: [1]"),
    ],
)
def test_a_result_of_the_wrong_type_is_shown(found: JsonValue, kind: Kind, end: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        expect(found, kind, "$x", "Items")
    assert caught.value.cause == (
        "The JSONata expression '$x' specified for the field 'Items' returned an unexpected"
        f" result type. {end}"
    )
    assert caught.value.error == QUERY_EVALUATION_ERROR


def test_a_result_of_the_right_type_is_passed_on() -> None:
    kinds: tuple[tuple[JsonValue, Kind], ...] = (
        (1, "number"),
        (1.5, "number"),
        (False, "boolean"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
        (None, "null"),
    )
    for found, kind in kinds:
        assert expect(found, kind, "$x", "Items") == found


def test_the_text_of_an_expression_is_what_stands_between_the_marks() -> None:
    assert expression_in("{% $a + 1 %}") == "$a + 1"
    assert expression_in("{%%}") == ""
    assert expression_in("{% a") is None
    assert expression_in(None) is None


def test_the_recursion_limit_of_the_program_stays_what_it_was() -> None:
    program = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from aiowfm.asl.jsonata import compile_expression\n"
        "import random\n"
        "compile_expression('[1..3].($ * 2)').evaluate({}, random.Random(1), 0.0)\n"
        "assert sys.getrecursionlimit() == before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
