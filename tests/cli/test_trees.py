"""The tree of jobs, without a terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

from aiowfm import Attempt, Job, WorkflowStatus
from aiowfm.cli import texts
from aiowfm.cli.trees import JOBS_SHOWN, JobTree

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
SUCCEEDED, FAILED = WorkflowStatus.SUCCEEDED, WorkflowStatus.FAILED
RUNNING, QUEUED = WorkflowStatus.RUNNING, WorkflowStatus.QUEUED


def job(id: int, *path: str | int, parent: int | None = None, kind: str = "Task") -> Job:
    """One that took 1.5 seconds."""
    state = path[-1]
    assert isinstance(state, str)
    return Job(
        id=id,
        state=state,
        type=kind,
        status=SUCCEEDED,
        created_at=BEGIN,
        started_at=BEGIN,
        stopped_at=BEGIN + timedelta(seconds=1.5),
        parent_id=parent,
        path=path,
    )


def lines_of(tree: JobTree, *, ascii_only: bool = True) -> list[str]:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(tree.rendered(Text("all"), ascii_only=ascii_only))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_jobs_follow_one_another() -> None:
    tree = JobTree([job(2, "a"), job(5, "b")])
    assert lines_of(tree) == ["all", "├── + a Task 1.5s", "└── + b Task 1.5s"]
    tree.put(replace(job(5, "b"), status=FAILED, error="No", cause="why\nnot"))
    assert lines_of(tree)[2] == "└── x b Task 1.5s No: why not"


def test_a_retry_and_a_caught_failure_are_told() -> None:
    attempts = tuple(Attempt(number=each, status=FAILED, created_at=BEGIN) for each in range(3))
    caught = replace(job(2, "a"), status=FAILED, error="No", is_caught=True, attempts=attempts)
    assert lines_of(JobTree([caught])) == ["all", "└── x a Task 1.5s attempt 3 No (caught)"]


def test_branches_of_a_parallel_are_all_shown() -> None:
    jobs = [job(2, "p", kind="Parallel")]
    jobs += [job(3 + each, "p", each, "a", parent=2) for each in range(7)]
    jobs.append(job(20, "p", 0, "b", parent=2))
    assert lines_of(JobTree(jobs)) == [
        "all",
        "└── + p Parallel 1.5s",
        "    ├── [0]",
        "    │   ├── + a Task 1.5s",
        "    │   └── + b Task 1.5s",
        *(f"    ├── [{each}] + a Task 1.5s" for each in range(1, 6)),
        "    └── [6] + a Task 1.5s",
    ]


def test_iterations_that_go_on_or_failed_come_before_others() -> None:
    whole = replace(job(2, "m", kind="Map"), status=RUNNING, stopped_at=None, length=1_000)
    tree = JobTree([whole])
    for each in range(500):
        tree.put(job(10 + each, "m", each, "a", parent=2))
    tree.put(replace(job(10 + 77, "m", 77, "a", parent=2), status=FAILED, error="No"))
    for each, status in ((300, RUNNING), (301, QUEUED), (499, RUNNING)):
        tree.put(replace(job(10 + each, "m", each, "a", parent=2), status=status, stopped_at=None))
    _, head, *lines = lines_of(tree)
    assert head.endswith(f"[{'=' * 11}{' ' * 13}] 497/1,000")
    shown = [line.split()[1] for line in lines]
    assert shown == ["[0]", "[77]", "[300]", "[301]", "[499]", "…"]
    assert lines[-1] == "    └── … 495 more"


def test_a_map_within_a_map_has_a_bar_of_its_own() -> None:
    jobs = [replace(job(2, "m", kind="Map"), length=1)]
    jobs.append(replace(job(3, "m", 0, "n", parent=2, kind="Map"), length=0))
    bar = f"[{'=' * 24}]"
    assert lines_of(JobTree(jobs)) == [
        "all",
        f"└── + m Map 1.5s {bar} 1/1",
        f"    └── [0] + n Map 1.5s {bar} 0/0",
    ]


def test_of_a_long_loop_the_newest_are_shown() -> None:
    lines = lines_of(JobTree(job(each, f"s{each}") for each in range(1, 1_201)))
    assert len(lines) == 2 + JOBS_SHOWN
    assert lines[1] == "├── … 1,100 earlier"
    assert lines[-1] == "└── + s1200 Task 1.5s"


def test_durations_have_the_two_units_that_matter() -> None:
    seconds = (-1, 0, 59.94, 61, 3_600, 90_061)
    assert [texts.duration(each) for each in seconds] == [
        "0.0s",
        "0.0s",
        "59.9s",
        "1m01s",
        "1h00m",
        "1d01h",
    ]
