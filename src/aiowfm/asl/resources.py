"""What the Resource of a Task names besides activities: an operation of a service."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_SERVICE = re.compile(
    r"arn:(?P<partition>[\w-]+):states:[\w-]*:\d*:(?P<service>[\w-]+):(?P<action>[\w:-]+?)"
    r"(?:\.(?P<pattern>sync(?::2)?|waitForTaskToken))?"
)


class ServiceResource(NamedTuple):
    """An optimised integration, as `arn:aws:states:::sqs:sendMessage.waitForTaskToken`.

    Attributes:
        service: Such as `sqs`.
        action: Such as `sendMessage`.
        pattern: `sync`, `sync:2` or `waitForTaskToken`; None: request and response.
    """

    service: str
    action: str
    pattern: str | None

    @property
    def shown_action(self) -> str:
        """The action as histories show it."""
        return self.action if self.pattern is None else f"{self.action}.{self.pattern}"

    @property
    def is_sync(self) -> bool:
        """Whether the Task waits until the job that it began has ended."""
        return self.pattern in ("sync", "sync:2")


@lru_cache(maxsize=1024)
def service_resource(resource: str) -> ServiceResource | None:
    """What *resource* calls, or None if it is no integration."""
    match = _SERVICE.fullmatch(resource)
    if match is None or match["service"] == "activity":
        return None
    return ServiceResource(match["service"], match["action"], match["pattern"])
