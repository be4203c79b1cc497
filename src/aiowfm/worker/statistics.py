"""What a worker does and has done, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """The numbers of one task name, counted as things happen; see `TaskStats`."""

    running: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    handed_back: int = 0
    unwanted: int = 0
    probably_delivered: int = 0
    lost: int = 0
    reports_retried: int = 0
    polls_abandoned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStats:
    """The tasks of one name in this process, since the engine was started.

    Each task that was started is running still, or counted by exactly one of `succeeded`,
    `failed`, `handed_back`, `unwanted`, `probably_delivered` and `lost`.

    Attributes:
        pollers: Poll loops; one when idle.
        open_polls: Polls that wait for a task.
        slots_in_use: Slots taken by open polls and running tasks.
        running: Tasks being handled or reported.
        started: Tasks that polls brought.
        succeeded: Their result was taken.
        failed: Their failure was taken.
        handed_back: Given back as `aiowfm.WorkerStopped`, for another worker.
        unwanted: Cancelled, timed out or answered by another before their end came.
        probably_delivered: Their token was dead after an attempt to report whose outcome is
            unknown.
        lost: Reporting was given up.
        reports_retried: Attempts to report that failed and were followed by another.
        polls_abandoned: Polls still open at the end of a stop's grace; each may have lost a
            task until its heartbeat runs out.
    """

    pollers: int = 0
    open_polls: int = 0
    slots_in_use: int = 0
    running: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    handed_back: int = 0
    unwanted: int = 0
    probably_delivered: int = 0
    lost: int = 0
    reports_retried: int = 0
    polls_abandoned: int = 0
