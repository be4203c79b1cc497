"""What runs around every handler: its form, and how several are put in a row."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from aiowfm.errors import HandlerTypeError
from aiowfm.tasks.context import TaskContext

CallNext: TypeAlias = Callable[[], Awaitable[Any]]
Middleware: TypeAlias = Callable[[TaskContext, CallNext], Awaitable[object]]


def check_middleware(middleware: object) -> None:
    """Refuse what cannot be called as `await middleware(ctx, call_next)`.

    Raises:
        HandlerTypeError: it cannot.
    """
    name = getattr(middleware, "__qualname__", repr(middleware))
    if not callable(middleware) or inspect.isclass(middleware):
        reason = "it is not a function"
    elif not _is_coroutine_function(middleware):
        reason = "it is not a coroutine function (async def)"
    elif not _takes_two(middleware):
        reason = "it does not take two positional arguments"
    else:
        return
    raise HandlerTypeError(
        f"{name} cannot be a middleware: {reason}; one is `async def name(ctx, call_next)`, or"
        " an object whose `__call__` is like that"
    )


def chained(middlewares: Sequence[Middleware], context: TaskContext, handler: CallNext) -> CallNext:
    """A call of *handler* with *middlewares* around it, the first outermost."""
    call_next = handler
    for middleware in reversed(middlewares):
        call_next = functools.partial(middleware, context, call_next)
    return call_next


def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004  # the method itself
    )


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    return True
