"""A server of the embedded engine as a backend."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import Any

from aiowfm.aws.backend import AwsBackend

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


class AnyKeys:
    """A session with credentials that nobody checks: those of the environment stay there."""

    @cached_property
    def _session(self) -> Any:
        import aioboto3  # takes 0.4 s, only when needed

        return aioboto3.Session(aws_access_key_id="any", aws_secret_access_key="any")

    def client(self, service_name: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        client: AbstractAsyncContextManager[Any] = self._session.client(service_name, **options)
        return client


def server_backend(url: str) -> AwsBackend:
    """The backend at *url*, where `aiowfm serve` listens with its own region and account.

    Raises:
        ConfigError: it is not a URL.
    """
    return AwsBackend(
        region=REGION,
        account_id=ACCOUNT_ID,
        role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/any",
        session=AnyKeys(),
        endpoint_url=url,
    )
