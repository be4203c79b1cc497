"""The ports for state machines and their versions, on the service of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aiowfm.local.errors import ServiceError, translated
from aiowfm.local.machines import Version
from aiowfm.local.service import Service
from aiowfm.names import StateMachineArn
from aiowfm.ports import MachineVersion, StateMachine


class LocalStateMachines:
    """State machines by name."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def role_arn(self) -> str:
        return self._service.role_arn

    async def arn(self, name: str) -> StateMachineArn:
        return self._service.machines.arn(name)

    async def find(self, name: str) -> StateMachine | None:
        try:
            machine = self._service.describe_state_machine(self._service.machines.arn(name))
        except ServiceError:
            return None
        return StateMachine(
            arn=machine.arn,
            definition=machine.revision.text,
            tags=dict(machine.tags),
            role_arn=machine.revision.role_arn,
        )

    async def create(
        self,
        name: str,
        definition: str,
        tags: Mapping[str, str],
        *,
        publish: bool,
        description: str = "",
    ) -> StateMachineArn:
        with translated("CreateStateMachine"):
            return await self._service.create_state_machine(
                name, definition, self.role_arn, tags, publish=publish, description=description
            )

    async def update(
        self,
        arn: StateMachineArn,
        definition: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
    ) -> StateMachineArn:
        with translated("UpdateStateMachine"):
            version = await self._service.update_state_machine(
                arn, definition, self.role_arn, publish=True, description=description
            )
            await self._service.tag_resource(arn, tags)
            return version

    async def set_role(self, arn: StateMachineArn) -> None:
        with translated("UpdateStateMachine"):
            await self._service.call(
                "UpdateStateMachine", {"stateMachineArn": arn, "roleArn": self.role_arn}
            )

    async def tag(self, arn: StateMachineArn, tags: Mapping[str, str]) -> None:
        with translated("TagResource"):
            await self._service.tag_resource(arn, tags)

    async def newest_version(self, arn: StateMachineArn) -> StateMachineArn | None:
        with translated("ListStateMachineVersions"):
            machine = self._service.describe_state_machine(arn)
        return machine.version_arn(max(machine.versions)) if machine.versions else None

    async def names(self, prefix: str) -> Sequence[str]:
        return [name for name in self._service.machines.names() if name.startswith(prefix)]


class LocalMachineVersions:
    """Versions by ARN."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def describe(self, version: StateMachineArn) -> MachineVersion:
        with translated("DescribeStateMachine"):
            found = self._service.machines.target(version).version
        assert found is not None
        return MachineVersion(
            arn=version,
            created_at=_created_at(found),
            definition=found.revision.text,
            role_arn=found.revision.role_arn,
            description=found.description or "",
        )

    async def all(self, machine: StateMachineArn) -> Sequence[MachineVersion]:
        with translated("ListStateMachineVersions"):
            found = self._service.describe_state_machine(machine)
        return [
            MachineVersion(arn=found.version_arn(number), created_at=_created_at(version))
            for number, version in sorted(found.versions.items(), reverse=True)
        ]

    async def is_running(self, version: StateMachineArn) -> bool:
        running = {"stateMachineArn": version, "statusFilter": "RUNNING", "maxResults": 1}
        with translated("ListExecutions"):
            answer = await self._service.call("ListExecutions", running)
        return bool(answer["executions"])

    async def delete(self, version: StateMachineArn) -> None:
        with translated("DeleteStateMachineVersion"):
            await self._service.call(
                "DeleteStateMachineVersion", {"stateMachineVersionArn": version}
            )


def _created_at(version: Version) -> datetime:
    return datetime.fromtimestamp(version.created_at, UTC)
