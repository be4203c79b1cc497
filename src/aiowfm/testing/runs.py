"""A workflow together with the path it took, and what a test expects of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from aiowfm.asl.findings import did_you_mean
from aiowfm.errors import UsageError
from aiowfm.testing.paths import Path, Step
from aiowfm.workflows import Workflow, WorkflowStatus

_NESTING = ("Branches", "ItemProcessor", "Iterator")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun(Workflow):
    """A workflow, finished or not, and its path up to now.

    Attributes:
        path: The states it entered.
    """

    path: Path = field(repr=False)

    @classmethod
    def of(cls, workflow: Workflow, path: Path) -> Self:
        """*workflow* with its *path*."""
        facts = {each.name: getattr(workflow, each.name) for each in fields(Workflow)}
        return cls(**facts, path=path)

    def steps(self, state: str) -> tuple[Step, ...]:
        """The stays in *state*, which the definition must have."""
        self._check([state])
        return tuple(step for step in self.path.steps if step.state == state)

    def assert_succeeded(self, output: object = ...) -> None:
        """Check that it succeeded and, unless that is left out, with this *output*."""
        if self.status is not WorkflowStatus.SUCCEEDED:
            raise self._failure("it did not succeed")
        if output is not ... and self.output != output:
            raise self._failure(f"its output is {self.output!r}, not {output!r}")

    def assert_failed(self, error: str | None = None) -> None:
        """Check that it failed and, unless that is left out, with this *error*."""
        if self.status is not WorkflowStatus.FAILED:
            raise self._failure("it did not fail")
        if error is not None and self.error != error:
            raise self._failure(f"it failed with {self.error!r}, not {error!r}")

    def assert_visited(self, *states: str, times: int | None = None) -> None:
        """Check that each of *states* was entered; with *times*, exactly so often."""
        self._check(states)
        for state in states:
            count = self.path.states.count(state)
            if not count and times != 0:
                raise self._failure(f"state {state!r} was not visited")
            if times is not None and count != times:
                raise self._failure(f"state {state!r} was visited {_times(count)}, not {times}")

    def assert_not_visited(self, *states: str) -> None:
        """Check that none of *states* was entered."""
        self._check(states)
        for state in states:
            if state in self.path.states:
                raise self._failure(f"state {state!r} was visited")

    def assert_order(self, *states: str) -> None:
        """Check that *states* were entered one after the other; there may be more between."""
        self._check(states)
        rest = iter(self.path.states)
        for number, state in enumerate(states):
            if state not in rest:
                before = f" after {', '.join(map(repr, states[:number]))}" if number else ""
                raise self._failure(f"state {state!r} was not visited{before}")

    def assert_path(self, *states: str) -> None:
        """Check that *states* were entered in this order, and no others."""
        self._check(states)
        if self.path.states != states:
            raise self._failure(f"its path is not {' -> '.join(states)}")

    def __str__(self) -> str:
        """How it ended and, a line for each step, its path."""
        ended = self.status.value if self.error is None else f"{self.status.value}: {self.error}"
        cause = f"\n  {self.cause}" if self.cause else ""
        return f"The path of {self.id} ({ended}):\n{self.path}{cause}"

    def _failure(self, what: str) -> AssertionError:
        return AssertionError(f"{what}.\n{self}")

    def _check(self, states: list[str] | tuple[str, ...]) -> None:
        """See that *states* exist: what is misspelt was never visited, of course."""
        if self.definition is None:
            return
        known = states_of(self.definition.state_machine)
        for state in states:
            if state not in known:
                hint = did_you_mean(state, known)
                raise UsageError(f"the workflow {self.name!r} has no state {state!r}{hint}")


def states_of(machine: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """All states of a machine, those in Parallel and Map states too, by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, state in machine["States"].items():
        found[name] = state
        for key in _NESTING:
            inner = state.get(key, [])
            for each in inner if isinstance(inner, list) else [inner]:
                found |= states_of(each)
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
