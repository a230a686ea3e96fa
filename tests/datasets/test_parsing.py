from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from assay.datasets.parsing import as_dates, as_numbers, as_times, choose_columns
from assay.market.errors import DataError
from assay.market.tables import TIME

NOON = datetime(2024, 3, 28, 12, tzinfo=UTC)
SECONDS = 1_711_627_200


def times(values: list[Any], zone: str | None = None, dtype: Any = None) -> list[datetime | None]:
    parsed = as_times(pl.Series("t", values, dtype=dtype), zone=zone, file="my.csv")
    assert parsed.dtype == TIME
    assert parsed.name == "t"
    return parsed.to_list()


@pytest.mark.parametrize(
    "found", ["open_time", "Open time", "openTime", "OPEN-TIME", "timestamp"], ids=lambda name: name.replace(" ", "_")
)
def test_a_column_is_found_by_any_of_its_names(found: str) -> None:
    chosen = choose_columns(["x", found], {"time": ["open_time", "timestamp"]}, ["time"], file="my.csv")
    assert chosen == {"time": found}


def test_the_best_name_wins_and_the_own_name_always_counts() -> None:
    accepted = {"time": ["open_time", "timestamp"], "close": [], "vwap": ["avg"]}
    found = ["time", "timestamp", "open_time", "Close"]
    assert choose_columns(found, accepted, ["time", "close"], file="my.csv") == {"time": "open_time", "close": "Close"}


def test_two_columns_of_one_name_are_an_error() -> None:
    with pytest.raises(
        DataError, match=r"my.csv, column 'close': is there twice\n  expected: one\n  found: Close, close"
    ):
        choose_columns(["Close", "close"], {"close": []}, [], file="my.csv")


def test_a_missing_column_is_an_error_with_near_names() -> None:
    expected = (
        r"my.csv, column 'volume': is missing\n  expected: one of vol, volume\n"
        r"  found: open, volumes_usd, colour \(near: volumes_usd\)\n  what to do: rename"
    )
    with pytest.raises(DataError, match=expected):
        choose_columns(["open", "volumes_usd", "colour"], {"volume": ["vol"]}, ["volume"], file="my.csv")


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1.5", " 2 ", None, "NaN", "-inf", "1e3"], None),
        ([1.5, 2, None, float("nan"), float("-inf"), 1000], pl.Float32),
    ],
)
def test_numbers_are_read_from_text_too(values: list[Any], dtype: Any) -> None:
    parsed = as_numbers(pl.Series("close", values, dtype=dtype), file="my.csv")
    assert parsed.equals(pl.Series("close", [1.5, 2, None, float("nan"), float("-inf"), 1000], dtype=pl.Float64))


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pl.Series("close", ["1", "dear", "2", "cheap"]), r"'dear' in row 2 and 1 more like it"),
        (pl.Series("close", ["1", "dear", "2"]), r"'dear' in row 2\n  what to do: mend the file"),
        (pl.Series("close", [True, False]), r"Boolean, e.g. \[True\]\n  what to do: mend the file"),
        (pl.Series("close", [[1.0]]), r"List\(Float64\), e.g."),
    ],
)
def test_other_things_than_numbers_are_an_error(column: pl.Series, found: str) -> None:
    with pytest.raises(DataError, match=rf"my.csv, column 'close': wrong type\n  expected: numbers\n  found: {found}"):
        as_numbers(column, file="my.csv")


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-28T12:00:00Z",
        "2024-03-28 12:00:00+00:00",
        "2024-03-28T12:00:00.000000+0000",
        "2024-03-28 14:00:00+02:00",
        "2024-03-28 12:00:00 UTC",
        "2024-03-28T12:00Z",
        "2024-03-28 07:00-05:00",
        str(SECONDS),
        f"{SECONDS}000",
        f"{SECONDS}000.0",
    ],
)
def test_text_with_an_offset_is_an_instant(text: str) -> None:
    assert times([text, None]) == [NOON, None]


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_an_epoch_is_told_from_its_size(scale: int) -> None:
    assert times([SECONDS * scale, None]) == [NOON, None]


