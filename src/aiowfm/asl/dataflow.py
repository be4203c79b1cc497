"""How data flows through a state: InputPath, Parameters, ResultSelector, ResultPath, OutputPath."""

from __future__ import annotations

from aiowfm.asl import model
from aiowfm.asl.context import VisitScope
from aiowfm.asl.errors import DATA_LIMIT_EXCEEDED, EvaluationError
from aiowfm.asl.paths import PathNotFoundError, Scope, compile_path
from aiowfm.asl.payload import JsonValue, Payload, dump

EMPTY = Payload({})


def selected(path: str | None, payload: Payload, scope: VisitScope) -> Payload:
    """*payload* after InputPath or OutputPath; null selects an empty object."""
    if path == "$":
        return payload
    if path is None:
        return EMPTY
    try:
        return Payload(compile_path(path).look_up(scope))
    except PathNotFoundError as exc:
        raise EvaluationError(f"Invalid path '{path}' : {exc}") from exc


def looked_up(path: str, field: str, scope: Scope) -> JsonValue:
    """The value that *path*, written in *field*, leads to."""
    try:
        return compile_path(path).look_up(scope)
    except PathNotFoundError as exc:
        raise EvaluationError(
            f"The JSONPath '{path}' specified for the field '{field}' could not be found"
            f" in the input '{dump(scope.input)}'"
        ) from exc


def whole_number(path: str, field: str, scope: Scope, *, least: int) -> int:
    """The number that *path*, written in *field*, leads to."""
    value = looked_up(path, field, scope)
    if isinstance(value, bool) or not isinstance(value, int):
        raise EvaluationError(
            f"The {field} field refers to value {dump(value)} which is not a valid integer: {path}"
        )
    if value < least:
        name = field.removesuffix("Path")
        what = "cannot be negative" if least == 0 else f"must be at least {least}"
        raise EvaluationError(f"{name} {what}.")
    return value


def filled(state: model.State, field: str, payload: Payload, scope: VisitScope) -> Payload:
    """*payload* after the template in *field*, if the state has one."""
    if getattr(state, field) is None:
        return payload
    scope.input = payload.value
    return Payload(state.template(field)(scope))


def combined(path: str | None, raw_input: Payload, result: Payload) -> Payload:
    """*raw_input* with *result* at *path* (ResultPath); null keeps the input alone."""
    if path is None:
        return raw_input
    if path == "$":
        return result
    return Payload(compile_path(path).put(raw_input.value, result.value))


def checked_size(output: Payload, name: str) -> Payload:
    if output.is_too_large:
        raise EvaluationError(
            f"The state/task '{name}' returned a result with a size exceeding the maximum"
            " number of bytes service limit.",
            DATA_LIMIT_EXCEEDED,
        )
    return output
