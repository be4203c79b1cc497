"""What it means that something is missing or differs: that depends on `provision`."""

from __future__ import annotations

from collections.abc import Iterator

from aiowfm.config import Provision
from aiowfm.health import Check, Health, QueueState
from aiowfm.names import dead_letters_name
from aiowfm.workflows import Change, MachineChange, ResourceChange

DEPLOY = "run `aiowfm deploy`"


def of_resource(found: ResourceChange, provision: Provision) -> Check:
    """How an activity, a queue, a table or a part of it is."""
    subject = f"{found.kind} {found.name}"
    if found.change is Change.NONE:
        return Check(subject=subject, health=Health.OK, message="it is there")
    if found.kind.startswith("index"):
        return Check(
            subject=subject,
            health=Health.PROBLEM,
            message="the table lacks this index",
            advice="add it as the documentation has it, or delete the table to have it made",
        )
    if found.kind.startswith("redrive policy"):
        return Check(
            subject=subject,
            health=Health.WARNING if provision == "create" else Health.PROBLEM,
            message="the queue has none: what cannot be dealt with is received for ever",
            advice="it is set when the engine starts" if provision == "create" else DEPLOY,
        )
    if found.kind.startswith("time to live"):
        return Check(
            subject=subject,
            health=Health.WARNING if provision == "create" else Health.PROBLEM,
            message="it is off: what is over is never removed from the table",
            advice="it is turned on when the engine starts" if provision == "create" else DEPLOY,
        )
    return _missing(subject, provision, "made when the engine starts")


def of_queues(name: str, found: QueueState) -> Iterator[Check]:
    """How the queue *name* of callbacks and its dead-letter queue are, as far as they exist."""
    for difference in found.differences:
        yield Check(
            subject=f"queue {name}",
            health=Health.WARNING,
            message=f"it is used with {difference}",
            advice="change it, or delete the queue to have it made anew",
        )
    if found.waiting is not None:
        message = f"messages that wait: {found.waiting}, being worked on: {found.hidden}"
        yield Check(subject=f"queue {name}", health=Health.OK, message=message)
    subject = f"dead-letter queue {dead_letters_name(name)}"
    if found.buried:
        yield Check(
            subject=subject,
            health=Health.PROBLEM,
            message=f"messages in it: {found.buried}; each is of a task that waits until it times"
            " out",
            advice="see in the logs why they could not be dealt with; on AWS, move them back to the"
            " queue (aws sqs start-message-move-task)",
        )
    elif found.buried == 0:
        yield Check(subject=subject, health=Health.OK, message="it is empty")


def of_machine(found: MachineChange, provision: Provision) -> Check:
    """How the state machine of a definition is."""
    subject = f"state machine {found.name}"
    if found.problem is not None:
        return Check(
            subject=subject,
            health=Health.PROBLEM,
            message=str(found.problem).partition("\n")[0],
            advice="`aiowfm deploy --dry-run` shows the difference",
        )
    if found.change is Change.NONE:
        message = found.note or "as its definition"
        return Check(subject=subject, health=Health.OK, message=message)
    if found.change is Change.CREATE:
        return _missing(subject, provision, "made when a workflow of it is first started")
    is_mended = provision == "create"
    return Check(
        subject=subject,
        health=Health.WARNING if is_mended else Health.PROBLEM,
        message=_drift(found),
        advice=f"{DEPLOY}, or let the next start of a workflow do it" if is_mended else DEPLOY,
    )


def _missing(subject: str, provision: Provision, made: str) -> Check:
    if provision == "create":
        return Check(subject=subject, health=Health.OK, message=f"not there yet: {made}")
    return Check(
        subject=subject,
        health=Health.PROBLEM,
        message=f"it does not exist, and provision={provision!r} makes nothing",
        advice=DEPLOY,
    )


def _drift(found: MachineChange) -> str:
    said: list[str] = []
    if found.change is Change.UPDATE:
        said.append("it differs from its definition")
    if found.role is not None:
        said.append("it runs as {}, not as {}".format(*found.role))
    if found.tags and found.change is Change.REPAIR:
        said.append(f"its tags differ: {', '.join(found.tags)}")
    return "; ".join(said)
