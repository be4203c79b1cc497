"""The rules of Choice states: every comparison operator, and And, Or and Not."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiowfm.asl import timestamps
from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.model import ChoiceRule, ChoiceState
from aiowfm.asl.paths import PathNotFoundError, Scope, compile_path
from aiowfm.asl.payload import JsonValue

# A value as something its operator can compare, or None where it is of another type.
_Reading = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """A comparison operator.

    Attributes:
        operand: What its operand must be: `string`, `number`, `boolean`, `timestamp`
            or `path`.
        compare: Whether a value and the operand (already looked up) satisfy it.
    """

    operand: str
    compare: Callable[[JsonValue, JsonValue], bool]


def matching_rule(state: ChoiceState, scope: Scope) -> ChoiceRule | None:
    """The first rule of *state* that is satisfied.

    Raises:
        EvaluationError: a rule refers to a value that is not there.
    """
    for rule in state.choices:
        if is_satisfied(rule, scope):
            return rule
    return None


def is_satisfied(rule: ChoiceRule, scope: Scope) -> bool:
    """Whether *rule* holds, without regard to its Next."""
    if rule.and_ is not None:
        return all(is_satisfied(each, scope) for each in rule.and_)
    if rule.or_ is not None:
        return any(is_satisfied(each, scope) for each in rule.or_)
    if rule.not_ is not None:
        return not is_satisfied(rule.not_, scope)
    ((name, operand),) = rule.comparisons.items()
    comparison = OPERATORS[name]
    variable = rule.variable or "$"
    if name == "IsPresent":
        return _is_present(variable, scope) is operand
    if comparison.operand == "path":
        operand = _look_up(operand, scope)
    return comparison.compare(_look_up(variable, scope), operand)


def _look_up(path: str, scope: Scope) -> JsonValue:
    try:
        return compile_path(path).look_up(scope)
    except PathNotFoundError as exc:
        raise EvaluationError(
            f"Invalid path '{path}': The choice state's condition path references an invalid value."
        ) from exc


def _is_present(path: str, scope: Scope) -> bool:
    try:
        compile_path(path).look_up(scope)
    except PathNotFoundError:
        return False
    return True


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _timestamp(value: Any) -> int | None:
    return timestamps.parse(value) if isinstance(value, str) else None


def _comparing(
    reading: _Reading, relation: Callable[[Any, Any], bool]
) -> Callable[[JsonValue, JsonValue], bool]:
    def compare(value: JsonValue, operand: JsonValue) -> bool:
        left, right = reading(value), reading(operand)
        return left is not None and right is not None and relation(left, right)

    return compare


def _is_of(reading: _Reading) -> Callable[[JsonValue, JsonValue], bool]:
    return lambda value, operand: (reading(value) is not None) is operand


def _is_null(value: JsonValue, operand: JsonValue) -> bool:
    return (value is None) is operand


def _matches(value: JsonValue, pattern: JsonValue) -> bool:
    """Whether a text fits a pattern in which `*` stands for any text.

    A backslash makes the next character stand for itself.
    """
    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    first, *others = _literals(pattern)
    if not others:
        return value == first
    *middle, last = others
    if len(value) < len(first) + len(last):
        return False
    if not value.startswith(first) or not value.endswith(last):
        return False
    # Taking each piece at its first place leaves the most room for those after it.
    position, end = len(first), len(value) - len(last)
    for piece in middle:
        position = value.find(piece, position, end)
        if position < 0:
            return False
        position += len(piece)
    return True


@lru_cache(maxsize=1024)
def _literals(pattern: str) -> list[str]:
    """The texts between the stars of *pattern*."""
    pieces = [""]
    for part in re.findall(r"\\.|[^\\]|\\$", pattern, re.DOTALL):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part.removeprefix("\\")
    return pieces


_RELATIONS = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
_ORDERED: dict[str, _Reading] = {"String": _string, "Numeric": _number, "Timestamp": _timestamp}


def _operators() -> Mapping[str, Operator]:
    found: dict[str, Operator] = {}
    for kind, reading in _ORDERED.items():
        operand = "number" if kind == "Numeric" else kind.lower()
        for relation, function in _RELATIONS.items():
            compare = _comparing(reading, function)
            found[kind + relation] = Operator(operand, compare)
            found[kind + relation + "Path"] = Operator("path", compare)
    same = _comparing(_boolean, operator.eq)
    found["BooleanEquals"] = Operator("boolean", same)
    found["BooleanEqualsPath"] = Operator("path", same)
    found["StringMatches"] = Operator("string", _matches)
    found["IsNull"] = Operator("boolean", _is_null)
    # IsPresent asks about the path, not about its value: see is_satisfied.
    found["IsPresent"] = Operator("boolean", lambda value, operand: operand is True)
    for name, reading in {**_ORDERED, "Boolean": _boolean}.items():
        found["Is" + name] = Operator("boolean", _is_of(reading))
    return found


OPERATORS: Mapping[str, Operator] = _operators()
