from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_serializer, field_validator
from typing_extensions import TypedDict  # pydantic asks for it below Python 3.12

from aiowfm.errors import HandlerTypeError, UsageError
from aiowfm.ports import MAX_PAYLOAD_BYTES, TaskToken
from aiowfm.tasks.context import TaskContext
from aiowfm.tasks.handlers import TaskHandler, inspected
from aiowfm.tasks.outcomes import Failed, Succeeded

THIS_FILE = Path(__file__).name


class Order(BaseModel):
    id: int
    lines: list[str] = []


class Receipt(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    paid_at: datetime = Field(alias="paidAt")


class Shipment(TypedDict):
    id: int
    address: str


@dataclasses.dataclass
class Refund:
    amount: float
    reason: str = "none"


class StrictEvent(BaseModel):
    model_config = ConfigDict(strict=True)

    id: UUID
    at: datetime
    tags: set[str]


def inspect_it(function: Callable[..., Any], **names: Any) -> TaskHandler:
    return inspected(
        "charge",
        function,
        concurrency=None,
        retry_lost=True,
        heartbeat="auto",
        local_names=names,
    )


def context(value: Any = None) -> TaskContext:
    return TaskContext(
        task_name="charge", task_token=TaskToken("token"), worker_name="me", input=value
    )


def arguments(function: Callable[..., Any], value: Any) -> tuple[object, ...]:
    made = inspect_it(function).arguments(value, context(value))
    assert not isinstance(made, Failed)
    return made


def refused_input(function: Callable[..., Any], value: Any) -> str:
    made = inspect_it(function).arguments(value, context(value))
    assert isinstance(made, Failed)
    assert made.error == "aiowfm.InvalidInput"
    message = json.loads(made.cause)["errorMessage"]
    assert isinstance(message, str)
    return message


def output(function: Callable[..., Any], result: Any) -> Any:
    outcome = inspect_it(function).outcome(result)
    assert isinstance(outcome, Succeeded), outcome
    return json.loads(outcome.output)


def failure(function: Callable[..., Any], result: Any) -> Failed:
    outcome = inspect_it(function).outcome(result)
    assert isinstance(outcome, Failed)
    json.loads(outcome.cause)
    return outcome


# --- signatures ----------------------------------------------------------------------


async def takes_nothing() -> None: ...
async def takes_input(order: Order) -> None: ...
async def takes_anything(order) -> None: ...  # type: ignore[no-untyped-def]
async def takes_context(ctx: TaskContext) -> None: ...
async def takes_input_and_context(order: Order, ctx: TaskContext) -> None: ...
async def takes_context_and_input(ctx: TaskContext, order: Order) -> None: ...
async def takes_optional_context(order: Order, ctx: TaskContext | None = None) -> None: ...
async def takes_annotated_context(ctx: Annotated[TaskContext, "note"], order: Order) -> None: ...
async def takes_positional_only(order: Order, ctx: TaskContext, /) -> None: ...
def plain_nothing() -> None: ...
def plain_input(order: Order) -> None: ...
def plain_context(ctx: TaskContext) -> None: ...
def plain_input_and_context(order: Order, ctx: TaskContext) -> None: ...
def plain_context_and_input(ctx: TaskContext, order: Order) -> None: ...


async def takes_more(order: Order, ctx: TaskContext, database: str) -> None: ...
async def takes_more_first(database: str, order: Order, ctx: TaskContext) -> None: ...


@functools.wraps(takes_input_and_context)
async def decorated(*args: Any, **kwargs: Any) -> None: ...


class Handlers:
    async def method(self, order: Order, ctx: TaskContext) -> None: ...

    @classmethod
    async def of_class(cls, order: Order, ctx: TaskContext) -> None: ...

    @staticmethod
    async def static(order: Order, ctx: TaskContext) -> None: ...

    async def __call__(self, ctx: TaskContext, order: Order) -> None: ...


class PlainCallable:
    def __call__(self, order: Order) -> None: ...


INPUT = ("input",)
CONTEXT = ("context",)
BOTH = ("input", "context")
TURNED = ("context", "input")


@pytest.mark.parametrize(
    ("function", "takes", "is_async"),
    [
        pytest.param(takes_nothing, (), True, id="nothing"),
        pytest.param(takes_input, INPUT, True, id="input"),
        pytest.param(takes_anything, INPUT, True, id="input without annotation"),
        pytest.param(takes_context, CONTEXT, True, id="context"),
        pytest.param(takes_input_and_context, BOTH, True, id="input and context"),
        pytest.param(takes_context_and_input, TURNED, True, id="context and input"),
        pytest.param(takes_optional_context, BOTH, True, id="optional context"),
        pytest.param(takes_annotated_context, TURNED, True, id="annotated context"),
        pytest.param(takes_positional_only, BOTH, True, id="positional only"),
        pytest.param(plain_nothing, (), False, id="plain, nothing"),
        pytest.param(plain_input, INPUT, False, id="plain, input"),
        pytest.param(plain_context, CONTEXT, False, id="plain, context"),
        pytest.param(plain_input_and_context, BOTH, False, id="plain, input and context"),
        pytest.param(plain_context_and_input, TURNED, False, id="plain, context and input"),
        pytest.param(lambda: None, (), False, id="lambda"),
        pytest.param(lambda order: None, INPUT, False, id="lambda with input"),
        pytest.param(functools.partial(takes_input), INPUT, True, id="partial of nothing"),
        pytest.param(
            functools.partial(takes_more, database="db"), BOTH, True, id="partial by name"
        ),
        pytest.param(
            functools.partial(takes_more_first, "db"), BOTH, True, id="partial by position"
        ),
        pytest.param(functools.partial(Handlers()), TURNED, True, id="partial of an object"),
        pytest.param(functools.partial(plain_input), INPUT, False, id="plain partial"),
        pytest.param(Handlers(), TURNED, True, id="callable object"),
        pytest.param(PlainCallable(), INPUT, False, id="plain callable object"),
        pytest.param(Handlers().method, BOTH, True, id="bound method"),
        pytest.param(Handlers.of_class, BOTH, True, id="class method"),
        pytest.param(Handlers.static, BOTH, True, id="static method"),
        pytest.param(decorated, BOTH, True, id="decorated"),
        pytest.param(len, INPUT, False, id="built-in"),
    ],
)
def test_a_handler_takes_at_most_one_input_and_one_context_in_any_order(
    function: Callable[..., Any], takes: tuple[str, ...], is_async: bool
) -> None:
    handler = inspect_it(function)
    assert handler.takes == takes
    assert handler.is_async is is_async
    assert handler.function is function


def test_arguments_come_in_the_order_of_the_parameters() -> None:
    ctx = context({"id": 1})
    order = Order(id=1)
    assert inspect_it(takes_input_and_context).arguments({"id": 1}, ctx) == (order, ctx)
    assert inspect_it(takes_context_and_input).arguments({"id": 1}, ctx) == (ctx, order)
    assert inspect_it(takes_nothing).arguments({"id": 1}, ctx) == ()
    assert inspect_it(takes_anything).arguments({"id": 1}, ctx) == ({"id": 1},)


async def two_inputs(order: Order, other: int) -> None: ...
async def two_contexts(ctx: TaskContext, other: TaskContext) -> None: ...
async def three(order: Order, ctx: TaskContext, other: int) -> None: ...
async def context_without_annotation(order, ctx) -> None: ...  # type: ignore[no-untyped-def]
async def keyword_only(*, order: Order) -> None: ...
async def variadic(*args: Any) -> None: ...
async def variadic_by_name(**kwargs: Any) -> None: ...
async def unknown_name(order: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def unknown_member(order: json.Nowhere) -> None: ...  # type: ignore[name-defined]
async def unconvertible(order: Handlers) -> None: ...
async def unconvertible_result() -> Iterator[Handlers]: ...  # type: ignore[empty-body]


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        pytest.param(two_inputs, "parameter 'other' is a second input parameter", id="inputs"),
        pytest.param(
            two_contexts, "parameter 'other' is a second TaskContext parameter", id="contexts"
        ),
        pytest.param(three, "parameter 'other' is a second input parameter", id="three"),
        pytest.param(
            context_without_annotation,
            "parameter 'ctx' is a second input parameter",
            id="context without annotation",
        ),
        pytest.param(keyword_only, "parameter 'order' is not positional", id="keyword-only"),
        pytest.param(
            functools.partial(takes_more, order=Order(id=1)),
            "parameter 'ctx' is not positional",
            id="partial that makes what follows keyword-only",
        ),
        pytest.param(variadic, "parameter 'args' is not positional", id="*args"),
        pytest.param(variadic_by_name, "parameter 'kwargs' is not positional", id="**kwargs"),
        pytest.param(unknown_name, "name something unknown: name 'Nowhere'", id="unknown name"),
        pytest.param(unknown_member, "name something unknown: module 'json'", id="unknown member"),
        pytest.param(unconvertible, "pydantic cannot convert", id="unconvertible input"),
        pytest.param(unconvertible_result, "pydantic cannot convert", id="unconvertible result"),
        pytest.param(generator, "it yields instead of returning", id="generator"),
        pytest.param(async_generator, "it yields instead of returning", id="async generator"),
    ],
)
def test_any_other_function_is_refused_with_its_name_its_place_and_what_is_allowed(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(HandlerTypeError) as caught:
        inspect_it(function)
    message = str(caught.value)
    target = function.func if isinstance(function, functools.partial) else function
    line = inspect.getsourcelines(target)[1]
    assert message.startswith(target.__name__)
    assert re.search(rf"{THIS_FILE}:{line}\)", message)
    assert reason in message
    assert message.endswith("in either order")


@pytest.mark.parametrize(
    ("function", "name"),
    [
        pytest.param(functools.partial(two_inputs), "two_inputs", id="partial"),
        pytest.param(Handlers.method, "Handlers.method", id="method without its object"),
        pytest.param(functools.wraps(two_inputs)(lambda *args: None), "two_inputs", id="decorated"),
    ],
)
def test_a_refusal_names_the_function_below_what_wraps_it(
    function: Callable[..., Any], name: str
) -> None:
    with pytest.raises(HandlerTypeError, match=rf"{name} \(.*{THIS_FILE}:\d+\) cannot be"):
        inspect_it(function)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(Order, id="class"),
        pytest.param(3, id="number"),
        pytest.param("charge", id="text"),
        pytest.param(None, id="None"),
        pytest.param(takes_nothing(), id="coroutine"),
    ],
)
def test_what_is_not_a_function_is_refused(function: Any) -> None:
    with pytest.raises(HandlerTypeError, match="it is not a function"):
        inspect_it(function)
    if inspect.iscoroutine(function):
        function.close()


