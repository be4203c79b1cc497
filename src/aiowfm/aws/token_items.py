"""The items of the table of callbacks: a public layout, of which this is the first version.

Each key has an item with the part `wait`, and one with the part `result` once a result was
accepted: together they could be larger than an item may be.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import TypedDict

from aiowfm.errors import BackendError
from aiowfm.waits import (
    Acceptance,
    Delivery,
    Fence,
    Owner,
    TaskToken,
    Wait,
    WaitStatus,
)

LAYOUT = 1
SHARDS = 8  # of each index: what one partition takes is limited

WAIT_PART = "wait"
RESULT_PART = "result"

# What the index of pending waits has beside its keys: no token, and nothing of a result, since
# a wait that is pending has none. DynamoDB allows 20.
LISTED = (
    "layout",
    "status",
    "revision",
    "wait_id",
    "token_hash",
    "execution",
    "state",
    "map_index",
    "redrive",
    "attempt",
    "heartbeat_seconds",
    "timeout_seconds",
    "message",
    "arrived_at",
    "due_at",
    "expires_at",
)


class Value(TypedDict, total=False):
    """An attribute's value as DynamoDB writes it, under the one name of its type."""

    S: str
    N: str
    BOOL: bool


Item = Mapping[str, Value]


def item_key(key: str, part: str) -> dict[str, Value]:
    return {"task_key": text(key), "part": text(part)}


def result_item(wait: Wait, result: str) -> dict[str, Value]:
    """The item that keeps the result that was accepted for *wait*."""
    return item_key(wait.key, RESULT_PART) | {
        "layout": number(LAYOUT),
        "wait_id": text(wait.wait_id),
        "result": text(result),
        "expires_at": _whole(wait.expires_at),
    }


def wait_item(wait: Wait) -> dict[str, Value]:
    """The item that keeps *wait*."""
    item = item_key(wait.key, WAIT_PART) | {
        "layout": number(LAYOUT),
        "status": text(wait.status),
        "revision": text(wait.revision),
        "wait_id": text(wait.wait_id),
        "token_hash": text(wait.token_hash),
        "message": text(wait.message),
        "entered": text(wait.entered),
        "arrived_at": number(wait.arrived_at),
        "expires_at": _whole(wait.expires_at),
    }
    if wait.token is not None:
        item["token"] = text(wait.token)
    if wait.owner is not None:
        item |= {"execution": text(wait.owner.execution), "state": text(wait.owner.state)}
        if wait.owner.map_index is not None:
            item["map_index"] = number(wait.owner.map_index)
    if wait.fence is not None:
        item |= {"redrive": number(wait.fence.redrive), "attempt": number(wait.fence.attempt)}
    if wait.heartbeat_seconds is not None:
        item["heartbeat_seconds"] = number(wait.heartbeat_seconds)
    if wait.timeout_seconds is not None:
        item["timeout_seconds"] = number(wait.timeout_seconds)
    if wait.acceptance is not None:
        item |= _acceptance_values(wait.acceptance)
    # An item is in an index while it has the index's partition key.
    if wait.status is WaitStatus.WAITING:
        item["waiting_shard"] = number(_shard(wait.key))
    if wait.due_at is not None:
        item |= {"due_shard": number(_shard(wait.key)), "due_at": number(wait.due_at)}
    return item


def wait_of(item: Item) -> Wait:
    """The wait that *item* keeps, or what an index has of it.

    Raises:
        BackendError: it has a layout that is not known here.
        LookupError, ValueError: it has no layout of ours at all.
    """
    if int(item["layout"]["N"]) != LAYOUT:
        raise BackendError(
            "GetItem",
            "UnknownLayout",
            f"an item has layout {item['layout']['N']}, and this release reads {LAYOUT}:"
            " use the release that wrote it, or a newer one",
        )
    token = _optional_text(item, "token")
    return Wait(
        key=item["task_key"]["S"],
        status=WaitStatus(item["status"]["S"]),
        revision=item["revision"]["S"],
        wait_id=item["wait_id"]["S"],
        token=None if token is None else TaskToken(token),
        token_hash=item["token_hash"]["S"],
        owner=_owner(item),
        fence=_fence(item),
        heartbeat_seconds=_optional_number(item, "heartbeat_seconds"),
        timeout_seconds=_optional_number(item, "timeout_seconds"),
        message=item["message"]["S"],
        arrived_at=float(item["arrived_at"]["N"]),
        due_at=_optional_number(item, "due_at"),
        expires_at=float(item["expires_at"]["N"]),
        acceptance=_acceptance(item),
    )


def text(value: str) -> Value:
    return {"S": str(value)}


def number(value: float) -> Value:
    return {"N": repr(value)}


def _whole(instant: float) -> Value:
    """The form that DynamoDB's time to live asks for; up, since an item may stay longer."""
    return number(math.ceil(instant))


def _shard(key: str) -> int:
    return zlib.crc32(key.encode(errors="surrogatepass")) % SHARDS


def _owner(item: Item) -> Owner | None:
    if "execution" not in item:
        return None
    index = int(item["map_index"]["N"]) if "map_index" in item else None
    return Owner(item["execution"]["S"], item["state"]["S"], index)


def _fence(item: Item) -> Fence | None:
    if "redrive" not in item:  # `entered` is there all the same, as when we heard of the wait
        return None
    return Fence(item["entered"]["S"], int(item["redrive"]["N"]), int(item["attempt"]["N"]))


def _acceptance_values(acceptance: Acceptance) -> dict[str, Value]:
    values: dict[str, Value] = {
        "outcome": text(acceptance.kind),
        "result_digest": text(acceptance.digest),
        "accepted_at": number(acceptance.at),
        "was_early": {"BOOL": acceptance.was_early},
        "may_have_arrived": {"BOOL": acceptance.may_have_arrived},
    }
    if acceptance.error is not None:
        values["error"] = text(acceptance.error)
    if acceptance.delivery is not None:
        values["delivery"] = text(acceptance.delivery)
    return values


def _acceptance(item: Item) -> Acceptance | None:
    if "outcome" not in item:
        return None
    delivery = _optional_text(item, "delivery")
    return Acceptance(
        kind=item["outcome"]["S"],
        digest=item["result_digest"]["S"],
        error=_optional_text(item, "error"),
        at=float(item["accepted_at"]["N"]),
        was_early=item["was_early"]["BOOL"],
        may_have_arrived=item["may_have_arrived"]["BOOL"],
        delivery=None if delivery is None else Delivery(delivery),
    )


def _optional_text(item: Item, name: str) -> str | None:
    return item[name]["S"] if name in item else None


def _optional_number(item: Item, name: str) -> float | None:
    return float(item[name]["N"]) if name in item else None
