"""States that are added in front of a state machine, to take apart what executions are given."""

from __future__ import annotations

from typing import Any

from aiowfm.asl.rules import scopes


def beginning_with(machine: dict[str, Any], name: str, state: dict[str, Any]) -> dict[str, Any]:
    """*machine* with *state* before its first, as *name* or the like if that is taken."""
    names = {each for scope in scopes(machine) for each in scope.states()}
    while name in names:
        name += "!"
    first = {name: state | {"Next": machine["StartAt"]}}
    return machine | {"StartAt": name, "States": first | machine["States"]}
