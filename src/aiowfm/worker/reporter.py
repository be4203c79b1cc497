"""Reports how tasks ended, until Step Functions has taken it or does not want it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

import anyio

from aiowfm.backoff import Backoff
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendUnavailableError,
    TaskTokenExpiredError,
)
from aiowfm.ports import TaskReporter
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.outcomes import INVALID_OUTPUT, WORKER_STOPPED, Outcome, Succeeded, failed
from aiowfm.worker.statistics import Tally

log = logging.getLogger("aiowfm.worker")


class Reporter:
    """Delivers outcomes; what it has begun is not cut short by cancellation."""

    def __init__(self, port: TaskReporter, tallies: Mapping[str, Tally]) -> None:
        self._port = port
        self._tallies = tallies
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
            self._tallies[context.task_name].lost += 1
            log.error(
                "giving up on reporting task %s: its result is lost",
                context.task_name,
                extra=context.log_facts,
            )

    async def _deliver(self, context: TaskContext, outcome: Outcome) -> None:
        tally = self._tallies[context.task_name]
        backoff = Backoff(longest_seconds=5.0)
        may_have_arrived = False
        while True:
            try:
                await self._send(context, outcome)
            except TaskTokenExpiredError:
                if may_have_arrived:
                    tally.probably_delivered += 1
                    log.info(
                        "task %s was probably reported before",
                        context.task_name,
                        extra=context.log_facts,
                    )
                else:
                    tally.unwanted += 1
                    log.warning(
                        "task %s was cancelled or timed out before its result came",
                        context.task_name,
                        extra=context.log_facts,
                    )
                return
            except (BackendUnavailableError, AccessDeniedError) as exc:
                if isinstance(exc, BackendUnavailableError):
                    may_have_arrived = may_have_arrived or exc.may_have_arrived
                tally.reports_retried += 1
                log.warning(
                    "reporting task %s failed: %s", context.task_name, exc, extra=context.log_facts
                )
                await anyio.sleep(backoff.next_delay())
            except AiowfmError as exc:
                if not isinstance(outcome, Succeeded):
                    tally.lost += 1
                    log.error(
                        "task %s cannot be reported: %s",
                        context.task_name,
                        exc,
                        extra=context.log_facts,
                    )
                    return
                outcome = failed(INVALID_OUTPUT, f"the result was refused: {exc}")
            else:
                _count(tally, outcome)
                return

    async def _send(self, context: TaskContext, outcome: Outcome) -> None:
        if isinstance(outcome, Succeeded):
            await self._port.succeed(context.task_token, outcome.output)
        else:
            await self._port.fail(context.task_token, outcome.error, outcome.cause)


def _count(tally: Tally, outcome: Outcome) -> None:
    if isinstance(outcome, Succeeded):
        tally.succeeded += 1
    elif outcome.error == WORKER_STOPPED:
        tally.handed_back += 1
    else:
        tally.failed += 1
