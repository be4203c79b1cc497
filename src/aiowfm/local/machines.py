"""The state machines of the local backend: revisions, versions and what ARNs stand for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from aiowfm.asl.model import StateMachine as Definition
from aiowfm.local import definitions
from aiowfm.local.aliases import Alias, Route
from aiowfm.local.arns import Arns, checked_arn, without_label
from aiowfm.local.errors import ServiceError
from aiowfm.local.storage.store import Store, numbered
from aiowfm.names import StateMachineArn

_MACHINE, REVISION = "machine", "revision"  # kinds of documents
INITIAL = "INITIAL"  # what PublishStateMachineVersion calls the revision of a new machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What of a machine can be changed, as the API has it."""

    text: str
    role_arn: str
    logging: Mapping[str, object] = field(default_factory=dict)
    tracing: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Revision:
    """What a machine was from one change to the next.

    Attributes:
        number: Its place among the revisions of all machines.
        id: None for what it was created as.
    """

    number: int
    type: str
    settings: Settings
    updated_at: float
    id: str | None = None
    parsed: Definition | None = None

    @property
    def definition(self) -> Definition:
        """The definition, parsed when it is first needed."""
        if self.parsed is None:
            self.parsed = definitions.accepted(self.settings.text, self.type)
        return self.parsed

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
        id: Its place among all machines; one that is made again under its name has another.
        newest_version: The highest number that was ever published; none is used twice.
        is_deleting: Whether it goes when the last of its executions has ended.
    """

    id: int
    name: str
    arn: StateMachineArn
    type: str
    revision: Revision
    created_at: float
    tags: dict[str, str]
    versions: dict[int, Version] = field(default_factory=dict)
    newest_version: int = 0
    aliases: dict[str, Alias] = field(default_factory=dict)
    is_deleting: bool = False
    is_deleted: bool = False

    @property
    def is_express(self) -> bool:
        return self.type == "EXPRESS"

    @property
    def status(self) -> str:
        """As DescribeStateMachine gives it."""
        return "DELETING" if self.is_deleting else "ACTIVE"

    def check(self) -> None:
        """See that something may begin on it, or be changed about it.

        Raises:
            ServiceError: StateMachineDeleting.
        """
        if self.is_deleting:
            message = f"State Machine is being deleted: '{self.arn}'"
            raise ServiceError("StateMachineDeleting", message)

    def version_arn(self, number: int) -> StateMachineArn:
        return StateMachineArn(f"{self.arn}:{number}")

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

    def __init__(self, arns: Arns, store: Store) -> None:
        self._arns = arns
        self._store = store
        self._machines: dict[str, Machine] = {}
        self._by_id: dict[int, Machine] = {}
        self._revisions: WeakValueDictionary[int, Revision] = WeakValueDictionary()
        self._newest_id = self._newest_revision = 0
        self._random = Random()

    async def load(self) -> None:
        """Read what the store has."""
        self._newest_revision = await self._store.largest(REVISION)
        for _, text in await self._store.documents(_MACHINE):
            document = json.loads(text)
            versions = [
                Version(number, await self.revision(revision), description, created_at)
                for number, revision, description, created_at in document.pop("versions")
            ]
            aliases = [_alias(each) for each in document.pop("aliases")]
            machine = Machine(
                revision=await self.revision(document.pop("revision")),
                versions={version.number: version for version in versions},
                aliases={alias.name: alias for alias in aliases},
                **document,
            )
            self._by_id[machine.id] = machine
            self._newest_id = max(self._newest_id, machine.id)
            if not machine.is_deleted:
                self._machines[machine.name] = machine

    def save(self, machine: Machine) -> None:
        """Keep *machine* as it is now, unless it was forgotten meanwhile."""
        if self._by_id.get(machine.id) is not machine:
            return
        versions = [
            (version.number, version.revision.number, version.description, version.created_at)
            for version in machine.versions.values()
        ]
        document = {
            "id": machine.id,
            "name": machine.name,
            "arn": machine.arn,
            "type": machine.type,
            "revision": machine.revision.number,
            "created_at": machine.created_at,
            "tags": machine.tags,
            "versions": versions,
            "newest_version": machine.newest_version,
            "aliases": [asdict(alias) for alias in machine.aliases.values()],
            "is_deleting": machine.is_deleting,
            "is_deleted": machine.is_deleted,
        }
        self._store.put(_MACHINE, numbered(machine.id), json.dumps(document))

    def by_id(self, id: int) -> Machine:
        """The machine of this number, deleted or not."""
        return self._by_id[id]

    async def revision(self, number: int) -> Revision:
        """The revision of this number, of whichever machine."""
        revision = self._revisions.get(number)
        if revision is None:
            text = await self._store.document(REVISION, numbered(number))
            assert text is not None
            document = json.loads(text)
            settings = Settings(**document.pop("settings"))
            revision = Revision(number=number, settings=settings, **document)
            self._revisions[number] = revision
        return revision

    def arn(self, name: str) -> StateMachineArn:
        return self._arns.state_machine(name)

    def names(self) -> list[str]:
        return sorted(self._machines)

    def all(self) -> list[Machine]:
        """All that are not deleted."""
        return list(self._machines.values())

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

    def active(self, arn: str) -> Target:
        """What *arn* stands for, where something may begin on it.

        Raises:
            ServiceError: as `target`, and StateMachineDeleting.
        """
        target = self.target(arn)
        target.machine.check()
        return target

    def target(self, arn: str) -> Target:
        """What *arn* stands for; of an alias, one of its versions as the weights have it.

        Raises:
            ServiceError: InvalidArn, StateMachineDoesNotExist, ValidationException.
        """
        name, _, qualifier = (
            without_label(checked_arn(arn, "stateMachine"))
            .partition(":stateMachine:")[2]
            .partition(":")
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
            revision = self._revision(settings, type, definition, now)
            self._newest_id += 1
            machine = Machine(
                self._newest_id, name, self.arn(name), type, revision, now, dict(tags)
            )
            self._machines[name] = self._by_id[machine.id] = machine
            self.save(machine)
            return machine
        machine.check()
        if _identity(machine.type, machine.revision.settings) != _identity(type, settings):
            message = f"State Machine Already Exists: '{machine.arn}'"
            raise ServiceError("StateMachineAlreadyExists", message)
        return machine

    def change(
        self, machine: Machine, settings: Settings, definition: Definition, now: float
    ) -> None:
        """Begin a new revision, if anything differs."""
        if settings != machine.revision.settings:
            machine.revision = self._revision(
                settings, machine.type, definition, now, str(uuid.uuid4())
            )
            self.save(machine)

    def remove(self, name: str) -> Machine | None:
        machine = self._machines.pop(name, None)
        if machine is not None:
            machine.is_deleted = True
            self.save(machine)
        return machine

    def deleted(self) -> set[int]:
        """The numbers of the machines that were deleted and are still known."""
        return {machine.id for machine in self._by_id.values() if machine.is_deleted}

    def revisions(self, *, without: Collection[int] = ()) -> set[int]:
        """The numbers of the revisions that machines have, those of *without* left out."""
        return {
            revision.number
            for machine in self._by_id.values()
            if machine.id not in without
            for revision in (
                machine.revision,
                *(version.revision for version in machine.versions.values()),
            )
        }

    def forget(self, machines: Iterable[int]) -> None:
        """Let go of deleted machines, which nothing refers to any more."""
        for id in machines:
            del self._by_id[id]
            self._store.put(_MACHINE, numbered(id), None)

    def forget_revisions(self, revisions: Iterable[int]) -> None:
        """Let go of revisions that nothing refers to any more."""
        for number in revisions:
            self._store.put(REVISION, numbered(number), None)

    def _revision(
        self,
        settings: Settings,
        type: str,
        definition: Definition,
        now: float,
        id: str | None = None,
    ) -> Revision:
        self._newest_revision += 1
        revision = Revision(self._newest_revision, type, settings, now, id, definition)
        self._revisions[revision.number] = revision
        document = {
            "type": type,
            "settings": asdict(settings),
            "updated_at": now,
            "id": id,
        }
        self._store.put(REVISION, numbered(revision.number), json.dumps(document))
        return revision


def _alias(document: dict[str, Any]) -> Alias:
    routes = tuple(Route(**route) for route in document.pop("routes"))
    return Alias(routes=routes, **document)


def missing(arn: str) -> ServiceError:
    """What AWS says of a state machine that does not exist."""
    return ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def _identity(type: str, settings: Settings) -> tuple[object, ...]:
    # CreateStateMachine compares these, and neither role nor tags.
    return type, settings.text, settings.logging, settings.tracing
