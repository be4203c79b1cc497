"""Where the local backend keeps executions: the seam between memory and disk.

The service hands over what happened and goes on in memory; it acknowledges a call
to its caller only after `flushed`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from aiowfm.asl.history import HistoryEvent


class Store(Protocol):
    """Keeps the histories of executions, by the executions' numbers."""

    def append(self, execution: int, events: Sequence[HistoryEvent]) -> None:
        """Add *events* to the history of *execution*, to be kept soon."""
        ...

    async def flushed(self) -> None:
        """Wait until all that was handed over before this call is kept."""
        ...

    def history(self, execution: int) -> Sequence[HistoryEvent]:
        """All events of *execution* so far."""
        ...


class MemoryStore:
    """A store that lasts as long as the object."""

    def __init__(self) -> None:
        self._histories: defaultdict[int, list[HistoryEvent]] = defaultdict(list)

    def append(self, execution: int, events: Sequence[HistoryEvent]) -> None:
        self._histories[execution].extend(events)

    async def flushed(self) -> None:
        """Nothing to wait for."""

    def history(self, execution: int) -> Sequence[HistoryEvent]:
        return tuple(self._histories[execution])
