"""From a definition to the States Language that is deployed, and back for a comparison.

Short names become activity ARNs, the input of activity Tasks gets an envelope from which
the handler's `TaskContext` is made, and a lost worker is noticed and made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from aiowfm.asl.findings import Finding, did_you_mean
from aiowfm.asl.rules import reachable, scopes
from aiowfm.definitions.callbacks import CALLBACK_RESOURCE, with_message, without_message
from aiowfm.definitions.definition import MACHINE, WorkflowDefinition, located
from aiowfm.definitions.envelope import unwrapped, wrapped
from aiowfm.definitions.tracing import traced
from aiowfm.errors import DefinitionError

MAX_DEFAULT_HEARTBEAT_SECONDS = 60
LOST_WORKER_ERRORS = ("aiowfm.WorkerStopped", "States.HeartbeatTimeout")
LOST_WORKER_RETRIER: Mapping[str, Any] = {
    "ErrorEquals": list(LOST_WORKER_ERRORS),
    "IntervalSeconds": 10,
    "MaxAttempts": 10,
    "BackoffRate": 1.0,
}
# With MaxAttempts 0 these say that a lost worker is not to be made up for.
_COVERING_ERRORS = frozenset({"States.Timeout", "States.TaskFailed", "States.ALL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerOptions:
    """What is compiled in.

    Attributes:
        envelope: Wrap the input of activity Tasks, unless the definition says otherwise.
        trace_context: Hand activity Tasks that have an envelope what executions carry.
        default_heartbeat: Give activity Tasks without HeartbeatSeconds one.
        default_retry: Give activity Tasks a retrier for lost workers.
        no_retry_tasks: Tasks that get no such retrier (`retry_lost=False`).
    """

    envelope: bool = True
    trace_context: bool = False
    default_heartbeat: bool = True
    default_retry: bool = True
    no_retry_tasks: frozenset[str] = field(default_factory=frozenset)

    def wraps(self, definition: WorkflowDefinition) -> bool:
        """Whether the tasks of *definition* get an envelope."""
        return self.envelope if definition.envelope is None else definition.envelope

    def traces(self, definition: WorkflowDefinition) -> bool:
        """Whether its executions carry a trace context, which its state machine is made for."""
        return self.trace_context and self.wraps(definition)


def compile_definition(
    definition: WorkflowDefinition,
    *,
    start_at: str | None = None,
    activity_arn: Callable[[str], str],
    queue_url: str = "",
    options: CompilerOptions,
) -> dict[str, object]:
    """The state machine to deploy for *definition*; the definition stays as it is.

    Args:
        definition: One in which loading found nothing.
        start_at: The state to begin with, if not the definition's own. States that
            cannot be reached from it are left out: Step Functions refuses them.
        activity_arn: The ARN of the activity for the name of a task.
        queue_url: The queue of the application's callbacks, where it has any.
        options: What is compiled in.

    Raises:
        DefinitionError: there is no state *start_at*.
    """
    machine = definition.state_machine
    if start_at is not None and start_at != definition.start_at:
        machine = starting_at(definition, start_at)
    has_envelope, is_traced = options.wraps(definition), options.traces(definition)
    language = machine.get("QueryLanguage", "JSONPath")

    def compiled(state: dict[str, Any], in_map: bool) -> dict[str, Any]:
        resource = state.get("Resource")
        if state.get("Type") != "Task" or not isinstance(resource, str):
            return state
        is_jsonata = state.get("QueryLanguage", language) == "JSONata"
        if resource == CALLBACK_RESOURCE:
            return with_message(state, queue_url=queue_url, is_jsonata=is_jsonata, in_map=in_map)
        if resource.startswith("arn:"):
            return state
        with_extras = dict(state)
        if options.default_heartbeat and (seconds := default_heartbeat(state)) is not None:
            with_extras["HeartbeatSeconds"] = seconds
        if options.default_retry and resource not in options.no_retry_tasks:
            with_extras = _with_retrier(with_extras)
        if has_envelope:
            with_extras = wrapped(
                with_extras, is_jsonata=is_jsonata, in_map=in_map, with_trace=is_traced
            )
        return with_extras | {"Resource": activity_arn(resource)}

    made = _with_each_state(deepcopy(machine), compiled)
    return traced(made) if is_traced else made


def stripped(
    machine: Mapping[str, object],
    *,
    task_name: Callable[[str], str],
    queue_url: str | None = None,
) -> dict[str, object]:
    """*machine* without what the compiler adds, for comparing two of them.

    For any options, a definition compiled and stripped is the same, but for the state that
    `trace_context` adds, which changes what executions must be given. Not quite what the
    author wrote, though: a heartbeat or retrier of his own that equals the default one
    goes too.

    Args:
        machine: A compiled state machine, or one deployed by another program.
        task_name: The name of a task for the ARN of its activity.
        queue_url: The queue of the application's callbacks, if it is known.
    """

    def plain(state: dict[str, Any], in_map: bool) -> dict[str, Any]:
        resource = state.get("Resource")
        if state.get("Type") != "Task" or not isinstance(resource, str):
            return state
        if resource == CALLBACK_RESOURCE:
            return without_message(state, queue_url=queue_url)
        if ":activity:" not in resource:
            return state
        state = unwrapped(state) | {"Resource": task_name(resource)}
        bare = {name: value for name, value in state.items() if name != "HeartbeatSeconds"}
        if "HeartbeatSeconds" in state and state["HeartbeatSeconds"] == default_heartbeat(bare):
            state = bare
        retriers = state.get("Retry", [])
        if retriers and retriers[0] == LOST_WORKER_RETRIER:
            retriers = retriers[1:]
        state = {name: value for name, value in state.items() if name != "Retry"}
        return state | {"Retry": retriers} if retriers else state

    return _with_each_state(deepcopy(dict(machine)), plain)


def default_heartbeat(state: Mapping[str, Any]) -> int | None:
    """The HeartbeatSeconds that the activity Task *state* gets, or None.

    It must be less than TimeoutSeconds, so a timeout of 1, or one that is known only
    when the workflow runs, leaves no room for it.
    """
    if any(name in state for name in ("HeartbeatSeconds", "HeartbeatSecondsPath")):
        return None
    timeout = state.get("TimeoutSeconds")
    if "TimeoutSecondsPath" in state or isinstance(timeout, str) or timeout == 1:
        return None
    if timeout is None:
        return MAX_DEFAULT_HEARTBEAT_SECONDS
    return min(MAX_DEFAULT_HEARTBEAT_SECONDS, int(timeout) - 1)


def least_heartbeats(
    definitions: Iterable[WorkflowDefinition], options: CompilerOptions
) -> dict[str, int]:
    """The least HeartbeatSeconds, in effect and written as a number, of each task's states.

    For workers that are not told a state's own, since its input has no envelope.
    """
    least: dict[str, int] = {}
    for definition in definitions:
        for scope in scopes(definition.state_machine):
            for state in scope.states().values():
                seconds = state.get("HeartbeatSeconds")
                if seconds is None and options.default_heartbeat:
                    seconds = default_heartbeat(state)
                resource = state.get("Resource")
                if isinstance(resource, str) and isinstance(seconds, int):
                    least[resource] = min(seconds, least.get(resource, seconds))
    return least


def starting_at(definition: WorkflowDefinition, start_at: str) -> dict[str, Any]:
    """The state machine of *definition*, with only what can be reached from *start_at*.

    Raises:
        DefinitionError: there is no such state at its outermost level.
    """
    machine = definition.state_machine
    states = machine.get("States", {})
    if start_at not in states:
        message = f"no state {start_at!r} to start at{did_you_mean(start_at, states)}"
        raise DefinitionError(located(definition, [Finding(pointer=(MACHINE,), message=message)]))
    within = reachable(states, start_at)
    kept = {name: state for name, state in states.items() if name in within}
    return machine | {"StartAt": start_at, "States": kept}


def _with_each_state(
    machine: dict[str, Any],
    change: Callable[[dict[str, Any], bool], dict[str, Any]],
    in_map: bool = False,
) -> dict[str, Any]:
    """*machine* with *change* applied to each state, nested ones first."""

    def changed(state: dict[str, Any]) -> dict[str, Any]:
        if state.get("Type") == "Parallel":
            branches = [_with_each_state(each, change, in_map) for each in state["Branches"]]
            state = state | {"Branches": branches}
        elif state.get("Type") == "Map":
            for name in ("ItemProcessor", "Iterator"):
                if name in state:
                    # Child executions of a distributed Map have no Map in their context.
                    inside = state[name].get("ProcessorConfig", {}).get("Mode") != "DISTRIBUTED"
                    state = state | {name: _with_each_state(state[name], change, inside)}
        return change(state, in_map)

    return machine | {"States": {name: changed(each) for name, each in machine["States"].items()}}


def _with_retrier(state: dict[str, Any]) -> dict[str, Any]:
    retriers = state.get("Retry") or []
    for retrier in retriers:
        names = set(retrier["ErrorEquals"])
        if names & set(LOST_WORKER_ERRORS):
            return state
        if names & _COVERING_ERRORS and retrier.get("MaxAttempts") == 0:
            return state
    return state | {"Retry": [deepcopy(dict(LOST_WORKER_RETRIER)), *retriers]}
