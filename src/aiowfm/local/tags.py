"""The tags of state machines and activities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aiowfm.local.errors import ServiceError

MAX_TAGS = 50  # Step Functions quota: tags of one resource
MAX_KEY_LENGTH = 128  # characters; Tag.key
MAX_VALUE_LENGTH = 256  # characters; Tag.value
_RESERVED = "aws:"  # in any case
_ALLOWED = re.compile(r"[\w\s.:/=+\-@]*")


def as_tags(shown: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags by key, from their form in the API; of two with one key the later counts.

    Raises:
        ServiceError: TooManyTags, ValidationException.
    """
    if shown is not None and len(shown) > MAX_TAGS:
        message = f"Too many tags: {len(shown)} are given, and {MAX_TAGS} are allowed"
        raise ServiceError("TooManyTags", message)
    tags = {tag.get("key", ""): tag.get("value", "") for tag in shown or ()}
    for key, value in tags.items():
        _check(key, value)
    return tags


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


def _check(key: str, value: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        problem = f"The key of a tag has 1 to {MAX_KEY_LENGTH} characters: '{key}'"
    elif len(value) > MAX_VALUE_LENGTH:
        problem = f"The value of the tag '{key}' has more than {MAX_VALUE_LENGTH} characters"
    elif key.lower().startswith(_RESERVED):
        problem = f"The key of a tag must not begin with '{_RESERVED}': '{key}'"
    elif not _ALLOWED.fullmatch(key + value):
        problem = f"The tag '{key}' has characters other than letters, digits, spaces and _.:/=+-@"
    else:
        return
    raise ServiceError("ValidationException", problem)
