from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, assert_type

import anyio
import pytest
from pydantic import BaseModel

from aiowfm import (
    CallNext,
    Engine,
    EngineStateError,
    HandlerTypeError,
    TaskContext,
    TaskError,
    Workflow,
)

pytestmark = pytest.mark.anyio

TASK = """
name: flow
stateMachine: {StartAt: w, States: {w: {Type: Task, Resource: work, End: true}}}
"""


class Order(BaseModel):
    id: int


@pytest.fixture
def engine() -> Engine:
    return Engine(app="a", environment="b", definitions=TASK)


async def asynchronous(order: Order) -> dict[str, int]:
    return {"id": order.id}


def plain(order: Order) -> dict[str, int]:
    return {"id": order.id}


BOTH = pytest.mark.parametrize("function", [asynchronous, plain])


async def outcome(engine: Engine, input: object = None) -> Workflow:
    async with engine:
        started = await engine.start_workflow("flow", {"id": 17} if input is None else input)
        return await engine.wait(started.id)


async def passing(ctx: TaskContext, call_next: CallNext) -> object:
    return await call_next()


@BOTH
async def test_middleware_surrounds_every_handler_the_first_registered_outermost(
    engine: Engine, function: Callable[..., Any]
) -> None:
    engine.task("work")(function)
    steps: list[str] = []

    def middleware(name: str) -> Callable[[TaskContext, CallNext], Any]:
        async def around(ctx: TaskContext, call_next: CallNext) -> object:
            steps.append(f"{name} before {ctx.task_name}")
            result = await call_next()
            steps.append(f"{name} after {result}")
            return result

        return around

    engine.middleware(middleware("first"))
    engine.middleware(middleware("second"))
    done = await outcome(engine)
    assert done.output == {"id": 17}
    assert steps == [
        "first before work",
        "second before work",
        "second after {'id': 17}",
        "first after {'id': 17}",
    ]


@BOTH
async def test_middleware_may_change_the_result(
    engine: Engine, function: Callable[..., Any]
) -> None:
    engine.task("work")(function)

    @engine.middleware
    async def sign(ctx: TaskContext, call_next: CallNext) -> object:
        return await call_next() | {"signed": True}

    assert (await outcome(engine)).output == {"id": 17, "signed": True}


async def test_middleware_may_give_a_result_to_a_handler_that_returns_nothing(
    engine: Engine,
) -> None:
    @engine.task("work")
    async def work() -> None: ...

    @engine.middleware
    async def sign(ctx: TaskContext, call_next: CallNext) -> object:
        assert await call_next() is None
        return {"signed": True}

    assert (await outcome(engine)).output == {"signed": True}


async def test_middleware_may_skip_the_handler(engine: Engine) -> None:
    @engine.task("work")
    async def work() -> None:
        pytest.fail("it was to be skipped")

    @engine.middleware
    async def skip(ctx: TaskContext, call_next: CallNext) -> object:
        return {"cached": ctx.input}

    assert (await outcome(engine)).output == {"cached": {"id": 17}}


async def test_what_middleware_raises_fails_the_task(engine: Engine) -> None:
    engine.task("work")(asynchronous)

    @engine.middleware
    async def refuse(ctx: TaskContext, call_next: CallNext) -> object:
        await call_next()
        raise TaskError("Refused", "by middleware")

    done = await outcome(engine)
    assert (done.error, done.cause) == ("Refused", "by middleware")


async def test_middleware_sees_what_a_handler_raises_and_may_put_it_right(engine: Engine) -> None:
    @engine.task("work")
    def work() -> None:
        raise KeyError("sku")

    @engine.middleware
    async def forgive(ctx: TaskContext, call_next: CallNext) -> object:
        try:
            return await call_next()
        except KeyError as exc:
            return {"missing": exc.args[0]}

    assert (await outcome(engine)).output == {"missing": "sku"}


