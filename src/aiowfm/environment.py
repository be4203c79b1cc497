"""What an engine learns from `AIOWFM_*` variables besides its own options."""

from __future__ import annotations

import os

from aiowfm.config import ENVIRONMENT_PREFIX
from aiowfm.errors import ConfigError
from aiowfm.ports import Backend


def definitions() -> str | tuple[()]:
    """The path in `AIOWFM_DEFINITIONS`, or nothing."""
    return os.environ.get(ENVIRONMENT_PREFIX + "DEFINITIONS", ())


def backend() -> Backend:
    """The backend that `AIOWFM_BACKEND` names: `local`, or `aws`.

    Raises:
        ConfigError: it is neither, or what it needs is missing.
    """
    kind = os.environ.get(ENVIRONMENT_PREFIX + "BACKEND", "local")
    if kind == "local":
        from aiowfm.local import LocalBackend

        return LocalBackend(os.environ.get(ENVIRONMENT_PREFIX + "LOCAL_PATH", ":memory:"))
    if kind == "aws":
        from aiowfm.aws import AwsBackend

        return AwsBackend(
            region=_required("AWS_REGION"),
            role_arn=_required("AWS_ROLE_ARN"),
            account_id=os.environ.get(ENVIRONMENT_PREFIX + "AWS_ACCOUNT_ID"),
            endpoint_url=os.environ.get(ENVIRONMENT_PREFIX + "AWS_ENDPOINT_URL"),
        )
    raise ConfigError(f"{ENVIRONMENT_PREFIX}BACKEND={kind!r}: use 'local' or 'aws'")


def _required(name: str) -> str:
    value = os.environ.get(ENVIRONMENT_PREFIX + name)
    if not value:
        raise ConfigError(f"{ENVIRONMENT_PREFIX}BACKEND=aws needs {ENVIRONMENT_PREFIX}{name}")
    return value
