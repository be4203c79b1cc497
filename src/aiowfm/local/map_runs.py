"""The runs of distributed Maps, as DescribeMapRun shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError

_STATES = ("pending", "running", "succeeded", "failed", "timedOut", "aborted")


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(_STATES, 0)


@dataclass(slots=True, eq=False)
class MapRun:
    """One run of a distributed Map state.

    Attributes:
        executions: How many child executions are in which state.
        items: How many items are in which state.
        results_written: How many results went to a ResultWriter.
        children: The ARNs of its child executions, by their place in the Map.
        pending_redrive: How many child executions are yet to be taken up again.
    """

    arn: str
    execution_arn: str
    state_machine_arn: str
    started_at: float
    max_concurrency: int = 0
    tolerated_failure_count: int | None = None
    tolerated_failure_percentage: float | None = None
    status: str = "RUNNING"
    stopped_at: float | None = None
    executions: dict[str, int] = field(default_factory=_no_counts)
    items: dict[str, int] = field(default_factory=_no_counts)
    results_written: int = 0
    children: dict[int, str] = field(default_factory=dict)
    redrive_count: int = 0
    redriven_at: float | None = None
    pending_redrive: int = 0

    def is_exceeded_by(self, failures: int) -> bool:
        """Whether so many failed child executions are more than are tolerated."""
        count, percentage = self.tolerated_failure_count, self.tolerated_failure_percentage
        limits = [] if count is None else [float(count)]
        if percentage is not None:
            limits.append(sum(self.executions.values()) * percentage / 100)
        return failures > min(limits, default=0)


class MapRuns:
    """All runs of distributed Maps, in the order they began."""

    def __init__(self) -> None:
        self._runs: dict[str, MapRun] = {}

    def add(self, run: MapRun) -> None:
        self._runs[run.arn] = run

    def find(self, arn: str) -> MapRun | None:
        return self._runs.get(arn)

    def get(self, arn: str) -> MapRun:
        """The run of this ARN.

        Raises:
            ServiceError: InvalidArn, ResourceNotFound.
        """
        run = self._runs.get(checked_arn(arn, "mapRun"))
        if run is None:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return run

    def of_execution(self, arn: str) -> list[MapRun]:
        """The runs that an execution began, oldest first."""
        return [run for run in self._runs.values() if run.execution_arn == arn]
