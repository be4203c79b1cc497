"""Accepts results of callback tasks: one for each wait, the first.

A result is accepted by the write that makes its wait COMPLETING, with the result itself and a
lease for whoever delivers it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio

from aiowfm.callbacks import transitions
from aiowfm.callbacks.deliveries import Deliveries, facts_of, over, unknown
from aiowfm.callbacks.results import Finalization, Result
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import (
    BackendUnavailableError,
    EngineStateError,
    FinalizationConflictError,
    TaskTokenExpiredError,
)
from aiowfm.ports import TaskReporter, TokenStore
from aiowfm.tasks.outcomes import Outcome
from aiowfm.waits import Wait, WaitStatus

log = logging.getLogger("aiowfm.callbacks")

ANSWER_SECONDS = 30.0  # how long who gives a result waits to hear what became of it


class Completion:
    """What is done about a result, by what is kept under its key."""

    def __init__(
        self,
        tokens: TokenStore,
        reporter: TaskReporter,
        deliveries: Deliveries,
        *,
        now: Callable[[], float],
        early_ttl_seconds: float,
        tally: CallbackTally,
    ) -> None:
        self._tokens = tokens
        self._reporter = reporter
        self._deliveries = deliveries
        self._now = now
        self._early_ttl_seconds = early_ttl_seconds
        self._tally = tally

    async def finalize(
        self, key: str, result: Result, *, wait_id: str | None, early: bool
    ) -> Finalization:
        """Accept *result* for what waits under *key*, and deliver it; see `Finalizer.success`."""
        while True:
            if self._deliveries.is_closed:
                raise EngineStateError("the engine is stopping: nothing was accepted")
            wait = await self._tokens.find(key)
            now = self._now()
            if wait is None or transitions.is_gone(wait, now):
                if not early:
                    raise unknown(key)
                kept = transitions.early(key, result, wait_id or "", now, self._early_ttl_seconds)
                if wait is not None:
                    self.note_lost(wait, now)  # before: the answer to a write may be lost
                if await self._tokens.replace(wait, kept, result.text):
                    return Finalization.DEFERRED
            elif wait_id is not None and wait.wait_id not in ("", wait_id):
                raise TaskTokenExpiredError(
                    f"the wait {wait_id!r} of callback {key!r} is over: another has taken its place"
                )
            elif wait.status is WaitStatus.WAITING:
                accepted = transitions.completing(wait, result, now)
                if await self._tokens.replace(wait, accepted, result.text):
                    return await self._delivered(accepted, result.outcome)
            else:
                return await self._again(wait, result)

    async def _again(self, wait: Wait, result: Result) -> Finalization:
        """A result comes where one was accepted before, or the task is over."""
        accepted = wait.acceptance
        if accepted is None or wait.status is WaitStatus.EXPIRED:
            raise over(wait)
        if accepted.digest != result.digest:
            raise FinalizationConflictError(wait.key, kind=accepted.kind, error=accepted.error)
        held = await self.taken_over(wait)
        if held is None:
            return Finalization.ALREADY_FINALIZED
        return await self._delivered(held, result.outcome)

    async def _delivered(self, wait: Wait, outcome: Outcome) -> Finalization:
        settled = self._deliveries.begin(wait, outcome)
        with anyio.move_on_after(ANSWER_SECONDS):
            return await settled
        raise BackendUnavailableError(
            "SendTaskSuccess",
            "StillDelivering",
            f"the result of callback {wait.key!r} was accepted and cannot be delivered now, which"
            " is tried on; giving the same result again tells what became of it",
        )

    # Results that were left behind.

    async def taken_over(self, wait: Wait) -> Wait | None:
        """*wait*, now leased to the caller, if nobody delivers its result any more."""
        now = self._now()
        if (
            wait.status is not WaitStatus.COMPLETING
            or not transitions.is_due(wait, now)
            or self._deliveries.is_delivering(wait)
        ):
            return None
        held = transitions.held(wait, now, may_have_arrived=True)
        if not await self._tokens.replace(wait, held):
            return None
        log.warning(
            "taking over the delivery of the result of callback %r", wait.key, extra=facts_of(wait)
        )
        return held

    async def see_to(self, wait: Wait) -> None:
        """Begin to deliver the result of *wait* if nobody does so any more."""
        held = await self.taken_over(wait)
        if held is not None:
            self._deliveries.begin(held)

    def note_lost(self, wait: Wait, now: float) -> None:
        """Tell of an accepted result, if *wait* has one, after which something else is kept."""
        if wait.status is WaitStatus.COMPLETING and not transitions.is_due(wait, now):
            # Whoever delivers it knows more, if he lives.
            log.warning(
                "callback %r has a successor; its result may be lost",
                wait.key,
                extra=facts_of(wait),
            )
        elif wait.status in (WaitStatus.COMPLETING, WaitStatus.EARLY):
            self._tally.expired += 1
            log.warning(
                "the result of callback %r is lost: its task is over",
                wait.key,
                extra=facts_of(wait),
            )

    # Signs of life.

    async def heartbeat(self, key: str) -> None:
        """Say that somebody still works on what waits under *key*; see `Finalizer.heartbeat`."""
        wait = await self._tokens.find(key)
        is_known = wait is not None and not transitions.is_gone(wait, self._now())
        if wait is None or not is_known or wait.status is WaitStatus.EARLY:
            raise unknown(key)
        if wait.token is None:
            raise over(wait)
        try:
            await self._reporter.heartbeat(wait.token)
        except TaskTokenExpiredError:
            if wait.status is WaitStatus.WAITING:
                await self._tokens.replace(wait, transitions.expired(wait, self._now()))
            raise

    async def is_alive(self, wait: Wait) -> bool:
        """Whether Step Functions still waits; asking counts as a sign of life."""
        assert wait.token is not None
        try:
            await self._reporter.heartbeat(wait.token)
        except TaskTokenExpiredError:
            return False
        return True
