"""What an engine offers for workflows: starting, watching, finding and repairing them."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import aclosing
from types import MappingProxyType
from typing import TypeVar, Unpack

import anyio

from aiowfm.definitions import WorkflowDefinition
from aiowfm.errors import UsageError
from aiowfm.lifecycle import Lifecycle
from aiowfm.workflows.bulk import each_done
from aiowfm.workflows.filters import Filters, wanted
from aiowfm.workflows.job import Job, WorkflowStatus
from aiowfm.workflows.repairs import Repair, check_resumable, repaired
from aiowfm.workflows.resumption import Resumption
from aiowfm.workflows.workflow import Workflow
from aiowfm.workflows.workflows import Workflows, parts_of

Item = TypeVar("Item")
Result = TypeVar("Result")

_NO_INPUT: Mapping[str, object] = MappingProxyType({})
_NO_VARIABLES: Mapping[str, object] = MappingProxyType({})


class _End:
    """Comes after the last item."""


_END = _End()


class WorkflowCalls:
    """The calls about workflows; an engine is one."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        workflows: Callable[[str], Workflows],
        find_definition: Callable[[str], WorkflowDefinition],
    ) -> None:
        self.__lifecycle = lifecycle
        self.__workflows = workflows
        self.__find_definition = find_definition

    # Starting.

    async def start_workflow(
        self, name: str, input: object = _NO_INPUT, *, id_suffix: str | None = None
    ) -> Workflow:
        """Start a workflow.

        Args:
            name: Its definition.
            input: Any JSON value or a pydantic model, at most 262,144 bytes as JSON
                (StartExecution, member `input`).
            id_suffix: The end of its id. The same suffix and input give back the workflow
                that was started before, running or finished. None: random.

        Raises:
            UnknownDefinitionError: no such definition.
            NotJsonError: the input has no JSON form.
            PayloadTooLargeError: the input is too large.
            UsageError: the suffix cannot end an id, or the input has the member `aiowfm`, in which
                `trace_context` carries something.
            WorkflowExistsError: the suffix was used with another input.
            DefinitionChangedError: the deployed state machine differs and may not change.
            DefinitionError: the state machine is another application's.
            NotFoundError: the state machine is missing, and `provision` does not make it.
        """
        workflows = self.__workflows("start_workflow()")
        definition = self.__find_definition(name)
        return await self.__call(workflows.start(definition, _plain(input), id_suffix))

    async def start_workflows(
        self,
        name: str,
        inputs: Iterable[Item] | AsyncIterable[Item],
        *,
        id_suffix: Callable[[Item], str] | None = None,
        concurrency: int = 10,
        rate: float | None = None,
    ) -> AsyncGenerator[Workflow, None]:
        """Start a workflow for each input, as fast as the caller takes those that are started.

        Inputs are asked for as workflows are taken, *concurrency* at a time: each is started
        when it comes, and those of one turn are given back together.

        Args:
            name: Their definition.
            inputs: Their inputs, which may come asynchronously.
            id_suffix: The end of the id for an input. With it the same call can be made
                again after an error: what was started before is given back.
            concurrency: How many are started at once.
            rate: How many are started in a second at most; None: no such limit.

        Yields:
            The workflows, in the order of the inputs.

        Raises:
            AiowfmError: as `start_workflow`, in the place of the workflow that could not be
                started; up to *concurrency* of those after it may have been.
            UsageError: *concurrency* or *rate* is not positive.
        """
        workflows = self.__workflows("start_workflows()")
        definition = self.__find_definition(name)

        async def start(input: Item) -> Workflow:
            suffix = None if id_suffix is None else id_suffix(input)
            return await workflows.start(definition, _plain(input), suffix)

        done = each_done(inputs, start, concurrency=concurrency, rate=rate)
        async with aclosing(self.__each("start_workflows()", done)) as all_done:
            async for each in all_done:
                if each.error is not None:
                    raise each.error
                if each.result is not None:
                    yield each.result

    # Watching.

    async def get_workflow(self, id: str, *, jobs: bool = False) -> Workflow:
        """Show a workflow.

        Args:
            id: The workflow.
            jobs: Whether to read its history, for `jobs` and `failed_job`.

        Raises:
            WorkflowNotFoundError: there is none of this id, or it is not an id, or not one of
                this environment and application.
        """
        return await self.__call(self.__workflows("get_workflow()").get(id, jobs=jobs))

    async def follow(self, id: str) -> AsyncGenerator[Job, None]:
        """The jobs of a workflow, those there are and then each whenever it changes.

        Ends when the workflow does.

        Raises:
            WorkflowNotFoundError: as `get_workflow`.
        """
        jobs = self.__workflows("follow()").follow(id)
        async with aclosing(self.__each("follow()", jobs)) as followed:
            async for job in followed:
                yield job

    async def wait(self, id: str, *, timeout: float | None = None) -> Workflow:
        """Wait until a workflow is in a final state.

        Args:
            id: The workflow.
            timeout: Seconds to wait at most; None: as long as it takes.

        Raises:
            TimeoutError: it is not finished yet.
            WorkflowNotFoundError: as `get_workflow`.
        """
        waiting = self.__workflows("wait()").wait(id)
        return await self.__within(timeout, waiting, lambda: f"workflow {id!r} has not ended")

    async def wait_all(
        self, ids: Iterable[str], *, timeout: float | None = None
    ) -> tuple[Workflow, ...]:
        """Wait until all these workflows are in a final state; in the order of their ids.

        Args:
            ids: The workflows.
            timeout: Seconds to wait at most for all of them; None: as long as it takes.

        Raises:
            TimeoutError: some are not finished yet.
            WorkflowNotFoundError: as `get_workflow`, for one of them.
            UsageError: *ids* is one text.
        """
        workflows = self.__workflows("wait_all()")
        if isinstance(ids, str):
            raise UsageError(f"wait_all({ids!r}): that is one text; give the ids in a list")
        asked = list(ids)
        ended: dict[str, Workflow] = {}

        def rest() -> str:
            left = [repr(id) for id in dict.fromkeys(asked) if id not in ended]
            return f"{len(left)} of {len(set(asked))} workflows, {left[0]} first, have not ended"

        await self.__within(timeout, workflows.wait_all(asked, ended), rest)
        return tuple(ended[id] for id in asked)

    # Finding.

    async def list_workflows(
        self,
        name: str | None = None,
        *,
        status: WorkflowStatus | str | None = None,
        **filters: Unpack[Filters],
    ) -> AsyncGenerator[Workflow, None]:
        """The workflows of all versions of a definition, newest first, paged lazily.

        Args:
            name: The definition; it may be one that the engine does not know any more.
                None: any (`LocalBackend` alone).
            status: Only those; `failed` includes timed out ones.
            **filters: Only those, too; see `Filters`.

        Raises:
            UsageError: a filter is not usable, or this backend cannot find by it.
            TypeError: there is no such filter.
        """
        workflows = self.__workflows("list_workflows()")
        listed = workflows.list(wanted(name, status, filters))
        async with aclosing(self.__each("list_workflows()", listed)) as found:
            async for workflow in found:
                yield workflow

    # Repairing.

    async def cancel_workflow(self, id: str, *, reason: str = "") -> None:
        """Cancel a running workflow; one that has finished stays as it is.

        Its handlers are cancelled at once on `LocalBackend`, with their next heartbeat on AWS.

        Args:
            id: The workflow.
            reason: For people; becomes its `cause`.

        Raises:
            WorkflowNotFoundError: as `get_workflow`.
        """
        await self.__call(self.__workflows("cancel_workflow()").cancel(id, reason))

    async def cancel_workflows(
        self,
        name: str | None = None,
        *,
        reason: str = "",
        concurrency: int = 10,
        rate: float | None = None,
        dry_run: bool = False,
        **filters: Unpack[Filters],
    ) -> tuple[Repair, ...]:
        """Cancel the running workflows of a definition, as `list_workflows` finds them.

        Args:
            name: The definition; None: any (`LocalBackend` alone).
            reason: For people; becomes their `cause`.
            concurrency: How many are cancelled at once.
            rate: How many are cancelled in a second at most; None: no such limit.
            dry_run: Cancel nothing, and tell what would be.
            **filters: Only those; see `Filters`.

        Returns:
            What was done, for each. One that could not be cancelled has its `error`, and
            does not keep the others from it.

        Raises:
            UsageError: as `list_workflows`, or *concurrency* or *rate* is not positive.
        """
        workflows = self.__workflows("cancel_workflows()")

        async def cancel(id: str) -> None:
            await workflows.cancel(id, reason)

        return await self.__call(
            repaired(
                workflows.list(wanted(name, WorkflowStatus.RUNNING, filters)),
                cancel,
                concurrency=concurrency,
                rate=rate,
                dry_run=dry_run,
            )
        )

    async def resume_workflow(
        self,
        id: str,
        *,
        start_at: str | None = None,
        input: object = None,
        variables: Mapping[str, object] = _NO_VARIABLES,
    ) -> Workflow:
        """Take up a workflow that failed or was cancelled.

        Without *start_at* the same workflow goes on at what failed, with the input that had:
        Step Functions redrives it, up to 14 days after its end. With it a new workflow of the
        definition as it is now begins at that state; its `retry_for` is *id*, unless the state
        is the definition's first.

        Args:
            id: The workflow.
            start_at: A state at the outermost level of the definition.
            input: What that state is given; None: what it was given in *id*.
            variables: Values for the variables that are read from there on, and assigned
                before it only.

        Returns:
            The same workflow, running again, or the new one.

        Raises:
            WorkflowNotFoundError: as `get_workflow`.
            WorkflowNotResumableError: it runs, has succeeded, or ended too long ago.
            UnknownDefinitionError: its definition is not known any more.
            DefinitionError: there is no state *start_at*.
            UsageError: a variable is missing or not read, *id* never came to *start_at* and
                there is no input, or input or variables are given without *start_at*.
        """
        return await self.__call(self.__resumed(id, start_at, input, variables))

    async def resume_workflows(
        self,
        name: str | None = None,
        *,
        status: WorkflowStatus | str = WorkflowStatus.FAILED,
        start_at: str | None = None,
        concurrency: int = 10,
        rate: float | None = None,
        dry_run: bool = False,
        **filters: Unpack[Filters],
    ) -> tuple[Repair, ...]:
        """Resume the failed workflows of a definition, as `list_workflows` finds them.

        Args:
            name: The definition; None: any (`LocalBackend` alone).
            status: `failed` or `cancelled`, and with *start_at* also `succeeded`: which ones.
            start_at: As for `resume_workflow`.
            concurrency: How many are resumed at once.
            rate: How many are resumed in a second at most; None: no such limit.
            dry_run: Resume nothing, and tell what would be.
            **filters: Only those; see `Filters`.

        Returns:
            What was done, for each. One that could not be resumed has its `error`, and does
            not keep the others from it.

        Raises:
            UsageError: as `list_workflows`, *concurrency* or *rate* is not positive, or
                workflows with this *status* cannot be resumed.
        """
        workflows = self.__workflows("resume_workflows()")
        sought = wanted(name, status, filters)
        check_resumable(sought.status, start_at)
        return await self.__call(
            repaired(
                workflows.list(sought),
                lambda id: self.__resumed(id, start_at, None, _NO_VARIABLES),
                concurrency=concurrency,
                rate=rate,
                dry_run=dry_run,
            )
        )

    # How it is done.

    async def __resumed(
        self, id: str, start_at: str | None, input: object, variables: Mapping[str, object]
    ) -> Workflow:
        resumption = Resumption(self.__workflows("resume_workflow()"))
        if start_at is not None:
            definition = self.__find_definition(parts_of(id).name)
            return await resumption.repeat(id, definition, start_at, input, variables)
        if input is not None or variables:
            raise UsageError(
                "resume_workflow() without start_at goes on with the input and variables that"
                " the workflow had: give start_at, for a new one"
            )
        return await resumption.redrive(id)

    async def __within(
        self, timeout: float | None, work: Awaitable[Result], what: Callable[[], str]
    ) -> Result:
        """What *work* gives within *timeout* seconds; *what* says what has not come about."""
        if timeout is None:
            return await self.__call(work)
        with anyio.move_on_after(timeout):
            return await self.__call(work)
        raise TimeoutError(f"{what()} after {timeout:g} seconds")

    async def __call(self, work: Awaitable[Result]) -> Result:
        return await self.__lifecycle.require_life("a call").call(work)

    async def __each(
        self, what: str, items: AsyncGenerator[Item, None]
    ) -> AsyncGenerator[Item, None]:
        """*items*, as long as this life of the engine lasts."""
        life = self.__lifecycle.require_life(what)
        async with aclosing(items):
            while True:
                item = await life.call(anext(items, _END))
                if isinstance(item, _End):
                    return
                yield item


def _plain(input: object) -> object:
    """What is not JSON but stands for nothing given."""
    return {} if input is _NO_INPUT else input
