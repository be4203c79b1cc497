"""Builds what one life of an engine consists of: its workflows and its worker."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiowfm.config import EngineConfig
from aiowfm.definitions import CompilerOptions, DefinitionRegistry, least_heartbeats
from aiowfm.names import ActivityArn
from aiowfm.ports import Activities, Backend, OpenBackend
from aiowfm.tasks.middleware import Middleware
from aiowfm.tasks.registry import TaskRegistry
from aiowfm.worker.activities import provisioned
from aiowfm.worker.worker import Worker, most_polls
from aiowfm.workflows import Deployments, Listing, Workflows


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine consists of while it lives."""

    workflows: Workflows
    worker: Worker


@dataclass(frozen=True, slots=True)
class Assembly:
    """What the user gave, ready to be put together for each life anew."""

    config: EngineConfig
    definitions: DefinitionRegistry
    handlers: TaskRegistry
    middlewares: Sequence[Middleware]

    @asynccontextmanager
    async def opened(self, backend: Backend) -> AsyncIterator[Parts]:
        """The parts on *backend*, which is open for as long; activities are provisioned."""
        polls = most_polls(self.handlers, self.config)
        async with backend.open(max_polls=polls) as opened:
            names = {task: self.handlers.activity_name(task) for task in self.handlers}
            arns = await provisioned(names, opened.activities, self.config.provision)
            yield Parts(self._workflows(opened, arns), self._worker(opened, arns))

    def _workflows(self, opened: OpenBackend, arns: Mapping[str, ActivityArn]) -> Workflows:
        tasks = {arn: task for task, arn in arns.items()}
        deployments = Deployments(
            opened.state_machines,
            config=self.config,
            activity_arn=arns.__getitem__,
            task_name=lambda arn: tasks.get(ActivityArn(arn), arn),
            options=self._compiler_options(),
        )
        listing = Listing(
            opened.state_machines,
            opened.executions,
            config=self.config,
            find_definition=self.definitions.get,
        )
        return Workflows(
            opened.executions,
            deployments,
            listing,
            config=self.config,
            find_definition=self.definitions.get,
        )

    def _worker(self, opened: OpenBackend, arns: Mapping[str, ActivityArn]) -> Worker:
        definitions = tuple(self.definitions.values())
        return Worker(
            self.handlers,
            arns,
            config=self.config,
            source=opened.tasks,
            reporter=opened.reporter,
            create_again=functools.partial(self._create_again, opened.activities),
            heartbeat_seconds=least_heartbeats(definitions, self._compiler_options()),
            middlewares=tuple(self.middlewares),
        )

    def _compiler_options(self) -> CompilerOptions:
        lost = (name for name, handler in self.handlers.items() if not handler.retry_lost)
        return CompilerOptions(
            envelope=self.config.envelope,
            default_heartbeat=self.config.default_heartbeat,
            default_retry=self.config.default_retry,
            no_retry_tasks=frozenset(lost),
        )

    async def _create_again(self, activities: Activities, task: str) -> None:
        if self.config.provision == "create":
            await activities.create(self.handlers.activity_name(task))
