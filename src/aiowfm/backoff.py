"""How long to pause after a fault: exponential, with full jitter."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that grow from fault to fault.

    Each is drawn between nothing and twice the bound of the one before
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    """

    def __init__(self, first_seconds: float = 0.2, longest_seconds: float = 20.0) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._bound_seconds = first_seconds

    def next_delay(self) -> float:
        """Seconds to pause now."""
        delay = random.uniform(0.0, self._bound_seconds)
        self._bound_seconds = min(self._bound_seconds * 2, self._longest_seconds)
        return delay

    def reset(self) -> None:
        """It worked: the next fault is the first again."""
        self._bound_seconds = self._first_seconds