def test_a_refusal_is_an_error_of_usage_and_of_type() -> None:
    with pytest.raises(TypeError) as caught:
        inspect_it(two_inputs)
    assert isinstance(caught.value, UsageError)


def test_annotations_may_name_what_is_local_to_the_caller() -> None:
    class Local(BaseModel):
        id: int

    async def function(order: Local) -> Local:
        return order

    handler = inspect_it(function, Local=Local)
    assert handler.arguments({"id": 1}, context()) == (Local(id=1),)


# --- input ---------------------------------------------------------------------------


async def takes_dataclass(refund: Refund) -> None: ...
async def takes_typed_dict(shipment: Shipment) -> None: ...
async def takes_models(orders: list[Order]) -> None: ...
async def takes_strict(event: StrictEvent) -> None: ...
async def takes_number(number: int) -> None: ...
async def takes_constrained(number: Annotated[int, Field(ge=1)]) -> None: ...
async def takes_maybe(order: Order | None) -> None: ...


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        pytest.param(takes_input, {"id": 1, "lines": ["a"]}, Order(id=1, lines=["a"]), id="model"),
        pytest.param(takes_dataclass, {"amount": 1.5}, Refund(1.5), id="dataclass"),
        pytest.param(
            takes_typed_dict, {"id": 1, "address": "x"}, {"id": 1, "address": "x"}, id="TypedDict"
        ),
        pytest.param(takes_models, [{"id": 1}, {"id": 2}], [Order(id=1), Order(id=2)], id="list"),
        pytest.param(
            takes_strict,
            {
                "id": "12345678-1234-5678-1234-567812345678",
                "at": "2024-01-01T00:00:00Z",
                "tags": ["a", "a"],
            },
            StrictEvent(
                id=UUID("12345678-1234-5678-1234-567812345678"),
                at=datetime(2024, 1, 1, tzinfo=UTC),
                tags={"a"},
            ),
            id="strict model reads what JSON can only say as text",
        ),
        pytest.param(takes_number, 3, 3, id="number"),
        pytest.param(takes_maybe, None, None, id="null"),
        pytest.param(takes_maybe, {"id": 1}, Order(id=1), id="not null"),
        pytest.param(takes_anything, ["as", {"it": None}], ["as", {"it": None}], id="any JSON"),
    ],
)
def test_input_is_converted_as_the_annotation_says(
    function: Callable[..., Any], value: Any, expected: object
) -> None:
    assert arguments(function, value) == (expected,)


