"""From what the user gave, files, text or objects, to checked definitions."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from aiowfm.asl import rules
from aiowfm.asl.findings import NO_TIMEOUT, Finding, Pointer
from aiowfm.asl.shape import shape_problems
from aiowfm.definitions.advice import advice
from aiowfm.definitions.callbacks import callback_problems, understood
from aiowfm.definitions.checks import problems_of_name
from aiowfm.definitions.definition import (
    MACHINE,
    Origin,
    WorkflowDefinition,
    in_machine,
    located,
    problem_at,
)
from aiowfm.definitions.document import Document, read_file, read_text
from aiowfm.definitions.reading import uncollected
from aiowfm.errors import DefinitionError, Problem
from aiowfm.names import cleaned

log = logging.getLogger("aiowfm.definitions")

DefinitionSource: TypeAlias = "str | os.PathLike[str] | WorkflowDefinition | Mapping[str, Any]"
DefinitionSources: TypeAlias = "DefinitionSource | Sequence[DefinitionSource]"

_SUFFIXES = (".yml", ".yaml", ".json")


def load_definitions(source: DefinitionSources) -> tuple[WorkflowDefinition, ...]:
    """The definitions in *source*, in its order.

    Args:
        source: A path, YAML or JSON text, a definition, its fields as a mapping, or a
            sequence of these. A string of one line that ends in .yml, .yaml or .json, or
            names an existing file, is a path. A file or text holds one definition or a
            list of them.

    Raises:
        DefinitionError: with every error of every source. Where there is none, warnings are
            logged.
    """
    definitions, problems = check_definitions(source)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise DefinitionError(errors)
    for problem in problems:
        # Most definitions have no limit of time, and run well until the day they hang.
        log.log(logging.INFO if problem.code == NO_TIMEOUT else logging.WARNING, "%s", problem)
    return definitions


def check_definitions(
    source: DefinitionSources,
) -> tuple[tuple[WorkflowDefinition, ...], list[Problem]]:
    """The definitions in *source* that have the right fields, and every problem, warnings too.

    Reads like `load_definitions` and raises nothing.
    """
    loading = _Loading()
    with uncollected():
        loading.add(source)
        loading.compare_names()
    return tuple(loading.definitions), loading.problems


class _Loading:
    def __init__(self) -> None:
        self.definitions: list[WorkflowDefinition] = []
        self.problems: list[Problem] = []

    def add(self, source: object) -> None:
        if isinstance(source, WorkflowDefinition):
            self._keep(source)
        elif isinstance(source, Mapping):
            self._add_fields(dict(source), Origin(Document(), ()))
        elif isinstance(source, str) and not _is_path(source):
            self._add_document(read_text(source))
        elif isinstance(source, str | os.PathLike):
            self._add_document(read_file(os.fspath(source)))
        elif isinstance(source, Iterable) and not isinstance(source, bytes | bytearray):
            for each in source:
                self.add(each)
        else:
            kind = type(source).__name__
            message = f"definitions are a path, text, a mapping or a list of these, not {kind}"
            self.problems.append(Problem(where="", message=message))

    def compare_names(self) -> None:
        """Report definitions whose names are one on Step Functions."""
        seen: dict[str, WorkflowDefinition] = {}
        for definition in self.definitions:
            first = seen.setdefault(cleaned(definition.name), definition)
            if first is not definition:
                (other,) = located(first, [Finding(pointer=("name",), message="")])
                place = f"{other.file or '<definitions>'}:{other.line}" if other.line else "before"
                message = f"a definition named {definition.name!r} is there already, {place}"
                if first.name != definition.name:
                    message = (
                        f"{definition.name!r} and {first.name!r} ({place}) have one name on"
                        f" Step Functions, {cleaned(first.name)!r}"
                    )
                finding = Finding(pointer=("name",), message=f"{message}: rename one")
                self.problems += located(definition, [finding])

    def _add_document(self, document: Document) -> None:
        start = len(self.problems)
        self.problems += document.problems
        if isinstance(document.data, list):
            for index, fields in enumerate(document.data):
                self._add_fields(fields, Origin(document, (index,)))
        elif document.data is not None:
            self._add_fields(document.data, Origin(document, ()))
        self.problems[start:] = _sorted(self.problems[start:])

    def _add_fields(self, fields: object, origin: Origin) -> None:
        if not isinstance(fields, dict):
            hint = f"; there is no file {fields!r}" if _could_be_path(fields) else ""
            message = f"a definition is an object with name and {MACHINE}, not {fields!r:.80}{hint}"
            self.problems.append(problem_at(origin, "", Finding(pointer=(), message=message)))
            return
        if "States" in fields and MACHINE not in fields:
            message = f"a state machine by itself: put it under {MACHINE}, beside a name"
            findings = [Finding(pointer=(), message=message)]
            findings += rules.problems(fields, warnings=True)
            self.problems += [problem_at(origin, "", finding) for finding in findings]
            return
        findings = shape_problems(WorkflowDefinition, fields, called="a definition")
        try:
            definition = WorkflowDefinition.model_validate(fields)
        except ValidationError:
            if MACHINE in fields:
                findings += _unique(
                    in_machine(rules.problems(fields[MACHINE], warnings=True)), findings
                )
            name = fields.get("name")
            found = [problem_at(origin, name if isinstance(name, str) else "", f) for f in findings]
            self.problems += found
        else:
            self._keep(definition.read_from(origin.document, origin.base))

    def _keep(self, definition: WorkflowDefinition) -> None:
        self.definitions.append(definition)
        findings = problems_of_name(definition)
        findings += in_machine(understood(rules.problems(definition.state_machine, warnings=True)))
        findings += callback_problems(definition)
        findings += advice(definition)
        self.problems += located(definition, findings)


def _is_path(source: str) -> bool:
    if "\n" in source:
        return False
    return source.strip().endswith(_SUFFIXES) or os.path.exists(source)


def _could_be_path(fields: object) -> bool:
    return isinstance(fields, str) and "\n" not in fields


def _unique(findings: list[Finding], known: list[Finding]) -> list[Finding]:
    places: set[Pointer] = {finding.pointer for finding in known}
    return [finding for finding in findings if finding.pointer not in places]


def _sorted(problems: list[Problem]) -> list[Problem]:
    """In the order of the text; those without a line stay where they are."""
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0))
