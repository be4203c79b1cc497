"""Limits on what runs at once: per task name, and over all of them."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping

from aiowfm.errors import ConfigError


class Slots:
    """Slots to run tasks in; a poll holds one from before it begins.

    Where the limit over all task names binds, each name keeps one slot of its own and
    only the rest is shared: idle polls of one task never starve another.
    """

    def __init__(self, limits: Mapping[str, int], maximum: int | None) -> None:
        if maximum is not None and maximum < len(limits):
            raise ConfigError(
                f"max_concurrency={maximum} is less than the number of tasks, {len(limits)}:"
                " each task needs a slot to poll with"
            )
        self._limits = limits
        self._is_limited = maximum is not None
        self._shared = sum(limits.values()) if maximum is None else maximum - len(limits)
        self._in_use: Counter[str] = Counter()
        self._shared_in_use = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {name: deque() for name in limits}
        self._is_closed = False

    def in_use(self, task: str) -> int:
        return self._in_use[task]

    def try_acquire(self, task: str) -> bool:
        """Take a slot for *task* if one is free now."""
        if self._in_use[task] >= self._limits[task]:
            return False
        if self._in_use[task] > 0:
            if self._shared_in_use >= self._shared:
                return False
            self._shared_in_use += 1
        self._in_use[task] += 1
        return True

    async def acquire(self, task: str) -> bool:
        """Wait for a slot for *task*; False: `close` came first. Cancelling takes none."""
        waiting = self._waiting[task]
        while not self.try_acquire(task):
            if self._is_closed:
                return False
            waiter = asyncio.get_running_loop().create_future()
            waiting.append(waiter)
            try:
                await waiter
            except BaseException:
                if waiter in waiting:
                    waiting.remove(waiter)
                else:
                    self._wake(task)  # it was our turn: another's now
                raise
        return True

    def close(self) -> None:
        """Let nobody wait any more."""
        self._is_closed = True
        self._wake_all()

    def release(self, task: str) -> None:
        if self._in_use[task] > 1:
            self._shared_in_use -= 1
        self._in_use[task] -= 1
        self._wake(task)

    def _wake(self, task: str) -> None:
        """Let those try again who may take the slot that *task* gave back."""
        if self._is_limited:
            self._wake_all()
        elif self._waiting[task]:
            _wake_one(self._waiting[task])

    def _wake_all(self) -> None:
        for waiting in self._waiting.values():
            while waiting:
                _wake_one(waiting)


def _wake_one(waiting: deque[asyncio.Future[None]]) -> None:
    waiter = waiting.popleft()
    if not waiter.done():
        waiter.set_result(None)
