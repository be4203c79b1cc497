"""What a handler can learn of the task it runs."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from aiowfm.asl.payload import JsonValue
from aiowfm.errors import TaskTokenExpiredError
from aiowfm.names import ExecutionArn, last_part, parse_workflow_id
from aiowfm.waits import TASK_ID_LENGTH, TaskToken, token_hash


class CancelReason(Enum):
    """Why a handler was cancelled, or its result is not wanted."""

    TASK_GONE = "task gone"
    """The task timed out, its workflow was cancelled, or another answered it."""
    WORKER_STOPPING = "worker stopping"
    """The engine stops and its grace is over; the task is handed back."""
    HEARTBEATS_FAILED = "heartbeats failed"
    """Heartbeats could not be sent in time; the task is handed back."""


@dataclass(slots=True)
class Cancellation:
    """Why one task was cancelled, once it is."""

    reason: CancelReason | None = None

    def because(self, reason: CancelReason) -> None:
        """Keep *reason*, unless there is one already."""
        self.reason = self.reason or reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """One attempt at one task.

    What Step Functions itself does not tell a worker comes with the task's input; in a
    task of another program's state machine it is missing, and those attributes are None.

    Attributes:
        task_name: The name the handler is registered under.
        task_token: Secret: whoever has it can finish the task.
        worker_name: Who runs it, as the history shows.
        workflow_id: The workflow, as `Engine.get_workflow` takes it.
        execution_arn: The execution that the workflow is.
        workflow_name: The name of its definition.
        state_name: The Task state.
        attempt: 0 for the first try, then counting retries.
        entered_at: When the state was entered.
        map_index: Which item of the innermost Map this is for.
        heartbeat_seconds: How long Step Functions waits for a sign of life.
        traceparent: The span that the workflow was started in, as W3C Trace Context writes it;
            None too where the workflow does not carry it.
        tracestate: What belongs to it, if anything does.
        input: The JSON value that the task was given, before the handler's annotations
            convert it.
        entered_text: `entered_at` as Step Functions wrote it.
        beat: Sends a heartbeat; None: there is nobody to send it to.
        cancellation: Where the worker says why it cancels the handler.
    """

    task_name: str
    task_token: TaskToken = field(repr=False)
    worker_name: str
    workflow_id: str | None = None
    execution_arn: ExecutionArn | None = None
    workflow_name: str | None = None
    state_name: str | None = None
    attempt: int | None = None
    entered_at: datetime | None = None
    map_index: int | None = None
    heartbeat_seconds: float | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    entered_text: str | None = field(default=None, repr=False)
    input: JsonValue = field(default=None, repr=False)
    beat: Callable[[], Awaitable[None]] | None = field(default=None, repr=False, compare=False)
    cancellation: Cancellation = field(default_factory=Cancellation, repr=False, compare=False)

    @property
    def cancel_reason(self) -> CancelReason | None:
        """Why the handler is being cancelled; None: it is not.

        A plain function, whose thread cannot be cancelled, may look at it now and then.
        """
        return self.cancellation.reason

    @property
    def idempotency_key(self) -> str | None:
        """64 hexadecimal digits, the same in each retry of one entry into the state."""
        if self.execution_arn is None:
            return None
        facts = [
            self.execution_arn,
            self.state_name,
            self.entered_text,
            self.map_index,
            self.input,
        ]
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def task_id(self) -> str:
        """A short hash of the token: names the task where that may be seen, as in logs."""
        return token_hash(self.task_token)[:TASK_ID_LENGTH]

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger `aiowfm.tasks`; adds `log_facts` to each record."""
        return logging.LoggerAdapter(logging.getLogger("aiowfm.tasks"), self.log_facts)

    @property
    def log_facts(self) -> dict[str, Any]:
        """What identifies the task in a log record (`extra`); `activity` is its name."""
        return {
            "activity": self.task_name,
            "execution": self.execution_arn,
            "task_id": self.task_id,
            "attempt": self.attempt,
        }

    async def heartbeat(self) -> None:
        """Say that the task is still being worked on.

        The worker does this by itself unless the task has `heartbeat="manual"`. From a
        plain function, in its thread: `anyio.from_thread.run(ctx.heartbeat)`.

        Raises:
            TaskTokenExpiredError: nobody waits for the task any more; whatever the handler
                returns is not reported.
            BackendUnavailableError: worth another try.
        """
        if self.beat is not None:
            try:
                await self.beat()
            except TaskTokenExpiredError:
                self.cancellation.because(CancelReason.TASK_GONE)
                raise


def workflow_facts(arn: str) -> tuple[str, str | None]:
    """The workflow id that an execution's ARN ends in, and its definition's name."""
    workflow_id = last_part(arn)
    parts = parse_workflow_id(workflow_id)
    return workflow_id, None if parts is None else parts.name
