"""State machines: making, changing and finding them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiowfm.aws.arns import Arns
from aiowfm.aws.errors import translated
from aiowfm.aws.pages import pages
from aiowfm.errors import BackendError, BackendUnavailableError, NotFoundError
from aiowfm.names import StateMachineArn, unqualified
from aiowfm.ports import StateMachine

log = logging.getLogger("aiowfm.aws")


class AwsStateMachines:
    """The state machines of the account; all that are made here run as one role."""

    def __init__(self, client: Any, arns: Arns, role_arn: str) -> None:
        self._client = client
        self._arns = arns
        self._role_arn = role_arn

    @property
    def role_arn(self) -> str:
        return self._role_arn

    async def arn(self, name: str) -> StateMachineArn:
        return StateMachineArn(await self._arns.make("stateMachine", name))

    async def find(self, name: str) -> StateMachine | None:
        arn = await self.arn(name)
        try:
            with translated("DescribeStateMachine"):
                answer = await self._client.describe_state_machine(stateMachineArn=arn)
                definition, role_arn = answer["definition"], answer.get("roleArn", "")
            tags = await self._tags(arn)
        except NotFoundError:
            return None
        return StateMachine(arn=arn, definition=definition, tags=tags, role_arn=role_arn)

    async def create(
        self,
        name: str,
        definition: str,
        tags: Mapping[str, str],
        *,
        publish: bool,
        description: str = "",
    ) -> StateMachineArn:
        try:
            with translated("CreateStateMachine"):
                answer = await self._client.create_state_machine(
                    name=name,
                    definition=definition,
                    roleArn=self._role_arn,
                    type="STANDARD",
                    tags=_tag_list(tags),
                    publish=publish,
                    **_described(description if publish else ""),
                )
                arn = StateMachineArn(answer["stateMachineArn"])
                version = answer["stateMachineVersionArn"] if publish else arn
                self._arns.learn(arn)
        except BackendError as exc:
            if exc.code != "StateMachineAlreadyExists":
                raise
            return await self._existing(
                name, definition, publish=publish, description=description, refusal=exc
            )
        log.info("created or found state machine %s", name)
        return StateMachineArn(version)

    async def update(
        self,
        arn: StateMachineArn,
        definition: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
    ) -> StateMachineArn:
        arn = unqualified(arn)
        with translated("UpdateStateMachine"):
            answer = await self._client.update_state_machine(
                stateMachineArn=arn,
                definition=definition,
                roleArn=self._role_arn,
                publish=True,
                **_described(description),
            )
            version = StateMachineArn(answer["stateMachineVersionArn"])
        # Tags last: they say which definition is deployed, and must not say so too early.
        present = await self._tags(arn)
        changed = {key: value for key, value in tags.items() if present.get(key) != value}
        if changed:
            await self.tag(arn, changed)
        log.info("published %s", version)
        return version

    async def set_role(self, arn: StateMachineArn) -> None:
        with translated("UpdateStateMachine"):
            await self._client.update_state_machine(
                stateMachineArn=unqualified(arn), roleArn=self._role_arn
            )
        log.info("set the role of %s to %s", arn, self._role_arn)

    async def tag(self, arn: StateMachineArn, tags: Mapping[str, str]) -> None:
        with translated("TagResource"):
            await self._client.tag_resource(resourceArn=unqualified(arn), tags=_tag_list(tags))

    async def newest_version(self, arn: StateMachineArn) -> StateMachineArn | None:
        with translated("ListStateMachineVersions"):
            answer = await self._client.list_state_machine_versions(
                stateMachineArn=unqualified(arn), maxResults=1
            )
            versions = answer["stateMachineVersions"]  # newest first
            return StateMachineArn(versions[0]["stateMachineVersionArn"]) if versions else None

    async def names(self, prefix: str) -> Sequence[str]:
        listing = pages("ListStateMachines", self._client.list_state_machines, maxResults=1000)
        return [
            machine["name"]
            async for page in listing
            for machine in page["stateMachines"]
            if machine["name"].startswith(prefix)
        ]

    async def _existing(
        self,
        name: str,
        definition: str,
        *,
        publish: bool,
        description: str,
        refusal: BackendError,
    ) -> StateMachineArn:
        # Step Functions also compares `publish`, and the spelling of the definition.
        machine = await self.find(name)
        if machine is None:
            raise BackendUnavailableError(
                refusal.operation, refusal.code, f"{name} was deleted meanwhile"
            ) from refusal
        if json.loads(machine.definition) != json.loads(definition):
            raise refusal
        if not publish:
            return machine.arn
        return await self.newest_version(machine.arn) or await self.update(
            machine.arn, definition, {}, description=description
        )

    async def _tags(self, arn: StateMachineArn) -> dict[str, str]:
        with translated("ListTagsForResource"):
            answer = await self._client.list_tags_for_resource(resourceArn=arn)
            return {tag["key"]: tag.get("value", "") for tag in answer.get("tags", [])}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _described(description: str) -> dict[str, str]:
    return {"versionDescription": description} if description else {}
