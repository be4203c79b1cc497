"""Aliases: names for versions of a state machine, with a share of the executions each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from aiowfm.local.errors import ServiceError
from aiowfm.names import StateMachineArn, unqualified


@dataclass(frozen=True, slots=True)
class Route:
    """A version and its share of the executions, in per cent."""

    version_arn: StateMachineArn
    weight: int


@dataclass(slots=True)
class Alias:
    """A name for one version or two."""

    name: str
    arn: StateMachineArn
    description: str
    routes: tuple[Route, ...]
    created_at: float
    updated_at: float

    def routed(self, random: Random) -> StateMachineArn:
        """The version that the next execution runs."""
        weights = [route.weight for route in self.routes]
        return random.choices(self.routes, weights)[0].version_arn


def routes_of(configuration: Sequence[Mapping[str, Any]]) -> tuple[Route, ...]:
    """The routes of a `routingConfiguration`.

    Raises:
        ServiceError: ValidationException.
    """
    routes = tuple(
        Route(StateMachineArn(item["stateMachineVersionArn"]), item["weight"])
        for item in configuration
    )
    arns = [route.version_arn for route in routes]
    received = f"Received: [{', '.join(arns)}]"
    if not all(is_version(arn) for arn in arns):
        raise _invalid(f"must contain state machine version ARNs. {received}")
    if len(set(arns)) != len(arns):
        raise _invalid(f"must contain distinct state machine version ARNs. {received}")
    if len({unqualified(arn) for arn in arns}) > 1:
        raise _invalid(f"must contain versions of one state machine. {received}")
    weights = [route.weight for route in routes]
    if sum(weights) != 100:
        message = f"Sum of routing configuration weights must equal 100. Received: {weights}"
        raise ServiceError("ValidationException", message)
    return routes


def is_version(arn: str) -> bool:
    """Whether *arn* has the form of a version's."""
    parts = arn.split(":")
    return len(parts) == 8 and parts[5] == "stateMachine" and parts[7].isdecimal()


def missing() -> ServiceError:
    """What AWS says of an alias that does not exist, or that leads to what does not."""
    return ServiceError("ResourceNotFound", "Request references a resource that does not exist.")


def _invalid(what: str) -> ServiceError:
    return ServiceError("ValidationException", f"Routing configuration {what}")
