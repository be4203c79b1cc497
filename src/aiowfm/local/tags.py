"""The tags of state machines and activities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiowfm.local.errors import ServiceError

MAX_TAGS = 50  # Step Functions quota: tags of one resource


def as_tags(shown: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags by key, from their form in the API; of two with one key the later counts.

    Raises:
        ServiceError: TooManyTags.
    """
    if shown is not None and len(shown) > MAX_TAGS:
        message = f"Too many tags: {len(shown)} are given, and {MAX_TAGS} are allowed"
        raise ServiceError("TooManyTags", message)
    return {tag.get("key", ""): tag.get("value", "") for tag in shown or ()}


def as_aws(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in their form in the API."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def merged(arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """The tags of *arn* after *new* ones were added.

    Raises:
        ServiceError: TooManyTags.
    """
    tags = {**old, **new}
    if len(tags) > MAX_TAGS:
        message = f"Too many tags: '{arn}' would have {len(tags)}, and {MAX_TAGS} are allowed"
        raise ServiceError("TooManyTags", message)
    return tags
