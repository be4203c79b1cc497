"""The context object, `$$`: what a state can learn of its execution and of itself."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiowfm.asl import timestamps
from aiowfm.asl.payload import JsonValue, Pair, Payload

if TYPE_CHECKING:
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFacts:
    """Who an execution is."""

    execution_arn: str
    execution_name: str
    role_arn: str
    state_machine_arn: str
    state_machine_name: str


class VisitScope:
    """What the JSONPath expressions of a visited state can see.

    Attributes:
        input: What `$` stands for.
    """

    __slots__ = ("_context", "_entropy", "_item", "_run", "_visit", "input")

    def __init__(
        self,
        run: Interpreter,
        visit: Visit,
        payload: Payload | None = None,
        item: tuple[int, JsonValue] | None = None,
    ) -> None:
        """Make the scope of *visit*.

        Args:
            run: The execution.
            visit: The stay in the state.
            payload: What `$` stands for; the state's input unless given.
            item: Index and value of the Map item that is being selected from.
        """
        self.input: JsonValue = (visit.input if payload is None else payload).value
        self._run = run
        self._visit = visit
        self._item = item
        self._context: JsonValue = None
        self._entropy: random.Random | None = None

    @property
    def context(self) -> JsonValue:
        """The context object, made when something first looks at it."""
        if self._context is None:
            self._context = context_object(self._run, self._visit, self._item)
        return self._context

    @property
    def variables(self) -> Mapping[str, JsonValue]:
        return self._visit.branch.variables

    def entropy(self) -> random.Random:
        """Random numbers, the same ones if this is evaluated again."""
        if self._entropy is None:
            self._entropy = self._run.entropy()
        return self._entropy

    def spend(self, effort: int) -> None:
        self._run.effort += effort


def context_object(
    run: Interpreter, visit: Visit, item: tuple[int, JsonValue] | None = None
) -> JsonValue:
    """The context object (States Language, "The Context Object") in a visited state."""
    state: dict[str, JsonValue] = {
        "Name": visit.name,
        "EnteredTime": timestamps.format(visit.entered_at),
    }
    if visit.can_retry:
        state["RetryCount"] = visit.retry_count
    if run.execution_context is None:
        run.execution_context = _of_execution(run)
    context: dict[str, JsonValue] = {**run.execution_context, "State": state}
    if visit.has_token:
        context["Task"] = {"Token": run.token_of(visit)}
    if item is not None:
        # Where ItemSelector looks; the context object of the states below lacks it.
        context["Map"] = {"Item": {**_of_item(*item), "Source": "STATE_DATA"}}
    elif (enclosing := run.enclosing_item(visit.branch)) is not None:
        context["Map"] = {"Item": _of_item(*enclosing)}
    return context


def _of_item(index: int, value: JsonValue) -> dict[str, JsonValue]:
    if isinstance(value, Pair):
        return {"Index": index, **value}
    return {"Index": index, "Value": value}


def _of_execution(run: Interpreter) -> dict[str, JsonValue]:
    """What of the context object is the same in all states."""
    execution: dict[str, JsonValue] = {
        "Id": run.facts.execution_arn,
        "Input": run.input.value,
        "StartTime": timestamps.format(run.started_at),
        "Name": run.facts.execution_name,
        "RoleArn": run.facts.role_arn,
    }
    if ":express:" not in run.facts.execution_arn:
        execution["RedriveCount"] = run.redrive_count
    return {
        "Execution": execution,
        "StateMachine": {"Id": run.facts.state_machine_arn, "Name": run.facts.state_machine_name},
    }
