"""An interpreter that tells how a state was visited."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.errors import Failure
from aiowfm.asl.frames import Branch, Visit
from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.interpreter import Interpreter
from aiowfm.asl.payload import JsonValue, Payload
from aiowfm.local.trials.subject import Subject


class Probe(Interpreter):
    """The execution of a machine with one state that matters.

    Attributes:
        subject: What is tried.
        visit: The stay in the state.
        variables: Those assigned now.
        left_with: The output of the state, once it has been left.
        next_state: Where it led, if anywhere.
    """

    def __init__(
        self,
        subject: Subject,
        facts: ExecutionFacts,
        refuses: Callable[[str], str | None],
    ) -> None:
        # What is evaluated again for the inspection is to come out the same.
        seed = random.random()
        super().__init__(subject.machine, facts, random=lambda event_id: seed, refuses=refuses)
        self.subject = subject
        self.visit: Visit | None = None
        self.variables: Mapping[str, JsonValue] = {}
        self.left_with: Payload | None = None
        self.next_state: str | None = None

    def record(
        self,
        branch: Branch,
        type: str,
        details: Mapping[str, object] | None = None,
        *,
        memo: object = None,
        after: int | None = None,
    ) -> HistoryEvent:
        event = super().record(branch, type, details, memo=memo, after=after)
        if type == "ExecutionStarted":
            branch.variables.update(self.subject.variables)
            self.variables = branch.variables
        elif event.details.get("name") == self.subject.name:
            if type.endswith("StateEntered"):
                self.visit = branch.visit
            elif type.endswith("StateExited"):
                output = event.details["output"]
                assert isinstance(output, Payload)
                self.left_with = output
                self.next_state = branch.next
        return event

    @property
    def is_over(self) -> bool:
        """Whether the trial has nothing more to tell."""
        return self.left_with is not None or self.is_retriable or self.status != "RUNNING"

    @property
    def is_retriable(self) -> bool:
        """Whether the state waits to be tried again."""
        return self.visit is not None and self.visit.failure is not None and self.visit.has_timer

    @property
    def failed_with(self) -> Failure | None:
        """Why the state failed, whatever would follow."""
        return self.failure or (self.visit.failure if self.visit else None)
