"""The ARNs and names of the local service: how they are made, and what is not one."""

from __future__ import annotations

import re

from aiowfm.asl.map_rules import FORBIDDEN_IN_NAMES
from aiowfm.local.errors import ServiceError
from aiowfm.names import ActivityArn, ExecutionArn, StateMachineArn

_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/\S+", re.ASCII)


class Arns:
    """The ARNs of one account and region."""

    def __init__(self, region: str, account_id: str) -> None:
        self.prefix = f"arn:aws:states:{region}:{account_id}"
        self._queues = f"https://sqs.{region}.amazonaws.com/{account_id}"

    def activity(self, name: str) -> ActivityArn:
        return ActivityArn(f"{self.prefix}:activity:{name}")

    def state_machine(self, name: str) -> StateMachineArn:
        return StateMachineArn(f"{self.prefix}:stateMachine:{name}")

    def execution(self, machine: str, name: str) -> ExecutionArn:
        return ExecutionArn(f"{self.prefix}:execution:{machine}:{name}")

    def queue_url(self, name: str) -> str:
        """The queue *name* as definitions name it; it is in the process all the same."""
        return f"{self._queues}/{name}"

    def express(self, machine: str, name: str, unique: str) -> ExecutionArn:
        """An execution of an EXPRESS machine: their names may repeat."""
        return ExecutionArn(f"{self.prefix}:express:{machine}:{name}:{unique}")


def checked_arn(arn: str, *kinds: str) -> str:
    """*arn*, which must name a resource of one of these kinds.

    Raises:
        ServiceError: InvalidArn.
    """
    parts = arn.split(":")
    if parts[0] != "arn" or len(parts) < 7 or parts[2] != "states":
        raise ServiceError("InvalidArn", f"Invalid Arn: 'Invalid ARN prefix: {arn}'")
    if parts[5] not in kinds:
        message = f"Invalid Arn: 'Resource type not valid in this context: {parts[5]}'"
        raise ServiceError("InvalidArn", message)
    return arn


def without_label(arn: str) -> str:
    """*arn* of a state machine, which must not be that of a distributed Map in it.

    Raises:
        ServiceError: ValidationException.
    """
    if "/" in arn.split(":")[6]:
        message = f"The ARN of a Distributed Map state is not supported by this operation: '{arn}'"
        raise ServiceError("ValidationException", message)
    return arn


def checked_role(arn: str) -> str:
    """*arn*, which must name an IAM role.

    Raises:
        ServiceError: InvalidArn.
    """
    if not _ROLE.fullmatch(arn):
        raise ServiceError("InvalidArn", f"Invalid Role Arn: '{arn}'")
    return arn


def checked_name(name: str) -> str:
    """*name*, which must be one that activities, machines and executions may have.

    Raises:
        ServiceError: InvalidName.
    """
    if FORBIDDEN_IN_NAMES.search(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")
    return name
