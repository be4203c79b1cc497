"""Compares a definition with its deployed state machine. Pure: it asks and changes nothing."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable

from aiowfm.asl.findings import Finding
from aiowfm.config import EngineConfig
from aiowfm.definitions import (
    HASH_TAG,
    CompilerOptions,
    WorkflowDefinition,
    compile_definition,
    deployed_text,
    is_trace_state,
    located,
    machine_tags,
    stripped,
)
from aiowfm.errors import Problem
from aiowfm.names import last_part, state_machine_name
from aiowfm.workflows.plans import Change, Deployed, MachineChange

CHANGING = -1  # the version of definitions that may be changed in place

_CHANGED_SINCE = (
    "it was changed since it was deployed, by other means or by another release of aiowfm, and is"
    " kept as it is: raise the version to replace it"
)


class Comparison:
    """What the definitions of one engine are compared by."""

    def __init__(
        self,
        *,
        config: EngineConfig,
        role_arn: str,
        activity_arn: Callable[[str], str],
        task_name: Callable[[str], str],
        options: CompilerOptions,
    ) -> None:
        """Make it.

        Args:
            config: Names.
            role_arn: The role that state machines are to run as.
            activity_arn: The ARN of the activity of a task name.
            task_name: The task name of an activity's ARN.
            options: What is compiled in.
        """
        self._config = config
        self._role_arn = role_arn
        self._activity_arn = activity_arn
        self._task_name = task_name
        self._options = options

    def name(self, definition: WorkflowDefinition) -> str:
        """The name of its state machine."""
        return state_machine_name(
            self._config.environment, definition.name, definition.version, definition.start_at
        )

    def compared(
        self, definition: WorkflowDefinition, deployed: Deployed | None, queue_url: str
    ) -> MachineChange:
        """What becomes of the state machine of *definition*, which is *deployed* or is not."""
        name = self.name(definition)
        compiled = compile_definition(
            definition,
            activity_arn=self._activity_arn,
            queue_url=queue_url,
            options=self._options,
        )
        text = deployed_text(compiled)
        tags = machine_tags(definition, self._config.tags, self._hash(definition))
        if deployed is None:
            return MachineChange(
                definition=definition, name=name, change=Change.CREATE, text=text, tags=tags
            )
        found = json.loads(deployed.definition)
        before, after = self._bare(found, queue_url), self._bare(compiled, queue_url)
        change, problem, note, diff = Change.NONE, None, "", ""
        if foreign := self._foreign(definition, deployed):
            change, problem = Change.FOREIGN, foreign
        elif self._is_same(definition, before, after, deployed):
            if before != after:
                note, diff = _CHANGED_SINCE, _diff(before, after)
            elif found != compiled:
                note = "it was compiled differently, and is kept as deployed"
        else:
            diff = _diff(before, after) or _diff(found, compiled)
            change = Change.UPDATE
            if definition.version != CHANGING:
                change, problem = Change.DIFFERS, _may_not_change(definition, deployed, diff)
        role, missing = None, {}
        if problem is None:
            present = deployed.machine.tags
            missing = {key: value for key, value in tags.items() if present.get(key) != value}
            if deployed.role_arn not in ("", self._role_arn):
                role = (deployed.role_arn, self._role_arn)
            if change is Change.NONE and (role or missing):
                change = Change.REPAIR
        return MachineChange(
            definition=definition,
            name=name,
            change=change,
            diff=diff,
            role=role,
            tags=missing,
            problem=None if problem is None else _problem(definition, *problem),
            note=note,
            text=text if change is Change.UPDATE else deployed.definition,
            deployed=deployed,
        )

    def _foreign(self, definition: WorkflowDefinition, deployed: Deployed) -> _Trouble | None:
        owner = self._config.owner(deployed.machine.tags)
        if owner == self._config.app:
            return None
        return (
            "name",
            f"the state machine {last_part(deployed.machine.arn)!r} belongs to the application"
            f" {owner!r}, and this is {self._config.app!r}: rename one of the definitions",
        )

    def _bare(self, machine: dict[str, object], queue_url: str) -> dict[str, object]:
        return stripped(machine, task_name=self._task_name, queue_url=queue_url)

    def can_carry(self, change: MachineChange) -> bool:
        """Whether what is deployed is made for all that executions are given."""
        if change.deployed is None or not self._options.traces(change.definition):
            return True
        return is_trace_state(json.loads(change.deployed.definition)["StartAt"])

    def version_description(self, definition: WorkflowDefinition) -> str:
        """What is published with a version: unlike the tag, it can't be of another definition."""
        return f"{HASH_TAG}={self._hash(definition)}"

    def _is_same(
        self,
        definition: WorkflowDefinition,
        before: dict[str, object],
        after: dict[str, object],
        deployed: Deployed,
    ) -> bool:
        described = deployed.version.description if deployed.version else ""
        if described.startswith(f"{HASH_TAG}="):
            return described == self.version_description(definition)
        known = deployed.machine.tags.get(HASH_TAG)
        if known is not None and deployed.version is None:
            return known == self._hash(definition)
        # Made or published by other means: compare what is left without the compiler's additions.
        return before == after

    def _hash(self, definition: WorkflowDefinition) -> str:
        """What the author wrote, and whether executions may carry a trace context."""
        if not self._options.traces(definition):
            return definition.content_hash
        return hashlib.sha256(f"{definition.content_hash} trace_context".encode()).hexdigest()


_Trouble = tuple[str, str]  # the field of the definition, and what is wrong with it


def _may_not_change(definition: WorkflowDefinition, deployed: Deployed, diff: str) -> _Trouble:
    return (
        "version",
        f"differs from the deployed state machine {last_part(deployed.machine.arn)!r}, and"
        f" version {definition.version} may not change: raise the version, or use version: -1"
        f" while it changes\n{diff}",
    )


def _problem(definition: WorkflowDefinition, field: str, message: str) -> Problem:
    (problem,) = located(definition, [Finding(pointer=(field,), message=message)])
    return problem


def _diff(before: dict[str, object], after: dict[str, object]) -> str:
    return "\n".join(
        difflib.unified_diff(
            json.dumps(before, indent=2, ensure_ascii=False).splitlines(),
            json.dumps(after, indent=2, ensure_ascii=False).splitlines(),
            "deployed",
            "definition",
            lineterm="",
        )
    )
