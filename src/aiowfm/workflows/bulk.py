"""Doing the same to many: some at once, at a limited rate, and as fast as results are taken."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio

from aiowfm.errors import UsageError
from aiowfm.lifecycle import unwrapping

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pace:
    """Turns that follow one another at a rate; None: at once."""

    def __init__(self, rate: float | None) -> None:
        """Make it.

        Args:
            rate: Turns per second.

        Raises:
            UsageError: the rate is not positive.
        """
        if rate is not None and rate <= 0:
            raise UsageError(f"rate={rate!r}: it must be positive, or None for no limit")
        self._pause_seconds = 0.0 if rate is None else 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = anyio.current_time()
        self._next = max(self._next, now) + self._pause_seconds
        await anyio.sleep(self._next - self._pause_seconds - now)


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """What came of an item.

    Attributes:
        error: What was raised, where there is no result.
    """

    item: Item
    result: Result | None = None
    error: Exception | None = None


async def each_done(
    items: Iterable[Item] | AsyncIterable[Item],
    work: Callable[[Item], Awaitable[Result]],
    *,
    concurrency: int,
    rate: float | None,
) -> AsyncGenerator[Done[Item, Result], None]:
    """What comes of *work* on each item, in the order of the items.

    Items are asked for as results are taken: at most *concurrency* ahead of them. What their
    source raises comes after what was done before.

    Raises:
        UsageError: *concurrency* or *rate* is not positive.
    """
    if concurrency < 1:
        raise UsageError(f"concurrency={concurrency!r}: it must be at least 1")
    pace = Pace(rate)
    source = _asynchronous(items)
    turn = _Turn[Item, Result]()
    async with aclosing(source):
        while not turn.is_last:
            turn = await _do_some(source, concurrency, work, pace)
            for place in range(len(turn.outcomes)):
                yield turn.outcomes[place]
    if turn.error is not None:
        raise turn.error


@dataclass(slots=True)
class _Turn(Generic[Item, Result]):
    """What came of some items, by their places; *error* is what their source raised."""

    outcomes: dict[int, Done[Item, Result]] = field(default_factory=dict)
    is_last: bool = False
    error: Exception | None = None


async def _do_some(
    source: AsyncIterator[Item],
    count: int,
    work: Callable[[Item], Awaitable[Result]],
    pace: Pace,
) -> _Turn[Item, Result]:
    """Do the next *count* items, each when it has come.

    All in one call: between two of them nothing goes on, and nobody has to be told to stop.
    """
    turn = _Turn[Item, Result]()

    async def do(place: int, item: Item) -> None:
        try:
            turn.outcomes[place] = Done(item, await work(item))
        except Exception as exc:  # noqa: BLE001  # told in its place, the caller's own too
            turn.outcomes[place] = Done(item, error=exc)

    async with anyio.create_task_group() as group:
        for place in range(count):
            try:
                item = await anext(source)
            except StopAsyncIteration:
                turn.is_last = True
                break
            except Exception as exc:  # noqa: BLE001  # told after what was begun
                turn.is_last, turn.error = True, exc
                break
            await pace.turn()
            group.start_soon(do, place, item)
    return turn


async def _asynchronous(
    items: Iterable[Item] | AsyncIterable[Item],
) -> AsyncGenerator[Item, None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def do_all(
    items: Iterable[Item], work: Callable[[Item], Awaitable[None]], *, concurrency: int
) -> None:
    """Do *work* on each item once; the first error ends it."""
    limiter = anyio.Semaphore(concurrency)

    async def do(item: Item) -> None:
        async with limiter:
            await work(item)

    with unwrapping(first=True):
        async with anyio.create_task_group() as group:
            for item in dict.fromkeys(items):
                group.start_soon(do, item)
