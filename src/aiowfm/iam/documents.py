"""Policy documents: what is allowed, put together by what it is allowed on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]
Condition = Mapping[str, Mapping[str, str]]

VERSION = "2012-10-17"  # of the policy language, the newest
ANY = ("*",)


class Grants:
    """What somebody may do; actions on the same resources become one statement."""

    def __init__(self) -> None:
        self._actions: dict[tuple[tuple[str, ...], str], set[str]] = {}

    def allow(
        self, resources: Iterable[str], *actions: str, condition: Condition | None = None
    ) -> None:
        """Allow *actions* on *resources*; without any resource, nothing is allowed."""
        on = tuple(sorted(set(resources)))
        if on:
            key = on, "" if condition is None else json.dumps(condition)
            self._actions.setdefault(key, set()).update(actions)

    def document(self) -> Document:
        """The policy; where nothing is allowed, one that denies everything.

        A policy must not be empty, and a role without one could be given another by mistake.
        """
        statements: list[dict[str, Any]] = []
        for (resources, condition), actions in self._actions.items():
            statement = {
                "Effect": "Allow",
                "Action": sorted(actions),
                "Resource": list(resources),
            }
            if condition:
                statement["Condition"] = json.loads(condition)
            statements.append(statement)
        deny_all = {"Effect": "Deny", "Action": "*", "Resource": "*"}
        return {"Version": VERSION, "Statement": statements or [deny_all]}


def policy_length(document: Document) -> int:
    """How many characters IAM counts: all but white space."""
    return len(json.dumps(document, separators=(",", ":")))
