from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import aiohttp
import botocore.session
import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

import aiowfm.aws
from aiowfm.aws.errors import BY_CODE, MAX_MESSAGE_LENGTH, expected_type, translated
from aiowfm.errors import (
    AccessDeniedError,
    AiowfmError,
    BackendError,
    BackendUnavailableError,
    NotFoundError,
    TaskTokenExpiredError,
)
from aiowfm.ports import ExecutionExistsError

TOKEN = "AQCEs3cret"
TASK_CODES = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}


def called_operations() -> set[str]:
    sources = [path.read_text() for path in Path(aiowfm.aws.__file__).parent.glob("*.py")]
    calls = re.compile(r'(?:translated|pages)\(\s*"(\w+)"')
    return {name for source in sources for name in calls.findall(source)} - {"CreateClient"}


def declared_errors() -> list[Any]:
    session = botocore.session.get_session()
    services = ("stepfunctions", "sts", "sqs", "dynamodb")
    models = [session.get_service_model(service) for service in services]
    cases = []
    for operation in sorted(called_operations()):
        model = next(model for model in models if operation in model.operation_names)
        for shape in model.operation_model(operation).error_shapes:
            cases.append(pytest.param(operation, shape.name, id=f"{operation}-{shape.name}"))
    return cases


def test_the_operations_are_those_of_the_sources() -> None:
    assert {
        "GetActivityTask",
        "SendTaskSuccess",
        "ListExecutions",
        "ReceiveMessage",
        "TransactWriteItems",
    } <= called_operations()


@pytest.mark.parametrize(("operation", "code"), declared_errors())
def test_every_error_of_every_operation_has_its_place(operation: str, code: str) -> None:
    if operation.startswith("SendTask") and code in TASK_CODES:
        assert expected_type(operation, code) is TaskTokenExpiredError
    else:
        assert code in BY_CODE


def client_error(
    code: str, operation: str, message: str = "no", status: int = 400, retries: int = 0
) -> exceptions.ClientError:
    return exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": retries},
        },
        operation,
    )


