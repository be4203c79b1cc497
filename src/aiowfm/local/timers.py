"""One queue for all timers: Waits, retries, timeouts and heartbeats."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

from aiowfm.idling import idling

Key = TypeVar("Key", bound=Hashable)

# The clock on the wall may be set while we sleep: look at it this often.
LONGEST_SLEEP_SECONDS = 30.0
FIRED_AT_ONCE = 50
LATE_SECONDS = 0.1
YIELDS_WHEN_LATE = 10


class TimerQueue(Generic[Key]):
    """Timers by key; starting one again replaces it.

    Times are seconds since the epoch, so that they outlive the process.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._wake: anyio.Event | None = None

    def start(self, key: Key, at: float) -> None:
        self._at[key] = at
        entry = (at, next(self._order), key)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry and self._wake is not None:
            self._wake.set()

    def stop(self, key: Key) -> None:
        self._at.pop(key, None)
        # Timers that were stopped stay in the heap until they are half of it.
        if len(self._heap) > 64 and len(self._heap) > 2 * len(self._at):
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)

    async def run(self, fire: Callable[[Key], None], ready: Callable[[], Awaitable[None]]) -> None:
        """Call *fire* with each timer's key when its time has come, until cancelled.

        Before that *ready* is awaited, which may hold all of them up.
        """
        while True:
            await ready()
            for _ in range(FIRED_AT_ONCE):
                key = self._next_due()
                if key is None:
                    break
                fire(key)
            else:
                await anyio.lowlevel.checkpoint()  # many are due: let others work in between
                continue
            self._wake = anyio.Event()
            pause = self._pause()
            due_at = self._now() + pause
            with anyio.move_on_after(pause), idling(), anyio.move_on_after(LONGEST_SLEEP_SECONDS):
                await self._wake.wait()
            if self._now() - due_at > LATE_SECONDS:
                # Something blocked the event loop. What was held up as we were, such as
                # heartbeats, comes first.
                for _ in range(YIELDS_WHEN_LATE):
                    await anyio.lowlevel.checkpoint()

    def _next_due(self) -> Key | None:
        while self._heap:
            entry = self._heap[0]
            if not self._is_current(entry):
                heapq.heappop(self._heap)
            elif entry[0] <= self._now():
                heapq.heappop(self._heap)
                del self._at[entry[2]]
                return entry[2]
            else:
                return None
        return None

    def _pause(self) -> float:
        return max(self._heap[0][0] - self._now(), 0.0) if self._heap else math.inf

    def _is_current(self, entry: tuple[float, int, Key]) -> bool:
        return self._at.get(entry[2]) == entry[0]
