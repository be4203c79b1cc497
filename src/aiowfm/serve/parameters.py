"""What the parameters of an operation must look like, from botocore's model of the service.

Complaints have the words that AWS uses for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

from botocore.loaders import Loader

from aiowfm.local.errors import ServiceError

MAX_COMPLAINTS = 100  # about one request; a list can give rise to a million

Shape: TypeAlias = Mapping[str, Any]

# What a JSON parser on Java calls the values it did not expect.
_FOUND = {bool: "{}_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", str: "STRING_VALUE"}
_WANTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "String"),
    "boolean": ((bool,), "Boolean"),
    "integer": ((int,), "Integer"),
    "long": ((int,), "Long"),
    "float": ((int, float), "Float"),
    "double": ((int, float), "Double"),
    "timestamp": ((int, float), "Timestamp"),
}
_ASCII = re.compile(r"\\p\{ASCII\}")  # of Java; Python's `re` has no such class


class ServiceModel:
    """The operations of Step Functions and the shapes of their parameters."""

    def __init__(self) -> None:
        model: Shape = Loader().load_service_model("stepfunctions", "service-2")
        self._shapes: Mapping[str, Shape] = model["shapes"]
        self.target_prefix: str = model["metadata"]["targetPrefix"]
        self.operations: Mapping[str, Shape] = model["operations"]

    def checked(self, operation: str, request: object) -> dict[str, Any]:
        """The members of *request* that *operation* has, without those that are null.

        Raises:
            ServiceError: SerializationException, ValidationException.
        """
        name = self.operations[operation]["input"]["shape"]
        members: dict[str, Any] = self._read(name, request)
        complaints = list(islice(self._complaints(name, members, ""), MAX_COMPLAINTS))
        if complaints:
            count = len(complaints)
            detected = f"{count} validation error{'s' if count > 1 else ''} detected"
            raise ServiceError("ValidationException", f"{detected}: {'; '.join(complaints)}")
        return members

    # Types: what cannot be read at all.

    def _read(self, name: str, value: object) -> Any:
        shape = self._shapes[name]
        match shape["type"]:
            case "structure":
                if not isinstance(value, dict):
                    raise _unreadable(value, "structure")
                return {
                    member: self._read(shape["members"][member]["shape"], each)
                    for member, each in value.items()
                    if member in shape["members"] and each is not None
                }
            case "list":
                if not isinstance(value, list):
                    raise _unreadable(value, "list")
                inner = shape["member"]["shape"]
                return [None if each is None else self._read(inner, each) for each in value]
            case "map":
                if not isinstance(value, dict):
                    raise _unreadable(value, "map")
                inner = shape["value"]["shape"]
                return {key: each and self._read(inner, each) for key, each in value.items()}
        types, wanted = _WANTED[shape["type"]]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _unreadable(value, wanted)
        return value

    # Constraints: what can be read and is not allowed.

    def _complaints(self, name: str, value: Any, path: str) -> Iterator[str]:
        shape = self._shapes[name]
        if value is None:
            yield _complaint(None, path, "Member must not be null")
            return
        match shape["type"]:
            case "structure":
                for member, inner in shape["members"].items():
                    within = f"{path}.{member}" if path else member
                    if member in value or member in shape.get("required", ()):
                        yield from self._complaints(inner["shape"], value.get(member), within)
                return
            case "list":
                yield from _bounds(shape, len(value), self._shown(name, value), path, "length")
                for index, each in enumerate(value, 1):
                    inner = shape["member"]["shape"]
                    yield from self._complaints(inner, each, f"{path}.{index}.member")
                return
            case "string":
                yield from _bounds(shape, len(value), value, path, "length")
                if "enum" in shape and value not in shape["enum"]:
                    allowed = f"[{', '.join(shape['enum'])}]"
                    yield _complaint(value, path, f"Member must satisfy enum value set: {allowed}")
                pattern = shape.get("pattern")
                if pattern and not _compiled(pattern).fullmatch(value):
                    what = f"Member must satisfy regular expression pattern: {pattern}"
                    yield _complaint(value, path, what)
                return
        if shape["type"] in ("integer", "long", "float", "double"):
            yield from _bounds(shape, value, str(value), path, "value")

    def _shown(self, name: str, value: Any) -> str:
        """A value as AWS shows it: `[Tag(key=a, value=b)]`."""
        shape = self._shapes[name]
        if isinstance(value, list):
            inner = shape["member"]["shape"]
            return f"[{', '.join(self._shown(inner, each) for each in value)}]"
        if isinstance(value, dict) and shape["type"] == "structure":
            members = (
                f"{member}={self._shown(inner['shape'], value[member])}"
                for member, inner in shape["members"].items()
                if member in value
            )
            return f"{name}({', '.join(members)})"
        return str(value)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(_ASCII.sub(r"[\\x00-\\x7f]", pattern), re.DOTALL)


def _bounds(shape: Shape, size: float, shown: str, path: str, what: str) -> Iterator[str]:
    if size > shape.get("max", size):
        most = f"Member must have {what} less than or equal to {shape['max']}"
        yield _complaint(shown, path, most)
    if size < shape.get("min", size):
        least = f"Member must have {what} greater than or equal to {shape['min']}"
        yield _complaint(shown, path, least)


def _complaint(shown: str | None, path: str, constraint: str) -> str:
    value = "null" if shown is None else f"'{shown}'"
    return f"Value {value} at '{path}' failed to satisfy constraint: {constraint}"


def _unreadable(value: object, wanted: str) -> ServiceError:
    if isinstance(value, dict):
        message = "Start of structure or map found where not expected."
    elif isinstance(value, list):
        message = "Start of list found where not expected."
    elif value is None or wanted in ("structure", "list", "map"):
        message = "Unexpected field type"
    else:
        found = _FOUND[type(value)].format(str(value).upper())
        message = f"{found} cannot be converted to {wanted}"
    return ServiceError("SerializationException", message)
