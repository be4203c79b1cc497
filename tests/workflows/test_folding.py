"""Histories folded into jobs: those that AWS wrote, and special ones."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest

from aiowfm import Job
from aiowfm.executions import ExecutionEvent
from aiowfm.workflows.folding import JobFold
from tests.conformance.runs import CASES

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
FINAL = {"failed", "succeeded", "cancelled"}


def event_of(item: Mapping[str, Any]) -> ExecutionEvent:
    details: dict[str, Any] = {}
    for name, value in item.items():
        if name.endswith("EventDetails"):
            details = {
                key: json.dumps(each) if isinstance(each, dict | list) else each
                for key, each in value.items()
            }
    return ExecutionEvent(
        id=item["id"],
        previous_id=item.get("previousEventId", 0),
        type=item["type"],
        occurred_at=BEGAN + timedelta(seconds=item["id"]),
        details=details,
    )


def recorded() -> Iterator[Any]:
    """The histories that were recorded as they were, with their cases' ids."""
    if not CASES.is_dir():
        return
    for path in sorted(CASES.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            if case.get("expected_history") and not case.get("parallel_normalised"):
                history = [event_of(item) for item in case["expected_history"]]
                yield pytest.param(history, id=f"{path.stem}-{case['id']}")


RECORDED = list(recorded())


def folded(history: Iterable[ExecutionEvent]) -> JobFold:
    fold = JobFold()
    for event in history:
        fold.add(event)
    return fold


@pytest.mark.parametrize("history", RECORDED)
def test_a_history_of_awss_gives_a_job_for_each_state_that_was_entered(
    history: list[ExecutionEvent],
) -> None:
    jobs = jobs_of(folded(history))
    entered = [event for event in history if event.type.endswith("StateEntered")]
    exited = [event for event in history if event.type.endswith("StateExited")]
    assert [(job.id, job.state) for job in jobs] == [
        (event.id, event.text("name")) for event in entered
    ]
    assert {job.status for job in jobs} <= FINAL
    left = [job for job in jobs if job.status == "succeeded" or job.is_caught]
    assert sorted(job.state for job in left) == sorted(event.text("name") or "" for event in exited)
    by_id = {job.id: job for job in jobs}
    for job in jobs:
        assert job.stopped_at is not None
        if job.parent_id is not None:
            assert by_id[job.parent_id].type in ("Map", "Parallel")
            assert job.path[:-2] == by_id[job.parent_id].path


@pytest.mark.parametrize("history", RECORDED)
def test_a_failed_execution_of_awss_names_the_job_that_failed(
    history: list[ExecutionEvent],
) -> None:
    fold = folded(history)
    failed, last = fold.failed_job(), history[-1]
    if last.type == "ExecutionFailed":
        assert failed is not None
        assert (failed.status, failed.error) == ("failed", last.text("error"))
        assert failed.parent_id is None or failed.type not in ("Map", "Parallel")
    else:
        assert failed is None


@pytest.mark.parametrize("history", RECORDED)
def test_iterations_of_awss_are_told_apart(history: list[ExecutionEvent]) -> None:
    jobs = jobs_of(folded(history))
    paths = [(job.path, job.created_at) for job in jobs if job.map_index is not None]
    assert len(paths) == len(set(paths))
    started = [event for event in history if event.type == "MapIterationStarted"]
    for job in jobs:
        if job.type == "Map" and job.map_run_arn is None and job.length is not None:
            within = {each.path[len(job.path)] for each in jobs if each.parent_id == job.id}
            assert within <= set(range(job.length))
    assert bool(started) == any(job.map_index is not None for job in jobs)


SERVICE = botocore.session.get_session().get_service_model("stepfunctions")
EVENT_TYPES: list[str] = SERVICE.shape_for("HistoryEventType").enum

Short = tuple[str, int, dict[str, Any]]


def written(*events: Short) -> list[ExecutionEvent]:
    """A history; of each event its type, the number of the one before it, and details."""
    return [
        ExecutionEvent(
            id=id,
            previous_id=previous,
            type=type,
            occurred_at=BEGAN + timedelta(seconds=id),
            details=details,
        )
        for id, (type, previous, details) in enumerate(events, 1)
    ]


def jobs_of(fold: JobFold) -> tuple[Job, ...]:
    return tuple(fold.each_job())


def shape(fold: JobFold) -> list[tuple[str, str]]:
    return [(".".join(map(str, job.path)), job.status.value) for job in jobs_of(fold)]


def begun(kind: str = "Task", name: str = "work") -> list[Short]:
    return [
        ("ExecutionStarted", 0, {"input": "{}"}),
        (f"{kind}StateEntered", 0, {"name": name, "input": "{}"}),
    ]


@pytest.mark.parametrize("type", EVENT_TYPES)
@pytest.mark.parametrize("kind", ["Task", "Map", "Parallel", "Wait"])
def test_any_event_may_come_at_any_time(type: str, kind: str) -> None:
    details = {"name": "work", "state": "work", "index": 0, "error": "E", "cause": "C"}
    history = written(*begun(kind), (type, 2, details), (type, 99, details), (type, 4, details))
    fold = folded(history)
    assert jobs_of(fold)[0].state == "work"


# What begins an attempt, by the type of the state.
STARTS = {"Task": "ActivityScheduled", "Map": "MapStateStarted", "Parallel": "ParallelStateStarted"}


def test_every_type_of_event_but_two_says_something_about_a_job() -> None:
    def says_something(type: str, kind: str) -> bool:
        before: list[Short] = [*begun(kind), (STARTS.get(kind, "TaskSubmitted"), 2, {})]
        details = {"name": "work", "state": "work", "index": 0, "mapRunArn": "arn"}
        within: Short = ("PassStateEntered", 4, {"name": "inside", "input": "1"})
        with_it = [*before, (type, 3, details)]
        if jobs_of(folded(written(*before))) != jobs_of(folded(written(*with_it))):
            return True
        return kind == "Map" and jobs_of(folded(written(*with_it, within)))[-1].map_index == 0

    silent = {
        type
        for type in EVENT_TYPES
        if not any(says_something(type, kind) for kind in ("Task", "Map", "Parallel", "Wait"))
    }
    assert silent == {"ExecutionStarted", "TaskSubmitted"}


def test_a_type_of_event_that_is_not_known_yet_changes_nothing() -> None:
    history = written(*begun(), ("TaskTeleported", 2, {"name": "work"}))
    assert shape(folded(history)) == [("work", "queued")]


def test_attempts_of_a_function_are_kept_with_their_errors() -> None:
    given = {"resource": "f", "input": "1"}
    fold = folded(
        written(
            *begun(),
            ("LambdaFunctionScheduled", 2, given),
            ("LambdaFunctionScheduleFailed", 3, {"error": "A", "cause": "{}"}),
            ("LambdaFunctionScheduled", 4, given),
            ("LambdaFunctionStarted", 5, {}),
            ("LambdaFunctionTimedOut", 6, {}),
            ("LambdaFunctionScheduled", 7, given),
            ("LambdaFunctionStarted", 8, {}),
            ("LambdaFunctionSucceeded", 9, {"output": "2"}),
            ("TaskStateExited", 10, {"name": "work", "output": "2"}),
        )
    )
    (job,) = jobs_of(fold)
    assert [(each.status, each.error) for each in job.attempts] == [
        ("failed", "A"),
        ("failed", "States.Timeout"),
        ("succeeded", None),
    ]
    assert [each.number for each in job.attempts] == [0, 1, 2]
    assert (job.status, job.output, job.error) == ("succeeded", 2, None)
    assert job.started_at == BEGAN + timedelta(seconds=6)


def test_a_state_whose_failure_was_caught_stays_failed() -> None:
    fold = folded(
        written(
            *begun(),
            ("ActivityScheduled", 2, {"resource": "a", "input": "1"}),
            ("ActivityStarted", 3, {"workerName": "me"}),
            ("ActivityFailed", 4, {"error": "A", "cause": "why"}),
            ("TaskStateExited", 5, {"name": "work", "output": "2"}),
            ("SucceedStateEntered", 6, {"name": "end", "input": "2"}),
            ("SucceedStateExited", 7, {"name": "end", "output": "2"}),
            ("ExecutionSucceeded", 8, {"output": "2"}),
        )
    )
    work, end = jobs_of(fold)
    assert (work.status, work.is_caught, work.error, work.output) == ("failed", True, "A", 2)
    assert (work.worker, end.is_caught) == ("me", False)
    assert fold.failed_job() is None


def test_branches_and_what_they_cut_off_are_told_apart() -> None:
    fold = folded(
        written(
            *begun("Parallel", "both"),
            ("ParallelStateStarted", 2, {}),
            ("TaskStateEntered", 3, {"name": "left", "input": "1"}),
            ("WaitStateEntered", 3, {"name": "right", "input": "1"}),
            ("ActivityScheduled", 4, {"resource": "a", "input": "1"}),
            ("ActivityTimedOut", 6, {"error": "States.Timeout"}),
            ("ParallelStateFailed", 7, {}),
            ("ExecutionFailed", 8, {"error": "States.Timeout"}),
        )
    )
    assert shape(fold) == [
        ("both", "failed"),
        ("both.0.left", "failed"),
        ("both.1.right", "cancelled"),
    ]
    failed = fold.failed_job()
    assert failed is not None
    assert (failed.state, failed.error, failed.branch_index) == ("left", "States.Timeout", 0)


def test_a_parallel_that_is_tried_again_has_branches_of_its_own() -> None:
    fold = folded(
        written(
            *begun("Parallel", "both"),
            ("ParallelStateStarted", 2, {}),
            ("FailStateEntered", 3, {"name": "no", "input": "1"}),
            ("ParallelStateFailed", 4, {"error": "No"}),
            ("ParallelStateStarted", 5, {}),
            ("FailStateEntered", 6, {"name": "no", "input": "1"}),
            ("ParallelStateFailed", 7, {}),
            ("ExecutionFailed", 8, {"error": "No", "cause": "never"}),
        )
    )
    assert shape(fold) == [("both", "failed"), ("both.0.no", "failed"), ("both.0.no", "failed")]
    assert [each.error for each in jobs_of(fold)[0].attempts] == ["No", "No"]
    failed = fold.failed_job()
    assert failed is not None
    assert (failed.id, failed.error, failed.cause) == (7, "No", "never")


def test_the_run_of_a_distributed_map_is_named() -> None:
    fold = folded(
        written(
            *begun("Map", "each"),
            ("MapStateStarted", 2, {"length": 3}),
            ("MapRunStarted", 3, {"mapRunArn": "run"}),
            ("MapRunFailed", 4, {"error": "States.ExceedToleratedFailureThreshold"}),
            ("MapStateFailed", 5, {}),
            ("ExecutionFailed", 6, {"error": "States.ExceedToleratedFailureThreshold"}),
            ("ExecutionRedriven", 7, {"redriveCount": 1}),
            ("MapRunRedriven", 8, {"mapRunArn": "run", "redriveCount": 1}),
            ("MapRunSucceeded", 9, {}),
            ("MapStateSucceeded", 10, {}),
            ("MapStateExited", 11, {"name": "each", "output": "[]"}),
            ("ExecutionSucceeded", 12, {"output": "[]"}),
        )
    )
    (job,) = jobs_of(fold)
    assert (job.status, job.map_run_arn, job.length) == ("succeeded", "run", 3)
    assert [each.status for each in job.attempts] == ["failed", "succeeded"]


def test_what_was_going_on_when_the_time_was_over_has_failed() -> None:
    fold = folded(
        written(
            *begun("Parallel", "both"),
            ("ParallelStateStarted", 2, {}),
            ("WaitStateEntered", 3, {"name": "wait", "input": "1"}),
            ("ExecutionTimedOut", 0, {}),
        )
    )
    assert shape(fold) == [("both", "failed"), ("both.0.wait", "failed")]
    failed = fold.failed_job()
    assert failed is not None
    assert (failed.state, failed.error) == ("wait", "States.Timeout")


def test_redriven_tasks_are_known_by_what_they_are_given() -> None:
    """Step Functions says only that a task was scheduled after the redrive."""

    def given(number: int, redrive: int) -> dict[str, Any]:
        facts = {"state": "work", "index": number, "redrive": redrive}
        return {"resource": "a", "input": json.dumps({"aiowfm": facts, "input": 1})}

    history: list[Short] = [*begun("Map", "each"), ("MapStateStarted", 2, {"length": 2})]
    for number in (0, 1):
        last = len(history)
        history += [
            ("MapIterationStarted", 3, {"name": "each", "index": number}),
            ("TaskStateEntered", last + 1, {"name": "work", "input": "1"}),
            ("ActivityScheduled", last + 2, given(number, 0)),
        ]
    history += [
        ("ExecutionAborted", 0, {}),
        ("ExecutionRedriven", 10, {"redriveCount": 1}),
        ("ActivityScheduled", 11, given(1, 1)),
        ("ActivityScheduled", 11, given(0, 1)),
        ("ActivityStarted", 12, {"workerName": "of the second"}),
    ]
    fold = folded(written(*history))
    assert shape(fold) == [
        ("each", "running"),
        ("each.0.work", "queued"),
        ("each.1.work", "running"),
    ]
    assert [job.worker for job in jobs_of(fold)[1:]] == [None, "of the second"]
    assert jobs_of(fold)[1].attempts[0].status == "cancelled"


def test_what_a_history_cut_off_is_shown_as_the_text_it_is() -> None:
    history = written(("PassStateEntered", 0, {"name": "work", "input": '{"a": "xxx'}))
    assert jobs_of(folded(history))[0].input == '{"a": "xxx'


def test_only_the_data_that_is_asked_for_is_kept() -> None:
    data = {"input": '"in"', "output": '"out"'}
    history = written(
        ("ExecutionStarted", 0, {}),
        ("PassStateEntered", 0, {"name": "work"} | data),
        ("PassStateExited", 2, {"name": "work"} | data),
        ("PassStateEntered", 3, {"name": "rest"} | data),
        ("PassStateExited", 4, {"name": "rest"} | data),
    )
    fold = JobFold(data_of="rest")
    for event in history:
        fold.add(event)
    assert [(job.state, job.input, job.output) for job in fold.each_job()] == [
        ("work", None, None),
        ("rest", "in", "out"),
    ]


def test_a_long_history_is_folded_without_being_held() -> None:
    def events() -> Iterator[ExecutionEvent]:
        yield from written(*begun("Pass", "work"))
        for id in range(3, 25_001):
            kind = "PassStateExited" if id % 2 else "PassStateEntered"
            yield ExecutionEvent(
                id=id,
                previous_id=id - 1,
                type=kind,
                occurred_at=BEGAN,
                details={"name": "work", "input": "1", "output": "1"},
            )

    fold = folded(events())
    gc.collect()
    held = sum(isinstance(each, ExecutionEvent) for each in gc.get_objects())
    recorded_events = sum(len(history) for history in (each.values[0] for each in RECORDED))
    assert held <= recorded_events + 10
    jobs: tuple[Job, ...] = jobs_of(fold)
    assert len(jobs) == 12_500
    assert {job.status for job in jobs[:-1]} == {"succeeded"}
