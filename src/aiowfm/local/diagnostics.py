"""What there is to say of the embedded backend: nothing can be denied or out of reach."""

from __future__ import annotations

from collections.abc import Sequence

from aiowfm.health import Check, Connection, Health, QueueState
from aiowfm.local.service import Service
from aiowfm.local.storage.database import MEMORY
from aiowfm.names import dead_letters_name


class LocalDiagnostics:
    """See `aiowfm.ports.Diagnostics`."""

    has_quotas = False

    def __init__(self, service: Service) -> None:
        self._service = service

    async def connection(self) -> Connection:
        """Where workflows are kept; that it could be opened is known already."""
        path = self._service.store.path
        if path == MEMORY:
            check = Check(
                subject="backend",
                health=Health.WARNING,
                message="embedded, in memory: workflows end with the process",
                advice="give LocalBackend a file, or use AwsBackend, where they must not",
            )
        else:
            message = f"embedded, kept in {path}, which can be opened"
            check = Check(subject="backend", health=Health.OK, message=message)
        return Connection(checks=(check,), is_usable=True)

    async def queues(self, name: str) -> QueueState:
        """See `aiowfm.ports.Diagnostics`; hidden messages count as waiting."""
        url = self._service.arns.queue_url(name)
        queues = self._service.queues
        return QueueState(waiting=queues.count(url), buried=queues.count(dead_letters_name(url)))

    async def permissions(
        self, *, machines: Sequence[str], callbacks: str | None, consumes: bool
    ) -> Sequence[Check]:
        """None: whoever runs the program may do everything."""
        return []
