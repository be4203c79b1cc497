"""The States Language as models: what a definition may contain, and of what type.

One model for both query languages (https://states-language.net/spec.html).
Models are frozen and refuse unknown fields, as CreateStateMachine does. What
goes beyond the shape of a single field is in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal, to_snake

from aiowfm.asl.jsonata import Template as JsonataTemplate
from aiowfm.asl.jsonata import compile_jsonata_template
from aiowfm.asl.templates import Template, compile_template

QueryLanguage = Literal["JSONPath", "JSONata"]

# Whole numbers that JSONata states may also write as "{% ... %}".
Jsonata = Annotated[str, Field(pattern=r"(?s)^\{%.*%\}$")]
MAX_SECONDS = 99_999_999  # Wait, TimeoutSeconds, IntervalSeconds, …
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS, strict=True)]
PositiveSeconds = Annotated[int, Field(ge=1, le=MAX_SECONDS, strict=True)]
Whole = Annotated[int, Field(ge=0, strict=True)]
Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
StateName = Annotated[str, Field(min_length=1, max_length=80, strict=True)]


@lru_cache
def attribute(field: str) -> str:
    """The attribute that holds the field spelt *field* in definitions."""
    return to_snake(field)


class Model(BaseModel):
    """Base of the models: field names as the language spells them, in Pascal case."""

    model_config = ConfigDict(
        alias_generator=to_pascal,
        extra="forbid",
        frozen=True,
        ignored_types=(cached_property,),
    )

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {}

    @cached_property
    def _expressions(self) -> dict[str, JsonataTemplate]:
        return {}

    def gives(self, field: str) -> bool:
        """Whether the definition names *field*, even if as null."""
        return field in self.model_fields_set

    def template(self, field: str) -> Template:
        """The payload template in *field*, compiled when first asked for."""
        template = self._templates.get(field)
        if template is None:
            template = self._templates[field] = compile_template(getattr(self, field))
        return template

    def jsonata(self, field: str, shown: str | None = None) -> JsonataTemplate:
        """The JSONata in *field*, compiled when first asked for; errors call it *shown*."""
        template = self._expressions.get(field)
        if template is None:
            value = getattr(self, attribute(field))
            template = compile_jsonata_template(value, shown or field)
            self._expressions[field] = template
        return template


def holder(state: Model, field: str) -> tuple[Any, str]:
    """What holds *field*, the state or the part of it that precedes the slash, and the rest."""
    part, _, rest = field.rpartition("/")
    return (getattr(state, attribute(part)) if part else state), rest


class Retrier(Model):
    """When and how often to try again (Retry)."""

    error_equals: Annotated[list[Text], Field(min_length=1)]
    interval_seconds: PositiveSeconds = 1
    max_attempts: Annotated[int, Field(ge=0, le=99_999_999, strict=True)] = 3
    backoff_rate: Annotated[float, Field(ge=1.0, strict=True)] = 2.0
    max_delay_seconds: PositiveSeconds | None = None
    jitter_strategy: Literal["NONE", "FULL"] = "NONE"
    comment: Text | None = None


class Catcher(Model):
    """Where to go when all else failed (Catch)."""

    error_equals: Annotated[list[Text], Field(min_length=1)]
    next: StateName
    result_path: Text | None = "$"
    output: Any = None
    assign: dict[str, Any] | None = None
    comment: Text | None = None


class ChoiceRule(Model):
    """One rule of a Choice; its comparison is the one field that is not declared here."""

    model_config = ConfigDict(extra="allow")

    variable: Text | None = None
    and_: Annotated[list[ChoiceRule], Field(min_length=1)] | None = Field(None, alias="And")
    or_: Annotated[list[ChoiceRule], Field(min_length=1)] | None = Field(None, alias="Or")
    not_: ChoiceRule | None = Field(None, alias="Not")
    condition: bool | str | None = None
    next: StateName | None = None
    output: Any = None
    assign: dict[str, Any] | None = None
    comment: Text | None = None

    @property
    def comparisons(self) -> dict[str, Any]:
        """The fields that are not declared: names of operators with their operands."""
        return self.__pydantic_extra__ or {}


class State(Model):
    """What every state has."""

    type: str
    comment: Text | None = None
    query_language: QueryLanguage | None = None


class _Transition(State):
    next: StateName | None = None
    end: Flag = False


class _InputOutput(State):
    input_path: Text | None = "$"
    output_path: Text | None = "$"
    output: Any = None


class _Work(_Transition, _InputOutput):
    """States that do something with their input and may fail at it."""

    parameters: Any = None
    arguments: Any = None
    result_selector: dict[str, Any] | None = None
    result_path: Text | None = "$"
    assign: dict[str, Any] | None = None
    retry: list[Retrier] = []
    catch: list[Catcher] = []


class TaskState(_Work):
    """Does work elsewhere (Task)."""

    type: Literal["Task"]
    resource: Annotated[str, Field(min_length=1, strict=True)]
    timeout_seconds: PositiveSeconds | Jsonata | None = None
    timeout_seconds_path: Text | None = None
    heartbeat_seconds: PositiveSeconds | Jsonata | None = None
    heartbeat_seconds_path: Text | None = None
    credentials: Any = None

    @cached_property
    def has_token(self) -> bool:
        """Whether its task can be ended by whoever has its token."""
        return self.resource.endswith((".waitForTaskToken", ".sync", ".sync:2"))


class PassState(_Transition, _InputOutput):
    """Passes its input on, or a fixed result (Pass)."""

    type: Literal["Pass"]
    result: Any = None
    result_path: Text | None = "$"
    parameters: Any = None
    assign: dict[str, Any] | None = None


class ChoiceState(_InputOutput):
    """Goes where its first satisfied rule says (Choice)."""

    type: Literal["Choice"]
    choices: Annotated[list[ChoiceRule], Field(min_length=1)]
    default: StateName | None = None
    assign: dict[str, Any] | None = None


class WaitState(_Transition, _InputOutput):
    """Waits for a time or until one (Wait)."""

    type: Literal["Wait"]
    seconds: Seconds | Jsonata | None = None
    seconds_path: Text | None = None
    timestamp: Text | None = None
    timestamp_path: Text | None = None
    assign: dict[str, Any] | None = None


class SucceedState(_InputOutput):
    """Ends its branch well (Succeed)."""

    type: Literal["Succeed"]


class FailState(State):
    """Ends its branch with an error (Fail)."""

    type: Literal["Fail"]
    error: Text | None = None
    error_path: Text | None = None
    cause: Text | None = None
    cause_path: Text | None = None


class ParallelState(_Work):
    """Runs branches side by side (Parallel)."""

    type: Literal["Parallel"]
    branches: Annotated[list[Branch], Field(min_length=1)]


class ProcessorConfig(Model):
    """How a Map runs its iterations."""

    mode: Literal["INLINE", "DISTRIBUTED"] = "INLINE"
    execution_type: Literal["STANDARD", "EXPRESS"] | None = None


class ItemBatcher(Model):
    """How a distributed Map groups its items."""

    max_items_per_batch: Annotated[int, Field(ge=1, strict=True)] | Jsonata | None = None
    max_items_per_batch_path: Text | None = None
    max_input_bytes_per_batch: (
        Annotated[int, Field(ge=1, le=262_144, strict=True)] | Jsonata | None
    ) = None
    max_input_bytes_per_batch_path: Text | None = None
    batch_input: Any = None


class ItemReader(Model):
    """Where a distributed Map reads its items from."""

    resource: Text
    parameters: Any = None
    arguments: Any = None
    reader_config: dict[str, Any] | None = None


class ResultWriter(Model):
    """Where a distributed Map writes its results to."""

    resource: Text | None = None
    parameters: Any = None
    arguments: Any = None
    writer_config: dict[str, Any] | None = None


class MapState(_Work):
    """Runs a machine for each item of an array (Map)."""

    type: Literal["Map"]
    items_path: Text | None = "$"
    items: Any = None
    item_selector: Any = None
    item_processor: Processor | None = None
    iterator: Processor | None = None
    item_reader: ItemReader | None = None
    item_batcher: ItemBatcher | None = None
    result_writer: ResultWriter | None = None
    max_concurrency: Whole | Jsonata | None = None
    max_concurrency_path: Text | None = None
    tolerated_failure_count: Whole | Jsonata | None = None
    tolerated_failure_count_path: Text | None = None
    tolerated_failure_percentage: (
        Annotated[float, Field(ge=0, le=100, strict=True)] | Jsonata | None
    ) = None
    tolerated_failure_percentage_path: Text | None = None
    label: Text | None = None

    @cached_property
    def processor(self) -> Processor:
        """The machine run for each item, under its newer or older name."""
        processor = self.item_processor or self.iterator
        if processor is None:
            raise ValueError("a Map without ItemProcessor or Iterator")
        return processor


AnyState = Annotated[
    TaskState
    | PassState
    | ChoiceState
    | WaitState
    | SucceedState
    | FailState
    | ParallelState
    | MapState,
    Field(discriminator="type"),
]


class Branch(Model):
    """A machine inside a machine: a branch of a Parallel."""

    start_at: StateName
    states: Annotated[dict[StateName, AnyState], Field(min_length=1)]
    comment: Text | None = None


class Processor(Branch):
    """A machine inside a machine: what a Map does with each item."""

    processor_config: ProcessorConfig = ProcessorConfig()


class StateMachine(Branch):
    """A whole definition."""

    version: Text | None = None
    timeout_seconds: PositiveSeconds | None = None
    query_language: QueryLanguage = "JSONPath"


STATE_TYPES: Mapping[str, type[State]] = {
    "Task": TaskState,
    "Pass": PassState,
    "Choice": ChoiceState,
    "Wait": WaitState,
    "Succeed": SucceedState,
    "Fail": FailState,
    "Parallel": ParallelState,
    "Map": MapState,
}

ParallelState.model_rebuild()
MapState.model_rebuild()
