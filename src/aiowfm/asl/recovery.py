"""What follows a failure: Retry, then Catch, then the failure of what is around."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.asl import model
from aiowfm.asl.errors import QUERY_EVALUATION_ERROR, EvaluationError, Failure
from aiowfm.asl.frames import Branch, Visit
from aiowfm.asl.payload import JsonValue, Payload

if TYPE_CHECKING:
    from aiowfm.asl.interpreter import Interpreter


def recover(run: Interpreter, visit: Visit) -> None:
    """Do the next thing about the failure of *visit*.

    Raises:
        EvaluationError: what the catcher does cannot be evaluated.
    """
    failure = visit.failure
    assert failure is not None
    run.abandon_children(visit)
    place = _retrier(visit, failure)
    if place is not None:
        due = failure.at + _delay(run, visit, place)
        if run.now >= due:
            if not visit.attempts:
                visit.attempts = [0] * len(visit.retriers)
            visit.attempts[place] += 1
            visit.reset()
            visit.begun_at = due
            run.go_on(visit.branch)
        elif not visit.has_timer:
            run.start_timer(visit, due)
        return
    if _has_failed_event(visit, failure) and not visit.is_failed:
        memo = (failure.error, failure.cause)
        run.record(visit.branch, visit.state.type + "StateFailed", memo=memo)
    for catcher in visit.catchers:
        if failure.matches(catcher.error_equals):
            _catch(run, visit, failure, catcher)
            return
    fail_branch(run, visit.branch, failure)


def _retrier(visit: Visit, failure: Failure) -> int | None:
    """The place of the retrier that allows another attempt."""
    for place, retrier in enumerate(visit.retriers):
        if failure.matches(retrier.error_equals):
            used = visit.attempts[place] if visit.attempts else 0
            return place if used < retrier.max_attempts else None
    return None


def _delay(run: Interpreter, visit: Visit, place: int) -> float:
    """Seconds to pause before the next attempt."""
    retrier = visit.retriers[place]
    used = visit.attempts[place] if visit.attempts else 0
    delay = retrier.interval_seconds * _growth(retrier.backoff_rate, used)
    if retrier.max_delay_seconds is not None:
        delay = min(delay, retrier.max_delay_seconds)
    if retrier.jitter_strategy == "FULL":
        delay *= run.random(visit.branch.tail)
    return delay


def _growth(rate: float, power: int) -> float:
    try:
        return rate**power
    except OverflowError:
        return float("inf")


def _has_failed_event(visit: Visit, failure: Failure) -> bool:
    """Whether AWS shows the state itself as failed, besides what failed in it."""
    return isinstance(visit.state, model.ParallelState | model.MapState) and (
        failure.is_of_child or failure.error == QUERY_EVALUATION_ERROR
    )


def _catch(run: Interpreter, visit: Visit, failure: Failure, catcher: model.Catcher) -> None:
    error: dict[str, JsonValue] = {}
    if failure.error is not None:
        error["Error"] = failure.error
    if failure.cause is not None:
        error["Cause"] = failure.cause
    run.leave(visit, visit.dialect.caught(run, visit, catcher, Payload(error)), catcher.next)


def evaluation_failed(run: Interpreter, visit: Visit, exc: EvaluationError) -> None:
    """Note why a state could not be evaluated, and do something about it."""
    _note(run, visit, exc)
    try:
        recover(run, visit)
    except EvaluationError as second:
        # What a catcher does went wrong as well: there is nothing left to catch it.
        _note(run, visit, second)
        assert visit.failure is not None
        fail_branch(run, visit.branch, visit.failure)


def _note(run: Interpreter, visit: Visit, exc: EvaluationError) -> None:
    cause = located(visit, exc.cause)
    if exc.error != QUERY_EVALUATION_ERROR:
        visit.failure = Failure(exc.error, cause, visit.latest_at)
        return
    details = {"error": exc.error, "cause": cause, "state": visit.name}
    if exc.location is not None:
        details["location"] = exc.location
    # AWS puts it after what came before the state, unless something happened in it.
    is_first = visit.branch.tail == visit.entered_id and not exc.is_late
    after = visit.before_id if is_first else None
    run.record(visit.branch, "EvaluationFailed", details, after=after)


def located(visit: Visit, cause: str) -> str:
    """*cause* with the place where it happened, as AWS has it."""
    return (
        f"An error occurred while executing the state '{visit.name}'"
        f" (entered at the event id #{visit.entered_id}). {cause}"
    )


def fail_branch(run: Interpreter, branch: Branch, failure: Failure) -> None:
    """Let the failure of *branch* be that of what it is part of."""
    parent = branch.parent
    if parent is None:
        run.record(branch, "ExecutionFailed", failure.details())
        return
    if isinstance(parent.state, model.MapState):
        run.record(
            parent.branch,
            "MapIterationFailed",
            {"name": parent.name, "index": branch.index},
            memo=(failure.error, failure.cause),
            after=branch.tail,
        )
        run.abandon_children(parent)
    else:
        parent.branch.tail = branch.tail
        parent.failure = Failure(failure.error, failure.cause, failure.at, is_of_child=True)
    run.go_on(parent.branch)
