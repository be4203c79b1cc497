"""What deploying would change, as values: made by comparing, carried out in a second step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiowfm.definitions import WorkflowDefinition
from aiowfm.errors import DefinitionChangedError, DefinitionError, Problem
from aiowfm.ports import MachineVersion, StateMachine


class Change(StrEnum):
    """What becomes of something that is deployed."""

    CREATE = "create"
    UPDATE = "update"
    REPAIR = "repair"  # its definition stays, and its role or its tags change
    NONE = "none"
    DIFFERS = "differs"  # and may not change
    FOREIGN = "foreign"  # another application's


REFUSED = frozenset({Change.DIFFERS, Change.FOREIGN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A state machine as it is.

    Attributes:
        version: The version published last, where its definition may change in place.
    """

    machine: StateMachine
    version: MachineVersion | None = None

    @property
    def definition(self) -> str:
        """States Language, as JSON text: of that what is started."""
        return (self.version and self.version.definition) or self.machine.definition

    @property
    def role_arn(self) -> str:
        """The role that executions will run as."""
        return self.version.role_arn if self.version else self.machine.role_arn


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChange:
    """What becomes of the state machine of one definition.

    Attributes:
        definition: The definition.
        name: The state machine.
        change: What is done.
        diff: From the deployed definition to the given one, a unified diff without what the
            compiler adds.
        role: The role that is replaced, and the one that takes its place; None: it stays.
        tags: Those that are added or get another value.
        problem: Why nothing may be done about it.
        note: What else there is to say.
        text: The definition to deploy, as JSON text.
        deployed: What is there now.
    """

    definition: WorkflowDefinition = field(repr=False)
    name: str
    change: Change
    diff: str = ""
    role: tuple[str, str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None
    note: str = ""
    text: str = field(default="", repr=False)
    deployed: Deployed | None = field(default=None, repr=False)

    def check(self) -> None:
        """See that it may be done.

        Raises:
            DefinitionChangedError: the definition differs and may not change.
            DefinitionError: the state machine is another application's.
        """
        if self.problem is not None:
            if self.change is Change.DIFFERS:
                raise DefinitionChangedError(self.problem, self.diff)
            raise DefinitionError([self.problem])


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """What becomes of an activity, a queue or a table.

    Attributes:
        kind: What it is, in words.
        name: Its name.
        change: `CREATE` or `NONE`.
    """

    kind: str
    name: str
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPlan:
    """All that deploying an application changes, and what it leaves as it is.

    Attributes:
        resources: Activities; queues and table, where a definition has callbacks.
        machines: One for each definition, in their order.
    """

    resources: tuple[ResourceChange, ...] = ()
    machines: tuple[MachineChange, ...] = ()

    def __iter__(self) -> Iterator[ResourceChange | MachineChange]:
        yield from self.resources
        yield from self.machines

    @property
    def has_changes(self) -> bool:
        """Whether carrying it out would change anything."""
        return any(each.change is not Change.NONE and each.change not in REFUSED for each in self)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why it cannot be carried out."""
        return tuple(each.problem for each in self.machines if each.problem is not None)

    def check(self) -> None:
        """See that it can be carried out.

        Raises:
            DefinitionChangedError: one definition differs and may not change.
            DefinitionError: there are other problems; all are reported.
        """
        refused = [each for each in self.machines if each.problem is not None]
        if len(refused) == 1:
            refused[0].check()
        if refused:
            raise DefinitionError(self.problems)
