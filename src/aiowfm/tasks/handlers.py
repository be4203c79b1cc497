"""Task handlers: what may be one, and how its input and result are converted."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from aiowfm.asl.payload import JsonValue, dump
from aiowfm.errors import HandlerTypeError, NotJsonError, PayloadTooLargeError
from aiowfm.payloads import json_text
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.outcomes import (
    INVALID_INPUT,
    INVALID_OUTPUT,
    PAYLOAD_TOO_LARGE,
    Failed,
    Outcome,
    Succeeded,
    failed,
    failed_by,
    message_of,
)

HeartbeatMode: TypeAlias = Literal["auto", "manual"]

_ALLOWED = (
    "a handler is a function, async or not, that takes at most one input and at most one"
    " TaskContext (found by its annotation), in either order"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHandler:
    """A registered handler.

    Attributes:
        name: The task it handles.
        function: What the user wrote.
        is_async: Whether calling it gives something to await.
        concurrency: How many of its tasks run at once; None: as the engine says.
        retry_lost: Whether the compiler may add a retrier for lost workers.
        heartbeat: Whether the worker beats by itself.
    """

    name: str
    function: Callable[..., Any]
    is_async: bool
    concurrency: int | None
    retry_lost: bool
    heartbeat: HeartbeatMode
    takes: tuple[Literal["input", "context"], ...]
    input_type: TypeAdapter[Any] | None
    result_type: TypeAdapter[Any] | None
    returns_nothing: bool

    def arguments(self, value: JsonValue, context: TaskContext) -> tuple[object, ...] | Failed:
        """What to call the function with, or why that cannot be made of the input."""
        if self.input_type is not None:
            try:
                value = self.input_type.validate_json(dump(value))
            except ValidationError as exc:
                problems = [
                    f"{'.'.join(map(str, error['loc'])) or 'input'}: {error['msg']}"
                    for error in exc.errors(include_url=False, include_context=False)
                ]
                return failed(INVALID_INPUT, "; ".join(problems))
            except Exception as exc:  # noqa: BLE001  # any error in a validator of the user's
                return failed_by(exc)
        return tuple(value if kind == "input" else context for kind in self.takes)

    def outcome(self, result: object) -> Outcome:
        """What the function, or middleware around it, returned, as it is reported."""
        if result is None and self.result_type is None:
            return Succeeded("{}")
        try:
            if self.result_type is not None:
                result = self.result_type.dump_python(
                    result, mode="json", by_alias=True, warnings=False
                )
            return Succeeded(json_text(result, f"the result of task {self.name!r}"))
        except PayloadTooLargeError as exc:
            return failed(PAYLOAD_TOO_LARGE, str(exc))
        except NotJsonError as exc:
            return failed(INVALID_OUTPUT, str(exc))
        except Exception as exc:  # noqa: BLE001  # any error in a serialiser of the user's
            message = f"the result of task {self.name!r} is not JSON: {message_of(exc)}"
            return failed(INVALID_OUTPUT, message)


def inspected(
    name: str,
    function: Callable[..., Any],
    *,
    concurrency: int | None,
    retry_lost: bool,
    heartbeat: HeartbeatMode,
    local_names: Mapping[str, Any] | None = None,
) -> TaskHandler:
    """The handler that *function* is.

    Args:
        name: The task it is to handle.
        function: What the user wrote.
        concurrency: As in `Engine.task`.
        retry_lost: As in `Engine.task`.
        heartbeat: As in `Engine.task`.
        local_names: Where annotations may refer to besides the function's module.

    Raises:
        HandlerTypeError: it cannot be one.
    """
    target = _target(function)
    if not callable(function) or inspect.isclass(function):
        raise _refusal(function, "it is not a function")
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise _refusal(function, "it yields instead of returning")
    hints = _hints(function, target, local_names)
    takes: list[Literal["input", "context"]] = []
    input_hint: Any = inspect.Parameter.empty
    for parameter in _parameters(function):
        hint = hints.get(parameter.name, inspect.Parameter.empty)
        kind: Literal["input", "context"] = "context" if _is_context(hint) else "input"
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise _refusal(function, f"parameter {parameter.name!r} is not positional")
        if kind in takes:
            what = "TaskContext" if kind == "context" else "input"
            raise _refusal(function, f"parameter {parameter.name!r} is a second {what} parameter")
        takes.append(kind)
        if kind == "input":
            input_hint = hint
    result_hint = hints.get("return", inspect.Parameter.empty)
    if result_hint in (typing.NoReturn, typing.Never):
        result_hint = type(None)
    return TaskHandler(
        name=name,
        function=function,
        is_async=inspect.iscoroutinefunction(target),
        concurrency=concurrency,
        retry_lost=retry_lost,
        heartbeat=heartbeat,
        takes=tuple(takes),
        input_type=_adapter(function, input_hint),
        result_type=_adapter(function, result_hint),
        returns_nothing=result_hint is type(None),
    )


def _target(function: Callable[..., Any]) -> Any:
    """The function below partials and objects with `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return getattr(type(function), "__call__", function)  # noqa: B004  # the method itself


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of *function* but those that a partial gives by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as exc:
        raise _refusal(function, "its signature cannot be read") from exc
    given = function.keywords if isinstance(function, functools.partial) else {}
    return [parameter for name, parameter in parameters.items() if name not in given]


def _hints(
    function: Callable[..., Any], target: Any, local_names: Mapping[str, Any] | None
) -> dict[str, Any]:
    try:
        return typing.get_type_hints(
            inspect.unwrap(target), localns=dict(local_names or {}), include_extras=True
        )
    except (NameError, AttributeError, SyntaxError) as exc:
        raise _refusal(function, f"its annotations name something unknown: {exc}") from exc
    except TypeError:
        return {}


def _is_context(hint: Any) -> bool:
    """Whether *hint* is TaskContext, be it optional or annotated."""
    if typing.get_origin(hint) in (typing.Annotated, typing.Union, types.UnionType):
        return any(_is_context(each) for each in typing.get_args(hint))
    return hint is TaskContext


def _adapter(function: Callable[..., Any], hint: Any) -> TypeAdapter[Any] | None:
    if hint is inspect.Parameter.empty or hint is Any or hint is type(None):
        return None
    try:
        return TypeAdapter(hint)
    except PydanticUserError as exc:
        reason = str(exc).splitlines()[0]
        raise _refusal(function, f"pydantic cannot convert {hint!r}: {reason}") from exc


def placed(function: object) -> str:
    """*function* by its name and, where that is known, its file and line."""
    target = _target(function) if callable(function) else function
    code = getattr(inspect.unwrap(target) if callable(target) else target, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{getattr(target, '__qualname__', repr(function))}{where}"


def _refusal(function: object, reason: str) -> HandlerTypeError:
    return HandlerTypeError(f"{placed(function)} cannot be a task handler: {reason}; {_ALLOWED}")
