"""`aiowfm serve`: runs the server until a signal stops it."""

from __future__ import annotations

import ipaddress
import signal
import sys

import anyio
from anyio.abc import TaskGroup
from rich.console import Console

from aiowfm.local.service import Service


def run(service: Service, host: str, port: int) -> None:
    """Serve *service* until SIGINT or SIGTERM."""
    try:
        anyio.run(_served, service, host, port)
    except* OSError as failed:
        sys.exit(f"aiowfm: cannot listen on {host}:{port}: {failed.exceptions[0]}")


async def _served(service: Service, host: str, port: int) -> None:
    try:
        from aiowfm.serve import serve
    except ModuleNotFoundError as exc:
        missing = str(exc.name).partition(".")[0]
        if missing not in ("aiohttp", "botocore"):
            raise
        sys.exit(
            f"aiowfm: the server needs {missing}, which is not installed:"
            " pip install 'aiowfm[cli,serve]'"
        )
    console = Console(stderr=True)
    async with anyio.create_task_group() as group:
        url = await group.start(serve, service, host, port)
        console.print(f"Step Functions at [bold]{url}[/bold], in memory; Ctrl-C stops it")
        if not _is_loopback(host):
            console.print(
                f"[yellow]{host} is reachable from other machines,"
                " and credentials are not checked[/yellow]"
            )
        await _stop_on_signal(group)


async def _stop_on_signal(group: TaskGroup) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            group.cancel_scope.cancel()
            return


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
