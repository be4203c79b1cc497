"""Spans and metrics of tasks, and the context of their workflow's start: OpenTelemetry.

It needs the extra `otel`.
"""

from __future__ import annotations

import asyncio
import time
from typing import TypeAlias

from aiowfm.tasks.context import CancelReason, TaskContext
from aiowfm.tasks.middleware import CallNext
from aiowfm.tasks.outcomes import error_name

try:
    from opentelemetry import propagate
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import SpanKind, StatusCode, TracerProvider, get_tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as exc:
    if str(exc.name).partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "aiowfm.otel needs opentelemetry-api, which is not installed: pip install 'aiowfm[otel]'",
        name=exc.name,
    ) from exc

SCOPE = "aiowfm"

MAX_TRACESTATE_LENGTH = 512  # what W3C asks to pass on at least

_W3C = TraceContextTextMapPropagator()

_Attributes: TypeAlias = dict[str, str | int]


class OpenTelemetryMiddleware:
    """A span for each attempt at a task, a counter and a histogram of durations.

    The span is a child of the one that the workflow was started in, if it carries that
    (`EngineConfig.trace_context`); else it begins a trace.

    Register it with `engine.middleware(OpenTelemetryMiddleware())`, before other middleware
    that it is to include. Neither inputs, results, task tokens nor what exceptions say are
    recorded.

    Args:
        tracer_provider: None: the global one.
        meter_provider: None: the global one.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._tracer = get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = get_meter(SCOPE, meter_provider=meter_provider)
        self._count = meter.create_counter(
            "aiowfm.tasks", unit="{task}", description="Attempts at tasks that ended"
        )
        self._duration = meter.create_histogram(
            "aiowfm.task.duration", unit="s", description="How long handlers ran"
        )

    async def __call__(self, ctx: TaskContext, call_next: CallNext) -> object:
        """Run what is inside in a span."""
        begun = time.perf_counter()
        outcome = "failed"
        with self._tracer.start_as_current_span(
            f"task {ctx.task_name}",
            context=_parent(ctx),
            kind=SpanKind.CONSUMER,
            attributes=_attributes(ctx),
            record_exception=False,  # what it says may be a payload
            set_status_on_exception=False,
        ) as span:
            try:
                result = await call_next()
            except BaseException as exc:
                if isinstance(exc, asyncio.CancelledError):
                    outcome = "cancelled"
                span.set_attribute("error.type", error_name(exc))
                span.set_status(StatusCode.ERROR, error_name(exc))
                raise
            else:
                gone = ctx.cancel_reason is CancelReason.TASK_GONE  # nobody takes the result
                outcome = "cancelled" if gone else "succeeded"
                return result
            finally:
                span.set_attribute("aiowfm.task.outcome", outcome)
                if ctx.cancel_reason is not None:
                    span.set_attribute("aiowfm.task.cancel_reason", ctx.cancel_reason.value)
                labels = {"aiowfm.task.name": ctx.task_name, "aiowfm.task.outcome": outcome}
                self._count.add(1, labels)
                self._duration.record(time.perf_counter() - begun, labels)


def current_trace() -> dict[str, str]:
    """`traceparent` and `tracestate` of the current span, as far as the program propagates them.

    Whatever else its propagators (`OTEL_PROPAGATORS`) tell, such as baggage, is left out, and so
    is a `tracestate` of more than 512 characters.
    """
    told: dict[str, str] = {}
    propagate.inject(told)
    trace = {name: told[name] for name in ("traceparent", "tracestate") if told.get(name)}
    if len(trace.get("tracestate", "")) > MAX_TRACESTATE_LENGTH:
        del trace["tracestate"]
    return trace if "traceparent" in trace else {}


def _parent(ctx: TaskContext) -> Context:
    """What the workflow carries, or nothing: the span that the engine was started in is none."""
    carried = {"traceparent": ctx.traceparent, "tracestate": ctx.tracestate}
    carrier = {name: value for name, value in carried.items() if value is not None}
    return _W3C.extract(carrier, context=Context())


def _attributes(ctx: TaskContext) -> _Attributes:
    """What is known of the task; in another program's state machine that is less."""
    facts = {
        "aiowfm.task.name": ctx.task_name,
        "aiowfm.task.id": ctx.task_id,
        "aiowfm.task.attempt": ctx.attempt,
        "aiowfm.state.name": ctx.state_name,
        "aiowfm.workflow.id": ctx.workflow_id,
        "aiowfm.workflow.name": ctx.workflow_name,
        "aiowfm.worker.name": ctx.worker_name,
    }
    return {name: value for name, value in facts.items() if value is not None}