@pytest.mark.parametrize(
    ("function", "value", "named"),
    [
        pytest.param(takes_input, {"lines": [1, 2]}, ["id:", "lines.0:", "lines.1:"], id="model"),
        pytest.param(takes_input, {"id": "x"}, ["id: Input should be a valid int"], id="type"),
        pytest.param(takes_dataclass, {}, ["amount:"], id="dataclass"),
        pytest.param(takes_typed_dict, {"id": 1}, ["address: Field required"], id="TypedDict"),
        pytest.param(takes_models, [{"id": 1}, {}], ["1.id: Field required"], id="list"),
        pytest.param(takes_strict, {"id": 1, "at": 1}, ["id:", "at:", "tags:"], id="strict"),
        pytest.param(takes_number, "x", ["input: Input should be a valid int"], id="whole input"),
        pytest.param(takes_constrained, 0, ["input: Input should be greater"], id="constraint"),
        pytest.param(takes_input, None, ["input: "], id="null"),
        pytest.param(takes_input, {"id": 1, "lines": ["\ud800"]}, ["input: "], id="surrogate"),
    ],
)
def test_input_that_does_not_fit_fails_the_task_with_each_field_named(
    function: Callable[..., Any], value: Any, named: list[str]
) -> None:
    message = refused_input(function, value)
    for each in named:
        assert each in message


