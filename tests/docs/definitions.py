"""What the YAML blocks of the documents are: definitions, parts of such, or another program's."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

from aiowfm.definitions import load_definitions
from tests.docs import shell


def check(text: str) -> None:
    """Fail unless *text* can be loaded, or is of a kind that other programs read."""
    found = YAML(typ="safe").load_all(text)
    documents = [each for each in found if each is not None]
    assert documents or text.startswith("#"), "empty"
    if _are_definitions(documents):
        load_definitions(text)
        return
    for document in documents:
        if _are_states(document):
            load_definitions(_completed(document))
        else:
            _check_other(document)


def _are_definitions(documents: list[Any]) -> bool:
    first = documents[0] if documents else None
    definition = first[0] if isinstance(first, list) else first
    return isinstance(definition, dict) and "stateMachine" in definition


def _are_states(document: Any) -> bool:
    return isinstance(document, dict) and all(
        isinstance(each, dict) and "Type" in each for each in document.values()
    )


def _completed(states: dict[str, Any]) -> dict[str, Any]:
    """A definition of *states*; those that they lead to and that are not shown succeed."""
    leading = [state for state in states.values() if "Next" in state]
    targets = [state["Next"] for state in leading]
    targets += [each["Next"] for state in states.values() for each in state.get("Catch", [])]
    ends = {name: {"Type": "Succeed"} for name in targets if name not in states}
    return {
        "name": "example",
        "stateMachine": {
            "StartAt": next(iter(states)),
            "TimeoutSeconds": 60,
            "States": states | ends,
        },
    }


def _check_other(document: Any) -> None:
    """Look at what is for Kubernetes, GitHub Actions and pre-commit."""
    if isinstance(document, list):
        for step in document:
            _check_step(step)
    elif "apiVersion" in document:
        assert {"kind", "metadata", "spec"} <= document.keys()
    elif "jobs" in document:
        for job in document["jobs"].values():
            for step in job["steps"]:
                _check_step(step)
    else:
        assert document.keys() <= {"repos"}, f"what is this? {sorted(document)}"


def _check_step(step: dict[str, Any]) -> None:
    assert "uses" in step or "run" in step
    for words in shell.commands(step.get("run", "")):
        if words[0] != "pip":  # of the reader's own project
            shell.check(words, frozenset())
