from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.intrinsics import InvalidIntrinsicError, compile_intrinsic
from aiowfm.asl.paths import Scope as AnyScope
from aiowfm.asl.payload import JsonValue
from tests.asl.driver import run
from tests.asl.scopes import Scope


class Seeded(NamedTuple):
    """A scope that only randomness is asked of."""

    seed: int
    input: JsonValue = None
    context: JsonValue = None
    variables: Mapping[str, JsonValue] = {}

    def entropy(self) -> Random:
        return Random(self.seed)

    def spend(self, effort: int) -> None:
        pass


DOCUMENT: Any = {
    "id": 17,
    "name": "Foo",
    "price": 1.5,
    "null": None,
    "yes": True,
    "list": [1, 2, 3],
    "object": {"a": 1, "b": []},
    "a, b)": "odd",
    "it's, ok)": "quoted",
    "template": "Hello {}, you are {}",
    "orders": [{"n": 1}, {"n": 2}],
}
SCOPE = Scope(DOCUMENT, {"Execution": {"Name": "run"}}, {"greeting": {"words": ["hi", "yo"]}})


def value_of(text: str, scope: AnyScope = SCOPE) -> Any:
    return compile_intrinsic(text)(scope)


def call(name: str, *arguments: Any) -> Any:
    """The value of a call whose arguments are all in the input."""
    paths = ", ".join(f"$[{index}]" for index in range(len(arguments)))
    return value_of(f"States.{name}({paths})", Scope(list(arguments)))


@pytest.mark.parametrize("levels", [499, 900])
def test_a_value_that_is_nested_too_deep_is_said_to_be(levels: int) -> None:
    value: JsonValue = 1
    for _ in range(levels):
        value = {"a": value}
    with pytest.raises(EvaluationError) as caught:
        value_of("States.Format('{}', $)", Scope(value))
    assert caught.value.cause == (
        "The function 'States.Format('{}', $)' had the following error:"
        " Invalid arguments in States.Format: nested too deep"
    )


# --- Syntax --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        pytest.param("States.Array()", [], id="none"),
        pytest.param("States.Array( )", [], id="none but space"),
        pytest.param("States.Array(1, -2, 0)", [1, -2, 0], id="integers"),
        pytest.param("States.Array(1.5,-0.25,1e3,2E-1)", [1.5, -0.25, 1000.0, 0.2], id="floats"),
        pytest.param("States.Array(true, false, null)", [True, False, None], id="constants"),
        pytest.param("States.Array('a', '')", ["a", ""], id="texts"),
        pytest.param("States.Array('a, b) $.x')", ["a, b) $.x"], id="signs in a text"),
        pytest.param("States.Array('größe \"✓\"')", ['größe "✓"'], id="any characters"),
        pytest.param("States.Array('a\nb')", ["a\nb"], id="line break in a text"),
        pytest.param(r"States.Array('it\'s')", ["it's"], id="escaped quote"),
        pytest.param(r"States.Array('a\\', '\\\\b')", ["a\\", r"\\b"], id="escaped backslash"),
        pytest.param(r"States.Array('\{\}{}{\}')", ["{}{}{}"], id="braces"),
        pytest.param("States.Array('{\"a\": {}}')", ['{"a": {}}'], id="braces need no escape"),
        pytest.param("States.Array($.id, $.name)", [17, "Foo"], id="paths"),
        pytest.param("States.Array($)", [DOCUMENT], id="whole input"),
        pytest.param("States.Array($$.Execution.Name)", ["run"], id="context"),
        pytest.param("States.Array($greeting.words[1])", ["yo"], id="variable"),
        pytest.param("States.Array($['a, b)'], 1)", ["odd", 1], id="signs in a path"),
        pytest.param(r"States.Array($['it\'s, ok)'])", ["quoted"], id="escapes in a path"),
        pytest.param("States.Array($.orders[?(@.n > 1)].n)", [[2]], id="filter"),
        pytest.param("States.Array($.list[1:], $.list[*])", [[2, 3], [1, 2, 3]], id="lists"),
        pytest.param("States.Array($.null)", [None], id="null that is there"),
        pytest.param("States.Array( 1 ,\n\t'a' , $.id )\n", [1, "a", 17], id="space"),
        pytest.param("States.Array(States.Array(1), States.Array())", [[1], []], id="nested"),
    ],
)
def test_arguments_may_be_constants_texts_paths_and_calls(
    text: str, arguments: list[JsonValue]
) -> None:
    found = value_of(text)
    assert found == arguments
    assert list(map(type, found)) == list(map(type, arguments))


