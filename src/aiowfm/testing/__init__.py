"""Tests of workflows that do not wait: a virtual clock, scripted tasks, faults to order."""

from aiowfm.tasks.outcomes import Failed, Succeeded
from aiowfm.testing.clock import VirtualClock
from aiowfm.testing.engine import VirtualEngine
from aiowfm.testing.errors import HandlerCancelledError, StalledError
from aiowfm.testing.faults import Faults
from aiowfm.testing.loops import VIRTUAL_TIME, VirtualTimeLoop, virtual_time
from aiowfm.testing.one_liners import run_workflow, run_workflow_sync
from aiowfm.testing.paths import Path, Step
from aiowfm.testing.runs import WorkflowRun
from aiowfm.testing.scripts import NEVER, Call, Outcomes, Script, after
from aiowfm.testing.tasks import TaskEnvironment

__all__ = [
    "NEVER",
    "VIRTUAL_TIME",
    "Call",
    "Failed",
    "Faults",
    "HandlerCancelledError",
    "Outcomes",
    "Path",
    "Script",
    "StalledError",
    "Step",
    "Succeeded",
    "TaskEnvironment",
    "VirtualClock",
    "VirtualEngine",
    "VirtualTimeLoop",
    "WorkflowRun",
    "after",
    "run_workflow",
    "run_workflow_sync",
    "virtual_time",
]
