"""What is wrong with Retry, Catch and the time limits of a state."""

from __future__ import annotations

from collections.abc import Iterator

from aiowfm.asl.findings import Finding
from aiowfm.asl.places import Place, as_dict, as_list

MAX_DELAY_SECONDS = 31_622_400  # developer guide, "Retrying after an error": MaxDelaySeconds
_ALL = "States.ALL"


def recovery_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with Retry and Catch."""
    yield from _catch_all(place)
    for index, retrier in enumerate(as_list(place.state.get("Retry"))):
        delay = as_dict(retrier).get("MaxDelaySeconds")
        if isinstance(delay, int) and delay > MAX_DELAY_SECONDS:
            message = f"MaxDelaySeconds must be at most {MAX_DELAY_SECONDS}, not {delay}"
            aws = f"Maximum value is {MAX_DELAY_SECONDS}"
            yield place.finding(message, "Retry", index, "MaxDelaySeconds", aws=aws)


def heartbeat_problems(place: Place) -> Iterator[Finding]:
    """Whether the heartbeat is shorter than the timeout, where both are known."""
    heartbeat, timeout = (
        place.state.get(field) for field in ("HeartbeatSeconds", "TimeoutSeconds")
    )
    if isinstance(heartbeat, int) and isinstance(timeout, int) and heartbeat >= timeout:
        message = f"HeartbeatSeconds must be less than TimeoutSeconds, {timeout}, not {heartbeat}"
        yield place.finding(message, "HeartbeatSeconds")


def _catch_all(place: Place) -> Iterator[Finding]:
    for field, called in (("Retry", "retrier"), ("Catch", "catcher")):
        entries = as_list(place.state.get(field))
        for index, entry in enumerate(entries):
            errors = as_list(as_dict(entry).get("ErrorEquals"))
            if _ALL not in errors:
                continue
            if len(errors) > 1:
                message = f"{_ALL} must be alone in ErrorEquals: it covers the others"
            elif index < len(entries) - 1:
                message = f"{_ALL} must be in the last {called}: those after it are never asked"
            else:
                continue
            yield place.finding(
                message,
                field,
                index,
                "ErrorEquals",
                errors.index(_ALL),
                aws=f"{_ALL} must appear alone and at end of list",
            )
