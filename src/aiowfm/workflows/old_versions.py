"""Deletes published versions that nobody needs any more: a state machine may have 1,000."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiowfm.errors import BackendError, NotFoundError
from aiowfm.names import StateMachineArn, last_part
from aiowfm.ports import MachineVersion, MachineVersions

log = logging.getLogger("aiowfm.workflows")

# What ended at most 14 days ago can be redriven, on the version that it ran on.
MIN_AGE_SECONDS = 15 * 24 * 60 * 60.0
_CONFLICT = "ConflictException"  # an alias refers to the version


class OldVersions:
    """Those beyond the newest ones, older than 15 days, on which nothing runs."""

    def __init__(self, versions: MachineVersions, *, keep: int, now: Callable[[], float]) -> None:
        """Make it.

        Args:
            versions: The port.
            keep: So many, the newest, always stay.
            now: Seconds since the epoch.
        """
        self._versions = versions
        self._keep = keep
        self._now = now

    async def collect(self, machine: StateMachineArn) -> int:
        """Delete them; how many there were.

        What cannot be deleted is left for the next time, with a warning: the deployment that
        collects them is done already.
        """
        count = 0
        try:
            for version in (await self._versions.all(machine))[self._keep :]:
                if self._is_old(version):
                    count += await self._deleted_unless_used(version.arn)
        except BackendError as exc:
            log.warning("old versions of %s are left: %s", last_part(machine), exc)
        return count

    def _is_old(self, version: MachineVersion) -> bool:
        return self._now() - version.created_at.timestamp() > MIN_AGE_SECONDS

    async def _deleted_unless_used(self, version: StateMachineArn) -> bool:
        try:
            if await self._versions.is_running(version):
                return False
            await self._versions.delete(version)
        except NotFoundError:
            return False  # another process was faster
        except BackendError as exc:
            if exc.code != _CONFLICT:
                raise
            return False
        return True
