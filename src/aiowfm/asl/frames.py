"""The running state of an execution: its lines of control and the states they are in.

Only folding history events changes what must survive (see `interpreter`);
members named as *cached* can be computed again.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiowfm.asl import fields, model
from aiowfm.asl.dialect import Dialect
from aiowfm.asl.errors import Failure
from aiowfm.asl.jsonata_dialect import JsonataDialect
from aiowfm.asl.jsonpath_dialect import JsonPathDialect
from aiowfm.asl.payload import JsonValue, Payload

DIALECTS: Mapping[fields.QueryLanguage, Dialect] = {
    "JSONPath": JsonPathDialect(),
    "JSONata": JsonataDialect(),
}


@dataclass(slots=True, eq=False)
class Branch:
    """A line of control: the execution itself, a branch of a Parallel, an iteration of a Map.

    Attributes:
        number: 0 for the execution itself, then in the order of creation.
        parent: The stay in the Parallel or Map it belongs to.
        index: Which branch or iteration it is.
        tail: The id of its newest event.
        active_at: When that happened.
        data: What the next state gets or, when finished, what it gave.
            None before it has begun: its parent knows.
        next: The state to enter; None while in one and when finished.
        language: The query language of states that do not choose one.
        variables: Those it has set, before those it sees around it.
        sizes: What those it has set take, in bytes.
        is_abandoned: Nothing it does matters any more.
    """

    number: int
    machine: model.Branch
    parent: Visit | None
    index: int
    tail: int
    data: Payload | None
    next: str | None
    variables: ChainMap[str, JsonValue]
    language: fields.QueryLanguage
    sizes: dict[str, int] = field(default_factory=dict)
    visit: Visit | None = None
    is_finished: bool = False
    is_abandoned: bool = False
    active_at: float = 0.0


@dataclass(slots=True)
class PendingTask:
    """A task that was scheduled and has not ended.

    Attributes:
        kind: What its events begin with: `Activity`, `Task` or `MapRun`.
        facts: What the details of all its events say.
        answer: What the service answered when it took the call; awaited is the result.
        started_at: When its clocks began to run: for an activity, when a worker took it.
    """

    event_id: int
    kind: str = "Activity"
    facts: Mapping[str, object] = field(default_factory=dict)
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None
    started_at: float | None = None
    answer: Payload | None = None

    @property
    def is_submitted(self) -> bool:
        return self.answer is not None


@dataclass(slots=True, eq=False)
class Visit:
    """One stay in a state, from its StateEntered to its StateExited event.

    Attributes:
        before_id: The event before StateEntered.
        attempts: How often each retrier was used; empty where none was.
        task: The task that is being waited for.
        result: What the state's work gave.
        failure: Why the work failed, until it is retried or caught.
        is_failed: The state's own failure event is in the history.
        is_started: A Parallel or Map has started its branches or iterations.
        is_succeeded: The state's own success event is in the history.
        children: The branches of a Parallel; the live iterations of a Map; by index.
        results: What the finished iterations gave, by index.
        free_after: Events that the next iterations to start may follow.
        started_count: How many iterations were started.
        has_timer: A Wait or the pause before a retry is under way.
        begun_at: When its work began: when the state was entered or redriven, or when the
            pause before another attempt was over.
        map_run_arn: The Map run that was started, which a redrive takes up again.
        map_run_redrives: How often the Map run was redriven.
        effective_input: Cached: the input after InputPath and Parameters.
        items: Cached: what a Map runs over.
    """

    branch: Branch
    name: str
    state: model.AnyState
    input: Payload
    before_id: int
    entered_id: int
    entered_at: float
    attempts: list[int] = field(default_factory=list)
    task: PendingTask | None = None
    result: Payload | None = None
    failure: Failure | None = None
    is_failed: bool = False
    is_started: bool = False
    is_succeeded: bool = False
    children: dict[int, Branch] = field(default_factory=dict)
    results: dict[int, Payload] = field(default_factory=dict)
    free_after: list[int] = field(default_factory=list)
    started_count: int = 0
    has_timer: bool = False
    begun_at: float = 0.0
    map_run_arn: str | None = None
    map_run_redrives: int = 0
    effective_input: Payload | None = None
    items: list[JsonValue] | None = None

    def __post_init__(self) -> None:
        self.begun_at = self.entered_at

    @property
    def dialect(self) -> Dialect:
        """The query language that the state is written in."""
        return DIALECTS[self.state.query_language or self.branch.language]

    @property
    def can_retry(self) -> bool:
        return isinstance(self.state, model.TaskState | model.ParallelState | model.MapState)

    @property
    def latest_at(self) -> float:
        """When the newest thing happened to it, the same whenever it is asked.

        What fails without an event fails then, and not when it is evaluated, which a
        restart does again.
        """
        return max(self.branch.active_at, self.begun_at)

    @property
    def has_token(self) -> bool:
        """Whether the state waits for its task token to come back."""
        return isinstance(self.state, model.TaskState) and self.state.has_token

    @property
    def retry_count(self) -> int:
        return sum(self.attempts)

    @property
    def retriers(self) -> list[model.Retrier]:
        return getattr(self.state, "retry", [])

    @property
    def catchers(self) -> list[model.Catcher]:
        return getattr(self.state, "catch", [])

    def reset(self) -> None:
        """Forget the work of a failed attempt."""
        self.failure = self.result = self.effective_input = self.items = None
        self.is_failed = self.is_started = self.is_succeeded = False
        self.children = {}
        self.results = {}
        self.free_after = []
        self.started_count = 0
        self.map_run_arn = None
        self.map_run_redrives = 0

    def redrive(self, now: float) -> None:
        """Forget what failed or was cut off here, but not what its parts did."""
        self.failure = self.task = None
        self.is_failed = self.has_timer = False
        self.attempts = []
        self.begun_at = now
