"""`aiowfm serve`: runs the server until a signal stops it."""

from __future__ import annotations

import ipaddress
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup, TaskStatus
from rich.console import Console

from aiowfm.cli.extras import needing
from aiowfm.errors import BackendError
from aiowfm.local.queues import MessageSender
from aiowfm.local.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to serve, and where."""

    host: str
    port: int
    region: str
    account_id: str
    sqs_endpoint: str | None


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        anyio.run(_run, settings)
    except* OSError as failed:
        where = f"{settings.host}:{settings.port}"
        sys.exit(f"aiowfm: cannot listen on {where}: {failed.exceptions[0]}")


async def _run(settings: Settings) -> None:
    async with _sender(settings) as sender:
        service = Service(region=settings.region, account_id=settings.account_id, sender=sender)
        await _serve(service, settings)


@asynccontextmanager
async def _sender(settings: Settings) -> AsyncIterator[MessageSender | None]:
    """What sends to the SQS endpoint, where there is one."""
    if settings.sqs_endpoint is None:
        yield None
        return
    from aiowfm.aws.sqs import sqs_sender  # loads aioboto3 when it opens

    async with AsyncExitStack() as stack:
        try:
            sender = await stack.enter_async_context(
                sqs_sender(endpoint_url=settings.sqs_endpoint, region=settings.region)
            )
        except BackendError as exc:
            sys.exit(f"aiowfm: --sqs-endpoint: {exc}")
        yield sender


async def _serve(service: Service, settings: Settings) -> None:
    with needing("the server", "cli,serve", "aiohttp", "botocore"):
        from aiowfm.serve import serve
    console = Console(stderr=True)
    async with anyio.create_task_group() as group:
        await group.start(_stop_on_signal, group)
        url = await group.start(serve, service, settings.host, settings.port)
        console.print(f"Step Functions at [bold]{url}[/bold], in memory; Ctrl-C stops it")
        if settings.sqs_endpoint is not None:
            console.print(f"sqs:sendMessage sends to [bold]{settings.sqs_endpoint}[/bold]")
        if not _is_loopback(settings.host):
            console.print(
                f"[yellow]{settings.host} is reachable from other machines,"
                " and credentials are not checked[/yellow]"
            )


async def _stop_on_signal(
    group: TaskGroup, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            group.cancel_scope.cancel()
            return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
