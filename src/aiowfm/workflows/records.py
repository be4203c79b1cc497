"""What is known so far of a stay in a state; `folding` changes it, and `job` shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, TypeAlias

from aiowfm.asl.payload import JsonValue
from aiowfm.workflows.job import Attempt, Job, WorkflowStatus

# The resource of a task, and the JSON text it was given.
Given: TypeAlias = "tuple[str | None, str | None]"

# The work of these is begun by an event of its own, and may be tried again.
WITH_ATTEMPTS = frozenset({"Task", "Map", "Parallel"})


class Scope(NamedTuple):
    """A line of control: the workflow's own, a branch of a Parallel or an iteration of a Map."""

    parent: Record | None = None
    number: int = 0


ROOT = Scope()


@dataclass(slots=True, eq=False)
class Record:
    """A stay in a state.

    Attributes:
        input: JSON text.
        output: JSON text.
        is_left: The state was exited: nothing about it can change any more.
        is_waiting: The workflow was redriven, and has not come to it yet.
        culprit: What failed within it, and made it fail.
        branch_count: How many branches of a Parallel have begun in this attempt.
        scheduled: What the last attempt was given, to find it again after a redrive.
        is_hidden: The state is none of the definition's.
    """

    id: int
    state: str
    type: str
    scope: Scope
    entered_at: datetime
    input: str | None
    output: str | None = None
    status: WorkflowStatus = WorkflowStatus.RUNNING
    error: str | None = None
    cause: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    is_left: bool = False
    is_waiting: bool = False
    culprit: Record | None = None
    branch_count: int = 0
    length: int | None = None
    map_run_arn: str | None = None
    scheduled: Given | None = None
    is_hidden: bool = False

    def around(self) -> Iterator[Scope]:
        """The scopes it is in, the innermost first, without that of the workflow."""
        scope = self.scope
        while scope.parent is not None:
            yield scope
            scope = scope.parent.scope

    def is_within(self, other: Record) -> bool:
        return any(scope.parent is other for scope in self.around())

    def begin(self, at: datetime, *, is_started: bool) -> None:
        """Add an attempt."""
        status = WorkflowStatus.RUNNING if is_started else WorkflowStatus.QUEUED
        attempt = Attempt(
            number=len(self.attempts),
            status=status,
            created_at=at,
            started_at=at if is_started else None,
        )
        self.attempts.append(attempt)
        self.status = status
        self.error = self.cause = self.culprit = self.stopped_at = None
        self.is_waiting = False
        self.branch_count = 0
        if is_started:
            self.started_at = self.started_at or at

    def start(self, at: datetime, worker: str | None) -> None:
        """The last attempt is being worked on."""
        self.status = WorkflowStatus.RUNNING
        self.started_at = self.started_at or at
        if self.attempts:
            self.attempts[-1] = replace(
                self.attempts[-1], status=self.status, started_at=at, worker=worker
            )

    def succeed(self, at: datetime) -> None:
        """The last attempt came to a good end."""
        self._end_attempt(at, WorkflowStatus.SUCCEEDED)

    def fail(self, at: datetime, error: str | None, cause: str | None) -> None:
        """The last attempt failed; whether there will be another is not known yet."""
        if not self.attempts and self.type in WITH_ATTEMPTS:
            self.begin(at, is_started=False)
        self.error, self.cause = error, cause
        self.status = WorkflowStatus.QUEUED
        self.is_waiting = False
        if self.attempts:
            failed = replace(
                self.attempts[-1], status=WorkflowStatus.FAILED, error=error, cause=cause
            )
            self.attempts[-1] = replace(failed, stopped_at=at)

    def blame(self, error: str | None, cause: str | None) -> None:
        """The workflow failed by this, which history has not said more about."""
        if self.error is None:
            self.error, self.cause = error, cause
            if self.attempts and self.attempts[-1].status is WorkflowStatus.FAILED:
                self.attempts[-1] = replace(self.attempts[-1], error=error, cause=cause)

    def leave(self, at: datetime, output: str | None) -> None:
        """It was exited."""
        has_failed = self.status is WorkflowStatus.QUEUED and self.has_failed
        self.is_left = True
        self.scheduled = None
        self.output = output
        self.end(at, WorkflowStatus.FAILED if has_failed else WorkflowStatus.SUCCEEDED)

    def end(self, at: datetime, status: WorkflowStatus) -> None:
        """Nothing more happens here, unless the workflow is redriven."""
        self.status = status
        self.stopped_at = at
        self.is_waiting = False
        if status is WorkflowStatus.SUCCEEDED:
            self.error = self.cause = None
        self._end_attempt(at, status)

    def wait_again(self) -> None:
        """The workflow was redriven."""
        self.status = WorkflowStatus.QUEUED
        self.stopped_at = None
        self.culprit = None
        self.is_waiting = True

    def _end_attempt(self, at: datetime, status: WorkflowStatus) -> None:
        if self.attempts and self.attempts[-1].stopped_at is None:
            self.attempts[-1] = replace(self.attempts[-1], status=status, stopped_at=at)

    @property
    def has_failed(self) -> bool:
        """Whether it, or its last attempt, ended with a failure."""
        if self.attempts:
            return self.attempts[-1].status is WorkflowStatus.FAILED
        return self.error is not None or self.culprit is not None

    def job(self) -> Job:
        """It, as users see it."""
        path: list[str | int] = [self.state]
        indexes: dict[str, int] = {}
        for scope in self.around():
            assert scope.parent is not None
            path[:0] = [scope.parent.state, scope.number]
            indexes.setdefault(scope.parent.type, scope.number)
        return Job(
            id=self.id,
            state=self.state,
            type=self.type,
            status=self.status,
            input=_value(self.input),
            output=_value(self.output),
            error=self.error,
            cause=self.cause,
            is_caught=self.is_left and self.status is WorkflowStatus.FAILED,
            attempts=tuple(self.attempts),
            created_at=self.entered_at,
            started_at=self.started_at,
            stopped_at=self.stopped_at,
            worker=self.attempts[-1].worker if self.attempts else None,
            parent_id=None if self.scope.parent is None else self.scope.parent.id,
            path=tuple(path),
            map_index=indexes.get("Map"),
            branch_index=indexes.get("Parallel"),
            length=self.length,
            map_run_arn=self.map_run_arn,
        )


def is_same_work(first: Given | None, second: Given) -> bool:
    """Whether two tasks were given the same, but for what an envelope says of the attempt."""
    if first is None or first[0] != second[0]:
        return False
    return first[1] == second[1] or _content(first[1]) == _content(second[1])


def _content(text: str | None) -> object:
    """What is in the envelope, and the place in a Map that it tells."""
    value = _value(text)
    if isinstance(value, dict) and isinstance(facts := value.get("aiowfm"), dict):
        return value.get("input"), facts.get("state"), facts.get("index")
    return value


def _value(text: str | None) -> JsonValue:
    """The value of JSON *text*; what a history has cut off is shown as the text it is."""
    if text is None:
        return None
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
