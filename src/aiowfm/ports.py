"""What the engine asks of a backend, and the values that cross.

Each protocol is what one caller needs. Errors that cross are those of
`aiowfm.errors`. Unless a method says otherwise, cancelling it may leave the
operation done or not done, and every operation can be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from aiowfm.asl.payload import MAX_PAYLOAD_BYTES as MAX_PAYLOAD_BYTES
from aiowfm.callback_ports import MAX_DUE as MAX_DUE
from aiowfm.callback_ports import MAX_MESSAGES as MAX_MESSAGES
from aiowfm.callback_ports import MAX_RECEIVES as MAX_RECEIVES
from aiowfm.callback_ports import RECEIVE_SECONDS as RECEIVE_SECONDS
from aiowfm.callback_ports import VISIBILITY_SECONDS as VISIBILITY_SECONDS
from aiowfm.callback_ports import CallbackQueue as CallbackQueue
from aiowfm.callback_ports import CallbackStorage as CallbackStorage
from aiowfm.callback_ports import QueueMessage as QueueMessage
from aiowfm.callback_ports import TokenStore as TokenStore
from aiowfm.executions import Execution as Execution
from aiowfm.executions import ExecutionEvent as ExecutionEvent
from aiowfm.executions import ExecutionExistsError as ExecutionExistsError
from aiowfm.executions import ExecutionStatus as ExecutionStatus
from aiowfm.executions import NotRedrivableError as NotRedrivableError
from aiowfm.executions import Search as Search
from aiowfm.health import Check, Connection, QueueState
from aiowfm.names import ActivityArn, ExecutionArn, StateMachineArn
from aiowfm.waits import TaskToken as TaskToken

MAX_ERROR_LENGTH = 256  # characters; SendTaskFailure, member `error`
MAX_CAUSE_LENGTH = 32_768  # characters; SendTaskFailure, member `cause`


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityTask:
    """A task that was handed out; its clocks are running.

    Attributes:
        token: Secret: whoever has it can finish the task.
        input: JSON text.
    """

    token: TaskToken = field(repr=False)
    input: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine:
    """A deployed state machine.

    Attributes:
        definition: States Language, as JSON text.
        tags: All of its tags.
        role_arn: The role it runs as; empty where that is not told.
    """

    arn: StateMachineArn
    definition: str
    tags: Mapping[str, str]
    role_arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineVersion:
    """A published version of a state machine; what was published never changes.

    Attributes:
        definition: States Language, as JSON text; None in listings.
        role_arn: The role its executions run as; empty where that is not told, as in listings.
        description: What was said of it when it was published; empty in listings.
    """

    arn: StateMachineArn
    created_at: datetime
    definition: str | None = None
    role_arn: str = ""
    description: str = ""


class TaskSource(Protocol):
    """Where tasks come from."""

    async def poll(self, activity: ActivityArn, worker_name: str) -> ActivityTask | None:
        """Wait up to about 60 seconds for a task; None if there is none.

        Over a network a cancelled poll can lose the task that was just handed
        out (until its heartbeat runs out), so a caller first calls `interrupt`
        and lets its polls return. In process nothing is ever lost.

        Raises:
            NotFoundError: the activity does not exist.
            BackendUnavailableError: throttled, or a fault worth another try.
        """
        ...

    def interrupt(self, activity: ActivityArn) -> None:
        """Make the open polls of *activity* return at once where that can lose nothing.

        Where a poll is a call over the network this does nothing.
        """
        ...


class TaskReporter(Protocol):
    """Where the outcomes of tasks go.

    Each method raises `TaskTokenExpiredError` when the answer is no longer
    wanted, and `BackendUnavailableError` when it is worth another try; that says whether
    the answer may have arrived.
    """

    async def succeed(self, token: TaskToken, output: str) -> None:
        """Report JSON text of at most `MAX_PAYLOAD_BYTES` as the task's result."""
        ...

    async def fail(self, token: TaskToken, error: str, cause: str) -> None:
        """Report failure, already cut to `MAX_ERROR_LENGTH` and `MAX_CAUSE_LENGTH`."""
        ...

    async def heartbeat(self, token: TaskToken) -> None:
        """Say that the task is still being worked on."""
        ...


class Activities(Protocol):
    """The activities of an account."""

    async def create(self, name: str) -> ActivityArn:
        """The ARN of the activity *name*, made if it does not exist."""
        ...

    async def find(self, name: str) -> ActivityArn | None:
        """The ARN of the activity *name* if it exists."""
        ...

    async def arn(self, name: str) -> ActivityArn:
        """The ARN that the activity *name* has or would have; asks nothing of it."""
        ...


class StateMachines(Protocol):
    """The state machines of an account."""

    @property
    def role_arn(self) -> str:
        """The role that those run as which are made or changed here."""
        ...

    async def arn(self, name: str) -> StateMachineArn:
        """The ARN that the state machine *name* has or would have."""
        ...

    async def find(self, name: str) -> StateMachine | None:
        """The state machine *name* if it exists."""
        ...

    async def create(
        self,
        name: str,
        definition: str,
        tags: Mapping[str, str],
        *,
        publish: bool,
        description: str = "",
    ) -> StateMachineArn:
        """Create it and return the ARN to start: with *publish*, that of version 1.

        Creating what exists with the same definition succeeds, and leaves its role and its
        tags as they are. The *description* is the version's.
        """
        ...

    async def update(
        self,
        arn: StateMachineArn,
        definition: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
    ) -> StateMachineArn:
        """Replace definition and role, publish a version, and return that version's ARN.

        The *description* is published with it; *tags* are added afterwards, and others stay.

        Raises:
            BackendUnavailableError: with code ConflictException, if somebody else changes
                it at the same time.
        """
        ...

    async def set_role(self, arn: StateMachineArn) -> None:
        """Let what is started on the plain ARN run as `role_arn`; publishes nothing."""
        ...

    async def tag(self, arn: StateMachineArn, tags: Mapping[str, str]) -> None:
        """Add *tags*, replacing those of the same keys; others stay."""
        ...

    async def newest_version(self, arn: StateMachineArn) -> StateMachineArn | None:
        """The ARN of the version published last."""
        ...

    async def names(self, prefix: str) -> Sequence[str]:
        """The names of all state machines that begin with *prefix*."""
        ...


