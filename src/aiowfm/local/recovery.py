"""What was going on when the store was last closed, or its process killed, goes on."""

from __future__ import annotations

import functools
import secrets
import sqlite3
from typing import TYPE_CHECKING

import anyio.lowlevel

from aiowfm.asl.history import HistoryEvent
from aiowfm.asl.resources import service_resource
from aiowfm.errors import ConfigError
from aiowfm.local import deletion
from aiowfm.local.executions import HEARTBEAT, heartbeat_key
from aiowfm.local.runs import Run, run_of
from aiowfm.local.storage.rows import ExecutionRow
from aiowfm.local.storage.store import events_of
from aiowfm.local.tokens import TaskId

if TYPE_CHECKING:
    from aiowfm.local.service import Service

_SETTING = "setting"  # the kind of these documents
_SECRET, _ARN_PREFIX = "token secret", "arn prefix"
READ_AT_ONCE = 200  # executions with their histories


async def recover(service: Service) -> None:
    """Make *service* what its store says; it does not run yet.

    Raises:
        ConfigError: the store is that of another account or region.
    """
    await _recover_settings(service)
    await service.activities.load()
    await service.machines.load()
    await service.map_runs.load()
    await service.queues.load()
    await service.waits.load()
    await service.store.ask(functools.partial(_know_all, service))
    for run in await _resume_all(service):
        await _settle(service, run)
    await service.integrations.nested.load()
    for machine in service.machines.all():
        deletion.go_on(service, machine)


async def _recover_settings(service: Service) -> None:
    settings = dict(await service.store.documents(_SETTING))
    prefix = settings.get(_ARN_PREFIX)
    if prefix is None:
        settings = {_SECRET: secrets.token_hex(32), _ARN_PREFIX: service.arns.prefix}
        for key, document in settings.items():
            service.store.put(_SETTING, key, document)
    elif prefix != service.arns.prefix:
        raise ConfigError(
            f"LocalBackend({service.store.path!r}): the file belongs to region and account"
            f" {prefix.removeprefix('arn:aws:states:')}, not"
            f" {service.arns.prefix.removeprefix('arn:aws:states:')}: give those of the file as"
            " region and account_id, or another path"
        )
    service.use_secret(bytes.fromhex(settings[_SECRET]))


def _know_all(service: Service, connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT arn, number FROM executions ORDER BY number")
    service.executions.know(rows)


async def _resume_all(service: Service) -> list[Run]:
    """Let every execution that runs go on where its history ends."""
    heartbeats = {key: float(at) for key, at in await service.store.documents(HEARTBEAT)}
    resumed: list[Run] = []
    last = 0
    while True:
        read = await service.store.ask(functools.partial(_running, after=last))
        for row, history in read:
            run = run_of(row, service.machines.by_id)
            interpreter = await service.executions.restored(run, history)
            for event_id in interpreter.tasks:
                at = heartbeats.get(heartbeat_key(TaskId(run.number, event_id)))
                if at is not None:
                    run.heartbeats[event_id] = at
            run.interpreter = interpreter
            for task, child in _nested(run):
                service.integrations.nested.note(task, child)
            service.executions.resume(run, interpreter)
            resumed.append(run)
            await anyio.lowlevel.checkpoint()
        if len(read) < READ_AT_ONCE:
            return resumed
        last = read[-1][0].number


def _running(
    connection: sqlite3.Connection, *, after: int
) -> list[tuple[ExecutionRow, list[HistoryEvent]]]:
    rows = connection.execute(
        "SELECT * FROM executions WHERE status = 'RUNNING' AND number > ? ORDER BY number LIMIT ?",
        (after, READ_AT_ONCE),
    ).fetchall()
    return [(ExecutionRow(*row), list(events_of(connection, row[0]))) for row in rows]


async def _settle(service: Service, run: Run) -> None:
    """Do what was cut off between the end of one execution and what follows for another."""
    if run.interpreter is None:
        return
    map_run = run.origin.map_run_arn
    if map_run is not None and service.map_runs.live(map_run) is None:
        service.executions.stop(run, None, None)
        return
    for task, arn in _nested(run):
        child = await service.executions.find(arn)
        if child is not None:
            service.integrations.nested.await_end(task, child)


def _nested(run: Run) -> list[tuple[TaskId, str]]:
    """The tasks of *run* that wait for executions, with the ARNs of these."""
    found: list[tuple[TaskId, str]] = []
    for event_id, visit in run.interpreter.tasks.items() if run.interpreter else ():
        called = service_resource(getattr(visit.state, "resource", ""))
        answer = None if visit.task is None else visit.task.answer
        if called is not None and called.is_sync and answer is not None:
            started = answer.value
            assert isinstance(started, dict)  # it is what StartExecution answers
            found.append((TaskId(run.number, event_id), str(started["ExecutionArn"])))
    return found
