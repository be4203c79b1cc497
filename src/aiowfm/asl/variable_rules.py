"""What is wrong with variables: their names, and which scope assigns them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from aiowfm.asl.findings import Finding, Pointer
from aiowfm.asl.places import Place

MAX_NAME_LENGTH = 80  # developer guide, "Variable name syntax"
_RESERVED = "states"
_NOTHING: Mapping[str, Pointer] = MappingProxyType({})


def variable_problems(place: Place, outer: Mapping[str, Pointer] = _NOTHING) -> Iterator[Finding]:
    """What is wrong with what a state assigns.

    Args:
        place: The state.
        outer: The variables that the scopes around the state's assign, and where.
    """
    for steps, name in assigned(place):
        problem = _name_problem(name)
        if problem is None and name in outer:
            first = "/".join(map(str, ("", *outer[name])))
            problem = (
                f"{name!r} is assigned outside of this Map or Parallel, too, by {first}: rename one"
            )
        if problem:
            yield place.finding(f"Assign: {problem}", *steps)


def assigned(place: Place) -> Iterator[tuple[Pointer, str]]:
    """The variables that a state assigns, and the steps from it to where."""
    for steps, part in place.parts():
        variables = part.get("Assign")
        if isinstance(variables, dict):
            for field in variables:
                name = field if place.language == "JSONata" else field.removesuffix(".$")
                yield (*steps, "Assign", field), name


def _name_problem(name: str) -> str | None:
    if name == _RESERVED:
        return f"the variable {name!r} is reserved: choose another name"
    if len(name) > MAX_NAME_LENGTH:
        return f"the name of a variable has at most {MAX_NAME_LENGTH} characters, not {len(name)}"
    if not name.isidentifier():
        return (
            f"{name!r} is no name of a variable: the first character must be a letter,"
            " the others letters, digits or '_'"
        )
    return None
