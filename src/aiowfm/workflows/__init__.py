"""Workflows from the outside: deploying their state machines, starting and watching them."""

from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.listing import Listing
from aiowfm.workflows.workflow import Workflow, WorkflowStatus
from aiowfm.workflows.workflows import Workflows

__all__ = ["Deployments", "Listing", "Workflow", "WorkflowStatus", "Workflows"]
