from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl.choice import OPERATORS, is_satisfied, matching_rule
from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.model import ChoiceRule, ChoiceState
from aiowfm.asl.payload import JsonValue
from tests.asl.scopes import Scope


def holds(rule: dict[str, Any], value: JsonValue, context: JsonValue = None) -> bool:
    return is_satisfied(ChoiceRule.model_validate(rule), Scope(value, context))


def compared(operator: str, value: JsonValue, operand: JsonValue) -> bool:
    return holds({"Variable": "$.value", operator: operand}, {"value": value})


def compared_by_path(operator: str, value: JsonValue, operand: JsonValue) -> bool:
    rule = {"Variable": "$.value", f"{operator}Path": "$.operand"}
    return holds(rule, {"value": value, "operand": operand})


# By kind: a value, something less, itself in another form.
ORDERED: dict[str, tuple[JsonValue, JsonValue, JsonValue]] = {
    "String": ("b", "a", "b"),
    "Numeric": (2, 1.5, 2.0),
    "Timestamp": ("2024-01-01T12:00:00Z", "2024-01-01T11:59:59.999Z", "2024-01-01T13:00:00+01:00"),
}
# What holds between a value and something less, equal and more.
RELATIONS = {
    "Equals": (False, True, False),
    "LessThan": (False, False, True),
    "GreaterThan": (True, False, False),
    "LessThanEquals": (False, True, True),
    "GreaterThanEquals": (True, True, False),
}
OF_EVERY_TYPE: dict[str, JsonValue] = {
    "null": None,
    "true": True,
    "number": 1,
    "text": "text",
    "timestamp": "2024-01-01T00:00:00Z",
    "list": [1],
    "object": {"a": 1},
}


@pytest.mark.parametrize("by_path", [False, True], ids=["literal", "path"])
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("kind", ORDERED)
def test_values_are_compared_by_their_order(kind: str, relation: str, by_path: bool) -> None:
    value, less, same = ORDERED[kind]
    compare = compared_by_path if by_path else compared
    with_less, with_same, with_more = RELATIONS[relation]
    assert compare(kind + relation, value, less) is with_less
    assert compare(kind + relation, value, same) is with_same
    assert compare(kind + relation, less, value) is with_more


@pytest.mark.parametrize("by_path", [False, True], ids=["literal", "path"])
def test_booleans_are_compared(by_path: bool) -> None:
    compare = compared_by_path if by_path else compared
    for value in (True, False):
        assert compare("BooleanEquals", value, value)
        assert not compare("BooleanEquals", value, not value)


KINDS_THAT_FIT = {
    "String": {"text", "timestamp"},
    "Numeric": {"number"},
    "Timestamp": {"timestamp"},
    "Boolean": {"true"},
}


@pytest.mark.parametrize("name", OF_EVERY_TYPE)
@pytest.mark.parametrize("kind", KINDS_THAT_FIT)
def test_a_value_of_another_type_satisfies_no_comparison(kind: str, name: str) -> None:
    value = OF_EVERY_TYPE[name]
    operand = {**{kind: some[0] for kind, some in ORDERED.items()}, "Boolean": True}[kind]
    relations = ["Equals"] if kind == "Boolean" else list(RELATIONS)
    fits = name in KINDS_THAT_FIT[kind]
    for compare in (compared, compared_by_path):
        results = [compare(kind + relation, value, operand) for relation in relations]
        assert fits or not any(results)


def test_an_operand_of_another_type_satisfies_no_comparison_either() -> None:
    for relation in RELATIONS:
        assert not compared_by_path("Numeric" + relation, 1, "1")
        assert not compared_by_path("Numeric" + relation, 1, True)
        assert not compared_by_path("String" + relation, "a", 1)
        assert not compared_by_path("Timestamp" + relation, "2024-01-01T00:00:00Z", "today")
    assert not compared_by_path("BooleanEquals", True, 1)


