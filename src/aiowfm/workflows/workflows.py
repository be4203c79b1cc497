"""Starts, finds, shows, awaits and cancels workflows."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import cast

import anyio.lowlevel

from aiowfm.asl.payload import same
from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition
from aiowfm.errors import (
    BackendUnavailableError,
    NotFoundError,
    UsageError,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from aiowfm.executions import ExecutionEvent
from aiowfm.names import (
    MAX_NAME_LENGTH,
    SEPARATOR,
    ExecutionArn,
    WorkflowId,
    cleaned,
    parse_workflow_id,
    random_suffix,
)
from aiowfm.payloads import json_text
from aiowfm.ports import MAX_PAYLOAD_BYTES, Execution, ExecutionExistsError, Executions
from aiowfm.workflows.bulk import do_all
from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.filters import Wanted
from aiowfm.workflows.folding import JobFold
from aiowfm.workflows.job import Job
from aiowfm.workflows.listing import Listing
from aiowfm.workflows.owners import Owners
from aiowfm.workflows.tracing import Tracing
from aiowfm.workflows.workflow import Workflow, workflow_of

log = logging.getLogger("aiowfm.workflows")

WAITS_AT_ONCE = 20  # of wait_all: on AWS each asks again and again, out of one quota
DONE_IN_A_TURN = 50  # events or jobs: a millisecond or two
ENVELOPE_BYTES = 1_024  # what the envelope of a task's input takes at most


class _Turns:
    """Gives other tasks their turn now and then, in what could keep the loop busy for long."""

    def __init__(self) -> None:
        self._done = 0

    async def next(self) -> None:
        self._done += 1
        if self._done % DONE_IN_A_TURN == 0:
            await anyio.lowlevel.checkpoint()


class Workflows:
    """The workflows of one engine."""

    def __init__(
        self,
        executions: Executions,
        deployments: Deployments,
        listing: Listing,
        owners: Owners,
        tracing: Tracing,
        *,
        config: EngineConfig,
        find_definition: Callable[[str], WorkflowDefinition | None],
    ) -> None:
        self._executions = executions
        self._deployments = deployments
        self._listing = listing
        self._owners = owners
        self._tracing = tracing
        self._config = config
        self._find_definition = find_definition

    async def start(
        self, definition: WorkflowDefinition, input: object, id_suffix: str | None
    ) -> Workflow:
        what = f"the input of workflow {definition.name!r}"
        text = json_text(input, what)
        traced = self._tracing.traced(definition, text, what)
        if self._config.envelope and len(traced.encode()) > MAX_PAYLOAD_BYTES - ENVELOPE_BYTES:
            log.warning(
                "the input of workflow %s leaves no room for the envelope of its tasks"
                " (%d bytes): they may fail with States.DataLimitExceeded",
                definition.name,
                ENVELOPE_BYTES,
            )
        id = self._id(definition, random_suffix() if id_suffix is None else id_suffix)
        try:
            execution = await self._start(definition, str(id), traced)
        except ExecutionExistsError:
            arn = await self._executions.arn(id.state_machine, str(id))
            return await self._existing(arn, id, text)
        self._owners.own(id.state_machine)
        self._listing.know(id)
        return workflow_of(execution, id, self._definition(id))

    async def get(self, id: str, *, jobs: bool = False) -> Workflow:
        parsed, arn = await self._located(id)
        workflow = await self._show(arn, parsed)
        if jobs:
            fold = await self.fold(id)
            found: list[Job] = []
            turns = _Turns()
            for job in fold.each_job():
                found.append(job)
                await turns.next()
            workflow = replace(workflow, jobs=tuple(found), failed_job=fold.failed_job())
        return workflow

    async def fold(self, id: str, *, data_of: str | None = None) -> JobFold:
        """The jobs of a workflow, as of `JobFold`; its history is read page by page."""
        _, arn = await self._located(id)
        fold = JobFold(data_of=data_of)
        turns = _Turns()
        try:
            async for event in self._executions.history(arn):
                fold.add(event)
                await turns.next()
        except NotFoundError as exc:
            raise _not_found(id) from exc
        return fold

    async def follow(self, id: str) -> AsyncGenerator[Job, None]:
        _, arn = await self._located(id)
        fold = JobFold()
        turns = _Turns()
        events = cast("AsyncGenerator[ExecutionEvent, None]", self._executions.follow(arn))
        async with aclosing(events):
            try:
                async for event in events:
                    for job in fold.apply(event):
                        yield job
                    await turns.next()
            except NotFoundError as exc:
                raise _not_found(id) from exc

    async def wait(self, id: str) -> Workflow:
        parsed, arn = await self._located(id)
        try:
            execution = await self._executions.finished(arn)
        except NotFoundError as exc:
            raise _not_found(id) from exc
        return workflow_of(execution, parsed, self._definition(parsed))

    async def wait_all(self, ids: Sequence[str], ended: dict[str, Workflow]) -> None:
        """Wait for them, some at once; *ended* has those that are in a final state."""

        async def look(id: str) -> None:
            with suppress(BackendUnavailableError):  # waiting asks again
                workflow = await self.get(id)
                if workflow.status.is_final:
                    ended[id] = workflow

        async def wait(id: str) -> None:
            ended[id] = await self.wait(id)

        # One that cannot be waited for is told before others are.
        await do_all(ids, look, concurrency=WAITS_AT_ONCE)
        rest = [id for id in ids if id not in ended]
        await do_all(rest, wait, concurrency=WAITS_AT_ONCE)

    async def cancel(self, id: str, reason: str) -> None:
        _, arn = await self._located(id)
        try:
            await self._executions.stop(arn, reason)
        except NotFoundError as exc:
            raise _not_found(id) from exc

    async def redrive(self, id: str) -> Workflow:
        """Take it up where it ended; what that may be refused for is the port's."""
        parsed, arn = await self._located(id)
        try:
            await self._executions.redrive(arn)
        except NotFoundError as exc:
            raise _not_found(id) from exc
        return await self._show(arn, parsed)

    async def list(self, wanted: Wanted) -> AsyncGenerator[Workflow, None]:
        async with aclosing(self._listing.newest_first(wanted)) as executions:
            async for execution in executions:
                id = parse_workflow_id(execution.name)
                if id is not None:
                    yield workflow_of(execution, id, self._definition(id))

    def _id(self, definition: WorkflowDefinition, suffix: str) -> WorkflowId:
        id = WorkflowId(
            cleaned(self._config.environment),
            cleaned(definition.name),
            definition.version,
            cleaned(definition.start_at),
            suffix,
        )
        if parse_workflow_id(str(id)) != id:
            room = MAX_NAME_LENGTH - len(id.state_machine) - len(SEPARATOR)
            raise UsageError(
                f"id_suffix={suffix!r} cannot end the id of a workflow {definition.name!r}: use"
                f" at most {room} letters, digits and . _ -, not beginning with '-' and"
                f" without {SEPARATOR!r}"
            )
        return id

    async def _start(self, definition: WorkflowDefinition, name: str, text: str) -> Execution:
        machine = await self._deployments.ready(definition)
        try:
            return await self._executions.start(machine, name, text)
        except NotFoundError:
            # Somebody deleted what was deployed: once more from the beginning.
            self._deployments.forget(definition)
            machine = await self._deployments.ready(definition)
            return await self._executions.start(machine, name, text)

    async def _existing(self, arn: ExecutionArn, id: WorkflowId, text: str) -> Workflow:
        workflow = await self._show(arn, id)
        if not same(workflow.input, json.loads(text)):
            raise WorkflowExistsError(
                f"workflow {workflow.id!r} was started before with another input:"
                f" {_shortened(json.dumps(workflow.input))}, and now {_shortened(text)}"
            )
        return workflow

    async def _show(self, arn: ExecutionArn, id: WorkflowId) -> Workflow:
        try:
            execution = await self._executions.describe(arn)
        except NotFoundError as exc:
            raise _not_found(str(id)) from exc
        return workflow_of(execution, id, self._definition(id))

    async def _located(self, id: str) -> tuple[WorkflowId, ExecutionArn]:
        parsed = parts_of(id)
        await self._owners.check(parsed)
        return parsed, await self._executions.arn(parsed.state_machine, id)

    def _definition(self, id: WorkflowId) -> WorkflowDefinition | None:
        definition = self._find_definition(id.name)
        return definition if definition and definition.version == id.version else None


def parts_of(id: str) -> WorkflowId:
    """The parts of a workflow's *id*.

    Raises:
        WorkflowNotFoundError: it is not an id.
    """
    if isinstance(id, Workflow):
        raise WorkflowNotFoundError(f"a workflow is found by its id: give {id.id!r}, its `id`")
    parsed = parse_workflow_id(id) if isinstance(id, str) else None
    if parsed is None:
        raise WorkflowNotFoundError(
            f"{id!r} is not the id of a workflow; one is"
            " {environment}--{name}--{version}--{start state}--{suffix}"
        )
    return parsed


def _not_found(id: str) -> WorkflowNotFoundError:
    return WorkflowNotFoundError(f"there is no workflow {id!r}")


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
