"""Waiting for what AWS makes in its own time."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from aiowfm.aws.instants import delays
from aiowfm.errors import BackendUnavailableError

T = TypeVar("T")

LIMIT_SECONDS = 180.0  # a table takes some ten; the name of a deleted queue is free after 60


class NotReadyError(BackendUnavailableError):
    """AWS has not made something usable in time."""


async def until(operation: str, what: str, attempt: Callable[[], Awaitable[T | None]]) -> T:
    """What *attempt* gives once it is not None; it is called again and again, ever more slowly.

    Raises:
        NotReadyError: after `LIMIT_SECONDS`; it names *operation* and *what*.
    """
    give_up_at = anyio.current_time() + LIMIT_SECONDS
    pauses = delays(random.random)
    while (found := await attempt()) is None:
        if anyio.current_time() >= give_up_at:
            raise NotReadyError(
                operation, "NotReady", f"{what} is not usable after {LIMIT_SECONDS:g} seconds"
            )
        await anyio.sleep(next(pauses))
    return found
