"""What expressions are evaluated in, made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from aiowfm.asl.payload import JsonValue


class Scope(NamedTuple):
    input: JsonValue
    context: JsonValue = None
    variables: Mapping[str, JsonValue] = {}

    def entropy(self) -> Random:
        return Random(0)

    def spend(self, effort: int) -> None:
        pass
