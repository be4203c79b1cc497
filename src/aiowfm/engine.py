"""The engine: joins the parts and owns their lifecycle."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, Unpack

import anyio
from anyio.abc import TaskStatus

from aiowfm import environment
from aiowfm.assembly import Assembly, EngineStats, Parts
from aiowfm.callbacks import Callbacks, Finalizer
from aiowfm.config import EngineConfig, EngineOptions, Provision
from aiowfm.definitions import (
    CompilerOptions,
    DefinitionRegistry,
    DefinitionSources,
    WorkflowDefinition,
    check_for_engine,
    has_callbacks,
    problems_for_engine,
    unused_tasks,
)
from aiowfm.doctor import Role
from aiowfm.errors import ConfigError, Problem, UsageError
from aiowfm.health import Diagnosis
from aiowfm.lifecycle import EngineState, Life, Lifecycle, unwrapping
from aiowfm.local import LocalBackend
from aiowfm.names import activity_name
from aiowfm.ports import Backend
from aiowfm.tasks.handlers import HeartbeatMode
from aiowfm.tasks.middleware import Middleware, check_middleware
from aiowfm.tasks.registry import TaskRegistry
from aiowfm.worker.statistics import TaskStats
from aiowfm.workflows import DeploymentPlan, WorkflowCalls, Workflows

Result = TypeVar("Result")
HandlerT = TypeVar("HandlerT", bound=Callable[..., object])  # arity is checked at registration
MiddlewareT = TypeVar("MiddlewareT", bound=Middleware)


class Engine(WorkflowCalls):
    """Runs workflows: their definitions, their task handlers, and a backend to run on.

    Calls about workflows and callbacks raise `EngineStateError` while it is stopped, and
    `BackendError` where the backend fails: `BackendUnavailableError` if trying again may help,
    `AccessDeniedError` if credentials or permissions are missing.
    """

    def __init__(
        self,
        *,
        app: str,
        environment: str,
        definitions: DefinitionSources = (),
        backend: Backend | None = None,
        concurrency: int = 1,
        max_concurrency: int | None = None,
        poll_rate: float | None = None,
        worker_name: str | None = None,
        provision: Provision = "create",
        **options: Unpack[EngineOptions],
    ) -> None:
        """Make an engine; nothing runs before `start`.

        Args:
            app: The application; part of the names of activities.
            environment: The namespace; part of the names of everything.
            definitions: A path, YAML or JSON text, `WorkflowDefinition`s, or several of these.
            backend: Where workflows run; `LocalBackend()` unless given.
            concurrency: Tasks of one name that run at once, unless the task says otherwise.
            max_concurrency: Tasks of all names that run at once; None: no such limit.
            poll_rate: Polls per second and task name at most; None: no such limit.
            worker_name: What histories show as the worker; host and process unless given.
            provision: Whether what is missing is made, reported or taken for granted.
            **options: The others, see `EngineConfig`.

        Raises:
            ConfigError: an option is not usable.
            DefinitionError: definitions have problems; all are reported at once.
        """
        named = {} if worker_name is None else {"worker_name": worker_name}
        self.config = EngineConfig.checked(
            app=app,
            environment=environment,
            concurrency=concurrency,
            max_concurrency=max_concurrency,
            poll_rate=poll_rate,
            provision=provision,
            **named,
            **options,
        )
        self._backend: Backend = LocalBackend() if backend is None else _usable(backend)
        self._definitions = DefinitionRegistry(definitions)
        self._handlers = TaskRegistry(partial(activity_name, environment, app))
        self._middlewares: list[Middleware] = []
        self._lifecycle = Lifecycle()
        super().__init__(self._lifecycle, self._running, self.get_definition)
        self._parts: Parts | None = None  # of the life that is, or was last
        self._works = True
        self._deploys = False
        self._finalizer = Finalizer(
            self._callbacks, self._call, link_secret=self.config.link_secret
        )

    @classmethod
    def from_env(
        cls, *, definitions: DefinitionSources | None = None, backend: Backend | None = None
    ) -> Self:
        """The engine that the variables `AIOWFM_*` describe.

        Each option has the variable of its name in capitals: `AIOWFM_APP`,
        `AIOWFM_MAX_CONCURRENCY`, … . `AIOWFM_DEFINITIONS` is a path. `AIOWFM_BACKEND` is
        `local` (with `AIOWFM_LOCAL_PATH`) or `aws` (with `AIOWFM_AWS_REGION`,
        `AIOWFM_AWS_ROLE_ARN`, `AIOWFM_AWS_ACCOUNT_ID`, `AIOWFM_AWS_ENDPOINT_URL`).

        Raises:
            ConfigError: naming each variable that is missing or not usable.
        """
        options = EngineConfig.from_env().model_dump()
        if definitions is None:
            definitions = environment.definitions()
        return cls(
            definitions=definitions,
            backend=environment.backend() if backend is None else backend,
            **options,
        )

    @property
    def state(self) -> EngineState:
        """What it is doing now."""
        return self._lifecycle.state

    @property
    def backend(self) -> Backend:
        """Where workflows run; another may be set while the engine is stopped."""
        return self._backend

    @backend.setter
    def backend(self, backend: Backend) -> None:
        self._lifecycle.require_stopped("setting another backend")
        self._backend = _usable(backend)

    # Handlers and definitions.

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that have handlers."""
        return tuple(self._handlers)

    def task(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        retry_lost: bool = True,
        heartbeat: HeartbeatMode = "auto",
    ) -> Callable[[HandlerT], HandlerT]:
        """Register the decorated function as the handler of `Resource: name`.

        A handler takes at most one input and at most one `TaskContext`. A plain function
        runs in a worker thread.

        Args:
            name: The task.
            concurrency: How many of its tasks run at once; None: as the engine says.
            retry_lost: Whether a task whose worker died is given to another. Its handler
                may then run twice, even at once.
            heartbeat: `manual` where the handler itself calls `ctx.heartbeat()`.

        Raises:
            HandlerTypeError: the function cannot be a handler.
            DuplicateTaskError: the name, or that of its activity, has one.
            UsageError: the name or an option is not usable.
            EngineStateError: the engine runs.
        """
        if callable(name):  # `@engine.task` alone: nothing would ever be registered
            raise UsageError("@engine.task needs the task's name, as in @engine.task('charge')")
        caller_names = dict(sys._getframe(1).f_locals)

        def register(handler: HandlerT) -> HandlerT:
            self._lifecycle.require_stopped(f"registering the task {name!r}")
            self._handlers.add(
                name,
                handler,
                concurrency=concurrency,
                retry_lost=retry_lost,
                heartbeat=heartbeat,
                local_names=caller_names,
            )
            return handler

        return register

    def middleware(self, middleware: MiddlewareT) -> MiddlewareT:
        """Register the decorated coroutine function to run around every task's handler.

        It is called as `await middleware(ctx, call_next)`. `await call_next()` runs what is
        inside it, in the end the handler, and returns what the handler returned; what the
        middleware itself returns or raises is the task's. The first registered is outermost.

        Raises:
            HandlerTypeError: it cannot be called like that.
            EngineStateError: the engine runs.
        """
        self._lifecycle.require_stopped("registering a middleware")
        check_middleware(middleware)
        self._middlewares.append(middleware)
        return middleware

    @property
    def definitions(self) -> tuple[WorkflowDefinition, ...]:
        """The definitions that it knows, in the order in which they were given."""
        return tuple(self._definitions.values())

    @property
    def compiler_options(self) -> CompilerOptions:
        """What is compiled into its definitions when they are deployed."""
        return self._assembly().compiler_options()

    def get_definition(self, name: str) -> WorkflowDefinition:
        """The definition *name*.

        Raises:
            UnknownDefinitionError: there is none.
        """
        return self._definitions.find(name)

    def check(self, definitions: Iterable[WorkflowDefinition]) -> list[Problem]:
        """What keeps *definitions* from being used by this engine, and handlers that nothing uses.

        Nothing is started and nothing asked. What is wrong with the definitions themselves is
        said when they are loaded.

        Args:
            definitions: Those to check; a handler that only the engine's own use is used.
        """
        checked = tuple(definitions)
        problems = problems_for_engine(checked, self.config.environment, self._handlers)
        for name in unused_tasks((*checked, *self.definitions), self._handlers):
            problems.append(self._handlers.unused(name))
        return problems

    def add_definition(self, definition: WorkflowDefinition) -> None:
        """Add a definition, or replace one whose version is -1.

        Raises:
            DefinitionError: it has problems, does not fit the handlers of the running engine,
                or one of its name may not be replaced.
        """
        loaded = self._definitions.acceptable(definition)
        if self.state is not EngineState.STOPPED:
            check_for_engine([loaded], self.config.environment, self._known_tasks())
        self._definitions.add(loaded)
        if self.state is not EngineState.STOPPED and self._parts and has_callbacks(loaded):
            self._parts.callbacks.want()

    # Lifecycle.

    async def deploy(
        self, *, dry_run: bool = False, plan: DeploymentPlan | None = None
    ) -> DeploymentPlan:
        """Deploy all activities, queues, tables and state machines, whatever `provision` says.

        The engine need not run. Where it has handlers, definitions are checked against them.

        Args:
            dry_run: Only say what would change.
            plan: Carry out this one, which a dry run gave; None: what is needed now.

        Raises:
            DefinitionChangedError: a deployed state machine differs and may not change;
                nothing was deployed. In a dry run the plan has these problems instead.
            DefinitionError: there are other problems; nothing was deployed.
        """
        check_for_engine(self.definitions, self.config.environment, self._handlers or None)
        with unwrapping():
            return await self._assembly().deployed(self._backend, plan, dry_run=dry_run)

    async def diagnose(self, *, role: Role = "worker", processes: int = 1) -> Diagnosis:
        """Look at all that it needs: nothing is changed, and it need not run.

        What is wrong is in what is returned, and is not raised.

        Args:
            role: Whose permissions the credentials should have: `worker`, `finalizer` for a
                process that only finishes callbacks, or `doctor` for those who only look.
            processes: How many processes work at once, for the rates.

        Raises:
            UsageError: there is no such role, or *processes* is not positive.
        """
        return await self._assembly().diagnosed(self._backend, role=role, processes=processes)

    async def start(self, *, worker: bool = True, deploy: bool = False) -> None:
        """Check the definitions, provision what they need, and begin to work.

        Args:
            worker: Whether to handle tasks and to read the queue of callbacks; a process that
                only starts workflows and finishes callbacks needs neither, nor handlers.
            deploy: Whether to see to all state machines now, and not to each when a workflow
                of it is first started; `provision` holds for both.

        Raises:
            EngineStateError: it is not stopped.
            ConfigError: `max_concurrency` is less than there are tasks, a package that an option
                needs is not installed, or the backend cannot be used as it is configured.
            DefinitionError: definitions do not fit the handlers, or what is deployed.
            NotFoundError: something is missing and `provision` is `check`.
        """
        self._lifecycle.require_stopped("start()")
        self._works = worker
        self._deploys = deploy
        check_for_engine(self.definitions, self.config.environment, self._known_tasks())
        await self._lifecycle.start(self._live, self.config.grace_seconds)

    async def stop(self, grace: float | None = None) -> None:
        """Stop polling, let running tasks finish, hand the others back.

        Args:
            grace: Seconds to wait for tasks, and on AWS for open polls; 70 lets these
                end by themselves. None: `grace_seconds` of the configuration.

        Raises:
            EngineStateError: it is not running, or a handler of its own calls this.
        """
        await self._lifecycle.stop(self.config.grace_seconds if grace is None else grace)

    async def closed(self) -> None:
        """Wait until the engine has stopped; raises what it failed with.

        Returns at once where it is stopped.
        """
        await self._lifecycle.closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.state is not EngineState.STOPPED:
            await self.stop()

    async def run_forever(
        self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Start, work until SIGINT or SIGTERM, stop; a second signal ends the grace.

        Args:
            task_status: Told once it works, as by `await group.start(engine.run_forever)`.

        Raises:
            EngineStateError: it is not stopped.
            Exception: whatever `start` raises, or the engine fails with.
        """
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await self.start()
            life = self._lifecycle.require_life("run_forever()")
            task_status.started()
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._obey, signals, life)
                    await life.ended()
                    group.cancel_scope.cancel()
            finally:
                with anyio.CancelScope(shield=True):
                    await self.stop()

    async def _obey(self, signals: AsyncIterator[signal.Signals], life: Life) -> None:
        async for _ in signals:
            if life.stopping.is_set() and self._parts is not None:
                self._parts.worker.hurry()
            self._lifecycle.begin_stop()

    @property
    def finalizer(self) -> Finalizer:
        """Finishes callback tasks by the application's own keys, while the engine runs."""
        return self._finalizer

    def stats(self) -> EngineStats:
        """What the worker does and has done since the last start, by task; after a stop too."""
        if self._parts is None:
            return EngineStats(tasks=dict.fromkeys(self._handlers, TaskStats()))
        return self._parts.stats()

    # How it lives.

    async def _live(self, life: Life) -> None:
        opened = self._assembly().opened(self._backend, works=self._works, deploys=self._deploys)
        async with opened as self._parts, life.taking_calls():
            worker, callbacks = self._parts.worker, self._parts.callbacks
            async with anyio.create_task_group() as others:
                await others.start(callbacks.run)
                async with anyio.create_task_group() as group:
                    group.start_soon(worker.run)
                    try:
                        life.ready()
                        await life.stopping.wait()
                        async with anyio.create_task_group() as stops:
                            stops.start_soon(callbacks.stop, life.grace_seconds)
                            await worker.stop(life.grace_seconds)
                    finally:
                        worker.abandon()
                        callbacks.abandon()
                callbacks.close()

    def _assembly(self) -> Assembly:
        return Assembly(self.config, self._definitions, self._handlers, self._middlewares)

    async def _call(self, work: Awaitable[Result]) -> Result:
        return await self._lifecycle.require_life("a call").call(work)

    def _running(self, what: str) -> Workflows:
        return self._parts_for(what).workflows

    def _callbacks(self, what: str) -> Callbacks:
        return self._parts_for(what).callbacks

    def _parts_for(self, what: str) -> Parts:
        self._lifecycle.require_running(what)
        assert self._parts is not None
        return self._parts

    def _known_tasks(self) -> TaskRegistry | None:
        """The tasks that definitions may name; None where others handle them."""
        return self._handlers if self._works else None


def _usable(backend: Backend) -> Backend:
    if isinstance(backend, type) or not callable(getattr(backend, "open", None)):
        raise ConfigError(
            f"backend: give a LocalBackend(...) or an AwsBackend(...), not {backend!r}"
        )
    return backend
