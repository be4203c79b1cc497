from __future__ import annotations

import anyio
import pytest

from aiowfm.aws.arns import Arns, partition_of
from aiowfm.errors import BackendUnavailableError, ConfigError

pytestmark = pytest.mark.anyio


class Caller:
    """Says whose the credentials are, after others had their turn."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False

    async def __call__(self) -> str:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if self.fails:
            raise BackendUnavailableError("GetCallerIdentity", "Throttling", "slow down")
        return "111122223333"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("us-east-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
    ],
)
def test_a_region_belongs_to_a_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition


async def test_a_given_account_is_not_asked_for() -> None:
    caller = Caller()
    arns = Arns(region="cn-north-1", account_id="123456789012", ask_account_id=caller)
    assert arns.account_is_known
    assert (
        await arns.make("activity", "a") == "arn:aws-cn:states:cn-north-1:123456789012:activity:a"
    )
    assert caller.asked == 0


async def test_an_unknown_account_is_asked_for_once_by_all_at_once() -> None:
    caller = Caller()
    arns = Arns(region="us-east-1", account_id=None, ask_account_id=caller)
    made: list[str] = []

    async def make(name: str) -> None:
        made.append(await arns.make("activity", name))

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(make, name)
    assert caller.asked == 1
    prefix = "arn:aws:states:us-east-1:111122223333:activity:"
    assert sorted(made) == [prefix + name for name in "abc"]


async def test_the_account_is_learnt_from_the_first_arn() -> None:
    caller = Caller()
    arns = Arns(region="us-east-1", account_id=None, ask_account_id=caller)
    arns.learn("arn:aws-us-gov:states:us-gov-west-1:444455556666:activity:a")
    arn = await arns.make("execution", "m:e")
    assert arn == "arn:aws-us-gov:states:us-gov-west-1:444455556666:execution:m:e"
    assert caller.asked == 0


async def test_a_failure_to_ask_is_not_remembered() -> None:
    caller = Caller()
    arns = Arns(region="us-east-1", account_id=None, ask_account_id=caller)
    caller.fails = True
    with pytest.raises(
        BackendUnavailableError, match=r"slow down .*giving AwsBackend an account_id"
    ):
        await arns.make("activity", "a")
    caller.fails = False
    assert (await arns.make("activity", "a")).endswith(":111122223333:activity:a")


async def test_an_arn_of_another_account_than_the_given_one_is_an_error() -> None:
    arns = Arns(region="us-east-1", account_id="123456789012", ask_account_id=Caller())
    with pytest.raises(ConfigError, match=r"123456789012.*444455556666"):
        arns.learn("arn:aws:states:us-east-1:444455556666:activity:a")
