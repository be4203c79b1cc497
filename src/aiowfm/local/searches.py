"""Searching executions by what the tables are indexed for."""

from __future__ import annotations

import heapq
import json
from collections.abc import AsyncIterator, Mapping

from aiowfm.executions import Execution, Search
from aiowfm.local.errors import translated
from aiowfm.local.machines import Machine
from aiowfm.local.runs import Run, shown
from aiowfm.local.service import Service
from aiowfm.local.storage.schema import UNUSUAL

LISTED_AT_ONCE = 100
_NO_EARLIER = 1 << 62  # no number is larger
_LAST_CHARACTER = "\U0010ffff"

# SQL conditions, each with its values.
Conditions = Mapping[str, tuple[object, ...]]


class LocalSearch:
    """Executions of one service by name, tag, error and status."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def find(self, search: Search) -> AsyncIterator[Execution]:
        """What *search* describes, newest first; see `aiowfm.ports.ExecutionSearch`."""
        heads: list[tuple[int, Run, AsyncIterator[Run]]] = []
        for conditions in self._questions(search):
            await _push(heads, self._answers(conditions))
        while heads:
            _, run, answers = heapq.heappop(heads)
            yield shown(run, with_data=False)
            await _push(heads, answers)

    async def _answers(self, conditions: Conditions) -> AsyncIterator[Run]:
        where = " AND ".join([*conditions, "number < ?"])
        values = [value for each in conditions.values() for value in each]
        before = _NO_EARLIER
        while True:
            with translated("ListExecutions"):
                runs = await self._service.executions.select(
                    where, [*values, before], limit=LISTED_AT_ONCE
                )
            for run in runs:
                yield run
            if len(runs) < LISTED_AT_ONCE:
                return
            before = runs[-1].number

    def _questions(self, search: Search) -> list[Conditions]:
        """What to ask the store for, each in the order of an index."""
        machines = [each for each in self._service.machines.all() if _is_wanted(each, search)]
        if search.error is not None:
            numbers = json.dumps([each.id for each in machines])
            return [
                {
                    f"{UNUSUAL} AND facts ->> 'error' = ?": (search.error,),
                    "machine IN (SELECT value FROM json_each(?))": (numbers,),
                    **self._named(search.name, machines),
                    **_having(search),
                }
            ]
        statuses = [each.value for each in search.statuses] or (None,)
        return [
            {
                **of_machine(machine.id, status),
                **self._named(search.name, [machine]),
            }
            for machine in machines
            for status in statuses
        ]

    def _named(self, name: str | None, machines: list[Machine]) -> Conditions:
        """There is no index of names: in a large file it would double what starting costs.

        The machines, whose names those of executions begin with, leave few to look at.
        """
        if name is None or not machines:
            return {}
        arns = [self._service.executions.arn(each.name, name) for each in machines]
        ranges = " OR ".join(["arn >= ? AND arn < ?"] * len(arns))
        ends = tuple(value for arn in arns for value in (arn, arn + _LAST_CHARACTER))
        return {f"({ranges})": ends}


def of_machine(machine: int, status: str | None) -> Conditions:
    """SQL for the executions of a machine, so that they are found in the order of an index."""
    if status is None:
        return {"map_run IS NULL AND machine = ?": (machine,)}
    if status == "RUNNING":
        # The plus sign keeps SQLite from going through all of the machine.
        return {"map_run IS NULL AND status = 'RUNNING' AND +machine = ?": (machine,)}
    if status == "SUCCEEDED":
        return {"map_run IS NULL AND machine = ? AND status = ?": (machine, status)}
    return {f"{UNUSUAL} AND machine = ? AND status = ?": (machine, status)}


def _having(search: Search) -> Conditions:
    statuses = json.dumps([each.value for each in search.statuses])
    if not search.statuses:
        return {}
    return {"status IN (SELECT value FROM json_each(?))": (statuses,)}


async def _push(
    heads: list[tuple[int, Run, AsyncIterator[Run]]], answers: AsyncIterator[Run]
) -> None:
    run = await anext(answers, None)
    if run is not None:
        heapq.heappush(heads, (-run.number, run, answers))


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