class Peculiar(BaseModel):
    id: int

    @field_validator("id")
    @classmethod
    def _fails(cls, value: int) -> int:
        raise KeyError(value)


def test_an_error_in_a_validator_fails_the_task_like_one_in_the_handler() -> None:
    async def function(order: Peculiar) -> None: ...

    made = inspect_it(function).arguments({"id": 13}, context())
    assert isinstance(made, Failed)
    assert made.error == "KeyError"
    assert "_fails" in "".join(json.loads(made.cause)["trace"])


# --- results -------------------------------------------------------------------------


async def without_annotation():  # type: ignore[no-untyped-def]
    ...


async def returns_none() -> None: ...
async def returns_never() -> NoReturn:
    raise RuntimeError


async def returns_any() -> Any: ...
async def returns_receipt() -> Receipt: ...  # type: ignore[empty-body]
async def returns_maybe() -> Receipt | None: ...
async def returns_refund() -> Refund: ...  # type: ignore[empty-body]
async def returns_set() -> set[int]: ...  # type: ignore[empty-body]
async def returns_float() -> float: ...  # type: ignore[empty-body]
async def returns_text() -> str: ...  # type: ignore[empty-body]
async def returns_bytes() -> bytes: ...  # type: ignore[empty-body]
async def returns_list() -> list[Any]: ...  # type: ignore[empty-body]
async def returns_models() -> dict[str, list[Receipt]]: ...  # type: ignore[empty-body]


