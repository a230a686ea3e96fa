import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.market.conformal import IntervalRule, bound, interval
from assay.market.conformal.path import follow
from assay.market.errors import DataError

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIME = pl.Datetime("us", "UTC")


def rule(**values: Any) -> IntervalRule:
    return IntervalRule(**({"replications": 50, "min_rows": 20} | values))


def make(
    bars: int = 400, entities: int = 2, span: int = 3, seed: int = 0, draw: Callable[..., np.ndarray] | None = None
) -> pl.DataFrame:
    """One model ``m`` whose errors have the volatility ``scale`` unless ``draw`` gives them (bars, entities)."""
    rng = np.random.default_rng(seed)
    scale = np.exp(0.5 * rng.standard_normal((bars, entities)))
    error = draw(rng, bars, entities) if draw else scale * rng.standard_normal((bars, entities))
    bar = np.tile(np.arange(bars), entities)
    times = pl.Series([START + HOUR * int(b) for b in bar], dtype=TIME)
    pred = rng.standard_normal(bars * entities)
    table = pl.DataFrame(
        {
            "model": "m",
            "entity": np.repeat([f"E{e}" for e in range(entities)], bars),
            "time": times,
            "label_end": times + span * HOUR,
            "fold": pl.Series(bar * 5 // bars + 1, dtype=pl.Int32),
            "train_end": times - HOUR * bars,
            "forward_return": pred + error.T.ravel(),
            "scale": scale.T.ravel(),
            "y_true": pred + error.T.ravel(),
            "y_pred": pred,
        }
    )
    known = pl.Series(bar + span < bars)
    return table.with_columns(pl.when(known).then(n).alias(n) for n in ("label_end", "forward_return", "y_true"))


def half(table: pl.DataFrame) -> np.ndarray:
    return ((table["upper"] - table["lower"]) / 2).fill_null(np.nan).to_numpy()


def split(scores: np.ndarray, alpha: float) -> float:
    """Threshold of split conformal prediction: the k-th smallest score, k = ceil((n + 1)(1 - alpha)) (Vovk 2005)."""
    place = (len(scores) + 1) * (1.0 - alpha)
    k = math.ceil(place - 1e-9 * max(1.0, abs(place)))
    if k > len(scores):
        return math.inf
    return -math.inf if k < 1 else float(np.sort(scores)[k - 1])


def slow_walk(table: pl.DataFrame, rule: IntervalRule, horizon: int) -> tuple[list[float], list[float]]:
    """Level and threshold of each timestamp, by plain loops over a list of everything that is known."""
    times = sorted(set(table["time"]))
    size = {t: table.filter(pl.col("time") == t).height for t in times}
    rows = [
        (r["label_end"], times.index(r["time"]), abs(r["y_true"] - r["y_pred"]) / r["scale"])
        for r in table.iter_rows(named=True)
        if r["y_true"] is not None
    ]
    alpha, used, limits = 1 - rule.coverage, list[float](), list[float]()
    for number, now in enumerate(times):
        for end, own, score in rows:
            if (times[number - 1] if number else START) < end <= now and not math.isnan(limits[own]):
                alpha += rule.rate / horizon * (1 - rule.coverage - (score > limits[own])) / size[times[own]]
        known = [(own, score) for end, own, score in rows if end <= now]
        newest = max((own for own, _ in known), default=0)
        past = np.array([score for own, score in known if own > newest - rule.window])
        used.append(alpha)
        limits.append(split(past, alpha) if len(past) >= rule.min_rows else math.nan)
    return used, limits


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.sampled_from([10, 25, 1000]),
    st.sampled_from([0.0, 0.1, 0.9]),
    st.integers(1, 4),
)
def test_walk_is_that_of_a_slow_loop(seed: int, entities: int, window: int, rate: float, horizon: int) -> None:
    """Labels end at different times, some are missing, some errors are equal."""
    rng = np.random.default_rng(seed)
    table = make(bars=60, entities=entities, seed=seed)
    steps = pl.Series(rng.integers(1, 6, table.height))
    lost = pl.Series(rng.random(table.height) < 0.2)
    table = table.with_columns(
        label_end=pl.col("time") + HOUR * steps,
        scale=pl.lit(0.5),
        y_true=pl.col("y_pred") + pl.Series(rng.integers(0, 5, table.height) / 4),
    ).with_columns(pl.when(~lost).then(name).alias(name) for name in ("label_end", "y_true"))
    asked = rule(window=window, rate=rate, min_rows=15)
    path = follow(table, asked, horizon=horizon)
    level, threshold = slow_walk(table, asked, horizon)
    at = (table["time"].rank("dense") - 1).to_numpy()
    assert path.level == pytest.approx(np.array(level)[at])
    assert path.threshold == pytest.approx(np.array(threshold)[at], nan_ok=True)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 400), st.integers(1, 99))
