"""`aiowfm serve`: runs the server until a signal stops it."""

from __future__ import annotations

import ipaddress
import math
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

import anyio
import typer
from anyio.abc import TaskGroup, TaskStatus
from rich.text import Text

from aiowfm.cli import documents, texts
from aiowfm.cli.extras import needing
from aiowfm.cli.options import AccountIdOption, JsonOption, PortOption, RegionOption
from aiowfm.cli.refusals import CommandError, cannot_listen, output_errors
from aiowfm.errors import BackendError
from aiowfm.lifecycle import unwrapping
from aiowfm.local.queues import MessageSender
from aiowfm.local.service import Service
from aiowfm.local.storage import database as storage
from aiowfm.local.storage.database import MEMORY, RETENTION_SECONDS, Database

DAY_SECONDS = 24 * 60 * 60.0


class Durability(StrEnum):
    """What an acknowledged call survives."""

    COMMIT = "commit"
    FSYNC = "fsync"
    NONE = "none"


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
    durability: storage.Durability
    retention: float | None
    as_json: bool


def serve(
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="To listen on; unless given, for this machine alone."),
    ] = "127.0.0.1",
    port: PortOption = 8083,
    db: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where workflows are kept; in memory unless given."),
    ] = None,
    durability: Annotated[
        Durability | None,
        typer.Option(
            help="What an acknowledged call survives: the death of the process (commit, the"
            " default), that of the machine (fsync), or neither (none)."
        ),
    ] = None,
    retention_days: Annotated[
        float,
        typer.Option(
            min=0, metavar="N", help="Remove executions so long after their end; 0 keeps them."
        ),
    ] = RETENTION_SECONDS / DAY_SECONDS,
    region: RegionOption = "us-east-1",
    account_id: AccountIdOption = "000000000000",
    sqs_endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where sqs:sendMessage sends to, with the AWS credentials of the environment;"
            " unless given, messages stay in this process.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Serve Step Functions to any AWS client.

    Credentials are accepted unchecked: whoever can reach the address can use it. Ctrl-C or
    SIGTERM stops it; it ends with 0. With --json a line of JSON tells where it listens.
    """
    if sqs_endpoint is not None and not _is_url(sqs_endpoint):
        raise typer.BadParameter("not a URL like http://host:port", param_hint="--sqs-endpoint")
    if durability is not None and db is None:
        raise typer.BadParameter("there is no --db to keep anything", param_hint="--durability")
    if db in ("", MEMORY):
        raise typer.BadParameter("not the name of a file", param_hint="--db")
    if math.isnan(retention_days):
        raise typer.BadParameter("not a number", param_hint="--retention-days")
    _run(
        Settings(
            host=host,
            port=port,
            region=region,
            account_id=account_id,
            sqs_endpoint=sqs_endpoint,
            path=db,
            durability=durability.value if durability else "commit",
            retention=retention_days * DAY_SECONDS or None,
            as_json=json,
        )
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    try:
        with unwrapping(first=True):
            anyio.run(_open, settings)
    except OSError as exc:
        raise cannot_listen(settings.host, settings.port, exc) from exc


async def _open(settings: Settings) -> None:
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
            raise CommandError(f"--sqs-endpoint: {exc}") from exc
        yield sender


async def _serve(service: Service, settings: Settings) -> None:
    with needing("the server", "cli,serve", "aiohttp", "botocore"):
        from aiowfm import serve as server
    async with anyio.create_task_group() as group:
        await group.start(_stop_on_signal, group)
        url = await group.start(server.serve, service, settings.host, settings.port)
        with output_errors():
            _announce(url, settings)


def _announce(url: str, settings: Settings) -> None:
    console = texts.console(is_error=True)
    if settings.as_json:
        documents.print_line(
            {
                "url": url,
                "db": settings.path,
                "region": settings.region,
                "account_id": settings.account_id,
            }
        )
    else:
        kept = "in memory" if settings.path is None else f"kept in {settings.path}"
        console.print(
            Text.assemble("Step Functions at ", (url, "bold"), f", {kept}; Ctrl-C stops it")
        )
        if settings.sqs_endpoint is not None:
            console.print(f"sqs:sendMessage sends to {settings.sqs_endpoint}")
    if not _is_loopback(settings.host):
        console.print(
            f"{settings.host} is reachable from other machines, and credentials are not checked",
            style="yellow",
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
