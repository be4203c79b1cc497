"""Definitions with AWS's verdict: the rules give the same, or `exceptions.toml` says why not."""

from __future__ import annotations

import json
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from aiowfm.definitions import CALLBACK_RESOURCE, check_definitions
from aiowfm.local.definitions import diagnostics

ROOT = Path(__file__).parents[2]
CASES = Path(
    os.environ.get("AIOWFM_VALIDATION", ROOT.parent / "shared" / "validation" / "cases.json")
)
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")

pytestmark = pytest.mark.skipif(not CASES.exists(), reason=f"the cases are not at {CASES}")


@cache
def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CASES.read_text(encoding="utf-8"))
    return found


def text_of(case: dict[str, Any]) -> str:
    definition = case["definition"]
    return definition if isinstance(definition, str) else json.dumps(definition)


def errors(case: dict[str, Any]) -> list[str]:
    found = diagnostics(text_of(case), case["type"])
    return [each.message for each in found if each.severity == "ERROR"]


def test_the_verdict_is_awss_own_or_an_exception_says_why() -> None:
    listed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))["exception"]
    differing = {
        case["id"]: "invalid" if found else "valid"
        for case in cases()
        if bool(found := errors(case)) == case["valid"]
    }
    assert differing == {each["case"]: each["verdict"] for each in listed}
    assert all(each["reason"].strip() for each in listed)


def test_no_undisputed_case_is_an_exception() -> None:
    listed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))["exception"]
    disputed = {case["id"] for case in cases() if case["disputed"]}
    assert {each["case"] for each in listed} <= disputed


def test_loading_finds_what_the_service_finds() -> None:
    """But for what types of machines cannot do, ARNs, and what callbacks here need besides."""
    for case in cases():
        if case["disputed"] or case["type"] != "STANDARD" or case["rule"] == "resource-arn":
            continue
        if CALLBACK_RESOURCE in text_of(case):
            continue
        text = f'{{"name": "n", "stateMachine": {text_of(case).strip() or "null"}}}'
        _, problems = check_definitions(text)
        found = [problem for problem in problems if problem.severity == "error"]
        assert not found if case["valid"] else found, (case["id"], found)
        assert all(problem.line and problem.column for problem in problems), case["id"]
