"""The server: listens until it is cancelled, then lets the open requests end."""

from __future__ import annotations

import logging

import anyio
from aiohttp import web
from anyio.abc import TaskStatus

from aiowfm.local.service import Service
from aiowfm.serve.application import application

GRACE_SECONDS = 5.0
# Clients keep connections for longer than the minute of a long poll.
_KEEP_ALIVE_SECONDS = 600.0


async def serve(
    service: Service,
    host: str = "127.0.0.1",
    port: int = 8083,
    *,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Offer *service* to AWS clients at `http://host:port` until cancelled.

    Cancelling it ends open long polls with no task and gives other requests
    some seconds to end.

    Args:
        service: What to offer; its timers fire while this runs.
        host: Whom to listen to: the loopback address, unless told otherwise.
        port: 0 takes any that is free.
        task_status: Gets the URL once it listens.

    Raises:
        OSError: It cannot listen there.
    """
    async with service.running():
        await listen(service, host, port, task_status=task_status)


async def listen(
    service: Service,
    host: str,
    port: int,
    *routes: web.AbstractRouteDef,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """As `serve`, for a service that is run by others, beside *routes* to something else."""
    runner = web.AppRunner(
        application(service, *routes),
        logger=_protocol_log(),
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
        shutdown_timeout=GRACE_SECONDS,
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        task_status.started(_url(runner, host))
        await anyio.sleep_forever()
    finally:
        for activity in service.activities.all():
            activity.send_home()
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


def _protocol_log() -> logging.Logger:
    """Where requests that are not even HTTP are logged, without what they consist of.

    That could be credentials: a header that is too long, or has a character it may not have.
    """
    log = logging.getLogger("aiowfm.serve.http")
    if not log.filters:
        log.addFilter(_without_details)
    return log


def _without_details(record: logging.LogRecord) -> bool:
    record.exc_info = record.exc_text = None
    return True


def _url(runner: web.AppRunner, host: str) -> str:
    port = runner.addresses[0][1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
