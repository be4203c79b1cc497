"""Workflows that carry the trace context they were started in, on all backends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    use_span,
)

from aiowfm import (
    Change,
    DefinitionChangedError,
    Engine,
    LocalBackend,
    NotFoundError,
    TaskContext,
    TaskError,
    UsageError,
    Workflow,
    WorkflowExistsError,
)
from aiowfm.otel import OpenTelemetryMiddleware
from tests.end_to_end.watched import MakeWatched, engine_on, flow, shape, task
from tests.places import Place

pytestmark = pytest.mark.anyio

MakeShop = Callable[..., "Shop"]
WORK = flow({"work": task("work")})


def shopping(language: str, version: int = 0) -> dict[str, Any]:
    """A task that is tried again, then one for each item, then all that the workflow knows."""
    is_jsonata = language == "JSONata"
    again = [{"ErrorEquals": ["Again"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    each = {"StartAt": "each", "States": {"each": task("work")}}
    items = {"Items": "{% $states.input.items %}"} if is_jsonata else {"ItemsPath": "$.items"}
    told = (
        {"Output": {"all": "{% $states.input %}", "id": "{% $states.context.Execution.Input.id %}"}}
        if is_jsonata
        else {"Parameters": {"all.$": "$", "id.$": "$$.Execution.Input.id"}}
    )
    states = {
        "first": task("work", "map", Retry=again),
        "map": {"Type": "Map", "ItemProcessor": each, "Next": "told"} | items,
        "told": {"Type": "Pass", "End": True} | told,
    }
    return flow(states, version=version, machine={"QueryLanguage": language})


class Shop:
    """An engine whose handler gives back what it is given; what it saw, and its spans."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.contexts: list[TaskContext] = []
        self.given: list[Any] = []
        self.tracers = TracerProvider()
        self._exported = InMemorySpanExporter()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exported))
        engine.middleware(OpenTelemetryMiddleware(self.tracers))
        engine.task("work")(self._work)

    async def _work(self, value: Any, ctx: TaskContext) -> Any:
        self.contexts.append(ctx)
        self.given.append(value)
        if ctx.state_name == "first" and ctx.attempt == 0:
            raise TaskError("Again")
        return value

    @property
    def spans(self) -> list[ReadableSpan]:
        return [each for each in self._exported.get_finished_spans() if each.name == "task work"]

    @contextmanager
    def request(self) -> Iterator[str]:
        """A span that is current meanwhile, as `traceparent` writes it."""
        with self.tracers.get_tracer("test").start_as_current_span("request") as span:
            yield traceparent(span.get_span_context())

    async def done(self, input: object, **options: Any) -> Workflow:
        workflow = await self.engine.start_workflow("flow", input, **options)
        done = await self.engine.wait(workflow.id, timeout=15)
        assert done.status == "succeeded", done.cause
        return done


def traceparent(context: SpanContext) -> str:
    ids = f"{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}"
    return f"00-{ids}-{context.trace_flags:02x}"


@pytest.fixture
def make_shop(place: Place, environment: str) -> MakeShop:
    def make(*definitions: dict[str, Any], **options: Any) -> Shop:
        options = {"trace_context": True} | options
        return Shop(engine_on(place.backend, environment, *definitions, **options))

    return make


@pytest.fixture(params=["JSONPath", "JSONata"])
def language(request: pytest.FixtureRequest) -> str:
    if request.param == "JSONata" and request.node.callspec.params["place"] == "ministack":
        pytest.skip("its JSONata lacks Execution.RedriveCount, which is in every envelope")
    return str(request.param)


@pytest.fixture
def shop(environment: str) -> Shop:
    return Shop(engine_on(LocalBackend(), environment, WORK, trace_context=True))


