"""The interpreter of the States Language: events in, commands and history events out.

It has no I/O, no clock and no randomness; whoever drives it owns these. What an
execution is doing changes in one place only, where a history event is folded into
it (`folding`). So folding a stored history gives the same state again, at
whichever event it was cut, and `resume` goes on from there.
"""

from __future__ import annotations

from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import NamedTuple

from aiowfm.asl import messages, model, recovery, states, tasks, transitions, variables
from aiowfm.asl.context import ExecutionFacts
from aiowfm.asl.dialect import Exit
from aiowfm.asl.errors import (
    DATA_LIMIT_EXCEEDED,
    RUNTIME,
    EvaluationError,
    Failure,
)
from aiowfm.asl.folding import fold
from aiowfm.asl.frames import Branch, Visit
from aiowfm.asl.history import MAX_EVENTS, HistoryEvent
from aiowfm.asl.intrinsic_functions import uuid4
from aiowfm.asl.messages import (
    CancelTask,
    Command,
    StartTimer,
    StopTimer,
    Timer,
    TimerKind,
)
from aiowfm.asl.payload import JsonValue, Payload

# Steps that one call does before it lets its driver do something else: a millisecond or two.
STEPS_PER_CALL = 50
# Fewer of them once evaluation has taken so much: some four milliseconds, in the units of
# `Scope.spend`. No step is cut short.
EFFORT_PER_CALL = 2_000


class Progress(NamedTuple):
    """What came of one call.

    Attributes:
        events: New events of the history, in order.
        commands: What to do, in order, once the events are safe.
    """

    events: list[HistoryEvent]
    commands: list[Command]


