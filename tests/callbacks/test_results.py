from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from aiowfm import NotJsonError, PayloadTooLargeError, TaskError, UsageError
from aiowfm.callbacks.results import accepted, failure, kept, loaded, success
from aiowfm.tasks.outcomes import Failed, Succeeded


class Approval(BaseModel):
    by: str


def test_a_model_is_a_result() -> None:
    assert success("k", Approval(by="ops")).outcome == Succeeded('{"by":"ops"}')


def test_the_same_result_has_the_same_digest_however_it_is_written() -> None:
    assert success("k", {"a": 1, "b": [2]}).digest == success("k", {"b": [2], "a": 1}).digest
    different = [success("k", 1), success("k", "1"), success("k", None), failure("1", None)]
    assert len({each.digest for each in different}) == 4


def raised(text: str) -> Exception:
    try:
        raise LookupError(text)
    except LookupError as exc:
        return exc


def test_an_exception_is_the_same_failure_wherever_it_was_raised() -> None:
    again = LookupError("no such order")
    assert failure(raised("no such order"), None).digest == failure(again, None).digest
    assert failure(again, None).digest != failure(LookupError("another"), None).digest


def test_an_exception_is_reported_as_a_handlers() -> None:
    outcome = failure(raised("no such order"), None).outcome
    assert isinstance(outcome, Failed)
    cause = json.loads(outcome.cause)
    assert (outcome.error, cause["errorMessage"]) == ("LookupError", "no such order")
    assert failure(TaskError("Rejected", "dear"), None).outcome == Failed("Rejected", "dear")
    assert failure(ValueError("x"), "because").outcome == Failed("ValueError", "because")


def test_names_and_causes_are_cut_to_what_fits() -> None:
    outcome = failure("E" * 300, "ü" * 40_000).outcome
    assert isinstance(outcome, Failed)
    assert (len(outcome.error), len(outcome.cause)) == (256, 32_768)


def test_what_is_no_failure_is_refused() -> None:
    with pytest.raises(UsageError, match="name of an error"):
        failure("", None)
    with pytest.raises(UsageError, match="cause"):
        failure("E", {"a": 1})  # type: ignore[arg-type]  # what is refused


def test_what_cannot_travel_is_refused() -> None:
    with pytest.raises(NotJsonError, match="callback 'k'"):
        success("k", float("nan"))
    with pytest.raises(PayloadTooLargeError, match="callback 'k'"):
        success("k", "x" * 262_143)
    success("k", "x" * 262_142)  # which just fits


def test_results_are_kept_as_they_were() -> None:
    for result in (success("k", {"ü": 1}), failure("E", "cause")):
        assert loaded(kept(result.outcome)) == result.outcome
    for text in ("ы" * 131_000, "📦" * 65_000):
        result = success("k", text)
        assert len(result.text.encode()) < 263_000  # an item takes 400 KB
    assert accepted(success("k", {"a": 1}).outcome).output == {"a": 1}
    assert accepted(failure("E", "c").outcome).error == "E"
