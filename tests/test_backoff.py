from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.backoff import Backoff


@given(first=st.floats(0.01, 2.0), longest=st.floats(2.0, 60.0), faults=st.integers(1, 60))
def test_a_pause_is_at_most_twice_the_bound_of_the_one_before_and_never_beyond_the_longest(
    first: float, longest: float, faults: int
) -> None:
    backoff = Backoff(first, longest)
    bound = first
    for _ in range(faults):
        assert 0.0 <= backoff.next_delay() <= bound
        bound = min(bound * 2, longest)
    backoff.reset()
    assert backoff.next_delay() <= first


def test_bounds_grow_to_the_longest_and_begin_anew_after_a_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    backoff = Backoff(1.0, 5.0)
    assert [backoff.next_delay() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_delay() == 1.0


def test_pauses_differ_so_that_workers_do_not_march_in_step() -> None:
    backoff = Backoff(1.0, 1.0)
    assert len({backoff.next_delay() for _ in range(20)}) > 1
