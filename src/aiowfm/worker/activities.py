"""Provisions the activities that a worker polls."""

from __future__ import annotations

from collections.abc import Mapping

from aiowfm.config import Provision
from aiowfm.errors import NotFoundError
from aiowfm.names import ActivityArn
from aiowfm.ports import Activities


async def provisioned(
    names: Mapping[str, str], activities: Activities, provision: Provision
) -> dict[str, ActivityArn]:
    """The ARNs of the activities named *names*, by task; made first where *provision* says so.

    Raises:
        NotFoundError: some are missing, and *provision* is `check`.
    """
    if provision == "create":
        return {task: await activities.create(name) for task, name in names.items()}
    if provision == "none":
        return {task: await activities.arn(name) for task, name in names.items()}
    found = {task: await activities.find(name) for task, name in names.items()}
    missing = sorted(names[task] for task, arn in found.items() if arn is None)
    if missing:
        raise NotFoundError(
            f"these activities do not exist: {', '.join(missing)}; provision='check' creates"
            " nothing: create them, or use provision='create'"
        )
    return {task: arn for task, arn in found.items() if arn is not None}
