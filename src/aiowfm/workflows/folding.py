"""Folding a history into jobs, event by event.

Which job an event is about is told by the event before it on its line of control
(`previousEventId`), and where that is not enough by the name of the state. Step Functions
tells no more: after a redrive, tasks that wait are told apart by what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from aiowfm.definitions import is_trace_state
from aiowfm.executions import ENDINGS, ExecutionEvent
from aiowfm.workflows.job import Job, WorkflowStatus
from aiowfm.workflows.records import ROOT, WITH_ATTEMPTS, Given, Record, Scope, is_same_work


class _Place(NamedTuple):
    """Where an event leaves its line of control: in a state, or between two."""

    scope: Scope = ROOT
    record: Record | None = None


_Fold: TypeAlias = "Callable[[JobFold, ExecutionEvent, _Place], _Place]"


class JobFold:
    """The jobs of one workflow, as far as its history was folded."""

    def __init__(self, *, data_of: str | None = None) -> None:
        """Make it.

        Args:
            data_of: Keep the inputs and outputs of this state alone; None: of all.
        """
        self._data_of = data_of
        self._records: list[Record] = []
        self._open: dict[int, Record] = {}  # those whose state was not left
        self._places: dict[int, _Place] = {}
        self._changed: dict[int, Record] = {}
        self._text: str | None = None
        self.failed: Record | None = None

    def apply(self, event: ExecutionEvent) -> Sequence[Job]:
        """Fold *event* in; the jobs that it changed. What is over is not kept, but its outline."""
        self.add(event)
        jobs = [record.job() for record in self._changed.values() if not record.is_hidden]
        for record in self._changed.values():
            if record.id not in self._open:
                record.input = record.output = None
        return jobs

    def add(self, event: ExecutionEvent) -> None:
        """Fold *event* in."""
        self._changed = {}
        place = self._places.get(event.previous_id, _Place())
        fold = _FOLDS.get(event.type) or _fold_of(event.type)
        self._places[event.id] = now = fold(self, event, place)
        for scope in _scopes(now.scope):
            if scope.parent is not None and scope.parent.is_waiting:
                scope.parent.begin(event.occurred_at, is_started=True)
                self._note(scope.parent)

    def each_job(self) -> Iterator[Job]:
        """All jobs, in the order in which their states were entered."""
        return (record.job() for record in self._records if not record.is_hidden)

    def failed_job(self) -> Job | None:
        """The job that made the workflow fail."""
        return None if self.failed is None else self.failed.job()

    def last_of(self, state: str) -> Job | None:
        """The last job of *state*, unless that is part of a Map or Parallel."""
        for record in reversed(self._records):
            if record.state == state and record.scope == ROOT:
                return record.job()
        return None

    # Entering and leaving.

    def _enter(self, event: ExecutionEvent, place: _Place) -> _Place:
        name = event.text("name") or ""
        kind = event.type.removesuffix("StateEntered")
        scope, before = place
        if before is not None and before.type == "Parallel" and before.attempts:
            scope = Scope(before, before.branch_count)
            before.branch_count += 1
        record = Record(
            id=event.id,
            state=name,
            type=kind,
            scope=scope,
            entered_at=event.occurred_at,
            input=self._kept(name, event.text("input")),
            started_at=None if kind in WITH_ATTEMPTS else event.occurred_at,
            is_hidden=not self._records and is_trace_state(name),
        )
        if kind in WITH_ATTEMPTS:
            record.status = WorkflowStatus.QUEUED
        self._records.append(record)
        self._open[record.id] = record
        self._note(record)
        return _Place(scope, record)

    def _exit(self, event: ExecutionEvent, place: _Place) -> _Place:
        name = event.text("name")
        record = self._find(place, lambda each: each.state == name)
        if record is None:
            return place
        record.leave(event.occurred_at, self._kept(record.state, event.text("output")))
        self._close(record)
        self._end_within(record, event, is_over=True)
        return _Place(record.scope)

    # Attempts.

    def _schedule(self, event: ExecutionEvent, place: _Place) -> _Place:
        given = (event.text("resource"), event.text("input") or event.text("parameters"))
        record = self._waiting_for(place, given) or self._of_type(place, "Task")
        if record is None:
            return place
        record.scheduled = given
        record.begin(event.occurred_at, is_started=False)
        return self._at(record)

    def _start(self, event: ExecutionEvent, place: _Place) -> _Place:
        record = self._of_type(place, "Task")
        if record is None:
            return place
        record.start(event.occurred_at, event.text("workerName"))
        return self._at(record)

    def _start_parts(self, event: ExecutionEvent, place: _Place) -> _Place:
        record = self._of_type(place, event.type.removesuffix("StateStarted"))
        if record is None:
            return place
        self._end_within(record, event, is_over=True)
        record.begin(event.occurred_at, is_started=True)
        if record.type == "Map":
            record.length = event.number("length")
        return self._at(record)

    def _start_map_run(self, event: ExecutionEvent, place: _Place) -> _Place:
        record = self._of_type(place, "Map")
        if record is None:
            return place
        if record.is_waiting:
            record.begin(event.occurred_at, is_started=True)
        record.map_run_arn = event.text("mapRunArn")
        return self._at(record)

    def _succeed(self, event: ExecutionEvent, place: _Place) -> _Place:
        record = self._of_type(place, _type_of_work(event.type))
        if record is None:
            return place
        record.succeed(event.occurred_at)
        return self._at(record)

    def _fail(self, event: ExecutionEvent, place: _Place) -> _Place:
        record = self._of_type(place, _type_of_work(event.type))
        if record is None:
            return place
        if place.record is not record and record.culprit is None:
            record.culprit = place.record
        error, cause = event.text("error"), event.text("cause")
        if error is None and event.type.endswith("TimedOut"):
            error = "States.Timeout"
        if error is None:
            source = record.culprit or record
            error, cause = source.error, source.cause
        record.fail(event.occurred_at, error, cause)
        if record.type != "Task":
            self._end_within(record, event, is_over=False)
        return self._at(record)

    def _abort(self, event: ExecutionEvent, place: _Place) -> _Place:
        is_of_state = event.type.endswith("StateAborted")
        kind = event.type.removesuffix("StateAborted") if is_of_state else "Map"
        record = self._of_type(place, kind)
        if record is None:
            return place
        record.end(event.occurred_at, WorkflowStatus.CANCELLED)
        self._end_within(record, event, is_over=False)
        return self._at(record)

    def _fail_evaluation(self, event: ExecutionEvent, place: _Place) -> _Place:
        name = event.text("state")
        record = self._find(place, lambda each: name is None or each.state == name)
        if record is None:
            return place
        record.fail(event.occurred_at, event.text("error"), event.text("cause"))
        return self._at(record)

    # Iterations.

    def _iteration(self, event: ExecutionEvent, place: _Place) -> _Place:
        name = event.text("name")
        record = self._find(place, lambda each: each.type == "Map" and each.state == name)
        if record is None:
            return place
        scope = Scope(record, event.number("index") or 0)
        if event.type in ("MapIterationFailed", "MapIterationAborted"):
            if event.type == "MapIterationFailed" and record.culprit is None:
                record.culprit = place.record
            self._end_parts(
                (each for each in self._inside(record) if scope in each.around()),
                event,
                record.culprit,
            )
        return _Place(scope)

    # The workflow as a whole.

    def _end(self, event: ExecutionEvent, place: _Place) -> _Place:
        at = event.occurred_at
        if event.type == "ExecutionFailed":
            culprit = place.record or place.scope.parent or self._find(place, lambda each: True)
            self.failed = culprit
            while self.failed is not None and self.failed.culprit is not None:
                self.failed = self.failed.culprit
            error, cause = event.text("error"), event.text("cause")
            each = culprit
            while each is not None:
                each.blame(error, cause)
                each.end(at, WorkflowStatus.FAILED)
                self._note(each)
                each = each.culprit
            self._end_parts(self._open.values(), event, culprit)
        elif event.type == "ExecutionTimedOut":
            for record in self._open.values():
                record.error = record.error or "States.Timeout"
                record.end(at, WorkflowStatus.FAILED)
                self._note(record)
            within = {each.scope.parent for each in self._open.values()}
            innermost = (each for each in self._open.values() if each not in within)
            self.failed = next(innermost, None)
        else:
            self._end_parts(self._open.values(), event, None)
        return place

    def _redrive(self, event: ExecutionEvent, place: _Place) -> _Place:
        """All that was not left begins anew when its turn comes."""
        self.failed = None
        for record in self._open.values():
            record.wait_again()
            self._note(record)
        return _Place()

    def _nothing(self, event: ExecutionEvent, place: _Place) -> _Place:
        return place

    # How it is done.

    def _of_type(self, place: _Place, kind: str) -> Record | None:
        return self._find(place, lambda each: each.type == kind)

    def _waiting_for(self, place: _Place, given: Given) -> Record | None:
        """The Task that was redriven and was given the same before."""
        if place != _Place():
            return None
        for record in self._open.values():
            if (
                record.is_waiting
                and record.type == "Task"
                and is_same_work(record.scheduled, given)
            ):
                return record
        return None

    def _find(self, place: _Place, is_wanted: Callable[[Record], bool]) -> Record | None:
        """The innermost state around *place* that is wanted; else one that waits for it."""
        around = [place.record, *(scope.parent for scope in _scopes(place.scope))]
        for record in around:
            if record is not None and not record.is_left and is_wanted(record):
                return record
        found = [record for record in self._open.values() if is_wanted(record)]
        waiting = [record for record in found if record.is_waiting]
        # The innermost was entered last, and of several the one that was entered first is due.
        parts = {record.scope.parent for record in waiting}
        due = [record for record in waiting if record not in parts]
        return next(iter(due or waiting or found), None)

    def _inside(self, record: Record) -> list[Record]:
        return [each for each in self._open.values() if each.is_within(record)]

    def _end_within(self, record: Record, event: ExecutionEvent, *, is_over: bool) -> None:
        """Its parts are cut off; for good, if *is_over*: a new attempt has parts of its own."""
        if record.type not in ("Map", "Parallel"):
            return
        inside = self._inside(record)
        self._end_parts(inside, event, record.culprit)
        if is_over:
            for each in inside:
                self._close(each)

    def _end_parts(
        self, records: Iterable[Record], event: ExecutionEvent, culprit: Record | None
    ) -> None:
        for record in records:
            if record.status.is_final:
                continue
            is_failed = record is culprit or record.has_failed
            status = WorkflowStatus.FAILED if is_failed else WorkflowStatus.CANCELLED
            record.end(event.occurred_at, status)
            self._note(record)

    def _at(self, record: Record) -> _Place:
        self._note(record)
        return _Place(record.scope, record)

    def _close(self, record: Record) -> None:
        self._open.pop(record.id, None)
        self._note(record)

    def _note(self, record: Record) -> None:
        self._changed[record.id] = record

    def _kept(self, state: str, text: str | None) -> str | None:
        """*text* of *state*, once where a state hands on to the next what it was given."""
        if self._data_of not in (None, state):
            return None
        if text != self._text:
            self._text = text
        return self._text


def _scopes(scope: Scope) -> Iterator[Scope]:
    while scope.parent is not None:
        yield scope
        scope = scope.parent.scope


def _type_of_work(event_type: str) -> str:
    for kind in ("Map", "Parallel"):
        if event_type.startswith(kind):
            return kind
    return "Task"


_FOLDS: dict[str, _Fold] = {
    "ExecutionStarted": JobFold._nothing,
    "ExecutionRedriven": JobFold._redrive,
    "EvaluationFailed": JobFold._fail_evaluation,
    **dict.fromkeys(ENDINGS, JobFold._end),
    **dict.fromkeys(("MapStateStarted", "ParallelStateStarted"), JobFold._start_parts),
    **dict.fromkeys(("MapRunStarted", "MapRunRedriven"), JobFold._start_map_run),
    **dict.fromkeys(
        (f"MapIteration{end}" for end in ("Started", "Succeeded", "Failed", "Aborted")),
        JobFold._iteration,
    ),
}
# By how the names of the others end.
_ENDINGS_OF_NAMES: dict[str, _Fold] = {
    "StateEntered": JobFold._enter,
    "StateExited": JobFold._exit,
    "Scheduled": JobFold._schedule,
    "ScheduleFailed": JobFold._fail,
    "StartFailed": JobFold._fail,
    "SubmitFailed": JobFold._fail,
    "Started": JobFold._start,
    "Succeeded": JobFold._succeed,
    "Failed": JobFold._fail,
    "Aborted": JobFold._abort,
    "TimedOut": JobFold._fail,
}


def _fold_of(event_type: str) -> _Fold:
    """How to fold a type of event; one that is not known yet changes nothing."""
    for end, fold in _ENDINGS_OF_NAMES.items():
        if event_type.endswith(end):
            return fold
    return JobFold._nothing
