"""Runs of distributed Maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local.arns import checked_arn
from aiowfm.local.map_runs import MapRun
from aiowfm.local.operations.requests import Answer, Request, paging, present

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def describe_map_run(service: Service, request: Request) -> Answer:
    run = await service.map_runs.get(request["mapRunArn"])
    return present(
        {
            "mapRunArn": run.arn,
            "executionArn": run.execution_arn,
            "status": run.status,
            "startDate": run.started_at,
            "stopDate": run.stopped_at,
            "maxConcurrency": run.max_concurrency,
            "toleratedFailureCount": run.tolerated_failure_count or 0,
            "toleratedFailurePercentage": run.tolerated_failure_percentage or 0.0,
            "executionCounts": _counts(run, run.executions),
            "itemCounts": _counts(run, run.items),
            "redriveCount": run.redrive_count,
            "redriveDate": run.redriven_at,
        }
    )


async def list_map_runs(service: Service, request: Request) -> Answer:
    execution = await service.executions.get(checked_arn(request["executionArn"], "execution"))
    runs = list(enumerate(await service.map_runs.of_execution(execution.number)))
    shown, token = service.pages.page(
        reversed(runs),
        lambda numbered: numbered[0],
        of=f"map runs {execution.arn}",
        descending=True,
        **paging(request),
    )
    listed = [
        present(
            {
                "executionArn": run.execution_arn,
                "mapRunArn": run.arn,
                "stateMachineArn": run.state_machine_arn,
                "startDate": run.started_at,
                "stopDate": run.stopped_at,
            }
        )
        for _, run in shown
    ]
    return present({"mapRuns": listed, "nextToken": token})


async def update_map_run(service: Service, request: Request) -> Answer:
    run = await service.map_runs.get(request["mapRunArn"])
    run.max_concurrency = request.get("maxConcurrency", run.max_concurrency)
    run.tolerated_failure_count = request.get("toleratedFailureCount", run.tolerated_failure_count)
    run.tolerated_failure_percentage = request.get(
        "toleratedFailurePercentage", run.tolerated_failure_percentage
    )
    service.map_run_changed(run)
    await service.flushed()
    return {}


def _counts(run: MapRun, counts: dict[str, int]) -> Answer:
    return {
        **counts,
        "total": sum(counts.values()),
        "resultsWritten": run.results_written,
        "failuresNotRedrivable": 0,
        "pendingRedrive": run.pending_redrive,
    }
