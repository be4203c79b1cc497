"""Builds what one life of an engine consists of: its workflows, worker and callbacks."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiowfm.callbacks import Callbacks, CallbackStats
from aiowfm.config import EngineConfig
from aiowfm.definitions import (
    CompilerOptions,
    DefinitionRegistry,
    has_callbacks,
    least_heartbeats,
    own_tasks,
)
from aiowfm.doctor import Examination, Role
from aiowfm.errors import AiowfmError, ConfigError
from aiowfm.health import Check, Diagnosis, Health
from aiowfm.lifecycle import unwrapping
from aiowfm.local import LocalBackend
from aiowfm.names import ActivityArn, callbacks_name
from aiowfm.ports import Activities, Backend, OpenBackend
from aiowfm.tasks.middleware import Middleware
from aiowfm.tasks.registry import TaskRegistry
from aiowfm.worker.activities import provisioned
from aiowfm.worker.statistics import TaskStats
from aiowfm.worker.worker import Worker, most_polls
from aiowfm.workflows import (
    Comparison,
    DeploymentPlan,
    Deployments,
    Listing,
    Owners,
    Rollout,
    Tracing,
    Workflows,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """What an engine is doing and has done, at one moment.

    Attributes:
        tasks: By task name.
        callbacks: Of all callback tasks.
    """

    tasks: Mapping[str, TaskStats]
    callbacks: CallbackStats = field(default_factory=CallbackStats)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine consists of while it lives."""

    workflows: Workflows
    worker: Worker
    callbacks: Callbacks

    def stats(self) -> EngineStats:
        return EngineStats(tasks=self.worker.stats(), callbacks=self.callbacks.stats())


