"""Tells timers that something has to happen at from those that only look again.

A clock that jumps, as the one of `aiowfm.testing` does, need not stop at the latter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_IS_IDLING: ContextVar[bool] = ContextVar("aiowfm idling", default=False)


@contextmanager
def idling() -> Iterator[None]:
    """Timers begun in here end long polls, or look after what is seldom there."""
    token = _IS_IDLING.set(True)
    try:
        yield
    finally:
        _IS_IDLING.reset(token)


def is_idling() -> bool:
    """Whether a timer that begins now is one of those."""
    return _IS_IDLING.get()
