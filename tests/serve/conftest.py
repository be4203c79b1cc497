"""A real server on a free port, in the test's own event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aioboto3
import anyio
import boto3
import pytest
from botocore.config import Config

from aiowfm.local.service import Service
from aiowfm.serve import serve

CLIENT: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "anyone",
    "aws_secret_access_key": "anything",
}


@pytest.fixture
def service() -> Service:
    return Service(region="us-east-1", account_id="000000000000")


@pytest.fixture
async def url(service: Service) -> AsyncIterator[str]:
    async with anyio.create_task_group() as group:
        yield await group.start(serve, service, "127.0.0.1", 0)
        group.cancel_scope.cancel()


@pytest.fixture
async def client(url: str) -> AsyncIterator[Any]:
    """An aioboto3 client."""
    config = Config(retries={"max_attempts": 0}, inject_host_prefix=False)
    async with aioboto3.Session().client(
        "stepfunctions", endpoint_url=url, config=config, **CLIENT
    ) as made:
        yield made


@contextmanager
def boto3_client(url: str) -> Iterator[Any]:
    config = Config(retries={"max_attempts": 0}, inject_host_prefix=False)
    made = boto3.client("stepfunctions", endpoint_url=url, config=config, **CLIENT)
    try:
        yield made
    finally:
        made.close()
