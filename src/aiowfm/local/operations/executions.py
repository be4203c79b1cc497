"""Executions: start, show, list and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.asl.history import as_aws
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.executions import Run
from aiowfm.local.operations.requests import Answer, Request, paging, present

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiowfm.local.service import Service


async def start_execution(service: Service, request: Request) -> Answer:
    run = await service.start_execution(
        request["stateMachineArn"], request.get("name"), request.get("input", "{}")
    )
    return {"executionArn": run.arn, "startDate": run.started_at}


async def start_sync_execution(service: Service, request: Request) -> Answer:
    machine = service.machines.get(request["stateMachineArn"])
    if not machine.is_express:
        raise _not_supported()
    run = await service.start_execution(
        request["stateMachineArn"], request.get("name"), request.get("input", "{}")
    )
    await service.execution_finished(run.arn)
    with_data = request.get("includedData") != "METADATA_ONLY"
    milliseconds = round(((run.stopped_at or run.started_at) - run.started_at) * 1000)
    return present(
        {
            "executionArn": run.arn,
            "stateMachineArn": machine.arn,
            "name": run.name,
            "startDate": run.started_at,
            "stopDate": run.stopped_at,
            "status": run.status if run.status in ("SUCCEEDED", "TIMED_OUT") else "FAILED",
            "error": run.error,
            "cause": run.cause,
            **_data(run, with_data=with_data),
            "outputDetails": {"included": with_data},
            "traceHeader": request.get("traceHeader"),
            # AWS counts by the tenth of a second and in pieces of 64 MB.
            "billingDetails": {
                "billedMemoryUsedInMB": 64,
                "billedDurationInMilliseconds": max(100, -(-milliseconds // 100) * 100),
            },
        }
    )


async def stop_execution(service: Service, request: Request) -> Answer:
    run = _standard(service, request["executionArn"])
    await service.stop_execution(run.arn, request.get("error"), request.get("cause"))
    return {"stopDate": run.stopped_at or service.now()}


async def describe_execution(service: Service, request: Request) -> Answer:
    run = _standard(service, request["executionArn"])
    with_data = request.get("includedData") != "METADATA_ONLY"
    return present(
        {
            **_listed(run),
            **redrive_status(service, run),
            "error": run.error,
            "cause": run.cause,
            **_data(run, with_data=with_data),
        }
    )


async def list_executions(service: Service, request: Request) -> Answer:
    """List the executions of a machine, version, alias or Map run, newest first."""
    arn, map_run = request.get("stateMachineArn"), request.get("mapRunArn")
    if arn is not None and map_run is None:
        runs = _of_machine(service, arn)
    elif map_run is not None and arn is None:
        runs = _of_map_run(service, map_run)
    else:
        raise ServiceError(
            "ValidationException", "Must specify exactly one of stateMachineArn or mapRunArn"
        )
    status = request.get("statusFilter")
    redriven = request.get("redriveFilter")
    shown, token = service.pages.page(
        (
            run
            for run in runs
            if (status is None or run.status == status)
            and (redriven is None or (redriven == "REDRIVEN") == bool(run.redrive_count))
        ),
        lambda run: run.number,
        of=f"executions {arn or map_run} {status} {redriven}",
        descending=True,
        **paging(request),
    )
    return present({"executions": [present(_listed(run)) for run in shown], "nextToken": token})


async def get_execution_history(service: Service, request: Request) -> Answer:
    run = _standard(service, request["executionArn"])
    events = service.get_execution_history(run.arn)
    backwards = bool(request.get("reverseOrder"))
    shown, token = service.pages.page(
        reversed(events) if backwards else events,
        lambda event: event.id,
        of=f"history {run.arn} {backwards}",
        descending=backwards,
        **paging(request),
    )
    with_data = request.get("includeExecutionData", True)
    listed = [as_aws(event, with_data=with_data) for event in shown]
    return present({"events": listed, "nextToken": token})


async def redrive_execution(service: Service, request: Request) -> Answer:
    run = _standard(service, request["executionArn"])
    await service.redrive_execution(run.arn, request.get("clientToken"))
    return {"redriveDate": run.redriven_at}


def redrive_status(service: Service, run: Run) -> Answer:
    """Whether an execution can be redriven and, if not, why."""
    reason = service.not_redrivable(run)
    if reason is not None:
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    return {"redriveStatus": "REDRIVABLE" if run.map_run_arn is None else "REDRIVABLE_BY_MAP_RUN"}


def _standard(service: Service, arn: str) -> Run:
    return service.executions.get(checked_arn(arn, "execution"))


def _not_supported() -> ServiceError:
    return ServiceError(
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )


def _of_machine(service: Service, arn: str) -> Iterable[Run]:
    machine = service.machines.get(checked_arn(arn, "stateMachine"))
    if machine.is_express:
        raise _not_supported()
    return (
        run
        for run in reversed(service.executions.of_machine(machine.name))
        if run.machine is machine and arn in (machine.arn, run.version_arn, run.alias_arn)
    )


def _of_map_run(service: Service, arn: str) -> Iterable[Run]:
    children = service.map_runs.get(arn).children.values()
    return sorted(map(service.executions.get, children), key=lambda run: -run.number)


def _listed(run: Run) -> Answer:
    return {
        "executionArn": run.arn,
        "stateMachineArn": run.machine.arn,
        "name": run.name,
        "status": run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
        "stateMachineVersionArn": run.version_arn,
        "stateMachineAliasArn": run.alias_arn,
        "mapRunArn": run.map_run_arn,
        "redriveCount": run.redrive_count,
        "redriveDate": run.redriven_at,
    }


def _data(run: Run, *, with_data: bool) -> Answer:
    data: Answer = {"inputDetails": {"included": with_data}}
    if with_data:
        data["input"] = run.input.text
    if run.output is not None:
        data["outputDetails"] = {"included": with_data}
        if with_data:
            data["output"] = run.output.text
    return data
