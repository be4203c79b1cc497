"""An event loop whose clock stands still while something runs and jumps when nothing does.

A module whose tests want it says so:

    @pytest.fixture
    def anyio_backend() -> tuple[str, dict[str, Any]]:
        return VIRTUAL_TIME
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Moves the clock instead of waiting for the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not events:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at a time that no other clock shows, so that mixing them up is noticed."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        self._virtual.now = 1_000_000.0
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def pass_time(self, seconds: float) -> None:
        """Move the clock, as if the caller had kept the loop for so long."""
        self._virtual.now += seconds


VIRTUAL_TIME: tuple[str, dict[str, Any]] = ("asyncio", {"loop_factory": VirtualTimeLoop})
