"""What works and will hurt, beyond what the language itself warns of.

Callbacks that may never come are in `callbacks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiowfm.asl.findings import NO_TIMEOUT, RECURRING_KEY, Finding, shown
from aiowfm.definitions.callbacks import BODY, TASK_KEY, callback_states
from aiowfm.definitions.checks import own_tasks
from aiowfm.definitions.definition import MACHINE, WorkflowDefinition, in_machine

_EXECUTION = re.compile(r"\bExecution(?:['\"]\])?\s*(?:\.\s*|\[\s*['\"])(?:Name|Id)\b")
# A word like these in the name of a field, variable or function: order_id, orderId, $uuid, TaskKey.
_IDENTIFIER = re.compile(
    r"(?:\b|_)(?:id|uuid|guid|key)(?:\b|_)|(?:Id|ID|Uuid|UUID|Guid|GUID|Key)\b"
)
_BY_PATH = re.compile(r"\$|States\.")


def advice(definition: WorkflowDefinition) -> list[Finding]:
    """Warnings about *definition*; the language's own are not among them."""
    return [*_timeout(definition), *in_machine(_keys(definition))]


def unused_tasks(definitions: Iterable[WorkflowDefinition], tasks: Iterable[str]) -> list[str]:
    """Those of *tasks* that no Task of *definitions* names."""
    used = {name for definition in definitions for name in own_tasks(definition)}
    return [task for task in tasks if task not in used]


def _timeout(definition: WorkflowDefinition) -> Iterator[Finding]:
    machine = definition.state_machine
    # Where there are no states, there is more to be said than this.
    if "TimeoutSeconds" not in machine and isinstance(machine.get("States"), dict):
        yield Finding(
            pointer=(MACHINE,),
            message="no TimeoutSeconds: a workflow that hangs does so for a year; give the state"
            " machine one that no good workflow needs",
            severity="warning",
            code=NO_TIMEOUT,
        )


def _keys(definition: WorkflowDefinition) -> Iterator[Finding]:
    for place in callback_states(definition):
        field = "Arguments" if place.language == "JSONata" else "Parameters"
        sent = place.state.get(field)
        body: Any = sent.get(BODY) if isinstance(sent, Mapping) else None
        if not isinstance(body, Mapping):
            continue
        for member in (TASK_KEY, f"{TASK_KEY}.$"):
            key = body.get(member)
            if isinstance(key, str) and key and not _is_of_its_own(key):
                own = (
                    "{% $states.input.id & '/' & $states.context.Execution.Name %}"
                    if place.language == "JSONata"
                    else "States.Format('{}/{}', $.id, $$.Execution.Name)"
                )
                yield place.finding(
                    f"{TASK_KEY} {shown(key)} uses neither the execution's name nor an id, and a"
                    f" key names one wait at a time: make it one of its own, like {own}",
                    field,
                    BODY,
                    member,
                    severity="warning",
                    code=RECURRING_KEY,
                )


def _is_of_its_own(key: str) -> bool:
    if not (key.startswith("{%") or _BY_PATH.match(key)):
        return False  # the same text for all
    return bool(_EXECUTION.search(key) or _IDENTIFIER.search(key))
