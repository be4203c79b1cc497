"""Workflows from the outside: deploying their state machines, starting and watching them."""

from aiowfm.workflows.causes import Cause
from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.job import Attempt, Job, WorkflowStatus
from aiowfm.workflows.listing import Listing
from aiowfm.workflows.workflow import Workflow
from aiowfm.workflows.workflows import Workflows

__all__ = [
    "Attempt",
    "Cause",
    "Deployments",
    "Job",
    "Listing",
    "Workflow",
    "WorkflowStatus",
    "Workflows",
]
