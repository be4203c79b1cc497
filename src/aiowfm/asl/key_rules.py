"""Keys that stand in one object twice, which only the text of a definition shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from aiowfm.asl.findings import DUPLICATE_KEY, DUPLICATE_STATE, Finding
from aiowfm.asl.places import values_in
from aiowfm.asl.rules import scopes


def repeated_keys(text: str) -> list[Finding]:
    """What is given twice in *text*, JSON that can be parsed; the last one counts.

    A state that is given twice is an error, as on AWS; what AWS does with other keys is
    not known, so there it is a warning.
    """
    # With the objects themselves: one that is replaced must not leave its identity to another.
    repeated: dict[int, tuple[object, list[str]]] = {}

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated[id(found)] = found, [key for key in found if counts[key] > 1]
        return found

    document = json.loads(text, object_pairs_hook=noted)
    return list(_findings(document, repeated)) if repeated else []


def _findings(document: object, repeated: dict[int, tuple[object, list[str]]]) -> Iterator[Finding]:
    machines = scopes(document) if isinstance(document, dict) else ()
    of_states = {(*scope.pointer, "States") for scope in machines}
    for pointer, value in values_in((), document):
        _, keys = repeated.get(id(value), (value, ()))
        for key in keys:
            if pointer in of_states:
                yield Finding(
                    pointer=(*pointer, key),
                    message=f"the state {key!r} is given twice: rename one",
                    code=DUPLICATE_STATE,
                    aws=f"Duplicate State name: {key}",
                )
            else:
                message = f"the key {key!r} is given twice, and the last one counts"
                yield Finding(
                    pointer=(*pointer, key),
                    message=message,
                    severity="warning",
                    code=DUPLICATE_KEY,
                )