@pytest.mark.parametrize("name", OF_EVERY_TYPE)
@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("IsNull", {"null"}),
        ("IsString", {"text", "timestamp"}),
        ("IsNumeric", {"number"}),
        ("IsBoolean", {"true"}),
        ("IsTimestamp", {"timestamp"}),
        ("IsPresent", set(OF_EVERY_TYPE)),
    ],
)
def test_a_type_can_be_asked_for_and_ruled_out(operator: str, names: set[str], name: str) -> None:
    value = OF_EVERY_TYPE[name]
    assert compared(operator, value, True) is (name in names)
    assert compared(operator, value, False) is (name not in names)


def test_the_type_of_what_is_missing_cannot_be_asked_for_but_its_presence_can() -> None:
    assert holds({"Variable": "$.no", "IsPresent": False}, {})
    assert not holds({"Variable": "$.no", "IsPresent": True}, {})
    assert holds({"Variable": "$.null", "IsPresent": True}, {"null": None})
    with pytest.raises(EvaluationError, match=r"Invalid path '\$.no'"):
        holds({"Variable": "$.no", "IsNull": True}, {})


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        pytest.param({"Variable": "$.no", "StringEquals": "a"}, "$.no", id="variable"),
        pytest.param({"Variable": "$.a", "StringEqualsPath": "$.nil"}, "$.nil", id="operand"),
        pytest.param({"Variable": "$.a.b", "NumericEquals": 1}, "$.a.b", id="below a text"),
    ],
)
def test_a_comparison_with_what_is_missing_is_an_error(rule: dict[str, Any], path: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        holds(rule, {"a": "text"})
    assert caught.value.error == "States.Runtime"
    assert f"'{path}'" in caught.value.cause


def test_the_context_object_can_be_compared_with() -> None:
    rule = {"Variable": "$$.State.Name", "StringEqualsPath": "$.name"}
    assert holds(rule, {"name": "it"}, {"State": {"Name": "it"}})


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        pytest.param("log-*.txt", "log-17.txt", True, id="star"),
        pytest.param("log-*.txt", "log-.txt", True, id="star for nothing"),
        pytest.param("log-*.txt", "log-17.txt.gz", False, id="to the end"),
        pytest.param("log-*.txt", "a log-17.txt", False, id="from the beginning"),
        pytest.param("log-*.txt", "log-17xtxt", False, id="a dot is a dot"),
        pytest.param("*", "", True, id="all of nothing"),
        pytest.param("*a*b*", "xxaxxbxx", True, id="many stars"),
        pytest.param("*a*b*", "xxbxxaxx", False, id="many stars, in order"),
        pytest.param("a*", "a\nb", True, id="line ends"),
        pytest.param("", "", True, id="empty"),
        pytest.param("", "a", False, id="empty pattern"),
        pytest.param("a", "A", False, id="case"),
        pytest.param(r"\*", "*", True, id="escaped star"),
        pytest.param(r"\*", "a", False, id="escaped star is no wildcard"),
        pytest.param(r"\\*", "\\abc", True, id="escaped backslash"),
        pytest.param(r"\\", "\\", True, id="only a backslash"),
        pytest.param(r"a\\\*b", r"a\*b", True, id="both"),
        pytest.param("[a-z]+(x)?$", "[a-z]+(x)?$", True, id="nothing else is special"),
        pytest.param("[a-z]", "b", False, id="no classes"),
    ],
)
def test_texts_are_matched_with_wildcards(pattern: str, text: str, matches: bool) -> None:
    assert compared("StringMatches", text, pattern) is matches


@given(st.text())
def test_a_text_whose_special_characters_are_escaped_matches_itself_and_nothing_longer(
    text: str,
) -> None:
    pattern = text.replace("\\", "\\\\").replace("*", "\\*")
    assert compared("StringMatches", text, pattern)
    assert not compared("StringMatches", text + "x", pattern)


