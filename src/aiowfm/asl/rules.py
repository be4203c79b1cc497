"""What makes a definition wrong, in words and with the place in the document.

The shape is the models' matter. The rules go beyond it: they read the document, not
the models, so that one mistake of shape does not hide the others. Here are those that
look at states together; those for one state are in `state_rules`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiowfm.asl.findings import (
    DUPLICATE_STATE,
    NO_END,
    TRANSITION,
    Finding,
    Pointer,
    did_you_mean,
)
from aiowfm.asl.map_rules import repeated_labels
from aiowfm.asl.model import STATE_TYPES, StateMachine
from aiowfm.asl.places import Place, as_dict, as_list
from aiowfm.asl.shape import beyond_json, shape_problems
from aiowfm.asl.state_rules import express_problems, resource_problems, state_problems
from aiowfm.asl.variable_rules import assigned, variable_problems
from aiowfm.asl.warning_rules import warnings as warnings_of

MAX_DEFINITION_BYTES = 1_048_576  # UTF-8; CreateStateMachine.definition
MAX_COMPARED = 100_000  # names, with those that were perhaps meant
_DIRECT = ("Next", "Default")


@dataclass(frozen=True, slots=True)
class Scope:
    """States that can lead to one another: those of a machine, a branch or a Map.

    Attributes:
        pointer: Where the object that has StartAt and States is.
        machine: That object.
        language: The query language of states that do not choose one.
        is_express: Whether they are run by a machine of type EXPRESS.
    """

    pointer: Pointer
    machine: dict[str, Any]
    language: str
    is_express: bool = False

    def states(self) -> dict[str, dict[str, Any]]:
        """The states by name, without those that are not even objects."""
        states = as_dict(self.machine.get("States"))
        return {name: state for name, state in states.items() if isinstance(state, dict)}

    def places(self) -> Iterator[Place]:
        """The states, each with where it is and its query language."""
        for name, state in self.states().items():
            language = str(state.get("QueryLanguage", self.language))
            pointer = (*self.pointer, "States", name)
            yield Place(pointer, state, language, self.language, self.is_express)


def problems(
    definition: object, *, express: bool = False, arns: bool = False, warnings: bool = False
) -> list[Finding]:
    """Everything that is wrong with *definition*, a JSON value; empty where it can be used.

    Args:
        definition: What should be a state machine.
        express: Whether it is one of type EXPRESS, which may do less.
        arns: Whether each Resource must be an ARN, as in what is deployed.
        warnings: Whether to add what is probably not meant.
    """
    if found := list(beyond_json(definition)):
        return found
    found = shape_problems(StateMachine, definition, called="a state machine")
    found += _size(definition)
    if isinstance(definition, dict):
        every_scope = list(scopes(definition, express=express))
        places = [place for scope in every_scope for place in scope.places()]
        every_name = {name for scope in every_scope for name in scope.states()}
        for scope in every_scope:
            found += _scope_problems(scope, every_name)
        found += _variable_problems(every_scope)
        found += _repeated_names(every_scope)
        found += repeated_labels(places)
        for place in places:
            if place.is_express:
                found += express_problems(place)
            if arns:
                found += resource_problems(place)
            if warnings:
                found += warnings_of(place)
    return found


def _size(definition: object) -> Iterator[Finding]:
    text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
    size_bytes = len(text.encode(errors="replace"))
    if size_bytes > MAX_DEFINITION_BYTES:
        yield Finding(
            pointer=(),
            message=f"the definition has {size_bytes:,} bytes as JSON, and Step Functions takes"
            f" {MAX_DEFINITION_BYTES:,}: split it into several workflows",
        )


def prepare() -> None:
    """Build the models, so that the first definition that is checked or parsed need not wait.

    It takes some 20 ms, once: for the beginning of a program, before its event loop is busy.
    """
    StateMachine.model_rebuild()


def parse(definition: object) -> StateMachine:
    """The model of a *definition* in which `problems` finds nothing."""
    return StateMachine.model_validate(definition)


def scopes(machine: dict[str, Any], *, express: bool = False) -> Iterator[Scope]:
    """*machine* as a scope, and each scope nested in its Map and Parallel states."""
    language = str(machine.get("QueryLanguage", "JSONPath"))
    waiting = deque([Scope((), machine, language, express)])
    while waiting:
        scope = waiting.popleft()
        yield scope
        for name, state in scope.states().items():
            for steps, nested in nested_machines(state):
                pointer = (*scope.pointer, "States", name, *steps)
                is_express = _is_express(nested, scope.is_express)
                waiting.append(Scope(pointer, nested, language, is_express))


def _is_express(nested: dict[str, Any], around: bool) -> bool:
    """Whether a *nested* machine is run by one of type EXPRESS, as what is *around* may be."""
    config = as_dict(nested.get("ProcessorConfig"))
    if config.get("Mode") == "DISTRIBUTED":
        return config.get("ExecutionType") == "EXPRESS"
    return around


def nested_machines(state: dict[str, Any]) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """The machines inside a Map or Parallel state, and the steps from it to each."""
    if state.get("Type") == "Map":
        for field in ("ItemProcessor", "Iterator"):
            if isinstance(machine := state.get(field), dict):
                yield (field,), machine
    elif state.get("Type") == "Parallel":
        for index, branch in enumerate(as_list(state.get("Branches"))):
            if isinstance(branch, dict):
                yield ("Branches", index), branch


def transitions(state: dict[str, Any]) -> Iterator[tuple[Pointer, str]]:
    """The states that *state* may lead to, and the steps from it to where it names them."""
    targets: list[tuple[Pointer, object]] = [((field,), state.get(field)) for field in _DIRECT]
    for field in ("Choices", "Catch"):
        for index, each in enumerate(as_list(state.get(field))):
            if isinstance(each, dict):
                targets.append(((field, index, "Next"), each.get("Next")))
    for steps, target in targets:
        if isinstance(target, str) and target:
            yield steps, target


def reachable(states: Mapping[str, dict[str, Any]], start: str) -> set[str]:
    """The names of the states that an execution which begins at *start* can come to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in found:
            found.add(name)
            waiting += [target for _, target in transitions(states[name])]
    return found