@pytest.mark.parametrize(
    ("text", "character", "problem"),
    [
        pytest.param("", 1, "a function must stand here", id="empty"),
        pytest.param("$.id", 1, "a function must stand here", id="path"),
        pytest.param("States.Array", 13, "'(' must follow States.Array", id="no parentheses"),
        pytest.param("States.Array ()", 13, "'(' must follow States.Array", id="space"),
        pytest.param("States.Array(1", 15, "not the end", id="not closed"),
        pytest.param("States.Array(States.Array(1)", 29, "not the end", id="one not closed"),
        pytest.param("States.Array(1))", 16, "nothing may follow", id="closed twice"),
        pytest.param("States.Array() + 1", 16, "nothing may follow", id="more behind it"),
        pytest.param("States.Array(1 2)", 16, "',' or ')' must follow", id="no comma"),
        pytest.param("States.Array(,1)", 14, "an argument must stand here", id="comma first"),
        pytest.param("States.Array(1,)", 16, "an argument must stand here", id="comma last"),
        pytest.param('States.Array("a")', 14, "a text in single quotes", id="double quotes"),
        pytest.param("States.Array(abc)", 17, "'(' must follow abc", id="no quotes"),
        pytest.param("States.Array('a)", 14, "no closing quote", id="quote not closed"),
        pytest.param(r"States.Array('a\')", 14, "no closing quote", id="closing quote escaped"),
        pytest.param(r"States.Array('a\n')", 16, "a backslash may only", id="unknown escape"),
        pytest.param(r"States.Array('\"')", 15, "a backslash may only", id="escaped double quote"),
        pytest.param("States.Array('a\\", 16, "a backslash may only", id="backslash at the end"),
        pytest.param("States.Array(1.)", 15, "',' or ')' must follow", id="half a number"),
        pytest.param("States.Array(01)", 15, "',' or ')' must follow", id="leading zero"),
        pytest.param("States.Array(1e999)", 14, "too large", id="infinite number"),
        pytest.param(f"States.Array({'1' * 5000})", 14, "not a number", id="endless number"),
        pytest.param("States.Array($.)", 14, "'$.' is not a path", id="bad path"),
        pytest.param("States.Array($.a[)", 14, "'$.a[)' is not a path", id="open bracket"),
        pytest.param("States.Array(True)", 18, "'(' must follow True", id="wrong case"),
    ],
)
def test_a_text_that_is_no_call_is_refused_with_the_place(
    text: str, character: int, problem: str
) -> None:
    with pytest.raises(InvalidIntrinsicError) as caught:
        compile_intrinsic(text)
    assert problem in str(caught.value)
    assert f"character {character}:" in str(caught.value)
    assert caught.value.position == character - 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "States.Fromat('a')", "no function States.Fromat; did you mean 'States.Format'?", id="1"
        ),
        pytest.param("States.format('a')", "did you mean 'States.Format'?", id="case"),
        pytest.param("Other.Thing()", "there is no function Other.Thing", id="of another kind"),
        pytest.param("States.Array(States.Nope(1))", "no function States.Nope", id="nested"),
        pytest.param("States.UUID(1)", "States.UUID takes no arguments, not 1", id="none"),
        pytest.param("States.Format()", "takes 1 or more arguments, not 0", id="at least one"),
        pytest.param("States.ArrayLength()", "takes 1 argument, not 0", id="one"),
        pytest.param("States.MathAdd(1)", "takes 2 arguments, not 1", id="too few"),
        pytest.param("States.MathAdd(1, 2, 3)", "takes 2 arguments, not 3", id="too many"),
        pytest.param("States.MathRandom(1)", "takes 2 or 3 arguments, not 1", id="optional"),
    ],
)
def test_functions_that_are_not_there_or_take_other_arguments_are_refused(
    text: str, problem: str
) -> None:
    with pytest.raises(InvalidIntrinsicError) as caught:
        compile_intrinsic(text)
    assert problem in str(caught.value)


