"""Intrinsic functions of the JSONPath query language: `States.Format(...)` and the others.

A call is compiled once into a function of the scope, which randomness comes from too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.findings import did_you_mean
from aiowfm.asl.intrinsic_functions import FUNCTIONS
from aiowfm.asl.intrinsic_syntax import (
    Argument,
    Call,
    Literal,
    Reference,
    Text,
    parse_intrinsic,
)
from aiowfm.asl.intrinsic_syntax import (
    InvalidIntrinsicError as InvalidIntrinsicError,
)
from aiowfm.asl.paths import Path, PathNotFoundError, Scope
from aiowfm.asl.payload import JsonValue, dump

_SLOT = re.compile(r"(?<!\\)\{\}")
_ESCAPED_BRACE = re.compile(r"\\([{}])")

Evaluation: TypeAlias = Callable[[Scope], JsonValue]


def compile_intrinsic(text: str) -> Evaluation:
    """The function of the scope that *text*, a call, stands for.

    What it returns raises `EvaluationError` where an argument is not there or
    is not what the function takes.

    Raises:
        InvalidIntrinsicError: *text* is no call of a function that there is.
    """
    evaluate = _compiled_call(parse_intrinsic(text), text)

    def call(scope: Scope) -> JsonValue:
        try:
            return evaluate(scope)
        except _CallError as exc:
            cause = f"The function '{text}' had the following error: {exc}"
            raise EvaluationError(cause) from exc

    return call


def never_works(text: str) -> str | None:
    """Why the call *text* fails whatever its arguments are, where that is so."""
    waiting: list[Argument] = [parse_intrinsic(text)]
    while waiting:
        call = waiting.pop()
        if not isinstance(call, Call):
            continue
        waiting += call.arguments
        if call.name == "States.Format" and isinstance(call.arguments[0], Text):
            slots, count = len(call.arguments[0].pieces) - 1, len(call.arguments) - 1
            if slots != count:
                arguments = "1 argument" if count == 1 else f"{count} arguments"
                return f"States.Format has {slots} '{{}}' for {arguments}"
    return None


class _CallError(Exception):
    """Why a call has no result: States.Runtime, as States.IntrinsicFailure is reserved."""


def _compiled_call(call: Call, text: str) -> Evaluation:
    function = FUNCTIONS.get(call.name)
    if function is None:
        hint = did_you_mean(call.name, FUNCTIONS)
        problem = f"there is no function {call.name}{hint}"
        raise InvalidIntrinsicError(text, call.position, problem)
    if not function.takes(len(call.arguments)):
        problem = f"{call.name} takes {function.arity}, not {len(call.arguments)}"
        raise InvalidIntrinsicError(text, call.position, problem)
    if call.name == "States.Format":
        arguments = [_compiled_template(call.arguments[0], text)]
        arguments += [_compiled(argument, text) for argument in call.arguments[1:]]
    else:
        arguments = [_compiled(argument, text) for argument in call.arguments]

    def evaluate(scope: Scope) -> JsonValue:
        values = [argument(scope) for argument in arguments]
        try:
            return function(values, scope)
        except ValueError as exc:
            raise _CallError(f"Invalid arguments in {call.name}: {exc}") from exc
        except RecursionError as exc:
            raise _CallError(f"Invalid arguments in {call.name}: nested too deep") from exc

    return evaluate


def _compiled(argument: Argument, text: str) -> Evaluation:
    match argument:
        case Literal(value):
            return lambda scope: value
        case Text(pieces):
            whole = "{}".join(pieces)
            return lambda scope: whole
        case Reference(path):
            return _compiled_reference(path)
        case Call():
            return _compiled_call(argument, text)


def _compiled_reference(path: Path) -> Evaluation:
    def look_up(scope: Scope) -> JsonValue:
        try:
            return path.look_up(scope)
        except PathNotFoundError as exc:
            raise _CallError(
                f"The JsonPath argument for the field '{path.text}' could not be found in the"
                f" input '{dump(scope.input)}'"
            ) from exc

    return look_up


def _compiled_template(argument: Argument, text: str) -> Evaluation:
    """The first argument of States.Format, as the list of pieces between its `{}`.

    In a text that is written in the call, the parser has seen to the escapes.
    """
    if isinstance(argument, Text):
        pieces: list[JsonValue] = [*argument.pieces]
        return lambda scope: pieces
    template = _compiled(argument, text)

    def cut(scope: Scope) -> JsonValue:
        value = template(scope)
        if not isinstance(value, str):
            raise _CallError("Invalid arguments in States.Format: argument 1 must be a string")
        return [_ESCAPED_BRACE.sub(r"\1", piece) for piece in _SLOT.split(value)]

    return cut
