"""Lends an engine to a test: the one place that knows what an engine is made of inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiowfm.engine import Engine
from aiowfm.errors import EngineStateError
from aiowfm.lifecycle import EngineState
from aiowfm.ports import Backend
from aiowfm.tasks.middleware import Middleware
from aiowfm.tasks.registry import TaskRegistry


@contextmanager
def borrowed(
    engine: Engine,
    backend: Backend,
    handlers: Mapping[str, Callable[..., Any]],
    *,
    middleware: Middleware,
) -> Iterator[None]:
    """*engine* has another backend in here, other *handlers* besides its own, and *middleware*.

    Raises:
        EngineStateError: it is not stopped.
        HandlerTypeError: one of *handlers* cannot be one.
    """
    if engine.state is not EngineState.STOPPED:
        raise EngineStateError(f"the engine is {engine.state.value}: a test begins with it stopped")
    inside = vars(engine)
    before = dict(inside)
    inside["_backend"] = backend
    inside["_handlers"] = _registry(engine._handlers, handlers)
    inside["_middlewares"] = [middleware, *engine._middlewares]
    # Where time jumps the loop seems to stand still, which is no news.
    inside["config"] = engine.config.model_copy(update={"max_lag_seconds": 0.0})
    try:
        yield
    finally:
        for name in ("_backend", "_handlers", "_middlewares", "config"):
            inside[name] = before[name]


def _registry(own: TaskRegistry, others: Mapping[str, Callable[..., Any]]) -> TaskRegistry:
    """The handlers *own*, but for those of *others*, which have the options of the replaced."""
    registry = own.without(others)
    for name, function in others.items():
        replaced = own.get(name)
        registry.add(
            name,
            function,
            concurrency=None if replaced is None else replaced.concurrency,
            retry_lost=replaced is None or replaced.retry_lost,
            heartbeat="auto" if replaced is None else replaced.heartbeat,
            local_names={},
        )
    return registry
