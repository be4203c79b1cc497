"""Delivers accepted results: each is sent until Step Functions takes it, or its task is over.

Whoever delivers has a lease on the wait and renews it; when it runs out, another takes over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskGroup, TaskStatus

from aiowfm.backoff import Backoff
from aiowfm.callbacks import transitions
from aiowfm.callbacks.results import Finalization, loaded
from aiowfm.callbacks.statistics import CallbackTally
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    EngineStateError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
)
from aiowfm.ports import TaskReporter, TokenStore
from aiowfm.tasks.outcomes import Outcome, Succeeded
from aiowfm.waits import TASK_ID_LENGTH, Delivery, Wait

log = logging.getLogger("aiowfm.callbacks")

ATTEMPT_SECONDS = 10.0  # of one call; its lease must not run out meanwhile
LONGEST_PAUSE_SECONDS = 5.0  # between two attempts
# What Step Functions says of an output that it will never take.
_REFUSED = frozenset({"InvalidOutput", "ValidationException"})


class Deliveries:
    """Sends results, in a place of its own: whoever gave one may be gone meanwhile."""

    def __init__(
        self,
        tokens: TokenStore,
        reporter: TaskReporter,
        *,
        now: Callable[[], float],
        tally: CallbackTally,
    ) -> None:
        self._tokens = tokens
        self._reporter = reporter
        self._now = now
        self._tally = tally
        self._group: TaskGroup | None = None
        self._under_way: set[str] = set()  # hashes of tokens
        self._idle = anyio.Event()
        self.is_closed = False

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Let deliveries go on until cancelled."""
        try:
            async with anyio.create_task_group() as self._group:
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self.is_closed = True

    async def idle(self) -> None:
        """Wait until nothing is being delivered."""
        while self._under_way:
            self._idle = anyio.Event()
            await self._idle.wait()

    def is_delivering(self, wait: Wait) -> bool:
        """Whether the result of *wait* is being delivered in this process."""
        return wait.token_hash in self._under_way

    def begin(self, wait: Wait, outcome: Outcome | None = None) -> asyncio.Future[Finalization]:
        """Deliver the result of *wait*, on which the caller has the lease.

        Args:
            wait: Where it was accepted.
            outcome: The result; None: the one that is kept.

        Returns:
            What becomes of it, for whoever wants to know: cancelling it stops nothing. It
            raises `TaskTokenExpiredError` if the task is over.
        """
        settled: asyncio.Future[Finalization] = asyncio.get_running_loop().create_future()
        settled.add_done_callback(_seen)
        if self._group is None or self.is_closed:
            settled.set_exception(_stopped(wait))
        else:
            self._under_way.add(wait.token_hash)
            self._group.start_soon(self._run, _Settling(settled), wait, outcome)
        return settled

    async def _run(self, settling: _Settling, wait: Wait, outcome: Outcome | None) -> None:
        try:
            if outcome is None:
                outcome = await self._kept_result(wait)
            await self._deliver(settling, wait, outcome)
        except Exception as exc:
            # When the lease has run out, another tries. A defect of ours must not end the others.
            if not isinstance(exc, AiowfmError):
                log.exception(
                    "delivering the result of callback %r broke", wait.key, extra=facts_of(wait)
                )
            settling.fail(exc)
        finally:
            settling.fail(_stopped(wait))
            self._under_way.discard(wait.token_hash)
            if not self._under_way:
                self._idle.set()

    async def _kept_result(self, wait: Wait) -> Outcome:
        text = await self._tokens.result(wait.key)
        if text is None:
            raise BackendError("GetItem", "NoResult", f"the result of {wait.key!r} is gone")
        return loaded(text)

    async def _deliver(self, settling: _Settling, wait: Wait, outcome: Outcome) -> None:
        assert wait.acceptance is not None
        may_have_arrived = wait.acceptance.may_have_arrived
        backoff = Backoff(longest_seconds=LONGEST_PAUSE_SECONDS)
        while True:
            try:
                with anyio.move_on_after(ATTEMPT_SECONDS) as attempt:
                    await self._send(wait, outcome)
                if not attempt.cancelled_caught:
                    return await self._taken(settling, wait)
                may_have_arrived = True
                log.warning(
                    "delivering the result of callback %r failed: no answer",
                    wait.key,
                    extra=facts_of(wait),
                )
            except TaskTokenExpiredError:
                return await self._dead(settling, wait, may_have_arrived)
            except AccessDeniedError:
                # Another process may be allowed to.
                await self._note(wait, transitions.released(wait, self._now()))
                raise
            except AiowfmError as exc:
                if isinstance(exc, BackendError) and exc.code in _REFUSED:
                    await self._refused(wait)
                    raise
                log.warning(
                    "delivering the result of callback %r failed: %s",
                    wait.key,
                    exc,
                    extra=facts_of(wait),
                )
                if isinstance(exc, BackendUnavailableError):
                    may_have_arrived = may_have_arrived or exc.may_have_arrived
            await anyio.sleep(backoff.next_delay())
            kept = await self._kept_up(wait, may_have_arrived)
            if kept is None:
                return settling.succeed(Finalization.ALREADY_FINALIZED)
            wait = kept

    async def _send(self, wait: Wait, outcome: Outcome) -> None:
        assert wait.token is not None
        if isinstance(outcome, Succeeded):
            await self._reporter.succeed(wait.token, outcome.output)
        else:
            await self._reporter.fail(wait.token, outcome.error, outcome.cause)

    # What becomes of it.

    async def _taken(self, settling: _Settling, wait: Wait) -> None:
        self._tally.delivered += 1
        after = transitions.done(wait, Delivery.DELIVERED, self._now())
        await self._conclude(wait, after, lambda: settling.succeed(Finalization.DELIVERED))

    async def _dead(self, settling: _Settling, wait: Wait, may_have_arrived: bool) -> None:
        if may_have_arrived:
            log.info(
                "the result of callback %r was probably delivered before",
                wait.key,
                extra=facts_of(wait),
            )
            self._tally.probably_delivered += 1
            after = transitions.done(wait, Delivery.PROBABLY_DELIVERED, self._now())
            answer = Finalization.PROBABLY_DELIVERED
            await self._conclude(wait, after, lambda: settling.succeed(answer))
        elif await self._is_taken_over(wait):
            settling.succeed(Finalization.ALREADY_FINALIZED)
        else:
            log.warning(
                "callback %r was over before its result could be delivered",
                wait.key,
                extra=facts_of(wait),
            )
            self._tally.expired += 1
            after = transitions.expired(wait, self._now())
            await self._conclude(wait, after, lambda: settling.fail(over(wait)))

    async def _refused(self, wait: Wait) -> None:
        """The task waits on, for another result."""
        log.error(
            "Step Functions refused the result of callback %r, which is dropped",
            wait.key,
            extra=facts_of(wait),
        )
        self._tally.expired += 1
        await self._note(wait, transitions.reopened(wait, self._now()))

    async def _conclude(self, wait: Wait, after: Wait, settle: Callable[[], None]) -> None:
        """Keep what became of it, while the lease lasts; who waits need not wait for a fault."""
        backoff = Backoff(longest_seconds=LONGEST_PAUSE_SECONDS)
        while not await self._note(wait, after):
            settle()
            if transitions.is_due(wait, self._now()):
                break  # another finds that the task is over
            await anyio.sleep(backoff.next_delay())
        settle()

    async def _note(self, wait: Wait, after: Wait) -> bool:
        """Keep *after* in the place of *wait*, unless another has done so; whether that is done."""
        try:
            await self._tokens.replace(wait, after)
        except AiowfmError as exc:
            log.warning(
                "what became of the result of callback %r was not kept: %s",
                wait.key,
                exc,
                extra=facts_of(wait),
            )
            return False
        return True

    # The lease.

    async def _kept_up(self, wait: Wait, may_have_arrived: bool) -> Wait | None:
        """*wait* with a lease for another attempt; None if it is another's."""
        now = self._now()
        assert wait.due_at is not None
        if wait.due_at - now > 2 * ATTEMPT_SECONDS:
            return wait
        held = transitions.held(wait, now, may_have_arrived=may_have_arrived)
        try:
            return held if await self._tokens.replace(wait, held) else None
        except AiowfmError as exc:
            log.warning(
                "the lease on the result of callback %r could not be renewed: %s",
                wait.key,
                exc,
                extra=facts_of(wait),
            )
            return wait

    async def _is_taken_over(self, wait: Wait) -> bool:
        """Whether another delivers the result of *wait*, or did: our lease may have run out."""
        try:
            kept = await self._tokens.find(wait.key)
        except AiowfmError as exc:
            log.warning(
                "who delivers the result of callback %r is not known: %s",
                wait.key,
                exc,
                extra=facts_of(wait),
            )
            return transitions.is_due(wait, self._now())
        return kept is None or kept.revision != wait.revision


