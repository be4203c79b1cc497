"""What is tried: a state, its input and its variables, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aiowfm.asl import rules
from aiowfm.asl.findings import Finding
from aiowfm.asl.model import StateMachine
from aiowfm.asl.payload import MAX_PAYLOAD_BYTES, JsonValue, Payload, parse
from aiowfm.asl.resources import service_resource
from aiowfm.local import definitions
from aiowfm.local.errors import ServiceError

_NAME = "TestState"
_UNSUPPORTED = ("Map", "Parallel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A state, ready to be tried.

    Attributes:
        name: What the state is called in its machine.
        machine: The state, with an end wherever it may lead to.
        variables: What it finds assigned.
    """

    name: str
    machine: StateMachine
    input: Payload
    variables: dict[str, JsonValue]


def subject(definition: str, input: str, variables: str | None) -> Subject:
    """The state written in *definition*, with its data.

    Raises:
        ServiceError: InvalidDefinition, InvalidExecutionInput, ValidationException.
    """
    _check_size("definition", definition, rules.MAX_DEFINITION_BYTES)
    state = _object(definition)
    name = _unused_name(state)
    machine = _machine(name, state)
    found = [_of_state(name, each) for each in rules.problems(machine, arns=True)]
    error = definitions.refusal(definitions.in_aws_words(found, definition))
    if error is not None:
        raise error
    _check_support(state)
    return Subject(
        name=name,
        machine=rules.parse(machine),
        input=_input(input),
        variables={} if variables is None else _variables(variables),
    )


def _object(text: str) -> dict[str, Any]:
    try:
        state = parse(text)
    except ValueError:
        state = None
    if not isinstance(state, dict):
        error = definitions.refusal(definitions.diagnostics(text))
        assert error is not None
        raise error
    return state


def _unused_name(state: dict[str, Any]) -> str:
    """A name for *state* that none of those has to which it leads."""
    taken = {target for _, target in rules.transitions(state)}
    name = _NAME
    while name in taken:
        name += "_"
    return name


def _machine(name: str, state: dict[str, Any]) -> dict[str, Any]:
    ends = {target: {"Type": "Succeed"} for _, target in rules.transitions(state)}
    return {"StartAt": name, "States": {**ends, name: state}}


def _of_state(name: str, finding: Finding) -> Finding:
    """*finding* with its place in the state."""
    pointer = finding.pointer
    if pointer[:2] == ("States", name):
        pointer = pointer[2:]
    return replace(finding, pointer=pointer)


def _check_support(state: dict[str, Any]) -> None:
    resource = str(state.get("Resource", ""))
    called = service_resource(resource)
    what = None
    if state["Type"] in _UNSUPPORTED:
        what = f"states of type {state['Type']}"
    elif ":activity:" in resource:
        what = f"activities, such as {resource}"
    elif called is not None and called.pattern is not None:
        what = f"the integration pattern .{called.pattern} of {resource}"
    if what is not None:
        message = f"Invalid State Machine Definition: 'TestState does not support {what}'"
        raise ServiceError("InvalidDefinition", message)


def _input(text: str) -> Payload:
    _check_size("input", text)
    try:
        return Payload.parsed(text)
    except ValueError as exc:
        message = f"Invalid State Machine Execution Input: '{exc}'"
        raise ServiceError("InvalidExecutionInput", message) from exc


def _variables(text: str) -> dict[str, JsonValue]:
    _check_size("variables", text)
    try:
        variables = parse(text)
    except ValueError as exc:
        raise ServiceError("ValidationException", f"variables must be JSON: {exc}") from exc
    if not isinstance(variables, dict):
        raise ServiceError("ValidationException", "variables must be a JSON object")
    return variables


def _check_size(member: str, text: str, most: int = MAX_PAYLOAD_BYTES) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise ServiceError("ValidationException", f"{member} is not Unicode: {exc}") from exc
    if size > most:
        raise ServiceError("ValidationException", f"{member} exceeds {most} bytes of UTF-8")
