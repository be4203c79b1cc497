"""How state machines are deleted (DeleteStateMachine): when the last execution has ended.

Until then the machine is there as DELETING, and nothing begins on it. What runs is
aborted when it comes to another state (`Executions`), unless it gets to its end from
there without a pause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiowfm.local.machines import Machine

if TYPE_CHECKING:
    from aiowfm.local.service import Service


def delete(service: Service, machine: Machine) -> None:
    """Begin to delete a machine with its versions and aliases."""
    machine.is_deleting = True
    service.machines.save(machine)
    go_on(service, machine)


def go_on(service: Service, machine: Machine) -> None:
    """Remove a machine that is being deleted, if nothing runs on it any more."""
    if (
        machine.is_deleting
        and not machine.is_deleted
        and not service.executions.has_running(machine)
    ):
        service.machines.remove(machine.name)
