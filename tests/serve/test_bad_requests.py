"""Whatever is sent, the answer is AWS's error and the next request is served."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anyio
import pytest

from aiowfm.local.service import Service
from aiowfm.serve.application import MAX_BODY_BYTES

pytestmark = pytest.mark.anyio

VALID = b'{"name": "a"}'


@pytest.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=url) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, body: bytes, target: str | None = "AWSStepFunctions.CreateActivity"
) -> tuple[int, str, dict[str, Any]]:
    """Status, error code and body of the answer."""
    headers = {"Content-Type": "application/x-amz-json-1.0"}
    if target is not None:
        headers["X-Amz-Target"] = target
    async with http.post("/", data=io.BytesIO(body), headers=headers) as answer:
        assert answer.headers["Content-Type"] == "application/x-amz-json-1.0"
        shown = json.loads(await answer.read())
        return answer.status, shown.get("__type", "").rpartition("#")[2], shown


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"{", "SerializationException", id="cut off"),
        pytest.param(b"name=a", "SerializationException", id="a form"),
        pytest.param(b"\xff\xfe", "SerializationException", id="not UTF-8"),
        pytest.param(b'{"name": NaN}', "SerializationException", id="NaN"),
        pytest.param(b"[]", "SerializationException", id="a list"),
        pytest.param(b"3", "SerializationException", id="a number"),
        pytest.param(b"null", "SerializationException", id="null"),
        pytest.param(b'{"name": 5}', "SerializationException", id="a number as name"),
        pytest.param(b'{"name": true}', "SerializationException", id="a boolean as name"),
        pytest.param(b'{"name": {}}', "SerializationException", id="an object as name"),
        pytest.param(b'{"name": ["a"]}', "SerializationException", id="a list as name"),
        pytest.param(b'{"name": "a", "tags": {}}', "SerializationException", id="tags no list"),
        pytest.param(b"[" * 100_000, "SerializationException", id="nested without end"),
        pytest.param(
            b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "SerializationException",
            id="nested deep",
        ),
        pytest.param(b"", "ValidationException", id="nothing"),
        pytest.param(b"{}", "ValidationException", id="no name"),
        pytest.param(b'{"name": null}', "ValidationException", id="null as name"),
        pytest.param(b'{"name": ""}', "ValidationException", id="empty name"),
        pytest.param(b'{"name": "a b"}', "InvalidName", id="a blank in the name"),
        pytest.param(b'{"name": "\\ud800"}', "InvalidName", id="half a character"),
    ],
)
async def test_a_bad_body_gets_the_error_of_aws(
    http: aiohttp.ClientSession, body: bytes, code: str
) -> None:
    assert (await post(http, body))[:2] == (400, code)
    assert (await post(http, VALID))[0] == 200


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("CreateActivity", id="no service"),
        pytest.param("AWSStepFunctions.", id="no operation"),
        pytest.param("AWSStepFunctions.Nope", id="unknown operation"),
        pytest.param("AWSStepFunctions.__init__", id="something of Python"),
        pytest.param("DynamoDB_20120810.CreateTable", id="another service"),
    ],
)
async def test_an_unknown_target_gets_the_answer_of_aws(
    http: aiohttp.ClientSession, target: str | None
) -> None:
    assert (await post(http, VALID, target))[:2] == (404, "UnknownOperationException")


async def test_a_huge_body_is_refused_unread(http: aiohttp.ClientSession) -> None:
    body = json.dumps({"name": "x" * MAX_BODY_BYTES}).encode()
    assert (await post(http, body))[:2] == (413, "RequestEntityTooLargeException")
    assert (await post(http, VALID))[0] == 200


async def test_members_that_the_operation_does_not_have_are_ignored(
    http: aiohttp.ClientSession,
) -> None:
    assert (await post(http, b'{"name": "a", "colour": "red"}'))[0] == 200


@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        pytest.param(
            "ValidateStateMachineDefinition", {"definition": '"\ud800"'}, "", id="definition"
        ),
        pytest.param(
            "SendTaskSuccess", {"taskToken": "x", "output": "\ud800"}, "InvalidOutput", id="output"
        ),
        pytest.param("SendTaskHeartbeat", {"taskToken": "\ud800"}, "InvalidToken", id="token"),
        pytest.param("ListActivities", {"nextToken": "\ud800"}, "InvalidToken", id="page"),
    ],
)
async def test_half_a_character_is_none(
    http: aiohttp.ClientSession, operation: str, body: dict[str, str], code: str
) -> None:
    status, found, _ = await post(http, json.dumps(body).encode(), f"AWSStepFunctions.{operation}")
    assert (status, found) == (400 if code else 200, code)


async def test_a_body_that_is_not_packed_as_it_says_is_refused(
    http: aiohttp.ClientSession,
) -> None:
    headers = {"X-Amz-Target": "AWSStepFunctions.CreateActivity", "Content-Encoding": "gzip"}
    async with http.post("/", data=io.BytesIO(VALID), headers=headers) as answer:
        assert answer.status == 400
        assert "SerializationException" in await answer.text()


async def test_only_a_post_is_an_operation(http: aiohttp.ClientSession) -> None:
    headers = {"X-Amz-Target": "AWSStepFunctions.ListActivities"}
    async with http.get("/", headers=headers) as answer:
        assert answer.status == 404


async def test_of_a_million_mistakes_the_first_are_named(http: aiohttp.ClientSession) -> None:
    body = b'{"name": "a", "tags": [' + b"null," * 100_000 + b"null]}"
    status, code, shown = await post(http, body)
    assert (status, code) == (400, "ValidationException")
    assert shown["message"].startswith("100 validation errors detected")


async def test_a_header_that_is_no_http_is_not_logged(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(b"POST / HTTP/1.1\r\nX-Amz-Security-Token: SECRET\x01\r\n\r\n")
        assert b"400 Bad Request" in await stream.receive()
    assert [record.name for record in caplog.records] == ["aiowfm.serve.http"]
    assert "SECRET" not in caplog.text


async def test_other_methods_and_paths_get_an_answer_too(http: aiohttp.ClientSession) -> None:
    for method in ("GET", "PUT", "DELETE"):
        async with http.request(method, "/any/where") as answer:
            assert answer.status == 404


async def test_a_defect_fails_one_request(
    http: aiohttp.ClientSession,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*arguments: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(service, "call", broken)
        assert (await post(http, VALID))[:2] == (500, "InternalFailure")
    assert [record.name for record in caplog.records] == ["aiowfm.serve"]
    assert (await post(http, VALID))[0] == 200


async def test_credentials_are_not_logged(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {
        "X-Amz-Target": "AWSStepFunctions.CreateActivity",
        "Authorization": "AWS4-HMAC-SHA256 Credential=SECRET",
    }
    async with http.post("/", data=VALID, headers=headers) as answer:
        assert answer.status == 200
    assert "SECRET" not in caplog.text
