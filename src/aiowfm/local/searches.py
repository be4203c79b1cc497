"""Searching executions by what the tables are indexed for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from aiowfm.executions import Execution, Search
from aiowfm.local.errors import translated
from aiowfm.local.machines import Machine
from aiowfm.local.runs import Run, shown
from aiowfm.local.service import Service

LISTED_AT_ONCE = 100
_NO_EARLIER = 1 << 62  # no number is larger
_LAST_CHARACTER = "\U0010ffff"


class LocalSearch:
    """Executions of one service by name, tag, error and status."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def find(self, search: Search) -> AsyncIterator[Execution]:
        """What *search* describes, newest first; see `aiowfm.ports.ExecutionSearch`."""
        conditions = self._conditions(search)
        before = _NO_EARLIER
        while conditions is not None:
            runs = await self._page(conditions, before)
            for run in runs:
                yield shown(run, with_data=False)
            if len(runs) < LISTED_AT_ONCE:
                return
            before = runs[-1].number

    async def _page(self, conditions: dict[str, tuple[object, ...]], before: int) -> list[Run]:
        where = " AND ".join([*conditions, "map_run IS NULL AND number < ?"])
        values = [value for each in conditions.values() for value in each]
        with translated("ListExecutions"):
            return await self._service.executions.select(
                where, [*values, before], limit=LISTED_AT_ONCE
            )

    def _conditions(self, search: Search) -> dict[str, tuple[object, ...]] | None:
        """SQL conditions with their values; None where nothing can fulfil them."""
        machines = [each for each in self._service.machines.all() if _is_wanted(each, search)]
        if not machines:
            return None
        conditions: dict[str, tuple[object, ...]] = {}
        named = [self._service.executions.arn(each.name, search.name or "") for each in machines]
        if search.name is not None and len(search.name) > min(len(each.name) for each in machines):
            ranges = " OR ".join(["arn >= ? AND arn < ?"] * len(named))
            ends = [value for arn in named for value in (arn, arn + _LAST_CHARACTER)]
            conditions[f"({ranges})"] = tuple(ends)
        else:
            numbers = json.dumps([each.id for each in machines])
            conditions["machine IN (SELECT value FROM json_each(?))"] = (numbers,)
        if search.error is not None:
            conditions["facts ->> 'error' = ?"] = (search.error,)
        if search.statuses:
            statuses = json.dumps([each.value for each in search.statuses])
            conditions["status IN (SELECT value FROM json_each(?))"] = (statuses,)
        return conditions


def _is_wanted(machine: Machine, search: Search) -> bool:
    """Whether executions of *machine* can be what is searched for.

    The name of a workflow begins with that of its machine.
    """
    if machine.is_express or not machine.name.startswith(search.machines):
        return False
    name = search.name or ""
    if not (machine.name.startswith(name) or name.startswith(machine.name)):
        return False
    return all(machine.tags.get(key) == value for key, value in search.tags.items())
