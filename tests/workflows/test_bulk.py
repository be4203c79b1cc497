from __future__ import annotations

import pytest

from aiowfm.errors import UsageError
from aiowfm.workflows.bulk import do_all

pytestmark = pytest.mark.anyio


async def test_the_first_error_ends_it_and_keeps_its_own_cause() -> None:
    async def work(item: int) -> None:
        raise UsageError("this one") from KeyError(item)

    with pytest.raises(UsageError, match="this one") as caught:
        await do_all([1, 2], work, concurrency=2)
    assert isinstance(caught.value.__cause__, KeyError)
