"""The state machines of the local backend: definitions, versions and tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiowfm.asl import rules
from aiowfm.asl.model import StateMachine as Definition
from aiowfm.local.errors import ServiceError
from aiowfm.names import StateMachineArn

MAX_DEFINITION_BYTES = 1_048_576  # UTF-8; CreateStateMachine.definition


@dataclass(frozen=True, slots=True)
class Revision:
    """What a machine was at one time."""

    text: str
    definition: Definition
    role_arn: str


@dataclass(slots=True)
class Machine:
    """A state machine.

    Attributes:
        versions: The published revisions by number.
    """

    name: str
    arn: StateMachineArn
    revision: Revision
    created_at: float
    tags: dict[str, str]
    versions: dict[int, Revision] = field(default_factory=dict)

    @property
    def newest_version(self) -> int:
        return max(self.versions, default=0)

    def published(self) -> StateMachineArn:
        """The ARN of a version that is the present revision, new only if it changed."""
        newest = self.newest_version
        if self.versions.get(newest) != self.revision:
            newest += 1
            self.versions[newest] = self.revision
        return StateMachineArn(f"{self.arn}:{newest}")


class Machines:
    """All state machines, by name."""

    def __init__(self, arn_prefix: str) -> None:
        self._arn_prefix = arn_prefix
        self._machines: dict[str, Machine] = {}

    def arn(self, name: str) -> StateMachineArn:
        return StateMachineArn(f"{self._arn_prefix}:stateMachine:{name}")

    def names(self) -> list[str]:
        return sorted(self._machines)

    def get(self, arn: str) -> Machine:
        """The machine of this ARN, or of this version's ARN."""
        return self.resolve(arn)[0]

    def resolve(self, arn: str) -> tuple[Machine, Revision]:
        """The machine, and the revision of it, that *arn* stands for."""
        name, _, version = arn.removeprefix(self.arn("")).partition(":")
        machine = self._machines.get(name)
        if machine is not None and arn.startswith(self.arn("")):
            if not version:
                return machine, machine.revision
            if version.isdecimal() and int(version) in machine.versions:
                return machine, machine.versions[int(version)]
        raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")

    def create(
        self, name: str, text: str, role_arn: str, tags: Mapping[str, str], now: float
    ) -> Machine:
        """Make a machine; making it again with the same definition and role gives it back."""
        revision = Revision(text, _parsed(text), role_arn)
        existing = self._machines.get(name)
        if existing is not None:
            if existing.revision.text == text:
                return existing
            raise ServiceError(
                "StateMachineAlreadyExists", f"State Machine Already Exists: '{existing.arn}'"
            )
        machine = Machine(name, self.arn(name), revision, now, dict(tags))
        self._machines[name] = machine
        return machine

    def update(self, arn: str, text: str, role_arn: str) -> Machine:
        machine = self.get(arn)
        machine.revision = Revision(text, _parsed(text), role_arn)
        return machine


def _parsed(text: str) -> Definition:
    if len(text.encode()) > MAX_DEFINITION_BYTES:
        raise ServiceError(
            "InvalidDefinition", f"the definition exceeds {MAX_DEFINITION_BYTES} bytes"
        )
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise ServiceError("InvalidDefinition", f"the definition is not JSON: {exc}") from exc
    errors = [finding for finding in rules.problems(document) if finding.severity == "error"]
    if errors:
        listed = "; ".join(
            f"{finding.message} at /{'/'.join(map(str, finding.pointer))}" for finding in errors
        )
        raise ServiceError("InvalidDefinition", f"Invalid State Machine Definition: {listed}")
    return Definition.model_validate(document)
