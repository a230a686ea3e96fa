"""The mock market: what it is made of shows in its tables, and nothing in them knows the future."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from assay.market.simulator import Market, MarketRule, simulate

HOUR = timedelta(hours=1)
PLAIN: dict[str, Any] = {"listings": 0, "delistings": 0, "revisions": 0.0}


def market(**fields: Any) -> Market:
    return simulate(MarketRule(**PLAIN | {"symbols": 4, "bars": 2_000} | fields))


@pytest.fixture(scope="module")
def wide() -> Market:
    """Enough rows for moments."""
    return market(symbols=20, bars=10_000, ic=0.2)


def returns(found: Market) -> np.ndarray[Any, Any]:
    """Log returns from the bars, shape (symbols, bars)."""
    move = found.bars.select((pl.col("close") / pl.col("open")).log()).to_series().to_numpy()
    return move.reshape(found.rule.symbols, -1)


def lagged(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], lag: int) -> float:
    """Correlation of x with y ``lag`` bars later."""
    return float(np.corrcoef(x[:, : x.shape[1] - lag].ravel(), y[:, lag:].ravel())[0, 1])


# --- tables -----------------------------------------------------------------------------------------------------------


def test_bars_are_sorted_whole_and_open_where_the_last_one_closed() -> None:
    bars = market().bars
    assert bars.equals(bars.sort("entity", "time"))
    assert bars.select("entity", "time").is_unique().all()
    assert bars.select(pl.all().is_null().any()).row(0) == (False,) * bars.width
    low, high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    assert bars.filter((pl.col("low") > low * (1 + 1e-12)) | (pl.col("high") < high * (1 - 1e-12))).is_empty()
    assert bars.filter((pl.col("low") <= 0) | (pl.col("volume") <= 0)).is_empty()
    assert bars.filter(pl.col("taker_buy_volume") > pl.col("volume")).is_empty()
    gap = bars.select((pl.col("open") / pl.col("close").shift(1).over("entity") - 1).abs().max()).item()
    assert gap < 1e-12


def test_time_of_a_bar_is_its_open() -> None:
    start = datetime(2024, 3, 1, 2, tzinfo=timezone(2 * HOUR))
    found = market(bars=3, start=start, interval=4 * HOUR)
    begin = datetime(2024, 3, 1, tzinfo=UTC)
    assert found.bars["time"].head(3).to_list() == [begin, begin + 4 * HOUR, begin + 8 * HOUR]
    assert found.truth["time"].head(3).to_list() == [begin + 4 * HOUR, begin + 8 * HOUR, begin + 12 * HOUR]


def test_the_same_rule_gives_the_same_market_and_another_seed_another() -> None:
    again, other = market(), market(seed=8)
    for table in ("bars", "funding", "open_interest", "truth"):
        assert getattr(market(), table).equals(getattr(again, table))
        assert not getattr(market(), table).equals(getattr(other, table))


def test_symbols_and_bars_are_as_many_as_asked_for() -> None:
    found = market(symbols=12, bars=30).bars.group_by("entity", maintain_order=True).len()
    assert found.rows() == [(f"MOCK{number:02}", 30) for number in range(1, 13)]


def test_a_null_market_differs_in_nothing_but_the_signal() -> None:
    null, planted = market(ic=0.0), market(ic=0.3)
    assert null.funding.equals(planted.funding)
    assert np.array_equal(null.paths.log_volatility, planted.paths.log_volatility)
    assert np.allclose(null.paths.shocks, planted.paths.shocks)
    assert null.open_interest["amount"].equals(planted.open_interest["amount"])
    assert not np.allclose(null.bars["close"], planted.bars["close"])


# --- prices -----------------------------------------------------------------------------------------------------------


def test_the_signal_leads_the_next_return_by_the_planted_ic(wide: Market) -> None:
    scaled = returns(wide) / wide.paths.volatility(wide.rule)
    assert lagged(wide.paths.signal, scaled, 1) == pytest.approx(0.2, abs=0.008)
    assert lagged(wide.paths.signal, scaled, 2) > 0.15  # it survives a bar of delay
    null = market(symbols=20, bars=10_000, ic=0.0)
    assert lagged(null.paths.signal, returns(null), 1) == pytest.approx(0, abs=0.008)


def test_the_expected_return_of_the_truth_is_the_one_of_the_next_bar(wide: Market) -> None:
    truth = wide.truth.with_columns(actual=pl.Series(returns(wide).ravel()).alias("actual"))
    truth = truth.with_columns(pl.col("actual").shift(-1).over("entity")).drop_nulls()
    slope = truth.select(pl.cov("expected", "actual") / pl.col("expected").var()).item()
    assert slope == pytest.approx(1, abs=0.06)
    ahead = wide.paths.volatility(wide.rule)[:, 1:]
    assert np.array_equal(truth["volatility"].to_numpy().reshape(ahead.shape), ahead)


def test_stylised_facts(wide: Market) -> None:
    moves = returns(wide)
    size = np.abs(moves)
    assert ((moves / moves.std()) ** 4).mean() > 10  # fat tails
    assert abs(lagged(moves, moves, 1)) < 0.06  # hardly any autocorrelation, in spite of the signal,
    assert lagged(size, size, 1) > 0.2  # but clustered volatility
    assert lagged(moves, size, 1) < -0.01  # which falls shocks raise


def test_high_and_low_are_the_extremes_of_a_bridge() -> None:
    found = market(symbols=1, bars=4_000, ic=0.0, volatility_sd=0.0, season=0.0, degrees=math.inf, volatility=0.01)
    bars = found.bars.select(pl.col("open", "high", "low", "close").log())
    reach = (bars["high"] - bars["open"]).to_numpy()
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 0.01 / np.sqrt(400), (4_000, 400)), axis=1)
    slow = np.maximum(walk.max(axis=1), 0)  # a fine walk falls a little short of the continuous maximum
    assert reach.mean() == pytest.approx(slow.mean(), rel=0.07)
    assert np.quantile(reach, 0.9) == pytest.approx(np.quantile(slow, 0.9), rel=0.07)
    assert (bars["open"] - bars["low"]).mean() == pytest.approx(slow.mean(), rel=0.07)


@pytest.mark.parametrize("wanted", [0.0, 0.6])
def test_shocks_of_symbols_are_correlated(wanted: float) -> None:
    quiet = {"volatility_sd": 0.0, "season": 0.0, "degrees": math.inf, "ic": 0.0}
    matrix = np.corrcoef(returns(market(symbols=5, bars=6_000, correlation=wanted, **quiet)))
    assert matrix[np.triu_indices(5, 1)].mean() == pytest.approx(wanted, abs=0.03)


def test_large_moves_come_together() -> None:
    quiet = {"volatility_sd": 0.0, "season": 0.0, "correlation": 0.0, "degrees": 3.0}
    size = np.abs(returns(market(symbols=2, bars=6_000, **quiet)))
    assert np.corrcoef(np.log(size))[0, 1] > 0.1  # although their directions are unrelated


def test_degrees_of_freedom_set_the_tails() -> None:
    quiet = {"volatility_sd": 0.0, "season": 0.0, "correlation": 0.0, "symbols": 20}

    def kurtosis(degrees: float) -> float:
        moves = returns(market(degrees=degrees, **quiet))
        return float(((moves / moves.std()) ** 4).mean())

    assert kurtosis(math.inf) == pytest.approx(3, abs=0.2)
    assert kurtosis(10.0) == pytest.approx(4, abs=0.5)  # 3 + 6 / (10 - 4)
    assert kurtosis(4.0) > 6


def test_volatility_is_as_large_persistent_and_seasonal_as_asked_for() -> None:
    found = market(symbols=10, bars=8_000, volatility=0.01, volatility_sd=0.4, persistence=0.9, season=0.0)
    logs = np.log(found.paths.volatility(found.rule))
    assert np.exp(np.median(logs)) == pytest.approx(0.01, rel=0.02)
    assert logs.std() == pytest.approx(0.4, rel=0.03)
    assert lagged(logs, logs, 1) == pytest.approx(0.9, abs=0.01)
    seasonal = market(symbols=10, season=0.5, volatility_sd=0.0, degrees=math.inf)
    hourly = seasonal.bars.with_columns(move=(pl.col("close") / pl.col("open")).log() ** 2)
    by_hour = hourly.group_by(pl.col("time").dt.hour()).agg(pl.col("move").mean().sqrt()).sort("time")["move"]
    assert by_hour[14] / by_hour[2] == pytest.approx(math.exp(1.0), rel=0.15)  # 0.5 above and below the average
    assert market(interval=timedelta(days=1)).paths.season.tolist() == [0.0] * 2_000


def test_leverage_ties_volatility_to_the_shock_before() -> None:
    def tie(leverage: float) -> float:
        paths = market(symbols=10, bars=4_000, leverage=leverage, persistence=0.5).paths
        news = paths.log_volatility[:, 1:] - 0.5 * paths.log_volatility[:, :-1]
        return float(np.corrcoef(paths.shocks[:, :-1].ravel(), news.ravel())[0, 1])

    assert tie(-0.5) == pytest.approx(-0.5, abs=0.03)
    assert tie(0.0) == pytest.approx(0, abs=0.03)


def test_busy_times_trade_more(wide: Market) -> None:
    value = np.log(wide.bars["quote_volume"].to_numpy())
    busy = wide.paths.regime.ravel() > 0
    assert value[busy].mean() - value[~busy].mean() == pytest.approx(0.8, abs=0.1)


# --- feeds ------------------------------------------------------------------------------------------------------------


def known(found: Market) -> pl.DataFrame:
    """What of both feeds can be used at each close: the newest fact of which was known."""
    told = found.truth.sort("time")
    for name, value in (("funding", "rate"), ("open_interest", "amount")):
        feed = getattr(found, name).select("entity", "available_time", value).sort("available_time")
        told = told.join_asof(feed, left_on="time", right_on="available_time", by="entity").drop("available_time")
    return told.sort("entity", "time").drop_nulls()


def test_what_the_feeds_tell_by_a_decision_is_the_whole_signal() -> None:
    told = known(market(bars=4_000)).filter(pl.col("entity") == "MOCK3")
    x = np.column_stack([told["rate"], told["amount"].log(), np.ones(told.height)])
    fitted, *_ = np.linalg.lstsq(x, told["signal"].to_numpy(), rcond=None)
    assert np.corrcoef(x @ fitted, told["signal"].to_numpy())[0, 1] > 0.99999


def test_facts_become_known_after_the_bar_they_describe() -> None:
    found = market()
    for feed in (found.funding, found.open_interest):
        assert (feed["available_time"] - feed["time"]).unique().to_list() == [timedelta(seconds=30)]
        assert feed["time"].sort().unique().to_list() == found.truth["time"].sort().unique().to_list()


def test_funding_has_the_size_that_venues_publish() -> None:
    hourly, eight = market(), market(interval=8 * HOUR)
    assert hourly.funding["rate"].mean() == pytest.approx(1e-4 / 8, rel=0.5)
    assert 1e-5 < hourly.funding["rate"].std() < 1e-4
    assert np.allclose(eight.funding["rate"], 8 * hourly.funding["rate"])
    assert (market(interval=timedelta(days=1)).funding["rate"].abs() < 0.01).all()


def test_open_interest_comes_in_base_and_in_quote_units() -> None:
    found = market()
    closes = found.bars["close"]
    assert np.allclose(found.open_interest["value"], found.open_interest["amount"] * closes)


def test_revisions_keep_both_rows() -> None:
    plain, revised = market(), market(revisions=0.1)
    for name, value in (("funding", "rate"), ("open_interest", "amount")):
        told, truth = getattr(revised, name), getattr(plain, name)
        assert told.height / truth.height == pytest.approx(1.1, abs=0.02)
        last = told.sort("available_time").unique(["entity", "time"], keep="last").sort("entity", "time")
        assert np.allclose(last[value], truth[value])
        first = told.sort("available_time").unique(["entity", "time"], keep="first").sort("entity", "time")
        assert (first[value] != truth[value]).mean() == pytest.approx(0.1, abs=0.02)
        assert told.select("entity", "time", "available_time").is_unique().all()


def test_late_facts_become_known_bars_later() -> None:
    funding = market(late=0.2).funding
    delay = (funding["available_time"] - funding["time"]).dt.total_seconds() / 3600
    assert (delay > 1).mean() == pytest.approx(0.2, abs=0.02)
    assert delay.max() == pytest.approx(4, abs=0.1)


# --- universe ---------------------------------------------------------------------------------------------------------


def test_some_symbols_are_listed_late_and_some_die() -> None:
    found = simulate(MarketRule(symbols=6, bars=1_000, listings=2, delistings=1))
    spans = found.bars.group_by("entity").agg(first=pl.col("time").min(), last=pl.col("time").max()).sort("entity")
    start = datetime(2024, 1, 1, tzinfo=UTC)
    assert spans["first"].to_list() == [start] * 4 + [start + 150 * HOUR] * 2
    assert spans["last"].to_list() == [start + 999 * HOUR] * 3 + [start + 749 * HOUR] + [start + 999 * HOUR] * 2
    for feed in (found.funding, found.open_interest):
        about = feed.group_by("entity").agg(pl.col("time").max() - HOUR).sort("entity")
        assert about["time"].to_list() == spans["last"].to_list()


def test_someone_must_always_be_there() -> None:
    with pytest.raises(ValidationError, match="leave none of 3 symbols"):
        MarketRule(symbols=3, listings=1, delistings=2)


def test_gaps_leave_out_bars_but_no_fact() -> None:
    whole, holed = market(), market(gaps=0.05)
    assert 1 - holed.bars.height / whole.bars.height == pytest.approx(0.05, abs=0.015)
    assert holed.bars.equals(whole.bars.join(holed.bars.select("entity", "time"), on=["entity", "time"], how="semi"))
    assert holed.truth.height == holed.bars.height
    assert holed.funding.equals(whole.funding)
    assert holed.open_interest.equals(whole.open_interest)
    steps = holed.bars.select(pl.col("time").diff().over("entity")).to_series().drop_nulls()
    assert steps.max() > 3 * HOUR


@pytest.mark.parametrize(
    ("fields", "match"),
    [({"ic": 1.0}, "ic"), ({"form": "magic"}, "form"), ({"start": datetime(2024, 1, 1)}, "start"), ({"x": 1}, "x")],  # noqa: DTZ001
)
def test_an_impossible_rule_is_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        MarketRule(**fields)
