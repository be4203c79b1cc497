"""What a query language is to a state: how its fields become values.

There are two, JSONPath and JSONata; each state is written in one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from aiowfm.asl.payload import JsonValue, Payload

if TYPE_CHECKING:
    from aiowfm.asl import model
    from aiowfm.asl.frames import Visit
    from aiowfm.asl.interpreter import Interpreter


class Exit(NamedTuple):
    """What a state leaves behind.

    Attributes:
        output: What the next state gets.
        assigned: Variables to set, by name.
    """

    output: Payload
    assigned: dict[str, JsonValue]


class Dialect(Protocol):
    """The fields of a state, evaluated on what the state can see.

    All methods raise `EvaluationError` where that is not possible.
    """

    def work_input(self, run: Interpreter, visit: Visit) -> Payload:
        """What the work of the state gets: the input after Parameters or Arguments."""
        ...

    def items(self, run: Interpreter, visit: Visit) -> list[JsonValue]:
        """What a Map runs over."""
        ...

    def item_input(self, run: Interpreter, visit: Visit, index: int, item: JsonValue) -> Payload:
        """What an iteration of a Map gets."""
        ...

    def number(
        self,
        run: Interpreter,
        visit: Visit,
        field: str,
        *,
        least: int,
        most: float = ...,
        whole: bool = ...,
    ) -> float | None:
        """The value of a field like `TimeoutSeconds`, or of its form ending in `Path`.

        It is a whole number unless *whole* is false.

        A field of a part of the state is named with it, as `ItemBatcher/MaxItemsPerBatch`.
        """
        ...

    def credentials(self, run: Interpreter, visit: Visit) -> str | None:
        """The ARN of the role that a Task is to take (Credentials)."""
        ...

    def batch_input(self, run: Interpreter, visit: Visit) -> JsonValue:
        """The value of BatchInput of a Map's ItemBatcher."""
        ...

    def text(self, run: Interpreter, visit: Visit, field: str) -> str | None:
        """The value of `Error` or `Cause`, or of its form ending in `Path`."""
        ...

    def wait_until(self, run: Interpreter, visit: Visit) -> float:
        """When a Wait is over, in seconds since the epoch."""
        ...

    def chosen(self, run: Interpreter, visit: Visit) -> model.ChoiceRule | None:
        """The first rule of a Choice that is satisfied."""
        ...

    def left(
        self,
        run: Interpreter,
        visit: Visit,
        result: Payload,
        rule: model.ChoiceRule | None = None,
    ) -> Exit:
        """What the state leaves behind after its work gave *result*."""
        ...

    def caught(
        self, run: Interpreter, visit: Visit, catcher: model.Catcher, error: Payload
    ) -> Exit:
        """What the state leaves behind after *catcher* caught *error*."""
        ...
