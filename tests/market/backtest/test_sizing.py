"""Positions from predictions: each sizing against its definition, and none of them sees what comes later."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from assay.market.backtest import Policy, weights
from assay.market.backtest.sizing import Fixed, Setting, Sizing, known_payoff
from assay.market.errors import DataError

HOUR = timedelta(hours=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
PAST = pl.Series([START - HOUR * n for n in range(200, 0, -1)])
HORIZON = 4
ALL: tuple[dict[str, Any], ...] = (
    {"kind": "fixed", "size": 0.5},
    {"kind": "threshold", "probability": 0.45, "deviations": 0.3},
    {"kind": "volatility_target"},
    {"kind": "kelly", "cap": 3.0},
    {"kind": "rank_long_short", "min_entities": 3},
)


def sizing(**values: Any) -> Sizing:
    return TypeAdapter(Sizing).validate_python(values)


def setting(kind: Any = "classification", horizon: int = HORIZON) -> Setting:
    return Setting(kind, horizon, PAST)


def predictions(seed: int = 0, *, kind: str = "classification", entities: int = 6, bars: int = 60) -> pl.DataFrame:
    """Random predictions of one model in three folds."""
    rng = np.random.default_rng(seed)
    rows = entities * bars
    bar = np.tile(np.arange(bars), entities)
    probabilities = rng.dirichlet((2, 2, 2), rows)
    realised = rng.normal(0, 0.02, rows)
    key = {"entity": np.repeat([f"E{e}" for e in range(entities)], bars), "time": [START + HOUR * int(b) for b in bar]}
    table = pl.DataFrame(
        key
        | {
            "fold": bar * 3 // bars + 1,
            "label_end": [START + HOUR * (int(b) + HORIZON + 1) for b in bar],
            "forward_return": realised,
            "scale": rng.uniform(0.01, 0.03, rows),
            "y_true": np.where(np.abs(realised) > 0.01, np.sign(realised), 0).astype(np.int8),
        },
        schema_overrides={"time": pl.Datetime("us", "UTC"), "label_end": pl.Datetime("us", "UTC")},
    )
    if kind == "regression":
        return table.with_columns(y_pred=pl.Series(rng.normal(0, 0.005, rows)))
    called = pl.Series((probabilities.argmax(axis=1) - 1).astype(np.int8))
    names = ("p_short", "p_neutral", "p_long")
    return table.with_columns(
        called.alias("y_pred"), *(pl.Series(n, p) for n, p in zip(names, probabilities.T, strict=True))
    )


def sized(table: pl.DataFrame, rule: dict[str, Any], kind: Any = "classification", **policy: Any) -> list[float]:
    found = weights(table, Policy(**policy), sizing(**rule), setting(kind))
    assert (found.name, found.dtype, found.null_count()) == ("weight", pl.Float64, 0)
    return found.to_list()


def test_fixed_takes_the_same_share_of_every_call() -> None:
    classes = pl.DataFrame({"y_pred": pl.Series([-1, 0, 1], dtype=pl.Int8)})
    assert sized(classes, {"kind": "fixed"}, min_edge_bp=50) == [-1, 0, 1]
    assert sized(classes, {"kind": "fixed", "size": 0.5}) == [-0.5, 0, 0.5]


def test_a_return_calls_a_side_beyond_the_least_edge() -> None:
    returns = pl.DataFrame({"y_pred": [-0.002, -0.0005, 0.0, 0.001, 0.0011]})
    assert sized(returns, {"kind": "fixed"}, "regression") == [-1, -1, 0, 1, 1]
    assert sized(returns, {"kind": "fixed"}, "regression", min_edge_bp=10) == [-1, 0, 0, 0, 1]
    with pytest.raises(DataError, match="2 null or not finite"):
        sized(pl.DataFrame({"y_pred": [None, math.nan, 1.0]}), {"kind": "fixed"}, "regression")


def test_a_threshold_trades_what_is_sure_enough() -> None:
    table = predictions()
    for level in (0.0, 0.45, 0.6):
        expected = [
            float(row["y_pred"] * (max(row["p_short"], row["p_neutral"], row["p_long"]) >= level)) * 0.7
            for row in table.to_dicts()
        ]
        assert sized(table, {"kind": "threshold", "probability": level, "size": 0.7}) == expected
    returns = predictions(kind="regression")
    expected = [
        float(np.sign(row["y_pred"]) * (abs(row["y_pred"]) / row["scale"] >= 0.3)) for row in returns.to_dicts()
    ]
    assert sized(returns, {"kind": "threshold", "deviations": 0.3}, "regression") == expected
    assert 0 < np.count_nonzero(expected) < len(expected)


def test_a_volatility_target_is_met_where_the_expected_deviation_is_right() -> None:
    """A market of known volatility, always long: the position moves as much as wanted."""
    per_bar, n = 0.01, 40_000
    returns = per_bar * np.random.default_rng(3).standard_normal(n)
    table = pl.DataFrame({"y_pred": pl.Series([1] * n, dtype=pl.Int8), "scale": per_bar * HORIZON**0.5})
    share = np.array(sized(table, {"kind": "volatility_target", "target": 0.3}))
    assert (share * returns).std() * (24 * 365.25) ** 0.5 == pytest.approx(0.3, rel=0.02)
    assert sized(table.head(2), {"kind": "volatility_target", "target": 0.3, "cap": 0.1}) == [0.1, 0.1]


def test_years_are_counted_in_the_bars_before_the_first_decision() -> None:
    table, rule = predictions().head(1).with_columns(y_pred=pl.lit(1), scale=pl.lit(0.05)), sizing(**ALL[2])
    daily = Setting("classification", HORIZON, pl.Series([START - 24 * HOUR * n for n in range(9, 0, -1)]))
    hourly, longer = setting(), setting(horizon=4 * HORIZON)
    shares = [weights(table, Policy(), rule, known)[0] for known in (hourly, daily, longer)]
    assert shares[1] / shares[0] == pytest.approx(24**0.5)
    assert shares[2] / shares[0] == pytest.approx(2)
    with pytest.raises(DataError, match="too few timestamps"):
        weights(table, Policy(), rule, Setting("classification", HORIZON, PAST.head(1)))


@pytest.mark.parametrize("mean", [-0.0004, 0.0002, 0.001])
def test_a_full_kelly_bet_makes_wealth_grow_fastest(mean: float) -> None:
    """Against a search over shares for the largest expected logarithm of wealth, by quadrature."""
    deviation = 0.02
    nodes, mass = np.polynomial.hermite_e.hermegauss(20)
    shares = np.linspace(-4, 4, 8001)
    growth = np.log1p(shares[:, None] * (mean + deviation * nodes)) @ mass
    table = pl.DataFrame({"y_pred": [mean], "scale": [deviation]})
    full = sized(table, {"kind": "kelly", "fraction": 1.0, "cap": 4.0}, "regression")[0]
    assert full == pytest.approx(shares[growth.argmax()], rel=0.02)
    assert sized(table, {"kind": "kelly", "fraction": 0.5, "cap": 4.0}, "regression")[0] == pytest.approx(full / 2)
    assert abs(sized(table, {"kind": "kelly", "fraction": 1.0, "cap": 0.1}, "regression")[0]) == 0.1


def test_the_kelly_bet_on_a_class_pays_what_earlier_folds_paid() -> None:
    table = predictions(1)
    found = np.array(sized(table, {"kind": "kelly", "fraction": 0.5, "cap": 50.0, "payoff": 0.9}))
    payoff = known_payoff(table, 0.9)
    rows = table.with_columns(payoff=pl.Series(payoff), found=pl.Series(found)).to_dicts()
    for row in rows:
        edge = (row["p_long"] - row["p_short"]) * row["payoff"] * row["scale"]
        expected = 0.5 * edge / row["scale"] ** 2 if row["y_pred"] else 0.0
        assert row["found"] == pytest.approx(expected)


def slow_payoff(table: pl.DataFrame, otherwise: float) -> list[float]:
    rows = table.to_dicts()
    begins = {fold: min(row["time"] for row in rows if row["fold"] == fold) for fold in table["fold"].unique()}
    found = {}
    for fold, begin in begins.items():
        moved = [r for r in rows if r["label_end"] is not None and r["label_end"] < begin and r["y_true"]]
        found[fold] = np.mean([abs(r["forward_return"]) / r["scale"] for r in moved]) if moved else otherwise
    return [found[row["fold"]] for row in rows]


def test_the_payoff_is_the_mean_move_of_labels_that_had_ended() -> None:
    table = predictions(2).with_columns(pl.when(pl.int_range(pl.len()) % 7 > 0).then("label_end").alias("label_end"))
    found = known_payoff(table, 0.9)
    assert found.tolist() == pytest.approx(slow_payoff(table, 0.9))
    assert set(found[table["fold"] == 1]) == {0.9}
    assert len(set(found)) == 3


def test_ranks_hold_the_best_long_and_the_worst_short() -> None:
    table = predictions(3, entities=7)
    found = table.with_columns(w=pl.Series(sized(table, {"kind": "rank_long_short", "share": 0.3, "size": 0.5})))
    for _, rows in found.group_by("time"):
        ordered = sorted(rows.to_dicts(), key=lambda row: row["p_long"] - row["p_short"])
        assert [row["w"] for row in ordered] == [-0.5, -0.5, 0, 0, 0, 0.5, 0.5]
    assert set(sized(table, {"kind": "rank_long_short", "share": 0.01})) == {-1, 0, 1}  # one entity at the least
    assert set(sized(table, {"kind": "rank_long_short", "min_entities": 8})) == {0}
    assert set(sized(table, {"kind": "rank_long_short", "min_entities": 7})) == {-1, 0, 1}


@settings(deadline=None, max_examples=25)
@given(values=st.lists(st.integers(0, 3), min_size=5, max_size=12), share=st.floats(0.05, 0.5))
def test_ranks_are_neutral_and_equal_predictions_get_equal_weights(values: list[int], share: float) -> None:
    table = pl.DataFrame({"time": 1, "y_pred": [value / 1000 for value in values]})
    found = sized(table, {"kind": "rank_long_short", "share": share}, "regression")
    assert sum(found) == pytest.approx(0, abs=1e-12)
    by_value = dict(zip(values, found, strict=True))
    assert [by_value[value] for value in values] == found
    assert sorted(by_value.values()) == [by_value[value] for value in sorted(by_value)]
    assert len(by_value) > 1 or set(found) == {0}


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("rule", ALL)
def test_no_weight_reads_what_comes_later(rule: dict[str, Any], kind: str) -> None:
    """Other predictions from some time on, and other outcomes that end then, leave all earlier weights alone."""
    table, other = predictions(4, kind=kind), predictions(5, kind=kind)
    cut = table.filter(fold=3)["time"].min()
    later = pl.col("time") >= cut
    own = ("y_pred", "scale", *(name for name in table.columns if name.startswith("p_")))
    mixed = table.with_columns(pl.when(later).then(other[name]).otherwise(name).alias(name) for name in own)
    outcomes = ("forward_return", "y_true")
    unknown = pl.col("label_end") >= cut
    mixed = mixed.with_columns(pl.when(unknown).then(other[name]).otherwise(name).alias(name) for name in outcomes)
    before, after = (np.array(sized(rows, rule, kind)) for rows in (table, mixed))
    known = (table["time"] < cut).to_numpy()
    assert np.array_equal(before[known], after[known])
    assert not np.array_equal(before[~known], after[~known])
    shown = table.filter(pl.col("time") < cut)
    assert np.array_equal(np.array(sized(shown, rule, kind)), before[known])


@pytest.mark.parametrize("rule", [ALL[2], ALL[3]])
def test_without_an_expected_deviation_there_is_no_position(rule: dict[str, Any]) -> None:
    table = predictions(6).with_columns(scale=pl.lit(None, dtype=pl.Float64))
    assert set(sized(table, rule)) == {0}
    returns = predictions(6, kind="regression").with_columns(scale=pl.lit(0.0))
    assert set(sized(returns, rule, "regression")) == {0}


@pytest.mark.parametrize("rule", ALL)
def test_a_sizing_says_what_it_does(rule: dict[str, Any]) -> None:
    given_size = sizing(**rule)
    told = {name: value for name, value in given_size.model_dump().items() if name not in ("kind", "payoff")}
    for name, value in told.items():
        shown = f"{value:.0%}" if name in ("target", "share") else f"{value:g}"
        assert shown in given_size.said, name


def test_what_cannot_be_a_sizing_is_refused() -> None:
    for rule in ({"kind": "martingale"}, {"kind": "kelly", "fraction": 2}, {"kind": "rank_long_short", "share": 0.7}):
        with pytest.raises(ValidationError):
            sizing(**rule)
    assert Policy().sizing == Fixed()
