"""Notices when something blocked the event loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import anyio

from aiowfm.worker.statistics import Tally

log = logging.getLogger("aiowfm.worker")

LOOKS_PER_LAG = 4  # how often it looks, in the time that is too long


class Watchdog:
    """Warns, afterwards, of each time the loop stood still for too long.

    It names the tasks that ran meanwhile: one of them is likely to have blocked.
    """

    def __init__(self, tallies: Mapping[str, Tally], max_lag_seconds: float) -> None:
        self._tallies = tallies
        self._max_lag_seconds = max_lag_seconds

    async def run(self) -> None:
        """Watch until cancelled; a limit of 0 watches nothing."""
        while self._max_lag_seconds:
            began = {name: tally.started - tally.running for name, tally in self._tallies.items()}
            due = anyio.current_time() + self._max_lag_seconds / LOOKS_PER_LAG
            await anyio.sleep_until(due)
            lag = anyio.current_time() - due
            if lag > self._max_lag_seconds:
                # A task may have begun, blocked and ended since the last look.
                ran = [name for name, tally in self._tallies.items() if tally.started > began[name]]
                log.warning(
                    "the event loop stood still for %.1f seconds, and all heartbeats and polls"
                    " with it; tasks that ran: %s",
                    lag,
                    ", ".join(ran) or "none",
                    extra={"duration_seconds": lag},
                )
