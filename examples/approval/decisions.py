"""What the two applications answer; each only says how it does HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from aiowfm import (
    AiowfmError,
    BackendUnavailableError,
    CallbackLink,
    Engine,
    EngineStateError,
    Finalization,
    FinalizationConflictError,
    InvalidLinkError,
    TaskTokenExpiredError,
    UnknownTaskKeyError,
    UsageError,
    WorkflowNotFoundError,
)
from examples.approval import pages
from examples.approval.pages import Page
from examples.approval.shop import Approval, Order

# The first that fits counts: an EngineStateError is a UsageError too.
STATUS_OF: dict[type[AiowfmError], int] = {
    InvalidLinkError: 403,
    UnknownTaskKeyError: 404,
    WorkflowNotFoundError: 404,
    FinalizationConflictError: 409,
    TaskTokenExpiredError: 410,
    BackendUnavailableError: 503,
    EngineStateError: 503,
    UsageError: 400,  # what cannot be a key
}


def status_of(error: AiowfmError) -> int:
    """The HTTP status that says *error*."""
    return next((code for kind, code in STATUS_OF.items() if isinstance(error, kind)), 500)


class Decision(BaseModel):
    """What somebody decides of an order.

    Attributes:
        wait_id: Which wait was looked at, as it was listed: no other is finished then.
    """

    decision: Literal["approve", "reject"]
    by: str
    reason: str = "not approved"
    wait_id: str | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where orders come in and people decide.

    Attributes:
        links_to: The address of the page that links lead to, as browsers reach it. Never taken
            from a request, whose Host says what the sender likes.
    """

    engine: Engine
    links_to: str

    async def place(self, order: Order) -> dict[str, Any]:
        workflow = await self.engine.start_workflow("order", order)
        return {"id": workflow.id}

    async def order(self, id: str) -> dict[str, Any]:
        workflow = await self.engine.get_workflow(id)
        return {
            "id": workflow.id,
            "status": workflow.status,
            "order": workflow.input,
            "result": workflow.output,
            "error": workflow.error,
        }

    async def pending(self) -> AsyncIterator[dict[str, Any]]:
        """What waits for a person, with a link for each answer: a shop would mail these."""
        finalizer = self.engine.finalizer
        async for task in finalizer.pending(limit=100):
            try:
                links = {
                    each: await finalizer.link(task.key, each, self.links_to, wait_id=task.wait_id)
                    for each in ("approve", "reject")
                }
            except (TaskTokenExpiredError, UnknownTaskKeyError):
                continue  # somebody has just decided
            yield {
                "key": task.key,
                "wait_id": task.wait_id,
                "waiting_since": task.waiting_since.isoformat(),
                "expires_at": task.expires_at and task.expires_at.isoformat(),
                "order": task.message,
                "links": links,
            }

    async def decide(self, key: str, decision: Decision) -> Finalization:
        """Let the order *key* go on.

        `early=False`, since people decide what they have seen: a key that nothing waits under
        is a mistake, and not a result that came first.
        """
        finalizer, wait_id = self.engine.finalizer, decision.wait_id
        if decision.decision == "approve":
            approval = Approval(by=decision.by)
            return await finalizer.success(key, approval, wait_id=wait_id, early=False)
        return await finalizer.failure(
            key, "Rejected", f"{decision.reason} ({decision.by})", wait_id=wait_id, early=False
        )

    async def show_link(self, url: str) -> Page:
        """The page behind a link: a form if there is something to decide. Changes nothing."""
        try:
            link = await self.engine.finalizer.open_link(url)
        except InvalidLinkError as exc:
            return pages.refused(status_of(exc), exc)
        return pages.question(link) if link.is_open else pages.too_late(200)

    async def follow_link(self, url: str) -> Page:
        """What the form on that page does."""
        try:
            link = await self.engine.finalizer.open_link(url)
            finalization = await self.decide(link.key, _decision(link))
        except InvalidLinkError as exc:
            return pages.refused(status_of(exc), exc)
        except (FinalizationConflictError, TaskTokenExpiredError, UnknownTaskKeyError) as exc:
            return pages.too_late(status_of(exc))
        if finalization is Finalization.ALREADY_FINALIZED:
            return pages.decided_before(link)
        return pages.decided(link)


def _decision(link: CallbackLink) -> Decision:
    return Decision.model_validate(
        {"decision": link.outcome, "by": "link", "wait_id": link.wait_id}
    )
