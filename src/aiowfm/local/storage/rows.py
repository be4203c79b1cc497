"""Executions and history events as rows of tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.payload import Payload, dump

# Members of details that are payloads: kept as their place among the texts.
_PAYLOADS = frozenset({"input", "output", "parameters"})
_WITH_PAYLOAD_MEMO = frozenset({"MapRunSucceeded"})


class ExecutionRow(NamedTuple):
    """A row of `executions`.

    Attributes:
        number: Its place among all executions.
        machine: The number of its state machine.
        map_run: The ARN of the Map run it is part of.
        facts: All that is not searched for, as JSON.
    """

    number: int
    arn: str
    machine: int
    status: str
    started_at: float
    stopped_at: float | None
    map_run: str | None
    facts: str
    input: str
    output: str | None


class WaitRow(NamedTuple):
    """A row of `waits`.

    Attributes:
        name: The store of tokens that it is in.
        task_key: The key as JSON.
        document: All of it, as JSON.
    """

    name: str
    task_key: str
    status: str
    entered: str
    due_at: float | None
    expires_at: float
    document: str


def encoded(events: Iterable[HistoryEvent]) -> str:
    """*events* as JSON text; a payload that several of them have is in it once."""
    texts: dict[str, int] = {}
    rows = [_encoded(event, texts) for event in events]
    return json_of((list(texts), rows))


def json_of(value: object) -> str:
    """*value* as JSON text, for `loaded` and for SQLite."""
    try:
        return to_json(value).decode()
    except ValueError:
        return dump(value)  # type: ignore[arg-type]  # it is JSON, with something odd in a text


def decoded(text: str) -> list[HistoryEvent]:
    """The events that `encoded` made *text* of."""
    texts, rows = loaded(text)
    payloads = [Payload(text=each) for each in texts]
    return [_decoded(row, payloads) for row in rows]


def payload_characters(event: HistoryEvent) -> int:
    """How long the payloads of *event* are."""
    return sum(len(each.text) for each in event.details.values() if isinstance(each, Payload))


def loaded(text: str) -> Any:
    """The value of JSON *text* of ours."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)  # the fast parser takes no half of a surrogate pair


def _encoded(event: HistoryEvent, texts: dict[str, int]) -> tuple[object, ...]:
    id, previous, type, timestamp, details, branch, memo = event
    if details:
        details = {
            name: texts.setdefault(value.text, len(texts)) if isinstance(value, Payload) else value
            for name, value in details.items()
        }
    if isinstance(memo, Payload):
        memo = texts.setdefault(memo.text, len(texts))
    return id, previous, type, timestamp, details, branch, memo


def _decoded(row: Sequence[Any], payloads: Sequence[Payload]) -> HistoryEvent:
    id, previous, type, timestamp, details, branch, memo = row
    shown: Mapping[str, object] = {
        name: payloads[value] if name in _PAYLOADS and value is not None else value
        for name, value in details.items()
    }
    if type in _WITH_PAYLOAD_MEMO and memo is not None:
        memo = payloads[memo]
    return HistoryEvent(id, previous, type, timestamp, shown, branch, memo)
