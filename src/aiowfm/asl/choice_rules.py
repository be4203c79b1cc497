"""What is wrong with the rules of a Choice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiowfm.asl import timestamps
from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.findings import Finding, Pointer, did_you_mean, shown
from aiowfm.asl.model import ChoiceRule
from aiowfm.asl.path_rules import NOT_A_REFERENCE, path_problem
from aiowfm.asl.places import Place, as_list, not_in
from aiowfm.asl.shape import field_names

COMBINATIONS = ("And", "Or", "Not")
_OPERANDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "a string"),
    "timestamp": (str, "a timestamp, as a string"),
    "path": (str, "a path, as a string"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}
_RULE_FIELDS = field_names(ChoiceRule)
_JSONATA_FIELDS = _RULE_FIELDS - {"Variable", *COMBINATIONS}


def choice_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with Choices, but for fields of the other query language."""
    for index, rule in enumerate(as_list(place.state.get("Choices"))):
        if not isinstance(rule, dict):
            continue
        if "Next" not in rule:
            yield place.finding("a choice rule needs Next", "Choices", index, missing="Next")
        if place.language != "JSONata":
            yield from _comparisons(place, rule, ("Choices", index))
            continue
        yield from _unknown(place, rule, ("Choices", index), [])
        if "Condition" not in rule and comparing(rule) is None:
            message = "a JSONata choice rule needs Condition"
            yield place.finding(message, "Choices", index, missing="Condition")


def _unknown(
    place: Place, rule: dict[str, Any], steps: Pointer, names: list[str]
) -> Iterator[Finding]:
    """What is not a field of a choice rule; also added to *names*."""
    fields = [*_JSONATA_FIELDS] if place.language == "JSONata" else [*OPERATORS, *_RULE_FIELDS]
    for field in rule:
        if field in _RULE_FIELDS or field in OPERATORS:
            continue
        names.append(field)
        hint = did_you_mean(field, fields)
        if place.language == "JSONata":
            message = f"a choice rule has no field {field!r}{hint or ': write Condition'}"
        else:
            message = f"unknown comparison {field!r}{hint or '; one is StringEquals'}"
        aws = f"Field '{field}' is not supported"
        yield place.finding(message, *steps, field, aws=aws, at=steps)


def comparing(rule: dict[str, Any]) -> str | None:
    """The first field of *rule* that only JSONPath states have."""
    fields = ("Variable", *COMBINATIONS, *OPERATORS)
    return next((field for field in fields if field in rule), None)


def _comparisons(place: Place, rule: dict[str, Any], steps: Pointer) -> Iterator[Finding]:
    """What is wrong with a JSONPath choice rule and the rules nested in it."""
    if "Condition" in rule:
        message = "Condition is JSONata's: use Variable and a comparison, or QueryLanguage: JSONata"
        aws = not_in("JSONPath", "Condition")
        yield place.finding(message, *steps, "Condition", aws=aws, at=steps)
    unknown: list[str] = []
    yield from _unknown(place, rule, steps, unknown)
    given = [field for field in rule if field in OPERATORS or field in COMBINATIONS]
    if len(given) > 1:
        message = f"{' and '.join(given)} in one rule: keep one, or put each into a rule under And"
        yield place.finding(message, *steps, given[-1])
    elif not given and not unknown and "Condition" not in rule:
        yield place.finding("a choice rule needs a comparison, And, Or or Not", *steps)
    for field in given:
        if field in OPERATORS:
            yield from _comparison(place, rule, steps, field)
            continue
        parts = [rule[field]] if field == "Not" else as_list(rule[field])
        for index, part in enumerate(parts):
            inner = (*steps, field) if field == "Not" else (*steps, field, index)
            if isinstance(part, dict):
                if "Next" in part:
                    message = f"a rule inside {field} has no Next: only the outermost has"
                    yield place.finding(message, *inner, "Next")
                yield from _comparisons(place, part, inner)


def _comparison(
    place: Place, rule: dict[str, Any], steps: Pointer, operator: str
) -> Iterator[Finding]:
    if "Variable" not in rule:
        yield place.finding(f"{operator} needs Variable: the path of what it compares", *steps)
    fields = ["Variable", operator] if OPERATORS[operator].operand == "path" else ["Variable"]
    for field in fields:
        path = rule.get(field)
        if isinstance(path, str) and (problem := path_problem(path)):
            yield place.finding(f"{field}: {problem}", *steps, field, aws=NOT_A_REFERENCE)
    types, called = _OPERANDS[OPERATORS[operator].operand]
    operand = rule[operator]
    if not isinstance(operand, types) or (isinstance(operand, bool) and types is not bool):
        message = f"{operator} must be {called}, not {shown(operand)}"
        yield place.finding(message, *steps, operator)
    elif OPERATORS[operator].operand == "timestamp" and timestamps.parse(str(operand)) is None:
        message = f"{operator} must be a time like 2026-01-31T12:00:00Z, not {shown(operand)}"
        aws = "String does not match RFC3339 timestamp"
        yield place.finding(message, *steps, operator, aws=aws)