# Scopes.


def _scope_problems(scope: Scope, every_name: Collection[str]) -> Iterator[Finding]:
    states = scope.states()
    targets: list[tuple[Pointer, str]] = []
    if isinstance(start := scope.machine.get("StartAt"), str) and start:
        targets.append(((*scope.pointer, "StartAt"), start))
    found: list[Finding] = []
    for place in scope.places():
        targets += [
            ((*place.pointer, *steps), target) for steps, target in transitions(place.state)
        ]
        found += state_problems(place)
    yield from found
    names = as_dict(scope.machine.get("States"))
    lost = [(pointer, target) for pointer, target in targets if names and target not in names]
    for number, (pointer, target) in enumerate(lost):
        # Looking for what was meant takes time that grows with both numbers.
        near = did_you_mean(target, names) if number * len(names) < MAX_COMPARED else ""
        yield Finding(
            pointer=pointer,
            message=_no_state(pointer, target, near, names, every_name),
            code=TRANSITION,
            aws=f"Missing '{'StartAt' if pointer[-1] == 'StartAt' else 'Next'}' target: {target}",
        )
    is_whole = len(states) == len(names) > 0 and all(map(_leads_on, states.values())) and not lost
    if is_whole and isinstance(start, str) and start:
        yield from _ways(scope, start)


def _no_state(
    pointer: Pointer, target: str, hint: str, states: Iterable[str], every_name: Collection[str]
) -> str:
    if not hint and target in every_name:
        hint = "; one elsewhere has that name, but nothing leads into or out of a Map or branch"
    if not hint:
        hint = f"; the states here are {', '.join(map(repr, islice(states, 10)))}"
    return f"{pointer[-1]} names no state: {target!r}{hint}"


def _ways(scope: Scope, start: str) -> Iterator[Finding]:
    """Whether an end exists and every state can be reached."""
    states = scope.states()
    if not any(_is_end(state) for state in states.values()):
        yield Finding(
            pointer=(*scope.pointer, "States"),
            message="no end: at least one state must have End: true, or be a Succeed or Fail",
            code=NO_END,
            aws="Workflow has no terminal state",
        )
        return
    within = reachable(states, start)
    for name in states:
        if name not in within:
            message = f"nothing leads to state {name!r} from StartAt: take it out or lead to it"
            yield Finding(
                pointer=(*scope.pointer, "States", name),
                message=message,
                code=TRANSITION,
                aws=f'State "{name}" is not reachable.',
            )


def _leads_on(state: dict[str, Any]) -> bool:
    """Whether *state* says where it leads, so that nothing follows from a mistake in it."""
    if state.get("Type") == "Choice":
        rules = as_list(state.get("Choices"))
        return bool(rules) and all(isinstance(as_dict(rule).get("Next"), str) for rule in rules)
    return _is_end(state) or isinstance(state.get("Next"), str)


def _is_end(state: dict[str, Any]) -> bool:
    # Of an unknown Type it cannot be told; that Type has a finding of its own.
    kind = state.get("Type")
    return (
        state.get("End") is True
        or kind in ("Succeed", "Fail")
        or not (isinstance(kind, str) and kind in STATE_TYPES)
    )


def _repeated_names(every_scope: Iterable[Scope]) -> Iterator[Finding]:
    seen: dict[str, Pointer] = {}
    for scope in every_scope:
        for name in scope.states():
            pointer = (*scope.pointer, "States", name)
            if name in seen:
                first = "/".join(map(str, ("", *seen[name])))
                message = f"two states are named {name!r}, the other is {first}: rename one"
                yield Finding(
                    pointer=pointer,
                    message=message,
                    code=DUPLICATE_STATE,
                    aws=f"Duplicate State name: {name}",
                )
            seen.setdefault(name, pointer)


def _variable_problems(every_scope: Iterable[Scope]) -> Iterator[Finding]:
    """What is wrong with variables; *every_scope* comes after those around it."""
    seen: dict[Pointer, dict[str, Pointer]] = {}
    for scope in every_scope:
        lengths = range(len(scope.pointer) - 1, -1, -1)
        around = (scope.pointer[:length] for length in lengths)
        outer = next((seen[pointer] for pointer in around if pointer in seen), {})
        own = dict(outer)
        for place in scope.places():
            yield from variable_problems(place, outer)
            for steps, name in assigned(place):
                # What a catcher assigns, AWS lets be assigned further in, too.
                if steps[0] != "Catch":
                    own.setdefault(name, (*place.pointer, *steps))
        seen[scope.pointer] = own
