"""`TaskEnvironment`: calls one handler, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar, overload

import anyio
import anyio.lowlevel

from aiowfm.asl import timestamps
from aiowfm.asl.payload import parse
from aiowfm.errors import TaskTokenExpiredError
from aiowfm.names import ExecutionArn, WorkflowId
from aiowfm.payloads import json_text
from aiowfm.ports import TaskToken
from aiowfm.tasks.context import Cancellation, CancelReason, TaskContext
from aiowfm.tasks.current import handling
from aiowfm.tasks.outcomes import Outcome, failed_by
from aiowfm.testing.clock import STARTS_AT
from aiowfm.testing.errors import HandlerCancelledError
from aiowfm.testing.loops import VirtualTimeLoop
from aiowfm.testing.one_liners import require_no_loop
from aiowfm.testing.scripts import called, inspected_handler

Result = TypeVar("Result")

_MACHINE = "arn:aws:states:us-east-1:000000000000:execution"


class TaskEnvironment:
    """Calls handlers as the worker does: input and result converted, with a `TaskContext`.

    Time is that of the event loop: `virtual_time()` around it skips what a handler waits for,
    and so does `run_sync`.

        environment = TaskEnvironment(attempt=2)
        assert await environment.run(charge, {"id": "o-17"}) == Receipt(...)

    Attributes:
        heartbeats: When the handlers sent heartbeats, in seconds since their start.
    """

    def __init__(
        self,
        *,
        task_name: str = "task",
        workflow_name: str = "workflow",
        state_name: str = "state",
        attempt: int = 0,
        entered_at: datetime = STARTS_AT,
        map_index: int | None = None,
        heartbeat_seconds: float | None = None,
        worker_name: str = "test",
        cancel_after: float | None = None,
        cancel_reason: CancelReason = CancelReason.WORKER_STOPPING,
    ) -> None:
        """Make it: what is given here is what handlers find in their context.

        Args:
            task_name: As of `TaskContext`, and so are those below.
            workflow_name: Its id and the execution's ARN are made of it, and of the state.
            state_name: The Task state.
            attempt: 0 for the first try.
            entered_at: Part of the idempotency key.
            map_index: Which item of a Map this is for.
            heartbeat_seconds: How long Step Functions waits for a sign of life.
            worker_name: Who runs it.
            cancel_after: After so many seconds the handler is cancelled; None: it is not.
            cancel_reason: Why.
        """
        self.heartbeats: list[float] = []
        self._fields: dict[str, Any] = {
            "task_name": task_name,
            "workflow_name": workflow_name,
            "state_name": state_name,
            "attempt": attempt,
            "entered_at": entered_at,
            "map_index": map_index,
            "heartbeat_seconds": heartbeat_seconds,
            "worker_name": worker_name,
        }
        self._cancel_after = cancel_after
        self._cancel_reason = cancel_reason
        self._cancellation = Cancellation()
        self._scope: anyio.CancelScope | None = None  # of the handler that runs
        self._is_expired = False
        self._began_at = 0.0

    def context(self, input: object = None) -> TaskContext:
        """The context that a handler gets for *input*."""
        facts = self._fields
        workflow = WorkflowId("test", facts["workflow_name"], 0, facts["state_name"], "0001")
        return TaskContext(
            **facts,
            task_token=TaskToken("token of a test"),
            workflow_id=str(workflow),
            execution_arn=ExecutionArn(f"{_MACHINE}:{workflow.state_machine}:{workflow}"),
            entered_text=timestamps.format(facts["entered_at"].timestamp()),
            input=parse(json_text(input, "the input")),
            beat=self._beat,
            cancellation=self._cancellation,
        )

    def cancel(self, reason: CancelReason = CancelReason.WORKER_STOPPING) -> None:
        """Cancel the handler that runs; its context tells *reason*."""
        self._cancellation.because(reason)
        if self._scope is not None:
            self._scope.cancel()

    def expire(self) -> None:
        """From now on heartbeats raise `TaskTokenExpiredError`: nobody waits for the task."""
        self._is_expired = True

    @overload
    async def run(
        self, handler: Callable[..., Awaitable[Result]], input: object = None
    ) -> Result: ...
    @overload
    async def run(self, handler: Callable[..., Result], input: object = None) -> Result: ...
    async def run(self, handler: Callable[..., Any], input: object = None) -> Any:
        """What *handler* returns for *input*; what it raises goes on.

        Raises:
            HandlerTypeError: it cannot be a handler.
            TaskError: `aiowfm.InvalidInput`: the input is not what it takes.
            HandlerCancelledError: it was cancelled, and let itself be.
        """
        inspected = inspected_handler(self._fields["task_name"], handler)
        context = self._begin(input)
        loop = asyncio.get_running_loop()
        end = None
        if self._cancel_after is not None:
            end = loop.call_later(self._cancel_after, self.cancel, self._cancel_reason)
        try:
            with anyio.CancelScope() as self._scope, handling(context):
                return await called(inspected, context.input, context)
        finally:
            if end is not None:
                end.cancel()
        raise HandlerCancelledError(context.cancel_reason or self._cancel_reason)

    async def outcome(self, handler: Callable[..., Any], input: object = None) -> Outcome:
        """How the worker would report what *handler* does: `Succeeded`, or `Failed`.

        Raises:
            HandlerTypeError: it cannot be a handler.
            HandlerCancelledError: it was cancelled, and let itself be.
        """
        inspected = inspected_handler(self._fields["task_name"], handler)
        try:
            return inspected.outcome(await self.run(handler, input))
        except HandlerCancelledError:
            raise
        except Exception as exc:  # noqa: BLE001  # whatever the handler raises is its outcome
            return failed_by(exc)

    @overload
    def run_sync(
        self, handler: Callable[..., Awaitable[Result]], input: object = None
    ) -> Result: ...
    @overload
    def run_sync(self, handler: Callable[..., Result], input: object = None) -> Result: ...
    def run_sync(self, handler: Callable[..., Any], input: object = None) -> Any:
        """As `run`, from code that is not asynchronous; what the handler waits for is skipped."""
        require_no_loop("run_sync()", "await run()")
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(self.run(handler, input))

    def _begin(self, input: object) -> TaskContext:
        self._cancellation = Cancellation()
        self._began_at = anyio.current_time()
        self.heartbeats = []
        return self.context(input)

    async def _beat(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self._is_expired:
            raise TaskTokenExpiredError("nobody waits for the task any more, as the test says")
        self.heartbeats.append(anyio.current_time() - self._began_at)
