"""Workflows from the outside: deploying their state machines, starting and watching them."""

from aiowfm.workflows.comparison import Comparison
from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.listing import Listing
from aiowfm.workflows.plans import Change, DeploymentPlan, MachineChange, ResourceChange
from aiowfm.workflows.rollout import Rollout
from aiowfm.workflows.workflow import Workflow, WorkflowStatus
from aiowfm.workflows.workflows import Workflows

__all__ = [
    "Change",
    "Comparison",
    "DeploymentPlan",
    "Deployments",
    "Listing",
    "MachineChange",
    "ResourceChange",
    "Rollout",
    "Workflow",
    "WorkflowStatus",
    "Workflows",
]
