"""`LocalBackend`: what a program makes, and an engine opens.

Its service, with all it runs on, is imported when one is made: most of what the embedded
backend needs, programs on AWS don't.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

import anyio

from aiowfm.errors import ConfigError, EngineStateError
from aiowfm.local.storage.database import MEMORY, RETENTION_SECONDS, Database, Durability

if TYPE_CHECKING:
    from aiowfm.local.adapters import OpenLocalBackend
    from aiowfm.local.service import Service

_ACCOUNT_ID = re.compile(r"[0-9]{12}")


class LocalBackend:
    """Step Functions embedded in the program.

    One object may serve several engines at once, on one event loop; what runs on it
    outlives each of them and goes on when the next one starts. A file outlives the
    process, too: what was acknowledged is in it, and goes on when it is opened again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = MEMORY,
        *,
        durability: Durability = "commit",
        retention: float | None = RETENTION_SECONDS,
        region: str = "us-east-1",
        account_id: str = "000000000000",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a backend; nothing is opened yet.

        Args:
            path: A SQLite file, which is made where there is none and has one owner at a
                time; `:memory:` for what need not outlive this object.
            durability: What an acknowledged call survives: `commit`, the death of the
                process; `fsync`, that of the machine; `none`, neither, but the file stays
                sound when only the process dies. Means nothing in memory.
            retention: How many seconds after their end workflows are removed, 90 days
                unless given; None: never.
            region: Part of the ARNs.
            account_id: Part of the ARNs, 12 digits.
            clock: The time in seconds since the epoch.

        Raises:
            ConfigError: an argument is not usable.
        """
        if durability not in get_args(Durability):
            known = ", ".join(map(repr, get_args(Durability)))
            raise ConfigError(f"durability: give one of {known}, not {durability!r}")
        if not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id):
            raise ConfigError(f"account_id: give 12 digits as text, not {account_id!r}")
        # Here and not in `open`, which runs on the event loop.
        from aiowfm.local.adapters import OpenLocalBackend
        from aiowfm.local.service import Service

        self._adapted = OpenLocalBackend
        self._database = Database(os.fspath(path), durability)
        self._make_service = functools.partial(
            Service,
            region=region,
            account_id=account_id,
            database=self._database,
            now=clock,
            retention=retention,
        )
        self._service = self._make_service()
        self._opening = anyio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0
        self._timekeeping = anyio.Lock()

    @property
    def is_made(self) -> bool:
        """Whether opening it makes no file."""
        return not self._database.is_file or os.path.exists(self._database.path)

    @property
    def path(self) -> str | None:
        """The file; None: in memory."""
        return self._database.path if self._database.is_file else None

    @property
    def service(self) -> Service:
        """What it embeds, while it is open."""
        return self._service

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenLocalBackend]:
        """Open it on the running loop; *max_polls* does not matter here.

        Raises:
            ConfigError: its file cannot be used, and why.
            EngineStateError: it is open on another event loop.
        """
        loop = asyncio.get_running_loop()
        if self._users == 0:
            self._loop = loop
            self._timekeeping = anyio.Lock()
            self._opening = anyio.Lock()
            if self._database.is_file:
                # What is known of it is in the file, which others may have used meanwhile.
                self._service = self._make_service()
        elif self._loop is not loop:
            raise EngineStateError(
                "this LocalBackend is in use on another event loop: make another, or stop the"
                " engines there first"
            )
        self._users += 1
        try:
            async with self._opening:
                await self._service.open()
            async with anyio.create_task_group() as group:
                group.start_soon(self._keep_time)
                yield self._adapted(self._service)
                group.cancel_scope.cancel()
        finally:
            self._users -= 1
            if self._users == 0:
                await self._service.close()

    async def _keep_time(self) -> None:
        # One of the engines that share a backend fires its timers; when that one stops,
        # the lock lets another go on.
        async with self._timekeeping:
            await self._service.run()
