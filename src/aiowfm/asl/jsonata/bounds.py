"""How much one evaluation may do, and how large what it makes may be."""

from __future__ import annotations

from aiowfm.asl.jsonata.values import (
    MAX_CHARS,
    MAX_HEIGHT,
    MAX_NODES,
    MAX_STEPS,
    JList,
    ObjectValue,
    Value,
    too_large,
    too_long,
)


class Budget:
    """Counts what an evaluation does; every method raises when it is too much."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._sizes: dict[int, tuple[Value, tuple[int, int]]] = {}

    @property
    def spent(self) -> int:
        """How many steps were counted."""
        return MAX_STEPS - self._steps

    def spend(self, steps: int) -> None:
        """Count *steps* more."""
        self._steps -= steps
        if self._steps < 0:
            raise too_long()

    def admit(self, value: Value) -> Value:
        """*value*, which was just made, counted."""
        self.spend(self.size(value)[0] >> 5)
        return value

    def walk(self, value: Value) -> None:
        """Count a walk over all of *value*."""
        self.spend(self.size(value)[0] >> 2)

    def pass_on(self, value: Value) -> None:
        """Count a look at *value* that is taken in no time, except for its length."""
        self.spend(self.size(value)[0] >> 9)

    def admit_text(self, length: int) -> None:
        """Count a string of *length* that is about to be made."""
        if length > MAX_CHARS:
            raise too_large("a string", MAX_CHARS)
        self.spend(length >> 9)

    def size(self, value: Value) -> tuple[int, int]:
        """How many values *value* consists of, and how deep it is.

        What is shared counts each time, for so it is walked and written.
        """
        if isinstance(value, str):
            if len(value) > MAX_CHARS:
                raise too_large("a string", MAX_CHARS)
            return 1 + (len(value) >> 4), 0
        if not isinstance(value, list | dict):
            return 1, 0
        known: tuple[int, int] | None = getattr(value, "size", None)
        if known is not None:
            return known
        kept = self._sizes.get(id(value))
        if kept is not None:
            return kept[1]
        nodes, height = 1, 0
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, list | dict | str):
                inner, inner_height = self.size(item)
                nodes += inner
                height = max(height, inner_height)
            else:
                nodes += 1
        if nodes > MAX_NODES:
            raise too_large("a value", MAX_NODES)
        if height >= MAX_HEIGHT:
            raise too_large("a value with a depth", MAX_HEIGHT)
        found = nodes, height + 1
        if isinstance(value, JList | ObjectValue):
            value.size = found
        else:
            self._sizes[id(value)] = value, found
        return found
