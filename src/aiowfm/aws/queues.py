"""The queue of callbacks on SQS: receiving, deleting and hiding its messages."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiowfm.aws.clients import CallbackClients
from aiowfm.aws.errors import translated
from aiowfm.errors import BackendUnavailableError
from aiowfm.ports import MAX_MESSAGES, RECEIVE_SECONDS, VISIBILITY_SECONDS, QueueMessage

MAX_HIDDEN_SECONDS = 43_200  # from the receiving on; ChangeMessageVisibility

# A receipt that ran out, and a message that was deleted. InvalidParameterValue is how SQS
# says either, and nothing else that is sent here can be invalid.
_GONE = frozenset({"InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid"})


class SqsQueue:
    """See `aiowfm.ports.CallbackQueue`.

    Args:
        clients: Receives go through a client of their own that never repeats one: each may
            have hidden messages already.
        url: Gives the queue's URL.
    """

    def __init__(self, clients: CallbackClients, url: Callable[[], Awaitable[str]]) -> None:
        self._clients = clients
        self._url = url

    async def receive(self) -> Sequence[QueueMessage]:
        """Long-poll once; see `aiowfm.ports.CallbackQueue`.

        Not to be cancelled where it can be awaited: SQS may have hidden messages for the
        answer that is on its way, and shows them again only after `VISIBILITY_SECONDS`. That
        loses nothing, but delays them and counts as one of their receives.
        """
        url = await self._url()
        client = await self._clients.receives()
        with translated("ReceiveMessage"):
            answer = await client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=MAX_MESSAGES,
                WaitTimeSeconds=RECEIVE_SECONDS,
                VisibilityTimeout=VISIBILITY_SECONDS,  # a queue made elsewhere may have another
                # Newer clients have another name for it; older ones know only this one.
                AttributeNames=["ApproximateReceiveCount"],
            )
            return [_message(each) for each in answer.get("Messages") or ()]

    def interrupt(self) -> None:
        """Do nothing: SQS may have hidden messages for any open receive."""

    async def delete(self, messages: Sequence[QueueMessage]) -> None:
        """Take them off the queue; one whose receipt ran out stays, to be received again.

        Raises:
            BackendUnavailableError: some may still be there; its code names the reasons.
        """
        if not messages:
            return
        url = await self._url()
        client = await self._clients.sqs()
        with translated("DeleteMessageBatch"):
            answer = await client.delete_message_batch(QueueUrl=url, Entries=_entries(messages))
        _check("DeleteMessageBatch", answer)

    async def hide(self, messages: Sequence[QueueMessage], seconds: float) -> None:
        """Let them be seen again in *seconds*; one that is gone already is passed over.

        Args:
            messages: As `receive` gave them.
            seconds: Rounded up to whole ones. SQS takes 12 hours from the receiving on: what
                is longer is cut to that, and where some of it has passed, nothing changes.

        Raises:
            BackendUnavailableError: some may be seen earlier; its code names the reasons.
        """
        if not messages:
            return
        timeout = {"VisibilityTimeout": min(max(math.ceil(seconds), 0), MAX_HIDDEN_SECONDS)}
        url = await self._url()
        client = await self._clients.sqs()
        with translated("ChangeMessageVisibilityBatch"):
            answer = await client.change_message_visibility_batch(
                QueueUrl=url, Entries=[entry | timeout for entry in _entries(messages)]
            )
        _check("ChangeMessageVisibilityBatch", answer)


def _message(answer: Any) -> QueueMessage:
    return QueueMessage(
        id=answer["MessageId"],
        receipt=answer["ReceiptHandle"],
        body=answer["Body"],
        receive_count=int(answer["Attributes"]["ApproximateReceiveCount"]),
    )


def _entries(messages: Sequence[QueueMessage]) -> list[dict[str, Any]]:
    return [
        {"Id": str(place), "ReceiptHandle": message.receipt}
        for place, message in enumerate(messages)
    ]


def _check(operation: str, answer: Mapping[str, Any]) -> None:
    codes = [str(each.get("Code")) for each in answer.get("Failed") or ()]
    faults = [code for code in codes if code.rpartition(".")[2] not in _GONE]
    if faults:
        raise BackendUnavailableError(
            operation, ", ".join(sorted(set(faults))), f"{len(faults)} messages were refused"
        )