def test_ten_functions_may_be_nested_and_no_more() -> None:
    assert value_of(f"{'States.Array(' * 10}{')' * 10}") == [[[[[[[[[[]]]]]]]]]]
    with pytest.raises(InvalidIntrinsicError, match="nested more than 10 deep"):
        compile_intrinsic(f"{'States.Array(' * 11}{')' * 11}")
    with pytest.raises(InvalidIntrinsicError, match="nested more than 10 deep"):
        compile_intrinsic("States.Array(" * 100_000)


@given(st.text(r"States.Formatay()'\{}$,1 ", max_size=30))
def test_any_text_is_compiled_or_refused(rest: str) -> None:
    with suppress(InvalidIntrinsicError):
        compile_intrinsic(f"States.Array({rest})")


def test_a_call_is_compiled_once_and_evaluated_for_each_scope() -> None:
    evaluate = compile_intrinsic("States.MathAdd($.n, 1)")
    assert [evaluate(Scope({"n": n})) for n in range(3)] == [1, 2, 3]


# --- Values --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("States.Format('nothing')", "nothing", id="no values"),
        pytest.param("States.Format('{} and {}', 'a', 1)", "a and 1", id="values"),
        pytest.param("States.Format($.template, $.name, 7)", "Hello Foo, you are 7", id="path"),
        pytest.param(
            "States.Format(States.ArrayGetItem(States.Array('<{}>'), 0), 'x')", "<x>", id="call"
        ),
        pytest.param("States.Format('{}{}', '', ' ')", " ", id="empty and space"),
        pytest.param("States.Format('{}', null)", "null", id="null"),
        pytest.param("States.Format('{} {}', true, false)", "true false", id="booleans"),
        pytest.param("States.Format('{} {}', -1, 1.1)", "-1 1.1", id="numbers"),
        pytest.param("States.Format('{}', '{}')", "{}", id="braces in a value"),
        pytest.param(r"States.Format('\{\} {} \\{}', 1, 2)", r"{} 1 \2", id="escapes"),
        pytest.param("States.Format('{a} { } {', 1)", None, id="no place for a value"),
        pytest.param("States.Format('{{}}', 1)", "{1}", id="braces around"),
        pytest.param("States.Format('{}', $.object)", "{a=1, b=[]}", id="object"),
        pytest.param("States.Format('{}', $.orders)", "[{n=1}, {n=2}]", id="array"),
        pytest.param("States.Format('{}', $.list[*])", "[1, 2, 3]", id="several values"),
    ],
)
def test_format_puts_values_in_the_place_of_braces(text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(EvaluationError, match=r"number of values \(1\) and of {} \(0\)"):
            value_of(text)
    else:
        assert value_of(text) == value


def test_braces_in_a_template_from_the_input_are_escaped_alike() -> None:
    assert call("Format", r"\{{}\} \{} C:\x", 1) == r"{1} {} C:\x"


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        pytest.param("StringToJson", [""], None, id="StringToJson of nothing"),
        pytest.param("StringToJson", [" \n"], None, id="StringToJson of space"),
        pytest.param("StringToJson", ["null"], None, id="StringToJson of null"),
        pytest.param("StringToJson", ['{"a": [1, 2.5]}'], {"a": [1, 2.5]}, id="StringToJson"),
        pytest.param("JsonToString", [{"a": [1, "é"]}], '{"a":[1,"é"]}', id="JsonToString"),
        pytest.param("JsonToString", ["a"], '"a"', id="JsonToString of a string"),
        pytest.param("JsonToString", [None], "null", id="JsonToString of null"),
        pytest.param("Array", [1, None, {}], [1, None, {}], id="Array"),
        pytest.param("ArrayPartition", [[], 3], [], id="ArrayPartition of nothing"),
        pytest.param("ArrayPartition", [[1, 2, 3], 2], [[1, 2], [3]], id="ArrayPartition"),
        pytest.param("ArrayPartition", [[1, 2, 3], 9], [[1, 2, 3]], id="ArrayPartition in one"),
        pytest.param("ArrayPartition", [[1, 2], 0.5], [[1], [2]], id="ArrayPartition rounds"),
        pytest.param("ArrayContains", [[1, 2], 2], True, id="ArrayContains"),
        pytest.param("ArrayContains", [[1, 2], 3], False, id="ArrayContains not"),
        pytest.param("ArrayContains", [[], None], False, id="ArrayContains nothing"),
        pytest.param("ArrayContains", [[[1, {"a": None}]], [1, {"a": None}]], True, id="deep"),
        pytest.param("ArrayContains", [[{"a": 1, "b": 2}], {"b": 2, "a": 1}], True, id="order"),
        pytest.param("ArrayContains", [[1, 0, "1"], True], False, id="true is not 1"),
        pytest.param("ArrayContains", [[[1]], [True]], False, id="true is not 1 inside"),
        pytest.param("ArrayContains", [[1.0], 1], True, id="1.0 is 1"),
        pytest.param("ArrayContains", [[{}], []], False, id="an object is no array"),
        pytest.param("ArrayRange", [1, 9, 2], [1, 3, 5, 7, 9], id="ArrayRange"),
        pytest.param("ArrayRange", [0, 10, 3], [0, 3, 6, 9], id="ArrayRange past the end"),
        pytest.param("ArrayRange", [5, 1, -2], [5, 3, 1], id="ArrayRange down"),
        pytest.param("ArrayRange", [2, 1, 1], [], id="ArrayRange the wrong way"),
        pytest.param("ArrayRange", [3, 3, 1], [3], id="ArrayRange of one"),
        pytest.param("ArrayRange", [0.5, 2.4, 1.4], [1, 2], id="ArrayRange rounds"),
        pytest.param("ArrayRange", [1, 1000, 1], [*range(1, 1001)], id="longest ArrayRange"),
        pytest.param("ArrayGetItem", [["a", "b"], 1], "b", id="ArrayGetItem"),
        pytest.param("ArrayLength", [[1, 2, 3]], 3, id="ArrayLength"),
        pytest.param("ArrayUnique", [[3, 1, 3, 2, 1]], [3, 1, 2], id="ArrayUnique"),
        pytest.param(
            "ArrayUnique",
            [[1, True, "1", [1], [True], {"a": 1}, {"a": 1}, None]],
            [1, True, "1", [1], [True], {"a": 1}, None],
            id="ArrayUnique of all kinds",
        ),
        pytest.param("Base64Encode", ["Data to encode"], "RGF0YSB0byBlbmNvZGU=", id="encode"),
        pytest.param("Base64Encode", ["é"], "w6k=", id="encodes UTF-8"),
        pytest.param("Base64Encode", [""], "", id="encode nothing"),
        pytest.param("Base64Decode", ["RGF0YSB0byBlbmNvZGU="], "Data to encode", id="decode"),
        pytest.param("Base64Decode", ["RGF0\r\nYSB0"], "Data t", id="decode lines"),
        pytest.param("Base64Decode", ["w6k"], "é", id="decode without padding"),
        pytest.param("Hash", ["abc", "MD5"], "900150983cd24fb0d6963f7d28e17f72", id="MD5"),
        pytest.param(
            "Hash", ["abc", "SHA-1"], "a9993e364706816aba3e25717850c26c9cd0d89d", id="SHA-1"
        ),
        pytest.param(
            "Hash",
            ["abc", "SHA-256"],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            id="SHA-256",
        ),
        pytest.param("JsonMerge", [{"a": 1}, {"b": 2}, False], {"a": 1, "b": 2}, id="JsonMerge"),
        pytest.param(
            "JsonMerge",
            [{"a": {"x": 1}, "b": 1}, {"a": {"y": 2}}, False],
            {"a": {"y": 2}, "b": 1},
            id="JsonMerge is shallow",
        ),
        pytest.param("MathAdd", [111, -1], 110, id="MathAdd"),
        pytest.param("MathAdd", [1.5, 0], 2, id="MathAdd rounds up"),
        pytest.param("MathAdd", [1.49, 0.4], 1, id="MathAdd rounds down"),
        pytest.param("MathAdd", [-1.5, -1.51], -3, id="MathAdd rounds negative halves up"),
        pytest.param("MathAdd", [2**31 - 1, 2**31 - 1], 2**32 - 2, id="MathAdd of the largest"),
        pytest.param("StringSplit", ["1,2,3", ","], ["1", "2", "3"], id="StringSplit"),
        pytest.param("StringSplit", ["a.b+c", "+."], ["a", "b", "c"], id="any of the characters"),
        pytest.param("StringSplit", ["a]b^c-d\\e", "-]^\\"], [*"abcde"], id="special characters"),
        pytest.param("StringSplit", [",a,,b,", ","], ["a", "b"], id="no empty pieces"),
        pytest.param("StringSplit", ["", ","], [], id="StringSplit of nothing"),
        pytest.param("StringSplit", ["a b", ""], ["a b"], id="StringSplit at nothing"),
    ],
)
def test_functions_give_what_the_language_says(
    name: str, arguments: list[JsonValue], value: JsonValue
) -> None:
    found = call(name, *arguments)
    assert json.dumps(found) == json.dumps(value)  # tells 1 from true


