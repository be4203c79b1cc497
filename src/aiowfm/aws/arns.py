"""ARNs from names, and the account they belong to."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from aiowfm import names
from aiowfm.errors import BackendError, ConfigError

log = logging.getLogger("aiowfm.aws")

_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}


def partition_of(region: str) -> str:
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


class Arns:
    """Makes ARNs; an account that was not given is learnt once, by whoever needs it first.

    Args:
        account_id: None if it has to be learnt.
        ask_account_id: Asks who the credentials belong to.
    """

    def __init__(
        self,
        *,
        region: str,
        account_id: str | None,
        ask_account_id: Callable[[], Awaitable[str]],
    ) -> None:
        self._region = region
        self._given_account_id = account_id
        self._ask_account_id = ask_account_id
        self._model = None if account_id is None else self._model_in(account_id)
        self._asking = anyio.Lock()

    @property
    def account_is_known(self) -> bool:
        return self._model is not None

    def learn(self, arn: str) -> None:
        """Take partition, region and account from an ARN that AWS gave.

        Raises:
            ConfigError: it belongs to another account than the one given.
        """
        account_id = arn.split(":")[4]
        if self._given_account_id not in (None, account_id):
            raise ConfigError(
                f"account_id is {self._given_account_id}, but the credentials belong to account"
                f" {account_id}: correct one of them, or leave account_id out"
            )
        if self._model is None:
            self._model = arn
            log.info("using AWS account %s", account_id)

    async def make(self, kind: str, name: str) -> str:
        """The ARN of the *kind* (as ARNs spell it) named *name*."""
        return names.sibling_arn(await self._known_model(), kind, name)

    async def account_id(self) -> str:
        """The account, learnt if need be."""
        return (await self._known_model()).split(":")[4]

    async def _known_model(self) -> str:
        if self._model is None:
            async with self._asking:
                if self._model is None:
                    self.learn(self._model_in(await self._asked()))
        assert self._model is not None
        return self._model

    async def _asked(self) -> str:
        try:
            return await self._ask_account_id()
        except BackendError as exc:
            exc.args = (f"{exc}: this can be spared by giving AwsBackend an account_id",)
            raise

    def _model_in(self, account_id: str) -> str:
        return f"arn:{partition_of(self._region)}:states:{self._region}:{account_id}"