async def test_spans_of_tasks_are_children_of_what_started_the_workflow(
    make_shop: MakeShop, language: str
) -> None:
    shop = make_shop(shopping(language))
    input = {"id": "o-17", "items": [{"n": 1}, {"n": 2}]}
    async with shop.engine:
        with shop.request() as parent:
            started = await shop.engine.start_workflow("flow", input)
        done = await shop.engine.wait(started.id, timeout=15)
    # Nobody sees what was carried.
    assert (started.input, done.input) == (input, input)
    assert (done.status, done.output) == ("succeeded", {"all": input["items"], "id": "o-17"})
    assert shop.given[:2] == [input, input]
    assert sorted(each["n"] for each in shop.given[2:]) == [1, 2]
    # The first try, the retry, and both iterations.
    assert [each.traceparent for each in shop.contexts] == [parent] * 4
    assert [each.tracestate for each in shop.contexts] == [None] * 4
    assert len(shop.spans) == 4
    for span in shop.spans:
        assert span.parent is not None
        assert traceparent(span.parent) == parent
        assert span.context is not None
        assert span.context.trace_id == span.parent.trace_id


async def test_what_carries_nothing_is_handled_as_ever(
    make_shop: MakeShop, place: Place, language: str
) -> None:
    shop = make_shop(flow({"work": task("work")}, machine={"QueryLanguage": language}))
    inputs: list[Any] = [{"id": 1}, [{"id": 2}], [], "text", 3, False]
    async with shop.engine as engine:
        first = await shop.done(inputs[0])  # without a span
        with shop.request():
            rest = [await shop.done(input) for input in inputs[1:]]
        machine = place.machine_arn(first.id.rpartition("--")[0])
        name = f"{first.id}x"  # by another program
        request = {"stateMachineArn": machine, "name": name, "input": json.dumps({"id": 4})}
        await place.call("StartExecution", **request)
        other = await engine.wait(name, timeout=15)
    found = [*((each.input, each.output) for each in (first, *rest)), (other.input, other.output)]
    assert found == [(input, input) for input in [*inputs, {"id": 4}]]
    assert shop.given == [*inputs, {"id": 4}]
    assert {each.traceparent for each in shop.contexts} == {None}
    assert [span.parent for span in shop.spans] == [None] * 7


async def test_a_second_start_from_another_span_finds_the_same_workflow(
    make_shop: MakeShop,
) -> None:
    shop = make_shop(WORK)
    async with shop.engine as engine:
        with shop.request() as parent:
            first = await shop.done({"n": 1}, id_suffix="x")
        with shop.request():
            second = await engine.start_workflow("flow", {"n": 1}, id_suffix="x")
            with pytest.raises(WorkflowExistsError) as refusal:
                await engine.start_workflow("flow", {"n": 2}, id_suffix="x")
        third = await engine.start_workflow("flow", {"n": 1}, id_suffix="x")
    assert first.id == second.id == third.id
    assert first.input == second.input == third.input == {"n": 1}
    assert [each.traceparent for each in shop.contexts] == [parent]
    assert str(refusal.value).endswith('with another input: {"n": 1}, and now {"n":2}')


async def test_a_running_one_is_found_from_another_span_too(make_shop: MakeShop) -> None:
    shop = make_shop(flow({"wait": {"Type": "Wait", "Seconds": 600, "End": True}}))
    async with shop.engine as engine:
        with shop.request():
            first = await engine.start_workflow("flow", {"n": 1}, id_suffix="x")
        with shop.request():
            second = await engine.start_workflow("flow", {"n": 1}, id_suffix="x")
        await engine.cancel_workflow(first.id)
    assert (second.id, second.status, second.input) == (first.id, "running", {"n": 1})


async def test_each_of_many_carries_the_span_it_is_started_in(make_shop: MakeShop) -> None:
    shop = make_shop(WORK)
    async with shop.engine as engine:
        with shop.request() as parent:
            inputs = [{"n": number} for number in range(3)]
            started = [each async for each in engine.start_workflows("flow", inputs)]
        await engine.wait_all([each.id for each in started], timeout=15)
    assert [each.traceparent for each in shop.contexts] == [parent] * 3