class _Settling:
    """Tells whoever waits, once; he may be gone."""

    def __init__(self, future: asyncio.Future[Finalization]) -> None:
        self._future = future

    def succeed(self, finalization: Finalization) -> None:
        if not self._future.done():
            self._future.set_result(finalization)

    def fail(self, error: BaseException) -> None:
        if not self._future.done():
            self._future.set_exception(error)


def facts_of(wait: Wait) -> dict[str, object]:
    """What identifies *wait* in a log record (`extra`)."""
    return {
        "execution": None if wait.owner is None else wait.owner.execution,
        "task_id": wait.token_hash[:TASK_ID_LENGTH],
        "attempt": None if wait.fence is None else wait.fence.attempt,
    }


def over(wait: Wait) -> TaskTokenExpiredError:
    return TaskTokenExpiredError(
        f"callback {wait.key!r}: the task timed out, was cancelled or was answered otherwise"
    )


def unknown(key: str) -> UnknownTaskKeyError:
    return UnknownTaskKeyError(f"no callback task waits under {key!r}")


def _stopped(wait: Wait) -> EngineStateError:
    return EngineStateError(
        f"callback {wait.key!r}: the engine was stopped before its result was delivered; it is"
        " kept, and an engine with a worker delivers it"
    )


def _seen(settled: asyncio.Future[Finalization]) -> None:
    """Nobody may want to know: that is no reason for a warning."""
    if not settled.cancelled():
        settled.exception()
