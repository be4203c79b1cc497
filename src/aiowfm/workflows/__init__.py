"""Workflows from the outside: deploying their state machines, starting and watching them."""

from aiowfm.workflows.calls import WorkflowCalls
from aiowfm.workflows.causes import Cause
from aiowfm.workflows.comparison import Comparison
from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.filters import Filters
from aiowfm.workflows.job import Attempt, Job, WorkflowStatus
from aiowfm.workflows.listing import Listing
from aiowfm.workflows.owners import Owners
from aiowfm.workflows.plans import Change, DeploymentPlan, MachineChange, ResourceChange
from aiowfm.workflows.repairs import Repair
from aiowfm.workflows.rollout import Rollout
from aiowfm.workflows.tracing import Tracing
from aiowfm.workflows.workflow import Workflow
from aiowfm.workflows.workflows import Workflows

__all__ = [
    "Attempt",
    "Cause",
    "Change",
    "Comparison",
    "DeploymentPlan",
    "Deployments",
    "Filters",
    "Job",
    "Listing",
    "MachineChange",
    "Owners",
    "Repair",
    "ResourceChange",
    "Rollout",
    "Tracing",
    "Workflow",
    "WorkflowCalls",
    "WorkflowStatus",
    "Workflows",
]
