"""`AwsBackend`: what a user chooses, checked before anything is connected."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiowfm.errors import ConfigError
from aiowfm.ports import OpenBackend

SERVICES = ("dynamodb", "sqs", "stepfunctions", "sts")

_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACCOUNT_ID = re.compile(r"\d{12}")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_MAX_ROLE_ARN_LENGTH = 256  # characters; CreateStateMachine, member `roleArn`


class ClientSession(Protocol):
    """What is needed of a session: `aioboto3.Session` has it."""

    def client(self, service_name: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        """Open a client for one service."""
        ...


class AwsBackend:
    """Workflows on AWS Step Functions, or on anything that speaks its API.

    Credentials are found as botocore finds them, or come with *session*. They,
    task tokens and payloads are never logged here; botocore's own loggers show
    whole requests at level DEBUG, so leave those above it in production.
    """

    def __init__(
        self,
        *,
        region: str,
        role_arn: str,
        account_id: str | None = None,
        session: ClientSession | None = None,
        endpoint_url: str | Mapping[str, str] | None = None,
    ) -> None:
        """Make a backend; nothing is connected yet.

        Args:
            region: As in `eu-central-1`.
            role_arn: The IAM role that state machines run as.
            account_id: Part of the ARNs, 12 digits; None: it is learnt from the first ARN
                that AWS gives, or asked of STS.
            session: Any object with aioboto3's `client(...)`; None: a new `aioboto3.Session`
                each time the backend opens.
            endpoint_url: Another address than AWS's own: one for all services, or one by
                service (`stepfunctions`, `sqs`, `dynamodb`, `sts`).

        Raises:
            ConfigError: naming the argument that is not usable.
        """
        if not isinstance(region, str) or not _REGION.fullmatch(region):
            raise ConfigError(f"region: give an AWS region like 'eu-central-1', not {region!r}")
        if (
            not isinstance(role_arn, str)
            or len(role_arn) > _MAX_ROLE_ARN_LENGTH
            or not _ROLE_ARN.fullmatch(role_arn)
        ):
            raise ConfigError(
                "role_arn: give the ARN of the IAM role that state machines run as, like"
                f" 'arn:aws:iam::123456789012:role/workflows', not {role_arn!r}"
            )
        if account_id is not None and (
            not isinstance(account_id, str) or not _ACCOUNT_ID.fullmatch(account_id)
        ):
            raise ConfigError(
                f"account_id: give the 12 digits of the account as text, not {account_id!r},"
                " or leave it out to have it looked up"
            )
        if session is not None and not callable(getattr(session, "client", None)):
            raise ConfigError(
                "session: give an object with a method `client`, like aioboto3.Session(),"
                f" not {type(session).__name__}"
            )
        self._region = region
        self._role_arn = role_arn
        self._account_id = account_id
        self._session = session
        self._endpoints = _endpoints(endpoint_url)

    @property
    def region(self) -> str:
        """As it was given."""
        return self._region

    @property
    def role_arn(self) -> str:
        """As it was given."""
        return self._role_arn

    @property
    def account_id(self) -> str | None:
        """As it was given."""
        return self._account_id

    def __repr__(self) -> str:
        return (
            f"AwsBackend(region={self._region!r}, role_arn={self._role_arn!r},"
            f" account_id={self._account_id!r})"
        )

    @asynccontextmanager
    async def open(self, *, max_polls: int) -> AsyncIterator[OpenBackend]:
        """Open it on the running loop, ready for *max_polls* polls at once.

        Raises:
            BackendError: no client could be made, for example for an unknown profile.
        """
        from aiowfm.aws.connection import connected  # loads aioboto3: 0.4 s, only when needed

        async with connected(
            region=self._region,
            role_arn=self._role_arn,
            account_id=self._account_id,
            session=self._session,
            endpoints=self._endpoints,
            max_polls=max_polls,
        ) as backend:
            yield backend


def _endpoints(endpoint_url: str | Mapping[str, str] | None) -> dict[str, str]:
    if endpoint_url is None:
        return {}
    if isinstance(endpoint_url, str):
        endpoint_url = dict.fromkeys(SERVICES, endpoint_url)
    if not isinstance(endpoint_url, Mapping):
        raise ConfigError(
            f"endpoint_url: give a URL or URLs by service, not {type(endpoint_url).__name__}"
        )
    for service, url in endpoint_url.items():
        if service not in SERVICES:
            raise ConfigError(
                f"endpoint_url: {service!r} is not one of the services {', '.join(SERVICES)}"
            )
        _check_url(service, url)
    return dict(endpoint_url)


def _check_url(service: str, url: object) -> None:
    # The URL is not quoted: it may hold a password, and errors are logged.
    problem = f"endpoint_url: the one of {service} is not a URL like 'http://localhost:8083'"
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise ConfigError(problem) from None
    if not usable:
        raise ConfigError(problem)
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"endpoint_url: the one of {service} contains a user name or password;"
            " requests are signed with AWS credentials instead"
        )
