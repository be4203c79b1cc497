"""The role that state machines run as: who may take it, and what their states call.

An activity needs no permission: its workers come for its tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiowfm.asl.places import Place, as_dict
from aiowfm.asl.resources import ServiceResource, service_resource
from aiowfm.asl.rules import scopes
from aiowfm.definitions import WorkflowDefinition
from aiowfm.iam.documents import VERSION, Document, Grants, policy_length
from aiowfm.iam.resources import Resources
from aiowfm.names import unqualified

MAX_TRUST_LENGTH = 2_048  # characters; IAM's quota for a role's trust policy, unless raised

# Step Functions makes it, to hear of the end of executions that a `.sync` waits for.
_END_OF_EXECUTIONS = "StepFunctionsGetEventsForStepFunctionsExecutionRule"


class _Note(Protocol):
    def __call__(self, place: Place, message: str) -> None: ...


def trust(at: Resources) -> Document:
    """Step Functions may take the role, for the state machines of this application only.

    Without these conditions somebody else's state machine could be made to run as it. Where
    their names are too many for a trust policy, those of the environment may.
    """
    by_name = _trust_of(at, sorted(at.machines))
    if at.machines and policy_length(by_name) <= MAX_TRUST_LENGTH:
        return by_name
    return _trust_of(at, [at.environment_machines])


def permissions(at: Resources, note: Callable[[str], None]) -> Grants:
    """What the states of all definitions call.

    Args:
        at: The definitions, and the ARNs.
        note: Told what cannot be derived, or is wider than one would like, in words.
    """
    grants = Grants()
    for definition in at.definitions:
        _of_definition(grants, at, definition, note)
    return grants


def _trust_of(at: Resources, machines: list[str]) -> Document:
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "states.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": at.place.account_id},
                    "ArnLike": {"aws:SourceArn": machines},
                },
            }
        ],
    }


def _of_definition(
    grants: Grants, at: Resources, definition: WorkflowDefinition, note: Callable[[str], None]
) -> None:
    def tell(place: Place, message: str) -> None:
        note(f"{definition.name}, state {place.pointer[-1]!r}: {message}")

    for place in _places(definition):
        if place.kind == "Map":
            _distributed_map(grants, at, definition, place, tell)
        resource = place.state.get("Resource")
        if place.kind != "Task" or not isinstance(resource, str) or resource[:4] != "arn:":
            continue
        called = service_resource(resource)
        if called is None or (called.service, called.action) not in _CALLS:
            tell(place, f"what {resource} needs is not derived: add it to the policy")
        else:
            _CALLS[called.service, called.action](grants, at, place, called, tell)


def _places(definition: WorkflowDefinition) -> Iterator[Place]:
    for scope in scopes(definition.state_machine):
        yield from scope.places()


def _send_message(
    grants: Grants, at: Resources, place: Place, called: ServiceResource, note: _Note
) -> None:
    url = _parameter(place, "QueueUrl", at.queue_url)
    queue = None if url is None else _queue_arn(at, url)
    if queue is None:
        note(place, "the queue is known only when it runs: sqs:SendMessage is allowed on all")
        queue = at.queue_named("*")
    grants.allow([queue], "sqs:SendMessage")


def _start_execution(
    grants: Grants, at: Resources, place: Place, called: ServiceResource, note: _Note
) -> None:
    arn = _parameter(place, "StateMachineArn", None)
    if arn is None:
        note(place, "the state machine is known only when it runs: all may be started")
        machine, executions = at.any_machine(), at.any_execution()
    else:
        machine = unqualified(arn)  # versions are authorised on the plain ARN
        executions = machine.replace(":stateMachine:", ":execution:") + ":*"
    grants.allow([machine], "states:StartExecution")
    if called.is_sync:
        grants.allow([executions], "states:DescribeExecution", "states:StopExecution")
        grants.allow(
            [at.rule(_END_OF_EXECUTIONS)],
            "events:DescribeRule",
            "events:PutRule",
            "events:PutTargets",
        )


_CALLS: dict[
    tuple[str, str], Callable[[Grants, Resources, Place, ServiceResource, _Note], None]
] = {
    ("sqs", "sendMessage"): _send_message,
    ("states", "startExecution"): _start_execution,
}


def _distributed_map(
    grants: Grants, at: Resources, definition: WorkflowDefinition, place: Place, note: _Note
) -> None:
    """The children of a distributed Map are executions of the same state machine."""
    inside = as_dict(place.state.get("ItemProcessor"))
    if as_dict(inside.get("ProcessorConfig")).get("Mode") != "DISTRIBUTED":
        return
    grants.allow([at.machine(definition)], "states:StartExecution")
    grants.allow([at.execution(definition)], "states:DescribeExecution", "states:StopExecution")
    grants.allow([at.map_runs_execution(definition)], "states:RedriveExecution")
    for field, actions in _S3_ACTIONS.items():
        part = as_dict(place.state.get(field))
        resource = str(part.get("Resource", "")).rpartition(":")[2]
        if field in place.state:
            if resource not in actions:
                note(place, f"what its {field} needs is not derived: add it to the policy")
            else:
                _on_s3(grants, at, place, field, actions[resource], note)


# What a distributed Map does to read its items and to write its results, by Resource.
_S3_ACTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "ItemReader": {"getObject": ("s3:GetObject",), "listObjectsV2": ("s3:ListBucket",)},
    "ResultWriter": {
        "putObject": (
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        )
    },
}


def _on_s3(
    grants: Grants, at: Resources, place: Place, field: str, actions: tuple[str, ...], note: _Note
) -> None:
    part = as_dict(place.state[field])
    bucket = _parameter(place, "Bucket", None, part)
    if bucket is None:
        note(place, f"the bucket of its {field} is known only when it runs: add it to the policy")
        return
    arn = f"arn:{at.place.partition}:s3:::{bucket}"
    if actions == ("s3:ListBucket",):
        grants.allow([arn], *actions)
        return
    objects = "*"
    if field == "ResultWriter" and (prefix := _parameter(place, "Prefix", None, part)):
        objects = f"{prefix.strip('/')}/*"  # under names that Step Functions makes
    elif as_dict(part.get("ReaderConfig")).get("InputType") != "MANIFEST":  # it names others
        objects = _parameter(place, "Key", None, part) or "*"
    grants.allow([f"{arn}/{objects}"], *actions)


def _parameter(
    place: Place, name: str, default: str | None, part: dict[str, Any] | None = None
) -> str | None:
    """A parameter of a state's call as it is written, or of a *part* of the state's.

    None where it is known only when it runs.
    """
    field = "Arguments" if place.language == "JSONata" else "Parameters"
    parameters = (place.state if part is None else part).get(field)
    given: dict[str, Any] = as_dict(parameters)
    if f"{name}.$" in given or isinstance(parameters, str):
        return None
    value = given.get(name, default)
    return value if isinstance(value, str) and not value.startswith("{%") else None


def _queue_arn(at: Resources, url: str) -> str | None:
    """The ARN of the queue at *url*, as https://sqs.eu-central-1.amazonaws.com/123456789012/q."""
    parts = urlsplit(url)
    steps = parts.path.strip("/").split("/")
    if len(steps) < 2:
        return None
    host = (parts.hostname or "").split(".")
    region = host[1] if host[0] == "sqs" and len(host) > 2 else ""
    return at.queue_named(steps[-1], region, steps[-2])
