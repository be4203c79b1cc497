"""Tasks that do what a test says: values, exceptions and delays, one attempt after the other."""

from __future__ import annotations

import functools
import inspect
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import anyio
import anyio.to_thread

from aiowfm.asl.payload import JsonValue, parse
from aiowfm.errors import TaskError, UsageError
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.handlers import TaskHandler, inspected
from aiowfm.tasks.outcomes import Failed, Succeeded

SCRIPT_ENDED: Final = "aiowfm.testing.ScriptEnded"

Handler: TypeAlias = Callable[[Any, TaskContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Delayed:
    """An outcome that takes its time."""

    seconds: float
    outcome: object


def after(seconds: float, outcome: object = None) -> Delayed:
    """*outcome*, which may be all that an outcome can be, when *seconds* have passed."""
    return Delayed(seconds, outcome)


NEVER: Final = Delayed(math.inf, None)
"""The outcome of a task that hangs until it is cancelled."""


class Outcomes:
    """What a task does in its first attempt, the second, and so on.

    An outcome is a value to return, an exception to raise, `after(seconds, outcome)`, `NEVER`,
    or a handler to call. `...` at the end stands for the last one, again and again; without it
    an attempt too many fails with `aiowfm.testing.ScriptEnded`. Each workflow, state and item of
    a Map has its own first attempt; entering a state again goes on where it was left.
    """

    def __init__(self, *outcomes: object) -> None:
        self._repeats = len(outcomes) > 1 and outcomes[-1] is ...
        self._outcomes = outcomes[:-1] if self._repeats else outcomes
        if not self._outcomes or any(each is ... for each in self._outcomes):
            raise UsageError("Outcomes(): give one or more, and `...` at the end or not at all")

    def handler(self) -> Handler:
        """A handler that begins with the first of them."""
        asked: Counter[tuple[object, ...]] = Counter()

        async def play(value: Any, context: TaskContext) -> Any:
            whose = (context.workflow_id, context.state_name, context.map_index)
            number = asked[whose]
            asked[whose] += 1
            return await played(self._outcome(number, context), value, context)

        return play

    def _outcome(self, number: int, context: TaskContext) -> object:
        count = len(self._outcomes)
        if number < count or self._repeats:
            return self._outcomes[min(number, count - 1)]
        return TaskError(
            SCRIPT_ENDED,
            f"state {context.state_name!r} has {count} scripted"
            f" {'outcome' if count == 1 else 'outcomes'}, and this is attempt {number + 1}:"
            " add one, or `...` to repeat the last",
        )


class Script:
    """What each state does, by the name of the state or else of its task.

    A list gives the outcomes of one attempt after the other, as `Outcomes` does; anything else
    is what happens each time.

        Script({"charge": [TaskError("Busy"), {"paid": True}], "ship": "on its way"})
    """

    def __init__(self, outcomes: Mapping[str, object]) -> None:
        self._outcomes = {
            name: Outcomes(*outcome) if isinstance(outcome, list | tuple) else outcome
            for name, outcome in outcomes.items()
        }

    def handlers(self, tasks: Iterable[str]) -> dict[str, Handler]:
        """Handlers of *tasks* that begin with the first outcome of each state."""
        handlers = {name: handler_of(outcome) for name, outcome in self._outcomes.items()}
        return {task: self._handler(task, handlers) for task in tasks}

    def _handler(self, task: str, handlers: Mapping[str, Callable[..., Any]]) -> Handler:
        async def play(value: Any, context: TaskContext) -> Any:
            for name in (context.state_name, task):
                if name is not None and name in handlers:
                    return await played(handlers[name], value, context)
            raise TaskError(
                SCRIPT_ENDED,
                f"the script has neither the state {context.state_name!r} nor the task {task!r};"
                f" it has {', '.join(map(repr, handlers)) or 'nothing'}",
            )

        return play


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a task's handler.

    Attributes:
        task: The name of the task.
        state: The state that it is for.
        attempt: 0 for the first try, then counting retries.
        map_index: Which item of the innermost Map it is for.
        workflow_id: The workflow, as `Engine.get_workflow` takes it.
        input: What it was given.
        at: When it began, in seconds since the epoch on the virtual clock.
    """

    task: str
    state: str | None
    attempt: int | None
    map_index: int | None
    workflow_id: str | None
    input: JsonValue = field(repr=False)
    at: float = field(repr=False)


def handler_of(outcome: object) -> Callable[..., Any]:
    """*outcome* as the handler of a task: a handler is one, and anything else is played."""
    if isinstance(outcome, Outcomes):
        return outcome.handler()
    if callable(outcome) and not inspect.isclass(outcome):
        return outcome

    async def play(value: Any, context: TaskContext) -> Any:
        return await played(outcome, value, context)

    return play


async def played(outcome: object, value: JsonValue, context: TaskContext) -> object:
    """What comes of *outcome* for this attempt."""
    match outcome:
        case Delayed(seconds, inner):
            await anyio.sleep(seconds)
            return await played(inner, value, context)
        case BaseException():
            raise outcome.with_traceback(None)
        case type() if issubclass(outcome, BaseException):
            raise outcome
    if not callable(outcome):
        return outcome
    handler = inspected_handler(context.task_name, outcome)
    match handler.outcome(await called(handler, value, context)):
        case Succeeded(output):
            return parse(output)
        case Failed(error, cause):
            raise TaskError(error, cause)


async def called(handler: TaskHandler, value: JsonValue, context: TaskContext) -> object:
    """What the function of *handler* returns, called as the worker does.

    Raises:
        TaskError: the input cannot be what it takes.
    """
    arguments = handler.arguments(value, context)
    if isinstance(arguments, Failed):
        raise TaskError(arguments.error, arguments.cause)
    call = functools.partial(handler.function, *arguments)
    if handler.is_async:
        result = await call()
    else:
        result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    if inspect.isawaitable(result):
        result = await result
    return None if handler.returns_nothing else result


def inspected_handler(name: str, function: Callable[..., Any]) -> TaskHandler:
    """*function* as the handler of the task *name*."""
    return inspected(name, function, concurrency=None, retry_lost=True, heartbeat="auto")
