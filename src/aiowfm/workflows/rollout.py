"""Deploys all that an application needs, in two steps: a plan, and carrying it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition, has_callbacks
from aiowfm.names import callbacks_name, dead_letters_name
from aiowfm.ports import OpenBackend
from aiowfm.workflows.deployments import Deployments
from aiowfm.workflows.plans import Change, DeploymentPlan, ResourceChange

ACTIVITY = "activity"
_QUEUE, _DEAD_LETTERS, _TABLE = "queue", "dead-letter queue", "table"


class Rollout:
    """The activities, queues, table and state machines of one application."""

    def __init__(
        self,
        backend: OpenBackend,
        deployments: Deployments,
        *,
        config: EngineConfig,
        activities: Mapping[str, str],
        definitions: Iterable[WorkflowDefinition],
    ) -> None:
        """Make it; nothing is asked of the backend yet.

        Args:
            backend: Where all is.
            deployments: What is done about state machines.
            config: Names.
            activities: The names of activities, by task.
            definitions: What to deploy.
        """
        self._backend = backend
        self._deployments = deployments
        self._config = config
        self._activities = activities
        self._definitions = tuple(definitions)
        self._callbacks_name = callbacks_name(config.environment, config.app)
        self._callbacks = backend.callbacks(self._callbacks_name)

    async def plan(self) -> DeploymentPlan:
        """What would change; nothing is."""
        resources = [await self._activity(name) for name in sorted(self._activities.values())]
        if any(map(has_callbacks, self._definitions)):
            resources += await self._callback_resources()
        machines = [await self._deployments.plan(each) for each in self._definitions]
        return DeploymentPlan(resources=tuple(resources), machines=tuple(machines))

    async def apply(self, plan: DeploymentPlan) -> None:
        """Carry out *plan*, or nothing of it where it has problems.

        Raises:
            DefinitionError: it has problems.
        """
        plan.check()
        missing = [each for each in plan.resources if each.change is Change.CREATE]
        for each in missing:
            if each.kind == ACTIVITY:
                await self._backend.activities.create(each.name)
        has_new_queue = any(each.kind != ACTIVITY for each in missing)
        if has_new_queue:
            await self._callbacks.create(
                {"application": self._config.app, "environment": self._config.environment}
            )
        for machine in plan.machines:
            if has_new_queue and has_callbacks(machine.definition):
                # Only now the URL of the queue is sure.
                machine = await self._deployments.plan(machine.definition)
            if machine.change is not Change.NONE:
                await self._deployments.apply(machine)

    async def _activity(self, name: str) -> ResourceChange:
        arn = await self._backend.activities.find(name)
        return _resource(ACTIVITY, name, is_there=arn is not None)

    async def _callback_resources(self) -> list[ResourceChange]:
        missing = set(await self._callbacks.missing())
        names = {
            _QUEUE: self._callbacks_name,
            _DEAD_LETTERS: dead_letters_name(self._callbacks_name),
            _TABLE: self._callbacks_name,
        }
        known = [
            _resource(kind, name, is_there=f"{kind} {name}" not in missing)
            for kind, name in names.items()
        ]
        parts = missing - {f"{kind} {name}" for kind, name in names.items()}
        of_table = f" of table {self._callbacks_name}"
        return known + [
            _resource(part.removesuffix(of_table), self._callbacks_name, is_there=False)
            for part in sorted(parts)
        ]


def _resource(kind: str, name: str, *, is_there: bool) -> ResourceChange:
    return ResourceChange(kind=kind, name=name, change=Change.NONE if is_there else Change.CREATE)
