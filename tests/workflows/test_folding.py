"""Histories folded into jobs: those that AWS wrote, and special ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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
    jobs = folded(history).jobs()
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
    jobs = folded(history).jobs()
    paths = [(job.path, job.created_at) for job in jobs if job.map_index is not None]
    assert len(paths) == len(set(paths))
    started = [event for event in history if event.type == "MapIterationStarted"]
    for job in jobs:
        if job.type == "Map" and job.map_run_arn is None and job.length is not None:
            within = {each.path[len(job.path)] for each in jobs if each.parent_id == job.id}
            assert within <= set(range(job.length))
    assert bool(started) == any(job.map_index is not None for job in jobs)