@dataclass(frozen=True, slots=True)
class Assembly:
    """What the user gave, ready to be put together for each life anew."""

    config: EngineConfig
    definitions: DefinitionRegistry
    handlers: TaskRegistry
    middlewares: Sequence[Middleware]

    @asynccontextmanager
    async def opened(
        self, backend: Backend, *, works: bool, deploys: bool = False
    ) -> AsyncIterator[Parts]:
        """The parts on *backend*, which is open for as long; what they need is provisioned.

        Args:
            backend: Where they are.
            works: Whether tasks are handled and the queue of callbacks is read.
            deploys: Whether state machines are provisioned too, and not only when needed.
        """
        polls = most_polls(self.handlers, self.config) if works else 0
        async with backend.open(max_polls=polls) as opened:
            names = {task: self.handlers.activity_name(task) for task in self._tasks(works)}
            arns = await provisioned(names, opened.activities, self.config.provision)
            callbacks = Callbacks(opened, config=self.config, consumes=works)
            if any(map(has_callbacks, self.definitions.values())):
                await callbacks.prepare()
            deployments = self._deployments(opened, arns, callbacks.prepare, self.config)
            if deploys:
                await deployments.ready_all(self.definitions.values())
            workflows = self._workflows(opened, deployments)
            yield Parts(workflows, self._worker(opened, arns, works), callbacks)

    async def deployed(
        self, backend: Backend, plan: DeploymentPlan | None, *, dry_run: bool
    ) -> DeploymentPlan:
        """Carry out *plan*, or one that is made for what is there; see `Engine.deploy`."""
        config = self.config.model_copy(update={"provision": "create"})
        async with backend.open(max_polls=0) as opened:
            rollout = await self._rollout(opened, config)
            if plan is None:
                plan = await rollout.plan()
            if not dry_run:
                await rollout.apply(plan)
        return plan

    async def diagnosed(self, backend: Backend, *, role: Role, processes: int) -> Diagnosis:
        """How all is that it needs; see `Engine.diagnose`."""
        definitions = tuple(self.definitions.values())
        examination = Examination(
            config=self.config,
            definitions=definitions,
            handlers=self.handlers,
            activities=[self.handlers.activity_name(task) for task in self._tasks(works=False)],
            heartbeat_seconds=least_heartbeats(definitions, self.compiler_options()),
            role=role,
            processes=processes,
        )
        checks = list(examination.of_definitions())
        try:
            with unwrapping():
                await self._examine(backend, examination, checks)
        except AiowfmError as exc:
            checks.append(Check(subject="backend", health=Health.PROBLEM, message=str(exc)))
        return Diagnosis(checks=tuple(checks))

    async def _examine(
        self, backend: Backend, examination: Examination, checks: list[Check]
    ) -> None:
        """Add to *checks*, so that what was found remains where something fails later."""
        if isinstance(backend, LocalBackend) and not backend.is_made:
            message = "its file does not exist yet: made when the engine starts"
            checks.append(Check(subject="backend", health=Health.OK, message=message))
            return
        async with backend.open(max_polls=0) as opened:
            connection = await opened.diagnostics.connection()
            checks += connection.checks
            if connection.is_usable:
                rollout = await self._rollout(opened, self.config)
                checks += await examination.of_backend(opened.diagnostics, rollout)

    async def _rollout(self, opened: OpenBackend, config: EngineConfig) -> Rollout:
        names = {task: self.handlers.activity_name(task) for task in self._tasks(works=False)}
        arns = {task: await opened.activities.arn(name) for task, name in names.items()}
        storage = opened.callbacks(callbacks_name(config.environment, config.app))
        return Rollout(
            opened,
            self._deployments(opened, arns, storage.queue_url, config),
            config=config,
            activities=names,
            definitions=self.definitions.values(),
        )

    def compiler_options(self) -> CompilerOptions:
        """What is compiled into definitions."""
        lost = (name for name, handler in self.handlers.items() if not handler.retry_lost)
        return CompilerOptions(
            envelope=self.config.envelope,
            trace_context=self.config.trace_context,
            default_heartbeat=self.config.default_heartbeat,
            default_retry=self.config.default_retry,
            no_retry_tasks=frozenset(lost),
        )

    def _tasks(self, works: bool) -> set[str]:
        """The tasks whose activities are needed: without a worker, those that others handle."""
        tasks = set(self.handlers)
        if not works:
            for definition in self.definitions.values():
                tasks |= own_tasks(definition)
        return tasks

    def _deployments(
        self,
        opened: OpenBackend,
        arns: Mapping[str, ActivityArn],
        queue_url: Callable[[], Awaitable[str]],
        config: EngineConfig,
    ) -> Deployments:
        tasks = {arn: task for task, arn in arns.items()}
        comparison = Comparison(
            config=config,
            role_arn=opened.state_machines.role_arn,
            activity_arn=arns.__getitem__,
            task_name=lambda arn: tasks.get(ActivityArn(arn), arn),
            options=self.compiler_options(),
        )
        return Deployments(
            opened.state_machines,
            opened.machine_versions,
            config=config,
            comparison=comparison,
            queue_url=queue_url,
            now=opened.now,
        )

    def _workflows(self, opened: OpenBackend, deployments: Deployments) -> Workflows:
        owners = Owners(opened.state_machines, config=self.config)
        listing = Listing(
            opened.state_machines,
            opened.executions,
            owners,
            search=opened.search,
            config=self.config,
            find_definition=self.definitions.get,
        )
        return Workflows(
            opened.executions,
            deployments,
            listing,
            owners,
            Tracing(self.compiler_options(), self._current_trace()),
            config=self.config,
            find_definition=self.definitions.get,
        )

    def _current_trace(self) -> Callable[[], Mapping[str, str]] | None:
        if not self.config.trace_context:
            return None
        try:
            from aiowfm.otel import current_trace
        except ModuleNotFoundError as exc:
            raise ConfigError(f"trace_context: {exc}") from exc
        return current_trace

    def _worker(self, opened: OpenBackend, arns: Mapping[str, ActivityArn], works: bool) -> Worker:
        definitions = tuple(self.definitions.values())
        return Worker(
            self.handlers if works else {},
            arns,
            config=self.config,
            source=opened.tasks,
            reporter=opened.reporter,
            create_again=functools.partial(self._create_again, opened.activities),
            heartbeat_seconds=least_heartbeats(definitions, self.compiler_options()),
            middlewares=tuple(self.middlewares),
            recalls=opened.recalls,
        )

    async def _create_again(self, activities: Activities, task: str) -> None:
        if self.config.provision == "create":
            await activities.create(self.handlers.activity_name(task))
