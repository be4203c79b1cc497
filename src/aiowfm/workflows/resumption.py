"""Taking workflows up again: where they failed, or from a chosen state."""

from __future__ import annotations

from collections.abc import Mapping

from aiowfm.asl.findings import did_you_mean
from aiowfm.definitions import WorkflowDefinition, resumed, resumed_input
from aiowfm.errors import AiowfmError, UsageError, WorkflowNotResumableError
from aiowfm.ports import NotRedrivableError
from aiowfm.workflows.job import WorkflowStatus
from aiowfm.workflows.workflow import Workflow
from aiowfm.workflows.workflows import Workflows


class Resumption:
    """Resumes the workflows of one engine."""

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows

    async def redrive(self, id: str) -> Workflow:
        """Let a workflow go on where it failed or was cancelled."""
        try:
            return await self._workflows.redrive(id)
        except NotRedrivableError as exc:
            raise await self._refusal(id, str(exc)) from exc

    async def repeat(
        self,
        id: str,
        definition: WorkflowDefinition,
        start_at: str,
        input: object,
        variables: Mapping[str, object],
    ) -> Workflow:
        """Start a new workflow at a state of *definition*, in the place of another."""
        original = await self._workflows.get(id)
        if not original.status.is_final:
            raise WorkflowNotResumableError(
                id, f"is {original.status}", ": cancel it first, or wait for its end"
            )
        is_first = start_at == definition.start_at
        chosen = definition if is_first else resumed(definition, start_at)
        needed: frozenset[str] = getattr(chosen, "variables", frozenset())
        _check_variables(needed, variables, start_at)
        if input is None:
            input = await self._input_of(original, start_at)
        if is_first:
            return await self._workflows.start(definition, input, None)
        wrapped = resumed_input(id, variables, input)
        return await self._workflows.start(chosen, wrapped, None)

    async def _input_of(self, original: Workflow, start_at: str) -> object:
        """What *original* gave to the state when it last came to it."""
        job = (await self._workflows.fold(original.id, data_of=start_at)).last_of(start_at)
        if job is None:
            raise UsageError(
                f"workflow {original.id!r} never came to the state {start_at!r}: give the input"
                " that it is to begin with"
            )
        return job.input

    async def _refusal(self, id: str, reason: str) -> WorkflowNotResumableError:
        workflow = await self._workflows.get(id)
        if workflow.status is WorkflowStatus.SUCCEEDED:
            return WorkflowNotResumableError(
                id, "has succeeded", ": start_at=… begins a new workflow from one of its states"
            )
        if not workflow.status.is_final:
            return WorkflowNotResumableError(id, f"is {workflow.status}", ": it goes on by itself")
        state = "STATE"
        try:
            failed = (await self._workflows.fold(id)).failed_job()
        except AiowfmError:  # it is gone, or hidden: the advice is less exact
            failed = None
        if failed is not None:
            state = str(failed.path[0])
        return WorkflowNotResumableError(
            id,
            f"cannot go on where it ended ({reason})",
            f": resume_workflow(id, start_at={state!r}) begins a new workflow from there",
        )


def _check_variables(needed: frozenset[str], given: Mapping[str, object], start_at: str) -> None:
    missing = ", ".join(sorted(map(repr, needed - given.keys())))
    if missing:
        raise UsageError(
            f"a workflow that starts at {start_at!r} reads variables that nothing assigns"
            f" before: {missing}; give them, as variables={{NAME: VALUE}}"
        )
    for name in given.keys() - needed:
        hint = did_you_mean(name, needed)
        raise UsageError(
            f"a workflow that starts at {start_at!r} does not read a variable {name!r} before it"
            f" assigns it{hint}"
        )
