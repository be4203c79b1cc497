"""A state with all that rules need to know of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiowfm.asl.findings import SCHEMA, Finding, Pointer, Severity


def values_in(pointer: Pointer, value: object) -> Iterator[tuple[Pointer, object]]:
    """*value*, which stands at *pointer*, and all that is in it, each with its place."""
    waiting = [(pointer, value)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, list):
            waiting += [((*pointer, index), item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            waiting += [((*pointer, key), item) for key, item in value.items()]
        yield pointer, value


@dataclass(frozen=True, slots=True)
class Place:
    """A state, where it is, and how it is run.

    Attributes:
        pointer: The place of the state in the document.
        state: The state, which may be malformed.
        language: The query language that it is written in.
        of_machine: The query language of the whole machine.
        is_express: Whether it is run by a machine of type EXPRESS.
    """

    pointer: Pointer
    state: dict[str, Any]
    language: str
    of_machine: str = "JSONPath"
    is_express: bool = False

    @property
    def kind(self) -> str:
        """The Type of the state."""
        return str(self.state.get("Type"))

    def finding(
        self,
        message: str,
        *steps: str | int,
        aws: str | None = None,
        code: str = SCHEMA,
        at: Pointer | None = None,
        severity: Severity = "error",
        missing: str | None = None,
    ) -> Finding:
        """A finding at *steps* from the state; AWS places it at *at* from the state."""
        return Finding(
            pointer=self.pointer + steps,
            message=message,
            severity=severity,
            code=code,
            aws=aws,
            at=None if at is None else self.pointer + at,
            missing=missing,
        )

    def parts(self) -> Iterator[tuple[Pointer, dict[str, Any]]]:
        """The objects whose fields are evaluated: the state, and those in it that are no data."""
        state = self.state
        yield (), state
        for field in ("ItemReader", "ItemBatcher", "ResultWriter"):
            if field in state:
                part = as_dict(state[field])
                yield (field,), part
                if "ReaderConfig" in part:
                    yield (field, "ReaderConfig"), as_dict(part["ReaderConfig"])
        for field in ("Catch", "Choices"):
            if field in state:
                for index, part in enumerate(as_list(state[field])):
                    yield (field, index), as_dict(part)


def not_in(language: str, field: str) -> str:
    """AWS's words for a *field* that the other query language has, not this *language*."""
    other = "JSONPath" if language == "JSONata" else "JSONata"
    return (
        f"The QueryLanguage is set to '{language}', but field '{field}' is only supported"
        f" for the '{other}' QueryLanguage"
    )


def as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
