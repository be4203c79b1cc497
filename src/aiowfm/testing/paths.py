"""The path that a workflow took, shown to people and to tests: its jobs, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiowfm.workflows import Job, Workflow, WorkflowStatus

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stay in a state.

    Attributes:
        state: The name of the state.
        type: `Task`, `Wait`, … .
        entered_at: Seconds since the workflow began.
        exited_at: The same; None if it is there still, or ended there.
        attempts: How often its work was begun; 0 for types that have none.
        errors: The error names of the attempts that failed.
        depth: In how many Parallel and Map states it lies.
        map_index: Which item of the innermost Map it is for.
    """

    state: str
    type: str
    entered_at: float
    exited_at: float | None = None
    attempts: int = 0
    errors: tuple[str, ...] = ()
    depth: int = 0
    map_index: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The states that a workflow entered.

    Attributes:
        steps: In the order in which they were entered.
    """

    steps: tuple[Step, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the states, one for each time that it was entered."""
        return tuple(step.state for step in self.steps)

    def __str__(self) -> str:
        """A line for each step: when, what, and what came of it."""
        rows = [
            (
                f"+{duration(step.entered_at)}",
                "  " * step.depth + step.state + _index(step),
                step.type,
                _remarks(step),
            )
            for step in self.steps
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = (
            f"  {row[0]:>{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:{widths[2]}}  {row[3]}"
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines) or "  (no state was entered)"


def path_of(workflow: Workflow) -> Path:
    """The path that the jobs of *workflow* tell of."""
    return Path(tuple(_step(job, workflow.created_at) for job in workflow.jobs or ()))


def _step(job: Job, began_at: datetime) -> Step:
    was_left = job.status is WorkflowStatus.SUCCEEDED or job.is_caught
    return Step(
        state=job.state,
        type=job.type,
        entered_at=(job.created_at - began_at).total_seconds(),
        exited_at=(job.stopped_at - began_at).total_seconds()
        if was_left and job.stopped_at is not None
        else None,
        attempts=len(job.attempts),
        errors=tuple(each.error for each in job.attempts if each.error is not None),
        depth=len(job.path) // 2,
        map_index=job.map_index,
    )


def duration(seconds: float) -> str:
    """*seconds* for people: `2d 4h`, `1m 30s`, `0.25s`."""
    parts: list[str] = []
    for size, unit in _UNITS:
        if seconds >= size:
            count, seconds = divmod(seconds, size)
            parts.append(f"{count:.0f}{unit}")
    if seconds or not parts:
        parts.append(f"{round(seconds, 3):g}s")
    return " ".join(parts)


def _index(step: Step) -> str:
    return "" if step.map_index is None else f"[{step.map_index}]"


def _remarks(step: Step) -> str:
    remarks: list[str] = []
    if step.exited_at is None:
        if step.type not in ("Fail", "Succeed"):
            remarks.append("not left")
    elif step.exited_at > step.entered_at:
        remarks.append(f"for {duration(step.exited_at - step.entered_at)}")
    if step.attempts > 1:
        remarks.append(f"{step.attempts} attempts")
    if step.errors:
        remarks.append("failed: " + ", ".join(step.errors))
    return "; ".join(remarks)