def test_split_takes_the_kth_smallest_without_rounding_up(n: int, percent: int) -> None:
    k = math.ceil((n + 1) * (1 - Fraction(percent, 100)))
    assert split(np.arange(1.0, n + 1), percent / 100) == (k if k <= n else math.inf)


@pytest.mark.parametrize(("n", "alpha", "k"), [(9, 0.1, 9), (19, 0.05, 19), (99, 0.01, 99), (999, 0.1, 900)])
def test_split_at_exact_multiples(n: int, alpha: float, k: int) -> None:
    assert split(np.arange(1.0, n + 1), alpha) == k


def test_the_walk_does_not_round_up_either() -> None:
    """1 - (1 - 0.05) is less than 0.05, so 100 times what is left of 1 comes out above 5: the fifth is meant."""
    table = make(bars=110, entities=1, span=1).with_columns(scale=pl.lit(1.0))
    path = follow(table, rule(coverage=0.05, rate=0.0, min_rows=99), horizon=1)
    errors = np.abs((table["y_true"] - table["y_pred"]).to_numpy())
    assert (99 + 1) * (1 - (1 - 0.05)) > 5
    assert path.threshold[99] == np.sort(errors[:99])[4]


def test_split_at_the_ends() -> None:
    scores = np.array([3.0, 1.0, 2.0])
    assert split(scores, 0.0) == split(scores, -0.3) == split(np.array([]), 0.5) == math.inf
    assert split(scores, 1.0) == split(scores, 1.2) == -math.inf
    assert split(scores, 0.5) == 2.0


def test_coverage_of_split_given_500_scores_has_the_known_spread() -> None:
    """Beta(n + 1 - l, l): 5 to 95 % are .877 to .921. For uniform scores the threshold is the coverage itself."""
    rng = np.random.default_rng(0)
    coverage = [split(rng.random(500), 0.1) for _ in range(3000)]
    assert np.quantile(coverage, [0.05, 0.95]) == pytest.approx([0.877, 0.921], abs=0.002)


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.2])
@pytest.mark.parametrize("coverage", [0.9, 0.6])
def test_share_of_misses_keeps_the_bound_of_gibbs_and_candes(rate: float, coverage: float) -> None:
    """Whatever comes: here errors that grow and collapse, so that nothing past is like what follows."""

    def hostile(rng: np.random.Generator, bars: int, entities: int) -> np.ndarray:
        return np.exp(8 * np.sin(np.arange(bars) / 70))[:, None] * rng.standard_normal((bars, entities))

    table = make(bars=1500, entities=1, span=1, draw=hostile).with_columns(scale=pl.lit(1.0))
    _, document = bound(table, rule(rate=rate, coverage=coverage), horizon=1)
    told = document["models"]["m"]
    limit = (max(coverage, 1 - coverage) + rate) / (told["rows"] * rate)
    assert abs(told["coverage"] - coverage) <= limit
    assert limit < 0.16


def stochastic_volatility(rng: np.random.Generator, bars: int, entities: int) -> np.ndarray:
    steps = rng.standard_normal((bars, entities))
    log_vol = np.zeros((bars, entities))
    for t in range(1, bars):
        log_vol[t] = 0.985 * log_vol[t - 1] + np.sqrt(1 - 0.985**2) * 0.5 * steps[t]
    return np.exp(log_vol) * rng.standard_normal((bars, entities))


def test_on_stochastic_volatility_adaptive_levels_hold_where_fixed_ones_do_not() -> None:
    """Per 1000 bars: adaptive .895 to .916; split from one calibration set of 500 misses by far more."""
    adaptive, fixed = [], []
    for seed in range(40):
        table = make(bars=1501, entities=1, span=1, seed=seed, draw=stochastic_volatility)
        table = table.with_columns(scale=pl.lit(1.0))
        path = follow(table, rule(min_rows=500), horizon=1)
        judged = path.scored & ~np.isnan(path.threshold)
        adaptive.append(path.covered[judged].mean())
        error = np.abs((table["y_true"] - table["y_pred"]).to_numpy())
        fixed.append((error[500:1500] <= split(error[:500], 0.1)).mean())
    assert np.quantile(adaptive, [0.05, 0.95]) == pytest.approx([0.895, 0.916], abs=0.012)
    assert np.quantile(fixed, 0.05) < 0.84
    assert np.quantile(fixed, 0.95) > 0.93


