"""AWS JSON 1.0: which operation a request asks for, and how answers and errors look."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiowfm.asl.payload import parse
from aiowfm.local.errors import ServiceError

CONTENT_TYPE = "application/x-amz-json-1.0"

# Common errors of AWS's services, and what of them does not mean 400.
UNKNOWN_OPERATION = "UnknownOperationException"
TOO_LARGE = "RequestEntityTooLargeException"
INTERNAL = "InternalFailure"
UNAVAILABLE = "ServiceUnavailable"
_STATUS = {UNKNOWN_OPERATION: 404, TOO_LARGE: 413, INTERNAL: 500, UNAVAILABLE: 503}
_NAMESPACES = {
    "InternalFailure": "com.amazon.coral.service",
    "RequestEntityTooLargeException": "com.amazon.coral.service",
    "SerializationException": "com.amazon.coral.service",
    "ServiceUnavailable": "com.amazon.coral.service",
    "UnknownOperationException": "com.amazon.coral.service",
    "ValidationException": "com.amazon.coral.validate",
}
_OWN_NAMESPACE = "com.amazonaws.swf.service.v2.model"


def operation_of(target: str | None, prefix: str, operations: Mapping[str, object]) -> str:
    """The operation that the header `X-Amz-Target` names.

    Raises:
        ServiceError: UnknownOperationException.
    """
    before, _, operation = (target or "").rpartition(".")
    if before != prefix or operation not in operations:
        raise ServiceError(UNKNOWN_OPERATION, "")
    return operation


def parameters_of(body: bytes) -> Any:
    """The JSON value of a request's body; an empty one stands for no parameters.

    Raises:
        ServiceError: SerializationException.
    """
    if not body.strip():
        return {}
    try:
        return _whole(parse(body.decode()))
    except (ValueError, RecursionError) as exc:
        message = "the body of the request is not JSON"
        raise ServiceError("SerializationException", message) from exc


def _whole(value: Any) -> Any:
    """*value* with `?` for halves of characters, as Java writes them in UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(each) for name, each in value.items()}
    return value


def answer_body(answer: Mapping[str, object]) -> bytes:
    """An answer as the body of a response."""
    return json.dumps(answer, separators=(",", ":")).encode()


def error_body(error: ServiceError) -> bytes:
    """An error as the body of a response."""
    namespace = _NAMESPACES.get(error.code, _OWN_NAMESPACE)
    shown = {"__type": f"{namespace}#{error.code}"}
    if error.message:
        shown["message"] = error.message
    return json.dumps(shown).encode()


def status_of(error: ServiceError) -> int:
    """The HTTP status of an error."""
    return _STATUS.get(error.code, 400)