@pytest.mark.parametrize(("algorithm", "digits"), [("SHA-384", 96), ("SHA-512", 128)])
def test_longer_hashes_have_their_length(algorithm: str, digits: int) -> None:
    assert len(call("Hash", "abc", algorithm)) == digits


def test_what_is_no_string_is_hashed_as_its_json_text() -> None:
    assert call("Hash", {"a": [1]}, "MD5") == call("Hash", '{"a":[1]}', "MD5")


def test_a_function_changes_nothing_in_its_arguments() -> None:
    document: Any = [{"a": {"x": 1}}, {"a": 2}, [1, 1]]
    before = json.dumps(document)
    scope = Scope(document)
    value_of("States.JsonMerge($[0], $[1], false)", scope)
    value_of("States.ArrayUnique($[2])", scope)
    assert json.dumps(document) == before


# --- Failures ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        pytest.param("Format", [1], "argument 1 must be a string", id="Format"),
        pytest.param("Format", ["{}"], "number of values (0) and of {} (1) differ", id="too few"),
        pytest.param("Format", ["", 1], "number of values (1) and of {} (0) differ", id="many"),
        pytest.param("StringToJson", [{}], "argument 1 must be a string", id="StringToJson"),
        pytest.param("StringToJson", ["{"], "line 1 column 2", id="half a JSON text"),
        pytest.param("StringToJson", ["NaN"], "NaN is not JSON", id="not a number"),
        pytest.param("ArrayPartition", ["a", 1], "argument 1 must be an array", id="no array"),
        pytest.param("ArrayPartition", [[], "1"], "argument 2 must be a number", id="no number"),
        pytest.param("ArrayPartition", [[], 0], "argument 2 must be at least 1", id="size 0"),
        pytest.param("ArrayPartition", [[], 0.4], "must be at least 1", id="size rounded to 0"),
        pytest.param("ArrayContains", [{}, 1], "argument 1 must be an array", id="ArrayContains"),
        pytest.param("ArrayRange", [1, True, 1], "argument 2 must be a number", id="no boolean"),
        pytest.param("ArrayRange", [1, 9, 0], "argument 3 must not be 0", id="step 0"),
        pytest.param("ArrayRange", [1, 9, 0.4], "argument 3 must not be 0", id="step rounded to 0"),
        pytest.param("ArrayRange", [0, 1000, 1], "more than 1,000 items", id="ArrayRange"),
        pytest.param("ArrayRange", [0, -(10**30), -1], "more than 1,000 items", id="far too long"),
        pytest.param("ArrayGetItem", [[1], 1], "no item 1 in an array of 1", id="past the end"),
        pytest.param("ArrayGetItem", [[1], -1], "no item -1 in an array of 1", id="negative"),
        pytest.param("ArrayLength", ["abc"], "argument 1 must be an array", id="ArrayLength"),
        pytest.param("ArrayUnique", [None], "argument 1 must be an array", id="ArrayUnique"),
        pytest.param("Base64Encode", [1], "argument 1 must be a string", id="Base64Encode"),
        pytest.param("Base64Encode", ["\ud800"], "surrogates not allowed", id="half a character"),
        pytest.param("Base64Decode", ["a"], "not complete Base64", id="half a Base64 text"),
        pytest.param("Base64Decode", ["/w=="], "not UTF-8", id="binary"),
        pytest.param("Hash", ["a", "SHA1"], "must be one of MD5, SHA-1, SHA-256", id="algorithm"),
        pytest.param("Hash", ["a", ["MD5"]], "must be one of MD5", id="no algorithm"),
        pytest.param("JsonMerge", [[], {}, False], "argument 1 must be an object", id="JsonMerge"),
        pytest.param("JsonMerge", [{}, {}, True], "argument 3 must be false", id="deep"),
        pytest.param("JsonMerge", [{}, {}, 0], "argument 3 must be false", id="0 is not false"),
        pytest.param("MathAdd", [1, "2"], "argument 2 must be a number", id="MathAdd"),
        pytest.param("MathAdd", [1, None], "argument 2 must be a number", id="MathAdd of null"),
        pytest.param("MathAdd", [1, float("inf")], "argument 2 must be a number", id="infinite"),
        pytest.param("MathAdd", [2**31, 0], "argument 1 must be from -2147483648", id="large"),
        pytest.param("MathAdd", [0, -(2**31) - 1], "argument 2 must be from", id="small"),
        pytest.param("MathAdd", [2147483647.5, 0], "argument 1 must be from", id="rounded out"),
        pytest.param("MathRandom", [5, 5], "argument 2 must be greater", id="MathRandom"),
        pytest.param("MathRandom", [1, 2, "x"], "argument 3 must be a number", id="seed"),
        pytest.param("StringSplit", ["a", 1], "argument 2 must be a string", id="StringSplit"),
    ],
)
def test_wrong_arguments_fail_the_call(name: str, arguments: list[JsonValue], problem: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        call(name, *arguments)
    assert caught.value.error == "States.Runtime"
    assert f"had the following error: Invalid arguments in States.{name}" in caught.value.cause
    assert problem in caught.value.cause


@pytest.mark.parametrize("text", ["Base64Encode($)", "Base64Decode($)", "Hash($, 'MD5')"])
def test_data_may_have_ten_thousand_characters_and_no_more(text: str) -> None:
    evaluate = compile_intrinsic(f"States.{text}")
    evaluate(Scope("aGVs" * 2500))
    with pytest.raises(EvaluationError, match="must not be longer than 10,000 characters"):
        evaluate(Scope("aGVs" * 2500 + "="))


def test_the_length_of_hashed_json_is_that_of_its_text() -> None:
    call("Hash", ["a" * 9_996], "MD5")
    with pytest.raises(EvaluationError, match="10,000"):
        call("Hash", ["a" * 9_997], "MD5")


def test_a_failure_names_the_whole_expression() -> None:
    text = "States.Format('{}', States.ArrayGetItem($.list, 3))"
    with pytest.raises(EvaluationError) as caught:
        value_of(text)
    assert caught.value.cause == (
        f"The function '{text}' had the following error:"
        " Invalid arguments in States.ArrayGetItem: no item 3 in an array of 3"
    )


@pytest.mark.parametrize("path", ["$.nope", "$.list[7].x", "$$.Nope", "$nope", "$greeting.nope"])
def test_a_path_that_leads_nowhere_fails_as_it_does_outside_a_function(path: str) -> None:
    scope = SCOPE._replace(input={"list": []})
    with pytest.raises(EvaluationError) as caught:
        value_of(f"States.Format('{{}}', {path})", scope)
    assert caught.value.error == "States.Runtime"
    assert caught.value.cause == (
        f"The function 'States.Format('{{}}', {path})' had the following error: The JsonPath"
        f" argument for the field '{path}' could not be found in the input '{{\"list\":[]}}'"
    )


def test_values_nested_without_end_fail_the_call() -> None:
    deep: JsonValue = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EvaluationError, match="nested too deep"):
        call("ArrayUnique", [deep])
    while deep:
        assert isinstance(deep, list)
        deep = deep.pop()  # freed step by step


