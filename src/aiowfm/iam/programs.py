"""What the processes of an application may do: the operations that this library calls.

Which of them can be limited to a resource is what AWS's Service Authorization Reference says:
those that report on a task, and lists of all state machines, cannot.
"""

from __future__ import annotations

from aiowfm.config import Provision
from aiowfm.iam.documents import ANY, Grants
from aiowfm.iam.resources import Resources

_REPORTS = ("states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat")
_LOOK_AT_MACHINES = ("states:DescribeStateMachine", "states:ListTagsForResource")


def worker(at: Resources, provision: Provision) -> Grants:
    """A process that works on tasks and callbacks, and starts and watches workflows."""
    grants = Grants()
    grants.allow(at.handled_activities, "states:GetActivityTask")
    grants.allow(ANY, *_REPORTS, "states:ListStateMachines")
    grants.allow(at.machines, "states:StartExecution", "states:ListExecutions")
    grants.allow(at.machines, *_LOOK_AT_MACHINES)  # whose workflows are whose
    grants.allow(
        at.executions,
        "states:DescribeExecution",
        "states:GetExecutionHistory",
        "states:RedriveExecution",
        "states:StopExecution",
    )
    _provision_activities(grants, at.handled_activities, provision)
    if provision != "none":
        _look_at_machines(grants, at)
    if provision == "create":
        _deploy_machines(grants, at)
    if at.has_callbacks:
        grants.allow([at.queue], "sqs:ReceiveMessage", "sqs:DeleteMessage")
        grants.allow([at.queue], "sqs:ChangeMessageVisibility")
        _use_callbacks(grants, at, provision)
    return grants


def finalizer(at: Resources, provision: Provision) -> Grants:
    """A process that finishes callbacks, and starts with `start(worker=False)`."""
    grants = Grants()
    grants.allow(ANY, *_REPORTS)
    _provision_activities(grants, at.activities, provision)
    _use_callbacks(grants, at, provision)
    return grants


def deployer(at: Resources) -> Grants:
    """A step of a pipeline that calls `aiowfm deploy`, whatever `provision` says."""
    grants = Grants()
    _provision_activities(grants, at.activities, "create")
    _look_at_machines(grants, at)
    _deploy_machines(grants, at)
    if at.has_callbacks:
        _provision_callbacks(grants, at, "create")
    return grants


def doctor(at: Resources) -> Grants:
    """Whoever calls `aiowfm doctor --role doctor` or `aiowfm deploy --dry-run`: looks only."""
    grants = Grants()
    grants.allow(ANY, "states:ListStateMachines")
    _provision_activities(grants, at.activities, "check")
    _look_at_machines(grants, at)
    if at.has_callbacks:
        _provision_callbacks(grants, at, "check")
        grants.allow(at.queues, "sqs:GetQueueAttributes")
    return grants


def _provision_activities(grants: Grants, activities: list[str], provision: Provision) -> None:
    if provision != "none":
        grants.allow(activities, "states:DescribeActivity")
    if provision == "create":
        grants.allow(activities, "states:CreateActivity")


def _look_at_machines(grants: Grants, at: Resources) -> None:
    grants.allow(at.machines, *_LOOK_AT_MACHINES)
    grants.allow(at.changing_machines, "states:ListStateMachineVersions")


def _deploy_machines(grants: Grants, at: Resources) -> None:
    grants.allow(
        at.machines,
        "states:CreateStateMachine",
        "states:TagResource",
        "states:UpdateStateMachine",
    )
    grants.allow(
        at.changing_machines,
        "states:DeleteStateMachineVersion",
        "states:ListExecutions",  # of old versions, before they are deleted
        "states:PublishStateMachineVersion",
    )
    if at.definitions:
        condition = {"StringEquals": {"iam:PassedToService": "states.amazonaws.com"}}
        grants.allow([at.place.role_arn], "iam:PassRole", condition=condition)


def _use_callbacks(grants: Grants, at: Resources, provision: Provision) -> None:
    grants.allow([at.queue], "sqs:GetQueueUrl")
    # TransactWriteItems needs the permissions of what it writes, here PutItem.
    grants.allow([at.table], "dynamodb:GetItem", "dynamodb:PutItem")
    grants.allow([at.table, f"{at.table}/index/*"], "dynamodb:Query")
    _provision_callbacks(grants, at, provision)


def _provision_callbacks(grants: Grants, at: Resources, provision: Provision) -> None:
    if provision != "none":
        grants.allow(at.queues, "sqs:GetQueueUrl")
        grants.allow([at.queue], "sqs:GetQueueAttributes")
        grants.allow([at.table], "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive")
    if provision == "create":
        grants.allow(at.queues, "sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:TagQueue")
        grants.allow([at.queue], "sqs:SetQueueAttributes")  # where it has no redrive policy
        grants.allow(
            [at.table],
            "dynamodb:CreateTable",
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:TagResource",
            "dynamodb:UpdateContinuousBackups",
            "dynamodb:UpdateTimeToLive",
        )
