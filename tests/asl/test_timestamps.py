from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiowfm.asl import timestamps
from aiowfm.asl.timestamps import NANOSECONDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="epoch"),
        pytest.param("1970-01-01T00:00Z", 0, id="without seconds"),
        pytest.param("1970-01-01T00:00:01.5Z", 1_500_000_000, id="fraction"),
        pytest.param("1970-01-01T00:00:00.000000001Z", 1, id="nanosecond"),
        pytest.param("1969-12-31T23:59:59.999999999Z", -1, id="before the epoch"),
        pytest.param("1970-01-01T01:00:00+01:00", 0, id="east"),
        pytest.param("1969-12-31T18:30:00-05:30", 0, id="west"),
        pytest.param("1970-01-01T18:00:00+18:00", 0, id="far east"),
        pytest.param("2024-02-29T12:00:00Z", 1_709_208_000 * NANOSECONDS, id="leap day"),
        pytest.param("0001-01-01T00:00:00+10:00", -62_135_632_800 * NANOSECONDS, id="first day"),
    ],
)
def test_a_timestamp_is_read_to_the_nanosecond(text: str, instant: int) -> None:
    assert timestamps.parse(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("2024-01-01", id="date"),
        pytest.param("2024-01-01T00:00:00", id="no zone"),
        pytest.param("2024-01-01t00:00:00Z", id="small t"),
        pytest.param("2024-01-01T00:00:00z", id="small z"),
        pytest.param("2024-01-01 00:00:00Z", id="space"),
        pytest.param("2024-13-01T00:00:00Z", id="month"),
        pytest.param("2023-02-29T00:00:00Z", id="day"),
        pytest.param("2024-01-01T24:00:00Z", id="hour"),
        pytest.param("2024-01-01T00:60:00Z", id="minute"),
        pytest.param("2024-01-01T00:00:60Z", id="second"),
        pytest.param("2024-01-01T00:00:00.Z", id="empty fraction"),
        pytest.param("2024-01-01T00:00:00.0000000000Z", id="fraction too fine"),
        pytest.param("2024-01-01T00:00:00+0100", id="zone without colon"),
        pytest.param("2024-01-01T00:00:00+18:01", id="zone too far"),
        pytest.param("2024-01-01T00:00:00+01:60", id="minutes of the zone"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("24-01-01T00:00:00Z", id="short year"),
        pytest.param(" 2024-01-01T00:00:00Z", id="space before"),
        pytest.param("2024-01-01T00:00:00Z\n", id="line end"),
        pytest.param("٢٠٢٤-01-01T00:00:00Z", id="other digits"),
    ],
)
def test_another_text_is_no_timestamp(text: str) -> None:
    assert timestamps.parse(text) is None


ZONES = st.integers(-18 * 60, 18 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=ZONES))
def test_what_python_writes_is_read_as_the_same_instant(instant: datetime) -> None:
    assert timestamps.parse(instant.isoformat()) == nanoseconds(instant)
    assert timestamps.parse(instant.astimezone(UTC).isoformat().replace("+00:00", "Z")) == (
        nanoseconds(instant)
    )


@given(st.integers(-(10**12), 10**13))
def test_a_timestamp_that_is_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    text = timestamps.format(milliseconds / 1000)
    assert len(text) == len("2024-01-01T00:00:00.123Z")
    instant = timestamps.parse(text)
    assert instant is not None
    assert abs(instant - milliseconds * 1_000_000) <= 1_000_000


def test_a_timestamp_is_written_as_the_context_object_does() -> None:
    assert timestamps.format(0) == "1970-01-01T00:00:00.000Z"
    assert timestamps.format(1_704_067_200.5) == "2024-01-01T00:00:00.500Z"
