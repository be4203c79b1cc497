"""Listing and searching, and starting many: the embedded engine, and by way of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from aiowfm import UsageError, WorkflowExistsError
from aiowfm.local import searches
from aiowfm.ports import Backend
from tests.end_to_end.watched import Clock, MakeWatched, engine_on, flow

pytestmark = pytest.mark.anyio

PASSING = flow({"go": {"Type": "Pass", "End": True}}, defaultTags={"team": "core"})
CHOOSING = flow(
    {
        "which": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$", "NumericEquals": 1, "Next": "one"},
                {"Variable": "$", "NumericEquals": 2, "Next": "two"},
            ],
            "Default": "fine",
        },
        "one": {"Type": "Fail", "Error": "One"},
        "two": {"Type": "Fail", "Error": "Two"},
        "fine": {"Type": "Succeed"},
    },
    name="choose",
    defaultTags={"team": "shop"},
)


async def test_only_what_started_since_then_is_listed(
    make_watched: MakeWatched, clock: Clock
) -> None:
    async with make_watched(PASSING) as engine:
        old = await engine.start_workflow("flow")
        clock.pass_days(1)
        new = await engine.start_workflow("flow")
        await engine.wait_all([old.id, new.id], timeout=15)
        found = [each async for each in engine.list_workflows("flow")]
        assert [each.id for each in found] == [new.id, old.id]
        since = found[0].created_at
        assert [each.id async for each in engine.list_workflows("flow", since=since)] == [new.id]
        earlier = since - timedelta(days=2)
        listed = engine.list_workflows("flow", since=earlier, status="succeeded", limit=1)
        assert [each.id async for each in listed] == [new.id]
        later = clock() + 60
        since = datetime.fromtimestamp(later, UTC)
        assert [each async for each in engine.list_workflows("flow", since=since)] == []
        with pytest.raises(TypeError, match="'sinse'"):
            await anext(engine.list_workflows("flow", sinse=since))  # type: ignore[call-arg]  # so it is told
        for wrong in (datetime(2026, 1, 2), "2026-01-02T00:00:00Z", 5):
            with pytest.raises(UsageError, match=r"since=.*datetime with a time zone"):
                await anext(engine.list_workflows("flow", since=wrong))  # type: ignore[arg-type]  # so it is told


async def test_many_are_started_as_they_are_taken(make_watched: MakeWatched) -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1_000):
            asked.append(number)
            yield number

    async with make_watched(PASSING) as engine:
        started = engine.start_workflows("flow", numbers(), concurrency=5)
        taken = [(await anext(started)).input for _ in range(7)]
        await started.aclose()
        assert taken == list(range(7))
        assert len(asked) <= 10
        listed = [each async for each in engine.list_workflows("flow")]
        assert len(listed) == len(asked)


async def test_inputs_may_come_asynchronously_and_be_repeated(make_watched: MakeWatched) -> None:
    async def orders() -> AsyncIterator[dict[str, Any]]:
        for number in range(7):
            yield {"id": f"o-{number}"}

    def suffix(order: dict[str, Any]) -> str:
        return str(order["id"])

    async with make_watched(PASSING) as engine:
        for _ in range(2):
            started = engine.start_workflows("flow", orders(), id_suffix=suffix, concurrency=3)
            ids = [each.id async for each in started]
            assert [id.rpartition("--")[2] for id in ids] == [f"o-{n}" for n in range(7)]
        assert len([1 async for _ in engine.list_workflows("flow")]) == 7


async def test_a_workflow_that_cannot_be_started_is_told_in_its_place(
    make_watched: MakeWatched,
) -> None:
    async with make_watched(PASSING) as engine:
        await engine.start_workflow("flow", {"n": 0, "id": "c"}, id_suffix="c")
        inputs = [{"n": n, "id": id} for n, id in enumerate("abcd")]
        starting = engine.start_workflows(
            "flow", inputs, id_suffix=lambda each: str(each["id"]), rate=1000
        )
        started = [(await anext(starting)).input, (await anext(starting)).input]
        with pytest.raises(WorkflowExistsError) as caught:
            await anext(starting)
    assert started == inputs[:2]
    assert '{"n": 0, "id": "c"}' in str(caught.value)
    assert '{"n":2,"id":"c"}' in str(caught.value)


async def test_the_embedded_engine_is_searched_by_id_tag_and_error(
    local: Backend, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "LISTED_AT_ONCE", 3)
    async with engine_on(local, environment, PASSING, CHOOSING) as engine:
        flows = [each.id async for each in engine.start_workflows("flow", range(8))]
        chosen = [each.id async for each in engine.start_workflows("choose", [1, 2, 0] * 4)]
        orders = engine.start_workflows("flow", range(12), id_suffix=lambda number: f"o-{number}")
        flows += [each.id async for each in orders]
        await engine.wait_all([*flows, *chosen], timeout=15)

        async def found(*name: str, **filters: Any) -> list[str]:
            return [each.id async for each in engine.list_workflows(*name, **filters)]

        newest_first = [*flows[:8], *chosen, *flows[8:]][::-1]
        assert await found() == newest_first
        assert await found(error="One") == [*chosen[::3]][::-1]
        assert await found("choose", error="Two", limit=2) == [*chosen[1::3]][::-1][:2]
        assert await found("flow", error="One") == []
        assert await found(error="One", status="succeeded") == []
        assert await found(tags={"team": "shop"}) == chosen[::-1]
        assert (
            await found("choose", tags={"team": "shop"}, status="failed")
            == [id for number, id in enumerate(chosen) if number % 3 < 2][::-1]
        )
        assert await found(tags={"team": "none"}) == []
        assert await found(tags={"application": "others"}) == []
        prefix = f"{environment}--flow--0--go--o-1"
        assert await found(id_prefix=prefix) == [flows[19], flows[18], flows[9]]
        assert await found(id_prefix=f"{environment}--ch") == chosen[::-1]
        assert await found("flow", id_prefix=f"{environment}--choose") == []
        assert await found(id_prefix="elsewhere--") == []

        planned = await engine.resume_workflows(error="Two", dry_run=True)
        assert [each.workflow.id for each in planned] == chosen[1::3][::-1]


@pytest.mark.parametrize(
    "filters",
    [{"name": None}, {"id_prefix": "x"}, {"tags": {"a": "b"}}, {"error": "X"}],
    ids=lambda each: next(iter(each)),
)
async def test_step_functions_says_what_it_cannot_search_by(
    served: Backend, environment: str, filters: dict[str, Any]
) -> None:
    async with engine_on(served, environment, PASSING) as engine:
        with pytest.raises(UsageError, match=f"{next(iter(filters))}.*LocalBackend alone"):
            await anext(engine.list_workflows(**({"name": "flow"} | filters)))


async def test_each_search_goes_by_an_index(local: Any, environment: str) -> None:
    asked: list[str] = []
    async with engine_on(local, environment, CHOOSING) as engine:
        workflow = await engine.start_workflow("choose", 1)
        await engine.wait(workflow.id, timeout=15)
        local._database._connection.set_trace_callback(asked.append)
        wanted: list[dict[str, Any]] = [
            {"error": "One"},
            {"status": "failed"},
            {"id_prefix": workflow.id},
            {},
        ]
        for filters in wanted:
            async for _ in engine.list_workflows("choose", **filters):
                pass
            async for _ in engine.list_workflows(**filters):
                pass
        local._database._connection.set_trace_callback(None)
        questions = {each for each in asked if each.startswith("SELECT * FROM executions")}
        assert len(questions) > 4
        for question in questions:
            plan = local._database._connection.execute(f"EXPLAIN QUERY PLAN {question}").fetchall()
            steps = [step for *_, step in plan if "json_each" not in step]
            assert all("SCAN" not in step and "B-TREE" not in step for step in steps), steps


async def test_an_input_is_started_when_it_comes(make_watched: MakeWatched) -> None:
    async with make_watched(PASSING) as engine:
        counts: list[int] = []

        async def orders() -> AsyncIterator[int]:
            for number in range(4):
                yield number
                while len([1 async for _ in engine.list_workflows("flow")]) <= number:  # noqa: ASYNC110  # a server tells nobody
                    await anyio.sleep(0.01)
                counts.append(number)

        with anyio.fail_after(15):
            started = [each.input async for each in engine.start_workflows("flow", orders())]
    assert started == counts == [0, 1, 2, 3]


async def test_what_the_source_of_inputs_raises_reaches_the_caller(
    make_watched: MakeWatched,
) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("no more orders")

    async with make_watched(PASSING) as engine:
        starting = engine.start_workflows("flow", broken())
        assert (await anext(starting)).input == 1
        with pytest.raises(LookupError, match="no more orders"):
            await anext(starting)


async def test_what_a_suffix_cannot_be_made_of_is_told_in_its_place(
    make_watched: MakeWatched,
) -> None:
    inputs: list[dict[str, Any]] = [{"id": "a"}, {"nothing": 1}, {"id": "c"}]
    async with make_watched(PASSING) as engine:
        starting = engine.start_workflows("flow", inputs, id_suffix=lambda each: str(each["id"]))
        assert (await anext(starting)).input == {"id": "a"}
        with pytest.raises(KeyError, match="id"):
            await anext(starting)
