"""Finishes callback tasks: one result for each wait, the first, delivered until it is taken.

A result is accepted by the write that makes its wait COMPLETING, with the result itself and a
lease. Whoever holds the lease delivers; when it runs out, another does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from aiowfm.backoff import Backoff
from aiowfm.callbacks import transitions
from aiowfm.callbacks.results import Finalization, Result, loaded
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendUnavailableError,
    EngineStateError,
    FinalizationConflictError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
)
from aiowfm.ports import TaskReporter, TokenStore
from aiowfm.tasks.outcomes import CALLBACK_FAILED, Failed, Outcome, Succeeded, failed
from aiowfm.waits import Delivery, Wait, WaitStatus

log = logging.getLogger("aiowfm.callbacks")

LONGEST_PAUSE_SECONDS = 5.0  # between two attempts to deliver


class Completion:
    """Accepts results and delivers them; `run` gives deliveries a place to go on in."""

    def __init__(
        self,
        tokens: TokenStore,
        reporter: TaskReporter,
        *,
        now: Callable[[], float],
        early_ttl_seconds: float,
        tally: CallbackTally,
    ) -> None:
        self._tokens = tokens
        self._reporter = reporter
        self._now = now
        self._early_ttl_seconds = early_ttl_seconds
        self._tally = tally
        self._deliveries: TaskGroup | None = None
        self._under_way = 0
        self._idle = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Let deliveries go on, whatever becomes of those who wait for them, until cancelled."""
        async with anyio.create_task_group() as self._deliveries:
            task_status.started()
            await anyio.sleep_forever()

    async def idle(self) -> None:
        """Wait until nothing is being delivered."""
        while self._under_way:
            self._idle = anyio.Event()
            await self._idle.wait()

    # A result comes.

    async def finalize(
        self, key: str, result: Result, *, wait_id: str | None, early: bool
    ) -> Finalization:
        """Accept *result* for what waits under *key*, and deliver it; see `Finalizer.success`."""
        while True:
            wait = await self._tokens.find(key)
            now = self._now()
            if wait is None or transitions.is_gone(wait, now):
                if not early:
                    raise UnknownTaskKeyError(f"no callback task waits under {key!r}")
                kept = transitions.early(key, result, wait_id or "", now, self._early_ttl_seconds)
                if await self._tokens.replace(wait, kept, result.text):
                    if wait is not None:
                        self.note_lost(wait, now)
                    return Finalization.DEFERRED
            elif wait_id is not None and wait.wait_id not in ("", wait_id):
                raise TaskTokenExpiredError(
                    f"the wait {wait_id!r} of callback {key!r} is over: another has taken its place"
                )
            elif wait.status is WaitStatus.WAITING:
                accepted = transitions.completing(wait, result, now)
                if await self._tokens.replace(wait, accepted, result.text):
                    return await self.deliver(accepted, result.outcome)
            elif wait.acceptance is None:
                raise _expired(wait)
            else:
                return await self._again(wait, wait.acceptance.digest == result.digest)

    async def _again(self, wait: Wait, is_same: bool) -> Finalization:
        """A result comes where one was accepted before."""
        assert wait.acceptance is not None
        if not is_same:
            raise FinalizationConflictError(
                wait.key, kind=wait.acceptance.kind, error=wait.acceptance.error
            )
        if wait.status is WaitStatus.EXPIRED:
            raise _expired(wait)
        if wait.status is WaitStatus.COMPLETING and transitions.is_due(wait, self._now()):
            return await self.take_over(wait) or Finalization.ALREADY_FINALIZED
        return Finalization.ALREADY_FINALIZED

    # It is delivered.

    async def take_over(self, wait: Wait) -> Finalization | None:
        """Deliver what another began to; None if somebody else does so.

        Raises:
            TaskTokenExpiredError: the task is over.
        """
        now = self._now()
        held = transitions.held(wait, now, may_have_arrived=True)
        if not await self._tokens.replace(wait, held):
            return None
        log.warning("taking over the delivery of a result", extra=facts_of(wait))
        return await self.deliver_kept(held)

    async def see_through(self, wait: Wait) -> None:
        """As `take_over`, for whoever needs no answer: what becomes of it is noted."""
        with suppress(TaskTokenExpiredError):
            await self.take_over(wait)

    async def deliver_kept(self, wait: Wait) -> Finalization:
        """As `deliver`, with the result that is kept with *wait*."""
        text = await self._tokens.result(wait.key)
        assert text is not None, "it is kept as long as the wait"
        return await self.deliver(wait, loaded(text))

    async def deliver(self, wait: Wait, outcome: Outcome) -> Finalization:
        """Send the result of *wait*, which was leased to the caller, until it is taken.

        That goes on if the caller is cancelled.

        Raises:
            TaskTokenExpiredError: the task is over.
        """
        assert self._deliveries is not None, "it runs"
        settled: asyncio.Future[Finalization] = asyncio.get_running_loop().create_future()
        self._under_way += 1
        self._deliveries.start_soon(self._deliver_for, settled, wait, outcome)
        return await settled

    async def _deliver_for(
        self, settled: asyncio.Future[Finalization], wait: Wait, outcome: Outcome
    ) -> None:
        try:
            finalization = await self._deliver(wait, outcome)
        except TaskTokenExpiredError as exc:
            if not settled.done():
                settled.set_exception(exc)
        except Exception as exc:
            # A defect ends this delivery; when the lease has run out, another tries.
            log.exception("a delivery failed", extra=facts_of(wait))
            if not settled.done():
                settled.set_exception(exc)
        else:
            if not settled.done():
                settled.set_result(finalization)
        finally:
            if not settled.done():
                settled.set_exception(
                    EngineStateError(
                        f"callback {wait.key!r}: the engine was stopped before its result was"
                        " delivered; it is kept, and a running engine delivers it"
                    )
                )
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _deliver(self, wait: Wait, outcome: Outcome) -> Finalization:
        assert wait.acceptance is not None
        may_have_arrived = wait.acceptance.may_have_arrived
        backoff = Backoff(longest_seconds=LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await self._send(wait, outcome)
            except TaskTokenExpiredError as exc:
                if not may_have_arrived:
                    if await self._is_taken_over(wait):
                        return Finalization.ALREADY_FINALIZED
                    await self._expire(wait)
                    raise _expired(wait) from exc
                log.warning("a result was probably delivered before", extra=facts_of(wait))
                self._tally.probably_delivered += 1
                await self._settle(wait, Delivery.PROBABLY_DELIVERED)
                return Finalization.PROBABLY_DELIVERED
            except (BackendUnavailableError, AccessDeniedError) as exc:
                log.warning("delivering a result failed: %s", exc, extra=facts_of(wait))
                if isinstance(exc, BackendUnavailableError):
                    may_have_arrived = may_have_arrived or exc.may_have_arrived
                await anyio.sleep(backoff.next_delay())
                kept = await self._kept_up(wait, may_have_arrived)
                if kept is None:
                    return Finalization.ALREADY_FINALIZED
                wait = kept
            except AiowfmError as exc:
                if isinstance(outcome, Failed):
                    await self._expire(wait)
                    raise
                log.error("a result was refused: %s", exc, extra=facts_of(wait))
                outcome = failed(CALLBACK_FAILED, f"the result was refused: {exc}")
            else:
                self._tally.delivered += 1
                await self._settle(wait, Delivery.DELIVERED)
                return Finalization.DELIVERED

    async def _send(self, wait: Wait, outcome: Outcome) -> None:
        assert wait.token is not None
        if isinstance(outcome, Succeeded):
            await self._reporter.succeed(wait.token, outcome.output)
        else:
            await self._reporter.fail(wait.token, outcome.error, outcome.cause)

    async def _kept_up(self, wait: Wait, may_have_arrived: bool) -> Wait | None:
        """*wait* with a lease that lasts; None if it is another's."""
        now = self._now()
        assert wait.due_at is not None
        if wait.due_at - now > transitions.LEASE_SECONDS / 2:
            return wait
        held = transitions.held(wait, now, may_have_arrived=may_have_arrived)
        try:
            return held if await self._tokens.replace(wait, held) else None
        except AiowfmError as exc:
            log.warning("the lease could not be renewed: %s", exc, extra=facts_of(wait))
            return wait

    async def _is_taken_over(self, wait: Wait) -> bool:
        """Whether another delivers the result of *wait*, or did: a call outlasted its lease."""
        try:
            kept = await self._tokens.find(wait.key)
        except AiowfmError as exc:
            log.warning("who delivers a result is not known: %s", exc, extra=facts_of(wait))
            return transitions.is_due(wait, self._now())
        return kept is None or kept.revision != wait.revision

    async def _settle(self, wait: Wait, delivery: Delivery) -> None:
        await self._note(wait, transitions.done(wait, delivery, self._now()))

    async def _expire(self, wait: Wait) -> None:
        log.warning("a task was over before its result could be delivered", extra=facts_of(wait))
        self._tally.expired += 1
        await self._note(wait, transitions.expired(wait, self._now()))

    async def _note(self, wait: Wait, after: Wait) -> None:
        try:
            await self._tokens.replace(wait, after)
        except AiowfmError as exc:
            # When the lease has run out, another finds that the task is over.
            log.warning("what became of a result was not kept: %s", exc, extra=facts_of(wait))

    # Others.

    async def heartbeat(self, key: str) -> None:
        """Say that somebody still works on what waits under *key*; see `Finalizer.heartbeat`."""
        wait = await self._tokens.find(key)
        is_known = wait is not None and not transitions.is_gone(wait, self._now())
        if wait is None or not is_known or wait.status is WaitStatus.EARLY:
            raise UnknownTaskKeyError(f"no callback task waits under {key!r}")
        if wait.token is None:
            raise TaskTokenExpiredError(f"callback {key!r}: the task is over")
        try:
            await self._reporter.heartbeat(wait.token)
        except TaskTokenExpiredError:
            if wait.status is WaitStatus.WAITING:
                await self._note(wait, transitions.expired(wait, self._now()))
            raise

    def note_lost(self, wait: Wait, now: float) -> None:
        """Tell of an accepted result, if *wait* has one, that nobody can deliver any more.

        Something else has taken the place of *wait*.
        """
        was_left = wait.status is WaitStatus.COMPLETING and transitions.is_due(wait, now)
        if was_left or wait.status is WaitStatus.EARLY:
            self._tally.expired += 1
            log.warning("a result is lost: the task it was for is over", extra=facts_of(wait))

    async def is_alive(self, wait: Wait) -> bool:
        """Whether Step Functions still waits; asking counts as a sign of life."""
        assert wait.token is not None
        try:
            await self._reporter.heartbeat(wait.token)
        except TaskTokenExpiredError:
            return False
        return True


def facts_of(wait: Wait) -> dict[str, object]:
    """What identifies *wait* in a log record (`extra`)."""
    return {
        "execution": None if wait.owner is None else wait.owner.execution,
        "task_id": wait.token_hash[:12],
        "attempt": None if wait.fence is None else wait.fence.attempt,
    }


def _expired(wait: Wait) -> TaskTokenExpiredError:
    return TaskTokenExpiredError(
        f"callback {wait.key!r}: the task timed out, was cancelled or was answered otherwise"
    )
