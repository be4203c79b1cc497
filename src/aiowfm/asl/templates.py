"""Payload templates (Parameters, ResultSelector, ItemSelector) and the expressions in them.

A template is compiled once into a function of the scope; what is constant in it
is shared by all results.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.intrinsics import compile_intrinsic
from aiowfm.asl.paths import InvalidPathError, PathNotFoundError, Scope, compile_path
from aiowfm.asl.payload import JsonValue, dump

Template: TypeAlias = Callable[[Scope], JsonValue]


def compile_template(value: JsonValue) -> Template:
    """The function that fills in *value*: members whose names end in `.$` are looked up.

    Raises:
        InvalidPathError: such a member holds no path.
        InvalidIntrinsicError: such a member begins like the call of a function, but is none.
    """
    return _compiled(value) or (lambda scope: value)


def _compiled(value: JsonValue) -> Template | None:
    """None for what is constant."""
    if isinstance(value, dict):
        return _compiled_object(value)
    if isinstance(value, list):
        return _compiled_list(value)
    return None


def _compiled_object(value: dict[str, JsonValue]) -> Template | None:
    constants: dict[str, JsonValue] = {}
    members: list[tuple[str, Template]] = []
    for key, item in value.items():
        if key.endswith(".$"):
            constants[key[:-2]] = None  # keeps its place among the members
            members.append((key[:-2], compile_expression(key, item)))
        else:
            constants[key] = item
            if (template := _compiled(item)) is not None:
                members.append((key, template))
    if not members:
        return None

    def fill(scope: Scope) -> JsonValue:
        result = constants.copy()
        for name, template in members:
            result[name] = template(scope)
        return result

    return fill


def _compiled_list(value: list[JsonValue]) -> Template | None:
    items = [_compiled(item) for item in value]
    if not any(items):
        return None
    return lambda scope: [
        constant if template is None else template(scope)
        for constant, template in zip(value, items, strict=True)
    ]


def compile_expression(field: str, expression: JsonValue) -> Template:
    """The function that evaluates *expression*, a path or an intrinsic function in *field*.

    What it returns raises `EvaluationError` where the expression leads nowhere.

    Raises:
        InvalidPathError: it is neither.
        InvalidIntrinsicError: it begins like the call of a function, but is none.
    """
    if not isinstance(expression, str):
        raise InvalidPathError(f"the value of the field {field!r} must be a path, in a string")
    return _compiled_expression(field, expression)


@lru_cache(maxsize=4096)
def _compiled_expression(field: str, expression: str) -> Template:
    if expression.startswith("States."):
        return compile_intrinsic(expression)
    path = compile_path(expression)

    def look_up(scope: Scope) -> JsonValue:
        try:
            return path.look_up(scope)
        except PathNotFoundError as exc:
            raise EvaluationError(
                f"The JSONPath '{expression}' specified for the field '{field}' could not"
                f" be found in the input '{dump(scope.input)}'"
            ) from exc

    return look_up
