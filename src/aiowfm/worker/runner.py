"""Runs one task: opens its input, calls its handler, reports what came of it."""

from __future__ import annotations

import functools
import inspect
import logging
import math
from collections.abc import Mapping, Sequence

import anyio

from aiowfm.errors import TaskError
from aiowfm.ports import ActivityTask, TaskRecalls, TaskReporter
from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.tasks.current import handling
from aiowfm.tasks.envelope import opened
from aiowfm.tasks.handlers import TaskHandler
from aiowfm.tasks.middleware import Middleware, chained
from aiowfm.tasks.outcomes import (
    INVALID_INPUT,
    WORKER_STOPPED,
    Failed,
    Outcome,
    failed,
    failed_by,
    place_of,
)
from aiowfm.worker.heartbeats import DEFAULT_HEARTBEAT_SECONDS, Heartbeats, RunningTask
from aiowfm.worker.reporter import Reporter
from aiowfm.worker.statistics import Tally
from aiowfm.worker.threads import Threads

log = logging.getLogger("aiowfm.worker")

# How long a worker that stops tries to reach Step Functions.
LAST_REPORTS_SECONDS = 30.0


class Runner:
    """Runs the tasks of one worker."""

    def __init__(
        self,
        port: TaskReporter,
        *,
        heartbeats: Heartbeats,
        threads: Threads,
        worker_name: str,
        heartbeat_seconds: Mapping[str, float],
        tallies: Mapping[str, Tally],
        middlewares: Sequence[Middleware] = (),
        recalls: TaskRecalls | None = None,
    ) -> None:
        self._port = port
        self._recalls = recalls
        self._heartbeat_seconds = heartbeat_seconds
        self._tallies = tallies
        self._middlewares = middlewares
        self._reporter = Reporter(port, tallies)
        self._heartbeats = heartbeats
        self._threads = threads
        self._worker_name = worker_name
        self._running: set[RunningTask] = set()
        self._is_stopped = False

    @property
    def running_count(self) -> int:
        return len(self._running)

    def cancel_all(self) -> None:
        """Cancel the handlers; their tasks, and any that come now, are handed back.

        Outcomes that cannot be delivered soon are given up.
        """
        self._is_stopped = True
        self._reporter.finish_within(LAST_REPORTS_SECONDS)
        for task in self._running:
            task.cancel(CancelReason.WORKER_STOPPING)

    async def run(self, handler: TaskHandler, task: ActivityTask) -> None:
        """Run *task* and report it; what a handler does never ends in an exception here."""
        tally = self._tallies[handler.name]
        tally.started += 1
        tally.running += 1
        try:
            await self._run(handler, task)
        finally:
            tally.running -= 1

    async def _run(self, handler: TaskHandler, task: ActivityTask) -> None:
        try:
            context = self._context(handler, task)
        except ValueError as exc:
            await self._refuse(handler, task, exc)
            return
        default = self._heartbeat_seconds.get(handler.name, DEFAULT_HEARTBEAT_SECONDS)
        running = RunningTask(context, default)
        self._running.add(running)
        outcome: Outcome | None = None
        try:
            with running.scope:
                if self._is_stopped:
                    return
                if handler.heartbeat == "auto":
                    self._heartbeats.watch(running)
                if self._recalls is not None:
                    self._recalls.expect(task.token, running.give_up)
                outcome = await self._outcome(handler, context)
        finally:
            running.is_handled = True
            if self._recalls is not None:
                self._recalls.forget(task.token)
            try:
                if context.cancel_reason is CancelReason.TASK_GONE:
                    self._tallies[handler.name].unwanted += 1
                else:
                    await self._report(context, outcome)
            finally:
                self._heartbeats.forget(running)  # until its result is taken the token must live
                self._running.discard(running)

    def _context(self, handler: TaskHandler, task: ActivityTask) -> TaskContext:
        return opened(
            task,
            task_name=handler.name,
            worker_name=self._worker_name,
            beat=functools.partial(self._port.heartbeat, task.token),
        )

    async def _refuse(self, handler: TaskHandler, task: ActivityTask, exc: ValueError) -> None:
        context = TaskContext(
            task_name=handler.name, task_token=task.token, worker_name=self._worker_name
        )
        await self._report(context, failed(INVALID_INPUT, f"the input cannot be read: {exc}"))

    async def _report(self, context: TaskContext, outcome: Outcome | None) -> None:
        if outcome is None:
            why = "stopped"
            if context.cancel_reason is CancelReason.HEARTBEATS_FAILED:
                why = "could not send heartbeats"
            log.info(
                "handing back task %s: the worker %s",
                context.task_name,
                why,
                extra=context.log_facts,
            )
            outcome = failed(WORKER_STOPPED, f"worker {self._worker_name} {why}")
        await self._reporter.report(context, outcome)

    async def _outcome(self, handler: TaskHandler, context: TaskContext) -> Outcome:
        call = functools.partial(self._call, handler, context)
        try:
            with handling(context):
                result = await chained(self._middlewares, context, call)()
            return self._logged(handler.outcome(result), context)
        except anyio.get_cancelled_exc_class() as exc:
            if anyio.current_effective_deadline() == -math.inf:
                raise
            return self._failed_by(exc, context)  # raised by the handler, on nobody's behalf
        except BaseException as exc:  # noqa: BLE001  # SystemExit too: handlers end no worker
            return self._failed_by(exc, context)

    async def _call(self, handler: TaskHandler, context: TaskContext) -> object:
        arguments = handler.arguments(context.input, context)
        if isinstance(arguments, Failed):
            raise _UnusableInput(arguments.error, arguments.cause)
        call = functools.partial(handler.function, *arguments)
        result = await call() if handler.is_async else await self._threads.run(call)
        if inspect.isawaitable(result):
            result = await result
        return None if handler.returns_nothing else result

    def _failed_by(self, exc: BaseException, context: TaskContext) -> Outcome:
        place = "" if isinstance(exc, _UnusableInput) else place_of(exc)
        return self._logged(failed_by(exc), context, place)

    def _logged(self, outcome: Outcome, context: TaskContext, place: str = "") -> Outcome:
        # What an exception says may be a payload: it travels in the task's cause alone.
        if isinstance(outcome, Failed):
            log.warning(
                "task %s of workflow %s failed: %s%s",
                context.task_name,
                context.workflow_id,
                outcome.error,
                place,
                extra=context.log_facts,
            )
        return outcome


class _UnusableInput(TaskError):
    """The handler was not called: what middleware sees of that."""
