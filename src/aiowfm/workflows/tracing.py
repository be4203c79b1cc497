"""Has workflows carry the trace context that they are started in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from aiowfm.definitions import (
    CompilerOptions,
    ResumedDefinition,
    WorkflowDefinition,
    with_trace,
)
from aiowfm.errors import ConfigError, PayloadTooLargeError, UsageError
from aiowfm.payloads import json_text

RESERVED = "aiowfm"
FIELDS = ("traceparent", "tracestate")  # https://www.w3.org/TR/trace-context/
MAX_TRACESTATE_LENGTH = 512  # what W3C asks to pass on at least


class Tracing:
    """Puts the trace context into inputs, where that is wanted."""

    def __init__(self, options: CompilerOptions) -> None:
        """Make it.

        Raises:
            ConfigError: it is wanted, and OpenTelemetry is not installed.
        """
        self._options = options
        self._inject = _injector() if options.trace_context else None

    def traced(self, definition: WorkflowDefinition, text: str, what: str) -> str:
        """The JSON *text* of an input, carrying the context of the current span.

        It stays as it is where there is no such span, where it is no object, and where the
        context would make it too large.

        Raises:
            UsageError: it has the member that is kept for this.
        """
        if self._inject is None or not self._options.traces(definition):
            return text
        value = json.loads(text)
        if not isinstance(value, dict):
            return text
        if RESERVED in value and not isinstance(definition, ResumedDefinition):
            raise UsageError(
                f"{what} has a member {RESERVED!r}, in which the trace context is carried:"
                " rename it, or start workflows without trace_context"
            )
        trace = _trace(self._inject)
        if not trace:
            return text
        try:
            return json_text(with_trace(value, trace), what)
        except PayloadTooLargeError:
            return text


def _injector() -> Callable[[dict[str, str]], None]:
    try:
        from opentelemetry.propagate import inject
    except ModuleNotFoundError as exc:
        if str(exc.name).partition(".")[0] != "opentelemetry":
            raise
        raise ConfigError(
            "trace_context: opentelemetry-api is not installed: pip install 'aiowfm[otel]'"
        ) from exc
    return inject


def _trace(inject: Callable[[dict[str, str]], None]) -> Mapping[str, str]:
    """What the program's propagator says of the current span, if that is W3C Trace Context."""
    carrier: dict[str, str] = {}
    inject(carrier)
    if FIELDS[0] not in carrier:
        return {}
    if len(carrier.get(FIELDS[1], "")) > MAX_TRACESTATE_LENGTH:
        del carrier[FIELDS[1]]
    return {name: carrier[name] for name in FIELDS if carrier.get(name)}
