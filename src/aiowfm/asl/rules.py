"""What makes a definition wrong, in words and with the place in the document.

The shape is the models' matter; their complaints are put into words here. Rules that go
beyond the shape follow. They read the document, not the models, so that one mistake of
shape does not hide the others. A rule for one type of state goes into `_RULES`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aiowfm.asl.choice import OPERATORS
from aiowfm.asl.model import (
    STATE_TYPES,
    Branch,
    Catcher,
    ChoiceRule,
    ItemBatcher,
    ItemReader,
    Processor,
    ProcessorConfig,
    ResultWriter,
    Retrier,
    State,
    StateMachine,
)

Pointer = tuple[str | int, ...]

MAX_DEPTH = 200  # lists and objects in one another; ours, so that no one runs out of stack

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
_PARTS: Mapping[str, tuple[type[BaseModel], str]] = {
    "Branches": (Branch, "a branch"),
    "ItemProcessor": (Processor, "an ItemProcessor"),
    "Iterator": (Processor, "an Iterator"),
    "ProcessorConfig": (ProcessorConfig, "a ProcessorConfig"),
    "ItemBatcher": (ItemBatcher, "an ItemBatcher"),
    "ItemReader": (ItemReader, "an ItemReader"),
    "ResultWriter": (ResultWriter, "a ResultWriter"),
    "Retry": (Retrier, "a retrier"),
    "Catch": (Catcher, "a catcher"),
    "Choices": (ChoiceRule, "a choice rule"),
}
_EXPECTED: Mapping[str, str] = {
    "string_type": "a string",
    "string_too_short": "a string that is not empty",
    "string_too_long": "at most {max_length} characters long",
    "string_pattern_mismatch": "a JSONata expression '{{% … %}}'",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
_OPERANDS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "string": (str, "a string"),
    "timestamp": (str, "a timestamp, as a string"),
    "path": (str, "a path, as a string"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        pointer: The place in the document, as the keys and indexes that lead to it.
        message: What is wrong and what would be right.
        severity: `error` if the definition cannot be used, else `warning`.
    """

    pointer: Pointer
    message: str
    severity: Literal["error", "warning"] = "error"


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
    if found := list(_beyond_json(definition)):
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


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the one of *names* that looks most like *name*, or nothing."""
    by_lower_case = {each.lower(): each for each in names}
    near = get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]!r}?" if near else ""


def _beyond_json(document: object) -> Iterator[Finding]:
    """What JSON cannot say or nobody should: these would trip whatever looks further."""
    waiting: list[tuple[Pointer, object]] = [((), document)]
    while waiting:
        pointer, value = waiting.pop()
        children: Iterable[tuple[Any, object]] = ()
        if isinstance(value, dict):
            children = value.items()
        elif isinstance(value, list):
            children = enumerate(value)
        elif not isinstance(value, str | int | float | bool | None):
            message = f"{_label(pointer)} must be a JSON value, not of type {type(value).__name__}"
            yield Finding(pointer=pointer, message=message)
        elif isinstance(value, float) and not math.isfinite(value):
            yield Finding(pointer=pointer, message=f"{_label(pointer)}: JSON has no number {value}")
        for key, child in children:
            if len(pointer) == MAX_DEPTH:
                message = f"nested more than {MAX_DEPTH} deep: split it into several workflows"
                yield Finding(pointer=pointer, message=message)
                return
            if isinstance(value, dict) and not isinstance(key, str):
                message = f"the keys of a JSON object are strings, not {key!r}"
                yield Finding(pointer=pointer, message=message)
            else:
                waiting.append(((*pointer, key), child))


# --- shape ---------------------------------------------------------------------------


def shape_problems(model: type[BaseModel], document: object, *, called: str) -> list[Finding]:
    """What *model* has against *document*, in words; *called* is what the whole is called."""
    try:
        model.model_validate(document)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    else:
        return []
    # A union complains once for each of its members: one value, one finding.
    by_place: dict[tuple[Pointer, str | int | None], list[ErrorDetails]] = {}
    for error in errors:
        pointer = _pointer(error["loc"], document)
        if error["type"] == "union_tag_invalid":
            pointer = (*pointer, "Type")
        last = error["loc"][-1] if error["loc"] else None
        about = last if error["type"] == "missing" or last == "[key]" else None
        by_place.setdefault((pointer, about), []).append(error)
    return [
        Finding(pointer=pointer, message=_in_words(errors, pointer, document, (model, called)))
        for (pointer, _), errors in by_place.items()
    ]


def _pointer(location: tuple[str | int, ...], document: object) -> Pointer:
    """The steps of pydantic's *location* that are in *document*: some name types instead."""
    found: list[str | int] = []
    for step in location:
        if (isinstance(document, dict) and step in document) or (
            isinstance(document, list) and isinstance(step, int) and step < len(document)
        ):
            document = document[step]  # type: ignore[index]  # of its kind, as just seen
            found.append(step)
    return tuple(found)


