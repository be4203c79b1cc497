"""When an execution can be redriven, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.asl.history import MAX_EVENTS
from aiowfm.local.errors import ServiceError
from aiowfm.local.runs import Run

if TYPE_CHECKING:
    from aiowfm.local.service import Service

_DAY_SECONDS = 24 * 60 * 60.0
REDRIVABLE_SECONDS = 14 * _DAY_SECONDS  # since an execution ended (RedriveExecution)
LONGEST_EXECUTION_SECONDS = 365 * _DAY_SECONDS  # Step Functions quota, redrives included


async def redrive(service: Service, arn: str, token: str | None) -> Run:
    """Take up again an execution that has not succeeded, as `Service.redrive_execution`."""
    run = await service.executions.get(arn)
    if token is not None and run.redrive_token == token:
        return run
    reason = await not_redrivable(service, run)
    if run.origin.map_run_arn is not None:
        reason = "A child of a Map run is redriven with its Map run"
    if reason is not None:
        raise ServiceError("ExecutionNotRedrivable", f"Execution Not Redrivable: '{reason}'")
    return await service.executions.redrive(run, token)


async def not_redrivable(service: Service, run: Run) -> str | None:
    """Why an execution cannot be redriven (API reference, DescribeExecution)."""
    if run.machine.is_deleting or run.machine.is_deleted:
        return "State machine is in DELETING status"
    if run.status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {run.status} and cannot be redriven"
    if service.now() - (run.stopped_at or run.started_at) > REDRIVABLE_SECONDS:
        return "Execution redrivable period exceeded"
    if service.now() - run.started_at > LONGEST_EXECUTION_SECONDS:
        return "Execution has exceeded the max execution time"
    newest = await service.store.history(run.number, limit=1, descending=True)
    if newest and newest[0].id >= MAX_EVENTS - 1:
        return "Execution history event limit exceeded"
    return None
