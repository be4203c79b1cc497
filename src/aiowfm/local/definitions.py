"""Definitions as the API takes them: checked by the rules of the language, in AWS's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import anyio.to_thread

from aiowfm.asl import rules
from aiowfm.asl.findings import LABEL, NO_END, SCHEMA, Finding, Pointer
from aiowfm.asl.key_rules import repeated_keys
from aiowfm.asl.model import StateMachine as Definition
from aiowfm.asl.payload import parse
from aiowfm.asl.rules import MAX_DEFINITION_BYTES
from aiowfm.local import integration_rules
from aiowfm.local.errors import ServiceError

EXPRESS_SECONDS = 300  # Step Functions quota: how long an execution of type EXPRESS may take
NOT_JSON = "INVALID_JSON_DESCRIPTION"

# Checking this much takes some milliseconds: longer texts go to a thread.
_LONG = 20_000
_TOKEN = re.compile(r"[\w$]+")
_SHOWN_OF_SOURCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A problem as ValidateStateMachineDefinition shows it."""

    code: str
    message: str
    location: str | None = None
    severity: str = "ERROR"


async def parsed(text: str, type: str = "STANDARD") -> Definition:
    """The definition written in *text*.

    Raises:
        ServiceError: InvalidDefinition, naming all that is wrong.
    """
    if len(text) < _LONG:
        return _parsed(text, type)
    return await anyio.to_thread.run_sync(_parsed, text, type)


async def diagnosed(text: str, type: str = "STANDARD") -> list[Diagnostic]:
    """All that is wrong with *text* or might be; errors first."""
    if len(text) < _LONG:
        return diagnostics(text, type)
    return await anyio.to_thread.run_sync(diagnostics, text, type)


def diagnostics(text: str, type: str = "STANDARD") -> list[Diagnostic]:
    """All that is wrong with *text* or might be; errors first."""
    if not text.strip():
        return [Diagnostic(code=SCHEMA, message="Definition must be a valid JSON object")]
    try:
        document = parse(text)
    except ValueError as exc:
        return [_not_json(text, exc)]
    if not isinstance(document, dict):
        return [Diagnostic(code=SCHEMA, message="Definition must be a valid JSON object")]
    found = rules.problems(document, express=type == "EXPRESS", arns=True, warnings=True)
    found += integration_rules.problems(document)
    found += repeated_keys(text)
    shown = list(in_aws_words(found, text))
    return sorted(shown, key=lambda each: each.severity != "ERROR")


def refusal(diagnostics: Iterable[Diagnostic]) -> ServiceError | None:
    """The error that says what is wrong, if anything is."""
    errors = [each for each in diagnostics if each.severity == "ERROR"]
    if not errors:
        return None
    for each in errors:
        if each.code == LABEL:
            return ServiceError("InvalidDefinition", each.message)
    listed = ", ".join(f"{each.code}: {each.message}{_whereabouts(each)}" for each in errors)
    return ServiceError("InvalidDefinition", f"Invalid State Machine Definition: '{listed}'")


def _whereabouts(diagnostic: Diagnostic) -> str:
    if diagnostic.code == NO_END:
        return " at null"  # as AWS writes it
    if diagnostic.location and diagnostic.code != NOT_JSON:
        return f" at {diagnostic.location}"
    return ""


def _parsed(text: str, type: str) -> Definition:
    if len(text.encode(errors="replace")) > MAX_DEFINITION_BYTES:
        message = f"Invalid State Machine Definition: 'more than {MAX_DEFINITION_BYTES} bytes'"
        raise ServiceError("InvalidDefinition", message)
    error = refusal(diagnostics(text, type))
    if error is not None:
        raise error
    return accepted(text, type)


def accepted(text: str, type: str) -> Definition:
    """A definition that was found free of errors, by this release or an older one."""
    definition = rules.parse(json.loads(text))
    if type == "EXPRESS":
        seconds = min(definition.timeout_seconds or EXPRESS_SECONDS, EXPRESS_SECONDS)
        return definition.model_copy(update={"timeout_seconds": seconds})
    return definition


def in_aws_words(found: Iterable[Finding], text: str) -> Iterable[Diagnostic]:
    missing: dict[Pointer, list[str]] = {}
    for finding in found:
        if finding.missing is not None:
            missing.setdefault(finding.pointer, []).append(finding.missing)
            continue
        message = finding.aws or finding.message
        if finding.code == LABEL:
            message = f"Error=ValueError Args={[message]} in definition '{text}'."
        yield Diagnostic(
            code=finding.code,
            message=message,
            location=_place(finding),
            severity=finding.severity.upper(),
        )
    for pointer, fields in missing.items():
        yield Diagnostic(
            code=SCHEMA,
            message=f"These fields are required: [{', '.join(reversed(fields))}]",
            location=_location(pointer),
        )


def _place(finding: Finding) -> str | None:
    if finding.code == NO_END:
        return None
    return _location(finding.pointer if finding.at is None else finding.at)


def _location(pointer: Pointer) -> str:
    """A place as AWS writes it: `/States/a/Choices[0]/Next`."""
    steps = (f"[{step}]" if isinstance(step, int) else f"/{step}" for step in pointer)
    return "".join(steps) or "/"


def _not_json(text: str, error: ValueError) -> Diagnostic:
    if not isinstance(error, json.JSONDecodeError):
        return Diagnostic(code=NOT_JSON, message=str(error))
    line, column, position = error.lineno, error.colno, error.pos
    token = _TOKEN.match(text, position)
    if token is not None and not token[0][0].isdigit():
        column += len(token[0])
        what = (
            f"Unrecognized token '{token[0]}': was expecting"
            " (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        )
    else:
        what = error.msg
    source = text[:_SHOWN_OF_SOURCE]
    cut = len(text) - len(source)
    shown = f'"{source}"' + (f"[truncated {cut} chars]" if cut else "")
    location = f"[Source: (String){shown}; line: {line}, column: {column}]"
    return Diagnostic(code=NOT_JSON, message=f"{what}\n at {location}", location=location)
