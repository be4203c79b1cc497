"""The policies of one application, all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aiowfm.config import EngineConfig, Provision
from aiowfm.definitions import WorkflowDefinition
from aiowfm.iam import machine_role, programs
from aiowfm.iam.documents import Document, policy_length
from aiowfm.iam.resources import Place, Resources

MAX_POLICY_LENGTH = 6_144  # characters; IAM's quota for a managed policy
STATE_MACHINE_TRUST, STATE_MACHINE = "state-machine-trust", "state-machine"
WORKER, FINALIZER, DEPLOYER, DOCTOR = "worker", "finalizer", "deployer", "doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Least-privilege policies by whom they are for.

    Attributes:
        documents: As JSON values: `state-machine-trust` and `state-machine` for the role that
            state machines run as, `worker`, `finalizer` where there are callbacks, `deployer`,
            and `doctor`, who only looks.
        notes: What a person should know of them.
    """

    documents: Mapping[str, Document]
    notes: tuple[str, ...]


def policies_for(
    place: Place,
    *,
    config: EngineConfig,
    definitions: Sequence[WorkflowDefinition],
    handled: Collection[str],
    provision: Provision,
) -> Policies:
    """The policies of an application.

    Args:
        place: Where it is.
        config: Names.
        definitions: Its definitions.
        handled: The tasks that have handlers.
        provision: What its processes do about what is missing.
    """
    at = Resources(place, config, definitions, handled)
    notes: list[str] = []
    documents = {
        STATE_MACHINE_TRUST: machine_role.trust(at),
        STATE_MACHINE: machine_role.permissions(at, notes.append).document(),
        WORKER: programs.worker(at, provision).document(),
    }
    if at.has_callbacks:
        documents[FINALIZER] = programs.finalizer(at, provision).document()
    documents[DEPLOYER] = programs.deployer(at).document()
    documents[DOCTOR] = programs.doctor(at).document()
    for name, document in documents.items():
        length = policy_length(document)
        if name != STATE_MACHINE_TRUST and length > MAX_POLICY_LENGTH:
            notes.append(
                f"the policy {name!r} has {length:,} characters, and a managed policy of IAM takes"
                f" {MAX_POLICY_LENGTH:,}: attach its statements as several"
            )
    return Policies(documents=documents, notes=tuple(notes))
