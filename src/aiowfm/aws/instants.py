"""Moments as the client gives them, and how long to wait until the next look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 10.0
DELAY_GROWTH = 1.5


def instant(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def delays(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait between looks, without end: growing, and spread by half."""
    delay_seconds = FIRST_DELAY_SECONDS
    while True:
        yield delay_seconds * (0.5 + chance() / 2)
        delay_seconds = min(delay_seconds * DELAY_GROWTH, MAX_DELAY_SECONDS)
