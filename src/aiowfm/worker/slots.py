"""Limits on what runs at once: per task name, and over all of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import anyio

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
        self._waiting: deque[tuple[str, anyio.Event]] = deque()

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

    async def acquire(self, task: str) -> None:
        """Wait for a slot for *task*; cancelling takes none."""
        while not self.try_acquire(task):
            entry = (task, anyio.Event())
            self._waiting.append(entry)
            try:
                await entry[1].wait()
            except BaseException:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                else:
                    self._wake(task)  # it was our turn: another's now
                raise

    def release(self, task: str) -> None:
        if self._in_use[task] > 1:
            self._shared_in_use -= 1
        self._in_use[task] -= 1
        self._wake(task)

    def _wake(self, task: str) -> None:
        """Let those try again who may take the slot that *task* gave back."""
        if not self._is_limited:
            entry = next((entry for entry in self._waiting if entry[0] == task), None)
            if entry is not None:
                self._waiting.remove(entry)
                entry[1].set()
            return
        for _, event in self._waiting:
            event.set()
        self._waiting.clear()
