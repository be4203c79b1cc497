from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from aiowfm import (
    Engine,
    TaskContext,
    TaskError,
    TaskTokenExpiredError,
    Workflow,
    current_task,
)
from aiowfm.otel import OpenTelemetryMiddleware

pytestmark = pytest.mark.anyio

TASK = """
name: flow
stateMachine:
  StartAt: w
  States:
    w:
      Type: Task
      Resource: work
      Retry: [{ErrorEquals: [Again], IntervalSeconds: 1, MaxAttempts: 1}]
      End: true
"""


class Telemetry:
    """What an engine of its own recorded."""

    def __init__(self) -> None:
        self.engine = Engine(app="a", environment="b", definitions=TASK, worker_name="me")
        self.tracers = TracerProvider()
        self._exported = InMemorySpanExporter()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exported))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader])
        self.engine.middleware(OpenTelemetryMiddleware(self.tracers, meters))

    @property
    def spans(self) -> list[ReadableSpan]:
        return [span for span in self._exported.get_finished_spans() if span.name == "task work"]

    def points(self, name: str) -> dict[tuple[object, object], Any]:
        """The points of the metric *name*, by task and outcome."""
        data = self._reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        (metric,) = [metric for metric in scope.metrics if metric.name == name]
        found: dict[tuple[object, object], Any] = {}
        for point in metric.data.data_points:
            labels = dict(point.attributes or {})
            key = (labels.pop("aiowfm.task.name"), labels.pop("aiowfm.task.outcome"))
            assert not labels
            found[key] = point
        return found

    async def run(self, function: Callable[..., Any], input: object = None) -> Workflow:
        self.engine.task("work")(function)
        async with self.engine:
            started = await self.engine.start_workflow("flow", input)
            return await self.engine.wait(started.id)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


async def test_a_task_has_a_span_that_says_what_it_is_about(telemetry: Telemetry) -> None:
    ids: list[str] = []

    def work() -> None:
        ids.append(current_task().task_id)

    workflow = await telemetry.run(work)
    (span,) = telemetry.spans
    assert span.attributes == {
        "aiowfm.task.name": "work",
        "aiowfm.task.id": ids[0],
        "aiowfm.task.attempt": 0,
        "aiowfm.task.outcome": "succeeded",
        "aiowfm.state.name": "w",
        "aiowfm.workflow.id": workflow.id,
        "aiowfm.workflow.name": "flow",
        "aiowfm.worker.name": "me",
    }
    assert (span.kind, span.status.status_code) == (SpanKind.CONSUMER, StatusCode.UNSET)


async def test_the_input_of_a_workflow_stays_what_it_was(telemetry: Telemetry) -> None:
    tracer = telemetry.tracers.get_tracer("test")
    with tracer.start_as_current_span("request"):
        workflow = await telemetry.run(lambda value: value, {"id": 17})
    assert (workflow.input, workflow.output) == ({"id": 17}, {"id": 17})


async def test_spans_of_tasks_are_no_children_of_what_started_the_engine(
    telemetry: Telemetry,
) -> None:
    with telemetry.tracers.get_tracer("test").start_as_current_span("start-up"):
        await telemetry.run(lambda: None)
    (span,) = telemetry.spans
    assert span.parent is None


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine function", "plain function"])
async def test_spans_of_a_handler_are_children_of_its_tasks_span(
    telemetry: Telemetry, is_async: bool
) -> None:
    seen: list[int] = []

    def plain() -> None:
        seen.append(get_current_span().get_span_context().span_id)

    async def asynchronous() -> None:
        plain()

    await telemetry.run(asynchronous if is_async else plain)
    (span,) = telemetry.spans
    assert span.context is not None
    assert seen == [span.context.span_id]


async def test_a_failed_task_has_an_error_status_and_no_payload(telemetry: Telemetry) -> None:
    async def work() -> None:
        raise TaskError("OutOfStock", "secret sku")

    await telemetry.run(work)
    (span,) = telemetry.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "OutOfStock")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "OutOfStock"
    assert span.attributes["aiowfm.task.outcome"] == "failed"
    assert not span.events
    assert "secret" not in span.to_json()


async def test_each_attempt_has_a_span(telemetry: Telemetry) -> None:
    def work() -> None:
        if current_task().attempt == 0:
            raise TaskError("Again")

    await telemetry.run(work)
    attributes = [span.attributes or {} for span in telemetry.spans]
    assert [each["aiowfm.task.attempt"] for each in attributes] == [0, 1]
    assert len({each["aiowfm.workflow.id"] for each in attributes}) == 1


async def test_a_cancelled_task_says_why(telemetry: Telemetry) -> None:
    began = anyio.Event()

    @telemetry.engine.task("work")
    async def work() -> None:
        began.set()
        await anyio.sleep_forever()

    await telemetry.engine.start()
    await telemetry.engine.start_workflow("flow")
    await began.wait()
    await telemetry.engine.stop(grace=0)
    (span,) = telemetry.spans
    assert span.attributes is not None
    assert span.attributes["aiowfm.task.outcome"] == "cancelled"
    assert span.attributes["aiowfm.task.cancel_reason"] == "worker stopping"
    assert span.status.status_code is StatusCode.ERROR
    assert telemetry.points("aiowfm.tasks")["work", "cancelled"].value == 1


async def test_a_result_that_nobody_takes_is_no_success(telemetry: Telemetry) -> None:
    began, go_on, ended = anyio.Event(), anyio.Event(), anyio.Event()

    @telemetry.engine.task("work", heartbeat="manual")
    async def work(ctx: TaskContext) -> None:
        began.set()
        with anyio.CancelScope(shield=True):
            await go_on.wait()
            with pytest.raises(TaskTokenExpiredError):
                await ctx.heartbeat()
        ended.set()

    async with telemetry.engine:
        started = await telemetry.engine.start_workflow("flow")
        await began.wait()
        await telemetry.engine.cancel_workflow(started.id)
        go_on.set()
        await ended.wait()
    (span,) = telemetry.spans
    assert span.attributes is not None
    assert span.attributes["aiowfm.task.outcome"] == "cancelled"
    assert span.attributes["aiowfm.task.cancel_reason"] == "task gone"


async def test_tasks_are_counted_and_timed_by_name_and_outcome(telemetry: Telemetry) -> None:
    def work() -> None:
        if current_task().attempt == 0:
            raise TaskError("Again")

    await telemetry.run(work)
    counts = telemetry.points("aiowfm.tasks")
    assert {key: point.value for key, point in counts.items()} == {
        ("work", "failed"): 1,
        ("work", "succeeded"): 1,
    }
    durations = telemetry.points("aiowfm.task.duration")
    assert durations.keys() == counts.keys()
    for point in durations.values():
        assert isinstance(point, HistogramDataPoint)
        assert (point.count, point.sum >= 0) == (1, True)


async def test_without_providers_the_global_ones_are_used() -> None:
    engine = Engine(app="a", environment="b", definitions=TASK)
    middleware = engine.middleware(OpenTelemetryMiddleware())
    assert isinstance(middleware, OpenTelemetryMiddleware)
    engine.task("work")(lambda: "done")
    async with engine:
        done = await engine.wait((await engine.start_workflow("flow")).id)
    assert done.output == "done"


def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; import aiowfm, aiowfm.otel"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ModuleNotFoundError: aiowfm.otel needs opentelemetry-api, which is not installed:"
        " pip install 'aiowfm[otel]'"
    )


def test_importing_aiowfm_does_not_load_opentelemetry() -> None:
    program = "import sys, aiowfm; print('opentelemetry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
