from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiowfm.errors import TaskError
from aiowfm.ports import MAX_CAUSE_LENGTH, MAX_ERROR_LENGTH
from aiowfm.tasks.outcomes import Failed, failed, failed_by

# Characters that JSON writes as two or six, that are long in UTF-8, or that have no UTF-8.
AWKWARD = st.text(
    st.sampled_from(
        ['"', "\\", "\n", "\x00", "\x7f", "x", "é", "😀", "\u2028", "\ud83d", "\ude00"]
    ),
    max_size=50,
)
MESSAGES = st.one_of(
    st.text(max_size=200),
    st.builds(lambda text, times: text * times, AWKWARD, st.integers(0, 10_000)),
)


def cause_of(failure: Failed) -> dict[str, object]:
    cause = json.loads(failure.cause)
    assert list(cause) == ["errorType", "errorMessage", "trace"]
    assert isinstance(cause, dict)
    return cause


def test_a_cause_is_the_object_that_lambda_gives() -> None:
    failure = failed("Broke", "it broke", ["one", "two"])
    assert failure.error == "Broke"
    assert cause_of(failure) == {
        "errorType": "Broke",
        "errorMessage": "it broke",
        "trace": ["one", "two"],
    }


@settings(deadline=None)
@given(error=MESSAGES, message=MESSAGES, trace=st.lists(MESSAGES, max_size=5))
def test_a_cause_is_json_that_fits_whatever_the_message_is_made_of(
    error: str, message: str, trace: list[str]
) -> None:
    failure = failed(error, message, trace)
    assert len(failure.error) <= MAX_ERROR_LENGTH
    assert len(failure.cause) <= MAX_CAUSE_LENGTH
    failure.error.encode()
    failure.cause.encode()
    kept = cause_of(failure)["errorMessage"]
    assert isinstance(kept, str)
    assert message.encode(errors="replace").decode().startswith(kept)


@pytest.mark.parametrize("character", ["x", '"', "\n", "\x00", "é", "😀"], ids=ascii)
def test_as_much_of_a_message_is_kept_as_fits(character: str) -> None:
    failure = failed("Broke", character * 1_000_000)
    escaped = len(json.dumps(character, ensure_ascii=False)) - len('""')
    assert MAX_CAUSE_LENGTH - escaped < len(failure.cause) <= MAX_CAUSE_LENGTH


def test_a_message_that_just_fits_is_kept_whole() -> None:
    room = MAX_CAUSE_LENGTH - len(failed("Broke", "").cause)
    for length in (room - 1, room):
        assert cause_of(failed("Broke", "x" * length))["errorMessage"] == "x" * length
    assert cause_of(failed("Broke", "x" * (room + 1)))["errorMessage"] == "x" * room


def test_outer_frames_go_before_any_of_the_message_does() -> None:
    message = "x" * 30_000
    cause = cause_of(failed("Broke", message, ["outer" * 500, "middle" * 300, "inner"]))
    assert cause["errorMessage"] == message
    assert cause["trace"] == ["middle" * 300, "inner"]


def test_an_exception_fails_the_task_under_the_name_of_its_class() -> None:
    class CardDeclinedError(Exception): ...

    def charge() -> None:
        raise CardDeclinedError("no money")

    with pytest.raises(CardDeclinedError) as caught:
        charge()
    failure = failed_by(caught.value)
    assert failure.error == "CardDeclinedError"
    cause = cause_of(failure)
    assert cause["errorType"] == "CardDeclinedError"
    assert cause["errorMessage"] == "no money"
    trace = cause["trace"]
    assert isinstance(trace, list)
    assert "in charge" in trace[-1]


def test_an_exception_that_cannot_be_shown_fails_the_task_all_the_same() -> None:
    class Shy(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert cause_of(failed_by(Shy()))["errorMessage"] == "<the exception cannot be shown>"


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), RecursionError("deep")], ids=repr
)
def test_any_base_exception_fails_the_task(error: BaseException) -> None:
    assert failed_by(error).error == type(error).__name__


def test_an_endless_recursion_is_told_in_a_cause_that_fits() -> None:
    def one(n: int) -> int:
        return two(n + 1)

    def two(n: int) -> int:
        return one(n + 1)

    with pytest.raises(RecursionError) as caught:
        one(0)
    failure = failed_by(caught.value)
    assert failure.error == "RecursionError"
    assert len(failure.cause) <= MAX_CAUSE_LENGTH


def test_a_task_error_sets_error_and_cause_verbatim() -> None:
    assert failed_by(TaskError("OutOfStock", "sku 17")) == Failed("OutOfStock", "sku 17")
    assert failed_by(TaskError("OutOfStock")) == Failed("OutOfStock", "")


def test_a_subclass_of_task_error_sets_them_too() -> None:
    class OutOfStock(TaskError):
        def __init__(self, sku: int) -> None:
            super().__init__("Shop.OutOfStock", json.dumps({"sku": sku}))

    assert failed_by(OutOfStock(17)) == Failed("Shop.OutOfStock", '{"sku": 17}')


def test_a_subclass_that_sets_neither_counts_as_any_exception() -> None:
    class Careless(TaskError):
        def __init__(self, sku: int) -> None:
            self.sku = sku

    assert failed_by(Careless(17)).error == "Careless"


def test_a_task_error_whose_cause_is_no_text_is_written_as_text() -> None:
    assert failed_by(TaskError("Broke", {"a": 1})) == Failed(  # type: ignore[arg-type]
        "Broke", "{'a': 1}"
    )


@settings(deadline=None)
@given(error=MESSAGES.filter(bool), cause=MESSAGES)
def test_a_task_error_is_cut_to_what_step_functions_takes(error: str, cause: str) -> None:
    failure = failed_by(TaskError(error, cause))
    assert 1 <= len(failure.error) <= MAX_ERROR_LENGTH
    assert len(failure.cause) <= MAX_CAUSE_LENGTH
    failure.error.encode()
    failure.cause.encode()


@pytest.mark.parametrize("error", ["", None, 3], ids=repr)
def test_a_task_error_needs_a_name(error: str) -> None:
    with pytest.raises(TypeError, match="needs an error name"):
        TaskError(error)


def test_causes_do_not_show_in_logs() -> None:
    assert "secret" not in repr(failed("Broke", "secret"))
