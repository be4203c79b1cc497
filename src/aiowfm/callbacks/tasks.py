"""Callback tasks as the program sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiowfm.names import ExecutionArn
from aiowfm.tasks.context import workflow_facts
from aiowfm.waits import Acceptance, Wait, WaitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackTask:
    """A callback task, or what is known of one that is over.

    What the message of another program's state machine does not tell is None.

    Attributes:
        key: The application's key.
        wait_id: Names this wait: a retry, or entering the state again, is another. Empty for a
            result that waits for its task.
        status: How far it has come.
        workflow_id: The workflow, as `Engine.get_workflow` takes it.
        execution_arn: The execution that the workflow is.
        workflow_name: The name of its definition.
        state_name: The state that waits.
        attempt: 0 for the first try, then counting retries.
        map_index: Which item of the innermost Map this is for.
        waiting_since: When the state was entered or, where that is not known, its message came.
        expires_at: When it times out; None where no TimeoutSeconds says so.
        message: The other members of `MessageBody`; the largest are missing where all of them
            have more than 32 KiB.
        heartbeat_seconds: How long Step Functions waits for a sign of life.
        acceptance: The result that was accepted, once one is: its kind, time and fate.
    """

    key: str
    wait_id: str
    status: WaitStatus
    workflow_id: str | None = None
    execution_arn: ExecutionArn | None = None
    workflow_name: str | None = None
    state_name: str | None = None
    attempt: int | None = None
    map_index: int | None = None
    waiting_since: datetime
    expires_at: datetime | None = None
    message: Mapping[str, Any] = field(default_factory=dict, repr=False)
    heartbeat_seconds: float | None = None
    acceptance: Acceptance | None = None


def shown(wait: Wait, now: float) -> CallbackTask:
    """What is kept of a task, as it is shown at *now*."""
    times_out_at = None if not wait.timeout_seconds else wait.arrived_at + wait.timeout_seconds
    expires_at = None if times_out_at is None else datetime.fromtimestamp(times_out_at, UTC)
    ends_at = {WaitStatus.EARLY: wait.due_at, WaitStatus.WAITING: times_out_at}.get(wait.status)
    is_over = ends_at is not None and ends_at <= now  # though nobody has noted it yet
    arn = None if wait.owner is None else ExecutionArn(wait.owner.execution)
    workflow_id, workflow_name = (None, None) if arn is None else workflow_facts(arn)
    if workflow_name is None:
        workflow_id = None  # an execution that no engine started, as the child of a Map run
    return CallbackTask(
        key=wait.key,
        wait_id=wait.wait_id,
        status=WaitStatus.EXPIRED if is_over else wait.status,
        workflow_id=workflow_id,
        execution_arn=arn,
        workflow_name=workflow_name,
        state_name=None if wait.owner is None else wait.owner.state,
        attempt=None if wait.fence is None else wait.fence.attempt,
        map_index=None if wait.owner is None else wait.owner.map_index,
        waiting_since=datetime.fromisoformat(wait.entered),
        expires_at=expires_at,
        message=json.loads(wait.message),
        heartbeat_seconds=wait.heartbeat_seconds,
        acceptance=wait.acceptance,
    )
