"""A workflow definition, and where each part of it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel

from aiowfm.asl import rules
from aiowfm.asl.findings import Finding, Pointer
from aiowfm.asl.model import StateMachine
from aiowfm.definitions.document import Document
from aiowfm.errors import Problem

MACHINE = "stateMachine"
MAX_MESSAGE_LENGTH = 600  # characters, about
_NESTING = frozenset({"Branches", "ItemProcessor", "Iterator"})


@dataclass(frozen=True, slots=True)
class Origin:
    """The document that a definition was read from, and where in it the definition is."""

    document: Document
    base: Pointer


class WorkflowDefinition(BaseModel):
    """A workflow as its author wrote it.

    Two are equal if their content is, wherever they were read.

    Attributes:
        name: Part of the names of its state machines.
        version: 0 or more: a deployed state machine of this version never changes;
            -1: it is updated in place.
        default_tags: Tags for its state machines (`defaultTags`).
        state_machine: States Language, as the author wrote it (`stateMachine`); not to
            be changed afterwards.
        envelope: Whether tasks' input is wrapped for `TaskContext`; None: as the engine.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        ignored_types=(cached_property,),
        defer_build=True,  # until one is made
    )

    name: str
    version: Annotated[int, Field(ge=-1, strict=True)] = 0
    default_tags: dict[str, str] = {}
    state_machine: dict[str, Any]
    envelope: Annotated[bool, Field(strict=True)] | None = None

    _origin: Origin | None = PrivateAttr(default=None)

    @property
    def start_at(self) -> str:
        """The state that executions begin with."""
        return str(self.state_machine.get("StartAt", ""))

    @cached_property
    def machine(self) -> StateMachine:
        """The state machine as a model.

        Raises:
            pydantic.ValidationError: it has problems; loading reports them in words.
        """
        return rules.parse(self.state_machine)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the state machine as JSON, whatever the order of its fields."""
        return hashlib.sha256(_canonical(self.state_machine).encode()).hexdigest()

    @cached_property
    def _content(self) -> tuple[str, int, str, str, bool | None]:
        tags = _canonical(self.default_tags)
        return self.name, self.version, tags, self.content_hash, self.envelope

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkflowDefinition):
            return NotImplemented
        return self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def read_from(self, document: Document, base: Pointer) -> Self:
        """This definition, known to stand at *base* in *document*."""
        placed = self.model_copy()
        placed._origin = Origin(document, base)
        return placed


def located(definition: WorkflowDefinition, findings: Iterable[Finding]) -> list[Problem]:
    """*findings* about *definition* as problems: with file, line and column where known.

    Their pointers begin at the definition: those about its state machine with `MACHINE`.
    """
    origin = definition._origin or Origin(Document(), ())
    return [problem_at(origin, definition.name, finding) for finding in findings]


def in_machine(findings: Iterable[Finding]) -> list[Finding]:
    """*findings* about a state machine as findings about its definition."""
    return [replace(finding, pointer=(MACHINE, *finding.pointer), at=None) for finding in findings]


def problem_at(origin: Origin, name: str, finding: Finding) -> Problem:
    """The *finding* about the definition *name*, which has that *origin*."""
    line, column = origin.document.position(origin.base + finding.pointer)
    return Problem(
        where=".".join(filter(None, [name, *_state_names(finding.pointer)])),
        message=_shortened(finding.message),
        severity=finding.severity,
        file=origin.document.file,
        line=line,
        column=column,
        code=finding.code,
    )


def _shortened(message: str) -> str:
    """*message* without its middle where that is long: it may quote what is as long as a file."""
    if len(message) <= MAX_MESSAGE_LENGTH:
        return message
    half = MAX_MESSAGE_LENGTH // 2
    return f"{message[:half]} … {message[-half:]}"


def _state_names(pointer: Sequence[str | int]) -> list[str]:
    """The states that *pointer* leads through, the outermost first."""
    names: list[str] = []
    steps = list(reversed(pointer))
    if not steps or steps.pop() != MACHINE:
        return names
    while len(steps) >= 2 and steps.pop() == "States":
        names.append(str(steps.pop()))
        if steps and steps[-1] in _NESTING and steps.pop() == "Branches" and steps:
            steps.pop()
    return names


def _canonical(value: object) -> str:
    return json.dumps(
        value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True
    )
