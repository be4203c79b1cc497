"""Several calls at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from anyio import create_task_group

from aiowfm.errors import AiowfmError

T = TypeVar("T")


async def at_once(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """What *calls* give, in their order; where some fail, all end and one error is raised."""
    results: dict[int, T] = {}
    failures: list[AiowfmError] = []  # kept out of the group, which would wrap them

    async def run(place: int, call: Callable[[], Awaitable[T]]) -> None:
        try:
            results[place] = await call()
        except AiowfmError as exc:
            failures.append(exc)

    async with create_task_group() as group:
        for place, call in enumerate(calls):
            group.start_soon(run, place, call)
    if failures:
        raise failures[0]
    return [results[place] for place in range(len(calls))]
