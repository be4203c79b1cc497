"""The state machines of the local backend: revisions, versions and what ARNs stand for."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from aiowfm.asl.model import StateMachine as Definition
from aiowfm.local.aliases import Alias
from aiowfm.local.arns import Arns, checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.names import StateMachineArn

INITIAL = "INITIAL"  # what PublishStateMachineVersion calls the revision of a new machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of a machine can be changed, as the API has it."""

    text: str
    role_arn: str
    logging: Mapping[str, object] = field(default_factory=dict)
    tracing: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """What a machine was from one change to the next.

    Attributes:
        id: None for what it was created as.
    """

    settings: Settings
    definition: Definition
    updated_at: float
    id: str | None = None

    @property
    def text(self) -> str:
        return self.settings.text

    @property
    def role_arn(self) -> str:
        return self.settings.role_arn


@dataclass(frozen=True, slots=True)
class Version:
    """A revision under a number that stays."""

    number: int
    revision: Revision
    description: str | None
    created_at: float


@dataclass(slots=True, eq=False)
class Machine:
    """A state machine.

    Attributes:
        newest_version: The highest number that was ever published; none is used twice.
    """

    name: str
    arn: StateMachineArn
    type: str
    revision: Revision
    created_at: float
    tags: dict[str, str]
    versions: dict[int, Version] = field(default_factory=dict)
    newest_version: int = 0
    aliases: dict[str, Alias] = field(default_factory=dict)

    @property
    def is_express(self) -> bool:
        return self.type == "EXPRESS"

    def version_arn(self, number: int) -> StateMachineArn:
        return StateMachineArn(f"{self.arn}:{number}")

    def change(self, settings: Settings, definition: Definition, now: float) -> None:
        """Begin a new revision, if anything differs."""
        if settings != self.revision.settings:
            self.revision = Revision(settings, definition, now, str(uuid.uuid4()))

    def publish(self, now: float, description: str | None = None) -> Version:
        """The version that is the present revision, made if there is none."""
        for version in self.versions.values():
            if version.revision is self.revision:
                return version
        self.newest_version += 1
        version = Version(self.newest_version, self.revision, description, now)
        self.versions[version.number] = version
        return version


class Target(NamedTuple):
    """What an ARN of a machine, a version or an alias stands for.

    Attributes:
        version: None where the ARN is the machine's own.
        alias: The alias, where the ARN is one's.
    """

    machine: Machine
    revision: Revision
    version: Version | None = None
    alias: Alias | None = None


class Machines:
    """All state machines, by name."""

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self._machines: dict[str, Machine] = {}
        self._random = Random()

    def arn(self, name: str) -> StateMachineArn:
        return self._arns.state_machine(name)

    def names(self) -> list[str]:
        return sorted(self._machines)

    def find(self, name: str) -> Machine | None:
        return self._machines.get(name)

    def get(self, arn: str) -> Machine:
        """The machine of this ARN, or of this version's or alias's ARN."""
        return self.target(arn).machine

    def own(self, arn: str) -> Machine:
        """The machine of this ARN, which must be its own."""
        target = self.target(arn)
        if target.version is not None:
            raise missing(arn)
        return target.machine

    def target(self, arn: str) -> Target:
        """What *arn* stands for; of an alias, one of its versions as the weights have it.

        Raises:
            ServiceError: InvalidArn, StateMachineDoesNotExist.
        """
        name, _, qualifier = (
            checked_arn(arn, "stateMachine").partition(":stateMachine:")[2].partition(":")
        )
        machine = self._machines.get(name)
        if machine is None or not arn.startswith(machine.arn):
            raise missing(arn)
        if not qualifier:
            return Target(machine, machine.revision)
        alias = machine.aliases.get(qualifier)
        if alias is not None:
            qualifier = alias.routed(self._random).rpartition(":")[2]
        version = machine.versions.get(int(qualifier)) if qualifier.isdecimal() else None
        if version is None:
            raise missing(arn)
        return Target(machine, version.revision, version, alias)

    def add(
        self,
        name: str,
        type: str,
        settings: Settings,
        definition: Definition,
        tags: Mapping[str, str],
        now: float,
    ) -> Machine:
        """Make a machine; making it again with the same settings gives it back."""
        machine = self._machines.get(name)
        if machine is None:
            revision = Revision(settings, definition, now)
            machine = Machine(name, self.arn(name), type, revision, now, dict(tags))
            self._machines[name] = machine
        elif _identity(machine.type, machine.revision.settings) != _identity(type, settings):
            message = f"State Machine Already Exists: '{machine.arn}'"
            raise ServiceError("StateMachineAlreadyExists", message)
        return machine

    def remove(self, name: str) -> Machine | None:
        return self._machines.pop(name, None)


def missing(arn: str) -> ServiceError:
    """What AWS says of a state machine that does not exist."""
    return ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def _identity(type: str, settings: Settings) -> tuple[object, ...]:
    # CreateStateMachine compares these, and neither role nor tags.
    return type, settings.text, settings.logging, settings.tracing
