"""What a policy allows, and what an operation of AWS asks for: as IAM decides, in small."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.ministack import REGION
from tests.places import ACCOUNT_ID

_PREFIXES = {"stepfunctions": "states", "sqs": "sqs", "dynamodb": "dynamodb"}
_BATCHES = {
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}
_ARNS = (
    "activityArn",
    "executionArn",
    "resourceArn",
    "stateMachineArn",
    "stateMachineVersionArn",
)


class Need(NamedTuple):
    """An action and the resource it is done on; `*` where it takes none."""

    action: str
    resource: str


def needs(service: str, operation: str, request: Mapping[str, Any]) -> Iterator[Need]:
    """What calling *operation* with *request* needs, dependent actions included."""
    if service == "sts":  # who one is may always be asked
        return
    prefix, on = _PREFIXES[service], _resource(service, operation, request)
    if operation == "TransactWriteItems":
        for item in request["TransactItems"]:
            ((action, written),) = item.items()
            yield Need(f"dynamodb:{action}Item", _table(written["TableName"]))
        return
    yield Need(f"{prefix}:{_BATCHES.get(operation, operation)}", on)
    if request.get("publish"):
        yield Need("states:PublishStateMachineVersion", on)
    if "roleArn" in request:
        yield Need("iam:PassRole", request["roleArn"])
    if (request.get("tags") or request.get("Tags")) and operation != "TagResource":
        yield Need("sqs:TagQueue" if service == "sqs" else f"{prefix}:TagResource", on)


def is_allowed(document: Mapping[str, Any], need: Need) -> bool:
    statements = document["Statement"]
    assert all(each["Effect"] in ("Allow", "Deny") for each in statements)
    fitting = [
        each["Effect"]
        for each in statements
        if _fits(each["Action"], need.action) and _fits(each["Resource"], need.resource)
    ]
    return "Allow" in fitting and "Deny" not in fitting


def actions(document: Mapping[str, Any]) -> set[str]:
    """All that a policy allows on anything."""
    return {
        action
        for each in document["Statement"]
        if each["Effect"] == "Allow"
        for action in each["Action"]
    }


def _fits(patterns: str | list[str], value: str) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(_fits_one(pattern, value) for pattern in patterns)


def _fits_one(pattern: str, value: str) -> bool:
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value) is not None


def _resource(service: str, operation: str, request: Mapping[str, Any]) -> str:
    for member in _ARNS:
        if member in request:
            arn = str(request[member])
            if ":stateMachine:" in arn:  # versions are authorised on the plain ARN
                arn = ":".join(arn.split(":")[:7])
            return arn
    if service == "sqs":
        name = request.get("QueueName") or request["QueueUrl"].rpartition("/")[2]
        return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"
    if "IndexName" in request:
        return f"{_table(request['TableName'])}/index/{request['IndexName']}"
    if "TableName" in request:
        return _table(request["TableName"])
    if "name" in request and operation.startswith("Create"):
        kind = "activity" if operation == "CreateActivity" else "stateMachine"
        return f"arn:aws:states:{REGION}:{ACCOUNT_ID}:{kind}:{request['name']}"
    return "*"


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}"
