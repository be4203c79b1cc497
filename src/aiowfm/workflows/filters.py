"""What workflows are listed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from aiowfm.errors import UsageError
from aiowfm.ports import ExecutionStatus
from aiowfm.workflows.job import WorkflowStatus
from aiowfm.workflows.workflow import STATUSES


class Filters(TypedDict, total=False):
    """What workflows are listed by, besides their definition and status.

    Attributes:
        since: The earliest start, with a time zone.
        limit: How many at most.
        id_prefix: How their ids begin (`LocalBackend` alone).
        tags: Tags of their definitions, with these values (`LocalBackend` alone).
        error: The name of the error they failed with (`LocalBackend` alone).
    """

    since: datetime | None
    limit: int | None
    id_prefix: str | None
    tags: Mapping[str, str] | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a listing is asked for; None: anything.

    Attributes:
        name: The name of the definition.
        since: The earliest start.
        limit: How many at most.
        id_prefix: The beginning of the id.
        tags: Tags of the state machine.
        error: The name of the error of a failed one.
    """

    name: str | None
    status: WorkflowStatus | None = None
    since: datetime | None = None
    limit: int | None = None
    id_prefix: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def statuses(self) -> list[ExecutionStatus]:
        """Those of Step Functions that are asked for; none: any."""
        return [each for each, shown in STATUSES.items() if shown is self.status]

    @property
    def searches(self) -> list[str]:
        """What of it only a search can find, in words."""
        asked = {
            "name=None": self.name is None,
            "id_prefix": self.id_prefix is not None,
            "tags": bool(self.tags),
            "error": self.error is not None,
        }
        return [name for name, is_asked in asked.items() if is_asked]


def wanted(name: str | None, status: WorkflowStatus | str | None, filters: Filters) -> Wanted:
    """What a caller asks for.

    Raises:
        UsageError: that cannot be.
        TypeError: there is no such filter.
    """
    for unknown in filters.keys() - Filters.__annotations__.keys():
        raise TypeError(
            f"there is no filter {unknown!r}; one of {', '.join(Filters.__annotations__)}"
        )
    since, limit = filters.get("since"), filters.get("limit")
    if since is not None and (not isinstance(since, datetime) or since.tzinfo is None):
        raise UsageError(f"since={since!r}: it must be a datetime with a time zone")
    if limit is not None and limit < 0:
        raise UsageError(f"limit={limit!r}: it must not be negative")
    return Wanted(
        name=name,
        status=None if status is None else _status(status),
        since=since,
        limit=limit,
        id_prefix=filters.get("id_prefix"),
        tags=filters.get("tags") or {},
        error=filters.get("error"),
    )


def _status(status: str) -> WorkflowStatus:
    try:
        return WorkflowStatus(status)
    except ValueError as exc:
        known = ", ".join(WorkflowStatus)
        raise UsageError(f"there is no status {status!r}; one of {known}") from exc
