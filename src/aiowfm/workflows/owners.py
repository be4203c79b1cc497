"""Which application the workflows of a state machine belong to."""

from __future__ import annotations

from aiowfm.config import EngineConfig
from aiowfm.errors import AccessDeniedError, WorkflowNotFoundError
from aiowfm.names import WorkflowId, cleaned
from aiowfm.ports import StateMachines


class Owners:
    """Tells workflows of this application from others'; what was learnt is remembered."""

    def __init__(self, machines: StateMachines, *, config: EngineConfig) -> None:
        self._machines = machines
        self._config = config
        self._environment = cleaned(config.environment)
        self._known: dict[str, str] = {}

    def own(self, machine: str) -> None:
        """The state machine named *machine* is ours."""
        self._known[machine] = self._config.app

    async def check(self, id: WorkflowId) -> None:
        """See that a workflow may be shown and changed here.

        Raises:
            WorkflowNotFoundError: it is of another environment or application.
        """
        environment, app = self._config.environment, self._config.app
        if id.environment != self._environment:
            raise WorkflowNotFoundError(
                f"there is no workflow {str(id)!r} in the environment {environment!r}: it is"
                f" one of {id.environment!r}"
            )
        owner = await self._owner(id.state_machine)
        if owner != app:
            raise WorkflowNotFoundError(
                f"there is no workflow {str(id)!r} of the application {app!r}: it belongs to"
                f" {owner!r}"
            )

    async def is_own(self, machine: str) -> bool:
        """Whether the state machine named *machine* is ours, or nobody's."""
        return await self._owner(machine) == self._config.app

    async def _owner(self, machine: str) -> str:
        owner = self._known.get(machine)
        if owner is None:
            try:
                found = await self._machines.find(machine)
            except AccessDeniedError:
                # Workers need no right to look at state machines: then Step Functions' own
                # permissions are what keeps applications apart.
                self.own(machine)
                return self._config.app
            if found is None:
                return self._config.app
            owner = self._known[machine] = found.tags.get("application", self._config.app)
        return owner