class MachineVersions(Protocol):
    """The published versions of state machines."""

    async def describe(self, version: StateMachineArn) -> MachineVersion:
        """Show one version.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def all(self, machine: StateMachineArn) -> Sequence[MachineVersion]:
        """All versions of a state machine, newest first."""
        ...

    async def is_running(self, version: StateMachineArn) -> bool:
        """Whether an execution that was started on this version runs; it may lag."""
        ...

    async def delete(self, version: StateMachineArn) -> None:
        """Delete a version; what runs on it goes on, and one that is gone is no error.

        Raises:
            BackendError: with code ConflictException, if an alias refers to it.
        """
        ...


class Executions(Protocol):
    """The executions of an account."""

    async def arn(self, machine: str, name: str) -> ExecutionArn:
        """The ARN that the execution *name* of the state machine *machine* has."""
        ...

    async def start(self, machine: StateMachineArn, name: str, input: str) -> Execution:
        """Start an execution; the same name and input while it runs is the same one.

        Raises:
            ExecutionExistsError: the name is taken.
            NotFoundError: no such state machine.
        """
        ...

    async def describe(self, arn: ExecutionArn) -> Execution:
        """Show one execution.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def finished(self, arn: ExecutionArn) -> Execution:
        """Wait until the execution is in a final state, and show it.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def stop(self, arn: ExecutionArn, cause: str) -> None:
        """Abort a running execution; one that has finished stays as it is."""
        ...

    async def redrive(self, arn: ExecutionArn) -> None:
        """Let a failed, timed out or aborted execution go on where it ended.

        Raises:
            NotFoundError: there is none.
            NotRedrivableError: it runs, has succeeded, or ended too long ago.
        """
        ...

    def history(self, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
        """The events there are, from the first on, read page by page.

        Raises:
            NotFoundError: there is no such execution.
        """
        ...

    def follow(self, arn: ExecutionArn) -> AsyncIterator[ExecutionEvent]:
        """As `history`, then those that come, each asked for once, until the execution ends."""
        ...

    def list(self, machine: str, status: ExecutionStatus | None) -> AsyncIterator[Execution]:
        """The executions of the state machine named *machine*, newest first, paged lazily.

        A machine that does not exist has none.
        """
        ...


class ExecutionSearch(Protocol):
    """Finds executions by more than their state machine."""

    def find(self, search: Search) -> AsyncIterator[Execution]:
        """What *search* describes, newest first, paged lazily, without inputs and outputs."""
        ...


class TaskRecalls(Protocol):
    """Tells at once when a task that was handed out is no longer wanted."""

    def expect(self, token: TaskToken, call: Callable[[], None]) -> None:
        """Call *call* once the execution has given the task up; until `forget`."""
        ...

    def forget(self, token: TaskToken) -> None:
        """The task is over."""
        ...


class Diagnostics(Protocol):
    """What a backend can tell of itself; looking changes nothing."""

    @property
    def has_quotas(self) -> bool:
        """Whether requests are counted against quotas."""
        ...

    async def connection(self) -> Connection:
        """Whether it can be used at all; faults are in what it returns."""
        ...

    async def queues(self, name: str) -> QueueState:
        """How the queue *name* of callbacks and its dead-letter queue are."""
        ...

    async def permissions(
        self, *, machines: Sequence[str], callbacks: str | None, consumes: bool
    ) -> Sequence[Check]:
        """What may be done, tried where trying does no harm.

        Args:
            machines: Names of state machines that do not exist, to try what is done to one.
            callbacks: The queue and the table of callbacks; None: there are none.
            consumes: Whether their queue is to be read.
        """
        ...


class OpenBackend(Protocol):
    """A backend in use, bound to the running event loop."""

    @property
    def tasks(self) -> TaskSource: ...
    @property
    def reporter(self) -> TaskReporter: ...
    @property
    def activities(self) -> Activities: ...
    @property
    def state_machines(self) -> StateMachines: ...
    @property
    def machine_versions(self) -> MachineVersions: ...
    @property
    def executions(self) -> Executions: ...
    @property
    def diagnostics(self) -> Diagnostics: ...
    @property
    def search(self) -> ExecutionSearch | None:
        """None where a backend cannot search."""
        ...

    @property
    def recalls(self) -> TaskRecalls | None:
        """None where heartbeats alone tell."""
        ...

    def callbacks(self, name: str) -> CallbackStorage:
        """The queue and the table *name*; asks nothing of them."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, on the clock by which tasks time out."""
        ...


class Backend(Protocol):
    """Something an engine can run on."""

    def open(self, *, max_polls: int) -> AbstractAsyncContextManager[OpenBackend]:
        """Open it on the running loop, ready for *max_polls* polls at once."""
        ...
