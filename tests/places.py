"""Where deployments go in tests: the embedded backend, MiniStack, and `aiowfm serve`.

Each place tells which operations were called, and lets tests call some of their own.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aioboto3
import boto3
import pytest
from botocore import xform_name

from aiowfm import AwsBackend, Backend, LocalBackend
from aiowfm.local.service import Service
from tests.ministack import REGION, ROLE_ARN, MiniStack

ACCOUNT_ID = "000000000000"
WRITING = re.compile(r"(Create|Update|Delete|Tag|Untag|Publish)\w+")
OTHER_ROLE_ARN = "arn:aws:iam::000000000000:role/other"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@dataclass
class Place:
    """A backend and the API behind it.

    Attributes:
        called: The operations that the backend has called.
    """

    backend: Backend
    role_arn: str
    arn_prefix: str
    called: list[str] = field(default_factory=list)
    url: str | None = None

    @property
    def writes(self) -> list[str]:
        """Those of them that change something."""
        return [name for name in self.called if WRITING.fullmatch(name)]

    def machine_arn(self, name: str) -> str:
        return f"{self.arn_prefix}:stateMachine:{name}"

    async def call(self, operation: str, **request: Any) -> Any:
        """Do an *operation* of Step Functions, unnoted."""
        raise NotImplementedError

    async def describe(self, name: str) -> dict[str, Any]:
        """A state machine as it is: role, tags, and how many versions it has."""
        arn = self.machine_arn(name)
        machine = await self.call("DescribeStateMachine", stateMachineArn=arn)
        tags = (await self.call("ListTagsForResource", resourceArn=arn))["tags"]
        versions = await self.call("ListStateMachineVersions", stateMachineArn=arn)
        return {
            "definition": machine["definition"],
            "role": machine["roleArn"],
            "tags": {tag["key"]: tag["value"] for tag in tags},
            "versions": [
                each["stateMachineVersionArn"] for each in versions["stateMachineVersions"]
            ],
        }


class AwsPlace(Place):
    """Behind a URL."""

    async def call(self, operation: str, **request: Any) -> Any:
        return self.client_call(operation, **request)

    def client_call(self, operation: str, **request: Any) -> Any:
        client = boto3.client("stepfunctions", region_name=REGION, endpoint_url=self.url, **KEYS)
        try:
            return getattr(client, xform_name(operation))(**request)
        finally:
            client.close()


class LocalPlace(Place):
    """In this process."""

    async def call(self, operation: str, **request: Any) -> Any:
        assert isinstance(self.backend, NotingBackend)
        local = self.backend.local
        async with local.open(max_polls=0) as opened:
            return await opened.service.call(operation, request)


class NotingBackend:
    """A local backend that notes what is asked of it in the words of the API."""

    def __init__(self, local: LocalBackend, called: list[str]) -> None:
        self.local = local
        self._called = called

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[Any]:
        async with self.local.open(max_polls=max_polls) as opened:
            for name, words in _WORDS.items():
                setattr(opened, name, _Noting(getattr(opened, name), words, self._called))
            yield opened


_WORDS = {
    "activities": {"create": "CreateActivity"},
    "state_machines": {
        "create": "CreateStateMachine",
        "update": "UpdateStateMachine",
        "set_role": "UpdateStateMachine",
        "tag": "TagResource",
    },
    "machine_versions": {"delete": "DeleteStateMachineVersion"},
}


class _Noting:
    def __init__(self, target: Any, words: Mapping[str, str], called: list[str]) -> None:
        self._target, self._words, self._called = target, words, called

    def __getattr__(self, name: str) -> Any:
        if name in self._words:
            self._called.append(self._words[name])
        return getattr(self._target, name)


def local_place(**options: Any) -> LocalPlace:
    called: list[str] = []
    backend = NotingBackend(LocalBackend(region=REGION, **options), called)
    role_arn = Service(region=REGION, account_id=ACCOUNT_ID).role_arn
    return LocalPlace(backend, role_arn, f"arn:aws:states:{REGION}:{ACCOUNT_ID}", called)


def aws_place(url: str, **options: Any) -> AwsPlace:
    called: list[str] = []
    session = aioboto3.Session(region_name=REGION, **KEYS)
    events = session._session.get_component("event_emitter")
    events.register("before-call", lambda model, **_: called.append(model.name))
    backend = AwsBackend(
        region=REGION, role_arn=ROLE_ARN, session=session, endpoint_url=url, **options
    )
    prefix = f"arn:aws:states:{REGION}:{ACCOUNT_ID}"
    return AwsPlace(backend, ROLE_ARN, prefix, called, url)


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The URL of an `aiowfm serve` that runs meanwhile."""
    program = [sys.executable, "-m", "aiowfm", "serve", "--port", "0", "--region", REGION]
    with subprocess.Popen([*program, *options], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        try:
            assert found, line
            yield found[0]
        finally:
            server.send_signal(signal.SIGTERM)
            server.stderr.read()


@pytest.fixture(scope="session")
def served_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(
    params=["local", "served", pytest.param("ministack", marks=pytest.mark.aws)],
)
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "local":
        return local_place()
    if request.param == "served":
        # It has no STS to ask for the account.
        return aws_place(request.getfixturevalue("served_url"), account_id=ACCOUNT_ID)
    server: MiniStack = request.getfixturevalue("ministack")
    return aws_place(server.url)