def test_the_unit_may_change_inside_a_column() -> None:
    assert times([SECONDS * 10**3, SECONDS * 10**6]) == [NOON, NOON]
    assert times([float(SECONDS * 10**3), None]) == [NOON, None]


def test_a_number_that_is_none_is_a_missing_time() -> None:
    assert times([float(SECONDS), float("nan"), float("inf"), None]) == [NOON, None, None, None]


def test_times_with_a_zone_become_utc() -> None:
    zoned = pl.Series("t", [NOON]).dt.convert_time_zone("Asia/Tokyo").cast(pl.Datetime("ns", "Asia/Tokyo"))
    assert as_times(zoned, zone=None, file="my.csv").to_list() == [NOON]


NAIVE = [["2024-03-28 12:00:00"], ["2024-03-28T12:00"], [NOON.replace(tzinfo=None)]]


@pytest.mark.parametrize("values", NAIVE, ids=["text", "no seconds", "datetime"])
def test_times_without_a_zone_need_a_declared_one(values: list[Any]) -> None:
    expected = (
        r"my.csv, column 't': times have no time zone\n  expected: .*\n"
        r"  found: e.g. 2024-03-28[ T]12:00(:00)?\n  what to do: .*timezone: UTC"
    )
    with pytest.raises(DataError, match=expected):
        times(values)
    assert times(values, "UTC") == [NOON]
    assert times(values, "America/New_York") == [NOON.replace(hour=16)]


@pytest.mark.parametrize("values", [["2024-03-28"], [date(2024, 3, 28)]])
def test_a_date_is_its_midnight_in_the_declared_zone(values: list[Any]) -> None:
    with pytest.raises(DataError, match="times have no time zone"):
        times(values)
    assert times(values, "UTC") == [NOON.replace(hour=0)]


def test_an_offset_beats_the_declared_zone() -> None:
    assert times(["2024-03-28 12:00:00Z", "2024-03-28 12:00:00"], "Asia/Tokyo") == [NOON, NOON.replace(hour=3)]


@pytest.mark.parametrize("hour", ["2024-03-10 02:30:00", "2024-11-03 01:30:00"], ids=["skipped", "repeated"])
def test_an_hour_that_a_clock_change_skips_or_repeats_is_an_error(hour: str) -> None:
    with pytest.raises(DataError, match=r"my.csv, column 't': is not in time zone America/New_York"):
        times([hour], "America/New_York")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["soon"], r"wrong type\n  expected: ISO 8601 times.*\n  found: 'soon' in row 1"),
        (["2024-03-28T12:00:00Z", "28/03/2024"], r"found: '28/03/2024' in row 2"),
        ([0, 1, 2], r"holds no times\n  expected: seconds.*\n  found: 0\n  what to do: mend the file"),
        ([202401011200], "holds no times\n.*\n  found: 202401011200"),
        (["20240101120000"], "holds no times\n.*\n  found: 20240101120000"),
        ([str(SECONDS), "9" * 20], r"wrong type\n  expected: times\n  found: '9{20}' in row 2"),
        ([True], r"wrong type\n  expected: times\n  found: Boolean"),
    ],
)
def test_what_is_no_time_is_an_error(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        times(values)


@pytest.mark.parametrize("values", [["2024-03-28"], ["2024-03-28 00:00:00"], [date(2024, 3, 28)], [NOON]])
def test_dates_lose_their_time_of_day(values: list[Any]) -> None:
    assert as_dates(pl.Series("d", values), file="my.csv").to_list() == [date(2024, 3, 28)]


@pytest.mark.parametrize("values", [["28/03/2024"], [20240328]])
def test_what_is_no_date_is_an_error(values: list[Any]) -> None:
    with pytest.raises(DataError, match=r"my.csv, column 'd': wrong type\n  expected: dates"):
        as_dates(pl.Series("d", values), file="my.csv")
