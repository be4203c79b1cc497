"""The events of an execution's history, as GetExecutionHistory gives them.

The history is the log: folding it gives the state of the execution back (see
`interpreter`). For that an event also carries what AWS keeps to itself, `branch`
and `memo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aiowfm.asl.payload import Payload

MAX_EVENTS = 25_000  # Step Functions quota: events in one history

_DETAILS = {
    "StateEntered": "stateEnteredEventDetails",
    "StateExited": "stateExitedEventDetails",
}


class HistoryEvent(NamedTuple):
    """One event.

    Attributes:
        id: 1 for the first.
        previous_event_id: The event before it on the same line of control; 0: none.
        type: AWS's name for it.
        timestamp: Seconds since the epoch.
        details: Members of its details; payloads as `Payload`.
        branch: The number of the line of control it belongs to, 0 for the main one.
        memo: What else is needed to go on from here; its meaning depends on the type.
    """

    id: int
    previous_event_id: int
    type: str
    timestamp: float
    details: Mapping[str, object]
    branch: int = 0
    memo: object = None


def as_aws(event: HistoryEvent, *, with_data: bool = True) -> dict[str, object]:
    """*event* as a member of GetExecutionHistory's answer.

    Args:
        event: The event.
        with_data: Whether to show inputs and outputs (`includeExecutionData`).
    """
    shown: dict[str, object] = {
        "timestamp": event.timestamp,
        "type": event.type,
        "id": event.id,
        "previousEventId": event.previous_event_id,
    }
    details: dict[str, object] = {}
    for name, value in event.details.items():
        if name == "assignedVariables":
            if with_data:
                details[name] = value
            details[name + "Details"] = {"truncated": False}
            continue
        if not isinstance(value, Payload):
            details[name] = value
            continue
        if with_data:
            details[name] = value.text
        if name in ("input", "output"):
            details[name + "Details"] = {"truncated": False}
    if details or event.type in _WITH_EMPTY_DETAILS:
        shown[_details_name(event.type)] = details
    return shown


_WITH_EMPTY_DETAILS = frozenset(
    {
        "ActivityStarted",
        "ActivityFailed",
        "ExecutionFailed",
        "ExecutionAborted",
        "ExecutionTimedOut",
    }
)


def _details_name(type: str) -> str:
    for suffix, name in _DETAILS.items():
        if type.endswith(suffix):
            return name
    return type[0].lower() + type[1:] + "EventDetails"