# --- Randomness ----------------------------------------------------------------------


def test_random_values_come_from_the_scope() -> None:
    text = "States.Array(States.UUID(), States.MathRandom(0, 1000000))"
    assert value_of(text, Seeded(1)) == value_of(text, Seeded(1))
    assert value_of(text, Seeded(1)) != value_of(text, Seeded(2))


@given(st.integers())
def test_a_uuid_is_random_and_of_version_4(seed: int) -> None:
    found = value_of("States.UUID()", Seeded(seed))
    uuid = UUID(found)
    assert str(uuid) == found
    assert (uuid.version, uuid.variant) == (4, RFC_4122)
    assert uuid == UUID(int=Random(seed).getrandbits(128), version=4)


@given(st.integers(), st.integers(1, 10**12), st.integers(), st.none() | st.integers())
def test_a_random_number_is_at_least_the_start_and_below_the_end(
    start: int, width: int, seed: int, given_seed: int | None
) -> None:
    arguments = [start, start + width] + ([] if given_seed is None else [given_seed])
    found = compile_intrinsic(f"States.MathRandom({', '.join(map(str, arguments))})")(Seeded(seed))
    assert isinstance(found, int)
    assert start <= found < start + width


def test_a_random_number_with_a_seed_is_always_the_same() -> None:
    text = "States.MathRandom(1, 1000, 42)"
    assert len({value_of(text, Seeded(seed)) for seed in range(10)}) == 1
    numbers = {value_of(f"States.MathRandom(1, 1000, {seed})") for seed in range(100)}
    assert len(numbers) > 80


