"""State machines that begin in the midst of a definition.

Their first state is an added Pass. The input of their executions is

    {"aiowfm": {"retry_for": ID, "variables": {NAME: VALUE}}, "input": INPUT}

of which it hands on the input, and assigns the variables that the machine reads before it
assigns them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import PrivateAttr

from aiowfm.asl.liveness import live_variables
from aiowfm.asl.payload import JsonValue
from aiowfm.definitions.added import beginning_with
from aiowfm.definitions.compiler import starting_at
from aiowfm.definitions.definition import WorkflowDefinition
from aiowfm.definitions.envelope import INPUT, KEY

RETRY_FOR = "retry_for"
VARIABLES = "variables"
ADDED_STATE = "aiowfm resume"


class ResumedDefinition(WorkflowDefinition):
    """A definition that begins at another state; what `start_at` is, names its machine."""

    _start_at: str = PrivateAttr(default="")
    _variables: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def start_at(self) -> str:
        """The state that executions resume at, after the one that was added."""
        return self._start_at

    @property
    def variables(self) -> frozenset[str]:
        """The variables that must be given."""
        return self._variables


class ResumedInput(NamedTuple):
    """The input of an execution that resumes another.

    Attributes:
        retry_for: The id of the other.
    """

    retry_for: str
    input: JsonValue


def resumed(definition: WorkflowDefinition, start_at: str) -> ResumedDefinition:
    """*definition*, to begin at its state *start_at*, which is not its first.

    Raises:
        DefinitionError: there is no such state at its outermost level.
    """
    machine = starting_at(definition, start_at)
    variables = live_variables(machine)
    is_jsonata = machine.get("QueryLanguage", "JSONPath") == "JSONata"
    first = _added(sorted(variables), is_jsonata=is_jsonata)
    made = ResumedDefinition(
        name=definition.name,
        version=definition.version,
        default_tags=definition.default_tags,
        state_machine=beginning_with(machine, ADDED_STATE, first),
        envelope=definition.envelope,
    )
    made._start_at = start_at
    made._variables = variables
    return made


def resumed_input(
    retry_for: str, variables: Mapping[str, object], input: object
) -> dict[str, object]:
    """What an execution of a `ResumedDefinition` is given."""
    return {KEY: {RETRY_FOR: retry_for, VARIABLES: dict(variables)}, INPUT: input}


def read_resumed_input(value: JsonValue) -> ResumedInput | None:
    """The parts of what `resumed_input` made, or None if *value* was not made by it."""
    if not isinstance(value, dict) or value.keys() != {KEY, INPUT}:
        return None
    facts = value[KEY]
    if not isinstance(facts, dict) or facts.keys() != {RETRY_FOR, VARIABLES}:
        return None
    retry_for = facts[RETRY_FOR]
    return ResumedInput(retry_for, value[INPUT]) if isinstance(retry_for, str) else None


def _added(variables: list[str], *, is_jsonata: bool) -> dict[str, Any]:
    path = f"{KEY}.{VARIABLES}"
    state: dict[str, Any] = {"Type": "Pass"}
    if is_jsonata:
        assign = {name: f"{{% $states.input.{path}.{name} %}}" for name in variables}
        state["Output"] = f"{{% $states.input.{INPUT} %}}"
    else:
        assign = {f"{name}.$": f"$.{path}.{name}" for name in variables}
        state["OutputPath"] = f"$.{INPUT}"
    return state | {"Assign": assign} if assign else state
