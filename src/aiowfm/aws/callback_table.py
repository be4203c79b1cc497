"""Makes the table of callbacks: its keys, its indexes, and what DynamoDB does with its items.

What its items hold is in `token_items`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiowfm.aws.errors import translated
from aiowfm.aws.provisioning import NotReadyError, until
from aiowfm.aws.token_items import LISTED
from aiowfm.errors import AccessDeniedError, BackendError, ConfigError, NotFoundError

log = logging.getLogger("aiowfm.aws")

TTL_ATTRIBUTE = "expires_at"
KEYS = ("task_key", "part")
INDEXES = {"pending": ("waiting_shard", "entered"), "due": ("due_shard", "due_at")}

_NUMBERS = frozenset({"waiting_shard", "due_shard", "due_at"})
_USABLE = frozenset({"ACTIVE", "UPDATING"})
_UNKNOWN = frozenset(
    {"InvalidAction", "NotImplemented", "UnknownOperation", "UnknownOperationException", "501"}
)


async def create_table(client: Any, name: str, tags: Mapping[str, str]) -> None:
    """Make the table *name* where it is missing, and wait until it is usable.

    Raises:
        ConfigError: there is a table of another make.
    """

    async def find_or_create() -> Any:
        table = await _find(client, name) or await _create(client, name, tags)
        if table is None or table["TableStatus"] == "DELETING":
            return None
        if absent := _check(name, table):
            raise ConfigError(
                f"table {name} has no index {' and no index '.join(absent)}: add what is"
                " missing, or delete the table to have it made"
            )
        return table if _is_usable(table) else None

    await until("CreateTable", f"table {name}", find_or_create)
    await _enable_ttl(client, name)
    await _enable_recovery(client, name)


async def missing_of_table(client: Any, name: str) -> Sequence[str]:
    """What does not exist of the table *name*, in words.

    Raises:
        ConfigError: there is a table of another make.
    """
    table = await _find(client, name)
    if table is None:
        return [f"table {name}"]
    missing = [f"index {index} of table {name}" for index in _check(name, table)]
    if not await _has_ttl(client, name):
        missing.append(f"time to live by {TTL_ATTRIBUTE} of table {name}")
    return missing


async def _find(client: Any, name: str) -> Any:
    try:
        with translated("DescribeTable"):
            answer = await client.describe_table(TableName=name)
            return answer["Table"]
    except NotFoundError:
        return None


async def _create(client: Any, name: str, tags: Mapping[str, str]) -> Any:
    """The new table, most likely not usable yet; None if there is one by now."""
    # No SSESpecification: DynamoDB encrypts every table at rest with a key of its own, at no
    # charge. To ask for it would mean a KMS key, and a price for each request.
    definitions: dict[str, Any] = {
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "N" if attribute in _NUMBERS else "S"}
            for attribute in (*KEYS, *INDEXES["pending"], *INDEXES["due"])
        ],
        "KeySchema": _key_schema(KEYS),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "pending",
                "KeySchema": _key_schema(INDEXES["pending"]),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(LISTED)},
            },
            {
                "IndexName": "due",
                "KeySchema": _key_schema(INDEXES["due"]),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
    }
    if tags:
        definitions["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    try:
        with translated("CreateTable"):
            answer = await client.create_table(
                TableName=name, BillingMode="PAY_PER_REQUEST", **definitions
            )
            table = answer["TableDescription"]
    except BackendError as exc:
        if exc.code != "ResourceInUseException":
            raise
        return None
    log.info("created table %s", name)
    return table


def _key_schema(attributes: tuple[str, str]) -> list[dict[str, str]]:
    partition, sort = attributes
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _check(name: str, table: Any) -> list[str]:
    """The names of the indexes that are missing."""
    types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
    indexes = {each["IndexName"]: each for each in table.get("GlobalSecondaryIndexes") or ()}
    _check_keys(f"table {name}", KEYS, table["KeySchema"], types)
    for index, wanted in INDEXES.items():
        if index in indexes:
            place = f"index {index} of table {name}"
            _check_keys(place, wanted, indexes[index]["KeySchema"], types)
    return [index for index in INDEXES if index not in indexes]


def _check_keys(
    place: str, wanted: tuple[str, str], schema: Sequence[Any], types: Mapping[str, str]
) -> None:
    by_role = {each["KeyType"]: each["AttributeName"] for each in schema}
    found = [by_role[role] for role in ("HASH", "RANGE") if role in by_role]
    shown = ", ".join(f"{key} ({types.get(key)})" for key in found)
    right = ", ".join(f"{key} ({'N' if key in _NUMBERS else 'S'})" for key in wanted)
    if shown != right:
        raise ConfigError(
            f"{place} has the key {shown}, and callbacks need {right}: it was made for something"
            " else; delete it to have it made, or use another app or environment"
        )


def _is_usable(table: Any) -> bool:
    indexes = table.get("GlobalSecondaryIndexes") or ()
    return table["TableStatus"] in _USABLE and all(
        index.get("IndexStatus", "ACTIVE") in _USABLE and not index.get("Backfilling")
        for index in indexes
    )


async def _enable_ttl(client: Any, name: str) -> None:
    if await _has_ttl(client, name):
        return
    try:
        with translated("UpdateTimeToLive"):
            await client.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
            )
    except BackendError as exc:
        if exc.code not in ("ValidationException", "ResourceInUseException"):
            raise
        if not await _has_ttl(client, name):  # somebody else has just enabled it
            raise


async def _has_ttl(client: Any, name: str) -> bool:
    with translated("DescribeTimeToLive"):
        answer = await client.describe_time_to_live(TableName=name)
        description = answer["TimeToLiveDescription"]
        if description["TimeToLiveStatus"] not in ("ENABLED", "ENABLING"):
            return False
        attribute = description["AttributeName"]
    if attribute != TTL_ATTRIBUTE:
        raise ConfigError(
            f"table {name} has its time to live by {attribute}, and callbacks need"
            f" {TTL_ATTRIBUTE}: turn it off, and an hour later it can be turned on anew"
        )
    return True


async def _enable_recovery(client: Any, name: str) -> None:
    """Turn point-in-time recovery on; where that cannot be, callbacks work all the same."""

    async def enable() -> bool | None:
        try:
            if not await _has_recovery(client, name):
                with translated("UpdateContinuousBackups"):
                    await client.update_continuous_backups(
                        TableName=name,
                        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                    )
        except BackendError as exc:
            if exc.code == "ContinuousBackupsUnavailableException":
                return None  # of a table that was just made
            if exc.code not in _UNKNOWN and not isinstance(exc, AccessDeniedError):
                raise
            log.warning("table %s has no point-in-time recovery: %s", name, exc)
        return True

    try:
        await until("UpdateContinuousBackups", f"point-in-time recovery of table {name}", enable)
    except NotReadyError as exc:
        log.warning("table %s has no point-in-time recovery yet: %s", name, exc)


async def _has_recovery(client: Any, name: str) -> bool:
    with translated("DescribeContinuousBackups"):
        answer = await client.describe_continuous_backups(TableName=name)
        description = answer["ContinuousBackupsDescription"]
        recovery = description.get("PointInTimeRecoveryDescription") or {}
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")
