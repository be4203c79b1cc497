"""Callback states: what they must say, and what the compiler adds to their message.

Such a state sends a message with its task token to the application's queue, and waits until
somebody finishes it by the key in that message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from aiowfm.asl.findings import NO_DOLLAR, NO_LIMIT, Finding, shown
from aiowfm.asl.places import Place
from aiowfm.asl.rules import scopes
from aiowfm.definitions.definition import WorkflowDefinition, in_machine
from aiowfm.definitions.envelope import KEY as FENCE
from aiowfm.definitions.envelope import about, limit
from aiowfm.waits import MAX_KEY_BYTES

CALLBACK_RESOURCE = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"

BODY, QUEUE_URL = "MessageBody", "QueueUrl"
TASK_KEY, TASK_TOKEN = "TaskKey", "TaskToken"
_TOKEN = "$$.Task.Token"
_JSONATA_TOKEN = "{% $states.context.Task.Token %}"
_LIMITS = ("HeartbeatSeconds", "HeartbeatSecondsPath", "TimeoutSeconds", "TimeoutSecondsPath")


def has_callbacks(definition: WorkflowDefinition) -> bool:
    """Whether a state of *definition* waits for a callback."""
    return any(True for _ in callback_states(definition))


def callback_problems(definition: WorkflowDefinition) -> list[Finding]:
    """What is wrong with the callback states of *definition*, warnings too."""
    findings: list[Finding] = []
    for place in callback_states(definition):
        findings += _problems(place)
        if not any(name in place.state for name in _LIMITS):
            findings.append(
                place.finding(
                    "the callback may never come, and then the workflow waits for a year: give the"
                    " state TimeoutSeconds, or HeartbeatSeconds where somebody sends heartbeats",
                    severity="warning",
                    code=NO_LIMIT,
                )
            )
    return in_machine(findings)


def understood(findings: Iterable[Finding]) -> list[Finding]:
    """*findings* about a machine, but for paths that need no `.$` here: the key and the token."""
    members = [(BODY, TASK_KEY), (BODY, TASK_TOKEN)]
    return [
        finding
        for finding in findings
        if finding.code != NO_DOLLAR or finding.pointer[-2:] not in members
    ]


def with_message(
    state: dict[str, Any], *, queue_url: str, is_jsonata: bool, in_map: bool
) -> dict[str, Any]:
    """The callback *state* with all that its message needs.

    That is the queue's URL, the token where the author left it out, and under `aiowfm` what
    tells two messages apart: whose they are, and which is the later.
    """
    field = "Arguments" if is_jsonata else "Parameters"
    body = dict(state[field][BODY])
    if is_jsonata:
        body.setdefault(TASK_TOKEN, _JSONATA_TOKEN)
    else:
        body = {_as_path(name, value): value for name, value in body.items()}
        if TASK_TOKEN not in body:
            body.setdefault(f"{TASK_TOKEN}.$", _TOKEN)
    facts = about(is_jsonata=is_jsonata, in_map=in_map)
    body[FENCE] = facts | limit(state, "HeartbeatSeconds") | limit(state, "TimeoutSeconds")
    sent = state[field] | {BODY: body}
    if QUEUE_URL not in sent and f"{QUEUE_URL}.$" not in sent:
        sent[QUEUE_URL] = queue_url
    return state | {field: sent}


def without_message(state: dict[str, Any], *, queue_url: str | None) -> dict[str, Any]:
    """The callback *state* without what `with_message` adds."""
    for field in ("Parameters", "Arguments"):
        sent = state.get(field)
        if not isinstance(sent, dict) or not isinstance(sent.get(BODY), dict):
            continue
        body = {_as_path(name, value): value for name, value in sent[BODY].items()}
        body.pop(FENCE, None)
        for name, value in ((f"{TASK_TOKEN}.$", _TOKEN), (TASK_TOKEN, _JSONATA_TOKEN)):
            if body.get(name) == value:
                del body[name]
        sent = sent | {BODY: body}
        if queue_url is not None and sent.get(QUEUE_URL) == queue_url:
            del sent[QUEUE_URL]
        state = state | {field: sent}
    return state


def callback_states(definition: WorkflowDefinition) -> Iterator[Place]:
    """The states of *definition* that wait for a callback, nested ones too."""
    for scope in scopes(definition.state_machine):
        for place in scope.places():
            if place.kind == "Task" and place.state.get("Resource") == CALLBACK_RESOURCE:
                yield place


def _problems(place: Place) -> Iterator[Finding]:
    is_jsonata = place.language == "JSONata"
    field = "Arguments" if is_jsonata else "Parameters"
    sent = place.state.get(field)
    if not isinstance(sent, dict):
        missing = "is missing" if field not in place.state else f"must not be {shown(sent)}"
        yield place.finding(
            f"{field} {missing}: give an object with {BODY}, in which {TASK_KEY} names the callback"
        )
        return
    body = sent.get(BODY)
    if not isinstance(body, dict):
        is_there = BODY in sent or f"{BODY}.$" in sent
        found = f", and not {shown(body)}" if BODY in sent else ", and not a path to one"
        yield place.finding(
            f"{BODY} must be an object written out here{found if is_there else ''}: the token and"
            f" what identifies the wait are added to it; {TASK_KEY} in it names the callback",
            field,
        )
        return
    yield from _key_problems(place, field, body)
    if FENCE in body or f"{FENCE}.$" in body:
        yield place.finding(
            f"{FENCE!r} in {BODY} is added when the definition is compiled: use another name",
            field,
            BODY,
        )
    token = body.get(TASK_TOKEN, body.get(f"{TASK_TOKEN}.$"))
    right = _JSONATA_TOKEN if is_jsonata else _TOKEN
    if token is not None and _squeezed(token) != _squeezed(right):
        yield place.finding(
            f"{TASK_TOKEN} must be {right!r}, or be left out: with anything else nobody could"
            " finish the task",
            field,
            BODY,
        )


def _key_problems(place: Place, field: str, body: dict[str, Any]) -> Iterator[Finding]:
    if TASK_KEY not in body and f"{TASK_KEY}.$" not in body:
        yield place.finding(
            f"{TASK_KEY} is missing: the callback is finished by this key, for example"
            + (
                f' {TASK_KEY}: "{{% $states.input.id %}}"'
                if place.language == "JSONata"
                else f' {TASK_KEY}.$: "$.id"'
            ),
            field,
            BODY,
        )
        return
    key = body.get(TASK_KEY, "$")
    size_bytes = len(key.encode(errors="replace")) if isinstance(key, str) else 0
    if not isinstance(key, str) or not key or size_bytes > MAX_KEY_BYTES:
        yield place.finding(
            f"{TASK_KEY} must be a string of 1 to {MAX_KEY_BYTES:,} bytes, not {shown(key)}",
            field,
            BODY,
            TASK_KEY,
        )
    elif place.language == "JSONata" and key.startswith("$"):
        yield place.finding(
            f"{TASK_KEY} {key!r} is a path of JSONPath, and the state is written in JSONata: use an"
            " expression like '{% $states.input.id %}'",
            field,
            BODY,
            TASK_KEY,
        )


def _as_path(name: str, value: object) -> str:
    """*name*, marked as that of a path where *value* is one: so the Go package wrote it."""
    is_path = name in (TASK_KEY, TASK_TOKEN) and isinstance(value, str) and value.startswith("$")
    return f"{name}.$" if is_path else name


def _squeezed(text: object) -> str:
    return "".join(text.split()) if isinstance(text, str) else ""
