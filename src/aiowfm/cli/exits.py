"""What commands end with, for scripts."""

from __future__ import annotations

from enum import IntEnum

from aiowfm.workflows import WorkflowStatus


class Exit(IntEnum):
    """The exit codes of all commands."""

    DONE = 0
    """It is done; a workflow that was waited for has succeeded."""
    ERROR = 1
    """It cannot be done, or problems were found; a line says why."""
    WRONG_CALL = 2
    """There is no such command or option, a value does not fit, or there is no engine."""
    WOULD_CHANGE = 3
    """`aiowfm deploy --dry-run --exit-code`: a deployment would change something."""
    FAILED = 4
    """The workflow failed, or its time was over."""
    CANCELLED = 5
    """The workflow was cancelled."""
    UNFINISHED = 6
    """The workflow is not finished after `--timeout`."""
    SIGNAL = 128
    """Added to the number of the signal that ended it: 130 for Ctrl-C."""


_BY_STATUS = {
    WorkflowStatus.SUCCEEDED: Exit.DONE,
    WorkflowStatus.FAILED: Exit.FAILED,
    WorkflowStatus.CANCELLED: Exit.CANCELLED,
}


def exit_of(status: WorkflowStatus) -> Exit:
    """What a command ends with that has waited for a workflow."""
    return _BY_STATUS.get(status, Exit.UNFINISHED)
