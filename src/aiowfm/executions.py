"""Executions and the events of their histories, as they cross the ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from aiowfm.names import ExecutionArn

# Types of events with which an execution ends; a redrive can follow all but the first.
ENDINGS: Final = frozenset(
    {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
)


class ExecutionStatus(Enum):
    """The status of an execution, as DescribeExecution gives it."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"

    @property
    def is_final(self) -> bool:
        return self not in (ExecutionStatus.RUNNING, ExecutionStatus.PENDING_REDRIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution as DescribeExecution or ListExecutions shows it.

    Attributes:
        input: JSON text; None in listings.
        output: JSON text; None in listings and unless it succeeded.
    """

    arn: ExecutionArn
    name: str
    status: ExecutionStatus
    started_at: datetime
    stopped_at: datetime | None = None
    input: str | None = field(default=None, repr=False)
    output: str | None = field(default=None, repr=False)
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionEvent:
    """One event, as GetExecutionHistory gives it.

    Attributes:
        id: 1 for the first.
        previous_id: The event before it on the same line of control; 0: none.
        type: Step Functions' name for it.
        details: The members of its details; inputs and outputs are JSON texts.
    """

    id: int
    previous_id: int
    type: str
    occurred_at: datetime
    details: Mapping[str, object] = field(default_factory=dict, repr=False)

    def text(self, name: str) -> str | None:
        """A member of its details that is a text, if it is there."""
        value = self.details.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """A member of its details that is a whole number, if it is there."""
        value = self.details.get(name)
        return value if isinstance(value, int) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What executions are searched by; None: by anything.

    Attributes:
        machines: The beginning of the names of their state machines.
        name: The beginning of their own.
        tags: Tags that their state machines have, with these values.
        error: The name of the error they failed with.
        statuses: One of these; empty: any.
    """

    machines: str
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    statuses: frozenset[ExecutionStatus] = frozenset()


class ExecutionExistsError(Exception):
    """An execution of this name exists and is not the one asked for.

    Not part of the public tree: `workflows/` settles it.
    """


class NotRedrivableError(Exception):
    """An execution cannot be redriven; the message is the backend's reason.

    Not part of the public tree: `workflows/` says what to do instead.
    """
