"""Which settlements are charged, and what is said of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.costs import Funding, check_funding, funding_schedule
from assay.market.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")
ASSUMED = Funding(kind="assumed", rate=1e-4, interval=8 * HOUR)
BARS = pl.DataFrame(
    {
        "entity": ["E0"] * 200 + ["E1"] * 200,
        "time": pl.Series([START + HOUR * (1 + bar) for bar in range(200)] * 2, dtype=TIME),
    }
)


def settled() -> pl.DataFrame:
    """Settlements every eight hours at random rates, some milliseconds late."""
    times = [START + 8 * HOUR * n + timedelta(milliseconds=7) for n in range(27)]
    rates = np.random.default_rng(2).normal(0, 1e-3, 54)
    stamps = pl.Series(times * 2, dtype=TIME)
    return pl.DataFrame({"entity": ["E0"] * 27 + ["E1"] * 27, "event_time": stamps, "rate": rates})


def between(first: int, last: int) -> pl.Expr:
    return pl.col("event_time").is_between(START + first * HOUR, START + last * HOUR)


def test_what_is_required_but_missing_is_named_with_symbol_and_dates() -> None:
    rates = settled()
    assert check_funding(BARS, rates, Funding()) == "Funding is charged at the known settlements of 2 of 2 entities."
    hole = (pl.col("entity") == "E1") & between(50, 120)
    with pytest.raises(DataError, match=r"(?s)E1 2024-01-03 to 2024-01-06.*backtest.funding.kind=assumed"):
        check_funding(BARS, rates.filter(~hole), Funding())
    with pytest.raises(DataError, match="E1 2024-01-01 to 2024-01-09"):
        check_funding(BARS, rates.filter(entity="E0"), Funding())
    with pytest.raises(DataError, match=r"E0 2024-01-01 to 2024-01-09; E1 2024-01-01"):
        check_funding(BARS, None, Funding())
    with pytest.raises(DataError, match=r"E0 2024-01-05 to 2024-01-09"):
        check_funding(BARS, rates.filter(pl.col("event_time") < START + 100 * HOUR), Funding())
    with pytest.raises(DataError, match=r"columns \['rate'\] are missing"):
        check_funding(BARS, rates.rename({"rate": "funding"}), Funding())
    short = rates.filter(~between(50, 70))
    assert funding_schedule(BARS, short, Funding()).height == 2 * (25 - 2)  # two in a row are no hole


def test_assumed_funding_fills_what_is_not_known_and_says_so() -> None:
    rates = settled()
    half = rates.filter((pl.col("entity") == "E0") & (pl.col("event_time") < START + 100 * HOUR))
    schedule = funding_schedule(BARS, half, ASSUMED)
    known = schedule.filter(~pl.col("assumed"))
    assert known["rate"].to_list() == half["rate"][1:].to_list()  # the first was settled before the first bar
    filled = schedule.filter("assumed")
    assert filled["rate"].unique().to_list() == [1e-4]
    assert filled.filter(entity="E0")["time"].to_list() == [START + 8 * HOUR * n for n in range(13, 26)]
    assert filled.filter(entity="E1")["time"].to_list() == [START + 8 * HOUR * n for n in range(1, 26)]
    inside = funding_schedule(BARS, rates.filter(~between(50, 120)), ASSUMED).filter("assumed").filter(entity="E0")
    assert inside["time"].to_list() == [START + 8 * HOUR * n for n in range(7, 15)]  # 120 h is known 7 ms later
    sentence = check_funding(BARS, half, ASSUMED)
    assert sentence.startswith("Funding is assumed to be 1 bp every 8 h for 76% of the settlements (2 of 2 entities)")
    assert check_funding(BARS, rates, ASSUMED).startswith("Funding is charged at the known")
    assert check_funding(BARS, None, Funding(kind="none")) == "No funding is charged."
    assert funding_schedule(BARS, rates, Funding(kind="none")).is_empty()


def test_a_revised_settlement_is_charged_once() -> None:
    rates = settled().with_columns(available_time=pl.col("event_time"))
    late = rates.with_columns(pl.col("available_time") + HOUR, rate=pl.lit(0.5))
    schedule = funding_schedule(BARS, pl.concat([late, rates]), Funding())
    assert schedule["rate"].unique().to_list() == [0.5]
    assert not schedule.select("entity", "time").is_duplicated().any()


@pytest.mark.parametrize("missing", ["rate", "interval"])
def test_an_assumption_must_be_complete(missing: str) -> None:
    given_values = {"kind": "assumed", "rate": 1e-4, "interval": "PT8H"} | {missing: None}
    with pytest.raises(ValidationError, match=r"give funding.rate .* and funding.interval"):
        Funding.model_validate(given_values)
    assert Funding.model_validate(given_values | {"kind": "required"}).kind == "required"
