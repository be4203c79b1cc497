"""Makes sure that a definition's state machine is there before it is started."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import anyio

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition, has_callbacks
from aiowfm.errors import (
    AccessDeniedError,
    BackendError,
    DefinitionError,
    NotFoundError,
)
from aiowfm.names import StateMachineArn
from aiowfm.ports import MachineVersions, StateMachines
from aiowfm.workflows.comparison import CHANGING, Comparison
from aiowfm.workflows.old_versions import OldVersions
from aiowfm.workflows.plans import Change, Deployed, MachineChange

log = logging.getLogger("aiowfm.workflows")

# Long enough for another process to have updated a state machine.
CONFLICT_PAUSES_SECONDS = (0.1, 0.5, 2.0)
_TOO_MANY_VERSIONS = "ServiceQuotaExceededException"  # UpdateStateMachine, with `publish`


class _Key(NamedTuple):
    name: str
    version: int
    content: str
    start_at: str


class Deployments:
    """The state machines of one engine; what is deployed is remembered."""

    def __init__(
        self,
        machines: StateMachines,
        versions: MachineVersions,
        *,
        config: EngineConfig,
        comparison: Comparison,
        queue_url: Callable[[], Awaitable[str]],
        now: Callable[[], float],
    ) -> None:
        """Make it, having deployed nothing.

        Args:
            machines: The port.
            versions: The port for their versions.
            config: Whether to make what is missing, and how many versions are kept.
            comparison: Compares definitions with what is deployed.
            queue_url: Makes the queue of callbacks ready, and gives its URL.
            now: Seconds since the epoch, on the backend's clock.
        """
        self._machines = machines
        self._versions = versions
        self._config = config
        self._comparison = comparison
        self._queue_url = queue_url
        self._old_versions = OldVersions(versions, keep=config.keep_versions, now=now)
        self._known: dict[_Key, StateMachineArn] = {}
        self._locks: defaultdict[_Key, anyio.Lock] = defaultdict(anyio.Lock)

    async def ready(self, definition: WorkflowDefinition) -> StateMachineArn:
        """The ARN to start for *definition*, deployed if need be.

        Raises:
            DefinitionChangedError: what is deployed differs and may not change.
            DefinitionError: the state machine is another application's.
            NotFoundError: it is missing and `provision` is `check`.
        """
        key = self._key(definition)
        arn = self._known.get(key)
        if arn is None:
            async with self._locks[key]:
                arn = self._known.get(key)
                if arn is None:
                    arn = self._known[key] = await self._settled(definition)
        return arn

    async def ready_all(self, definitions: Iterable[WorkflowDefinition]) -> None:
        """See to the state machines of all *definitions*.

        Raises:
            DefinitionError: with all that may not be deployed; the others are.
            NotFoundError: with all that are missing, where `provision` is `check`.
        """
        refusals: list[DefinitionError] = []
        missing: list[NotFoundError] = []
        for definition in definitions:
            try:
                await self.ready(definition)
            except DefinitionError as exc:
                refusals.append(exc)
            except NotFoundError as exc:
                missing.append(exc)
        if len(refusals) == 1:
            raise refusals[0]
        if refusals:
            raise DefinitionError([problem for each in refusals for problem in each.problems])
        if missing:
            raise NotFoundError("\n".join(map(str, missing)))

    def forget(self, definition: WorkflowDefinition) -> None:
        """Look again next time."""
        self._known.pop(self._key(definition), None)

    def _key(self, definition: WorkflowDefinition) -> _Key:
        return _Key(
            definition.name, definition.version, definition.content_hash, definition.start_at
        )

    async def plan(self, definition: WorkflowDefinition) -> MachineChange:
        """What becomes of the state machine of *definition*; nothing is changed."""
        queue_url = await self._queue_url() if has_callbacks(definition) else ""
        deployed = await self._find(definition)
        return self._comparison.compared(definition, deployed, queue_url)

    async def apply(self, change: MachineChange) -> StateMachineArn:
        """Carry out a plan; the ARN to start.

        Where others have changed the state machine since it was made, it is made anew.
        """
        change.check()
        try:
            return await self._applied(change)
        except BackendError as exc:
            if not _is_stale(exc):
                raise
        except NotFoundError:
            pass  # it was deleted since
        return await self._settled(change.definition)

    async def _settled(self, definition: WorkflowDefinition) -> StateMachineArn:
        """Deploy it; where another process does so at the same time, look again."""
        for pause in CONFLICT_PAUSES_SECONDS:
            try:
                return await self._deployed(definition)
            except BackendError as exc:
                if not _is_stale(exc):
                    raise
                await anyio.sleep(pause)
        return await self._deployed(definition)

    async def _deployed(self, definition: WorkflowDefinition) -> StateMachineArn:
        if self._config.provision == "none":
            if has_callbacks(definition):
                await self._queue_url()
            return await self._machines.arn(self._comparison.name(definition))
        change = await self.plan(definition)
        change.check()
        if self._config.provision == "check":
            return self._checked(change)
        try:
            return await self._applied(change)
        except AccessDeniedError as exc:
            if change.change is not Change.REPAIR:
                raise
            # What is started is the right definition, and somebody else may repair the rest.
            log.warning("state machine %s is used as it is: %s", change.name, exc)
            return _present(change)

    async def _find(self, definition: WorkflowDefinition) -> Deployed | None:
        machine = await self._machines.find(self._comparison.name(definition))
        if machine is None:
            return None
        if definition.version != CHANGING:
            return Deployed(machine=machine)
        newest = await self._machines.newest_version(machine.arn)
        version = None if newest is None else await self._versions.describe(newest)
        return Deployed(machine=machine, version=version)

    def _checked(self, change: MachineChange) -> StateMachineArn:
        """The ARN to start where nothing may be changed."""
        if change.change is Change.CREATE:
            raise NotFoundError(
                f"the state machine {change.name!r} of workflow {change.definition.name!r} does"
                " not exist, and provision='check' creates nothing: deploy it first"
            )
        if change.change is Change.UPDATE:
            if not self._comparison.can_carry(change):
                raise NotFoundError(
                    f"the state machine {change.name!r} was deployed without trace_context, and"
                    " provision='check' changes nothing: deploy it first"
                )
            log.warning("state machine %s differs from its definition", change.name)
        elif change.role is not None:
            log.warning("state machine %s runs as %s, not as %s", change.name, *change.role)
        return _present(change)

    async def _applied(self, change: MachineChange) -> StateMachineArn:
        if change.note:
            level = logging.WARNING if change.diff else logging.INFO
            log.log(level, "state machine %s: %s", change.name, change.note)
        if change.deployed is None:
            return await self._machines.create(
                change.name,
                change.text,
                change.tags,
                publish=change.definition.version == CHANGING,
                description=self._comparison.version_description(change.definition),
            )
        machine, version = change.deployed.machine, change.deployed.version
        # Versions keep the role they were published with.
        if change.change is Change.UPDATE or (change.role is not None and version is not None):
            return await self._published(change, machine.arn)
        if change.role is not None:
            await self._machines.set_role(machine.arn)
        if change.tags:
            await self._machines.tag(machine.arn, change.tags)
        return _present(change)

    async def _published(self, change: MachineChange, arn: StateMachineArn) -> StateMachineArn:
        async def update() -> StateMachineArn:
            description = self._comparison.version_description(change.definition)
            return await self._machines.update(
                arn, change.text, change.tags, description=description
            )

        try:
            version = await update()
        except BackendError as exc:
            if exc.code != _TOO_MANY_VERSIONS or not await self._old_versions.collect(arn):
                raise
            return await update()
        await self._old_versions.collect(arn)
        return version


def _present(change: MachineChange) -> StateMachineArn:
    assert change.deployed is not None
    deployed = change.deployed
    return deployed.version.arn if deployed.version else deployed.machine.arn


def _is_stale(error: BackendError) -> bool:
    """Whether somebody else has made or changed the state machine meanwhile."""
    return error.code in ("ConflictException", "StateMachineAlreadyExists")
