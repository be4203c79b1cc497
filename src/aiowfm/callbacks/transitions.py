"""The steps of a wait: from what is kept to what is kept next. Pure; whoever stores it, decides.

nothing, EARLY, tombstone -- message --> WAITING, or COMPLETING where a result came early
nothing -- result --> EARLY
WAITING -- result --> COMPLETING -- sent --> DONE
WAITING, COMPLETING -- the task is over --> EXPIRED
"""

from __future__ import annotations

import secrets
from dataclasses import replace

from aiowfm.callbacks.messages import CallbackMessage
from aiowfm.callbacks.results import Result
from aiowfm.waits import Acceptance, Delivery, Wait, WaitStatus, token_hash

LEASE_SECONDS = 30.0  # how long a result is delivered by one before another takes over
TOMBSTONE_SECONDS = 30 * 24 * 60 * 60.0  # more than queue and dead-letter queue keep messages
LONGEST_WAIT_SECONDS = 366 * 24 * 60 * 60.0  # Step Functions ends executions after a year
LATE_SECONDS = 60.0  # how long after its time a task must have timed out


def is_gone(wait: Wait, now: float) -> bool:
    """Whether *wait* has nothing to say any more: it is old, or an early result that ran out."""
    if wait.expires_at <= now:
        return True
    if wait.status is WaitStatus.EARLY:
        return is_due(wait, now)
    return wait.status is WaitStatus.EXPIRED and not wait.token_hash


def is_due(wait: Wait, now: float) -> bool:
    """Whether somebody should look at *wait*."""
    return wait.due_at is not None and wait.due_at <= now


def waiting(message: CallbackMessage, now: float) -> Wait:
    """The wait that begins with *message*."""
    longest = message.timeout_seconds or LONGEST_WAIT_SECONDS
    return Wait(
        key=message.key,
        status=WaitStatus.WAITING,
        revision=_revision(),
        wait_id=message.wait_id,
        token=message.token,
        token_hash=token_hash(message.token),
        owner=message.owner,
        fence=message.fence,
        heartbeat_seconds=message.heartbeat_seconds,
        timeout_seconds=message.timeout_seconds,
        message=message.fields,
        arrived_at=now,
        due_at=_due(message, now),
        expires_at=now + longest + TOMBSTONE_SECONDS,
    )


def still_waiting(wait: Wait, now: float) -> Wait:
    """The task of *wait* was seen alive when it was due."""
    longest = wait.heartbeat_seconds or 0.0
    return replace(wait, revision=_revision(), due_at=now + longest + LATE_SECONDS)


def may_be_revived(wait: Wait, now: float, ttl_seconds: float) -> bool:
    """Whether *wait* has a result that came early, for whoever waits, and met a dead task."""
    accepted = wait.acceptance
    return (
        wait.status is WaitStatus.EXPIRED
        and accepted is not None
        and accepted.was_early
        and now < accepted.at + ttl_seconds
    )


def early(key: str, result: Result, wait_id: str, now: float, ttl_seconds: float) -> Wait:
    """What is kept of *result* until its task waits, for *ttl_seconds* at most."""
    return Wait(
        key=key,
        status=WaitStatus.EARLY,
        revision=_revision(),
        wait_id=wait_id,
        arrived_at=now,
        due_at=now + ttl_seconds,
        expires_at=now + ttl_seconds + TOMBSTONE_SECONDS,
        acceptance=_acceptance(result, now, was_early=not wait_id),
    )


def completing(wait: Wait, result: Result, now: float) -> Wait:
    """*result* is accepted for *wait*."""
    return _leased(replace(wait, acceptance=_acceptance(result, now)), now)


def completing_early(wait: Wait, message: CallbackMessage, now: float) -> Wait:
    """The task has come for which *wait* has a result."""
    return _leased(replace(waiting(message, now), acceptance=wait.acceptance), now)


def held(wait: Wait, now: float, *, may_have_arrived: bool) -> Wait:
    """The lease of *wait* goes on, or is another's now."""
    assert wait.acceptance is not None
    acceptance = replace(
        wait.acceptance, may_have_arrived=wait.acceptance.may_have_arrived or may_have_arrived
    )
    return _leased(replace(wait, acceptance=acceptance), now)


def released(wait: Wait, now: float) -> Wait:
    """Whoever delivers the result of *wait* gives it up to others."""
    return replace(wait, revision=_revision(), due_at=now)


def reopened(wait: Wait, now: float) -> Wait:
    """The result of *wait* is none that its task could take: it waits for another."""
    return replace(
        wait,
        status=WaitStatus.WAITING,
        revision=_revision(),
        due_at=_due(wait, now),
        acceptance=None,
    )


def put_off(wait: Wait, now: float) -> Wait:
    """Nothing could be done about *wait* when it was due."""
    return replace(wait, revision=_revision(), due_at=now + LATE_SECONDS)


def done(wait: Wait, delivery: Delivery, now: float) -> Wait:
    """The result of *wait* was delivered."""
    assert wait.acceptance is not None
    acceptance = replace(wait.acceptance, delivery=delivery)
    return replace(_tombstone(wait, WaitStatus.DONE, now), acceptance=acceptance)


def expired(wait: Wait, now: float) -> Wait:
    """The task of *wait* is over, or the early result has run out."""
    return _tombstone(wait, WaitStatus.EXPIRED, now)


def _acceptance(result: Result, now: float, *, was_early: bool = False) -> Acceptance:
    return Acceptance(
        kind=result.kind, digest=result.digest, error=result.error, at=now, was_early=was_early
    )


def _leased(wait: Wait, now: float) -> Wait:
    return replace(
        wait,
        status=WaitStatus.COMPLETING,
        revision=_revision(),
        due_at=now + LEASE_SECONDS,
        expires_at=max(wait.expires_at, now + TOMBSTONE_SECONDS),
    )


def _tombstone(wait: Wait, status: WaitStatus, now: float) -> Wait:
    return replace(
        wait,
        status=status,
        revision=_revision(),
        token=None,  # it is of no use any more, and remains a secret
        due_at=None,
        expires_at=now + TOMBSTONE_SECONDS,
    )


def _due(limits: CallbackMessage | Wait, now: float) -> float | None:
    """When a task with these *limits*, alive now, must have timed out."""
    seconds = [each for each in (limits.heartbeat_seconds, limits.timeout_seconds) if each]
    return now + min(seconds) + LATE_SECONDS if seconds else None


def _revision() -> str:
    return secrets.token_hex(8)
