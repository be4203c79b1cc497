"""Looks at everything, one thing after the other; what cannot be looked at is told, too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, get_args

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition, check_for_engine, has_callbacks
from aiowfm.doctor.rates import rate_checks
from aiowfm.doctor.verdicts import of_machine, of_queues, of_resource
from aiowfm.errors import AccessDeniedError, AiowfmError, DefinitionError, UsageError
from aiowfm.health import Check, Health
from aiowfm.names import MAX_NAME_LENGTH, callbacks_name, state_machine_name
from aiowfm.ports import Diagnostics
from aiowfm.tasks.handlers import TaskHandler
from aiowfm.workflows import Rollout

# Whose permissions are tried: a process that works, one that only finishes callbacks, or nobody's.
Role = Literal["worker", "finalizer", "doctor"]

NOBODY = "aiowfm-doctor"  # the start state of a state machine that does not exist


class Examination:
    """Of one application."""

    def __init__(
        self,
        *,
        config: EngineConfig,
        definitions: Sequence[WorkflowDefinition],
        handlers: Mapping[str, TaskHandler],
        activities: Sequence[str],
        heartbeat_seconds: Mapping[str, float],
        role: Role,
        processes: int,
    ) -> None:
        """Make it; nothing is looked at yet.

        Args:
            config: Of the engine.
            definitions: Of the application.
            handlers: By task name.
            activities: The names of those that are needed.
            heartbeat_seconds: What states allow between heartbeats at least, by task name.
            role: Whose permissions are tried.
            processes: So many processes work at the same time.

        Raises:
            UsageError: there is no such role, or *processes* is not positive.
        """
        if role not in get_args(Role):
            known = ", ".join(map(repr, get_args(Role)))
            raise UsageError(f"role={role!r}: it must be one of {known}")
        if processes < 1:
            raise UsageError(f"processes={processes!r}: it must be at least 1")
        self._config = config
        self._definitions = definitions
        self._handlers = handlers
        self._activities = activities
        self._heartbeat_seconds = heartbeat_seconds
        self._role = role
        self._processes = processes

    def of_definitions(self) -> Iterator[Check]:
        """Whether definitions and handlers fit; asks nothing of the backend."""
        try:
            check_for_engine(self._definitions, self._config.environment, self._handlers or None)
        except DefinitionError as exc:
            for problem in exc.problems:
                yield Check(
                    subject="definitions",
                    health=Health.PROBLEM,
                    message=str(problem),
                    advice="correct it: the engine doesn't start with it",
                )
        else:
            message = f"loaded: {len(self._definitions)}, handlers: {len(self._handlers)}"
            yield Check(subject="definitions", health=Health.OK, message=message)

    async def of_backend(self, diagnostics: Diagnostics, rollout: Rollout) -> Sequence[Check]:
        """How all is that the application needs on its backend, which can be reached."""
        checks: list[Check] = []
        for subject, look in self._looks(diagnostics, rollout):
            checks += await self._looked(subject, look)
        if diagnostics.has_quotas:
            checks += rate_checks(
                self._handlers, self._config, self._heartbeat_seconds, self._processes
            )
        return checks

    def _looks(
        self, diagnostics: Diagnostics, rollout: Rollout
    ) -> Iterator[tuple[str, Callable[[], Awaitable[Sequence[Check]]]]]:
        provision = self._config.provision
        callbacks = callbacks_name(self._config.environment, self._config.app)
        waits = any(map(has_callbacks, self._definitions))

        async def activity(name: str) -> Sequence[Check]:
            return [of_resource(await rollout.activity(name), provision)]

        async def machine(definition: WorkflowDefinition) -> Sequence[Check]:
            return [of_machine(await rollout.machine(definition), provision)]

        async def storage() -> Sequence[Check]:
            return [of_resource(each, provision) for each in await rollout.callback_resources()]

        async def queues() -> Sequence[Check]:
            return list(of_queues(callbacks, await diagnostics.queues(callbacks)))

        async def permissions() -> Sequence[Check]:
            return await diagnostics.permissions(
                machines=[self._absent(each) for each in self._definitions],
                callbacks=callbacks if waits else None,
                consumes=self._role == "worker",
            )

        for name in sorted(self._activities):
            yield f"activity {name}", partial(activity, name)
        if waits:
            yield f"queues and table {callbacks}", storage
            yield f"queues {callbacks}", queues
        for each in self._definitions:
            yield f"state machine of {each.name}", partial(machine, each)
        if self._role != "doctor":
            yield "permissions", permissions

    def _absent(self, definition: WorkflowDefinition) -> str:
        """A state machine that the policies of this definition cover, and that does not exist."""
        name = state_machine_name(
            self._config.environment, definition.name, definition.version, NOBODY
        )
        return name[:MAX_NAME_LENGTH]

    async def _looked(
        self, subject: str, look: Callable[[], Awaitable[Sequence[Check]]]
    ) -> Sequence[Check]:
        try:
            return await look()
        except AccessDeniedError as exc:
            return [
                Check(
                    subject=subject,
                    health=Health.UNKNOWN,
                    message=f"these credentials may not look: {exc}",
                    advice="allow what `aiowfm iam --role doctor` prints",
                )
            ]
        except AiowfmError as exc:
            return [Check(subject=subject, health=Health.PROBLEM, message=str(exc))]