def test_bounds_of_random_numbers_are_rounded() -> None:
    assert value_of("States.MathRandom(1.5, 3.4)") == 2


# --- There and back ------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.text(max_size=2500))
def test_what_is_encoded_is_decoded(data: str) -> None:
    assert value_of("States.Base64Decode(States.Base64Encode($))", Scope(data)) == data


@given(JSON)
def test_what_became_a_string_becomes_json_again(value: JsonValue) -> None:
    assert value_of("States.StringToJson(States.JsonToString($))", Scope(value)) == value


@given(st.lists(st.integers(), max_size=30), st.integers(1, 10))
def test_partitions_are_of_one_size_and_together_the_array(items: list[int], size: int) -> None:
    parts = call("ArrayPartition", items, size)
    assert [item for part in parts for item in part] == items
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts[-1:])


@given(st.text())
def test_an_escaped_text_is_itself(text: str) -> None:
    escaped = "".join(f"\\{sign}" if sign in "'{}\\" else sign for sign in text)
    assert value_of(f"States.Array('{escaped}')") == [text]
    assert value_of(f"States.Format('{escaped}')") == text
    assert value_of(f"States.Format('<{{}}>{escaped}', '{escaped}')") == f"<{text}>{text}"


@given(st.lists(JSON, max_size=6))
def test_unique_items_are_contained_and_stay_unique(items: list[JsonValue]) -> None:
    unique = call("ArrayUnique", items)
    assert call("ArrayUnique", unique) == unique
    assert all(call("ArrayContains", unique, item) for item in items)


