"""Lists executions over all the state machines that a workflow definition has had."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import cast

import anyio

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition
from aiowfm.names import state_machine_name, state_machine_prefix
from aiowfm.ports import Execution, Executions, ExecutionStatus, StateMachines
from aiowfm.workflows.job import WorkflowStatus
from aiowfm.workflows.workflow import STATUSES

MACHINES_KEPT_SECONDS = 60.0

_VERSION_AND_START = re.compile(r"(?:-1|[0-9]+)--.+")


class Listing:
    """Finds a name's state machines by prefix, and merges their executions."""

    def __init__(
        self,
        machines: StateMachines,
        executions: Executions,
        *,
        config: EngineConfig,
        find_definition: Callable[[str], WorkflowDefinition | None],
    ) -> None:
        self._machines = machines
        self._executions = executions
        self._config = config
        self._find_definition = find_definition
        self._names: dict[str, tuple[float, frozenset[str]]] = {}

    async def newest_first(
        self, name: str, status: WorkflowStatus | None, limit: int | None
    ) -> AsyncGenerator[Execution, None]:
        """Executions of all versions and start states of *name*, by start date, paged lazily."""
        wanted: list[ExecutionStatus | None] = [None]
        if status is not None:
            wanted = [each for each, shown in STATUSES.items() if shown is status]
        order = itertools.count()
        async with AsyncExitStack() as opened:
            heads: list[tuple[float, int, Execution, AsyncIterator[Execution]]] = []
            for machine in await self._machine_names(name):
                for each in wanted:
                    pages = self._executions.list(machine, each)
                    await opened.enter_async_context(
                        aclosing(cast("AsyncGenerator[Execution, None]", pages))
                    )
                    await _push(heads, next(order), pages)
            found = 0
            while heads and (limit is None or found < limit):
                _, place, execution, pages = heapq.heappop(heads)
                found += 1
                yield execution
                await _push(heads, place, pages)

    async def _machine_names(self, name: str) -> frozenset[str]:
        now = anyio.current_time()
        kept_at, names = self._names.get(name, (-MACHINES_KEPT_SECONDS, frozenset()))
        if now - kept_at >= MACHINES_KEPT_SECONDS:
            prefix = state_machine_prefix(self._config.environment, name)
            names = frozenset(
                each
                for each in await self._machines.names(prefix)
                if _VERSION_AND_START.fullmatch(each.removeprefix(prefix))
            )
            self._names[name] = (now, names)
        definition = self._find_definition(name)
        if definition is None:
            return names
        # Its machine may have been made since we looked; one that does not exist has no
        # executions.
        present = state_machine_name(
            self._config.environment, name, definition.version, definition.start_at
        )
        return names | {present}


async def _push(
    heads: list[tuple[float, int, Execution, AsyncIterator[Execution]]],
    order: int,
    pages: AsyncIterator[Execution],
) -> None:
    execution = await anext(pages, None)
    if execution is not None:
        heapq.heappush(heads, (-execution.started_at.timestamp(), order, execution, pages))
