"""The clients of an open backend, and the parts that use them."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import aioboto3
import aiobotocore
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp import AddrInfoType

from aiowfm.aws.activities import AwsActivities, AwsTaskReporter, AwsTaskSource
from aiowfm.aws.arns import Arns
from aiowfm.aws.backend import ClientSession
from aiowfm.aws.callbacks import AwsCallbackStorage
from aiowfm.aws.clients import CallbackClients, LazyClient
from aiowfm.aws.diagnostics import AwsDiagnostics
from aiowfm.aws.errors import translated
from aiowfm.aws.executions import AwsExecutions
from aiowfm.aws.machine_versions import AwsMachineVersions
from aiowfm.aws.state_machines import AwsStateMachines

log = logging.getLogger("aiowfm.aws")

CONNECT_TIMEOUT_SECONDS = 10
POLL_TIMEOUT_SECONDS = 70  # GetActivityTask holds for 60; its page asks for 65 at least
RECEIVE_TIMEOUT_SECONDS = 30  # ReceiveMessage holds for 20
CONTROL_TIMEOUT_SECONDS = 20
CONTROL_CONNECTIONS = 50
SPARE_POLL_CONNECTIONS = 10
RECEIVE_CONNECTIONS = 10
# Probes keep an idle connection known on its way, and notice within a poll that it is dead.
KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsConnection:
    """An open `AwsBackend`."""

    tasks: AwsTaskSource
    reporter: AwsTaskReporter
    activities: AwsActivities
    state_machines: AwsStateMachines
    machine_versions: AwsMachineVersions
    executions: AwsExecutions
    callback_clients: CallbackClients
    arns: Arns
    diagnostics: AwsDiagnostics
    search: None = None  # Step Functions has no search
    recalls: None = None  # nor does it tell workers what it has given up

    def callbacks(self, name: str) -> AwsCallbackStorage:
        return AwsCallbackStorage(name, self.callback_clients, self.arns)

    def now(self) -> float:
        return time.time()


@asynccontextmanager
async def connected(
    *,
    region: str,
    role_arn: str,
    account_id: str | None,
    session: ClientSession | None,
    endpoints: Mapping[str, str],
    max_polls: int,
) -> AsyncIterator[AwsConnection]:
    """Open one client for polls and another for all else, so that neither waits for the other.

    Those of the services that only callbacks need are opened when they are first used.
    """
    with translated("CreateClient"):
        # A session of its own for each opening: its credentials are bound to one loop.
        clients = session or aioboto3.Session(region_name=region)

    def client(service: str, config: AioConfig) -> AbstractAsyncContextManager[Any]:
        return clients.client(
            service, region_name=region, endpoint_url=endpoints.get(service), config=config
        )

    async def ask_account_id() -> str:
        with translated("GetCallerIdentity"):
            async with client("sts", control_config()) as sts:
                return str((await sts.get_caller_identity())["Account"])

    async with AsyncExitStack() as stack:

        async def opened(service: str, config: AioConfig) -> Any:
            with translated("CreateClient"):
                return await stack.enter_async_context(client(service, config))

        polls = await opened("stepfunctions", poll_config(max_polls))
        control = await opened("stepfunctions", control_config())
        log.info("connected to Step Functions in %s", region)
        arns = Arns(region=region, account_id=account_id, ask_account_id=ask_account_id)
        callbacks = CallbackClients(
            receives=LazyClient(partial(opened, "sqs", receive_config())),
            sqs=LazyClient(partial(opened, "sqs", control_config())),
            dynamodb=LazyClient(partial(opened, "dynamodb", control_config())),
        )
        yield AwsConnection(
            tasks=AwsTaskSource(polls),
            reporter=AwsTaskReporter(control),
            activities=AwsActivities(control, arns),
            state_machines=AwsStateMachines(control, arns, role_arn),
            machine_versions=AwsMachineVersions(control),
            executions=AwsExecutions(control, arns),
            callback_clients=callbacks,
            arns=arns,
            diagnostics=AwsDiagnostics(
                {
                    "dynamodb": callbacks.dynamodb,
                    "sqs": callbacks.sqs,
                    "stepfunctions": LazyClient(partial(opened, "stepfunctions", probe_config())),
                    "sts": LazyClient(partial(opened, "sts", probe_config())),
                },
                arns=arns,
                account_id=account_id,
                role_arn=role_arn,
            ),
        )


class ProbingSession(AIOHTTPSession):  # type: ignore[misc]  # it has no types
    """Connections with TCP keep-alive: aiobotocore ignores botocore's `tcp_keepalive`."""

    def __init__(
        self, *args: Any, connector_args: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        with_probes = dict(connector_args or {}, socket_factory=probing_socket)
        super().__init__(*args, connector_args=with_probes, **options)


def probing_socket(address: AddrInfoType) -> socket.socket:
    """A socket, not yet connected, whose connection the system probes while it is idle."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE_OPTIONS.items():
        if hasattr(socket, name):  # not all systems have all of them
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def poll_config(max_polls: int) -> AioConfig:
    """For polls for tasks."""
    return _unrepeated_config(POLL_TIMEOUT_SECONDS, max_polls + SPARE_POLL_CONNECTIONS)


def receive_config() -> AioConfig:
    """For receiving messages."""
    return _unrepeated_config(RECEIVE_TIMEOUT_SECONDS, RECEIVE_CONNECTIONS)


def control_config() -> AioConfig:
    return AioConfig(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=CONTROL_TIMEOUT_SECONDS,
        max_pool_connections=CONTROL_CONNECTIONS,
        retries={"total_max_attempts": 5, "mode": "standard"},
        http_session_cls=ProbingSession,
        user_agent=user_agent(),
    )


def probe_config() -> AioConfig:
    """For somebody who waits to be told what is wrong."""
    return control_config().merge(
        AioConfig(connect_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
    )


def _unrepeated_config(read_timeout: int, connections: int) -> AioConfig:
    """No retries: the client would repeat a poll whose first try may hold a task or messages.

    Nor does it check parameters: a poll has a handful, which are ours or AWS's.
    """
    return AioConfig(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1, "mode": "standard"},
        parameter_validation=False,
        http_session_cls=ProbingSession,
        user_agent=user_agent(),
    )


def user_agent() -> str:
    """What AWS's logs show as the client; a session's own `user_agent_extra` follows it.

    botocore would put one together twice for each request, which takes a tenth of all the
    processor time that a request needs.
    """
    parts = [
        f"aiowfm/{version('aiowfm')}",
        f"aiobotocore/{aiobotocore.__version__}",
        f"python/{platform.python_version()}",
    ]
    if app_id := os.environ.get("AWS_SDK_UA_APP_ID"):
        parts.append(f"app/{app_id}")
    return " ".join(parts)