class Interpreter:
    """One execution of a state machine.

    Attributes:
        status: As DescribeExecution gives it; `RUNNING` until a final event.
        output: What it gave, once it succeeded.
        failure: Why it failed, timed out or was stopped.
        now: The time of the call that is being worked on, in seconds since the epoch.
        timed_from: What its TimeoutSeconds count from: its start, or its last redrive.
        redrive_count: How often it was redriven.
        execution_context: Cached: what of the context object is the same in all states.
        effort: What evaluation took since the call began; what evaluates adds to it.
        variable_bytes: Cached: at least what the variables take; no less than they do.
    """

    def __init__(
        self,
        machine: model.StateMachine,
        facts: ExecutionFacts,
        *,
        random: Callable[[int], float],
        refuses: Callable[[str], str | None] = lambda resource: None,
        token: Callable[[int], str] = str,
        max_events: float = MAX_EVENTS,
    ) -> None:
        """Make an execution that has not begun.

        Args:
            machine: Its definition, free of errors.
            facts: Who it is.
            random: A number from 0 up to 1 for the event of this id, the same each time.
            refuses: Why the driver cannot run a resource, or None if it can.
            token: The token of the task that the event of this id schedules.
            max_events: How many events its history may have; those of type EXPRESS have
                no limit.
        """
        self.machine = machine
        self.facts = facts
        self.random = random
        self.refuses = refuses
        self._token = token
        self._max_events = max_events
        self.status = "RUNNING"
        self.input = Payload({})
        self.output: Payload | None = None
        self.failure: Failure | None = None
        self.started_at = 0.0
        self.timed_from = 0.0
        self.redrive_count = 0
        self.execution_context: dict[str, JsonValue] | None = None
        self.stopped_at: float | None = None
        self.now = 0.0
        self.effort = 0
        self.variable_bytes = 0
        self.last_event_id = 0
        self.branches: dict[int, Branch] = {}
        self.tasks: dict[int, Visit] = {}
        self.commands: list[Command] = []
        self._branch_count = 0
        self._events: list[HistoryEvent] = []
        self._ready: deque[Branch] = deque()
        self._waiting: dict[int, Visit] = {}

    # What a driver calls.

    def start(self, input: Payload, now: float) -> Progress:
        """Begin the execution."""
        self.now = now
        root = self.new_branch(self.machine, None, 0, tail=0, data=input)
        details = {"input": input, "roleArn": self.facts.role_arn}
        self.record(root, "ExecutionStarted", details)
        self._start_execution_timer()
        self.go_on(root)
        return self._run()

    def apply(self, event: messages.Event, now: float) -> Progress:
        """Go on after something happened outside; what nobody waits for is ignored."""
        self.now = now
        if self.status == "RUNNING":
            if isinstance(event, messages.TimerFired):
                self._fired(event.timer)
            elif isinstance(event, messages.Stopped):
                failure = Failure(event.error, event.cause, now)
                self.record(self.branches[0], "ExecutionAborted", failure.details(), after=0)
            elif event.event_id in self.tasks:
                tasks.apply_to_task(self, tasks.written(event), self.tasks[event.event_id])
        return self._run()

    def go_on_running(self, now: float) -> Progress:
        """Do more of what `has_more` promises."""
        self.now = now
        return self._run()

    def give_up(self, cause: str, now: float) -> Progress:
        """Fail the execution, whatever it is doing."""
        self.now = now
        self._fail(cause)
        return self._run()

    @property
    def has_more(self) -> bool:
        """Whether steps are left that wait for nothing."""
        return bool(self._ready)

    def awaits(self, event_id: int) -> bool:
        """Whether the task that this event scheduled has yet to end."""
        return event_id in self.tasks

    def restore(self, history: Iterable[HistoryEvent]) -> None:
        """Fold *history*, its events so far, into an execution that has not begun."""
        for event in history:
            if event.type == "ExecutionStarted":
                data = event.details["input"]
                assert isinstance(data, Payload)
                self.new_branch(self.machine, None, 0, tail=0, data=data)
            fold(self, event, self.branches[event.branch])
        self.commands.clear()

    def redrive(self, now: float) -> Progress:
        """Take up again, after `restore`, what has failed, timed out or been stopped.

        What was left, and branches and iterations that came to a good end, stay as they
        are; all other states that were entered begin anew, with their old input.
        """
        self.now = now
        details = {"redriveCount": self.redrive_count + 1}
        self.record(self.branches[0], "ExecutionRedriven", details, after=self.last_event_id)
        self._start_execution_timer()
        for branch in list(self.branches.values()):
            self.go_on(branch)
        return self._run()

    def resume(self, now: float, heartbeats: Mapping[int, float] | None = None) -> Progress:
        """Go on after `restore`; the commands name all tasks and timers under way.

        Args:
            now: The time.
            heartbeats: When tasks last gave a sign of life, which no history says.
        """
        self.now = now
        if self.status == "RUNNING":
            self._start_execution_timer()
            for branch in list(self.branches.values()):
                if branch.visit is not None and branch.visit.failure is not None:
                    self.abandon_children(branch.visit)
            for visit in self.tasks.values():
                tasks.resume(self, visit, heartbeats or {})
            for branch in list(self.branches.values()):
                self.go_on(branch)
        return self._run()

    # What states and failures call.

    def go_on(self, branch: Branch) -> None:
        """Let *branch* do its next step."""
        self._ready.append(branch)

    def record(
        self,
        branch: Branch,
        type: str,
        details: Mapping[str, object] | None = None,
        *,
        memo: object = None,
        after: int | None = None,
    ) -> HistoryEvent:
        """Add an event to the history of *branch* and fold it in."""
        event = HistoryEvent(
            self.last_event_id + 1,
            branch.tail if after is None else after,
            type,
            self.now,
            details or {},
            branch.number,
            memo,
        )
        self._events.append(event)
        fold(self, event, branch)
        return event

    def work_input(self, visit: Visit) -> Payload:
        """What the work of the state gets, computed once."""
        if visit.effective_input is None:
            visit.effective_input = visit.dialect.work_input(self, visit)
        return visit.effective_input

    def leave(self, visit: Visit, exit: Exit, target: str | None) -> None:
        """Exit the state, to *target* or, if None, to the end of the branch."""
        if exit.output.written("The output of the state").is_too_large:
            raise EvaluationError(
                f"The state/task '{visit.name}' returned a result with a size exceeding the"
                " maximum number of bytes service limit.",
                DATA_LIMIT_EXCEEDED,
            )
        details: dict[str, object] = {"name": visit.name, "output": exit.output}
        if exit.assigned:
            details["assignedVariables"] = variables.written(self, visit, exit.assigned)
        self.record(visit.branch, visit.state.type + "StateExited", details, memo=target)
        self.go_on(visit.branch)

    def entropy(self, purpose: int = 0) -> Random:
        """Random numbers for what is evaluated now, the same if it is evaluated again."""
        return Random(self.random(self.last_event_id) + purpose)

    def map_run_arn(self, label: str) -> str:
        """The ARN of a Map run that begins now."""
        machine = self.facts.state_machine_arn.replace(":stateMachine:", ":mapRun:")
        return f"{machine}/{label}:{uuid4(self.entropy(2))}"

    def token_of(self, visit: Visit) -> str:
        """The token of the task of *visit*, which the next event schedules if none has yet."""
        return self._token(visit.task.event_id if visit.task else self.last_event_id + 1)

    def start_timer(self, visit: Visit, at: float) -> None:
        """Let the branch of *visit* go on at *at*."""
        visit.has_timer = True
        self._waiting[visit.entered_id] = visit
        self.commands.append(StartTimer(Timer(TimerKind.STATE, visit.entered_id), at))

    def new_branch(
        self,
        machine: model.Branch,
        parent: Visit | None,
        index: int,
        *,
        tail: int,
        data: Payload | None = None,
    ) -> Branch:
        around = ChainMap[str, JsonValue]() if parent is None else parent.branch.variables
        branch = Branch(
            self._branch_count,
            machine,
            parent,
            index,
            tail,
            data,
            machine.start_at,
            around.new_child(),
            self.machine.query_language,
        )
        self._branch_count += 1
        self.branches[branch.number] = branch
        return branch

    def start_iteration(self, visit: Visit) -> Branch:
        """Begin the next iteration of a Map."""
        index = visit.started_count
        after = visit.free_after[0] if visit.free_after else visit.branch.tail
        self.record(
            visit.branch,
            "MapIterationStarted",
            {"name": visit.name, "index": index},
            after=after,
        )
        return visit.children[index]

    def abandon_children(self, visit: Visit) -> None:
        """Stop all that goes on below a Parallel or Map."""
        for child in visit.children.values():
            self._abandon(child)
        visit.children = {}

    def items(self, visit: Visit) -> list[JsonValue]:
        """What a Map runs over, computed once."""
        if visit.items is None:
            visit.items = visit.dialect.items(self, visit)
        return visit.items

    def enclosing_item(self, branch: Branch) -> tuple[int, JsonValue] | None:
        """Index and value of the innermost Map item that *branch* works on."""
        while branch.parent is not None:
            if isinstance(branch.parent.state, model.MapState):
                return branch.index, self.items(branch.parent)[branch.index]
            branch = branch.parent.branch
        return None

    # How it runs.

    def _run(self) -> Progress:
        steps = STEPS_PER_CALL
        self.effort = 0
        while self._ready and steps and self.effort < EFFORT_PER_CALL and self.status == "RUNNING":
            steps -= 1
            branch = self._ready.popleft()
            if not branch.is_abandoned:
                self._step(branch)
        if self.status != "RUNNING" and self.branches:
            self._ready.clear()
            self._abandon(self.branches[0])
            self.commands.append(StopTimer(Timer(TimerKind.EXECUTION, 0)))
        progress = Progress(self._events, self.commands)
        self._events, self.commands = [], []
        return progress

    def _step(self, branch: Branch) -> None:
        if self.last_event_id >= self._max_events - 1:
            most = f"{self._max_events:.0f}"
            self._fail(f"The execution reached the maximum number of history events ({most}).")
            return
        visit = branch.visit
        if visit is None:
            if branch.is_finished:
                transitions.finish(self, branch)
            else:
                transitions.enter(self, branch)
            return
        try:
            if visit.failure is not None:
                recovery.recover(self, visit)
            else:
                states.step(self, visit)
        except EvaluationError as exc:
            recovery.evaluation_failed(self, visit, exc)

    def _fired(self, timer: Timer) -> None:
        if timer.kind is TimerKind.EXECUTION:
            self.record(self.branches[0], "ExecutionTimedOut", after=0)
        elif timer.kind is TimerKind.STATE:
            visit = self._waiting.pop(timer.event_id, None)
            if visit is not None:
                visit.has_timer = False
                self.go_on(visit.branch)
        elif timer.event_id in self.tasks:
            tasks.time_out(self, self.tasks[timer.event_id], timer.kind)

    def _start_execution_timer(self) -> None:
        if self.machine.timeout_seconds is not None:
            at = self.timed_from + self.machine.timeout_seconds
            self.commands.append(StartTimer(Timer(TimerKind.EXECUTION, 0), at))

    def _abandon(self, branch: Branch) -> None:
        branch.is_abandoned = True
        self.branches.pop(branch.number, None)
        visit = branch.visit
        if visit is None:
            return
        if visit.task is not None:
            tasks.stop_timers(self, visit)
            self.commands.append(CancelTask(visit.task.event_id))
            self.tasks.pop(visit.task.event_id, None)
        if self._waiting.pop(visit.entered_id, None) is not None:
            self.commands.append(StopTimer(Timer(TimerKind.STATE, visit.entered_id)))
        self.abandon_children(visit)

    def _fail(self, cause: str) -> None:
        failure = Failure(RUNTIME, cause, self.now)
        self.record(self.branches[0], "ExecutionFailed", failure.details())
