"""Makes sure that a definition's state machine is there before it is started."""

from __future__ import annotations

import difflib
import json
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import anyio

from aiowfm.asl.findings import Finding
from aiowfm.config import EngineConfig
from aiowfm.definitions import (
    CompilerOptions,
    WorkflowDefinition,
    compile_definition,
    has_callbacks,
    located,
    stripped,
)
from aiowfm.errors import (
    BackendError,
    BackendUnavailableError,
    DefinitionChangedError,
    DefinitionError,
    NotFoundError,
)
from aiowfm.names import StateMachineArn, last_part, state_machine_name
from aiowfm.ports import StateMachine, StateMachines

log = logging.getLogger("aiowfm.workflows")

HASH_TAG = "aiowfm-definition-hash"
CHANGING = -1  # the version of definitions that may be changed in place


# Long enough for another process to have updated a state machine.
CONFLICT_PAUSES_SECONDS = (0.1, 0.5, 2.0)


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
        *,
        config: EngineConfig,
        activity_arn: Callable[[str], str],
        task_name: Callable[[str], str],
        queue_url: Callable[[], Awaitable[str]],
        options: CompilerOptions,
    ) -> None:
        """Make it, having deployed nothing.

        Args:
            machines: The port.
            config: Names, and whether to make what is missing.
            activity_arn: The ARN of the activity of a task name.
            task_name: The task name of an activity's ARN.
            queue_url: Makes the queue of callbacks ready, and gives its URL.
            options: What is compiled in.
        """
        self._machines = machines
        self._config = config
        self._activity_arn = activity_arn
        self._task_name = task_name
        self._queue_url = queue_url
        self._options = options
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

    def forget(self, definition: WorkflowDefinition) -> None:
        """Look again next time."""
        self._known.pop(self._key(definition), None)

    def _key(self, definition: WorkflowDefinition) -> _Key:
        return _Key(
            definition.name, definition.version, definition.content_hash, definition.start_at
        )

    async def _settled(self, definition: WorkflowDefinition) -> StateMachineArn:
        """Deploy it; where another process does so at the same time, look again."""
        for pause in CONFLICT_PAUSES_SECONDS:
            try:
                return await self._deployed(definition)
            except BackendUnavailableError as exc:
                if exc.code != "ConflictException":
                    raise
                await anyio.sleep(pause)
        return await self._deployed(definition)

    async def _deployed(self, definition: WorkflowDefinition) -> StateMachineArn:
        name = state_machine_name(
            self._config.environment, definition.name, definition.version, definition.start_at
        )
        queue_url = await self._queue_url() if has_callbacks(definition) else ""
        if self._config.provision == "none":
            return await self._machines.arn(name)
        existing = await self._machines.find(name)
        if existing is not None:
            return await self._reused(definition, existing, queue_url)
        if self._config.provision == "check":
            raise NotFoundError(
                f"the state machine {name!r} of workflow {definition.name!r} does not exist,"
                " and provision='check' creates nothing: deploy it first"
            )
        try:
            return await self._machines.create(
                name,
                self._text(self._compiled(definition, queue_url)),
                self._tags(definition),
                publish=definition.version == CHANGING,
            )
        except BackendError:
            # Another process may have been faster.
            existing = await self._machines.find(name)
            if existing is None:
                raise
            return await self._reused(definition, existing, queue_url)

    async def _reused(
        self, definition: WorkflowDefinition, existing: StateMachine, queue_url: str
    ) -> StateMachineArn:
        self._check_owner(definition, existing)
        compiled = self._compiled(definition, queue_url)
        before = self._bare(json.loads(existing.definition), queue_url)
        after = self._bare(compiled, queue_url)
        if self._is_same(definition, before, after, existing):
            if json.loads(existing.definition) != compiled:
                log.info(
                    "state machine %s was compiled differently; it is kept as deployed",
                    last_part(existing.arn),
                )
        elif definition.version != CHANGING:
            raise self._changed(definition, before, after, existing)
        elif self._config.provision == "create":
            text = self._text(compiled)
            return await self._machines.update(existing.arn, text, self._tags(definition))
        else:
            log.warning("state machine %s differs from its definition", last_part(existing.arn))
        if definition.version != CHANGING:
            return existing.arn
        return await self._machines.newest_version(existing.arn) or existing.arn

    def _check_owner(self, definition: WorkflowDefinition, existing: StateMachine) -> None:
        owner = existing.tags.get("application", self._config.app)
        if owner != self._config.app:
            message = (
                f"the state machine {last_part(existing.arn)!r} belongs to the application"
                f" {owner!r}, and this is {self._config.app!r}: rename one of the definitions"
            )
            raise DefinitionError(
                located(definition, [Finding(pointer=("name",), message=message)])
            )

    def _is_same(
        self,
        definition: WorkflowDefinition,
        before: dict[str, object],
        after: dict[str, object],
        existing: StateMachine,
    ) -> bool:
        deployed = existing.tags.get(HASH_TAG)
        if deployed is not None:
            return deployed == definition.content_hash
        # Made by other means: compare what is left without the compiler's additions.
        return before == after

    def _changed(
        self,
        definition: WorkflowDefinition,
        before: dict[str, object],
        after: dict[str, object],
        existing: StateMachine,
    ) -> DefinitionChangedError:
        diff = "\n".join(
            difflib.unified_diff(
                json.dumps(before, indent=2).splitlines(),
                json.dumps(after, indent=2).splitlines(),
                "deployed",
                "definition",
                lineterm="",
            )
        )
        message = (
            f"differs from the deployed state machine {last_part(existing.arn)!r}, and version"
            f" {definition.version} may not change: raise the version, or use version: -1 while"
            f" it changes\n{diff}"
        )
        (problem,) = located(definition, [Finding(pointer=("version",), message=message)])
        return DefinitionChangedError(problem, diff)

    def _compiled(self, definition: WorkflowDefinition, queue_url: str) -> dict[str, object]:
        return compile_definition(
            definition,
            activity_arn=self._activity_arn,
            queue_url=queue_url,
            options=self._options,
        )

    def _bare(self, machine: dict[str, object], queue_url: str) -> dict[str, object]:
        return stripped(machine, task_name=self._task_name, queue_url=queue_url)

    def _text(self, compiled: dict[str, object]) -> str:
        return json.dumps(compiled, ensure_ascii=False, separators=(",", ":"))

    def _tags(self, definition: WorkflowDefinition) -> Mapping[str, str]:
        return {
            **definition.default_tags,
            "application": self._config.app,
            "environment": self._config.environment,
            "workflow-definition-name": definition.name,
            "workflow-definition-version": str(definition.version),
            "workflow-definition-start-at": definition.start_at,
            HASH_TAG: definition.content_hash,
        }
