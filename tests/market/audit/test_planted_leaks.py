"""A catalogue of leaks, each of them seen in the wild, and of honest features that look like them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.market.audit import AuditRule, Evidence, audit_features

C, RATE, AMOUNT = pl.col("close"), pl.col("fed_rate"), pl.col("amount")
RETURN, NEXT = C / C.shift(1) - 1, C.shift(-1) / C - 1
ROW = pl.int_range(pl.len())
DAY, MONTH = pl.col("time").dt.truncate("1d"), pl.col("time").dt.truncate("1mo")


def each(expression: pl.Expr) -> pl.Expr:
    return expression.over("entity")


def only(condition: pl.Expr) -> pl.Expr:
    """Knows the next return where a condition holds."""
    return pl.when(each(condition)).then(each(NEXT)).otherwise(0.0)


def projection(panel: pl.DataFrame, until: datetime | None) -> pl.Series:
    """First principal component of returns and volume, fitted on all rows or on those up to a time."""
    columns = panel.select("time", each(RETURN).fill_null(0).alias("r"), v=pl.col("volume").log())
    fitted = columns if until is None else columns.filter(pl.col("time") <= until)
    if fitted.height < 2 or (until and panel["time"].max() <= until):  # type: ignore[operator]
        return pl.Series([None] * panel.height, dtype=pl.Float64)
    mean = fitted.select("r", "v").mean().to_numpy()
    axis = np.linalg.svd(fitted.select("r", "v").to_numpy() - mean, full_matrices=False)[2][0]
    axis = axis * np.sign(axis[1])
    values = (columns.select("r", "v").to_numpy() - mean) @ axis
    return pl.Series(values if until is None else np.where(columns["time"] <= until, np.nan, values))


def winners(panel: pl.DataFrame) -> pl.Series:
    """Return of the entities that will have risen most."""
    rise = panel.group_by("entity").agg(rise=C.last() / C.first()).sort("rise", descending=True)
    chosen = rise["entity"].head(2).implode()
    return panel.select(pl.when(pl.col("entity").is_in(chosen)).then(each(RETURN)).otherwise(0.0)).to_series()


def line(panel: pl.DataFrame) -> pl.Series:
    """Distance from a straight line through all closes of an entity."""
    slope = pl.cov(ROW.cast(pl.Float64), C) / ROW.cast(pl.Float64).var()
    return panel.select(each(C - slope * ROW)).to_series()


def across(expression: pl.Expr, others: pl.Expr) -> Callable[[pl.DataFrame], pl.Series]:
    """A value of each entity (``x``), then what becomes of it among the entities."""
    return lambda panel: panel.with_columns(x=each(expression)).select(others).to_series()


X = pl.col("x")
Planted = pl.Expr | Callable[[pl.DataFrame], pl.Series]
LEAKS: dict[str, Planted] = {
    "next bar": each(NEXT),
    "two bars ahead": each(C.shift(-2) / C),
    "ten bars ahead": each(C.shift(-10) / C),
    "centred window": each(C.rolling_mean(21, center=True) / C),
    "filled backward": each(AMOUNT.backward_fill()),
    "interpolated gaps": each(AMOUNT.interpolate()),
    "scaled with the whole sample": (C - C.mean()) / C.std(),
    "clipped at quantiles of the whole sample": each(RETURN).clip(
        each(RETURN).quantile(0.05), each(RETURN).quantile(0.95)
    ),
    "rank in the whole sample": each(C.rank()),
    "bins of the whole sample": (pl.col("volume") > pl.col("volume").median()).cast(pl.Float64),
    "filled with the mean of the whole sample": AMOUNT.fill_null(AMOUNT.mean()),
    "day labelled by its beginning": pl.col("close").mean().over("entity", DAY),
    "day that is still forming": C.last().over("entity", DAY) / C,
    "highest price to come": each(C.reverse().cum_max().reverse() / C),
    "lowest of the next bars": each(C.reverse().rolling_min(12).reverse() / C),
    "smoothed both ways": each(C.reverse().ewm_mean(span=10).reverse() / C),
    "next bar of the others": across(NEXT, X.mean().over("time")),
    "mean outcome of the sector": across(NEXT, X.mean().over("sector")),
    "mean outcome of the hour": across(NEXT, X.mean().over("entity", pl.col("time").dt.hour())),
    "last price of the entity": each(C / C.last()),
    "bars left": each(pl.len() - ROW),
    "detrended by a line through everything": line,
    "component fitted on everything": lambda panel: projection(panel, None),
    "entities that will have risen": winners,
    "one row in 500": only((ROW * 7919 + 13) % 500 == 0),
    "after large moves": only(RETURN.abs() > 0.04),
    "last row of a month": only(MONTH.shift(-1) != MONTH),
    "last row of a week": only(pl.col("time").dt.week() != pl.col("time").dt.week().shift(-1)),
    "updates of a feed": only(pl.col("fed_age") == 0),
    "before updates of a feed": pl.when(each(pl.col("fed_age").shift(-1) == 0)).then(each(RATE.shift(-1))),
    "first row of an entity": only(ROW == 0),
    "beside a huge value": pl.when(each(ROW == 1)).then(1e15).otherwise(each(NEXT).fill_null(0.0)),
    "before missing values": pl.when(each(AMOUNT.shift(-1).is_null())).then(1.0).otherwise(0.0),
    "bars to the next gap": (each(pl.col("time").shift(-1) - pl.col("time")) > timedelta(hours=4)).cast(pl.Float64),
    "vendor that knows": pl.col("vendor_strong"),
    "vendor that knows a little": pl.col("vendor_weak"),
}
# what a vendor put into a column in advance no recomputation can see, and chance gives as much skill as this one has
MISSES = {"vendor that knows a little"}
ONLY_TOO_GOOD = {"vendor that knows"}

CLEAN: dict[str, Planted] = {
    "return": each(RETURN),
    "return of five bars": each(C / C.shift(5) - 1),
    "distance from a mean": each(C / C.rolling_mean(20) - 1),
    "deviation": each(RETURN.rolling_std(20)),
    "skewness": each(RETURN.rolling_skew(30)),
    "exponential mean": each(C.ewm_mean(span=20) / C),
    "very slow exponential mean": each(C.ewm_mean(span=400) / C),
    "expanding mean": each(C.cum_sum() / C.cum_count() / C),
    "expanding scale": each((RETURN - RETURN.cum_sum() / ROW) / RETURN.pow(2).cum_sum().sqrt()),
    "drawdown": each(C / C.cum_max()),
    "volume on balance": each((RETURN.sign() * pl.col("volume")).cum_sum()),
    "filled forward": each(AMOUNT.forward_fill()),
    "age of a value": each(ROW - pl.when(AMOUNT.is_not_null()).then(ROW).forward_fill()),
    "quantile of a window": each(C.rolling_quantile(0.8, window_size=30) / C),
    "highest of a window": each(pl.col("high").rolling_max(14) / C),
    "correlation of a window": each(pl.rolling_corr(RETURN, pl.col("volume"), window_size=30)),
    "rank at a time": across(RETURN, X.rank().over("time")),
    "return less that of the market": across(RETURN, X - X.mean().over("time")),
    "return less that of the sector": across(RETURN, X - X.mean().over("time", "sector")),
    "hour": (pl.col("time").dt.hour() * np.pi / 12).sin(),
    "bars since listing": each(ROW),
    "feed": RATE,
    "change of a feed": each(RATE.diff()),
    "close of the day before": each(pl.when(DAY.shift(1) != DAY).then(C.shift(1)).forward_fill() / C),
    "highest of the day so far": pl.col("high").cum_max().over("entity", DAY) / C,
    "component fitted on the first days": lambda panel: projection(panel, datetime(2022, 3, 12, tzinfo=UTC)),
    "bars since a large fall": each(ROW - pl.when(RETURN < -0.03).then(ROW).forward_fill()),
    "sign": each(RETURN > 0),
    "sector": pl.col("sector"),
    "constant": pl.lit(1.0),
    "always undefined": pl.lit(None, dtype=pl.Float64),
}


def features(panel: pl.DataFrame, planted: dict[str, Planted]) -> pl.DataFrame:
    columns = [
        (value if isinstance(value, pl.Expr) else pl.lit(value(panel))).alias(name) for name, value in planted.items()
    ]
    return panel.select("entity", "time", *columns)


def with_vendors(panel: pl.DataFrame, outcome: pl.Series) -> pl.DataFrame:
    """Columns of a vendor who has seen what comes: one plainly, one through much noise."""
    rng = np.random.default_rng(5)
    known = outcome.fill_null(0).to_numpy() / (outcome.std() or 1.0)  # type: ignore[operator]
    noise = rng.standard_normal((2, len(known)))
    return panel.with_columns(
        vendor_strong=pl.Series(known + 2 * noise[0]), vendor_weak=pl.Series(known + 15 * noise[1])
    )


@pytest.fixture(scope="module", params=[0, 1])
def document(request: pytest.FixtureRequest, market: Any, feed: Any, joined: Any, labels: Any) -> dict[str, Any]:
    panel, told = market(request.param), feed(request.param)
    outcome = labels(panel)
    panel = with_vendors(joined(panel, told), outcome["forward_return"])
    return audit_features(
        panel,
        lambda table: features(table, LEAKS | CLEAN),
        rule=AuditRule(seed=request.param, universe="fixed"),
        evidence=Evidence(labels={"signal": outcome}, feeds={"fed": told}),
    )


def verdicts(document: dict[str, Any]) -> dict[str, str]:
    return {feature["name"]: feature["verdict"] for feature in document["features"]}


def test_all_leaks_but_the_documented_ones_are_found(document: dict[str, Any]) -> None:
    found = verdicts(document)
    assert {name for name in LEAKS if found[name] == "NONE FOUND"} == MISSES
    assert {name for name in LEAKS if found[name] == "SUSPECT"} == ONLY_TOO_GOOD
    assert len(LEAKS) >= 20


def test_no_honest_feature_is_accused(document: dict[str, Any]) -> None:
    found = verdicts(document)
    assert {name: found[name] for name in CLEAN if found[name] != "NONE FOUND"} == {}
    assert len(CLEAN) >= 20


def test_an_audit_of_honest_features_finds_nothing_and_says_what_it_could_see(
    market: Any, feed: Any, joined: Any, labels: Any
) -> None:
    panel = market(3)
    told = feed(3)
    document = audit_features(
        joined(panel, told),
        lambda table: features(table, CLEAN),
        rule=AuditRule(universe="fixed"),
        evidence=Evidence(labels={"signal": labels(panel)}, feeds={"fed": told}),
    )
    assert document["verdict"] == "NONE FOUND"
    assert document["said"].startswith(
        "No leak found by tests A0, A1, A2, A3, A6, A8, A10, A11, A12, L, S; they would see any look-ahead"
    )
    assert "missed with probability" in document["said"]
