"""The path that a workflow took, read from its history and shown to people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aiowfm.asl.history import HistoryEvent

_ENTERED, _EXITED = "StateEntered", "StateExited"
_SCHEDULED = frozenset({"ActivityScheduled", "TaskScheduled"})
_FAULTS = frozenset(
    {
        "ActivityFailed",
        "ActivityTimedOut",
        "TaskFailed",
        "TaskTimedOut",
        "ParallelStateFailed",
        "MapStateFailed",
    }
)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


@dataclass(slots=True, kw_only=True)
class Step:
    """One stay in a state.

    Attributes:
        state: The name of the state.
        type: `Task`, `Wait`, … .
        entered_at: Seconds since the workflow began.
        exited_at: The same; None if it is there still, or ended there.
        attempts: How often its task was begun; 0 for other types.
        errors: The error names of the attempts that failed.
        depth: In how many Parallel and Map states it lies.
        map_index: Which item of the innermost Map it is for.
    """

    state: str
    type: str
    entered_at: float
    exited_at: float | None = None
    attempts: int = 0
    errors: list[str] = field(default_factory=list)
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


def path_of(history: Iterable[HistoryEvent]) -> Path:
    """The path that all events of one execution tell of."""
    steps: list[Step] = []
    current: dict[int, Step] = {}  # by the number of the line of control
    forks: dict[int, tuple[Step, int | None]] = {}  # by the event that such a line begins after
    began: float | None = None
    for event in history:
        began = event.timestamp if began is None else began
        at = round(event.timestamp - began, 6)
        step = current.get(event.branch)
        if event.type.endswith(_ENTERED):
            depth, index = (0, None) if step is None else (step.depth, step.map_index)
            if step is None and event.previous_event_id in forks:
                parent, index = forks[event.previous_event_id]
                depth = parent.depth + 1
            step = Step(
                state=str(event.details["name"]),
                type=event.type.removesuffix(_ENTERED),
                entered_at=at,
                depth=depth,
                map_index=index,
            )
            current[event.branch] = step
            steps.append(step)
        elif step is None:
            continue
        elif event.type.endswith(_EXITED):
            step.exited_at = at
        elif event.type in ("ParallelStateStarted", "MapIterationStarted"):
            item = event.details.get("index", step.map_index)
            forks[event.id] = step, item if isinstance(item, int) else None
        elif event.type in _SCHEDULED:
            step.attempts += 1
        elif event.type in _FAULTS:
            step.errors.append(str(event.details.get("error") or "States.Timeout"))
    return Path(tuple(steps))


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
