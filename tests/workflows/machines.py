"""State machines and versions in memory, whose operations tests let fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.names import StateMachineArn, last_part
from aiowfm.ports import MachineVersion, StateMachine

ARN = "arn:aws:states:eu-central-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/workflows"


class Machines:
    """The ports `StateMachines` and `MachineVersions`.

    Attributes:
        refusals: What operations raise, by name, each once.
        called: The operations that were called.
        running: Versions on which something runs.
        before: Called before each operation, with its name: others may act then.
    """

    role_arn = ROLE

    def __init__(self) -> None:
        self.machines: dict[str, StateMachine] = {}
        self.published: dict[str, list[MachineVersion]] = {}
        self.refusals: dict[str, list[BackendError]] = {}
        self.called: list[str] = []
        self.running: set[str] = set()
        self.before: Any = lambda operation: None
        self.now = 1_800_000_000.0

    def _call(self, operation: str) -> None:
        self.before(operation)
        self.called.append(operation)
        if self.refusals.get(operation):
            raise self.refusals[operation].pop(0)

    async def arn(self, name: str) -> StateMachineArn:
        return StateMachineArn(f"{ARN}:stateMachine:{name}")

    async def find(self, name: str) -> StateMachine | None:
        self._call("find")
        return self.machines.get(name)

    async def create(
        self,
        name: str,
        definition: str,
        tags: Mapping[str, str],
        *,
        publish: bool,
        description: str = "",
    ) -> StateMachineArn:
        self._call("create")
        if name in self.machines:
            raise BackendError("CreateStateMachine", "StateMachineAlreadyExists", name)
        arn = await self.arn(name)
        self.machines[name] = StateMachine(
            arn=arn, definition=definition, tags=dict(tags), role_arn=ROLE
        )
        return self._publish(arn, description) if publish else arn

    async def update(
        self,
        arn: StateMachineArn,
        definition: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
    ) -> StateMachineArn:
        self._call("update")
        machine = self.machines[last_part(arn)]
        self.machines[last_part(arn)] = replace(
            machine, definition=definition, role_arn=ROLE, tags={**machine.tags, **tags}
        )
        return self._publish(arn, description)

    async def set_role(self, arn: StateMachineArn) -> None:
        self._call("set_role")
        self.machines[last_part(arn)] = replace(self.machines[last_part(arn)], role_arn=ROLE)

    async def tag(self, arn: StateMachineArn, tags: Mapping[str, str]) -> None:
        self._call("tag")
        machine = self.machines[last_part(arn)]
        self.machines[last_part(arn)] = replace(machine, tags={**machine.tags, **tags})

    async def newest_version(self, arn: StateMachineArn) -> StateMachineArn | None:
        versions = self.published.get(arn)
        return versions[0].arn if versions else None

    async def names(self, prefix: str) -> Sequence[str]:
        return [name for name in self.machines if name.startswith(prefix)]

    def _publish(self, arn: StateMachineArn, description: str) -> StateMachineArn:
        machine = self.machines[last_part(arn)]
        versions = self.published.setdefault(arn, [])
        number = int(last_part(versions[0].arn)) + 1 if versions else 1
        version = MachineVersion(
            arn=StateMachineArn(f"{arn}:{number}"),
            created_at=datetime.fromtimestamp(self.now, UTC),
            definition=machine.definition,
            role_arn=machine.role_arn,
            description=description,
        )
        versions.insert(0, version)
        return version.arn

    async def describe(self, version: StateMachineArn) -> MachineVersion:
        self._call("describe")
        for versions in self.published.values():
            for each in versions:
                if each.arn == version:
                    return each
        raise NotFoundError(version)

    async def all(self, machine: StateMachineArn) -> Sequence[MachineVersion]:
        self._call("all")
        return list(self.published.get(machine, ()))

    async def is_running(self, version: StateMachineArn) -> bool:
        self._call("is_running")
        return version in self.running

    async def delete(self, version: StateMachineArn) -> None:
        self._call("delete")
        for versions in self.published.values():
            versions[:] = [each for each in versions if each.arn != version]


def refused(code: str, kind: type[BackendError] = BackendError) -> BackendError:
    return kind("Operation", code, "no")


CONFLICT = "ConflictException", BackendUnavailableError
