"""The tags of state machines: which a definition may give, and which every one has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aiowfm.asl.findings import NO_EFFECT, Finding, shown
from aiowfm.definitions.definition import WorkflowDefinition

HASH_TAG = "aiowfm-definition-hash"
# Step Functions developer guide, "Tagging", and AWS's rules for tags of all services.
MAX_TAGS = 50
MAX_KEY_LENGTH = 128  # characters
MAX_VALUE_LENGTH = 256

_OWN = (
    "application",
    "environment",
    "workflow-definition-name",
    "workflow-definition-version",
    "workflow-definition-start-at",
    HASH_TAG,
)
_RESERVED = "aws:"
_FORBIDDEN = re.compile(r"[^\w\s.:/=+\-@]")


def machine_tags(
    definition: WorkflowDefinition, common: Mapping[str, str], hash: str
) -> dict[str, str]:
    """The tags of the state machine of *definition*, which *hash* stands for.

    Args:
        definition: What it is made of.
        common: The tags of the application.
        hash: Changes with all that makes a state machine another.
    """
    return {
        **definition.default_tags,
        **common,
        "workflow-definition-name": _value(definition.name),
        "workflow-definition-version": str(definition.version),
        "workflow-definition-start-at": _value(definition.start_at),
        HASH_TAG: hash,
    }


def tag_problems(definition: WorkflowDefinition) -> Iterator[Finding]:
    """What is wrong with the tags that *definition* gives, warnings too."""
    tags = definition.default_tags
    most = MAX_TAGS - len(_OWN)
    if len(tags) > most:
        message = f"at most {most} tags, since {len(_OWN)} are added, not {len(tags)}"
        yield Finding(pointer=("defaultTags",), message=message)
    for key, problem in _problems(tags):
        yield Finding(pointer=("defaultTags", key), message=problem)
    for key in _OWN:
        if key in tags:
            message = f"the tag {key!r} is set to what it stands for: this value does nothing"
            yield Finding(
                pointer=("defaultTags", key), message=message, severity="warning", code=NO_EFFECT
            )


def _problems(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in tags.items():
        if key.lower().startswith(_RESERVED):
            yield key, f"tags that begin with {_RESERVED!r} are AWS's own: rename {shown(key)}"
        if not key or len(key) > MAX_KEY_LENGTH:
            message = f"the key of a tag has 1 to {MAX_KEY_LENGTH} characters, not {len(key)}"
            yield key, message
        if len(value) > MAX_VALUE_LENGTH:
            message = f"a tag's value has at most {MAX_VALUE_LENGTH} characters, not {len(value)}"
            yield key, message
        for text in (key, value):
            if found := _FORBIDDEN.search(text):
                yield key, f"tags take letters, digits, blanks and _.:/=+-@, not {found[0]!r}"


def _value(text: str) -> str:
    """*text* as a tag's value, which takes fewer characters than names of states do."""
    return _FORBIDDEN.sub("-", text)[:MAX_VALUE_LENGTH]
