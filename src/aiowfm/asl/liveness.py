"""Which variables must have a value where a machine starts: those read before it assigns them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiowfm.asl.places import Place, as_dict, as_list
from aiowfm.asl.references import references
from aiowfm.asl.rules import Scope, nested_machines
from aiowfm.asl.variable_rules import assigned


def live_variables(machine: dict[str, Any]) -> frozenset[str]:
    """The variables that an execution may read before a state of *machine* has assigned them.

    Args:
        machine: One in which `rules.problems` finds nothing but such variables.
    """
    language = str(machine.get("QueryLanguage", "JSONPath"))
    places = {str(place.pointer[-1]): place for place in _places(machine, language)}
    reads = {name: _reads(place, language) for name, place in places.items()}
    live = dict(reads)
    changes = True
    while changes:
        changes = False
        for name, place in places.items():
            after = [live.get(target, set()) - names for target, names in _ways(place)]
            found = reads[name].union(*after)
            changes = changes or found != live[name]
            live[name] = found
    return frozenset(live.get(str(machine.get("StartAt")), ()))


def _places(machine: dict[str, Any], language: str) -> Iterator[Place]:
    return Scope((), machine, language, False).places()


def _reads(place: Place, language: str) -> set[str]:
    """The variables that a state reads, those of its own parts left out."""
    found = set(references(place))
    for _, nested in nested_machines(place.state):
        inner, own = set[str](), set[str]()
        for part in _places(nested, language):
            inner |= _reads(part, language)
            own |= {name for _, name in assigned(part)}
        found |= inner - own
    return found


def _ways(place: Place) -> Iterator[tuple[str, set[str]]]:
    """Where a state can lead, each with the variables that are assigned on the way."""
    state = place.state
    for field in ("Catch", "Choices"):
        for part in map(as_dict, as_list(state.get(field))):
            yield str(part.get("Next")), _names(place, part)
    for field in ("Next", "Default"):
        if field in state:
            yield str(state[field]), _names(place, state)


def _names(place: Place, part: dict[str, Any]) -> set[str]:
    names = as_dict(part.get("Assign"))
    return {name if place.language == "JSONata" else name.removesuffix(".$") for name in names}