RECEIPT = Receipt(paid_at=datetime(2024, 1, 1, tzinfo=UTC))
PAID = {"paidAt": "2024-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("function", "result", "expected"),
    [
        pytest.param(without_annotation, None, {}, id="nothing"),
        pytest.param(without_annotation, {"a": [1, None]}, {"a": [1, None]}, id="plain JSON"),
        pytest.param(without_annotation, (1, 2), [1, 2], id="tuple"),
        pytest.param(without_annotation, "äöü 😀", "äöü 😀", id="text"),
        pytest.param(without_annotation, RECEIPT, PAID, id="model"),
        pytest.param(returns_none, None, {}, id="None"),
        pytest.param(returns_never, None, {}, id="NoReturn"),
        pytest.param(returns_any, {"a": 1}, {"a": 1}, id="Any"),
        pytest.param(returns_receipt, RECEIPT, PAID, id="model, by alias"),
        pytest.param(returns_maybe, None, None, id="optional, as null"),
        pytest.param(returns_maybe, RECEIPT, PAID, id="optional"),
        pytest.param(
            returns_refund, Refund(2.5), {"amount": 2.5, "reason": "none"}, id="dataclass"
        ),
        pytest.param(returns_set, {3}, [3], id="set that is announced"),
        pytest.param(returns_models, {"a": [RECEIPT]}, {"a": [PAID]}, id="nested"),
        pytest.param(returns_receipt, {"paidAt": "today"}, {"paidAt": "today"}, id="other type"),
    ],
)
def test_a_result_is_written_as_json(
    function: Callable[..., Any], result: Any, expected: Any
) -> None:
    assert output(function, result) == expected


def _circle() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def _deep() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


class Broken(BaseModel):
    value: int = 1

    @field_serializer("value")
    def _fails(self, value: int) -> int:
        raise KeyError(value)


class BrokenProperty(BaseModel):
    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def value(self) -> int:
        raise KeyError("value")


async def returns_broken() -> Broken: ...  # type: ignore[empty-body]
async def returns_broken_property() -> BrokenProperty: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "result"),
    [
        pytest.param(without_annotation, math.nan, id="NaN"),
        pytest.param(without_annotation, {"a": math.inf}, id="infinity"),
        pytest.param(returns_float, math.nan, id="annotated NaN"),
        pytest.param(without_annotation, {1, 2}, id="set"),
        pytest.param(without_annotation, object(), id="object"),
        pytest.param(without_annotation, {(1, 2): 3}, id="key that is no text"),
        pytest.param(returns_receipt, object(), id="annotated object"),
        pytest.param(without_annotation, "\ud800", id="surrogate"),
        pytest.param(returns_text, "\ud800", id="annotated surrogate"),
        pytest.param(returns_bytes, b"\xff", id="bytes that are no text"),
        pytest.param(without_annotation, _circle(), id="circle"),
        pytest.param(returns_list, _circle(), id="annotated circle"),
        pytest.param(without_annotation, _deep(), id="too deep"),
        pytest.param(returns_list, _deep(), id="annotated, too deep"),
        pytest.param(returns_broken, Broken(), id="error in a serialiser"),
        pytest.param(returns_broken_property, BrokenProperty(), id="error in a property"),
    ],
)
def test_a_result_that_has_no_json_form_is_invalid_output(
    function: Callable[..., Any], result: Any
) -> None:
    failed = failure(function, result)
    assert failed.error == "aiowfm.InvalidOutput"
    assert "the result of task 'charge' is not JSON" in failed.cause


@pytest.mark.parametrize(
    "function", [pytest.param(without_annotation, id="plain"), pytest.param(returns_text, id="str")]
)
@pytest.mark.parametrize(
    "character", [pytest.param("x", id="x"), pytest.param("😀", id="emoji, in bytes")]
)
def test_a_result_may_be_as_large_as_step_functions_takes_and_no_larger(
    function: Callable[..., Any], character: str
) -> None:
    most = (MAX_PAYLOAD_BYTES - len('""')) // len(character.encode())
    assert output(function, character * most) == character * most
    failed = failure(function, character * (most + 1))
    assert failed.error == "aiowfm.PayloadTooLarge"
    assert "262,144" in failed.cause


def test_a_result_does_not_show_in_logs() -> None:
    assert "secret" not in repr(inspect_it(without_annotation).outcome("secret"))