@pytest.mark.parametrize("version", [0, -1])
async def test_the_option_changes_what_is_deployed(
    make_shop: MakeShop, place: Place, version: int
) -> None:
    definition = flow({"work": task("work")}, version=version)
    await make_shop(definition, trace_context=False).engine.deploy()
    shop = make_shop(definition)
    plan = await shop.engine.deploy(dry_run=True)
    (machine,) = plan.machines
    assert machine.change is (Change.UPDATE if version == -1 else Change.DIFFERS)
    assert '+  "StartAt": "aiowfm trace",' in machine.diff
    async with shop.engine as engine:
        with shop.request() as parent:
            if version == 0:
                with pytest.raises(DefinitionChangedError, match="raise the version"):
                    await engine.start_workflow("flow", {"n": 1})
                return
            done = await shop.done({"n": 1})
    assert (done.output, shop.contexts[0].traceparent) == ({"n": 1}, parent)
    # What was deployed with it is not deployed again, and without it is another.
    for trace_context in (True, False):
        engine = make_shop(definition, trace_context=trace_context).engine
        assert (await engine.deploy(dry_run=True)).has_changes is not trace_context


async def test_what_cannot_carry_it_is_not_started_where_nothing_may_be_changed(
    make_shop: MakeShop,
) -> None:
    definition = flow({"work": task("work")}, version=-1)
    await make_shop(definition, trace_context=False).engine.deploy()
    refused = make_shop(definition, provision="check").engine
    await refused.start(worker=False)  # whose polls would take what is started later
    with pytest.raises(NotFoundError, match="deployed without trace_context"):
        await refused.start_workflow("flow", {"n": 1})
    await refused.stop()
    await make_shop(definition).engine.deploy()
    changed = flow({"work": task("work", Comment="new")}, version=-1)
    shop = make_shop(changed, provision="check")
    async with shop.engine:
        with shop.request() as parent:
            done = await shop.done({"n": 1})
    assert (done.output, shop.contexts[0].traceparent) == ({"n": 1}, parent)


async def test_the_state_that_is_added_is_no_job(make_watched: MakeWatched) -> None:
    shop = Shop(make_watched(WORK, trace_context=True))
    async with shop.engine as engine:
        with shop.request():
            workflow = await engine.start_workflow("flow", {"n": 1})
        followed = {job.state: job async for job in engine.follow(workflow.id)}
        shown = await engine.get_workflow(workflow.id, jobs=True)
        listed = [each async for each in engine.list_workflows("flow")]
    assert list(followed) == ["work"]
    assert followed["work"].input == {"n": 1}
    assert shape(shown.jobs) == [("work", "succeeded")]
    assert [each.id for each in listed] == [workflow.id]


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
async def test_resumed_workflows_carry_the_span_they_are_resumed_in(
    make_watched: MakeWatched, language: str
) -> None:
    states = {
        "begin": {"Type": "Pass", "Next": "work"},
        "work": task("work", "end"),
        "end": {"Type": "Succeed"},
    }
    definition = flow(states, machine={"QueryLanguage": language})
    shop = Shop(make_watched(definition, trace_context=True))
    async with shop.engine as engine:
        with shop.request() as first:
            original = await shop.done({"n": [1]})
        with shop.request() as second:
            other = await engine.resume_workflow(original.id, start_at="work")
            done = await engine.wait(other.id, timeout=15)
            whole = await engine.resume_workflow(original.id, start_at="begin")
            await engine.wait(whole.id, timeout=15)
        third = await engine.resume_workflow(original.id, start_at="work", input={"n": 2})
        await engine.wait(third.id, timeout=15)
        jobs = (await engine.get_workflow(other.id, jobs=True)).jobs or ()
    assert [each.traceparent for each in shop.contexts] == [first, second, second, None]
    assert shop.given == [{"n": [1]}] * 3 + [{"n": 2}]
    assert (done.input, done.output, done.retry_for) == ({"n": [1]}, {"n": [1]}, original.id)
    assert [job.state for job in jobs] == ["aiowfm resume", "work", "end"]
    assert jobs[0].input == {
        "aiowfm": {"retry_for": original.id, "variables": {}},
        "input": {"n": [1]},
    }


DATA: dict[str, Any] = {
    "one": [1],
    "nested": [[2]],
    "empty": [],
    "object": {},
    "null": None,
    "float": 0.1,
    "text": "{% 1 %}",
    "traceparent": "mine",
    "deeper": {"aiowfm": {"trace": [{"traceparent": "mine"}]}},
}


