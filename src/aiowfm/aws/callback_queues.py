"""Makes the queue of callbacks and its dead-letter queue."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiowfm.aws.errors import translated
from aiowfm.aws.provisioning import until
from aiowfm.errors import AccessDeniedError, BackendError, NotFoundError
from aiowfm.names import dead_letters_name
from aiowfm.ports import MAX_RECEIVES, RECEIVE_SECONDS, VISIBILITY_SECONDS

log = logging.getLogger("aiowfm.aws")

RETENTION_SECONDS = 1_209_600  # 14 days, the longest that SQS keeps a message

_BOTH = {
    "MessageRetentionPeriod": str(RETENTION_SECONDS),
    "SqsManagedSseEnabled": "true",
}
_EXISTS = frozenset({"QueueAlreadyExists", "QueueNameExists"})
_WAS_DELETED = "QueueDeletedRecently"


async def create_queues(client: Any, name: str, tags: Mapping[str, str]) -> str:
    """Make the queue *name* and its dead-letter queue where they are missing.

    Those that exist are used as they are; where they differ from what would have been made,
    that is logged. A queue without any redrive policy gets one.

    Returns:
        The URL of the queue.
    """
    _, dead_letters = await _queue(client, dead_letters_name(name), _BOTH, tags)
    attributes = wanted_attributes(dead_letters["QueueArn"])
    url, present = await _queue(client, name, attributes, tags)
    if _redrive(present.get("RedrivePolicy", ""))[0] is None:
        await _set_redrive(client, url, attributes["RedrivePolicy"])
    return url


def wanted_attributes(dead_letters_arn: str) -> Mapping[str, str]:
    """What a queue is made with whose dead-letter queue is *dead_letters_arn*."""
    redrive = {"deadLetterTargetArn": dead_letters_arn, "maxReceiveCount": str(MAX_RECEIVES)}
    return _BOTH | {
        "ReceiveMessageWaitTimeSeconds": str(RECEIVE_SECONDS),
        "RedrivePolicy": json.dumps(redrive),
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
    }


def differences(wanted: Mapping[str, str], present: Mapping[str, str]) -> Iterator[str]:
    """How the attributes *present* of a queue differ from those *wanted*, in words."""
    for attribute, value in wanted.items():
        if not _agrees(attribute, value, present):
            found = present.get(attribute, "unset")
            yield f"{attribute} {found}; it would have been made with {value}"


async def attributes_of(client: Any, name: str) -> Mapping[str, str] | None:
    """All attributes of the queue *name* if it exists."""
    url = await find_queue(client, name)
    return None if url is None else await _attributes(client, url)


async def missing_of_queues(client: Any, name: str) -> Sequence[str]:
    """What does not exist of the queue *name* and its dead-letter queue, in words."""
    dead_letters = dead_letters_name(name)
    url = await find_queue(client, name)
    missing = [] if url is not None else [f"queue {name}"]
    if url is not None and not await _buries(client, url):
        missing.append(f"redrive policy of queue {name}")
    if await find_queue(client, dead_letters) is None:
        missing.append(f"dead-letter queue {dead_letters}")
    return missing


async def find_queue(client: Any, name: str) -> str | None:
    """The URL of the queue *name* if it exists."""
    try:
        with translated("GetQueueUrl"):
            answer = await client.get_queue_url(QueueName=name)
            return str(answer["QueueUrl"])
    except NotFoundError:
        return None


async def _queue(
    client: Any, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
) -> tuple[str, Mapping[str, str]]:
    """The URL and the attributes of the queue *name*, made if it is missing."""

    async def find_or_create() -> str | None:
        return await find_queue(client, name) or await _create(client, name, attributes, tags)

    async def describe() -> Mapping[str, str] | None:
        return await _attributes(client, url)  # a queue that was just made may not be known yet

    url = await until("CreateQueue", f"queue {name}", find_or_create)
    present = await until("GetQueueAttributes", f"queue {name}", describe)
    for difference in differences(attributes, present):
        log.warning("queue %s is used with %s", name, difference)
    return url, present


async def _create(
    client: Any, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]
) -> str | None:
    """The URL of the new queue; None if there is one by now, or the name is not free yet."""
    options = {"tags": dict(tags)} if tags else {}
    try:
        with translated("CreateQueue"):
            answer = await client.create_queue(
                QueueName=name, Attributes=dict(attributes), **options
            )
            url = str(answer["QueueUrl"])
    except BackendError as exc:
        code = exc.code.rpartition(".")[2]
        if code == _WAS_DELETED:
            log.info("waiting for the name of queue %s, which was deleted a moment ago", name)
        elif code not in _EXISTS:
            raise
        return None
    log.info("created or found queue %s", name)
    return url


async def _attributes(client: Any, url: str) -> Mapping[str, str] | None:
    try:
        with translated("GetQueueAttributes"):
            answer = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            attributes: Mapping[str, str] = answer["Attributes"]
            return attributes
    except NotFoundError:
        return None


async def _buries(client: Any, url: str) -> bool:
    """Whether messages that nobody can use leave the queue; true where that may not be seen."""
    try:
        attributes = await _attributes(client, url)
    except AccessDeniedError as exc:
        log.info("the redrive policy of %s was not looked at: %s", url, exc)
        return True
    return attributes is not None and _redrive(attributes.get("RedrivePolicy", ""))[0] is not None


async def _set_redrive(client: Any, url: str, policy: str) -> None:
    try:
        with translated("SetQueueAttributes"):
            await client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    except AccessDeniedError as exc:
        log.warning("queue %s keeps what nobody can use: %s", url, exc)
        return
    log.info("set the redrive policy of queue %s", url)


def _agrees(attribute: str, wanted: str, present: Mapping[str, str]) -> bool:
    found = present.get(attribute, "")
    if attribute == "SqsManagedSseEnabled":
        return found == wanted or bool(present.get("KmsMasterKeyId"))  # a key of the user's own
    if attribute == "RedrivePolicy":  # where there is none, it is set
        return not found or _redrive(found) == _redrive(wanted)
    return found == wanted


def _redrive(policy: str) -> tuple[object, str]:
    members = json.loads(policy or "{}")
    return members.get("deadLetterTargetArn"), str(members.get("maxReceiveCount"))