def _in_words(
    errors: Sequence[ErrorDetails],
    pointer: Pointer,
    document: object,
    whole: tuple[type[BaseModel], str],
) -> str:
    first = errors[0]
    last = first["loc"][-1] if first["loc"] else ""
    match first["type"]:
        case "missing":
            return f"{_part(pointer, document, whole)[1]} needs {last}"
        case "extra_forbidden":
            model, called = _part(pointer[:-1], document, whole)
            return f"{called} has no field {last!r}{_rather(model, str(last))}"
        case "too_short":
            return f"{_label(pointer)} must not be empty"
        case "union_tag_not_found":
            return f"a state needs Type: one of {', '.join(STATE_TYPES)}"
        case "union_tag_invalid":
            name = str(first.get("ctx", {}).get("tag"))
            hint = did_you_mean(name, STATE_TYPES)
            return f"unknown state Type {name!r}{hint or ';'} (one of {', '.join(STATE_TYPES)})"
    if len(errors) > 1 and not str(first["input"]).startswith("{%"):
        errors = [each for each in errors if each["loc"][-1] != "constrained-str"]
    expected = [
        _EXPECTED.get(each["type"], each["msg"]).format(**_whole(each.get("ctx", {})))
        for each in errors
    ]
    label = "the name of a state" if last == "[key]" else _label(pointer)
    return f"{label} must be {' or '.join(expected)}, not {_shown(first['input'])}"


def _rather(model: type[BaseModel], field: str) -> str:
    """What to write instead of *field*, which *model* does not have."""
    owners = [kind for kind, each in STATE_TYPES.items() if field in _fields(each)]
    if owners and issubclass(model, State):
        return f": it belongs to {', '.join(owners)}"
    known = sorted(_fields(model))
    return did_you_mean(field, known) or f"; it may have {', '.join(known)}"


def _fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _whole(limits: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in limits.items()
    }


def _part(
    pointer: Pointer, document: object, whole: tuple[type[BaseModel], str]
) -> tuple[type[BaseModel], str]:
    """The model of what is at *pointer*, and what it is called."""
    value: Any = document
    for step in pointer:
        value = value[step]
    names = [step for step in pointer[-2:] if isinstance(step, str)]
    if names and names[-1] in _PARTS and pointer[-2:-1] != ("States",):
        return _PARTS[names[-1]]
    kind = value.get("Type") if isinstance(value, dict) else None
    if pointer and isinstance(kind, str) and kind in STATE_TYPES:
        return STATE_TYPES[kind], f"a {kind} state"
    return (ChoiceRule, "a choice rule") if "Choices" in pointer else whole


def _label(pointer: Pointer) -> str:
    for start in range(len(pointer) - 1, -1, -1):
        if isinstance(pointer[start], str):
            return f"{pointer[start]}{''.join(f'[{index}]' for index in pointer[start + 1 :])}"
    return "a definition"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object" if value else "an empty object"
        case list():
            return "a list" if value else "an empty list"
        case None:
            return "null"
        case bool():
            return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


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
        message = f"{operator} must be {called}, not {_shown(operand)}"
        yield place.finding(message, *steps, operator)


_RULE_FIELDS = _fields(ChoiceRule)
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
