from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from aiowfm.aws import AwsBackend
from aiowfm.errors import AccessDeniedError, BackendError, BackendUnavailableError, ConfigError
from aiowfm.names import ActivityArn
from aiowfm.ports import Backend, TaskToken
from tests.aws.stub import OK, Answer, Stub, refusal, session

ROLE_ARN = "arn:aws:iam::123456789012:role/service/workflows"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param({"region": ""}, "region: .*eu-central-1", id="no region"),
        pytest.param({"region": None}, "region: .*None", id="region from an unset variable"),
        pytest.param({"region": "Frankfurt (EU)"}, "region: ", id="no region's name"),
        pytest.param({"role_arn": ""}, "role_arn: ", id="no role"),
        pytest.param({"role_arn": None}, "role_arn: ", id="role from an unset variable"),
        pytest.param({"role_arn": "workflows"}, "role_arn: .*'workflows'", id="a role's name"),
        pytest.param(
            {"role_arn": "arn:aws:iam::123456789012:user/me"}, "role_arn: ", id="a user's ARN"
        ),
        pytest.param({"role_arn": ROLE_ARN + "x" * 256}, "role_arn: ", id="long role"),
        pytest.param({"account_id": "123"}, "account_id: .*12 digits", id="short account"),
        pytest.param({"account_id": 123456789012}, "account_id: ", id="account as a number"),
        pytest.param({"session": object()}, "session: .*object", id="no session"),
        pytest.param({"endpoint_url": "localhost:8083"}, "endpoint_url: ", id="no scheme"),
        pytest.param({"endpoint_url": "http://"}, "endpoint_url: ", id="no host"),
        pytest.param({"endpoint_url": "http://h:port"}, "endpoint_url: ", id="no port number"),
        pytest.param({"session": "default"}, "session: .*str", id="a profile's name"),
        pytest.param({"endpoint_url": 8083}, "endpoint_url: .*int", id="no text"),
        pytest.param(
            {"endpoint_url": {"states": "http://h"}}, "'states'.*stepfunctions", id="no service"
        ),
        pytest.param({"endpoint_url": {"sqs": ""}}, "endpoint_url: .*sqs", id="empty for one"),
    ],
)
def test_an_unusable_argument_is_named(options: dict[str, Any], named: str) -> None:
    arguments: dict[str, Any] = {"region": "eu-central-1", "role_arn": ROLE_ARN}
    with pytest.raises(ConfigError, match=named):
        AwsBackend(**(arguments | options))


def test_a_password_in_an_endpoint_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="password") as caught:
        AwsBackend(region="x", role_arn=ROLE_ARN, endpoint_url="http://me:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_the_repr_shows_no_session_and_no_address() -> None:
    backend: Backend = AwsBackend(
        region="eu-central-1",
        role_arn=ROLE_ARN,
        session=session(),
        endpoint_url="http://localhost:1/secret-path",
    )
    assert repr(backend) == (
        f"AwsBackend(region='eu-central-1', role_arn='{ROLE_ARN}', account_id=None)"
    )


def test_making_a_backend_imports_neither_aioboto3_nor_botocore() -> None:
    program = (
        "import sys\n"
        "from aiowfm.aws import AwsBackend\n"
        f"AwsBackend(region='eu-central-1', role_arn='{ROLE_ARN}')\n"
        "heavy = {'aioboto3', 'aiobotocore', 'botocore', 'boto3', 'aiohttp'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.anyio
async def test_a_backend_can_be_opened_again(server: Stub) -> None:
    server.answers["SendTaskHeartbeat"] = [OK]
    backend = server.backend()
    for _ in range(2):
        async with backend.open(max_polls=1) as opened:
            await opened.reporter.heartbeat(TaskToken("token"))
    assert server.operations() == ["SendTaskHeartbeat"] * 2


@pytest.mark.anyio
async def test_each_service_may_have_an_endpoint(server: Stub) -> None:
    server.answers["SendTaskHeartbeat"] = [OK]
    endpoints = {"stepfunctions": server.url, "sqs": "http://127.0.0.1:9"}
    async with server.backend(endpoint_url=endpoints).open(max_polls=1) as opened:
        await opened.reporter.heartbeat(TaskToken("token"))
    assert server.operations() == ["SendTaskHeartbeat"]


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.mark.anyio
@pytest.mark.usefixtures("no_credentials")
async def test_missing_credentials_are_a_clear_error(server: Stub) -> None:
    async with server.backend(session=None).open(max_polls=1) as opened:
        with pytest.raises(AccessDeniedError, match="AWS_ACCESS_KEY_ID"):
            await opened.reporter.heartbeat(TaskToken("token"))
    assert server.requests == []


@pytest.mark.anyio
@pytest.mark.usefixtures("no_credentials")
async def test_an_unknown_profile_is_a_clear_error(
    server: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(BackendError, match="nobody"):
        async with server.backend(session=None).open(max_polls=1):
            pass


@pytest.mark.anyio
async def test_credentials_are_found_in_the_environment(
    server: Stub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiowfm")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    server.answers["SendTaskHeartbeat"] = [refusal("AccessDeniedException")]
    async with server.backend(session=None).open(max_polls=1) as opened:
        with pytest.raises(AccessDeniedError):
            await opened.reporter.heartbeat(TaskToken("token"))
    assert "AKIAEXAMPLE" not in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.anyio
async def test_requests_say_who_sends_them(server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "orders")
    server.answers["SendTaskHeartbeat"] = [OK]
    server.answers["GetActivityTask"] = [OK]
    async with server.backend().open(max_polls=1) as opened:
        await opened.reporter.heartbeat(TaskToken("token"))
        await opened.tasks.poll(ActivityArn("activity"), "worker")
    for agent in server.user_agents:
        assert agent.startswith(f"aiowfm/{version('aiowfm')} ")
        assert "botocore/" in agent
        assert "app/orders" in agent
    assert len(server.user_agents) == 2


ASSUMED = """
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>
"""


@pytest.mark.anyio
@pytest.mark.usefixtures("no_credentials")
async def test_a_profile_may_assume_a_role(
    server: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(
        "[profile own]\naws_access_key_id = OWN\naws_secret_access_key = secret\n"
        f"[profile worker]\nrole_arn = {ROLE_ARN}\nsource_profile = own\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "worker")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    server.answers = {"AssumeRole": [Answer(ASSUMED)], "SendTaskHeartbeat": [OK]}
    async with server.backend(session=None).open(max_polls=1) as opened:
        await opened.reporter.heartbeat(TaskToken("token"))
    assert server.operations() == ["AssumeRole", "SendTaskHeartbeat"]
    assert server.signed_with == ["OWN", "ASSUMED"]


@pytest.mark.anyio
async def test_an_address_where_nobody_listens_is_unavailable(server: Stub) -> None:
    async with server.backend(endpoint_url="http://127.0.0.1:9").open(max_polls=1) as opened:
        with pytest.raises(BackendUnavailableError, match=r"127\.0\.0\.1:9"):
            await opened.tasks.poll(await opened.activities.arn("a"), "worker")