@pytest.mark.parametrize(
    ("operation", "code", "kind"),
    [
        ("GetActivityTask", "ThrottlingException", BackendUnavailableError),
        ("GetActivityTask", "ActivityWorkerLimitExceeded", BackendUnavailableError),
        ("GetActivityTask", "KmsThrottlingException", BackendUnavailableError),
        ("GetActivityTask", "ActivityDoesNotExist", NotFoundError),
        ("GetActivityTask", "AccessDeniedException", AccessDeniedError),
        ("GetActivityTask", "UnrecognizedClientException", AccessDeniedError),
        ("GetActivityTask", "InvalidSignatureException", AccessDeniedError),
        ("GetActivityTask", "ExpiredTokenException", AccessDeniedError),
        ("GetActivityTask", "InvalidArn", BackendError),
        ("SendTaskSuccess", "TaskTimedOut", TaskTokenExpiredError),
        ("SendTaskHeartbeat", "TaskDoesNotExist", TaskTokenExpiredError),
        ("SendTaskFailure", "InvalidToken", TaskTokenExpiredError),
        ("ListExecutions", "InvalidToken", BackendError),
        ("StartExecution", "ExecutionAlreadyExists", ExecutionExistsError),
        ("StartExecution", "StateMachineDoesNotExist", NotFoundError),
        ("DescribeExecution", "ExecutionDoesNotExist", NotFoundError),
        ("UpdateStateMachine", "ConflictException", BackendUnavailableError),
        ("UpdateStateMachine", "NeverHeardOf", BackendError),
        ("ReceiveMessage", "AWS.SimpleQueueService.NonExistentQueue", NotFoundError),
        ("ReceiveMessage", "QueueDoesNotExist", NotFoundError),
        ("ReceiveMessage", "KMS.AccessDeniedException", AccessDeniedError),
        ("ReceiveMessage", "KMS.ThrottlingException", BackendUnavailableError),
        ("CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", BackendUnavailableError),
        ("PutItem", "ProvisionedThroughputExceededException", BackendUnavailableError),
        ("PutItem", "TransactionConflictException", BackendUnavailableError),
        ("PutItem", "ConditionalCheckFailedException", BackendError),
        ("PutItem", "ValidationException", BackendError),
        ("GetItem", "ResourceNotFoundException", NotFoundError),
    ],
)
def test_a_code_becomes_one_of_our_errors(operation: str, code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, translated(operation):
        raise client_error(code, operation)
    assert type(caught.value) is kind
    assert operation in str(caught.value)
    assert isinstance(caught.value.__cause__, exceptions.ClientError)
    if isinstance(caught.value, BackendError):
        assert (caught.value.operation, caught.value.code) == (operation, code)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, BackendUnavailableError),
        (503, BackendUnavailableError),
        (429, BackendUnavailableError),
        (403, AccessDeniedError),
        (413, BackendError),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, kind: type[Exception]) -> None:
    with pytest.raises(BackendError) as caught, translated("StartExecution"):
        raise client_error(str(status), "StartExecution", status=status)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="http://h"), BackendUnavailableError),
        (exceptions.ConnectTimeoutError(endpoint_url="http://h"), BackendUnavailableError),
        (exceptions.ReadTimeoutError(endpoint_url="http://h"), BackendUnavailableError),
        (exceptions.ConnectionClosedError(endpoint_url="http://h"), BackendUnavailableError),
        (exceptions.HTTPClientError(error="reset"), BackendUnavailableError),
        (exceptions.SSLError(endpoint_url="http://h", error="bad"), BackendUnavailableError),
        (
            exceptions.CredentialRetrievalError(provider="sso", error_msg="slow"),
            BackendUnavailableError,
        ),
        (aiohttp.ClientPayloadError("cut"), BackendUnavailableError),
        (aiohttp.ServerDisconnectedError(), BackendUnavailableError),
        (ConnectionResetError("reset"), BackendUnavailableError),
        (TimeoutError(), BackendUnavailableError),
        (ResponseParserError("no JSON"), BackendUnavailableError),
        (KeyError("executionArn"), BackendUnavailableError),
        (exceptions.NoCredentialsError(), AccessDeniedError),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), AccessDeniedError),
        (exceptions.UnauthorizedSSOTokenError(), AccessDeniedError),
        (RuntimeError("the refreshed credentials are still expired."), AccessDeniedError),
        (exceptions.ProfileNotFound(profile="nobody"), BackendError),
        (exceptions.InvalidRegionError(region_name="?"), BackendError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_what_the_client_raises_becomes_one_of_our_errors(
    raised: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(BackendError) as caught, translated("StartExecution"):
        raise raised
    assert type(caught.value) is kind
    assert caught.value.__cause__ is raised
    assert caught.value.operation == "StartExecution"


@pytest.mark.parametrize(
    "raised", [RuntimeError("a bug"), TypeError("a bug"), NotFoundError("ours")], ids=repr
)
def test_other_errors_pass(raised: Exception) -> None:
    with pytest.raises(type(raised)) as caught, translated("StartExecution"):
        raise raised
    assert caught.value is raised


@pytest.mark.parametrize("operation", ["SendTaskSuccess", "SendTaskFailure"])
def test_a_dead_token_after_the_client_tried_again_is_no_verdict(operation: str) -> None:
    with pytest.raises(BackendUnavailableError), translated(operation):
        raise client_error("TaskTimedOut", operation, retries=1)


@pytest.mark.parametrize(
    ("code", "status", "retries", "may_have_arrived"),
    [
        pytest.param("ThrottlingException", 400, 0, False, id="refused"),
        pytest.param("SlowDown", 429, 0, False, id="refused by status"),
        pytest.param("ThrottlingException", 400, 1, True, id="refused after another attempt"),
        pytest.param("InternalError", 500, 0, True, id="fault"),
        pytest.param("RequestTimeout", 408, 0, True, id="timed out"),
    ],
)
def test_an_error_tells_whether_the_operation_may_have_been_done(
    code: str, status: int, retries: int, may_have_arrived: bool
) -> None:
    with (
        pytest.raises(BackendUnavailableError) as caught,
        translated("SendTaskSuccess"),
    ):
        raise client_error(code, "SendTaskSuccess", status=status, retries=retries)
    assert caught.value.may_have_arrived is may_have_arrived


def test_a_heartbeat_with_a_dead_token_is_a_verdict_however_often_it_was_tried() -> None:
    with pytest.raises(TaskTokenExpiredError), translated("SendTaskHeartbeat"):
        raise client_error("TaskTimedOut", "SendTaskHeartbeat", retries=1)


@pytest.mark.parametrize(
    "raised",
    [
        client_error("InvalidToken", "SendTaskSuccess", "Invalid Token: 'AQCEs3cret'"),
        client_error("ValidationException", "SendTaskSuccess", "'AQCEs3cret' is too long"),
        exceptions.ParamValidationError(
            report="Invalid length for parameter taskToken, value: AQCEs3cret, valid: 1"
        ),
        exceptions.HTTPClientError(error="while sending AQCEs3cret"),
    ],
    ids=["token", "validation", "parameter", "transport"],
)
def test_no_error_shows_a_task_token(raised: Exception) -> None:
    with pytest.raises(AiowfmError) as caught, translated("SendTaskSuccess", secret=TOKEN):
        raise raised
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_no_error_shows_any_of_several_secrets() -> None:
    raised = client_error("ValidationException", "PutItem", "AQCEs3cret and 'another s3cret', {}")
    with (
        pytest.raises(BackendError) as caught,
        translated("PutItem", secret=(TOKEN, "'another s3cret'", "{}", "")),
    ):
        raise raised
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert "{}" in str(caught.value)  # it says nothing, and hiding it would spoil other texts


def test_a_parameter_that_is_not_usable_is_named_without_its_value() -> None:
    report = (
        f"Invalid type for parameter input, value: {TOKEN}, type: <class 'dict'>\n"
        "Invalid length for parameter name, value: 0, valid min length: 1\n"
        'Missing required parameter in input: "roleArn"'
    )
    named = pytest.raises(BackendError, match="input, name, roleArn")
    with named as caught, translated("StartExecution"):
        raise exceptions.ParamValidationError(report=report)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_long_message_is_cut() -> None:
    with pytest.raises(BackendError) as caught, translated("StartExecution"):
        raise client_error("InvalidExecutionInput", "StartExecution", "x" * 300_000)
    assert len(str(caught.value)) < MAX_MESSAGE_LENGTH + 100


def test_an_address_that_nobody_answers_at_is_said_with_where_to_look() -> None:
    nowhere = exceptions.EndpointConnectionError(endpoint_url="https://states.eu-centrl-1")
    said = pytest.raises(BackendUnavailableError, match=r"eu-centrl-1.*: look at the region")
    with said, translated("CreateActivity"):
        raise nowhere