async def test_middleware_sees_that_an_input_does_not_fit(engine: Engine) -> None:
    engine.task("work")(asynchronous)
    seen: list[str] = []

    @engine.middleware
    async def look(ctx: TaskContext, call_next: CallNext) -> object:
        try:
            return await call_next()
        except TaskError as exc:
            seen.append(exc.error)
            raise

    done = await outcome(engine, {"id": "no number"})
    assert done.error == "aiowfm.InvalidInput"
    assert "id: " in json.loads(done.cause or "")["errorMessage"]
    assert seen == ["aiowfm.InvalidInput"]


async def test_middleware_may_call_the_handler_again(engine: Engine) -> None:
    calls: list[int] = []

    @engine.task("work")
    async def work() -> int:
        calls.append(1)
        return len(calls)

    @engine.middleware
    async def twice(ctx: TaskContext, call_next: CallNext) -> object:
        return [await call_next(), await call_next()]

    assert (await outcome(engine)).output == [1, 2]


async def test_middleware_is_cancelled_with_its_handler_and_learns_why(engine: Engine) -> None:
    began = anyio.Event()
    reasons: list[str] = []

    @engine.task("work")
    async def work() -> None:
        began.set()
        await anyio.sleep_forever()

    @engine.middleware
    async def look(ctx: TaskContext, call_next: CallNext) -> object:
        try:
            return await call_next()
        finally:
            reasons.append(str(ctx.cancel_reason and ctx.cancel_reason.value))

    await engine.start()
    await engine.start_workflow("flow")
    await began.wait()
    await engine.stop(grace=0)
    assert reasons == ["worker stopping"]


class Tracer:
    def __init__(self) -> None:
        self.tasks: list[str] = []

    async def __call__(self, ctx: TaskContext, call_next: CallNext) -> object:
        self.tasks.append(ctx.task_name)
        return await call_next()

    async def method(self, ctx: TaskContext, call_next: CallNext) -> object:
        return await self(ctx, call_next)


async def test_objects_methods_and_partials_can_be_middleware(engine: Engine) -> None:
    async def named(name: str, ctx: TaskContext, call_next: CallNext) -> object:
        assert name == "partial"
        return await call_next()

    tracer = Tracer()
    engine.task("work")(asynchronous)
    engine.middleware(tracer)
    engine.middleware(tracer.method)
    engine.middleware(functools.partial(named, "partial"))
    assert (await outcome(engine)).status == "succeeded"
    assert tracer.tasks == ["work", "work"]


def not_async(ctx: TaskContext, call_next: CallNext) -> object:
    return None


async def too_few(ctx: TaskContext) -> object:
    return None


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        pytest.param(not_async, "not_async cannot be a middleware: .*async def", id="not async"),
        pytest.param(too_few, "too_few cannot be a middleware: .*two", id="too few parameters"),
        pytest.param(Tracer, "Tracer cannot be a middleware: .*not a function", id="class"),
        pytest.param("text", "'text' cannot be a middleware: .*not a function", id="text"),
    ],
)
def test_what_cannot_be_middleware_is_refused(engine: Engine, function: Any, reason: str) -> None:
    with pytest.raises(HandlerTypeError, match=reason):
        engine.middleware(function)


def test_what_cannot_be_middleware_is_noticed_by_a_type_checker(engine: Engine) -> None:
    with pytest.raises(HandlerTypeError):
        engine.middleware(not_async)  # type: ignore[type-var]  # on purpose
    with pytest.raises(HandlerTypeError):
        engine.middleware(too_few)  # type: ignore[type-var]  # on purpose


async def test_a_running_engine_takes_no_middleware(engine: Engine) -> None:
    engine.task("work")(asynchronous)
    async with engine:
        with pytest.raises(EngineStateError, match="the engine is running, not stopped"):
            engine.middleware(passing)


def test_the_decorator_returns_what_it_was_given(engine: Engine) -> None:
    assert engine.middleware(passing) is passing
    tracer = Tracer()
    assert_type(engine.middleware(tracer), Tracer)
