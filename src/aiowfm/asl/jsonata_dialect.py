"""The JSONata query language: Arguments, Output, Assign, Items and Condition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from aiowfm.asl import fields, model, timestamps
from aiowfm.asl.context import context_object
from aiowfm.asl.dialect import Exit
from aiowfm.asl.errors import QUERY_EVALUATION_ERROR, EvaluationError
from aiowfm.asl.jsonata import Kind, expect, expression_in
from aiowfm.asl.payload import JsonValue, Pair, Payload, dump

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter

_WITH_RESULT = (model.TaskState, model.ParallelState, model.MapState)


class JsonataScope:
    """What the JSONata expressions of a visited state can see.

    Attributes:
        bindings: `states` and the variables, by name.
    """

    __slots__ = ("_run", "bindings")

    def __init__(
        self,
        run: Interpreter,
        visit: Visit,
        item: tuple[int, JsonValue] | None = None,
        **states: JsonValue,
    ) -> None:
        self._run = run
        context = context_object(run, visit, item)
        self.bindings: Mapping[str, JsonValue] = {
            **visit.branch.variables,
            "states": {"input": visit.input.value, "context": context, **states},
        }

    @property
    def now(self) -> float:
        return self._run.now

    def entropy(self) -> Random:
        return self._run.entropy()

    def spend(self, effort: int) -> None:
        self._run.effort += effort


class JsonataDialect:
    """Evaluates the fields of states written in JSONata."""

    def work_input(self, run: Interpreter, visit: Visit) -> Payload:
        state: Any = visit.state
        if getattr(state, "arguments", None) is None:
            return visit.input
        return Payload(state.jsonata("Arguments")(JsonataScope(run, visit)))

    def items(self, run: Interpreter, visit: Visit) -> list[JsonValue]:
        state = visit.state
        assert isinstance(state, model.MapState)
        # AWS documents objects for all Maps, but has been seen to refuse them for inline ones.
        is_distributed = state.processor.processor_config.mode == "DISTRIBUTED"
        if not state.gives("items"):
            value = visit.input.value
            if isinstance(value, dict) and is_distributed:
                return Pair.all_of(value)
            if not isinstance(value, list):
                raise EvaluationError(
                    f"Map state input must be an array but was: {dump(value)}",
                    QUERY_EVALUATION_ERROR,
                )
            return value
        value = state.jsonata("Items")(JsonataScope(run, visit))
        if isinstance(value, dict) and is_distributed:
            return Pair.all_of(value)
        _expect(value, "array", state.items, "Items")
        assert isinstance(value, list)
        return value

    def item_input(self, run: Interpreter, visit: Visit, index: int, item: JsonValue) -> Payload:
        state = visit.state
        assert isinstance(state, model.MapState)
        if not state.gives("item_selector"):
            return Payload(item)
        scope = JsonataScope(run, visit, (index, item))
        return Payload(state.jsonata("ItemSelector")(scope))

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
        shown = field
        holder, field = fields.holder(visit.state, field)
        literal = getattr(holder, fields.attribute(field), None)
        if not isinstance(literal, str):
            return literal if isinstance(literal, int | float) else None
        value = holder.jsonata(field, shown)(JsonataScope(run, visit))
        _expect(value, "number", literal, shown)
        assert isinstance(value, int | float)
        if not least <= value <= most or (whole and not float(value).is_integer()):
            kind = "a whole number" if whole else "a number"
            limit = f"of at least {least}" if most == math.inf else f"from {least} to {most:.0f}"
            raise EvaluationError(
                f"The {field} field must be {kind} {limit}, but was: {dump(value)}",
                QUERY_EVALUATION_ERROR,
                location=shown,
                is_late=True,
            )
        return value

    def text(self, run: Interpreter, visit: Visit, field: str) -> str | None:
        state: Any = visit.state
        literal = getattr(state, fields.attribute(field), None)
        if literal is None:
            return None
        value = state.jsonata(field)(JsonataScope(run, visit))
        _expect(value, "string", literal, field)
        return str(value)

    def credentials(self, run: Interpreter, visit: Visit) -> str | None:
        state = visit.state
        assert isinstance(state, model.TaskState)
        if state.credentials is None:
            return None
        filled = state.jsonata("Credentials")(JsonataScope(run, visit))
        role_arn = filled.get("RoleArn") if isinstance(filled, dict) else None
        return role_arn if isinstance(role_arn, str) else None

    def batch_input(self, run: Interpreter, visit: Visit) -> JsonValue:
        state = visit.state
        assert isinstance(state, model.MapState)
        assert state.item_batcher is not None
        field = "ItemBatcher/BatchInput"
        return state.item_batcher.jsonata("BatchInput", field)(JsonataScope(run, visit))

    def wait_until(self, run: Interpreter, visit: Visit) -> float:
        state = visit.state
        assert isinstance(state, model.WaitState)
        seconds = self.number(run, visit, "Seconds", least=0, most=fields.MAX_SECONDS)
        if seconds is not None:
            return visit.begun_at + seconds
        text = self.text(run, visit, "Timestamp") or ""
        instant = timestamps.parse(text)
        if instant is None:
            raise EvaluationError(
                timestamps.refusal("Timestamp", text),
                QUERY_EVALUATION_ERROR,
                location="Timestamp",
                is_late=True,
            )
        return instant / timestamps.NANOSECONDS

    def chosen(self, run: Interpreter, visit: Visit) -> model.ChoiceRule | None:
        assert isinstance(visit.state, model.ChoiceState)
        scope = JsonataScope(run, visit)
        for index, rule in enumerate(visit.state.choices):
            field = f"Choices[{index}]/Condition"
            value = rule.jsonata("Condition", field)(scope)
            _expect(value, "boolean", rule.condition, field)
            if value is True:
                return rule
        return None

    def left(
        self,
        run: Interpreter,
        visit: Visit,
        result: Payload,
        rule: model.ChoiceRule | None = None,
    ) -> Exit:
        state: Any = visit.state
        if isinstance(state, _WITH_RESULT):
            return _exit(JsonataScope(run, visit, result=result.value), state, result)
        holder = state if rule is None else rule
        return _exit(JsonataScope(run, visit), holder, visit.input)

    def caught(
        self, run: Interpreter, visit: Visit, catcher: model.Catcher, error: Payload
    ) -> Exit:
        return _exit(JsonataScope(run, visit, errorOutput=error.value), catcher, error)


def _expect(value: JsonValue, kind: Kind, written: object, field: str) -> None:
    """Check what *written* in *field* gave."""
    text = expression_in(written) if isinstance(written, str) else None
    expect(value, kind, dump(written) if text is None else text, field)  # type: ignore[arg-type]  # it is JSON


def _exit(scope: JsonataScope, holder: Any, default: Payload) -> Exit:
    """What *holder*, a state, rule or catcher, says in Output and Assign."""
    assigned = holder.jsonata("Assign")(scope) if getattr(holder, "assign", None) else {}
    output = Payload(holder.jsonata("Output")(scope)) if holder.gives("output") else default
    return Exit(output, assigned)
