"""What makes a definition wrong, in words and with the place in the document.

The shape is the models' matter. The rules here go beyond it: they read the document, not
the models, so that one mistake of shape does not hide the others. A rule for one type of
state goes into `_RULES`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.findings import Finding, Pointer, did_you_mean, shown
from aiowfm.asl.model import STATE_TYPES, ChoiceRule, StateMachine
from aiowfm.asl.shape import beyond_json, field_names, shape_problems

# Fields of which a state gives the value or, as …Path, where to find it, but not both.
_VALUE_OR_PATH = (
    "TimeoutSeconds",
    "HeartbeatSeconds",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Error",
    "Cause",
    "MaxItemsPerBatch",
    "MaxInputBytesPerBatch",
    "MaxItems",
)
_WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
_DIRECT = ("Next", "Default")
_COMBINATIONS = ("And", "Or", "Not")
_OPERANDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "a string"),
    "timestamp": (str, "a timestamp, as a string"),
    "path": (str, "a path, as a string"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}


@dataclass(frozen=True, slots=True)
class Scope:
    """States that can lead to one another: those of a machine, a branch or a Map.

    Attributes:
        pointer: Where the object that has StartAt and States is.
        machine: That object.
        language: The query language of states that do not choose one.
    """

    pointer: Pointer
    machine: dict[str, Any]
    language: str

    def states(self) -> dict[str, dict[str, Any]]:
        """The states by name, without those that are not even objects."""
        states = _dict(self.machine.get("States"))
        return {name: state for name, state in states.items() if isinstance(state, dict)}


@dataclass(frozen=True, slots=True)
class _Place:
    """A state and where it is."""

    pointer: Pointer
    state: dict[str, Any]
    language: str

    def finding(self, message: str, *steps: str | int) -> Finding:
        return Finding(pointer=self.pointer + steps, message=message)


def problems(definition: object) -> list[Finding]:
    """Everything that is wrong with *definition*, a JSON value; empty where it can be used."""
    if found := list(beyond_json(definition)):
        return found
    found = shape_problems(StateMachine, definition, called="a state machine")
    if isinstance(definition, dict):
        every_scope = list(scopes(definition))
        for scope in every_scope:
            found += _scope_problems(scope, every_scope)
        found += _repeated_names(every_scope)
    return found


def parse(definition: object) -> StateMachine:
    """The model of a *definition* in which `problems` finds nothing."""
    return StateMachine.model_validate(definition)


def scopes(machine: dict[str, Any]) -> Iterator[Scope]:
    """*machine* as a scope, and each scope nested in its Map and Parallel states."""
    language = str(machine.get("QueryLanguage", "JSONPath"))
    waiting = deque([Scope((), machine, language)])
    while waiting:
        scope = waiting.popleft()
        yield scope
        for name, state in scope.states().items():
            for steps, nested in nested_machines(state):
                pointer = (*scope.pointer, "States", name, *steps)
                waiting.append(Scope(pointer, nested, language))


def nested_machines(state: dict[str, Any]) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    """The machines inside a Map or Parallel state, and the steps from it to each."""
    if state.get("Type") == "Map":
        for field in ("ItemProcessor", "Iterator"):
            if isinstance(machine := state.get(field), dict):
                yield (field,), machine
    elif state.get("Type") == "Parallel":
        for index, branch in enumerate(_list(state.get("Branches"))):
            if isinstance(branch, dict):
                yield ("Branches", index), branch


def transitions(state: dict[str, Any]) -> Iterator[tuple[Pointer, str]]:
    """The states that *state* may lead to, and the steps from it to where it names them."""
    targets: list[tuple[Pointer, object]] = [((field,), state.get(field)) for field in _DIRECT]
    for field in ("Choices", "Catch"):
        for index, each in enumerate(_list(state.get(field))):
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


# --- scopes --------------------------------------------------------------------------


def _scope_problems(scope: Scope, every_scope: Sequence[Scope]) -> Iterator[Finding]:
    states = scope.states()
    targets: list[tuple[Pointer, str]] = []
    if isinstance(start := scope.machine.get("StartAt"), str) and start:
        targets.append(((*scope.pointer, "StartAt"), start))
    found: list[Finding] = []
    for name, state in states.items():
        pointer = (*scope.pointer, "States", name)
        targets += [((*pointer, *steps), target) for steps, target in transitions(state)]
        place = _Place(pointer, state, str(state.get("QueryLanguage", scope.language)))
        for rule in _RULES.get(str(state.get("Type")), ()):
            found += rule(place)
    yield from found
    names = _dict(scope.machine.get("States"))
    lost = [(pointer, target) for pointer, target in targets if names and target not in names]
    for pointer, target in lost:
        yield Finding(pointer=pointer, message=_no_state(pointer, target, names, every_scope))
    is_whole = len(states) == len(names) > 0 and not found and not lost
    if is_whole and isinstance(start, str) and start:
        yield from _ways(scope, start)


def _no_state(
    pointer: Pointer, target: str, states: Collection[str], every_scope: Iterable[Scope]
) -> str:
    hint = did_you_mean(target, states)
    if not hint and any(target in scope.states() for scope in every_scope):
        hint = "; one elsewhere has that name, but nothing leads into or out of a Map or branch"
    if not hint:
        hint = f"; the states here are {', '.join(map(repr, list(states)[:10]))}"
    return f"{pointer[-1]} names no state: {target!r}{hint}"


def _ways(scope: Scope, start: str) -> Iterator[Finding]:
    """Whether every state can be reached and an end exists."""
    states = scope.states()
    within = reachable(states, start)
    for name in states:
        if name not in within:
            message = f"nothing leads to state {name!r} from StartAt: take it out or lead to it"
            yield Finding(pointer=(*scope.pointer, "States", name), message=message)
    if not any(_is_end(states[name]) for name in within):
        message = "no end: at least one state must have End: true, or be a Succeed or Fail"
        yield Finding(pointer=(*scope.pointer, "States"), message=message)


def _is_end(state: dict[str, Any]) -> bool:
    # Of an unknown Type it cannot be told; that Type has a finding of its own.
    kind = state.get("Type")
    return state.get("End") is True or kind in ("Succeed", "Fail") or kind not in STATE_TYPES


def _repeated_names(every_scope: Iterable[Scope]) -> Iterator[Finding]:
    seen: dict[str, Pointer] = {}
    for scope in every_scope:
        for name in scope.states():
            pointer = (*scope.pointer, "States", name)
            if name in seen:
                first = "/".join(map(str, ("", *seen[name])))
                message = f"two states are named {name!r}, the other is {first}: rename one"
                yield Finding(pointer=pointer, message=message)
            seen.setdefault(name, pointer)


# --- states --------------------------------------------------------------------------


def _next_or_end(place: _Place) -> Iterator[Finding]:
    ends = place.state.get("End") is True
    if ends and place.state.get("Next") is not None:
        yield place.finding("Next and End: true exclude each other: keep one", "End")
    elif not ends and place.state.get("Next") is None:
        yield place.finding(f"a {place.state['Type']} state needs Next or End: true")


def _value_or_path(place: _Place) -> Iterator[Finding]:
    reader = place.state.get("ItemReader")
    parts: list[tuple[Pointer, object]] = [
        ((), place.state),
        (("ItemBatcher",), place.state.get("ItemBatcher")),
        (("ItemReader", "ReaderConfig"), _dict(reader).get("ReaderConfig")),
    ]
    for steps, part in parts:
        for field in _VALUE_OR_PATH:
            if field in _dict(part) and f"{field}Path" in _dict(part):
                message = f"{field} and {field}Path exclude each other: keep one"
                yield place.finding(message, *steps, f"{field}Path")


def _one_of(place: _Place, fields: Sequence[str], what: str) -> Iterator[Finding]:
    given = [field for field in fields if field in place.state]
    if not given:
        yield place.finding(f"{what} needs one of {', '.join(fields)}")
    elif len(given) > 1:
        yield place.finding(f"{' and '.join(given)} exclude each other: keep one", given[-1])


def _one_duration(place: _Place) -> Iterator[Finding]:
    return _one_of(place, _WAITS, "a Wait state")


def _one_processor(place: _Place) -> Iterator[Finding]:
    return _one_of(place, ("ItemProcessor", "Iterator"), "a Map state")


def _choices(place: _Place) -> Iterator[Finding]:
    for index, rule in enumerate(_list(place.state.get("Choices"))):
        if isinstance(rule, dict):
            if "Next" not in rule:
                yield place.finding("a choice rule needs Next", "Choices", index)
            if place.language == "JSONata":
                if "Condition" not in rule:
                    yield place.finding("a JSONata choice rule needs Condition", "Choices", index)
            else:
                yield from _comparisons(place, rule, ("Choices", index))


def _comparisons(place: _Place, rule: dict[str, Any], steps: Pointer) -> Iterator[Finding]:
    """What is wrong with a JSONPath choice rule and the rules nested in it."""
    if "Condition" in rule:
        message = "Condition is JSONata's: use Variable and a comparison, or QueryLanguage: JSONata"
        yield place.finding(message, *steps, "Condition")
    unknown = [field for field in rule if field not in _RULE_FIELDS and field not in OPERATORS]
    for field in unknown:
        hint = did_you_mean(field, [*OPERATORS, *_RULE_FIELDS])
        yield place.finding(
            f"unknown comparison {field!r}{hint or '; one is StringEquals'}", *steps, field
        )
    given = [field for field in rule if field in OPERATORS or field in _COMBINATIONS]
    if len(given) > 1:
        message = f"{' and '.join(given)} in one rule: keep one, or put each into a rule under And"
        yield place.finding(message, *steps, given[-1])
    elif not given and not unknown and "Condition" not in rule:
        yield place.finding("a choice rule needs a comparison, And, Or or Not", *steps)
    for field in given:
        if field in OPERATORS:
            yield from _comparison(place, rule, steps, field)
            continue
        parts = [rule[field]] if field == "Not" else _list(rule[field])
        for index, part in enumerate(parts):
            inner = (*steps, field) if field == "Not" else (*steps, field, index)
            if isinstance(part, dict):
                if "Next" in part:
                    message = f"a rule inside {field} has no Next: only the outermost has"
                    yield place.finding(message, *inner, "Next")
                yield from _comparisons(place, part, inner)


def _comparison(
    place: _Place, rule: dict[str, Any], steps: Pointer, operator: str
) -> Iterator[Finding]:
    if "Variable" not in rule:
        yield place.finding(f"{operator} needs Variable: the path of what it compares", *steps)
    types, called = _OPERANDS[OPERATORS[operator].operand]
    operand = rule[operator]
    if not isinstance(operand, types) or (isinstance(operand, bool) and types is not bool):
        message = f"{operator} must be {called}, not {shown(operand)}"
        yield place.finding(message, *steps, operator)


_RULE_FIELDS = field_names(ChoiceRule)
_RULES: Mapping[str, Sequence[Callable[[_Place], Iterator[Finding]]]] = {
    "Task": (_next_or_end, _value_or_path),
    "Pass": (_next_or_end,),
    "Choice": (_choices,),
    "Wait": (_next_or_end, _one_duration),
    "Fail": (_value_or_path,),
    "Parallel": (_next_or_end,),
    "Map": (_next_or_end, _one_processor, _value_or_path),
}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
