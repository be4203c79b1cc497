"""The jobs of a workflow: one for each state it entered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aiowfm.asl.payload import JsonValue
from aiowfm.workflows.causes import Cause, parsed_cause


class WorkflowStatus(StrEnum):
    """Where a workflow or one of its jobs is; members equal their texts."""

    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens, unless somebody resumes it."""
        return self not in (WorkflowStatus.QUEUED, WorkflowStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at the work of a state.

    Attributes:
        number: 0 for the first.
        status: `queued` until a worker takes it.
        error: The name of the error it failed with.
        cause: What that means, as the history has it.
        created_at: When it was scheduled.
        started_at: When a worker took it, or it began by itself.
        stopped_at: When it ended.
        worker: Who took it, by the name that the worker gives itself.
    """

    number: int
    status: WorkflowStatus
    error: str | None = None
    cause: str | None = field(default=None, repr=False)
    created_at: datetime
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    worker: str | None = None

    @property
    def parsed_cause(self) -> Cause | None:
        """The parts of the cause, where an exception made it."""
        return parsed_cause(self.cause)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One stay in a state.

    Attributes:
        id: The id of the event with which the state was entered: one of a kind in the workflow.
        state: The name of the state.
        type: Its type, as `Task`.
        status: `queued` while nobody works on it: until a worker takes it, between two
            attempts, and after a redrive. A state that failed is `failed`, caught or not.
        input: What the state was given; None while it is not known.
        output: What it handed on; None unless it was left.
        error: Of the last attempt, if that failed.
        cause: Likewise.
        is_caught: It failed, and the workflow went on as one of its catchers says.
        attempts: Of a Task, Parallel or Map; retries and redrives each add one.
        created_at: When it was entered.
        started_at: When work on it first began.
        stopped_at: When it was left, failed for good or was cut off.
        worker: Who had the last attempt.
        parent_id: The job of the Parallel or Map that it is part of.
        path: The names of the states it is in, from the outermost, each Parallel or Map
            followed by the place of the branch or iteration, and its own name.
        map_index: The iteration that it is part of, of the innermost Map around it.
        branch_index: The branch it is part of, of the innermost Parallel around it; in the
            order in which they began.
        length: How many iterations a Map has, once it has begun.
        map_run_arn: The run of a distributed Map, whose children have histories of their own.
    """

    id: int
    state: str
    type: str
    status: WorkflowStatus
    input: JsonValue = field(default=None, repr=False)
    output: JsonValue = field(default=None, repr=False)
    error: str | None = None
    cause: str | None = field(default=None, repr=False)
    is_caught: bool = False
    attempts: tuple[Attempt, ...] = ()
    created_at: datetime
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    worker: str | None = None
    parent_id: int | None = None
    path: tuple[str | int, ...] = ()
    map_index: int | None = None
    branch_index: int | None = None
    length: int | None = None
    map_run_arn: str | None = None

    @property
    def parsed_cause(self) -> Cause | None:
        """The parts of the cause, where an exception made it."""
        return parsed_cause(self.cause)
