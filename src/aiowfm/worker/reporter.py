"""Reports how tasks ended, until Step Functions has taken it or does not want it."""

from __future__ import annotations

import logging
import math

import anyio

from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendUnavailableError,
    TaskTokenExpiredError,
)
from aiowfm.ports import TaskReporter
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.outcomes import INVALID_OUTPUT, Outcome, Succeeded, failed
from aiowfm.worker.backoff import Backoff

log = logging.getLogger("aiowfm.worker")


class Reporter:
    """Delivers outcomes; what it has begun is not cut short by cancellation."""

    def __init__(self, port: TaskReporter) -> None:
        self._port = port
        self._deadline = math.inf
        self._open: set[anyio.CancelScope] = set()

    def finish_within(self, seconds: float) -> None:
        """Give up on what is not delivered by then: nothing else keeps the worker."""
        self._deadline = anyio.current_time() + seconds
        for scope in self._open:
            scope.deadline = self._deadline

    async def report(self, context: TaskContext, outcome: Outcome) -> None:
        """Report *outcome*, trying again after faults until it is taken or unwanted."""
        with anyio.CancelScope(shield=True, deadline=self._deadline) as scope:
            self._open.add(scope)
            try:
                await self._deliver(context, outcome)
            finally:
                self._open.discard(scope)
        if scope.cancelled_caught:
            log.error(
                "giving up on reporting task %s: its result is lost",
                context.task_name,
                extra=context.log_facts,
            )

    async def _deliver(self, context: TaskContext, outcome: Outcome) -> None:
        backoff = Backoff(longest_seconds=5.0)
        may_have_arrived = False
        while True:
            try:
                await self._send(context, outcome)
            except TaskTokenExpiredError:
                if may_have_arrived:
                    log.info("task was probably reported before", extra=context.log_facts)
                else:
                    log.warning(
                        "task was cancelled or timed out before its result came",
                        extra=context.log_facts,
                    )
                return
            except (BackendUnavailableError, AccessDeniedError) as exc:
                may_have_arrived = True
                log.warning("reporting a task failed: %s", exc, extra=context.log_facts)
                await anyio.sleep(backoff.next_delay())
            except AiowfmError as exc:
                if not isinstance(outcome, Succeeded):
                    log.error("a task cannot be reported: %s", exc, extra=context.log_facts)
                    return
                outcome = failed(INVALID_OUTPUT, f"the result was refused: {exc}")
            else:
                return

    async def _send(self, context: TaskContext, outcome: Outcome) -> None:
        if isinstance(outcome, Succeeded):
            await self._port.succeed(context.task_token, outcome.output)
        else:
            await self._port.fail(context.task_token, outcome.error, outcome.cause)
