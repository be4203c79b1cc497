"""How things are named on Step Functions: other programs rely on these forms.

Names are made here and taken apart here. ARNs have the shape
`arn:PARTITION:states:REGION:ACCOUNT:KIND:NAME`.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass
from functools import lru_cache
from typing import NewType

StateMachineArn = NewType("StateMachineArn", str)
ExecutionArn = NewType("ExecutionArn", str)
ActivityArn = NewType("ActivityArn", str)

MAX_NAME_LENGTH = 80  # characters; CreateStateMachine, CreateActivity, StartExecution
RANDOM_SUFFIX_LENGTH = 8  # characters
SEPARATOR = "--"

_FORBIDDEN = re.compile(r"[^0-9A-Za-z_.\-]")
_FORBIDDEN_IN_QUEUES = re.compile(r"[^0-9A-Za-z_\-]")
# No part contains the separator; the name of a state may border on it with dashes of its own.
_PART = r"((?:(?!--)[0-9A-Za-z_.\-])+)"
_WORKFLOW_ID = re.compile(rf"{_PART}--{_PART}--(-1|[0-9]+)--([0-9A-Za-z_.\-]+)--(?!-){_PART}")
_SUFFIX_ALPHABET = string.ascii_lowercase + string.digits


@lru_cache(maxsize=1024)  # of a workflow that runs the same names are asked for several times
def cleaned(text: str) -> str:
    """*text* with each character that Step Functions forbids in names as `-`."""
    return _FORBIDDEN.sub("-", text)


def part_problem(text: str) -> str | None:
    """Why *text* cannot be told from its neighbours in a longer name, or None."""
    shown = repr(text) if cleaned(text) == text else f"{text!r} (there: {cleaned(text)!r})"
    if not text:
        return "must not be empty"
    if SEPARATOR in cleaned(text):
        return f"{shown} must not contain {SEPARATOR!r}, which separates the parts of longer names"
    if cleaned(text).startswith("-") or cleaned(text).endswith("-"):
        return f"{shown} must neither begin nor end with '-', which separates the parts of names"
    return None


def activity_name(environment: str, app: str, task: str) -> str:
    return cleaned(f"{environment}--{app}-{task}")


def callbacks_name(environment: str, app: str) -> str:
    """The queue and the table of an application's callbacks; SQS takes no dots."""
    return _FORBIDDEN_IN_QUEUES.sub("-", f"{environment}--{app}-callbacks")


def dead_letters_name(queue: str) -> str:
    """The queue for messages of *queue* that could not be dealt with."""
    return f"{queue}-dlq"


def state_machine_prefix(environment: str, definition: str) -> str:
    """What the names of all versions and start states of *definition* begin with."""
    return cleaned(f"{environment}{SEPARATOR}{definition}{SEPARATOR}")


@lru_cache(maxsize=1024)
def state_machine_name(environment: str, definition: str, version: int, start_at: str) -> str:
    return state_machine_prefix(environment, definition) + cleaned(
        f"{version}{SEPARATOR}{start_at}"
    )


def random_suffix() -> str:
    number = secrets.randbits(128)  # so many that each character is as likely as any other
    suffix = ""
    while len(suffix) < RANDOM_SUFFIX_LENGTH:
        number, place = divmod(number, len(_SUFFIX_ALPHABET))
        suffix += _SUFFIX_ALPHABET[place]
    return suffix


@dataclass(frozen=True, slots=True)
class WorkflowId:
    """The parts of `{environment}--{name}--{version}--{start at}--{suffix}`."""

    environment: str
    name: str
    version: int
    start_at: str
    suffix: str

    @property
    def state_machine(self) -> str:
        return state_machine_name(self.environment, self.name, self.version, self.start_at)

    def __str__(self) -> str:
        return f"{self.state_machine}{SEPARATOR}{self.suffix}"


@lru_cache(maxsize=1024)
def parse_workflow_id(text: str) -> WorkflowId | None:
    """The parts of a workflow id, or None if *text* is not one."""
    match = _WORKFLOW_ID.fullmatch(text)
    if match is None or len(text) > MAX_NAME_LENGTH:
        return None
    environment, name, version, start_at, suffix = match.groups()
    return WorkflowId(environment, name, int(version), start_at, suffix)


def sibling_arn(arn: str, kind: str, name: str) -> str:
    """The ARN of a *kind* named *name* in the region and account of *arn*."""
    return ":".join([*arn.split(":")[:5], kind, name])


def unqualified(arn: str) -> StateMachineArn:
    """The ARN of a state machine without the version or alias that may follow its name."""
    return StateMachineArn(":".join(arn.split(":")[:7]))


def last_part(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]
