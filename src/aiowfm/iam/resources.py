"""The ARNs of what an application has, as policies name them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aiowfm.config import EngineConfig
from aiowfm.definitions import WorkflowDefinition, has_callbacks
from aiowfm.definitions.checks import own_tasks
from aiowfm.names import (
    activity_name,
    callbacks_name,
    cleaned,
    dead_letters_name,
    state_machine_prefix,
)

CHANGING = -1  # the version of definitions of which versions are published


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an application is.

    Attributes:
        partition: As `aws`, the first part of ARNs.
        account_id: Twelve digits.
        role_arn: The role that state machines run as.
    """

    partition: str
    region: str
    account_id: str
    role_arn: str


class Resources:
    """The activities, state machines, executions, queues and table of one application."""

    def __init__(
        self,
        place: Place,
        config: EngineConfig,
        definitions: Sequence[WorkflowDefinition],
        handled: Collection[str],
    ) -> None:
        """Make it.

        Args:
            place: Where they are.
            config: Names.
            definitions: Those of the application.
            handled: The tasks that have handlers.
        """
        self.place = place
        self._environment = config.environment
        self._app = config.app
        self.definitions = tuple(definitions)
        self._handled = frozenset(handled)
        self._callbacks = callbacks_name(config.environment, config.app)

    @property
    def has_callbacks(self) -> bool:
        return any(map(has_callbacks, self.definitions))

    @property
    def handled_activities(self) -> list[str]:
        """Those that a worker polls."""
        return [self._activity(task) for task in self._handled]

    @property
    def activities(self) -> list[str]:
        """Those of all handlers and definitions."""
        tasks = self._handled.union(*map(own_tasks, self.definitions))
        return [self._activity(task) for task in tasks]

    @property
    def machines(self) -> list[str]:
        """State machines of all versions and start states, and their versions."""
        return [self.machine(each) for each in self.definitions]

    @property
    def changing_machines(self) -> list[str]:
        """Those of which versions are published."""
        return [
            self._states("stateMachine", f"{self._prefix(each)}{CHANGING}--*")
            for each in self.definitions
            if each.version == CHANGING
        ]

    @property
    def executions(self) -> list[str]:
        return [self.execution(each) for each in self.definitions]

    @property
    def queue(self) -> str:
        return self.queue_named(self._callbacks)

    @property
    def queues(self) -> list[str]:
        """The queue and its dead-letter queue."""
        return [self.queue, self.queue_named(dead_letters_name(self._callbacks))]

    @property
    def queue_url(self) -> str:
        """The likely URL of the queue; only its last two parts matter here."""
        at = self.place
        return f"https://sqs.{at.region}.amazonaws.com/{at.account_id}/{self._callbacks}"

    @property
    def table(self) -> str:
        at = self.place
        name = self._callbacks
        return f"arn:{at.partition}:dynamodb:{at.region}:{at.account_id}:table/{name}"

    @property
    def environment_machines(self) -> str:
        """The state machines of the environment, those of other applications too."""
        return self._states("stateMachine", f"{cleaned(self._environment)}--*")

    def machine(self, definition: WorkflowDefinition) -> str:
        return self._states("stateMachine", f"{self._prefix(definition)}*")

    def execution(self, definition: WorkflowDefinition) -> str:
        return self._states("execution", f"{self._prefix(definition)}*:*")

    def map_runs_execution(self, definition: WorkflowDefinition) -> str:
        """The child executions of its distributed Maps."""
        return self._states("execution", f"{self._prefix(definition)}*/*:*")

    def queue_named(self, name: str, region: str = "", account_id: str = "") -> str:
        at = self.place
        return f"arn:{at.partition}:sqs:{region or at.region}:{account_id or at.account_id}:{name}"

    def any_machine(self) -> str:
        return self._states("stateMachine", "*")

    def any_execution(self) -> str:
        return self._states("execution", "*")

    def rule(self, name: str) -> str:
        """A rule of EventBridge."""
        at = self.place
        return f"arn:{at.partition}:events:{at.region}:{at.account_id}:rule/{name}"

    def _activity(self, task: str) -> str:
        return self._states("activity", activity_name(self._environment, self._app, task))

    def _prefix(self, definition: WorkflowDefinition) -> str:
        return state_machine_prefix(self._environment, definition.name)

    def _states(self, kind: str, name: str) -> str:
        at = self.place
        return f"arn:{at.partition}:states:{at.region}:{at.account_id}:{kind}:{name}"
