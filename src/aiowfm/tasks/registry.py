"""The task handlers of an engine, by the names of their tasks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from aiowfm.errors import DuplicateTaskError, Problem, UsageError
from aiowfm.names import MAX_NAME_LENGTH
from aiowfm.tasks.handlers import HeartbeatMode, TaskHandler, inspected, placed


class TaskRegistry(Mapping[str, TaskHandler]):
    """Handlers, each checked when it is added."""

    def __init__(self, activity_name: Callable[[str], str]) -> None:
        """Make it, empty; *activity_name* gives the name of a task's activity."""
        self.activity_name = activity_name
        self._handlers: dict[str, TaskHandler] = {}

    def add(
        self,
        name: str,
        function: Callable[..., Any],
        *,
        concurrency: int | None,
        retry_lost: bool,
        heartbeat: HeartbeatMode,
        local_names: Mapping[str, Any],
    ) -> None:
        """Add *function* as the handler of the task *name*.

        Raises:
            HandlerTypeError: it cannot be one.
            DuplicateTaskError: the name, or that of its activity, is taken.
            UsageError: the name or an option is not usable.
        """
        self._check(name, concurrency, heartbeat)
        for other in self._handlers:
            if other == name:
                raise DuplicateTaskError(
                    f"the task {name!r} has a handler already, {placed(self[name].function)}:"
                    " take one out, or rename it"
                )
            if self.activity_name(other) == self.activity_name(name):
                raise DuplicateTaskError(
                    f"the tasks {other!r} and {name!r} have one activity name,"
                    f" {self.activity_name(name)!r}: rename one"
                )
        self._handlers[name] = inspected(
            name,
            function,
            concurrency=concurrency,
            retry_lost=retry_lost,
            heartbeat=heartbeat,
            local_names=local_names,
        )

    def unused(self, name: str) -> Problem:
        """The warning that nothing uses the handler *name*, placed at its function."""
        code = getattr(inspect.unwrap(self._handlers[name].function), "__code__", None)
        return Problem(
            where=name,
            message=f"no Task names the handler {name!r}: take it out, or write Resource: {name}",
            severity="warning",
            file=getattr(code, "co_filename", None),
            line=getattr(code, "co_firstlineno", None),
            code="UNUSED_HANDLER",
        )

    def without(self, names: Collection[str]) -> TaskRegistry:
        """Another one, without the handlers of these *names*."""
        registry = TaskRegistry(self.activity_name)
        registry._handlers = {name: own for name, own in self.items() if name not in names}
        return registry

    def __getitem__(self, name: str) -> TaskHandler:
        return self._handlers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._handlers)

    def __len__(self) -> int:
        return len(self._handlers)

    def _check(self, name: str, concurrency: object, heartbeat: object) -> None:
        if not isinstance(name, str) or not name:
            raise UsageError(f"a task needs a name, a non-empty string, not {name!r}")
        activity = self.activity_name(name)
        if len(activity) > MAX_NAME_LENGTH:
            raise UsageError(
                f"task {name!r}: its activity would be named {activity!r}, and Step Functions"
                f" takes {MAX_NAME_LENGTH} characters: shorten it by"
                f" {len(activity) - MAX_NAME_LENGTH}"
            )
        if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
            raise UsageError(f"task {name!r}: concurrency must be 1 or more, not {concurrency!r}")
        if heartbeat not in ("auto", "manual"):
            raise UsageError(
                f"task {name!r}: heartbeat must be 'auto' or 'manual', not {heartbeat!r}"
            )
