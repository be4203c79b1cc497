"""The house's own rules, beyond those of the States Language.

Pointers begin at the definition, as `located` wants them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from aiowfm.asl.findings import Finding, Pointer, did_you_mean
from aiowfm.asl.rules import scopes
from aiowfm.definitions.callbacks import CALLBACK_RESOURCE
from aiowfm.definitions.definition import MACHINE, WorkflowDefinition
from aiowfm.names import (
    MAX_NAME_LENGTH,
    RANDOM_SUFFIX_LENGTH,
    SEPARATOR,
    cleaned,
    part_problem,
    state_machine_name,
)


def problems_of_name(definition: WorkflowDefinition) -> list[Finding]:
    """What keeps the name of *definition* from being part of the names on Step Functions."""
    reason = part_problem(definition.name)
    return [Finding(pointer=("name",), message=f"the name {reason}")] if reason else []


def problems_for_names(definition: WorkflowDefinition, environment: str) -> list[Finding]:
    """What keeps the state machines of *definition* in *environment* from being named.

    Any state of the outermost level can be where an execution starts, since resuming
    begins at it, and so be part of a name.
    """
    return list(_name_problems(definition, environment))


def _name_problems(definition: WorkflowDefinition, environment: str) -> Iterator[Finding]:
    suffix_length = len(SEPARATOR) + RANDOM_SUFFIX_LENGTH
    seen: dict[str, str] = {}
    states = definition.state_machine.get("States")
    for state in states if isinstance(states, dict) else ():
        pointer = (MACHINE, "States", state)
        if SEPARATOR in cleaned(state):
            yield Finding(pointer=pointer, message=f"the name of the state {part_problem(state)}")
        other = seen.setdefault(cleaned(state), state)
        if other != state:
            message = (
                f"the states {other!r} and {state!r} have one name on Step Functions,"
                f" {cleaned(state)!r}: rename one"
            )
            yield Finding(pointer=pointer, message=message)
        name = state_machine_name(environment, definition.name, definition.version, state)
        excess = len(name) + suffix_length - MAX_NAME_LENGTH
        if excess > 0:
            message = (
                f"a workflow that starts at this state is named {name!r} and {SEPARATOR!r} and"
                f" {RANDOM_SUFFIX_LENGTH} characters, and Step Functions takes"
                f" {MAX_NAME_LENGTH} characters: shorten the name of the state, of the"
                f" definition or of the environment by {excess}"
            )
            yield Finding(pointer=pointer, message=message)


def resource_names(definition: WorkflowDefinition) -> dict[str, list[Pointer]]:
    """Each Resource of a Task, nested ones too, and where it stands."""
    found: dict[str, list[Pointer]] = {}
    for scope in scopes(definition.state_machine):
        for name, state in scope.states().items():
            resource = state.get("Resource")
            if state.get("Type") == "Task" and isinstance(resource, str):
                pointer = (MACHINE, *scope.pointer, "States", name, "Resource")
                found.setdefault(resource, []).append(pointer)
    return found


def own_tasks(definition: WorkflowDefinition) -> set[str]:
    """The names of tasks that *definition* wants to be handled."""
    return {name for name in resource_names(definition) if not name.startswith("arn:")}


def unknown_resources(definition: WorkflowDefinition, known: Collection[str]) -> list[Finding]:
    """The Tasks whose Resource is neither the name of a handler in *known* nor the callback's."""
    return [
        Finding(pointer=pointer, message=_unknown(resource, known))
        for resource, pointers in resource_names(definition).items()
        if resource not in known and resource != CALLBACK_RESOURCE
        for pointer in pointers
    ]


def _unknown(resource: str, known: Collection[str]) -> str:
    if resource.startswith("arn:"):
        return (
            f"Resource must be the name of a handler, or {CALLBACK_RESOURCE} for a callback,"
            f" not {resource!r}"
        )
    hint = did_you_mean(resource, known) or f"; register one with @engine.task({resource!r})"
    return f"Resource: no handler is registered for {resource!r}{hint}"
