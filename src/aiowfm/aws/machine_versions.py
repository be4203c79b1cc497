"""Published versions of state machines: showing and deleting them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from aiowfm.aws.errors import translated
from aiowfm.aws.instants import instant
from aiowfm.aws.pages import pages
from aiowfm.names import StateMachineArn, unqualified
from aiowfm.ports import MachineVersion

log = logging.getLogger("aiowfm.aws")

PAGE_SIZE = 1_000  # as many as a state machine may have


class AwsMachineVersions:
    """See `aiowfm.ports.MachineVersions`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def describe(self, version: StateMachineArn) -> MachineVersion:
        with translated("DescribeStateMachine"):
            answer = await self._client.describe_state_machine(stateMachineArn=version)
            return MachineVersion(
                arn=version,
                created_at=instant(answer["creationDate"]),
                definition=answer["definition"],
                role_arn=answer.get("roleArn", ""),
                description=answer.get("description", ""),
            )

    async def all(self, machine: StateMachineArn) -> Sequence[MachineVersion]:
        listing = pages(
            "ListStateMachineVersions",
            self._client.list_state_machine_versions,
            stateMachineArn=unqualified(machine),
            maxResults=PAGE_SIZE,
        )
        return [
            MachineVersion(
                arn=StateMachineArn(each["stateMachineVersionArn"]),
                created_at=instant(each["creationDate"]),
            )
            async for page in listing
            for each in page["stateMachineVersions"]
        ]

    async def is_running(self, version: StateMachineArn) -> bool:
        with translated("ListExecutions"):
            answer = await self._client.list_executions(
                stateMachineArn=version, statusFilter="RUNNING", maxResults=1
            )
            # A page may be empty and yet have a next one.
            return bool(answer["executions"] or answer.get("nextToken"))

    async def delete(self, version: StateMachineArn) -> None:
        with translated("DeleteStateMachineVersion"):
            await self._client.delete_state_machine_version(stateMachineVersionArn=version)
        log.info("deleted %s", version)
