"""The square-root law, and what it reads of the market."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assay.market.costs import Costs, describe_costs, impact_rate, liquidity
from assay.market.errors import DataError

START = datetime(2024, 1, 1, tzinfo=UTC)


def bars(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    parts = [
        pl.DataFrame(
            {
                "entity": f"E{number}",
                "time": [START + timedelta(hours=hour) for hour in range(150)],
                "close": 10 * np.exp(rng.normal(0, 0.01 * (number + 1), 150).cumsum()),
                "volume": np.exp(rng.normal(3, 1, 150)),
            }
        )
        for number in range(2)
    ]
    return pl.concat(parts)


def test_volatility_and_volume_equal_those_of_pandas_by_entity() -> None:
    table = bars().with_columns(volume=pl.when(pl.int_range(pl.len()) % 7 > 0).then("volume"))
    found = liquidity(table)
    for entity in ("E0", "E1"):
        frame = table.filter(entity=entity).to_pandas()
        own = found.filter(entity=entity)
        moves = np.log(frame["close"]).diff()
        sigma = moves.ewm(span=100, min_periods=2, ignore_na=True).std()
        notional = (frame["volume"] * frame["close"]).ewm(span=100, ignore_na=True).mean().ffill()
        assert own["sigma"].null_count() == 2
        assert own["sigma"][2:].to_list() == pytest.approx(sigma[2:].tolist())
        assert own["usual_volume"].drop_nulls().to_list() == pytest.approx(notional.dropna().tolist())


def test_notional_is_that_of_the_exchange_where_known() -> None:
    table = bars().with_columns(quote_volume=pl.when(pl.col("entity") == "E0").then(7.0))
    found = liquidity(table)
    assert found.filter(entity="E0")["usual_volume"].to_list() == pytest.approx([7.0] * 150)
    plain = liquidity(bars())
    assert found.filter(entity="E1")["usual_volume"].to_list() == plain.filter(entity="E1")["usual_volume"].to_list()


def test_a_flagged_jump_is_no_volatility() -> None:
    table = bars().filter(entity="E0")
    row = pl.int_range(pl.len())
    split = table.with_columns(close=pl.when(row >= 70).then(pl.col("close") / 10).otherwise("close"), jump=row == 70)
    plain, flagged = liquidity(table)["sigma"], liquidity(split)["sigma"]
    assert flagged[149] == pytest.approx(plain[149], rel=0.05)
    assert flagged[70] == flagged[69]
    assert liquidity(split.with_columns(jump=False))["sigma"][149] > 5 * plain[149]


def test_nothing_is_known_before_its_bar() -> None:
    table = bars().filter(entity="E0")
    whole, part = liquidity(table), liquidity(table[:60])
    assert part.equals(whole[:60])
    with pytest.raises(DataError, match="no volume"):
        liquidity(table.drop("volume"))


def test_trading_as_much_as_everybody_moves_the_price_by_one_volatility() -> None:
    sigma, volume = np.full(4, 0.02), np.array([100.0, 100.0, 100.0, 0.0])
    rates = impact_rate(np.array([100.0, 25.0, 0.0, 1.0]), sigma=sigma, volume=volume, coefficient=1.0)
    assert rates[:3].tolist() == pytest.approx([0.02, 0.01, 0.0])
    assert np.isnan(rates[3])


def test_the_law_is_the_same_in_every_time_frame() -> None:
    """A bar of four hours moves twice as far and trades four times as much."""
    traded = np.array([5.0])
    hour = impact_rate(traded, sigma=np.array([0.01]), volume=np.array([100.0]), coefficient=0.7)
    four = impact_rate(traded, sigma=np.array([0.02]), volume=np.array([400.0]), coefficient=0.7)
    assert hour.tolist() == pytest.approx(four.tolist())


def test_what_is_charged_is_said() -> None:
    plain = Costs(fee_bp=4, half_spread_bp=1)
    assert describe_costs(plain, capital=None) == (
        "Turnover pays 4 bp of fees and 1 bp of slippage. No market impact is charged. Borrowing is free."
    )
    dear = Costs(fee_bp=4, half_spread_bp=1, maker_bp=-1, maker_share=0.5, impact=0.8, borrow_bp=300)
    assert describe_costs(dear, capital=None) == (
        "Turnover pays 1.5 bp of fees and 0.5 bp of slippage (50% assumed to be filled passively). No market impact is "
        "charged, because no capital is stated. Short positions pay 300 bp a year."
    )
    assert "Market impact is 0.8 volatilities" in describe_costs(dear, capital=1e6)
    assert "1,000,000" in describe_costs(dear, capital=1e6)
