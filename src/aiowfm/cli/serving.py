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
from rich.markup import escape

from aiowfm.cli.extras import needing
from aiowfm.cli.vacuuming import refusal
from aiowfm.errors import BackendError, ConfigError
from aiowfm.local.queues import MessageSender
from aiowfm.local.service import Service
from aiowfm.local.storage.database import MEMORY, Database, Durability


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to serve, and where.

    Attributes:
        path: The file in which all is kept; None: in memory.
        retention: How many seconds after their end executions are removed; None: never.
    """

    host: str
    port: int
    region: str
    account_id: str
    sqs_endpoint: str | None
    path: str | None
    durability: Durability
    retention: float | None


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    problem = None
    try:
        anyio.run(_run, settings)
    except* ConfigError as failed:
        problem = refusal(settings.path or MEMORY, _first(failed))
    except* OSError as failed:
        where = f"{settings.host}:{settings.port}"
        problem = f"aiowfm: cannot listen on {where}: {_first(failed)}"
    if problem is not None:
        sys.exit(problem)


def _first(error: BaseException) -> BaseException:
    """An exception of a group, which may be a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _run(settings: Settings) -> None:
    database = Database(settings.path or MEMORY, settings.durability)
    async with _sender(settings) as sender:
        service = Service(
            region=settings.region,
            account_id=settings.account_id,
            database=database,
            sender=sender,
            retention=settings.retention,
        )
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
    console = Console(stderr=True, soft_wrap=True)
    async with anyio.create_task_group() as group:
        await group.start(_stop_on_signal, group)
        url = await group.start(serve, service, settings.host, settings.port)
        console.print(f"Step Functions at [bold]{url}[/bold], {_kept(settings)}; Ctrl-C stops it")
        if settings.sqs_endpoint is not None:
            console.print(f"sqs:sendMessage sends to [bold]{settings.sqs_endpoint}[/bold]")
        if not _is_loopback(settings.host):
            console.print(
                f"[yellow]{settings.host} is reachable from other machines,"
                " and credentials are not checked[/yellow]"
            )


def _kept(settings: Settings) -> str:
    """Where the state is, as the console shows it."""
    if settings.path is None:
        return "in memory"
    return f"kept in [bold]{escape(settings.path)}[/bold]"


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
