"""From the errors of botocore to those of `aiowfm.errors`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
)
from botocore.exceptions import ConnectionError as CannotConnectError
from botocore.parsers import ResponseParserError

from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.executions import ExecutionExistsError, NotRedrivableError

MAX_MESSAGE_LENGTH = 1_000  # characters; some errors quote what was sent
MIN_SECRET_LENGTH = 8  # characters; `true` or `{}` says nothing, and is found in any text

BY_CODE: dict[str, type[Exception]] = {
    # Step Functions
    "ActivityAlreadyExists": BackendError,
    "ActivityDoesNotExist": NotFoundError,
    "ActivityLimitExceeded": BackendError,
    "ActivityWorkerLimitExceeded": BackendUnavailableError,
    "ConflictException": BackendUnavailableError,
    "ExecutionAlreadyExists": ExecutionExistsError,
    "ExecutionDoesNotExist": NotFoundError,
    "ExecutionLimitExceeded": BackendUnavailableError,
    "ExecutionNotRedrivable": NotRedrivableError,
    "InvalidArn": BackendError,
    "InvalidDefinition": BackendError,
    "InvalidEncryptionConfiguration": BackendError,
    "InvalidExecutionInput": BackendError,
    "InvalidLoggingConfiguration": BackendError,
    "InvalidName": BackendError,
    "InvalidOutput": BackendError,
    "InvalidToken": BackendError,  # of a listing; a task's is in _BY_TASK_CODE
    "InvalidTracingConfiguration": BackendError,
    "KmsAccessDeniedException": AccessDeniedError,
    "KmsInvalidStateException": BackendError,
    "KmsThrottlingException": BackendUnavailableError,
    "MissingRequiredParameter": BackendError,
    "ResourceNotFound": NotFoundError,
    "ServiceQuotaExceededException": BackendError,
    "StateMachineAlreadyExists": BackendError,
    "StateMachineDeleting": BackendUnavailableError,  # when it is gone, it can be made again
    "StateMachineDoesNotExist": NotFoundError,
    "StateMachineLimitExceeded": BackendError,
    "StateMachineTypeNotSupported": BackendError,
    "TooManyTags": BackendError,
    "ValidationException": BackendError,
    # SQS, whose older names for some of them come with a prefix
    "BatchEntryIdsNotDistinct": BackendError,
    "BatchRequestTooLong": BackendError,
    "EmptyBatchRequest": BackendError,
    "InvalidAddress": BackendError,
    "InvalidAttributeName": BackendError,
    "InvalidAttributeValue": BackendError,
    "InvalidBatchEntryId": BackendError,
    "InvalidMessageContents": BackendError,
    "InvalidSecurity": AccessDeniedError,
    "KmsAccessDenied": AccessDeniedError,
    "KmsDisabled": BackendError,
    "KmsInvalidKeyUsage": BackendError,
    "KmsInvalidState": BackendError,
    "KmsNotFound": BackendError,
    "KmsOptInRequired": AccessDeniedError,
    "KmsThrottled": BackendUnavailableError,
    "NonExistentQueue": NotFoundError,
    "OverLimit": BackendUnavailableError,  # of messages that were received and not deleted
    "QueueAlreadyExists": BackendError,
    "QueueDeletedRecently": BackendUnavailableError,
    "QueueDoesNotExist": NotFoundError,
    "QueueNameExists": BackendError,
    "TooManyEntriesInBatchRequest": BackendError,
    "UnsupportedOperation": BackendError,
    # DynamoDB, and its reasons for cancelling a transaction
    "ConditionalCheckFailed": BackendError,
    "ConditionalCheckFailedException": BackendError,
    "ContinuousBackupsUnavailableException": BackendUnavailableError,
    "DuplicateItem": BackendError,
    "IdempotentParameterMismatchException": BackendError,
    "ItemCollectionSizeLimitExceeded": BackendError,
    "ItemCollectionSizeLimitExceededException": BackendError,
    "LimitExceededException": BackendUnavailableError,  # of tables that are being changed
    "ProvisionedThroughputExceeded": BackendUnavailableError,
    "ProvisionedThroughputExceededException": BackendUnavailableError,
    "ReplicatedWriteConflictException": BackendUnavailableError,
    "ResourceInUseException": BackendUnavailableError,
    "ResourceNotFoundException": NotFoundError,
    "TableNotFoundException": NotFoundError,
    "ThrottlingError": BackendUnavailableError,
    "TransactionCanceledException": BackendUnavailableError,  # for a reason that was not given
    "TransactionConflict": BackendUnavailableError,
    "TransactionConflictException": BackendUnavailableError,
    "TransactionInProgressException": BackendUnavailableError,
    "UnknownOperationException": BackendError,
    "ValidationError": BackendError,
    # What every operation can answer
    "AccessDenied": AccessDeniedError,
    "AccessDeniedException": AccessDeniedError,
    "AuthFailure": AccessDeniedError,
    "ExpiredToken": AccessDeniedError,
    "ExpiredTokenException": AccessDeniedError,
    "IncompleteSignature": AccessDeniedError,
    "IncompleteSignatureException": AccessDeniedError,
    "InternalError": BackendUnavailableError,
    "InternalFailure": BackendUnavailableError,
    "InternalServerError": BackendUnavailableError,
    "InternalServerException": BackendUnavailableError,
    "InvalidAccessKeyId": AccessDeniedError,
    "InvalidClientTokenId": AccessDeniedError,
    "InvalidSignatureException": AccessDeniedError,
    "MissingAuthenticationToken": AccessDeniedError,
    "MissingAuthenticationTokenException": AccessDeniedError,
    "NotAuthorized": AccessDeniedError,
    "OptInRequired": AccessDeniedError,
    "PriorRequestNotComplete": BackendUnavailableError,
    "RequestExpired": AccessDeniedError,
    "RequestLimitExceeded": BackendUnavailableError,
    "RequestThrottled": BackendUnavailableError,
    "RequestThrottledException": BackendUnavailableError,
    "RequestTimeTooSkewed": AccessDeniedError,
    "RequestTimeout": BackendUnavailableError,
    "RequestTimeoutException": BackendUnavailableError,
    "ServiceUnavailable": BackendUnavailableError,
    "ServiceUnavailableException": BackendUnavailableError,
    "SignatureDoesNotMatch": AccessDeniedError,
    "SlowDown": BackendUnavailableError,
    "Throttling": BackendUnavailableError,
    "ThrottlingException": BackendUnavailableError,
    "ThrottledException": BackendUnavailableError,
    "TooManyRequestsException": BackendUnavailableError,
    "UnrecognizedClientException": AccessDeniedError,
}

_BY_TASK_CODE: dict[str, type[Exception]] = {
    "InvalidToken": TaskTokenExpiredError,
    "TaskDoesNotExist": TaskTokenExpiredError,
    "TaskTimedOut": TaskTokenExpiredError,
}
_TASK_OPERATIONS = {"SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"}
_FINISHING_OPERATIONS = {"SendTaskSuccess", "SendTaskFailure"}

_UNREACHABLE = (
    CannotConnectError,  # also proxy and TLS
    HTTPClientError,  # read timeout, connection closed
    CredentialRetrievalError,
    MetadataRetrievalError,
    aiohttp.ClientError,
    OSError,
)
# What comes of an answer without the members it must have, as proxies give.
_UNREADABLE = (ResponseParserError, LookupError, ValueError)
_DENIED = (
    NoCredentialsError,
    PartialCredentialsError,
    NoAuthTokenError,
    RefreshWithMFAUnsupportedError,
    SSOError,
)
_PARAMETER = re.compile(r'parameter (?:in input: "|in )?(\w[\w.\[\]]*)')


@contextmanager
def translated(operation: str, *, secret: str | Sequence[str] = "") -> Iterator[None]:
    """Turn what the AWS client raises for *operation* into our errors, keeping the cause.

    Args:
        operation: By its name in the service's API.
        secret: What no error may show, such as a task token or a result. A cause that
            shows it is dropped.
    """
    secrets = (secret,) if isinstance(secret, str) else secret
    try:
        yield
    except (ClientError, BotoCoreError, *_UNREACHABLE, *_UNREADABLE) as exc:
        # A parameter's error quotes the value, which may be a token or an input.
        quotes = isinstance(exc, ParamValidationError) or _hidden(str(exc), secrets) != str(exc)
        raise _ours(operation, exc, secrets) from (None if quotes else exc)
    except RuntimeError as exc:
        if "credentials" not in str(exc):  # botocore: "refreshed credentials are still expired"
            raise
        raise AccessDeniedError(operation, "ExpiredCredentials", str(exc)) from exc


def expected_type(operation: str, code: str) -> type[Exception]:
    """Which of our errors stands for *code* in an answer to *operation*."""
    if operation in _TASK_OPERATIONS and code in _BY_TASK_CODE:
        return _BY_TASK_CODE[code]
    # SQS has codes like AWS.SimpleQueueService.NonExistentQueue.
    return BY_CODE.get(code.rpartition(".")[2], BackendError)


def _ours(operation: str, exc: Exception, secrets: Sequence[str]) -> Exception:
    if isinstance(exc, ClientError):
        return _of_answer(operation, exc, secrets)
    code = type(exc).__name__
    if isinstance(exc, ParamValidationError):
        parameters = ", ".join(dict.fromkeys(_PARAMETER.findall(str(exc)))) or "a parameter"
        return BackendError(operation, code, f"not a usable value: {parameters}")
    message = _message(str(exc) or code, secrets)
    if isinstance(exc, NoCredentialsError):
        message += ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a session"
    if isinstance(exc, EndpointConnectionError):
        message += ": look at the region, the endpoint_url and the network"
    if isinstance(exc, _DENIED):
        return AccessDeniedError(operation, code, message)
    if isinstance(exc, _UNREACHABLE):
        return BackendUnavailableError(operation, code, message)
    if isinstance(exc, BotoCoreError):
        return BackendError(operation, code, message)
    return BackendUnavailableError(operation, code, f"cannot read the answer: {message}")


def _of_answer(operation: str, exc: ClientError, secrets: Sequence[str]) -> Exception:
    error = exc.response.get("Error", {})
    metadata = exc.response.get("ResponseMetadata", {})
    code = _reason(exc) or str(error.get("Code") or "Unknown")
    message = _message(str(error.get("Message") or "no reason given"), secrets)
    kind = expected_type(operation, code)
    if kind is BackendError and code.rpartition(".")[2] not in BY_CODE:
        kind = _type_by_status(metadata.get("HTTPStatusCode", 0))
    if kind is TaskTokenExpiredError:
        # The client tried more than once by itself: an earlier attempt may have finished the task.
        if operation in _FINISHING_OPERATIONS and metadata.get("RetryAttempts", 0) > 0:
            return BackendUnavailableError(operation, code, message)
        return TaskTokenExpiredError(f"{operation}: {message} ({code})")
    if issubclass(kind, BackendUnavailableError):
        return kind(operation, code, message, may_have_arrived=_may_have_arrived(metadata))
    if issubclass(kind, BackendError):
        return kind(operation, code, message)
    return kind(f"{operation}: {message}")


def _may_have_arrived(metadata: Mapping[str, Any]) -> bool:
    """Whether it may have been done: a refusal says no, but only for the last attempt."""
    status = metadata.get("HTTPStatusCode", 0)
    was_refused = 400 <= status < 500 and status != 408
    return not was_refused or metadata.get("RetryAttempts", 0) > 0


def _type_by_status(status: int) -> type[AiowfmError]:
    if status >= 500 or status in (408, 429):
        return BackendUnavailableError
    return AccessDeniedError if status in (401, 403) else BackendError


def _reason(exc: ClientError) -> str | None:
    """Why a transaction was cancelled: the gravest of the reasons, one for each of its items."""
    reasons = {str(each.get("Code")) for each in exc.response.get("CancellationReasons") or ()}
    reasons -= {"None"}
    lasting = {code for code in reasons if BY_CODE.get(code) is BackendError}
    return min(lasting or reasons, default=None)


def _message(text: str, secrets: Sequence[str]) -> str:
    text = _hidden(text, secrets)
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[:MAX_MESSAGE_LENGTH] + "…"


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if len(secret) >= MIN_SECRET_LENGTH:
            text = text.replace(secret, "<secret>")
    return text
