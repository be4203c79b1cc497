"""The workflow definitions of an engine, by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from aiowfm.asl import rules
from aiowfm.asl.findings import Finding, did_you_mean
from aiowfm.definitions.checks import own_tasks, problems_for_names, unknown_resources
from aiowfm.definitions.definition import WorkflowDefinition, located
from aiowfm.definitions.loader import DefinitionSources, load_definitions
from aiowfm.errors import DefinitionError, Problem, UnknownDefinitionError
from aiowfm.names import cleaned

REPLACEABLE_VERSION = -1


class DefinitionRegistry(Mapping[str, WorkflowDefinition]):
    """Definitions whose names are one of a kind."""

    def __init__(self, sources: DefinitionSources) -> None:
        """Load them.

        Raises:
            DefinitionError: with every problem of every source.
        """
        rules.prepare()  # for those that are added later
        self._definitions = {each.name: each for each in load_definitions(sources)}

    def find(self, name: str) -> WorkflowDefinition:
        """The definition *name*.

        Raises:
            UnknownDefinitionError: there is none.
        """
        definition = self._definitions.get(name) if isinstance(name, str) else None
        if definition is None:
            hint = did_you_mean(str(name), self._definitions)
            raise UnknownDefinitionError(f"there is no workflow definition {name!r}{hint}")
        return definition

    def acceptable(self, definition: WorkflowDefinition) -> WorkflowDefinition:
        """*definition*, checked, if it may be added or may replace the one of its name.

        Raises:
            DefinitionError: it may not.
        """
        (loaded,) = load_definitions(definition)
        existing = self._definitions.get(loaded.name)
        if existing is not None and existing.version != REPLACEABLE_VERSION and existing != loaded:
            raise _refusal(
                loaded,
                f"a definition of this name has version {existing.version} and may not be"
                f" replaced: only those of version {REPLACEABLE_VERSION} may",
            )
        for other in self._definitions:
            if other != loaded.name and cleaned(other) == cleaned(loaded.name):
                raise _refusal(
                    loaded, f"on Step Functions {other!r} has this name already: rename one"
                )
        return loaded

    def add(self, definition: WorkflowDefinition) -> None:
        """Add what is `acceptable`."""
        self._definitions[definition.name] = definition

    def __getitem__(self, name: str) -> WorkflowDefinition:
        return self._definitions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)


def check_for_engine(
    definitions: Iterable[WorkflowDefinition], environment: str, tasks: Collection[str] | None
) -> None:
    """Check that *definitions* can be named in *environment* and have handlers for their *tasks*.

    Without any, they are handled elsewhere, and may be called what they like.

    Raises:
        DefinitionError: with every problem.
    """
    problems = problems_for_engine(definitions, environment, tasks)
    if problems:
        raise DefinitionError(problems)


def problems_for_engine(
    definitions: Iterable[WorkflowDefinition], environment: str, tasks: Collection[str] | None
) -> list[Problem]:
    """What `check_for_engine` would raise, all of them errors."""
    problems: list[Problem] = []
    for definition in definitions:
        findings = problems_for_names(definition, environment)
        known = own_tasks(definition) if tasks is None else tasks
        findings += unknown_resources(definition, known)
        problems += located(definition, findings)
    return problems


def _refusal(definition: WorkflowDefinition, message: str) -> DefinitionError:
    return DefinitionError(located(definition, [Finding(pointer=("name",), message=message)]))
