"""What makes a single state wrong: see `rules`, which applies this to all of them.

Here are the rules that concern the fields of a state by their names; each larger subject
has a module. A rule for one type of state goes into `_RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from aiowfm.asl import timestamps
from aiowfm.asl.choice_rules import choice_problems
from aiowfm.asl.findings import Finding, Pointer, shown
from aiowfm.asl.map_rules import map_problems
from aiowfm.asl.path_rules import path_problems
from aiowfm.asl.places import Place, as_dict
from aiowfm.asl.query_rules import query_problems
from aiowfm.asl.recovery_rules import heartbeat_problems, recovery_problems

# Fields of which a state gives the value or, as …Path, where to find it, but not both.
_VALUE_OR_PATH = (
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Error",
    "Cause",
    "MaxItemsPerBatch",
    "MaxInputBytesPerBatch",
    "MaxItems",
)
_WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
_ARN = re.compile(r"arn:[^:\s]*:[^:\s]+:[^:\s]*:[^:\s]*:\S")


def state_problems(place: Place) -> Iterator[Finding]:
    """What is wrong with a state beyond its shape."""
    for rule in _RULES.get(place.kind, ()):
        yield from rule(place)
    yield from query_problems(place)
    if place.language != "JSONata":
        yield from path_problems(place)


def express_problems(place: Place) -> Iterator[Finding]:
    """What a state of a machine of type EXPRESS may not do: such a machine waits for nobody."""
    resource = place.state.get("Resource")
    if place.kind != "Task" or not isinstance(resource, str):
        return
    if ":activity:" in resource:
        yield place.finding(
            "an EXPRESS state machine runs no activities",
            "Resource",
            aws="Express state machine does not support Activity ARN",
        )
    for pattern in (".sync", ".waitForTaskToken"):
        if resource.removesuffix(":2").endswith(pattern):
            yield place.finding(
                f"an EXPRESS state machine does not wait: {pattern} is for STANDARD ones",
                "Resource",
                # The blank at the end is AWS's.
                aws=f"Express state machine does not support '{pattern}' service integration ",
            )


def resource_problems(place: Place) -> Iterator[Finding]:
    """Whether the Resource of a Task is an ARN, as Step Functions wants it."""
    resource = place.state.get("Resource")
    if place.kind != "Task" or not isinstance(resource, str) or not resource:
        return
    if not _ARN.match(resource):
        message = f"Resource must be an ARN, like arn:aws:states:::…, not {shown(resource)}"
        yield place.finding(message, "Resource", aws="Value is not a valid resource ARN")


def _next_or_end(place: Place) -> Iterator[Finding]:
    ends = place.state.get("End") is True
    if ends and place.state.get("Next") is not None:
        message = "Next and End: true exclude each other: keep one"
        yield place.finding(message, "End", aws=_only_one(("Next", "End")), at=())
    elif not ends and place.state.get("Next") is None:
        message = f"a {place.kind} state needs Next or End: true"
        yield place.finding(message, aws=_needs_one(("Next", "End")))


def _value_or_path(place: Place) -> Iterator[Finding]:
    reader = place.state.get("ItemReader")
    parts: list[tuple[Pointer, object]] = [
        ((), place.state),
        (("ItemBatcher",), place.state.get("ItemBatcher")),
        (("ItemReader", "ReaderConfig"), as_dict(reader).get("ReaderConfig")),
    ]
    for steps, part in parts:
        for field in _VALUE_OR_PATH:
            if field in as_dict(part) and f"{field}Path" in as_dict(part):
                message = f"{field} and {field}Path exclude each other: keep one"
                aws = _only_one((field, f"{field}Path"))
                yield place.finding(message, *steps, f"{field}Path", aws=aws, at=steps)


def _one_of(
    place: Place, fields: Sequence[str], what: str, in_aws_order: Sequence[str]
) -> Iterator[Finding]:
    given = [field for field in fields if field in place.state]
    if not given:
        message = f"{what} needs one of {', '.join(fields)}"
        yield place.finding(message, aws=_needs_one(in_aws_order))
    elif len(given) > 1:
        message = f"{' and '.join(given)} exclude each other: keep one"
        yield place.finding(message, given[-1], aws=_only_one(in_aws_order), at=())


def _only_one(fields: Sequence[str]) -> str:
    return f"There should only be one of the following fields: [{', '.join(fields)}]"


def _needs_one(fields: Sequence[str]) -> str:
    return f"This object should have only one of the following fields: [{', '.join(fields)}]"


def _one_duration(place: Place) -> Iterator[Finding]:
    in_aws_order = ("SecondsPath", "Seconds", "TimestampPath", "Timestamp")
    return _one_of(place, _WAITS, "a Wait state", in_aws_order)


def _one_processor(place: Place) -> Iterator[Finding]:
    fields = ("ItemProcessor", "Iterator")
    return _one_of(place, fields, "a Map state", fields)


def _timestamp(place: Place) -> Iterator[Finding]:
    text = place.state.get("Timestamp")
    if not isinstance(text, str) or (place.language == "JSONata" and text.startswith("{%")):
        return
    if timestamps.parse(text) is None:
        message = f"Timestamp must be one like 2026-01-31T12:00:00Z, not {shown(text)}"
        yield place.finding(message, "Timestamp", aws="String does not match RFC3339 timestamp")


def _credentials(place: Place) -> Iterator[Finding]:
    credentials = place.state.get("Credentials")
    is_expression = place.language == "JSONata" and isinstance(credentials, str)
    if "Credentials" in place.state and not isinstance(credentials, dict) and not is_expression:
        message = f"Credentials must be an object with RoleArn, not {shown(credentials)}"
        yield place.finding(message, "Credentials")
    if isinstance(credentials, dict) and not {"RoleArn", "RoleArn.$"} & credentials.keys():
        yield place.finding(
            "Credentials need RoleArn: the role to do the task with",
            "Credentials",
            aws="The field 'RoleArn' is required but was missing",
        )


_RULES: Mapping[str, Sequence[Callable[[Place], Iterator[Finding]]]] = {
    "Task": (
        _next_or_end,
        _value_or_path,
        _credentials,
        heartbeat_problems,
        recovery_problems,
    ),
    "Pass": (_next_or_end,),
    "Choice": (choice_problems,),
    "Wait": (_next_or_end, _one_duration, _timestamp),
    "Fail": (_value_or_path,),
    "Parallel": (_next_or_end, recovery_problems),
    "Map": (_next_or_end, _one_processor, _value_or_path, map_problems, recovery_problems),
}
