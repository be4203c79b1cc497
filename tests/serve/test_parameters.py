"""Parameters, checked against botocore's model of the service, in AWS's words."""

from __future__ import annotations

import pytest

from aiowfm.local.errors import ServiceError
from aiowfm.local.operations.table import OPERATIONS
from aiowfm.serve.parameters import ServiceModel

MODEL = ServiceModel()
ROUTE = {"stateMachineVersionArn": "arn:aws:states:r:1:stateMachine:m:1", "weight": 101}


def test_every_operation_of_the_service_is_served() -> None:
    assert set(OPERATIONS) == set(MODEL.operations)


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        pytest.param(
            "ListActivities",
            {"maxResults": 1001},
            "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy"
            " constraint: Member must have value less than or equal to 1000",
            id="a number too large",
        ),
        pytest.param(
            "CreateActivity",
            {},
            "1 validation error detected: Value null at 'name' failed to satisfy"
            " constraint: Member must not be null",
            id="missing",
        ),
        pytest.param(
            "ListExecutions",
            {"statusFilter": "GONE", "maxResults": -1},
            "2 validation errors detected: Value 'GONE' at 'statusFilter' failed to satisfy"
            " constraint: Member must satisfy enum value set: [RUNNING, SUCCEEDED, FAILED,"
            " TIMED_OUT, ABORTED, PENDING_REDRIVE]; Value '-1' at 'maxResults' failed to satisfy"
            " constraint: Member must have value greater than or equal to 0",
            id="two at once",
        ),
        pytest.param(
            "CreateStateMachineAlias",
            {"name": "a", "routingConfiguration": [ROUTE]},
            "1 validation error detected: Value '101' at 'routingConfiguration.1.member.weight'"
            " failed to satisfy constraint: Member must have value less than or equal to 100",
            id="inside a list",
        ),
        pytest.param(
            "CreateStateMachineAlias",
            {"name": "a", "routingConfiguration": []},
            "1 validation error detected: Value '[]' at 'routingConfiguration' failed to satisfy"
            " constraint: Member must have length greater than or equal to 1",
            id="a list too short",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_in_the_words_of_aws(
    operation: str, request_: object, message: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        MODEL.checked(operation, request_)
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        pytest.param(
            "ListActivities",
            {"maxResults": "5"},
            "STRING_VALUE cannot be converted to Integer",
            id="text for a number",
        ),
        pytest.param(
            "CreateActivity",
            {"name": True},
            "TRUE_VALUE cannot be converted to String",
            id="a boolean for text",
        ),
        pytest.param(
            "CreateActivity",
            {"name": "a", "tags": [3]},
            "Unexpected field type",
            id="a number for a structure",
        ),
        pytest.param(
            "UpdateMapRun",
            {"mapRunArn": "a", "maxConcurrency": 1.5},
            "DECIMAL_VALUE cannot be converted to Integer",
            id="a fraction for a whole number",
        ),
    ],
)
def test_what_has_the_wrong_type_cannot_be_read(
    operation: str, request_: object, message: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        MODEL.checked(operation, request_)
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


def test_null_is_as_good_as_absent() -> None:
    assert MODEL.checked("ListActivities", {"maxResults": None}) == {}