# --- In a machine --------------------------------------------------------------------


def test_a_machine_computes_with_functions() -> None:
    machine = {
        "StartAt": "Compute",
        "States": {
            "Compute": {
                "Type": "Pass",
                "Parameters": {
                    "key.$": "States.Format('{}/{}', $.id, $$.Execution.Name)",
                    "sum.$": "States.MathAdd($.n, 1)",
                    "text": "States.UUID()",
                    "uuids.$": "States.Array(States.UUID(), States.UUID())",
                },
                "End": True,
            }
        },
    }
    output = run(machine, {"id": "o-1", "n": 2}).output
    uuids = output.pop("uuids")
    assert output == {"key": "o-1/run", "sum": 3, "text": "States.UUID()"}
    assert len({UUID(each) for each in uuids}) == 2


def test_a_function_that_fails_fails_its_state() -> None:
    machine = {
        "StartAt": "Compute",
        "States": {
            "Compute": {
                "Type": "Pass",
                "Parameters": {"n.$": "States.MathAdd($.n, 1)"},
                "End": True,
            }
        },
    }
    failure = run(machine, {"n": "2"}).run.failure
    assert failure is not None
    assert failure.error == "States.Runtime"
    assert failure.cause == (
        "An error occurred while executing the state 'Compute' (entered at the event id #2)."
        " The function 'States.MathAdd($.n, 1)' had the following error:"
        " Invalid arguments in States.MathAdd: argument 1 must be a number"
    )