@given(st.lists(st.text("ab", max_size=3), min_size=1), st.lists(st.text("abc*\\", max_size=3)))
def test_a_star_stands_for_anything(parts: list[str], fillings: list[str]) -> None:
    text = parts[0]
    for index, part in enumerate(parts[1:]):
        text += (fillings[index] if index < len(fillings) else "") + part
    assert compared("StringMatches", text, "*".join(parts))


def test_many_stars_take_no_longer_than_few() -> None:
    assert not compared("StringMatches", "a" * 10_000, "*a" * 100 + "b")
    assert compared("StringMatches", "a" * 10_000, "*a" * 100 + "*")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        pytest.param("ab*ba", "aba", False, id="ends that overlap"),
        pytest.param("ab*ba", "abba", True, id="ends that touch"),
        pytest.param("a*b*a", "aba", True, id="nothing for each star"),
        pytest.param("*b*b", "ab", False, id="a part that is the end"),
        pytest.param("**", "", True, id="stars for nothing"),
    ],
)
def test_each_part_of_a_text_is_matched_once(pattern: str, text: str, matches: bool) -> None:
    assert compared("StringMatches", text, pattern) is matches


@pytest.mark.parametrize(
    "name", [name for name in OF_EVERY_TYPE if name not in ("text", "timestamp")]
)
def test_only_texts_match(name: str) -> None:
    assert not compared("StringMatches", OF_EVERY_TYPE[name], "*")


def _is(value: int) -> dict[str, Any]:
    return {"Variable": "$.n", "NumericEquals": value}


@pytest.mark.parametrize(
    ("rule", "satisfied"),
    [
        pytest.param({"And": [_is(1), _is(1)]}, True, id="and"),
        pytest.param({"And": [_is(1), _is(2)]}, False, id="and, not all"),
        pytest.param({"Or": [_is(2), _is(1)]}, True, id="or"),
        pytest.param({"Or": [_is(2), _is(3)]}, False, id="or, none"),
        pytest.param({"Not": _is(2)}, True, id="not"),
        pytest.param({"Not": _is(1)}, False, id="not that"),
        pytest.param({"Not": {"Not": _is(1)}}, True, id="not not"),
        pytest.param({"And": [{"Or": [_is(2), _is(1)]}, {"Not": _is(3)}]}, True, id="nested"),
    ],
)
def test_rules_are_combined(rule: dict[str, Any], satisfied: bool) -> None:
    assert holds(rule, {"n": 1}) is satisfied


def test_a_combination_looks_no_further_than_it_needs_to() -> None:
    missing = {"Variable": "$.no", "NumericEquals": 1}
    present = {"Variable": "$.no", "IsPresent": True}
    assert not holds({"And": [present, missing]}, {})
    assert holds({"Or": [{"Not": present}, missing]}, {})
    with pytest.raises(EvaluationError):
        holds({"And": [missing, present]}, {})


def test_the_first_rule_that_is_satisfied_is_taken() -> None:
    state = ChoiceState.model_validate(
        {
            "Type": "Choice",
            "Choices": [_is(1) | {"Next": "a"}, _is(2) | {"Next": "b"}, _is(2) | {"Next": "c"}],
        }
    )
    rule = matching_rule(state, Scope({"n": 2}))
    assert rule is not None
    assert rule.next == "b"
    assert matching_rule(state, Scope({"n": 3})) is None


def test_there_are_all_the_operators_of_the_language() -> None:
    expected = {
        f"{kind}{relation}{path}"
        for kind in ORDERED
        for relation in RELATIONS
        for path in ("", "Path")
    }
    expected |= {"BooleanEquals", "BooleanEqualsPath", "StringMatches"}
    expected |= {
        f"Is{what}" for what in ("Null", "Present", "Numeric", "String", "Boolean", "Timestamp")
    }
    assert set(OPERATORS) == expected
    assert len(OPERATORS) == 39
