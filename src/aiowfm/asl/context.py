"""The context object, `$$`: what a state can learn of its execution and of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiowfm.asl import timestamps
from aiowfm.asl.payload import JsonValue

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


@dataclass(slots=True)
class VisitScope:
    """What the expressions of a visited state can see.

    Attributes:
        run: The execution.
        visit: The stay in the state.
        input: What `$` stands for.
        item: Index and value of the Map item that is being selected from.
    """

    run: Interpreter
    visit: Visit
    input: JsonValue
    item: tuple[int, JsonValue] | None = None
    _context: JsonValue = None

    @property
    def context(self) -> JsonValue:
        """The context object, made when something first looks at it."""
        if self._context is None:
            self._context = self._made_context()
        return self._context

    def _made_context(self) -> JsonValue:
        run, visit = self.run, self.visit
        state: dict[str, JsonValue] = {
            "Name": visit.name,
            "EnteredTime": timestamps.format(visit.entered_at),
        }
        if visit.can_retry:
            state["RetryCount"] = visit.retry_count
        context: dict[str, JsonValue] = {
            "Execution": {
                "Id": run.facts.execution_arn,
                "Input": run.input.value,
                "StartTime": timestamps.format(run.started_at),
                "Name": run.facts.execution_name,
                "RoleArn": run.facts.role_arn,
                "RedriveCount": 0,
            },
            "StateMachine": {
                "Id": run.facts.state_machine_arn,
                "Name": run.facts.state_machine_name,
            },
            "State": state,
        }
        item = self.item or run.enclosing_item(visit.branch)
        if item is not None:
            context["Map"] = {"Item": {"Index": item[0], "Value": item[1]}}
        return context
