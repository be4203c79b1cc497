"""State machines: create, change, show and delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aiowfm.asl.references import variable_references
from aiowfm.local import definitions, deletion
from aiowfm.local.aliases import is_version
from aiowfm.local.arns import checked_arn, checked_name, checked_role, without_label
from aiowfm.local.errors import ServiceError
from aiowfm.local.machines import Machine, Revision, Settings, Version
from aiowfm.local.operations.activities import ENCRYPTION
from aiowfm.local.operations.executions import machine_arn, map_label
from aiowfm.local.operations.requests import Answer, Request, paging, present
from aiowfm.local.tags import as_tags, merged

if TYPE_CHECKING:
    from aiowfm.local.service import Service


async def create_state_machine(service: Service, request: Request) -> Answer:
    _check_description(request)
    name, type = checked_name(request["name"]), request.get("type") or "STANDARD"
    settings = Settings(
        text=request["definition"],
        role_arn=checked_role(request["roleArn"]),
        logging=_logging(request.get("loggingConfiguration")),
        tracing=request.get("tracingConfiguration") or {},
    )
    tags = merged(name, {}, as_tags(request.get("tags")))
    definition = await definitions.parsed(settings.text, type)
    machine = service.machines.add(name, type, settings, definition, tags, service.now())
    answer: Answer = {"stateMachineArn": machine.arn, "creationDate": machine.created_at}
    if request.get("publish"):
        answer["stateMachineVersionArn"] = _publish(service, machine, request)
    await service.flushed()
    return answer


async def update_state_machine(service: Service, request: Request) -> Answer:
    _check_description(request)
    machine = service.machines.own(request["stateMachineArn"])
    machine.check()
    if not request.keys() & {
        "definition",
        "roleArn",
        "loggingConfiguration",
        "tracingConfiguration",
        "encryptionConfiguration",
    }:
        raise ServiceError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the"
            " TracingConfiguration must be specified",
        )
    model = None
    if "definition" in request:
        model = await definitions.parsed(request["definition"], machine.type)
    now, old = service.now(), machine.revision
    settings = Settings(
        text=request.get("definition", old.text),
        role_arn=checked_role(request["roleArn"]) if "roleArn" in request else old.role_arn,
        logging=(
            _logging(request["loggingConfiguration"])
            if "loggingConfiguration" in request
            else old.settings.logging
        ),
        tracing=request.get("tracingConfiguration", old.settings.tracing),
    )
    service.machines.change(machine, settings, model or old.definition, now)
    answer: Answer = {"updateDate": now, "revisionId": machine.revision.id}
    if request.get("publish"):
        answer["stateMachineVersionArn"] = _publish(service, machine, request)
    await service.flushed()
    return present(answer)


async def delete_state_machine(service: Service, request: Request) -> Answer:
    """Delete a machine with its versions and aliases, once what runs on it has ended."""
    arn = without_label(checked_arn(request["stateMachineArn"], "stateMachine"))
    if is_version(arn):
        message = f"Cannot delete a version this way, use DeleteStateMachineVersion: '{arn}'"
        raise ServiceError("ValidationException", message)
    machine = service.machines.find(arn.split(":")[6])
    if machine is not None and arn.startswith(machine.arn):
        deletion.delete(service, machine)
    await service.flushed()
    return {}


async def describe_state_machine(service: Service, request: Request) -> Answer:
    machine, revision, version, alias = service.machines.target(request["stateMachineArn"])
    if alias is not None:
        version = None
        revision = machine.revision
    with_data = request.get("includedData") != "METADATA_ONLY"
    return present(
        {
            "stateMachineArn": machine.arn if version is None else request["stateMachineArn"],
            "name": machine.name,
            "status": machine.status,
            "type": machine.type,
            "creationDate": _created(machine, version),
            "description": version and version.description,
            **_shown(revision, with_data=with_data),
        }
    )


async def describe_state_machine_for_execution(service: Service, request: Request) -> Answer:
    arn = checked_arn(request["executionArn"], "execution")
    run = await service.executions.get(arn)
    revision = await service.machines.revision(run.revision)
    with_data = request.get("includedData") != "METADATA_ONLY"
    return present(
        {
            "stateMachineArn": machine_arn(run),
            "name": run.machine.name,
            "updateDate": revision.updated_at,
            "mapRunArn": run.origin.map_run_arn,
            "label": map_label(run),
            **_shown(revision, with_data=with_data),
        }
    )


async def list_state_machines(service: Service, request: Request) -> Answer:
    shown, token = service.pages.page(
        service.machines.names(), lambda name: name, of="state machines", **paging(request)
    )
    listed = [
        {
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "type": machine.type,
            "creationDate": machine.created_at,
        }
        for machine in map(service.machines.find, shown)
        if machine is not None
    ]
    return present({"stateMachines": listed, "nextToken": token})


def _shown(revision: Revision, *, with_data: bool) -> Answer:
    settings = revision.settings
    logging = {"level": "OFF", "includeExecutionData": False, **settings.logging}
    return {
        "definition": settings.text if with_data else None,
        "roleArn": settings.role_arn,
        "loggingConfiguration": logging,
        "tracingConfiguration": {"enabled": False, **settings.tracing},
        "encryptionConfiguration": ENCRYPTION,
        "revisionId": revision.id,
        "variableReferences": variable_references(settings.text) or None if with_data else None,
    }


def _created(machine: Machine, version: Version | None) -> float:
    return machine.created_at if version is None else version.created_at


def _publish(service: Service, machine: Machine, request: Request) -> str:
    version = machine.publish(service.now(), request.get("versionDescription"))
    service.machines.save(machine)
    return machine.version_arn(version.number)


def _check_description(request: Request) -> None:
    if request.get("versionDescription") and not request.get("publish"):
        message = "Version description can only be set when publish is true"
        raise ServiceError("ValidationException", message)


def _logging(configuration: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The logging that was asked for. Nothing is logged: a machine is to be the same as on AWS."""
    if configuration is None:
        return {}
    destinations = configuration.get("destinations") or ()
    if configuration.get("level", "OFF") != "OFF" and len(destinations) != 1:
        message = "Invalid Logging Configuration: Must specify exactly one Log Destination."
        raise ServiceError("InvalidLoggingConfiguration", message)
    return dict(configuration)
