"""Tries what may be done, with requests that change nothing whether they are allowed or not.

They name what does not exist: a made-up token, an execution of a state machine that nobody has, a
receipt that no message has. AWS refuses who may not ask before it says that there is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiowfm.aws.arns import Arns
from aiowfm.aws.callback_queues import find_queue
from aiowfm.aws.clients import LazyClient
from aiowfm.aws.concurrency import at_once
from aiowfm.aws.errors import translated
from aiowfm.aws.token_items import WAIT_PART, item_key, number
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.health import Check, Health

NOBODY = "aiowfm-doctor"  # a name, key, token and receipt of nothing

# How what does not exist is refused, where that is not one of our own errors.
_EXPECTED = frozenset(
    {
        "ConditionalCheckFailedException",
        "InvalidParameterValue",
        "ReceiptHandleIsInvalid",
    }
)
_NOT_PROBED = (
    "states:GetActivityTask and sqs:ReceiveMessage could take a task or a message away, and what"
    " creates or changes something would do so: these are not tried"
)


@dataclass(frozen=True, slots=True)
class _Probe:
    """Does an operation that is allowed by the action of its name, on something."""

    action: str
    on: str
    call: Callable[[], Awaitable[Any]]

    @property
    def operation(self) -> str:
        return self.action.partition(":")[2]


@dataclass(frozen=True, slots=True)
class _Outcome:
    probe: _Probe
    health: Health
    message: str = ""


class Probes:
    """What is tried, and what came of it."""

    def __init__(self, clients: Mapping[str, LazyClient], arns: Arns) -> None:
        self._clients = clients
        self._arns = arns

    async def checks(
        self, *, machines: Sequence[str], callbacks: str | None, consumes: bool
    ) -> list[Check]:
        """See `aiowfm.ports.Diagnostics.permissions`."""
        probes = await self._of_tasks()
        if consumes:
            probes += await self._of_workflows(machines)
        if callbacks is not None:
            probes += await self._of_table(callbacks)
            probes += await self._of_queue(callbacks) if consumes else []
        outcomes = await at_once([partial(_tried, probe) for probe in probes])
        allowed = dict.fromkeys(each.probe.action for each in outcomes if each.health is Health.OK)
        checks = [_told(each) for each in outcomes if each.health is not Health.OK]
        if allowed:
            message = f"allowed: {', '.join(allowed)}"
            checks.insert(0, Check(subject="permissions", health=Health.OK, message=message))
        return [*checks, Check(subject="permissions", health=Health.UNKNOWN, message=_NOT_PROBED)]

    async def _of_tasks(self) -> list[_Probe]:
        states = await self._clients["stepfunctions"]()
        calls = {
            "states:SendTaskSuccess": partial(states.send_task_success, output="null"),
            "states:SendTaskFailure": states.send_task_failure,
            "states:SendTaskHeartbeat": states.send_task_heartbeat,
        }
        return [
            _Probe(action, "tasks", partial(call, taskToken=NOBODY))
            for action, call in calls.items()
        ]

    async def _of_workflows(self, machines: Sequence[str]) -> list[_Probe]:
        states = await self._clients["stepfunctions"]()
        lists = partial(states.list_state_machines, maxResults=1)
        probes = [_Probe("states:ListStateMachines", "all of them", lists)]
        for name in machines:
            machine = {"stateMachineArn": await self._arns.make("stateMachine", name)}
            execution = {"executionArn": await self._arns.make("execution", f"{name}:{NOBODY}")}
            history = partial(states.get_execution_history, maxResults=1)
            calls = {
                "states:StartExecution": partial(states.start_execution, name=NOBODY, **machine),
                "states:ListExecutions": partial(states.list_executions, maxResults=1, **machine),
                "states:DescribeExecution": partial(states.describe_execution, **execution),
                "states:GetExecutionHistory": partial(history, **execution),
                "states:RedriveExecution": partial(states.redrive_execution, **execution),
                "states:StopExecution": partial(states.stop_execution, **execution),
            }
            probes += [_Probe(action, name, call) for action, call in calls.items()]
        return probes

    async def _of_table(self, name: str) -> list[_Probe]:
        client = await self._clients["dynamodb"]()
        item = item_key(NOBODY, WAIT_PART)
        query = partial(
            client.query,
            IndexName="pending",
            KeyConditionExpression="waiting_shard = :shard",
            ExpressionAttributeValues={":shard": number(0)},
            Limit=1,
        )
        contradiction = "attribute_exists(task_key) AND attribute_not_exists(task_key)"
        put = partial(client.put_item, Item=item, ConditionExpression=contradiction)
        calls = {
            "dynamodb:GetItem": partial(client.get_item, Key=item),
            "dynamodb:Query": query,
            "dynamodb:PutItem": put,
        }
        return [
            _Probe(action, f"table {name}", partial(call, TableName=name))
            for action, call in calls.items()
        ]

    async def _of_queue(self, name: str) -> list[_Probe]:
        """None where there is no queue; only the look where that fails already."""
        client = await self._clients["sqs"]()
        on = f"queue {name}"
        try:
            url = await find_queue(client, name)
        except AiowfmError:
            return [_Probe("sqs:GetQueueUrl", on, partial(client.get_queue_url, QueueName=name))]
        if url is None:
            return []
        hide = partial(client.change_message_visibility, VisibilityTimeout=0)
        calls = {
            "sqs:DeleteMessage": client.delete_message,
            "sqs:ChangeMessageVisibility": hide,
        }
        return [
            _Probe(action, on, partial(call, QueueUrl=url, ReceiptHandle=NOBODY))
            for action, call in calls.items()
        ]


async def _tried(probe: _Probe) -> _Outcome:
    try:
        with translated(probe.operation):
            await probe.call()
    except AccessDeniedError as exc:
        return _Outcome(probe, Health.PROBLEM, str(exc))
    except (NotFoundError, TaskTokenExpiredError):
        pass
    except AiowfmError as exc:
        code = exc.code if isinstance(exc, BackendError) else ""
        if code.rpartition(".")[2] not in _EXPECTED:
            return _Outcome(probe, Health.UNKNOWN, str(exc))
    return _Outcome(probe, Health.OK)


def _told(outcome: _Outcome) -> Check:
    probe = outcome.probe
    if outcome.health is Health.UNKNOWN:
        message = f"on {probe.on}: not told: {outcome.message}"
        return Check(subject=probe.action, health=Health.UNKNOWN, message=message)
    return Check(
        subject=probe.action,
        health=Health.PROBLEM,
        message=f"denied on {probe.on}: {outcome.message}",
        advice="allow it: `aiowfm iam` prints the policy",
    )
