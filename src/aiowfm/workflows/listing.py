"""Lists executions over all the state machines that a workflow definition has had."""

from __future__ import annotations

import heapq
import itertools
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import datetime
from typing import cast

import anyio

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition
from aiowfm.errors import UsageError
from aiowfm.names import (
    SEPARATOR,
    WorkflowId,
    cleaned,
    state_machine_name,
    state_machine_prefix,
)
from aiowfm.ports import (
    Execution,
    Executions,
    ExecutionSearch,
    Search,
    StateMachines,
)
from aiowfm.workflows.filters import Wanted
from aiowfm.workflows.owners import Owners

MACHINES_KEPT_SECONDS = 60.0  # the names that were found for a definition

_VERSION_AND_START = re.compile(r"(?:-1|[0-9]+)--.+")


class Listing:
    """Finds a name's state machines by prefix, and merges their executions."""

    def __init__(
        self,
        machines: StateMachines,
        executions: Executions,
        owners: Owners,
        *,
        search: ExecutionSearch | None,
        config: EngineConfig,
        find_definition: Callable[[str], WorkflowDefinition | None],
    ) -> None:
        self._machines = machines
        self._executions = executions
        self._owners = owners
        self._search = search
        self._config = config
        self._find_definition = find_definition
        self._names: dict[str, tuple[float, frozenset[str]]] = {}
        self._started: defaultdict[str, set[str]] = defaultdict(set)

    def know(self, id: WorkflowId) -> None:
        """A workflow of this id was started: its state machine may be new."""
        self._started[id.name].add(id.state_machine)

    async def newest_first(self, wanted: Wanted) -> AsyncGenerator[Execution, None]:
        """Executions of all versions and start states, by start date, paged lazily.

        Raises:
            UsageError: the backend cannot find what is wanted.
        """
        found = self._merged(wanted)
        if wanted.searches:
            found = self._searched(wanted)
        count = 0
        async with aclosing(found):
            # Looking for one more than is wanted may cost a page.
            while wanted.limit is None or count < wanted.limit:
                execution = await anext(found, None)
                if execution is None or _is_before(execution, wanted.since):
                    return
                count += 1
                yield execution

    async def _searched(self, wanted: Wanted) -> AsyncGenerator[Execution, None]:
        if self._search is None:
            raise UsageError(
                f"list_workflows({', '.join(wanted.searches)}): Step Functions lists by"
                " definition, status and start date only, and LocalBackend alone can search by"
                " more: give the name, and look at what comes (get_workflow(id) has the error),"
                " or keep an index of your own"
            )
        if wanted.tags.get("application", self._config.app) != self._config.app:
            return
        environment = self._config.environment
        machines = cleaned(environment) + SEPARATOR
        if wanted.name is not None:
            machines = state_machine_prefix(environment, wanted.name)
        search = Search(
            machines=machines,
            name=wanted.id_prefix,
            tags={**wanted.tags, "application": self._config.app},
            error=wanted.error,
            statuses=frozenset(wanted.statuses),
        )
        async for execution in self._search.find(search):
            yield execution

    async def _merged(self, wanted: Wanted) -> AsyncGenerator[Execution, None]:
        assert wanted.name is not None
        order = itertools.count()
        async with AsyncExitStack() as opened:
            heads: list[tuple[float, int, Execution, AsyncIterator[Execution]]] = []
            for machine in sorted(await self._machine_names(wanted.name)):
                if not await self._owners.is_own(machine):
                    continue
                for status in wanted.statuses or (None,):
                    pages = self._executions.list(machine, status)
                    await opened.enter_async_context(
                        aclosing(cast("AsyncGenerator[Execution, None]", pages))
                    )
                    await _push(heads, next(order), pages)
            while heads:
                _, place, execution, pages = heapq.heappop(heads)
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
        names |= self._started[cleaned(name)]
        definition = self._find_definition(name)
        if definition is None:
            return names
        # Its machine may have been made since we looked; one that does not exist has no
        # executions.
        present = state_machine_name(
            self._config.environment, name, definition.version, definition.start_at
        )
        return names | {present}


def _is_before(execution: Execution, since: datetime | None) -> bool:
    return since is not None and execution.started_at < since


async def _push(
    heads: list[tuple[float, int, Execution, AsyncIterator[Execution]]],
    order: int,
    pages: AsyncIterator[Execution],
) -> None:
    execution = await anext(pages, None)
    if execution is not None:
        heapq.heappush(heads, (-execution.started_at.timestamp(), order, execution, pages))
