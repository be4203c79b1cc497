"""The States Language as models: what a definition may contain, and of what type.

One model for both query languages (https://states-language.net/spec.html).
Models are frozen and refuse unknown fields, as CreateStateMachine does. What
goes beyond the shape of a single field is in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from aiowfm.asl.fields import (
    Flag,
    Given,
    Jsonata,
    Model,
    PositiveSeconds,
    QueryLanguage,
    Seconds,
    StateName,
    Text,
    Whole,
)


class Retrier(Model):
    """When and how often to try again (Retry)."""

    error_equals: Annotated[list[Text], Field(min_length=1)]
    interval_seconds: PositiveSeconds = 1
    max_attempts: Annotated[int, Field(ge=0, le=99_999_999, strict=True)] = 3
    backoff_rate: Annotated[float, Field(ge=1.0, strict=True)] = 2.0
    max_delay_seconds: Given[PositiveSeconds] = None
    jitter_strategy: Literal["NONE", "FULL"] = "NONE"
    comment: Given[Text] = None


class Catcher(Model):
    """Where to go when all else failed (Catch)."""

    error_equals: Annotated[list[Text], Field(min_length=1)]
    next: StateName
    result_path: Text | None = "$"
    output: Any = None
    assign: Given[dict[str, Any]] = None
    comment: Given[Text] = None


class ChoiceRule(Model):
    """One rule of a Choice; its comparison is the one field that is not declared here."""

    model_config = ConfigDict(extra="allow")

    variable: Given[Text] = None
    and_: Given[Annotated[list[ChoiceRule], Field(min_length=1)]] = Field(None, alias="And")
    or_: Given[Annotated[list[ChoiceRule], Field(min_length=1)]] = Field(None, alias="Or")
    not_: Given[ChoiceRule] = Field(None, alias="Not")
    condition: Given[Flag | Jsonata] = None
    next: Given[StateName] = None
    output: Any = None
    assign: Given[dict[str, Any]] = None
    comment: Given[Text] = None

    @property
    def comparisons(self) -> dict[str, Any]:
        """The fields that are not declared: names of operators with their operands."""
        return self.__pydantic_extra__ or {}


class State(Model):
    """What every state has."""

    type: str
    comment: Given[Text] = None
    query_language: Given[QueryLanguage] = None


class _Transition(State):
    next: Given[StateName] = None
    end: Flag = False


class _InputOutput(State):
    input_path: Text | None = "$"
    output_path: Text | None = "$"
    output: Any = None


class _Work(_Transition, _InputOutput):
    """States that do something with their input and may fail at it."""

    parameters: Any = None
    result_selector: dict[str, Any] | None = None
    result_path: Text | None = "$"
    assign: Given[dict[str, Any]] = None
    retry: list[Retrier] = Field(default_factory=list)
    catch: list[Catcher] = Field(default_factory=list)


class TaskState(_Work):
    """Does work elsewhere (Task)."""

    type: Literal["Task"]
    arguments: Any = None
    resource: Annotated[str, Field(min_length=1, strict=True)]
    timeout_seconds: Given[PositiveSeconds | Jsonata] = None
    timeout_seconds_path: Given[Text] = None
    heartbeat_seconds: Given[PositiveSeconds | Jsonata] = None
    heartbeat_seconds_path: Given[Text] = None
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
    assign: Given[dict[str, Any]] = None


class ChoiceState(_InputOutput):
    """Goes where its first satisfied rule says (Choice)."""

    type: Literal["Choice"]
    choices: Annotated[list[ChoiceRule], Field(min_length=1)]
    default: Given[StateName] = None
    assign: Given[dict[str, Any]] = None


class WaitState(_Transition, _InputOutput):
    """Waits for a time or until one (Wait)."""

    type: Literal["Wait"]
    seconds: Given[Seconds | Jsonata] = None
    seconds_path: Given[Text] = None
    timestamp: Given[Text] = None
    timestamp_path: Given[Text] = None
    assign: Given[dict[str, Any]] = None


class SucceedState(_InputOutput):
    """Ends its branch well (Succeed)."""

    type: Literal["Succeed"]


class FailState(State):
    """Ends its branch with an error (Fail)."""

    type: Literal["Fail"]
    error: Given[Text] = None
    error_path: Given[Text] = None
    cause: Given[Text] = None
    cause_path: Given[Text] = None


class ParallelState(_Work):
    """Runs branches side by side (Parallel)."""

    type: Literal["Parallel"]
    arguments: Any = None
    branches: Annotated[list[Branch], Field(min_length=1)]


class ProcessorConfig(Model):
    """How a Map runs its iterations."""

    mode: Literal["INLINE", "DISTRIBUTED"] = "INLINE"
    execution_type: Given[Literal["STANDARD", "EXPRESS"]] = None


class ItemBatcher(Model):
    """How a distributed Map groups its items."""

    max_items_per_batch: Given[Annotated[int, Field(ge=1, strict=True)] | Jsonata] = None
    max_items_per_batch_path: Given[Text] = None
    max_input_bytes_per_batch: Given[
        Annotated[int, Field(ge=1, le=262_144, strict=True)] | Jsonata
    ] = None
    max_input_bytes_per_batch_path: Given[Text] = None
    batch_input: Any = None


class ReaderConfig(Model):
    """What the items of a distributed Map are read from, and how."""

    input_type: Given[Literal["CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"] | Jsonata] = None
    transformation: Given[Literal["NONE", "LOAD_AND_FLATTEN"] | Jsonata] = None
    manifest_type: Given[Literal["ATHENA_DATA", "S3_INVENTORY"] | Jsonata] = None
    items_pointer: Given[Text] = None
    csv_delimiter: Given[Literal["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"] | Jsonata] = Field(
        None, alias="CSVDelimiter"
    )
    csv_header_location: Given[Literal["FIRST_ROW", "GIVEN"] | Jsonata] = Field(
        None, alias="CSVHeaderLocation"
    )
    csv_headers: Given[list[Text] | Jsonata] = Field(None, alias="CSVHeaders")
    max_items: Given[Whole | Jsonata] = None
    max_items_path: Given[Text] = None


class WriterConfig(Model):
    """In what form a distributed Map writes its results."""

    transformation: Given[Literal["NONE", "COMPACT", "FLATTEN"] | Jsonata] = None
    output_type: Given[Literal["JSON", "JSONL"] | Jsonata] = None


class ItemReader(Model):
    """Where a distributed Map reads its items from."""

    resource: Text
    parameters: Any = None
    arguments: Any = None
    reader_config: Given[ReaderConfig] = None


class ResultWriter(Model):
    """Where a distributed Map writes its results to."""

    resource: Given[Text] = None
    parameters: Any = None
    arguments: Any = None
    writer_config: Given[WriterConfig] = None


class MapState(_Work):
    """Runs a machine for each item of an array (Map)."""

    type: Literal["Map"]
    items_path: Text | None = "$"
    items: Any = None
    item_selector: Any = None
    item_processor: Given[Processor] = None
    iterator: Given[Processor] = None
    item_reader: Given[ItemReader] = None
    item_batcher: Given[ItemBatcher] = None
    result_writer: Given[ResultWriter] = None
    max_concurrency: Given[Whole | Jsonata] = None
    max_concurrency_path: Given[Text] = None
    tolerated_failure_count: Given[Whole | Jsonata] = None
    tolerated_failure_count_path: Given[Text] = None
    tolerated_failure_percentage: Given[
        Annotated[float, Field(ge=0, le=100, strict=True)] | Jsonata
    ] = None
    tolerated_failure_percentage_path: Given[Text] = None
    label: Given[Text] = None

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
    comment: Given[Text] = None


class Processor(Branch):
    """A machine inside a machine: what a Map does with each item."""

    processor_config: ProcessorConfig = Field(default_factory=ProcessorConfig)


class StateMachine(Branch):
    """A whole definition."""

    version: Given[Text] = None
    timeout_seconds: Given[PositiveSeconds] = None
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
