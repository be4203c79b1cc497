"""What the services that Tasks call take, checked in definitions and again when a Task runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from aiowfm.asl.findings import Finding, did_you_mean
from aiowfm.asl.payload import JsonValue
from aiowfm.asl.places import Place
from aiowfm.asl.resources import ServiceResource, service_resource
from aiowfm.asl.rules import scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """The members of a request, in Pascal case as Tasks write them, and how it is waited for."""

    patterns: tuple[str | None, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    texts: tuple[str, ...]

    def unknown(self, names: Collection[str]) -> list[str]:
        return [name for name in names if name not in self.required + self.optional]

    def missing(self, names: Collection[str]) -> list[str]:
        return [name for name in self.required if name not in names]


_REQUESTS = {
    ("sqs", "sendMessage"): _Request(
        patterns=(None, "waitForTaskToken"),
        required=("QueueUrl", "MessageBody"),
        optional=(
            "DelaySeconds",
            "MessageAttribute",  # so the developer guide has it
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
        ),
        texts=("QueueUrl", "MessageDeduplicationId", "MessageGroupId"),
    ),
    ("states", "startExecution"): _Request(
        patterns=(None, "sync", "sync:2", "waitForTaskToken"),
        required=("StateMachineArn",),
        optional=("Input", "Name", "TraceHeader"),
        texts=("StateMachineArn", "Name", "TraceHeader"),
    ),
}

# What can be called, as a Resource names it.
RESOURCES = tuple(
    f"{service}:{action}" + (f".{pattern}" if pattern else "")
    for (service, action), request in _REQUESTS.items()
    for pattern in request.patterns
)


def is_run(resource: ServiceResource) -> bool:
    """Whether the embedded engine can call *resource*."""
    request = _REQUESTS.get((resource.service, resource.action))
    return request is not None and resource.pattern in request.patterns


def problems(definition: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with the requests that the Tasks of *definition* make of services."""
    for scope in scopes(definition):
        for place in scope.places():
            if place.state.get("Type") == "Task":
                yield from _task_problems(place)


def faults(resource: ServiceResource, parameters: JsonValue) -> list[str]:
    """Why a service cannot be called with *parameters*, in AWS's words; empty if it can."""
    request = _REQUESTS[resource.service, resource.action]
    if not isinstance(parameters, dict):
        return [_missing(name) for name in request.required]
    found = [_unknown(name) for name in request.unknown(parameters)]
    for name in request.required:
        if name not in parameters:
            found.append(_missing(name))
        elif parameters[name] is None:
            found.append(_no_text(name))
    for name in request.texts:
        if not isinstance(parameters.get(name, ""), str | None):
            found.append(_no_text(name))
    return found


def _task_problems(place: Place) -> Iterator[Finding]:
    resource = place.state.get("Resource")
    called = service_resource(resource) if isinstance(resource, str) else None
    if called is None or not is_run(called):
        return  # what else there is on AWS is not known here
    request = _REQUESTS[called.service, called.action]
    field = "Arguments" if place.language == "JSONata" else "Parameters"
    if field not in place.state:
        yield Finding(
            pointer=place.pointer,
            message=f"{field} is missing: {' and '.join(request.required)} must be given in it",
            aws=f"{field} field is required for resource ARN: {resource}",
        )
        return
    given = place.state[field]
    if not isinstance(given, dict):
        return  # what it gives is known when it runs
    pointer = (*place.pointer, field)
    names = given if field == "Arguments" else [name.removesuffix(".$") for name in given]
    for name in request.unknown(names):
        hint = did_you_mean(name, request.required + request.optional)
        message = f"{name!r} is nothing that {resource} takes{hint}"
        yield Finding(pointer=pointer, message=message, aws=_unknown(name))
    for name in request.missing(names):
        message = f"{name} is missing: {resource} needs it"
        yield Finding(pointer=pointer, message=message, aws=_missing(name))


def _unknown(name: str) -> str:
    return f'The field "{name}" is not supported by Step Functions'


def _missing(name: str) -> str:
    return f"The field '{name}' is required but was missing"


def _no_text(name: str) -> str:
    return f"The value for the field '{name}' must be a STRING"
