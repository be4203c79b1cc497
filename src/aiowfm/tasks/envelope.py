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
    arn = facts.get("execution")
    workflow_id, workflow_name = workflow_facts(arn) if isinstance(arn, str) else (None, None)
    entered = facts.get("entered")
    heartbeat = facts.get("heartbeat")
    return TaskContext(
        task_name=task_name,
        task_token=task.token,
        worker_name=worker_name,
        workflow_id=workflow_id,
        execution_arn=None if arn is None else ExecutionArn(arn),
        workflow_name=workflow_name,
        state_name=facts.get("state"),
        attempt=facts.get("attempt"),
        entered_at=datetime.fromisoformat(entered) if isinstance(entered, str) else None,
        map_index=facts.get("index"),
        heartbeat_seconds=heartbeat if isinstance(heartbeat, int | float) else None,
        entered_text=entered,
        input=value["input"],
        beat=beat,
    )


def _facts(value: JsonValue) -> Mapping[str, Any] | None:
    if isinstance(value, dict) and value.keys() == MEMBERS:
        facts = value["aiowfm"]
        if isinstance(facts, dict) and "execution" in facts and "state" in facts:
            return facts
    return None
