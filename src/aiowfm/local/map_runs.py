"""The runs of distributed Maps, as DescribeMapRun shows them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from aiowfm.asl.payload import Payload
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.store import Store

_STATES = ("pending", "running", "succeeded", "failed", "timedOut", "aborted")


def _no_counts() -> dict[str, int]:
    return dict.fromkeys(_STATES, 0)


@dataclass(slots=True, eq=False)
class MapRun:
    """One run of a distributed Map state.

    Attributes:
        execution: The number of the execution that began it.
        executions: How many child executions are in which state.
        items: How many items are in which state.
        results_written: How many results went to a ResultWriter.
        pending_redrive: How many child executions are yet to be taken up again.
    """

    arn: str
    execution: int
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

    def forget_counts(self) -> None:
        """Begin to count again."""
        self.executions, self.items = _no_counts(), _no_counts()
        self.pending_redrive = 0


def item_count(payload: Payload, *, is_batched: bool) -> int:
    """How many items a child execution gets with its input."""
    value = payload.value
    if is_batched and isinstance(value, dict):
        items = value.get("Items")
        return len(items) if isinstance(items, list) else 1
    return 1


class MapRuns:
    """All runs of distributed Maps: those under way here, the others in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[str, MapRun] = {}

    async def load(self) -> None:
        """Read those that are under way."""
        for document in await self._store.map_runs("status = 'RUNNING'", ()):
            run = MapRun(**json.loads(document))
            self._live[run.arn] = run

    def live(self, arn: str) -> MapRun | None:
        """The run of this ARN, if it is under way."""
        return self._live.get(arn)

    def save(self, run: MapRun) -> None:
        """Keep *run* as it is now.

        The counts of one that is under way are counted again when it is taken up.
        """
        if run.status == "RUNNING":
            self._live[run.arn] = run
        else:
            self._live.pop(run.arn, None)
        self._store.save_map_run(run.arn, run.execution, run.status, json.dumps(asdict(run)))

    async def find(self, arn: str) -> MapRun | None:
        """The run of this ARN."""
        found = await self._select("arn = ?", arn)
        return found[0] if found else None

    async def get(self, arn: str) -> MapRun:
        """The run of this ARN.

        Raises:
            ServiceError: InvalidArn, ResourceNotFound.
        """
        run = await self.find(checked_arn(arn, "mapRun"))
        if run is None:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return run

    async def of_execution(self, number: int) -> list[MapRun]:
        """The runs that an execution began, oldest first."""
        found = await self._select("execution = ?", number)
        return sorted(found, key=lambda run: (run.started_at, run.arn))

    async def _select(self, where: str, value: object) -> list[MapRun]:
        runs = [MapRun(**json.loads(text)) for text in await self._store.map_runs(where, (value,))]
        return [self._live.get(run.arn, run) for run in runs]
