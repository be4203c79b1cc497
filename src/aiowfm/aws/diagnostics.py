"""What can be found out about AWS when something is wrong; looking changes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import botocore.session
from anyio import to_thread
from botocore.exceptions import ClientError

from aiowfm.asl.findings import did_you_mean
from aiowfm.aws.arns import Arns, partition_of
from aiowfm.aws.callback_queues import attributes_of, differences, wanted_attributes
from aiowfm.aws.clients import LazyClient
from aiowfm.aws.errors import translated
from aiowfm.aws.probes import Probes
from aiowfm.errors import AccessDeniedError, AiowfmError, BackendError
from aiowfm.health import Check, Connection, Health, QueueState
from aiowfm.names import dead_letters_name

# Callbacks compare times of several machines, and requests carry theirs: AWS refuses those
# that are more than five minutes away from its own.
NOTABLE_SKEW_SECONDS = 10.0
FATAL_SKEW_SECONDS = 240.0

# Refused for who asks, and not for what is asked.
_NOT_AUTHORISED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized"})


class AwsDiagnostics:
    """See `aiowfm.ports.Diagnostics`."""

    has_quotas = True

    def __init__(
        self,
        clients: Mapping[str, LazyClient],
        *,
        arns: Arns,
        account_id: str | None,
        role_arn: str,
    ) -> None:
        """Make it; nothing is asked yet.

        Args:
            clients: By service, impatient ones.
            arns: Makes ARNs.
            account_id: The account that was given.
            role_arn: The role that state machines run as.
        """
        self._clients = clients
        self._arns = arns
        self._account_id = account_id
        self._role_arn = role_arn

    async def connection(self) -> Connection:
        """Region, credentials, account, Step Functions and the clock."""
        states = await self._clients["stepfunctions"]()
        region = states.meta.region_name
        known = await to_thread.run_sync(_regions, partition_of(region))  # reads a long file
        checks = [_region(region, known)]
        credentials = await self._credentials()
        checks += credentials
        error, metadata = await _reached(states)
        if error is not None and not metadata:
            is_refused = isinstance(error, AccessDeniedError)  # there are no credentials
            if not is_refused:
                checks.append(_unreachable(states, error))
            elif credentials[0].health is not Health.PROBLEM:
                checks.append(_bad_credentials(error))
            return Connection(checks=tuple(checks), is_usable=False)
        checks.append(_clock(metadata))
        if isinstance(error, AccessDeniedError) and error.code not in _NOT_AUTHORISED:
            if credentials[0].health is not Health.PROBLEM:
                checks.append(_bad_credentials(error))
            return Connection(checks=tuple(checks), is_usable=False)
        checks.append(_step_functions(states, error))
        is_usable = credentials[0].health is not Health.PROBLEM
        return Connection(checks=tuple(checks), is_usable=is_usable)

    async def queues(self, name: str) -> QueueState:
        """See `aiowfm.ports.Diagnostics`."""
        client = await self._clients["sqs"]()
        buried = await attributes_of(client, dead_letters_name(name))
        present = await attributes_of(client, name)
        if present is None:
            return QueueState(buried=_count(buried))
        wanted = {} if buried is None else wanted_attributes(buried["QueueArn"])
        return QueueState(
            waiting=_count(present),
            hidden=int(present.get("ApproximateNumberOfMessagesNotVisible", "0")),
            buried=_count(buried),
            differences=tuple(differences(wanted, present)),
        )

    async def permissions(
        self, *, machines: Sequence[str], callbacks: str | None, consumes: bool
    ) -> Sequence[Check]:
        """See `aiowfm.ports.Diagnostics`."""
        probes = Probes(self._clients, self._arns)
        return await probes.checks(machines=machines, callbacks=callbacks, consumes=consumes)

    async def _credentials(self) -> list[Check]:
        try:
            with translated("GetCallerIdentity"):
                identity = await (await self._clients["sts"]()).get_caller_identity()
                who, account_id = str(identity["Arn"]), str(identity["Account"])
        except AiowfmError as exc:
            if isinstance(exc, AccessDeniedError) and exc.code not in _NOT_AUTHORISED:
                return [_bad_credentials(exc)]
            message = f"whose they are was not told: {exc}"
            if self._account_id is not None:
                return [Check(subject="credentials", health=Health.UNKNOWN, message=message)]
            return [
                Check(
                    subject="credentials",
                    health=Health.PROBLEM,
                    message=f"{message}; so the account is not known",
                    advice="give account_id to AwsBackend, or let the program reach STS",
                )
            ]
        checks = [Check(subject="credentials", health=Health.OK, message=who)]
        if self._account_id not in (None, account_id):
            checks.append(
                Check(
                    subject="account",
                    health=Health.PROBLEM,
                    message=f"account_id is {self._account_id}, and the credentials belong to"
                    f" {account_id}",
                    advice="correct one of them, or leave account_id out",
                )
            )
        if self._role_arn.split(":")[4] != account_id:
            checks.append(
                Check(
                    subject="role",
                    health=Health.PROBLEM,
                    message=f"{self._role_arn} is not a role of account {account_id}",
                    advice="give a role of this account: a state machine runs as no other",
                )
            )
        return checks


def _count(attributes: Mapping[str, str] | None) -> int | None:
    if attributes is None:
        return None
    return int(attributes.get("ApproximateNumberOfMessages", "0"))


@cache
def _regions(partition: str) -> Sequence[str]:
    """Those that botocore knows."""
    found: Sequence[str] = botocore.session.Session().get_available_regions(
        "stepfunctions", partition_name=partition
    )
    return found


def _region(region: str, known: Sequence[str]) -> Check:
    if region in known:
        return Check(
            subject="region", health=Health.OK, message=f"{region} ({partition_of(region)})"
        )
    return Check(
        subject="region",
        health=Health.WARNING,
        message=f"botocore knows no Step Functions in {region!r}{did_you_mean(region, known)}",
        advice="correct it, or update botocore if it is a new one",
    )


def _bad_credentials(error: AiowfmError) -> Check:
    return Check(
        subject="credentials",
        health=Health.PROBLEM,
        message=str(error),
        advice="give credentials that are valid now: see AWS_PROFILE, AWS_ACCESS_KEY_ID and"
        " AWS_SESSION_TOKEN, the role of the container or instance, and the clock",
    )


async def _reached(states: Any) -> tuple[AiowfmError | None, Mapping[str, Any]]:
    """What Step Functions answers to a harmless question; empty metadata: nothing."""
    try:
        with translated("ListStateMachines"):
            answer = await states.list_state_machines(maxResults=1)
            return None, dict(answer["ResponseMetadata"])
    except AiowfmError as exc:
        cause = exc.__cause__
        response = cause.response if isinstance(cause, ClientError) else {}
        return exc, dict(response.get("ResponseMetadata", {}))


def _unreachable(states: Any, error: AiowfmError) -> Check:
    return Check(
        subject="Step Functions",
        health=Health.PROBLEM,
        message=f"{states.meta.endpoint_url} cannot be reached: {error}",
        advice="check the region, endpoint_url, and the way there (proxy, VPC endpoint)",
    )


def _step_functions(states: Any, error: AiowfmError | None) -> Check:
    """That it answers; a refusal is an answer, and what it refuses is another matter."""
    if error is None or isinstance(error, AccessDeniedError):
        return Check(subject="Step Functions", health=Health.OK, message=states.meta.endpoint_url)
    code = error.code if isinstance(error, BackendError) else type(error).__name__
    return Check(
        subject="Step Functions",
        health=Health.WARNING,
        message=f"{states.meta.endpoint_url} answers with {code}: {error}",
        advice="try again; where it stays, look at the AWS Health Dashboard",
    )


def _clock(metadata: Mapping[str, Any]) -> Check:
    now = time.time()
    try:
        there = parsedate_to_datetime(metadata["HTTPHeaders"]["date"]).timestamp()
    except (LookupError, TypeError, ValueError):
        message = "the answer of Step Functions had no date"
        return Check(subject="clock", health=Health.UNKNOWN, message=message)
    # The header has whole seconds, cut.
    skew = now - there if now < there else max(0.0, now - there - 1)
    if abs(skew) < NOTABLE_SKEW_SECONDS:
        return Check(subject="clock", health=Health.OK, message="as that of AWS")
    return Check(
        subject="clock",
        health=Health.WARNING if abs(skew) < FATAL_SKEW_SECONDS else Health.PROBLEM,
        message=f"{math.ceil(abs(skew))} seconds {'ahead of' if skew > 0 else 'behind'} AWS's:"
        " requests are refused from 300 on",
        advice="let the machine set its clock (NTP, chrony)",
    )
