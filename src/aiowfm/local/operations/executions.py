"""Executions: start, show, list and stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aiowfm.asl.history import HistoryEvent, as_aws
from aiowfm.asl.map_runs import processor_at
from aiowfm.asl.model import MapState
from aiowfm.local import redrives
from aiowfm.local.aliases import is_version
from aiowfm.local.arns import checked_arn
from aiowfm.local.errors import ServiceError
from aiowfm.local.map_runs import item_count
from aiowfm.local.operations.requests import Answer, Request, present
from aiowfm.local.paging import DEFAULT_PAGE
from aiowfm.local.runs import Run
from aiowfm.local.storage.rows import payload_characters

if TYPE_CHECKING:
    from aiowfm.local.service import Service

# Payloads on one page of a history: what is written as JSON must not hold up others.
MAX_PAGE_CHARACTERS = 1_000_000


async def start_execution(service: Service, request: Request) -> Answer:
    run = await service.start_execution(
        request["stateMachineArn"], request.get("name"), request.get("input", "{}")
    )
    return {"executionArn": run.arn, "startDate": run.started_at}


async def start_sync_execution(service: Service, request: Request) -> Answer:
    machine = service.machines.active(request["stateMachineArn"]).machine
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
    run = await _standard(service, request["executionArn"])
    await service.stop_execution(run.arn, request.get("error"), request.get("cause"))
    return {"stopDate": run.stopped_at or service.now()}


async def describe_execution(service: Service, request: Request) -> Answer:
    run = await _standard(service, request["executionArn"])
    with_data = request.get("includedData") != "METADATA_ONLY"
    return present(
        {
            **_listed(run),
            **await redrive_status(service, run),
            "error": run.error,
            "cause": run.cause,
            **_data(run, with_data=with_data),
        }
    )


async def list_executions(service: Service, request: Request) -> Answer:
    """List the executions of a machine, version, alias or Map run, newest first."""
    arn, map_run = request.get("stateMachineArn"), request.get("mapRunArn")
    if arn is not None and map_run is None:
        conditions = _of_machine(service, arn)
    elif map_run is not None and arn is None:
        await service.map_runs.get(map_run)
        conditions = {"map_run = ?": map_run}
    else:
        raise ServiceError(
            "ValidationException", "Must specify exactly one of stateMachineArn or mapRunArn"
        )
    status, redriven = request.get("statusFilter"), request.get("redriveFilter")
    if status is not None:
        conditions["status = ?"] = status
    if redriven is not None:
        conditions["(facts ->> 'redrives' IS NOT NULL) = ?"] = redriven == "REDRIVEN"
    of = f"executions {arn or map_run} {status} {redriven}"
    last = service.pages.last(of, request.get("nextToken"))
    if last is not None:
        conditions["number < ?"] = last
    limit = request.get("maxResults") or DEFAULT_PAGE
    runs = await service.executions.select(
        " AND ".join(conditions), list(conditions.values()), limit=limit + 1
    )
    shown, token = service.pages.cut(runs, lambda run: run.number, of=of, limit=limit)
    listed = [_listed(run) for run in shown]
    if map_run is not None:
        for run, each in zip(shown, listed, strict=True):
            each["itemCount"] = await _item_count(service, run)
    return present({"executions": [present(each) for each in listed], "nextToken": token})


async def get_execution_history(service: Service, request: Request) -> Answer:
    run = await _standard(service, request["executionArn"])
    backwards = bool(request.get("reverseOrder"))
    of = f"history {run.arn} {backwards}"
    last = cast("int | None", service.pages.last(of, request.get("nextToken")))
    limit = request.get("maxResults") or DEFAULT_PAGE
    events = await service.store.history(
        run.number,
        after=0 if backwards else last or 0,
        before=last if backwards else None,
        limit=limit + 1,
        most_characters=MAX_PAGE_CHARACTERS,
        descending=backwards,
    )
    limit = min(limit, _fitting(events))
    shown, token = service.pages.cut(events, lambda event: event.id, of=of, limit=limit)
    with_data = request.get("includeExecutionData", True)
    listed = [as_aws(event, with_data=with_data) for event in shown]
    return present({"events": listed, "nextToken": token})


async def redrive_execution(service: Service, request: Request) -> Answer:
    arn = checked_arn(request["executionArn"], "execution")
    run = await service.redrive_execution(arn, request.get("clientToken"))
    return {"redriveDate": run.redriven_at}


def map_label(run: Run) -> str | None:
    """The label of the distributed Map that began an execution, if one did."""
    if run.origin.map_run_arn is None:
        return None
    return run.origin.map_run_arn.rpartition("/")[2].partition(":")[0]


def machine_arn(run: Run) -> str:
    """The ARN of what an execution runs: its machine, or a distributed Map in that."""
    label = map_label(run)
    return run.machine.arn if label is None else f"{run.machine.arn}/{label}"


async def redrive_status(service: Service, run: Run) -> Answer:
    """Whether an execution can be redriven and, if not, why."""
    reason = await redrives.not_redrivable(service, run)
    if reason is not None:
        return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
    is_child = run.origin.map_run_arn is not None
    return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN" if is_child else "REDRIVABLE"}


async def _standard(service: Service, arn: str) -> Run:
    return await service.executions.get(checked_arn(arn, "execution"))


def _not_supported() -> ServiceError:
    return ServiceError(
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )


def _of_machine(service: Service, arn: str) -> dict[str, object]:
    """SQL conditions, with their values, for the executions of a machine, version or alias."""
    machine = service.machines.get(checked_arn(arn, "stateMachine"))
    if machine.is_express:
        raise _not_supported()
    conditions: dict[str, object] = {"map_run IS NULL AND machine = ?": machine.id}
    if arn != machine.arn:
        kind = "version" if is_version(arn) else "alias"
        conditions[f"facts ->> '{kind}' = ?"] = arn
    return conditions


def _fitting(events: Sequence[HistoryEvent]) -> int:
    """How many of *events* fit on a page; one at least."""
    room = MAX_PAGE_CHARACTERS
    for place, event in enumerate(events):
        room -= payload_characters(event)
        if room < 0 and place:
            return place
    return len(events)


async def _item_count(service: Service, run: Run) -> int:
    revision = await service.machines.revision(run.revision)
    *around, name = run.origin.place
    state = processor_at(revision.definition, around).states[str(name)]
    is_batched = isinstance(state, MapState) and state.item_batcher is not None
    return item_count(run.input, is_batched=is_batched)


def _listed(run: Run) -> Answer:
    return {
        "executionArn": run.arn,
        "stateMachineArn": machine_arn(run),
        "name": run.name,
        "status": run.status,
        "startDate": run.started_at,
        "stopDate": run.stopped_at,
        "stateMachineVersionArn": run.origin.version_arn,
        "stateMachineAliasArn": run.origin.alias_arn,
        "mapRunArn": run.origin.map_run_arn,
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
