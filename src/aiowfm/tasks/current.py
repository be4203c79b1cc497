"""Which task is being handled, for code anywhere below a handler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from aiowfm.errors import UsageError
from aiowfm.tasks.context import TaskContext

_CURRENT: ContextVar[TaskContext] = ContextVar("aiowfm task")


def current_task() -> TaskContext:
    """The context of the task whose handler, or middleware, has called this.

    It is known in everything that a handler awaits, in tasks that it begins, and in threads
    that get its context variables, as those of `asyncio.to_thread` do.

    Raises:
        UsageError: no task is being handled here.
    """
    try:
        return _CURRENT.get()
    except LookupError:
        raise UsageError(
            "current_task(): no task is being handled here; call it in a handler, or in what a"
            " handler calls"
        ) from None


@contextmanager
def handling(context: TaskContext) -> Iterator[None]:
    """Make *context* the current one."""
    token = _CURRENT.set(context)
    try:
        yield
    finally:
        _CURRENT.reset(token)
