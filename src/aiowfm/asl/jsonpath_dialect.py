"""The JSONPath query language: InputPath, Parameters, ResultSelector, ResultPath, OutputPath."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from aiowfm.asl import choice, fields, model, timestamps
from aiowfm.asl.context import VisitScope
from aiowfm.asl.dialect import Exit
from aiowfm.asl.errors import EvaluationError
from aiowfm.asl.paths import PathNotFoundError, compile_path
from aiowfm.asl.payload import JsonValue, Pair, Payload, dump
from aiowfm.asl.templates import compile_expression

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter

_EMPTY = Payload({})
_EFFORT_PER_ITEM = 5  # to fill in a Map item's template, in the units of `Scope.spend`


class JsonPathDialect:
    """Evaluates the fields of states written in JSONPath."""

    def work_input(self, run: Interpreter, visit: Visit) -> Payload:
        state: Any = visit.state
        payload = _selected(state.input_path, visit.input, VisitScope(run, visit))
        if isinstance(state, model.MapState) or getattr(state, "parameters", None) is None:
            return payload  # the Parameters of a Map are for its items
        return _filled(state, "parameters", VisitScope(run, visit, payload))

    def items(self, run: Interpreter, visit: Visit) -> list[JsonValue]:
        assert isinstance(visit.state, model.MapState)
        path = visit.state.items_path or "$"
        value = _looked_up(path, "ItemsPath", VisitScope(run, visit, run.work_input(visit)))
        if isinstance(value, dict):
            return Pair.all_of(value)
        if not isinstance(value, list):
            raise EvaluationError(f'Reference path "{path}" must point to array.')
        return value

    def item_input(self, run: Interpreter, visit: Visit, index: int, item: JsonValue) -> Payload:
        state = visit.state
        assert isinstance(state, model.MapState)
        field = "parameters" if state.item_selector is None else "item_selector"
        if getattr(state, field) is None:
            return Payload(item)
        scope = VisitScope(run, visit, run.work_input(visit), (index, item))
        scope.spend(_EFFORT_PER_ITEM)
        return _filled(state, field, scope)

    def number(
        self,
        run: Interpreter,
        visit: Visit,
        field: str,
        *,
        least: int,
        most: float = math.inf,
        whole: bool = True,
    ) -> float | None:
        holder, field = fields.holder(visit.state, field)
        literal, path = _literal_and_path(holder, field)
        if path is None:
            return literal if isinstance(literal, int | float) else None
        scope = VisitScope(run, visit, _after_input_path(run, visit))
        value = _looked_up(path, f"{field}Path", scope)
        if isinstance(value, str) and isinstance(visit.state, model.MapState):
            value = _number_in(value, whole=whole)  # so AWS does for Maps
        number = _number(value, whole=whole)
        if number is None:
            kind = "integer" if whole else "float"
            raise EvaluationError(
                f"The {field}Path field refers to value {dump(value)} which is not a valid"
                f" {kind}: {path}"
            )
        if not least <= number <= most:
            what = "cannot be negative" if least == 0 else f"must be at least {least}"
            if most < math.inf:
                what = f"must be between {least} and {most:.0f}"
            raise EvaluationError(f"{field} {what}.")
        return number

    def credentials(self, run: Interpreter, visit: Visit) -> str | None:
        state = visit.state
        assert isinstance(state, model.TaskState)
        if state.credentials is None:
            return None
        scope = VisitScope(run, visit, _after_input_path(run, visit))
        filled = state.template("credentials")(scope)
        role_arn = filled.get("RoleArn") if isinstance(filled, dict) else None
        return role_arn if isinstance(role_arn, str) else None

    def batch_input(self, run: Interpreter, visit: Visit) -> JsonValue:
        state = visit.state
        assert isinstance(state, model.MapState)
        assert state.item_batcher is not None
        return state.item_batcher.template("batch_input")(
            VisitScope(run, visit, run.work_input(visit))
        )

    def text(self, run: Interpreter, visit: Visit, field: str) -> str | None:
        literal, path = _literal_and_path(visit.state, field)
        if path is None:
            return literal if isinstance(literal, str) else None
        value = compile_expression(f"{field}Path", path)(VisitScope(run, visit))
        if not isinstance(value, str):
            raise EvaluationError(
                f"The {field}Path field refers to value {dump(value)} which is not a string: {path}"
            )
        return value

    def wait_until(self, run: Interpreter, visit: Visit) -> float:
        state = visit.state
        assert isinstance(state, model.WaitState)
        if isinstance(state.seconds, int):
            return visit.begun_at + state.seconds
        if state.timestamp is not None:
            instant = timestamps.parse(state.timestamp)
            if instant is None:
                raise EvaluationError(timestamps.refusal("Timestamp", state.timestamp))
            return instant / timestamps.NANOSECONDS
        scope = VisitScope(run, visit, run.work_input(visit))
        if state.seconds_path is not None:
            seconds = _looked_up(state.seconds_path, "SecondsPath", scope)
            number = _number(seconds, whole=True)
            if number is None or not 0 <= number <= fields.MAX_SECONDS:
                raise EvaluationError(
                    "The SecondsPath parameter cannot be parsed as a long value:"
                    f" {state.seconds_path} == {_shown(seconds)}"
                )
            return visit.begun_at + number
        path = state.timestamp_path or "$"
        value = _looked_up(path, "TimestampPath", scope)
        instant = timestamps.parse(value) if isinstance(value, str) else None
        if instant is None:
            raise EvaluationError(
                "The TimestampPath parameter does not reference a valid ISO-8601 extended"
                f" offset date-time format string: {path} == {_shown(value)}"
            )
        return instant / timestamps.NANOSECONDS

    def chosen(self, run: Interpreter, visit: Visit) -> model.ChoiceRule | None:
        assert isinstance(visit.state, model.ChoiceState)
        scope = VisitScope(run, visit, run.work_input(visit))
        return choice.matching_rule(visit.state, scope)

    def left(
        self,
        run: Interpreter,
        visit: Visit,
        result: Payload,
        rule: model.ChoiceRule | None = None,
    ) -> Exit:
        state: Any = visit.state
        assign = rule if rule is not None else state
        assigned = _assigned(assign, VisitScope(run, visit, result))
        if getattr(state, "result_selector", None) is not None:
            result = _filled(state, "result_selector", VisitScope(run, visit, result))
        path = getattr(state, "result_path", "$")
        output = _combined(path, visit.input, result)
        return Exit(_selected(state.output_path, output, VisitScope(run, visit, output)), assigned)

    def caught(
        self, run: Interpreter, visit: Visit, catcher: model.Catcher, error: Payload
    ) -> Exit:
        state: Any = visit.state
        assigned = _assigned(catcher, VisitScope(run, visit, error))
        output = _combined(catcher.result_path, visit.input, error)
        return Exit(_selected(state.output_path, output, VisitScope(run, visit, output)), assigned)


def _literal_and_path(state: Any, field: str) -> tuple[object, str | None]:
    name = fields.attribute(field)
    return getattr(state, name, None), getattr(state, f"{name}_path", None)


def _after_input_path(run: Interpreter, visit: Visit) -> Payload:
    state: Any = visit.state
    return _selected(state.input_path, visit.input, VisitScope(run, visit))


def _selected(path: str | None, payload: Payload, scope: VisitScope) -> Payload:
    """*payload* after InputPath or OutputPath; null selects an empty object."""
    if path == "$":
        return payload
    if path is None:
        return _EMPTY
    try:
        return Payload(compile_path(path).look_up(scope))
    except PathNotFoundError as exc:
        raise EvaluationError(f"Invalid path '{path}' : {exc}") from exc


def _looked_up(path: str, field: str, scope: VisitScope) -> JsonValue:
    return compile_expression(field, path)(scope)


def _filled(state: fields.Model, field: str, scope: VisitScope) -> Payload:
    return Payload(state.template(field)(scope))


def _assigned(holder: Any, scope: VisitScope) -> dict[str, JsonValue]:
    if not getattr(holder, "assign", None):
        return {}
    assigned = holder.template("assign")(scope)
    assert isinstance(assigned, dict)
    return assigned


def _combined(path: str | None, raw_input: Payload, result: Payload) -> Payload:
    """*raw_input* with *result* at *path* (ResultPath); null keeps the input alone."""
    if path is None:
        return raw_input
    if path == "$":
        return result
    return Payload(compile_path(path).put(raw_input.value, result.value))


def _number(value: JsonValue, *, whole: bool) -> float | None:
    """*value* as a number; None where it is none, and where it must be *whole* and is not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and whole and not value.is_integer():
        return None
    return value


def _number_in(text: str, *, whole: bool) -> JsonValue:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else dump(value)
