"""A workflow, as the engine shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from aiowfm.asl.payload import JsonValue
from aiowfm.definitions import WorkflowDefinition, read_resumed_input, without_trace
from aiowfm.names import WorkflowId, cleaned
from aiowfm.ports import Execution, ExecutionStatus
from aiowfm.workflows.causes import Cause, parsed_cause
from aiowfm.workflows.job import Job, WorkflowStatus

# In listings `failed` means both FAILED and TIMED_OUT.
STATUSES: Mapping[ExecutionStatus, WorkflowStatus] = {
    ExecutionStatus.PENDING_REDRIVE: WorkflowStatus.QUEUED,
    ExecutionStatus.RUNNING: WorkflowStatus.RUNNING,
    ExecutionStatus.FAILED: WorkflowStatus.FAILED,
    ExecutionStatus.TIMED_OUT: WorkflowStatus.FAILED,
    ExecutionStatus.SUCCEEDED: WorkflowStatus.SUCCEEDED,
    ExecutionStatus.ABORTED: WorkflowStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One workflow: an execution of a definition.

    Attributes:
        id: As `Engine.get_workflow` takes it; the name of the execution.
        name: The name of its definition.
        status: Where it is; `failed` also when it timed out.
        created_at: When it was started.
        stopped_at: When it ended; None while it runs.
        input: A JSON value; None in listings.
        output: A JSON value; None unless it succeeded, and in listings.
        error: The error name it failed with; None in listings.
        cause: What that means, for people; the reason given when it was cancelled.
        namespace: The environment it belongs to.
        tags: The default tags of its definition.
        definition: None if the engine does not know it (any more).
        failed_job: The job that made it fail, where jobs were asked for: the innermost, or
            what it was doing when its time was over.
        jobs: The states it entered, in that order, where they were asked for.
        retry_for: The id of the workflow that this one was resumed for, from a chosen state
            other than the first; None in listings.
    """

    id: str
    name: str
    status: WorkflowStatus
    created_at: datetime
    stopped_at: datetime | None = None
    input: JsonValue = field(default=None, repr=False)
    output: JsonValue = field(default=None, repr=False)
    error: str | None = None
    cause: str | None = field(default=None, repr=False)
    namespace: str
    tags: Mapping[str, str] = field(default_factory=dict)
    definition: WorkflowDefinition | None = field(default=None, repr=False)
    failed_job: Job | None = None
    jobs: tuple[Job, ...] | None = field(default=None, repr=False)
    retry_for: str | None = None

    @property
    def parsed_cause(self) -> Cause | None:
        """The parts of the cause, where an exception made it."""
        return parsed_cause(self.cause)


def workflow_of(
    execution: Execution, id: WorkflowId, definition: WorkflowDefinition | None
) -> Workflow:
    """The workflow that *execution* is."""
    error, cause = execution.error, execution.cause
    if error == "States.DataLimitExceeded":
        cause = f"{cause or ''} (the envelope of a task's input takes up to 1,024 bytes)".strip()
    # Some servers show what a failure left behind as output.
    succeeded = execution.status is ExecutionStatus.SUCCEEDED
    output = json.loads(execution.output) if succeeded and execution.output else None
    if execution.status is ExecutionStatus.TIMED_OUT:
        error = error or "States.Timeout"
        cause = cause or "the workflow ran longer than the TimeoutSeconds of its definition"
    input = None if execution.input is None else without_trace(json.loads(execution.input))
    resumed = None
    if definition is None or cleaned(definition.start_at) != id.start_at:
        resumed = read_resumed_input(input)
    return Workflow(
        id=execution.name,
        name=id.name,
        status=STATUSES[execution.status],
        created_at=execution.started_at,
        stopped_at=execution.stopped_at,
        input=input if resumed is None else resumed.input,
        output=output,
        error=error,
        cause=cause,
        namespace=id.environment,
        tags={} if definition is None else dict(definition.default_tags),
        definition=definition,
        retry_for=None if resumed is None else resumed.retry_for,
    )