def test_dividing_by_volatility_evens_out_calm_and_wild_times() -> None:
    table = make(bars=3000, entities=1)
    even = bound(table, rule(), horizon=3)[1]["models"]["m"]["by_volatility"]
    assert [one["name"] for one in even] == ["low", "middle", "high"]
    assert [one["coverage"] for one in even] == pytest.approx([0.9] * 3, abs=0.03)
    blind = follow(table.with_columns(scale=pl.lit(1.0)), rule(), horizon=3)
    judged = blind.scored & ~np.isnan(blind.threshold)
    scale = table["scale"].to_numpy()
    third = np.quantile(scale, [1 / 3, 2 / 3])
    calm, wild = (blind.covered[judged & rows].mean() for rows in (scale < third[0], scale > third[1]))
    assert calm > 0.97
    assert wild < 0.83


def test_nothing_later_is_read() -> None:
    table = make(bars=300, span=4)
    now = START + HOUR * 180
    unknown = (pl.col("label_end") > now) | pl.col("label_end").is_null()
    other = table.with_columns(
        pl.when(unknown).then(99.0).otherwise("y_true").alias("y_true"),
        pl.when(pl.col("time") > now).then(7.0).otherwise("scale").alias("scale"),
    )
    upto = pl.col("time") <= now
    first, second = (bound(t, rule(), horizon=4)[0].filter(upto) for t in (table, other))
    assert first.select("lower", "upper").equals(second.select("lower", "upper"))
    assert first["lower"].is_not_null().sum() > 300
    assert (
        bound(table.filter(upto), rule(), horizon=4)[0].select("lower", "upper").equals(first.select("lower", "upper"))
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(20, 50))
def test_whether_and_when_a_label_will_come_is_not_known_before(seed: int, cut: int) -> None:
    """From the cut on everything is replaced: some labels come that did not, some never come, all end elsewhere."""
    rng = np.random.default_rng(seed)
    now = START + HOUR * cut
    table = make(bars=60, entities=3, seed=seed)
    table = table.with_columns(label_end=pl.col("time") + HOUR * pl.Series(rng.integers(1, 9, table.height)))

    def drawn() -> pl.DataFrame:
        ends = pl.max_horizontal("time", pl.lit(now)) + HOUR * pl.Series(rng.integers(1, 9, table.height))
        values = {"label_end": ends, "y_true": pl.Series(rng.standard_normal(table.height))}
        lost = pl.Series(rng.random(table.height) < 0.4)
        open_still = ~(pl.col("label_end") <= now).fill_null(value=False)
        return table.with_columns(
            pl.when(open_still).then(pl.when(~lost).then(value)).otherwise(name).alias(name)
            for name, value in values.items()
        )

    asked = rule(window=10, rate=0.5, min_rows=15)
    one, other = (bound(drawn(), asked, horizon=1)[0].filter(pl.col("time") <= now) for _ in range(2))
    assert one["lower"].equals(other["lower"])
    assert one["upper"].equals(other["upper"])


def test_a_label_is_known_at_the_time_it_ends() -> None:
    """With 20 scores needed and labels of 3 bars, two entities have their first interval at bar 12."""
    out, document = bound(make(span=3), rule(min_rows=20), horizon=3)
    begun = out.filter(pl.col("lower").is_not_null())["time"].min()
    assert begun == START + HOUR * (9 + 3)
    assert document["models"]["m"]["waiting"] == 2 * 12


def test_level_moves_by_the_rate_per_label_span() -> None:
    """Errors that grow always exceed their median: the level falls by rate / horizon * coverage per timestamp."""
    growing = make(bars=60, entities=1, span=1).with_columns(
        y_true=pl.col("y_pred") + pl.int_range(pl.len()) + 1.0, scale=pl.lit(1.0)
    )
    for horizon in (1, 5):
        path = follow(growing, rule(coverage=0.5, rate=0.02, min_rows=10), horizon=horizon)
        assert np.diff(path.level)[15:25] == pytest.approx(-0.02 / horizon * 0.5)
    assert np.ptp(follow(growing, rule(rate=0.0), horizon=1).level) == 0.0


