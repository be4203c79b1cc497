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
from aiowfm.errors import PayloadTooLargeError, UsageError
from aiowfm.payloads import json_text

RESERVED = "aiowfm"


class Tracing:
    """Puts the trace context into inputs, where that is wanted."""

    def __init__(
        self, options: CompilerOptions, current_trace: Callable[[], Mapping[str, str]] | None
    ) -> None:
        """Make it.

        Args:
            options: Which definitions are made for it.
            current_trace: The W3C Trace Context of the current span, empty if there is none;
                None: nothing is ever carried.
        """
        self._options = options
        self._current_trace = current_trace

    def traced(self, definition: WorkflowDefinition, text: str, what: str) -> str:
        """The JSON *text* of an input, carrying the context of the current span.

        It stays as it is where there is no such span, where it is no object, and where the
        context would make it too large.

        Raises:
            UsageError: it has the member that is kept for this.
        """
        if self._current_trace is None or not self._options.traces(definition):
            return text
        value = json.loads(text)
        if not isinstance(value, dict):
            return text
        if RESERVED in value and not isinstance(definition, ResumedDefinition):
            raise UsageError(
                f"{what} has a member {RESERVED!r}, in which the trace context is carried:"
                " rename it, or start workflows without trace_context"
            )
        trace = self._current_trace()
        if not trace:
            return text
        try:
            return json_text(with_trace(value, trace), what)
        except PayloadTooLargeError:
            return text