@pytest.mark.parametrize("input", [{}, DATA, {"one": [DATA]}], ids=["empty", "many", "one"])
async def test_what_the_program_gives_comes_through_as_it_is(
    make_shop: MakeShop, language: str, input: dict[str, Any]
) -> None:
    shop = make_shop(flow({"work": task("work")}, machine={"QueryLanguage": language}))
    async with shop.engine:
        with shop.request() as parent:
            done = await shop.done(input)
    assert (done.input, done.output) == (input, input)
    assert shop.given == [input]
    assert shop.contexts[0].traceparent == parent


async def test_the_member_that_carries_it_is_reserved(shop: Shop) -> None:
    async with shop.engine as engine:
        with pytest.raises(UsageError) as refusal:
            await engine.start_workflow("flow", {"aiowfm": 1})
        listed = [each async for each in engine.list_workflows("flow")]
    assert listed == []
    assert str(refusal.value) == (
        "the input of workflow 'flow' has a member 'aiowfm', in which the trace context is"
        " carried: rename it, or start workflows without trace_context"
    )


async def test_without_the_option_any_member_may_be_given(environment: str) -> None:
    shop = Shop(engine_on(LocalBackend(), environment, WORK))
    input = {"aiowfm": {"trace": 1}}
    async with shop.engine:
        with shop.request():
            done = await shop.done(input)
    assert (done.input, done.output, shop.given) == (input, input, [input])
    assert shop.spans[0].parent is None


@pytest.mark.parametrize("length", [500, 513])
async def test_the_state_of_the_trace_is_carried_unless_it_is_long(shop: Shop, length: int) -> None:
    value = "v" * 200
    state = TraceState([("a", value), ("b", value), ("c", "v" * (length - 408))])
    assert len(state.to_header()) == length
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
    async with shop.engine:
        with use_span(NonRecordingSpan(context)):
            await shop.done({})
    (ctx,) = shop.contexts
    assert ctx.traceparent == traceparent(context)
    assert ctx.tracestate == (state.to_header() if length <= 512 else None)
    (span,) = shop.spans
    assert span.context is not None
    assert span.context.trace_state == (state if length <= 512 else TraceState())


async def test_a_program_that_propagates_otherwise_has_nothing_carried(
    shop: Shop,
) -> None:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(W3CBaggagePropagator())
    try:
        async with shop.engine:
            with shop.request():
                done = await shop.done({"n": 1})
    finally:
        propagate.set_global_textmap(before)
    assert (done.output, shop.contexts[0].traceparent) == ({"n": 1}, None)


async def test_an_input_that_leaves_no_room_is_started_as_it_is(shop: Shop) -> None:
    input = {"text": "x" * (262_144 - len('{"text":""}'))}
    async with shop.engine as engine:
        with shop.request():
            started = await engine.start_workflow("flow", input)
        done = await engine.wait(started.id, timeout=15)  # too large for any envelope
    assert (started.input, done.error) == (input, "States.DataLimitExceeded")


async def test_a_definition_without_envelopes_carries_nothing(environment: str) -> None:
    bare = WORK | {"envelope": False}
    shop = Shop(engine_on(LocalBackend(), environment, bare, trace_context=True))
    async with shop.engine:
        with shop.request():
            done = await shop.done({"aiowfm": 1})
    assert (done.output, shop.given) == ({"aiowfm": 1}, [{"aiowfm": 1}])


async def test_children_of_a_distributed_map_carry_nothing_and_do_not_fail(
    environment: str,
) -> None:
    each = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "each",
        "States": {"each": task("work")},
    }
    states = {"map": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": each, "End": True}}
    shop = Shop(engine_on(LocalBackend(), environment, flow(states), trace_context=True))
    async with shop.engine:
        with shop.request():
            done = await shop.done({"items": [1, {"n": 2}]})
    assert done.output == [1, {"n": 2}]
    assert [each.traceparent for each in shop.contexts] == [None, None]


def test_without_the_extra_the_start_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import asyncio, aiowfm\n"
        "engine = aiowfm.Engine(app='a', environment='b', trace_context=True)\n"
        "try: asyncio.run(engine.start())\n"
        "except aiowfm.ConfigError as exc: print(exc)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (
        "trace_context: aiowfm.otel needs opentelemetry-api, which is not installed:"
        " pip install 'aiowfm[otel]'"
    )
