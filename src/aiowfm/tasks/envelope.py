"""Opens the envelope in which the compiler wraps a task's input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from aiowfm.asl.payload import JsonValue, parse
from aiowfm.names import ExecutionArn
from aiowfm.ports import ActivityTask
from aiowfm.tasks.context import TaskContext, workflow_facts

MEMBERS = frozenset({"aiowfm", "input"})
MAX_SECONDS = 99_999_999  # Step Functions: HeartbeatSeconds, TimeoutSeconds


def opened(
    task: ActivityTask,
    *,
    task_name: str,
    worker_name: str,
    beat: Callable[[], Awaitable[None]],
) -> TaskContext:
    """The context of *task*, its input included.

    An input without the envelope, from another program's state machine, is taken as it is.

    Raises:
        ValueError: the input is not JSON.
    """
    value = parse(task.input)
    facts = _facts(value)
    if facts is None:
        return TaskContext(
            task_name=task_name,
            task_token=task.token,
            worker_name=worker_name,
            input=value,
            beat=beat,
        )
    assert isinstance(value, dict)
    workflow_id, workflow_name = workflow_facts(facts["execution"])
    entered = facts.get("entered")
    traceparent, tracestate = _trace(facts.get("trace"))
    return TaskContext(
        task_name=task_name,
        task_token=task.token,
        worker_name=worker_name,
        workflow_id=workflow_id,
        execution_arn=ExecutionArn(facts["execution"]),
        workflow_name=workflow_name,
        state_name=facts["state"],
        attempt=facts.get("attempt"),
        entered_at=None if entered is None else datetime.fromisoformat(entered),
        map_index=facts.get("index"),
        heartbeat_seconds=seconds_of(facts.get("heartbeat")),
        traceparent=traceparent,
        tracestate=tracestate,
        entered_text=entered,
        input=value["input"],
        beat=beat,
    )


def _facts(value: JsonValue) -> Mapping[str, Any] | None:
    """What the envelope says, or None if *value* is none, however it looks."""
    if not isinstance(value, dict) or value.keys() != MEMBERS:
        return None
    facts = value["aiowfm"]
    if not isinstance(facts, dict):
        return None
    is_ours = (
        isinstance(facts.get("execution"), str)
        and isinstance(facts.get("state"), str)
        and _is_instant(facts.get("entered"))
        and isinstance(facts.get("attempt"), int | None)
        and isinstance(facts.get("index"), int | None)
    )
    return facts if is_ours else None


def _trace(value: JsonValue) -> tuple[str | None, str | None]:
    """The `traceparent` and `tracestate` that the execution carries, or two Nones."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        return None, None
    parent, state = value[0].get("traceparent"), value[0].get("tracestate")
    if not isinstance(parent, str):
        return None, None
    return parent, state if isinstance(state, str) else None


def seconds_of(value: object) -> float | None:
    """*value* as HeartbeatSeconds or TimeoutSeconds, or None if it is neither."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if 0 < value <= MAX_SECONDS else None


def _is_instant(value: JsonValue) -> bool:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return value is None