def test_infinite_intervals_are_null_and_cover() -> None:
    growing = make(bars=200, entities=1, span=1).with_columns(
        y_true=pl.col("y_pred") + pl.int_range(pl.len()) + 1.0, scale=pl.lit(1.0)
    )
    out, document = bound(growing, rule(rate=0.05), horizon=1)
    told = document["models"]["m"]
    path = follow(growing, rule(rate=0.05), horizon=1)
    assert told["infinite"] == np.isinf(path.threshold).sum() > 10
    assert out["lower"].null_count() == told["waiting"] + told["infinite"]
    assert path.covered[np.isinf(path.threshold)].all()
    assert told["coverage"] == pytest.approx(path.covered[path.scored & ~np.isnan(path.threshold)].mean())
    finite = half(out)[out["lower"].is_not_null().to_numpy()]
    assert told["mean_width"] == pytest.approx(2 * finite.mean())
    assert told["level"]["min"] == pytest.approx(path.level.min())
    assert told["level"]["min"] < 0


def test_at_level_one_nothing_lies_inside_and_both_ends_are_the_forecast() -> None:
    quiet = make(bars=300, entities=1, span=1).with_columns(y_true=pl.col("y_pred") + 1.0, scale=pl.lit(1.0))
    out, _ = bound(quiet, rule(coverage=0.2, rate=0.9), horizon=1)
    path = follow(quiet, rule(coverage=0.2, rate=0.9), horizon=1)
    empty = np.isneginf(path.threshold)
    assert empty.any()
    assert not path.covered[empty].any()
    assert (half(out)[empty] == 0).all()


def test_coverage_is_counted_by_group() -> None:
    table = make(bars=2000, entities=3, seed=4)
    out, document = bound(table, rule(), horizon=3)
    told = document["models"]["m"]
    judged = out.filter(pl.col("lower").is_not_null() & pl.col("y_true").is_not_null()).with_columns(
        inside=pl.col("y_true").is_between("lower", "upper"), month=pl.col("time").dt.strftime("%Y-%m")
    )
    assert told["rows"] == judged.height
    assert told["coverage"] == pytest.approx(judged["inside"].mean())
    assert told["low"] < told["coverage"] < told["high"]
    for group, by in (("by_entity", "entity"), ("by_month", "month")):
        expected = judged.group_by(by).agg(pl.len().alias("rows"), pl.col("inside").mean()).sort(by)
        assert [one["name"] for one in told[group]] == expected[by].to_list()
        assert [one["rows"] for one in told[group]] == expected["rows"].to_list()
        assert [one["coverage"] for one in told[group]] == pytest.approx(expected["inside"].to_list())
    assert sum(one["rows"] for one in told["by_volatility"]) == judged.height
    assert all(one["low"] <= one["coverage"] <= one["high"] for one in told["by_month"])


def test_a_missing_scale_is_replaced_by_the_median_of_earlier_ones() -> None:
    table = make(bars=200, entities=2)
    bar = pl.col("time").rank("dense") - 1
    one = (bar == 160) & (pl.col("entity") == "E1")
    holes = table.with_columns(pl.when(bar == 150).then(0.0).when((bar != 170) & ~one).then("scale").alias("scale"))
    out, document = bound(holes, rule(window=30), horizon=3)
    assert document["models"]["m"]["scale_replaced"] == 5
    path = follow(holes, rule(window=30), horizon=3)
    for number in (150, 160, 170):
        rows = holes.select((bar == number) & ~(pl.col("scale") > 0).fill_null(value=False)).to_series().to_numpy()
        assert rows.sum() == (1 if number == 160 else 2)
        past = holes.filter(bar < number, pl.col("scale") > 0).sort("time", "entity")["scale"].tail(30).median()
        assert path.scale[rows] == pytest.approx(past)
        assert half(out)[rows] == pytest.approx(path.threshold[rows] * past)


def test_without_any_scale_there_is_no_interval() -> None:
    table = make(bars=60).with_columns(pl.lit(None, dtype=pl.Float64).alias("scale"))
    out, document = bound(table, rule(), horizon=3)
    told = document["models"]["m"]
    assert out["lower"].null_count() == out.height
    assert (told["coverage"], told["by_entity"], told["scale_replaced"]) == (None, [], 0)
    low, high = interval(document["final"]["m"], np.array([0.1]), np.array([np.nan]))
    assert np.isnan([low, high]).all()


def test_what_serves_continues_the_walk() -> None:
    """A row decided once all labels are known gets the interval that the final state gives."""
    table = make(bars=200, entities=1, span=3)
    last = table.tail(1).with_columns(time=pl.col("time") + 10 * HOUR, scale=pl.lit(2.5), y_pred=pl.lit(0.7))
    out, _ = bound(pl.concat([table, last]), rule(), horizon=3)
    state = json.loads(json.dumps(bound(table, rule(), horizon=3)[1]["final"]["m"]))
    low, high = interval(state, np.array([0.7, 0.7]), np.array([2.5, 0.0]))
    assert (low[0], high[0]) == pytest.approx((out["lower"][-1], out["upper"][-1]))
    assert high[1] - 0.7 == pytest.approx(state["threshold"] * table["scale"].median())
    assert state["coverage"] == 0.9


