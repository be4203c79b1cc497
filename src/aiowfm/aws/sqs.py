"""Sends messages to queues of SQS, or of anything that speaks its API.

aioboto3 is loaded when a sender opens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiowfm.errors import BackendError, NotFoundError

_OPERATION = "SendMessage"
# Where SQS was not reached, or gave no answer that can be read; AWS's SDK for Java says so.
_CLIENT_FAILED = "SdkClientException"
_NO_QUEUE = "QueueDoesNotExistException"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """What SendMessage answers."""

    id: str
    md5: str


class SqsSender:
    """Sends messages, each once: whoever calls it tries again."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(self, url: str, body: str, options: Mapping[str, Any]) -> SentMessage:
        """Send *body* to the queue *url*.

        Cancelling it leaves open whether the message was sent.

        Args:
            url: The queue.
            body: The message.
            options: The other parameters of SendMessage.

        Raises:
            BackendUnavailableError: worth another try; whether this one arrived is unknown.
            BackendError: refused; its code is named as Step Functions names the error.
        """
        from aiowfm.aws.errors import translated

        try:
            with translated(_OPERATION):
                answer = await self._client.send_message(QueueUrl=url, MessageBody=body, **options)
                return SentMessage(id=answer["MessageId"], md5=answer["MD5OfMessageBody"])
        except NotFoundError as exc:
            message = str(exc).removeprefix(f"{_OPERATION}: ")
            raise BackendError(_OPERATION, _NO_QUEUE, message) from exc
        except BackendError as exc:
            exc.code = _name_of(exc)
            raise


@asynccontextmanager
async def sqs_sender(*, endpoint_url: str, region: str) -> AsyncIterator[SqsSender]:
    """Open a sender, with credentials found as botocore finds them.

    Raises:
        AccessDeniedError: there are no credentials.
        BackendError: no client could be made, for example for an unknown profile.
    """
    import aioboto3
    from aiobotocore.config import AioConfig
    from botocore.exceptions import NoCredentialsError

    from aiowfm.aws.connection import control_config
    from aiowfm.aws.errors import translated

    once = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"})
    async with AsyncExitStack() as stack:
        with translated("CreateClient"):
            session = aioboto3.Session(region_name=region)
            if await session.get_credentials() is None:
                raise NoCredentialsError()
            config = control_config().merge(once)
            client = await stack.enter_async_context(
                session.client("sqs", endpoint_url=endpoint_url, config=config)
            )
        yield SqsSender(client)


def _name_of(error: BackendError) -> str:
    """What Step Functions calls the error, behind `SQS.`."""
    from botocore.exceptions import ClientError

    if not isinstance(error.__cause__, ClientError):
        return _CLIENT_FAILED
    code = error.code.rpartition(".")[2].removesuffix("Exception")
    return f"{code}Exception"
