"""The rest of `engine.finalizer`, on both backends."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from aiowfm import (
    ConfigError,
    Engine,
    EngineStateError,
    InvalidLinkError,
    NotFoundError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
    UsageError,
)
from tests.end_to_end.conftest import MakeEngine, waiting
from tests.end_to_end.test_callbacks import approval

pytestmark = pytest.mark.anyio

SECRET = "a secret of more than 16 bytes"
PAGE = "https://shop.example/approve"


async def started(engine: Engine, key: str) -> str:
    workflow = await engine.start_workflow("order", {"id": key, "amount": 1})
    await waiting(engine, key)
    return workflow.id


async def test_links_lead_to_one_wait_and_finish_nothing(make_engine: MakeEngine) -> None:
    engine = make_engine(approval(), link_secret=SECRET)
    async with engine:
        id = await started(engine, "o/1 ü")
        url = await engine.finalizer.link("o/1 ü", "approve", PAGE)
        task = await engine.finalizer.get("o/1 ü")
        assert task is not None
        opened = await engine.finalizer.open_link(url)
        assert await engine.finalizer.open_link(url) == opened
        assert (opened.key, opened.outcome, opened.wait_id) == ("o/1 ü", "approve", task.wait_id)
        assert opened.is_open
        assert opened.task == task
        assert (await engine.get_workflow(id)).status == "running"

        await engine.finalizer.success(opened.key, opened.outcome, wait_id=opened.wait_id)
        assert not (await engine.finalizer.open_link(url)).is_open
        with pytest.raises(TaskTokenExpiredError):
            await engine.finalizer.link("o/1 ü", "approve", PAGE)
        with pytest.raises(InvalidLinkError):
            await engine.finalizer.open_link(url.replace("approve", "reject"))
        with pytest.raises(InvalidLinkError):
            await engine.finalizer.open_link(url, "another secret of 16 bytes")
        assert urlsplit(url).hostname == "shop.example"


async def test_links_need_somebody_who_waits_and_a_secret(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        with pytest.raises(ConfigError, match="AIOWFM_LINK_SECRET"):
            await engine.finalizer.link("k", "approve", PAGE)
        with pytest.raises(UnknownTaskKeyError):
            await engine.finalizer.link("k", "approve", PAGE, SECRET)
        with pytest.raises(UsageError, match="outcome"):
            await engine.finalizer.link("k", "", PAGE, SECRET)


async def test_the_result_that_was_accepted_can_be_read(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        assert await engine.finalizer.get("o-1") is None
        assert await engine.finalizer.result("o-1") is None
        await started(engine, "o-1")
        assert await engine.finalizer.result("o-1") is None
        await engine.finalizer.success("o-1", {"by": "ops"})
        result = await engine.finalizer.result("o-1")
        assert result is not None
        assert (result.kind, result.output) == ("success", {"by": "ops"})
        task = await engine.finalizer.get("o-1")
        assert task is not None
        assert task.acceptance is not None
        assert (task.status, task.acceptance.delivery) == ("DONE", "DELIVERED")
        assert task.acceptance.accepted_at >= task.waiting_since


async def test_heartbeats_keep_a_callback_alive_while_somebody_works_on_it(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(approval(HeartbeatSeconds=2, TimeoutSeconds=30))
    async with engine:
        id = await started(engine, "o-2")
        async with engine.finalizer.keep_alive("o-2"):
            await anyio.sleep(3)
        await engine.finalizer.success("o-2", "late, and yet in time")
        done = await engine.wait(id, timeout=15)
    assert done.output == "late, and yet in time"


async def test_work_on_a_callback_goes_on_when_it_gives_the_result_itself(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(approval(HeartbeatSeconds=1, TimeoutSeconds=30))
    async with engine:
        id = await started(engine, "o-3")
        async with engine.finalizer.keep_alive("o-3"):
            await engine.finalizer.success("o-3", 1)
            await anyio.sleep(1)  # a beat that finds the task over
        assert (await engine.wait(id, timeout=15)).output == 1
        with pytest.raises(UnknownTaskKeyError):
            async with engine.finalizer.keep_alive("o-4"):
                pass


async def test_the_errors_of_work_on_a_callback_are_its_own(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        await started(engine, "o-5")
        with pytest.raises(ZeroDivisionError):
            async with engine.finalizer.keep_alive("o-5"):
                raise ZeroDivisionError


@pytest.mark.parametrize(
    "key", [pytest.param("", id="empty"), pytest.param(5, id="a number"), "k" * 2_049]
)
async def test_what_is_no_key_is_refused_at_once(make_engine: MakeEngine, key: Any) -> None:
    engine = make_engine(approval())
    async with engine:
        with pytest.raises(UsageError, match="key of a callback task"):
            await engine.finalizer.success(key)


async def test_the_finalizer_needs_an_engine_that_runs(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    with pytest.raises(EngineStateError, match=r"finalizer\.get"):
        await engine.finalizer.get("k")


async def test_pending_callbacks_are_listed_as_they_came_to_wait(make_engine: MakeEngine) -> None:
    engine = make_engine(approval())
    async with engine:
        for number in range(3):
            await started(engine, f"o-{number}")
        listed = [task async for task in engine.finalizer.pending(2)]
        with pytest.raises(UsageError, match="limit=-1: it must not be negative"):
            await anext(engine.finalizer.pending(-1))
        assert [task.key for task in listed] == ["o-0", "o-1"]
        assert all(task.expires_at is not None for task in listed)
        assert [task.message for task in listed] == [{"amount": 1}] * 2


async def test_definitions_may_bring_callbacks_while_the_engine_runs(
    make_engine: MakeEngine,
) -> None:
    from aiowfm.definitions import load_definitions

    engine = make_engine()
    async with engine:
        assert engine.stats().callbacks.received == 0
        (definition,) = load_definitions(approval())
        engine.add_definition(definition)
        id = await started(engine, "o-9")
        await engine.finalizer.success("o-9", 1)
        assert (await engine.wait(id, timeout=15)).output == 1
        stats = engine.stats().callbacks
        assert (stats.stored, stats.delivered) == (1, 1)


@pytest.mark.aws
async def test_check_names_what_is_missing_and_makes_nothing(
    ministack: Any, environment: str
) -> None:
    engine = Engine(
        app="shop",
        environment=environment,
        definitions=approval(),
        backend=ministack.backend(),
        provision="check",
    )
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            await engine.start()
        for what in ("queue", "dead-letter queue", "table"):
            assert f"{what} {environment}--shop-callbacks" in str(caught.value)
