"""The engine's options, validated in one place and frozen."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from aiowfm.errors import ConfigError
from aiowfm.names import part_problem

ENVIRONMENT_PREFIX = "AIOWFM_"

Provision = Literal["create", "check", "none"]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]


def _default_worker_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"[:80]


class EngineConfig(BaseModel):
    """All options of an engine that are plain values.

    Attributes:
        app: The application; part of the names of activities.
        environment: The namespace; part of the names of everything.
        concurrency: Tasks of one name that run at once, unless the task says otherwise.
        max_concurrency: Tasks of all names that run at once; None: no such limit.
        max_pollers: Polls of one task name that are open at once.
        poll_rate: Polls per second and task name at most; None: no such limit.
        worker_name: What the history shows as the worker, at most 80 characters
            (GetActivityTask, member `workerName`).
        provision: Whether activities, state machines, queues and tables that are missing are
            made (`create`), reported (`check`) or taken for granted (`none`).
        keep_versions: How many published versions of a state machine are always kept, the
            newest, where its definition may change in place.
        max_threads: Plain functions that run at once, each in a thread.
        envelope: Wrap each task's input so that its handler learns the workflow's id,
            the state and the attempt.
        trace_context: Have workflows carry the trace context of the span that they are
            started in, to the handlers of their tasks. Changes what is deployed.
        default_heartbeat: Give activity tasks without HeartbeatSeconds one of at most 60.
        default_retry: Give activity tasks a retrier for lost workers.
        grace_seconds: How long leaving `async with` waits for running tasks.
        early_ttl_seconds: How long the result of a callback task is kept that comes before the
            task waits.
        link_secret: What links of `engine.finalizer` are signed with, at least 16 characters.
        max_lag_seconds: How long the event loop may stand still before a warning names the
            tasks that ran; 0: no warnings.
    """

    # One of them is a secret: errors must not show what was given.
    # Built when the first is made, not when the module is imported.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    app: str
    environment: str
    concurrency: Count = 1
    max_concurrency: Count | None = None
    max_pollers: Count = 10
    poll_rate: Annotated[float, Field(gt=0)] | None = None
    worker_name: Annotated[str, Field(min_length=1, max_length=80)] = Field(
        default_factory=_default_worker_name
    )
    provision: Provision = "create"
    keep_versions: Count = 10
    max_threads: Count = 40
    envelope: bool = True
    trace_context: bool = False
    default_heartbeat: bool = True
    default_retry: bool = True
    grace_seconds: Seconds = 30
    early_ttl_seconds: Annotated[float, Field(gt=0)] = 3600
    link_secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    max_lag_seconds: Seconds = 1

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of all that is made for the application."""
        return {"application": self.app, "environment": self.environment}

    def owner(self, tags: Mapping[str, str]) -> str:
        """The application that something with these *tags* belongs to: ours if they don't say."""
        return tags.get("application", self.app)

    @field_validator("app", "environment")
    @classmethod
    def _usable_in_names(cls, value: str) -> str:
        problem = part_problem(value)
        if problem is not None:
            raise ValueError(problem)
        return value

    @classmethod
    def checked(cls, **options: Any) -> Self:
        """The configuration made of *options*.

        Raises:
            ConfigError: naming each option that is not usable.
        """
        try:
            return cls(**options)
        except ValidationError as exc:
            raise ConfigError(_problems(exc, {})) from exc

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Any) -> Self:
        """The configuration read from `AIOWFM_*` variables; *options* come first.

        Variables that are not options of the engine are left to others.

        Raises:
            ConfigError: naming each variable that is not usable.
        """
        environ = os.environ if environ is None else environ
        found = {
            field: environ[ENVIRONMENT_PREFIX + field.upper()]
            for field in cls.model_fields
            if ENVIRONMENT_PREFIX + field.upper() in environ
        }
        try:
            return cls(**(found | options))
        except ValidationError as exc:
            names = {
                field: f"{field} ({ENVIRONMENT_PREFIX}{field.upper()})"
                for field in cls.model_fields.keys() - options.keys()
            }
            raise ConfigError(_problems(exc, names)) from exc


def _problems(error: ValidationError, names: Mapping[str, str]) -> str:
    """What is wrong with options, which are called by their *names* where they have any."""
    return "; ".join(
        f"{'.'.join(names.get(str(part), str(part)) for part in each['loc'])}:"
        f" {each['msg'].removeprefix('Value error, ')}"  # which pydantic puts before ours
        for each in error.errors()
    )


class EngineOptions(TypedDict, total=False):
    """The options of an engine that few programs set; `EngineConfig` explains them."""

    max_pollers: int
    keep_versions: int
    max_threads: int
    envelope: bool
    trace_context: bool
    default_heartbeat: bool
    default_retry: bool
    grace_seconds: float
    early_ttl_seconds: float
    link_secret: str | None
    max_lag_seconds: float
