"""What is probably not meant in Retry and Catch: errors that do not exist or do not come by."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from aiowfm.asl.errors import ALL, HEARTBEAT_TIMEOUT, TASK_FAILED, TIMEOUT, UNCATCHABLE
from aiowfm.asl.findings import (
    NEVER_ASKED,
    NO_EFFECT,
    UNKNOWN_ERROR,
    Finding,
    did_you_mean,
)
from aiowfm.asl.places import Place, as_dict, as_list

_PREFIX = "States."
# developer guide, "Error names"
RESERVED = (
    ALL,
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    TASK_FAILED,
    TIMEOUT,
    "States.Http.Socket",
)
# What States.TaskFailed does not match, or may not.
_OTHERS = {ALL, TIMEOUT, HEARTBEAT_TIMEOUT, *UNCATCHABLE}
_OF_HTTP = re.compile(r"States\.Http\.StatusCode\.\d{3}")


def recovery_warnings(place: Place) -> Iterator[Finding]:
    """Names that no error has, and retriers and catchers that are never asked."""
    for field in ("Retry", "Catch"):
        seen: dict[str, int] = {}
        for index, entry in enumerate(as_list(place.state.get(field))):
            errors = as_list(as_dict(entry).get("ErrorEquals"))
            names = [name for name in errors if isinstance(name, str)]
            covering = [_covering(name, seen) for name in names]
            if names and all(covering) and len(names) == len(errors):
                before = f"{field}[{seen[str(covering[0])]}]"
                yield place.finding(
                    f"{field}[{index}] cannot be reached: {before} takes {names[0]!r} before it",
                    field,
                    index,
                    "ErrorEquals",
                    severity="warning",
                    code=NEVER_ASKED,
                )
                continue
            for at, name in enumerate(errors):
                if isinstance(name, str) and (problem := _name_problem(name)):
                    steps = (field, index, "ErrorEquals", at)
                    yield place.finding(problem, *steps, severity="warning", code=UNKNOWN_ERROR)
            for name in names:
                seen.setdefault(name, index)
    yield from _delays(place)


def _covering(name: str, seen: Container[str]) -> str | None:
    """The one of the names *seen* that matches the error *name*, if one does."""
    if name in seen:
        return name
    return TASK_FAILED if TASK_FAILED in seen and name not in _OTHERS else None


def _name_problem(name: str) -> str | None:
    if name in UNCATCHABLE:
        return f"{name} fails the execution at once: neither Retry nor Catch sees it"
    if name.startswith(_PREFIX) and name not in RESERVED and not _OF_HTTP.fullmatch(name):
        hint = did_you_mean(name, RESERVED) or "; names that begin with 'States.' are reserved"
        return f"there is no error {name!r}{hint}"
    return None


def _delays(place: Place) -> Iterator[Finding]:
    for index, entry in enumerate(as_list(place.state.get("Retry"))):
        retrier = as_dict(entry)
        interval, most = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
        if isinstance(interval, int) and isinstance(most, int) and most < interval:
            yield place.finding(
                f"MaxDelaySeconds, {most}, is less than IntervalSeconds, {interval}:"
                " no delay is ever as long as the interval",
                "Retry",
                index,
                "MaxDelaySeconds",
                severity="warning",
                code=NO_EFFECT,
            )
