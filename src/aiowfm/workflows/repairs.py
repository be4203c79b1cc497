"""Cancelling and resuming many workflows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from aiowfm.errors import AiowfmError, UsageError
from aiowfm.workflows.bulk import each_done
from aiowfm.workflows.job import WorkflowStatus
from aiowfm.workflows.workflow import Workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was done about a workflow or, in a dry run, would be.

    Attributes:
        workflow: As it was listed.
        result: As it is afterwards, or the new one in its place; None in a dry run, where
            it was cancelled, and where that failed.
        error: Why it could not be done.
        is_done: Whether it was done; always False in a dry run.
    """

    workflow: Workflow
    result: Workflow | None = None
    error: AiowfmError | None = None
    is_done: bool = False


async def repaired(
    workflows: AsyncGenerator[Workflow, None],
    repair: Callable[[str], Awaitable[Workflow | None]],
    *,
    concurrency: int,
    rate: float | None,
    dry_run: bool,
) -> tuple[Repair, ...]:
    """What comes of *repair* for each; one that fails does not keep the others from it."""

    async def work(workflow: Workflow) -> Workflow | None:
        return None if dry_run else await repair(workflow.id)

    repairs: list[Repair] = []
    done = each_done(workflows, work, concurrency=concurrency, rate=None if dry_run else rate)
    try:
        async with aclosing(workflows), aclosing(done):
            async for each in done:
                if each.error is not None and not isinstance(each.error, AiowfmError):
                    raise each.error  # a defect
                repairs.append(
                    Repair(
                        workflow=each.item,
                        result=each.result,
                        error=each.error,
                        is_done=not dry_run and each.error is None,
                    )
                )
    except Exception as exc:
        ids = [repair.workflow.id for repair in repairs if repair.is_done]
        if ids:
            exc.add_note(f"{len(ids)} workflows were done before that, the last {ids[-1]!r}")
        raise
    return tuple(repairs)


def check_resumable(status: WorkflowStatus | None, start_at: str | None) -> None:
    """See that workflows with *status* can be resumed.

    Raises:
        UsageError: they cannot.
    """
    known = [WorkflowStatus.FAILED, WorkflowStatus.CANCELLED]
    if start_at is not None:
        known.append(WorkflowStatus.SUCCEEDED)
    if status not in known:
        raise UsageError(
            f"resume_workflows(status={status and status.value!r}): those that can be resumed"
            f" are {', '.join(known)}, and from a state (start_at) those that have succeeded"
        )
