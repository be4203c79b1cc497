"""The operators of JSONata: those between two values, and the one that transforms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from aiowfm.asl.jsonata.bounds import Budget
from aiowfm.asl.jsonata.library import Jsonata, Utils
from aiowfm.asl.jsonata.text import string
from aiowfm.asl.jsonata.values import (
    MAX_NODES,
    MAX_RANGE,
    Node,
    Value,
    copied,
    fail,
    sequence,
    too_large,
)


class Operators(Budget, Jsonata):  # type: ignore[misc]  # the library has no types
    """Those of the library, as the original has them."""

    def evaluate_numeric_expression(self, lhs: Value, rhs: Value, op: str) -> Value:
        for operand, code in ((lhs, "T2001"), (rhs, "T2002")):
            if operand is not None and not Utils.is_numeric(operand):
                raise fail(code, op, operand)
        if lhs is None or rhs is None:
            return None
        return _number(_ARITHMETIC[op](float(lhs), float(rhs)))

    def evaluate_equality_expression(self, lhs: Value, rhs: Value, op: str) -> bool:
        if isinstance(lhs, list | dict) and isinstance(rhs, list | dict):
            self.walk(lhs)
            self.walk(rhs)
        equal: bool = super().evaluate_equality_expression(lhs, rhs, op)
        return equal

    def evaluate_includes_expression(self, lhs: Value, rhs: Value) -> bool:
        if lhs is None or rhs is None:
            return False
        items = rhs if isinstance(rhs, list) else [rhs]
        self.spend(len(items) >> 3)
        if isinstance(lhs, str):
            self.spend(len(items) * len(lhs) >> 12)
        if isinstance(lhs, list | dict):
            return any(item is lhs for item in items)
        return any(
            not isinstance(item, list | dict)
            and item == lhs
            and isinstance(item, bool) is isinstance(lhs, bool)
            for item in items
        )

    def evaluate_string_concat(self, lhs: Value, rhs: Value) -> str:
        left, right = ("" if each is None else self.text(each) for each in (lhs, rhs))
        self.admit_text(len(left) + len(right))
        return left + right

    def text(self, value: Value, *, indented: bool = False) -> str:
        """*value* as `$string` gives it."""
        if not isinstance(value, str):
            nodes, height = self.size(value)
            self.admit_text(nodes * (height * 2 + 2 if indented else 1))
        return string(value, indented=indented)

    def evaluate_range_expression(self, lhs: Value, rhs: Value) -> Value:
        for operand, code in ((lhs, "T2003"), (rhs, "T2004")):
            is_whole = isinstance(operand, int) or (
                isinstance(operand, float) and operand.is_integer()
            )
            if operand is not None and (isinstance(operand, bool) or not is_whole):
                raise fail(code)
        if lhs is None or rhs is None or lhs > rhs:
            return None
        count = int(rhs) - int(lhs) + 1
        if count > MAX_RANGE:
            raise fail("D2014", count)
        if count > MAX_NODES:
            raise too_large("an array", MAX_NODES)
        self.spend(count >> 5)
        return sequence(range(int(lhs), int(rhs) + 1))


class Transformer(Jsonata.JFunctionCallable):  # type: ignore[misc]  # the library has no types
    """The operator `| … | … |`, which changes a copy and never what it was given."""

    def __init__(self, evaluation: Operators, expr: Node, environment: Jsonata.Frame) -> None:
        self._evaluation = evaluation
        self._expr = expr
        self._environment = environment

    def call(self, input: Value, args: Sequence[Value]) -> Value:
        if args[0] is None:
            return None
        evaluation, expr, environment = self._evaluation, self._expr, self._environment
        own: set[int] = set()
        evaluation.walk(args[0])
        result = copied(args[0], own)
        matches = evaluation.eval(expr.pattern, result, environment)
        if matches is None:
            return result
        for match in matches if isinstance(matches, list) else [matches]:
            update = evaluation.eval(expr.update, match, environment)
            if update is not None and not isinstance(update, dict):
                raise fail("T2011", update)
            removed = None
            if expr.delete is not None:
                removed = evaluation.eval(expr.delete, match, environment)
            names = removed if isinstance(removed, list) else [removed]
            if removed is not None and not Utils.is_array_of_strings(names):
                raise fail("T2012", removed)
            if id(match) in own:
                match.update(update or {})
                for name in names if removed is not None else ():
                    match.pop(name, None)
        return result


def _number(value: float) -> float:
    """*value*, whole numbers as int."""
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _quotient(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) * math.copysign(1, right) if left else math.nan


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _quotient,
    "%": lambda left, right: math.fmod(left, right) if right else math.nan,
}