@pytest.mark.parametrize("threshold", [None, 0.0, 1.5])
def test_interval_of_a_state(threshold: float | None) -> None:
    low, high = interval({"threshold": threshold, "median_scale": 2.0}, np.array([1.0, 1.0]), np.array([0.1, np.nan]))
    width = np.nan if threshold is None else threshold
    assert low == pytest.approx([1 - 0.1 * width, 1 - 2 * width], nan_ok=True)
    assert high == pytest.approx([1 + 0.1 * width, 1 + 2 * width], nan_ok=True)


def test_an_infinite_or_missing_state_gives_no_interval() -> None:
    growing = make(bars=25, entities=1, span=1).with_columns(
        y_true=pl.col("y_pred") + pl.int_range(pl.len()).cast(pl.Float64) ** 2, scale=pl.lit(1.0)
    )
    state = bound(growing, rule(rate=0.9), horizon=1)[1]["final"]["m"]
    assert (state["infinite"], state["threshold"]) == (True, None)
    assert np.isnan(interval(state, np.array([1.0]), np.array([1.0]))[0]).all()
    assert np.isnan(interval(None, np.array([1.0]), np.array([1.0]))[0]).all()


def test_parameters_matter() -> None:
    table = make(bars=600)
    narrow, wide = (bound(table, rule(coverage=c), horizon=3)[1]["models"]["m"]["mean_width"] for c in (0.5, 0.95))
    assert narrow < 0.5 * wide
    short, long = (half(bound(table, rule(window=w), horizon=3)[0])[500] for w in (20, 1000))
    assert short != long
    early, late = (bound(table, rule(min_rows=m), horizon=3)[1]["models"]["m"]["waiting"] for m in (20, 200))
    assert early < late
    methods = [bound(table, rule(rate=rate), horizon=3)[1]["method"] for rate in (0.02, 0.0)]
    assert [method.split()[0] for method in methods] == ["adaptive", "split"]


def test_intervals_of_the_coverage_follow_their_parameters() -> None:
    def in_runs(rng: np.random.Generator, bars: int, entities: int) -> np.ndarray:
        return np.repeat(rng.standard_normal((bars // 10, entities)), 10, axis=0)

    table = make(bars=600, draw=in_runs).with_columns(scale=pl.lit(1.0))

    def low(horizon: int = 3, **values: Any) -> float:
        return bound(table, rule(**values), horizon=horizon)[1]["models"]["m"]["low"]

    first = low(seed=1)
    assert first == low(seed=1)
    assert first != low(seed=2)
    assert first != low(seed=1, replications=90)
    assert first > low(seed=1, confidence=0.99)
    assert low(rate=0.0) != low(rate=0.0, horizon=200)  # with longer blocks


def test_models_do_not_know_each_other_and_rows_stay_where_they_are() -> None:
    first, second = make(seed=1), make(seed=2).with_columns(pl.lit("other").alias("model")).filter(entity="E1")
    out, document = bound(pl.concat([second, first]), rule(), horizon=3)
    alone = bound(first, rule(), horizon=3)
    assert out.filter(model="m").equals(alone[0])
    assert document["models"]["m"] == alone[1]["models"]["m"]
    assert out.drop("lower", "upper").equals(pl.concat([second, first]))
    assert document["kind"] == "regression"
    assert document["fits"] == []


def test_the_order_of_rows_does_not_matter() -> None:
    table = make()
    mixed = table.sample(fraction=1.0, shuffle=True, seed=3)
    assert bound(mixed, rule(), horizon=3)[0].sort("entity", "time").equals(bound(table, rule(), horizon=3)[0])


def test_tables_without_labels_or_rows_are_told_of_in_json() -> None:
    table = make(bars=50)
    blank = table.with_columns(pl.lit(None, dtype=table.schema[n]).alias(n) for n in ("label_end", "y_true"))
    for given_table in (blank, table.head(0)):
        out, document = bound(given_table, rule(), horizon=3)
        assert out.height == given_table.height
        assert out.schema["lower"] == out.schema["upper"] == pl.Float64
        json.dumps(document, allow_nan=False)


def test_a_missing_forecast_is_refused() -> None:
    table = make(bars=50).with_columns(pl.when(pl.int_range(pl.len()) != 7).then("y_pred").alias("y_pred"))
    with pytest.raises(DataError, match="1 of 100 rows without"):
        bound(table, rule(), horizon=3)
