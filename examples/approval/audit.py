"""Something an application has open besides its workflows, and needs while they run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("examples.approval")


class Audit:
    """Notes who decided what."""

    def __init__(self) -> None:
        self.is_open = False

    @contextmanager
    def opened(self) -> Iterator[Audit]:
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False

    def note(self, key: str, decision: str, by: str) -> None:
        assert self.is_open
        log.info("%s: %s by %s", key, decision, by)
