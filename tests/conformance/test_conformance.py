"""The cases recorded from AWS: each passes, or `exceptions.toml` says why it cannot."""

from __future__ import annotations

import pytest

from tests.conformance.runs import CASES, complaints, results
from tests.ministack import MiniStack


@pytest.mark.aws
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(not CASES.is_dir(), reason=f"the recorded cases are not at {CASES}")
def test_what_runs_here_runs_as_it_did_on_aws(ministack: MiniStack) -> None:
    ran = results(ministack.url)
    assert ran
    unexpected, passing = complaints(ran)
    assert not unexpected, "\n".join(["these fail:", *unexpected])
    assert not passing, "\n".join(["take these out of exceptions.toml:", *passing])
