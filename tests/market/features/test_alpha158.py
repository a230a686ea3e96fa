"""Alpha158 against the definitions in plain Python and in polars, and what its windows must not depend on."""

import importlib.util
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest

from assay.market.errors import DataError
from assay.market.features import FeatureRule, alpha158, engineer
from assay.market.features.alpha import BARS, NAMES
from assay.market.features.compute import compute
from assay.market.features.entities import Spans
from assay.market.features.registry import load_family

LENGTHS = (5, 10, 20, 30, 60)
WITH_EPS = ("KMID2", "KUP2", "KLOW2", "KSFT2", "RSV", "SUM")  # the constant in their denominators has a unit
START = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    path = Path(__file__).with_name("alpha158_reference.py")
    spec = importlib.util.spec_from_file_location("alpha158_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def random_bars(seed: int, *, entities: int = 3, rows: int = 140, missing: float = 0.0) -> pl.DataFrame:
    """Walks with ties in close, high and low; entity i has i rows less. Missing values are NaN or null."""
    rng = np.random.default_rng(seed)
    parts = []
    for i in range(entities):
        n = rows - i
        close = np.round(rng.uniform(5, 90) * np.exp(np.cumsum(rng.normal(0, 0.02, n))), 1)
        opens = close * np.exp(rng.normal(0, 0.01, n))
        high = np.ceil(np.maximum(opens, close))
        low = np.floor(np.minimum(opens, close))
        values = {
            "open": opens,
            "high": high,
            "low": low,
            "close": close,
            "volume": np.exp(rng.normal(8, 1, n)),
            "vwap": (high + low + close) / 3,
        }
        for value in values.values():
            value[rng.random(n) < missing] = np.nan
        time = pl.Series([START + timedelta(days=k) for k in range(n)], dtype=pl.Datetime("us", "UTC"))
        parts.append(pl.DataFrame({"entity": f"E{i}", "time": time, **values}))
    bars = pl.concat(parts)
    return bars.with_columns(pl.col("high", "volume").fill_nan(None))


def bits(table: pl.DataFrame) -> dict[str, bytes]:
    return {name: table[name].to_numpy().tobytes() for name in NAMES}


def assert_close(found: pl.DataFrame, expected: pl.DataFrame, *, rtol: float) -> None:
    assert found.columns == expected.columns
    assert found.select("entity", "time").equals(expected.select("entity", "time"))
    for name in NAMES:
        left, right = found[name].to_numpy(), expected[name].to_numpy()
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol * 1e-2, err_msg=name)


def test_columns_come_in_the_order_of_the_definition() -> None:
    factors = alpha158(random_bars(0, rows=70))
    assert factors.columns == ["entity", "time", *NAMES]
    assert len(NAMES) == 158
    assert NAMES[8:15] == ("KSFT2", "OPEN0", "HIGH0", "LOW0", "VWAP0", "ROC5", "ROC10")
    assert NAMES[-6:] == ("VSUMN60", "VSUMD5", "VSUMD10", "VSUMD20", "VSUMD30", "VSUMD60")
    assert set(factors.dtypes[2:]) == {pl.Float32}
    assert factors.select(pl.exclude("entity", "time").has_nulls().any()).row(0) == (False,) * 158


@pytest.mark.parametrize("compat", [None, "qlib"])
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.6])
def test_equals_the_polars_reference(reference: ModuleType, missing: float, compat: str | None) -> None:
    bars = random_bars(3, missing=missing)
    assert_close(alpha158(bars, compat=compat), reference.reference(bars, compat=compat), rtol=1e-5)


class Window:
    """The last d rows at row t of one entity, as lists, with the formulas of the definition in plain Python."""

    def __init__(self, bars: dict[str, list[float]], t: int, d: int) -> None:
        self.bars, self.t, self.d = bars, t, d
        self.rows = range(max(0, t - d + 1), t + 1)

    def known(self, series: Callable[[int], float]) -> list[float]:
        return [x for x in map(series, self.rows) if math.isfinite(x)]

    def now(self, name: str) -> float:
        return self.bars[name][self.t]

    def of(self, name: str) -> Callable[[int], float]:
        return lambda i: self.bars[name][i]

    def ratio(self, name: str) -> Callable[[int], float]:
        return lambda i: divide(self.bars[name][i], self.bars[name][i - 1]) if i else math.nan

    def change(self, name: str) -> Callable[[int], float]:
        return lambda i: self.bars[name][i] - self.bars[name][i - 1] if i else math.nan


def divide(above: float, below: float) -> float:
    return above / below if below else math.nan


def deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan


def correlation(pairs: Sequence[tuple[float, float]]) -> float:
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if len(pairs) < 2:
        return math.nan
    x, y = zip(*pairs, strict=True)
    if any(deviation(side) <= 2e-5 * abs(statistics.mean(side)) for side in (x, y)):
        return math.nan
    return statistics.correlation(x, y)


def quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else math.nan


def rank(w: Window) -> float:
    close, values = w.now("close"), w.known(w.of("close"))
    if not math.isfinite(close):
        return math.nan
    return (sum(x < close for x in values) + (sum(x == close for x in values) + 1) / 2) / len(values)


def position(w: Window, name: str, best: Callable[..., float]) -> float:
    values = [w.bars[name][i] for i in w.rows]
    if not w.known(w.of(name)):
        return math.nan
    return (values.index(best(x for x in values if math.isfinite(x))) + 1) / w.d


def residual(w: Window) -> float:
    points = [(i, w.bars["close"][i]) for i in w.rows if math.isfinite(w.bars["close"][i])]
    if len(points) < 2 or not math.isfinite(w.now("close")):
        return math.nan
    slope, intercept = statistics.linear_regression(*zip(*points, strict=True))
    return (w.now("close") - intercept - slope * w.t) / w.now("close")


def share(w: Window, name: str, sign: int) -> float:
    changes = w.known(w.change(name))
    return sum(max(sign * x, 0) for x in changes) / (sum(map(abs, changes)) + 1e-12) if changes else math.nan


def moves(w: Window) -> list[float]:
    return w.known(lambda i: abs(w.ratio("close")(i) - 1) * w.bars["volume"][i])


def growth(w: Window, i: int) -> float:
    return math.log(w.ratio("volume")(i) + 1)


ORACLES: dict[str, Callable[[Window], float]] = {
    "STD": lambda w: deviation(w.known(w.of("close"))) / w.now("close"),
    "RSQR": lambda w: correlation([(i, w.bars["close"][i]) for i in w.rows]) ** 2,
    "RESI": residual,
    "QTLU": lambda w: quantile(w.known(w.of("close")), 0.8) / w.now("close"),
    "QTLD": lambda w: quantile(w.known(w.of("close")), 0.2) / w.now("close"),
    "RANK": rank,
    "IMAX": lambda w: position(w, "high", max),
    "IMIN": lambda w: position(w, "low", min),
    "CORR": lambda w: correlation([(w.bars["close"][i], math.log(w.bars["volume"][i] + 1)) for i in w.rows]),
    "CORD": lambda w: correlation([(w.ratio("close")(i), growth(w, i)) for i in w.rows]),
    "CNTP": lambda w: sum(w.change("close")(i) > 0 for i in w.rows) / len(w.rows),
    "SUMN": lambda w: share(w, "close", -1),
    "VSUMP": lambda w: share(w, "volume", 1),
    "VMA": lambda w: divide(sum(v := w.known(w.of("volume"))), len(v)) / (w.now("volume") + 1e-12),
    "VSTD": lambda w: deviation(w.known(w.of("volume"))) / (w.now("volume") + 1e-12),
    "WVMA": lambda w: deviation(m := moves(w)) / (divide(sum(m), len(m)) + 1e-12),
}


def awkward_bars() -> pl.DataFrame:
    """Ties, a flat stretch, days without volume and missing values, all of which meet in some window."""
    rng = np.random.default_rng(11)
    n = 90
    close = np.round(20 + np.cumsum(rng.normal(0, 0.3, n)), 1)
    close[30:42] = close[30]
    volume = np.round(rng.uniform(1, 50, n))
    volume[50:57] = 0
    volume[20] = 0
    high, low = close + np.round(rng.uniform(0, 1, n)), close - np.round(rng.uniform(0, 1, n))
    close[[0, 7, 8, 64, 65, 66, 67, 68, 69]] = np.nan
    high[[3, 44, 70, 71, 72, 73, 74, 75]] = np.nan
    volume[[9, 45, 80]] = np.nan
    time = [START + timedelta(days=k) for k in range(n)]
    return pl.DataFrame(
        {"entity": "A", "time": time, "open": low, "high": high, "low": low, "close": close, "volume": volume}
    )


@pytest.mark.parametrize("family", ORACLES)
def test_equals_plain_python_on_awkward_data(family: str) -> None:
    bars = awkward_bars()
    found = alpha158(bars)
    lists = {name: bars[name].to_list() for name in BARS}
    for d in LENGTHS:
        expected = [ORACLES[family](Window(lists, t, d)) for t in range(bars.height)]
        assert 0 < np.isfinite(expected).sum() <= len(expected)
        column = found[f"{family}{d}"].to_numpy()
        np.testing.assert_allclose(column, expected, rtol=1e-5, atol=1e-7, err_msg=f"{family}{d}")


def test_values_are_undefined_only_where_the_definition_says_so() -> None:
    factors = alpha158(random_bars(5, entities=1))
    undefined = {
        name: int(count) for name, count in factors.select(pl.col(NAMES).is_nan().sum()).row(0, named=True).items()
    }
    first_row = {"STD", "BETA", "RSQR", "RESI", "CORR", "SUMP", "SUMN", "SUMD", "VSTD", "VSUMP", "VSUMN", "VSUMD"}
    for name, count in undefined.items():
        family, d = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
        if family == "ROC":
            assert count == int(d)
        else:
            assert count == (2 if family in {"CORD", "WVMA"} else int(family in first_row)), name


def test_a_flat_window_has_no_correlation_and_no_spread() -> None:
    bars = random_bars(1, entities=1).with_columns(pl.lit(7.3).alias(name) for name in ("open", "high", "low", "close"))
    last = alpha158(bars).tail(1)
    for d in LENGTHS:
        assert last[f"STD{d}"].item() == last[f"BETA{d}"].item() == last[f"RESI{d}"].item() == 0
        assert last[f"SUMP{d}"].item() == last["KMID2"].item() == 0
        assert np.isnan([last[f"{family}{d}"].item() for family in ("RSQR", "CORR", "CORD")]).all()


def test_cheap_symbols_keep_their_correlations_unless_qlib_is_wanted() -> None:
    cheap = random_bars(2, entities=1).with_columns(pl.col("open", "high", "low", "close", "vwap") * 2.0**-24)
    assert not alpha158(cheap)["RSQR60"][1:].is_nan().any()
    assert not alpha158(cheap)["CORR60"][1:].is_nan().any()
    like_qlib = alpha158(cheap, compat="qlib")
    assert like_qlib["RSQR60"].is_nan().all()
    assert like_qlib["CORR60"].is_nan().all()
    assert not like_qlib["CORD60"][2:].is_nan().any()


def test_the_unit_of_the_price_does_not_matter() -> None:
    bars = random_bars(4, missing=0.05)
    prices = pl.col("open", "high", "low", "close", "vwap")
    plain, scaled = alpha158(bars), alpha158(bars.with_columns(prices * 2.0**-10))
    exact = [name for name in NAMES if not name.startswith(WITH_EPS)]
    assert len(exact) == 134
    plain_bits, scaled_bits = bits(plain), bits(scaled)
    assert [name for name in exact if plain_bits[name] != scaled_bits[name]] == []
    assert_close(scaled, plain, rtol=1e-6)
    assert_close(alpha158(bars.with_columns(prices * 3.7)), plain, rtol=2e-5)


def test_later_rows_and_longer_histories_do_not_matter() -> None:
    bars = random_bars(6, rows=300, missing=0.05)
    whole = alpha158(bars)
    for days in (1, 7, 64, 129, 250):
        cut = START + timedelta(days=days)
        past = pl.col("time") <= cut
        assert bits(alpha158(bars.filter(past))) == bits(whole.filter(past))
    tail = bars.group_by("entity", maintain_order=True).tail(61)
    last = whole.group_by("entity", maintain_order=True).tail(1)
    assert bits(alpha158(tail).group_by("entity", maintain_order=True).tail(1)) == bits(last)


@pytest.mark.parametrize("days", [0, 1, 30, 200, 298, 299, 400])
def test_rows_since_a_time_equal_those_of_all(days: int) -> None:
    bars = random_bars(6, rows=300, missing=0.05)
    since = START + timedelta(days=days)
    found, expected = alpha158(bars, since=since), alpha158(bars).filter(pl.col("time") >= since)
    assert found.select("entity", "time").equals(expected.select("entity", "time"))
    assert bits(found) == bits(expected)


def test_entities_and_threads_do_not_matter() -> None:
    bars = random_bars(8, entities=9, rows=4000, missing=0.01)
    together = alpha158(bars, threads=1)
    assert bits(together) == bits(alpha158(bars, threads=3))
    for entity in ("E0", "E4", "E8"):
        own = pl.col("entity") == entity
        assert bits(alpha158(bars.filter(own))) == bits(together.filter(own))


def test_the_threads_wanted_are_those_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def serial(work: Callable[..., None], spans: Spans, *, threads: int | None) -> None:
        seen.append(threads)
        work(spans.starts, spans.firsts, spans.stops)

    monkeypatch.setattr("assay.market.features.alpha.in_parallel", serial)
    alpha158(random_bars(0, rows=9), threads=3)
    assert seen == [3]


def test_order_of_rows_and_ways_to_be_missing_do_not_matter() -> None:
    bars = random_bars(9, missing=0.1)
    expected = alpha158(bars)
    assert bits(alpha158(bars.sample(fraction=1, shuffle=True, seed=1))) == bits(expected)
    numbers = pl.selectors.float()
    assert bits(alpha158(bars.with_columns(numbers.fill_nan(None)))) == bits(expected)
    assert bits(alpha158(bars.with_columns(numbers.fill_null(float("-inf")).fill_nan(float("inf"))))) == bits(expected)


def test_narrow_numbers_are_taken() -> None:
    bars = random_bars(10).with_columns(pl.selectors.float().cast(pl.Float32))
    assert bits(alpha158(bars)) == bits(alpha158(bars.with_columns(pl.selectors.float().cast(pl.Float64))))


def test_vwap_comes_from_the_best_source_there_is() -> None:
    bars = random_bars(12, entities=1).with_columns(quote_volume=pl.col("volume") * 31.0)
    close = bars["close"].to_numpy()
    for table, vwap in (
        (bars, bars["vwap"].to_numpy()),
        (bars.drop("vwap"), 31.0),
        (
            bars.drop("vwap", "quote_volume"),
            bars.select((pl.col("high") + pl.col("low") + pl.col("close")) / 3).to_numpy()[:, 0],
        ),
    ):
        np.testing.assert_allclose(alpha158(table)["VWAP0"].to_numpy(), vwap / close, rtol=1e-6)


@pytest.mark.parametrize("column", ["entity", "time", *BARS])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(DataError, match=f"bars for Alpha158: lack the column {column}\n"):
        alpha158(random_bars(0, entities=1, rows=5).drop(column))


def test_no_bars_are_an_error() -> None:
    with pytest.raises(DataError, match="bars for Alpha158: have no rows"):
        alpha158(random_bars(0, entities=1, rows=5).clear())


def test_two_bars_at_one_time_are_an_error() -> None:
    bars = random_bars(0, entities=2, rows=5)
    with pytest.raises(DataError, match="2 bars share their entity and time") as caught:
        alpha158(pl.concat([bars, bars[7:8]]))
    assert "E1" in str(caught.value)


def test_a_bar_without_a_time_is_an_error() -> None:
    bars = random_bars(0, entities=1, rows=5)
    with pytest.raises(DataError, match="a missing entity or time"):
        alpha158(bars.with_columns(pl.when(pl.int_range(pl.len()) != 2).then("time").alias("time")))


def test_importing_the_package_does_not_import_numba() -> None:
    code = "import sys, assay.market.features.families.alpha158; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_family_gives_the_same_values_once_windows_are_full(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=3, bars=150)
    features, description = engineer(panel, FeatureRule(families=("alpha158",)))
    assert features.columns == ["entity", "time", *NAMES]
    assert description["disabled"] == []
    expected = alpha158(panel)
    for feature in load_family("alpha158"):
        for entity, part in features.partition_by("entity", as_dict=True).items():
            known = expected.filter(entity=entity[0])[feature.name].to_list()
            warm = part[feature.name].to_list()
            assert warm[: feature.warm_up] == [None] * feature.warm_up
            assert warm[feature.warm_up :] == pytest.approx(known[feature.warm_up :], rel=1e-6), feature.name


def test_the_family_counts_back_as_far_as_its_definitions_do() -> None:
    warm_up = {feature.name: feature.warm_up for feature in load_family("alpha158")}
    assert len(warm_up) == 158
    assert [warm_up[name] for name in ("KMID", "VWAP0", "MA5", "RSQR60", "VMA20")] == [0, 0, 4, 59, 19]
    assert [warm_up[name] for name in ("ROC5", "CORD20", "CNTD10", "SUMD60", "WVMA30", "VSUMP5")] == [
        5,
        20,
        10,
        60,
        30,
        5,
    ]


def test_the_sources_of_the_family_are_what_its_features_read() -> None:
    bars = random_bars(13, entities=1)
    plain = bits(alpha158(bars))
    noise = np.random.default_rng(0).uniform(0.5, 2, bars.height)
    for source in (*BARS, "vwap"):
        changed = bits(alpha158(bars.with_columns(pl.col(source) * noise)))
        moved = {name for name in NAMES if changed[name] != plain[name]}
        assert moved == {feature.name for feature in load_family("alpha158") if source in feature.sources}, source


def test_without_vwap_one_factor_of_the_family_is_disabled(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(3, entities=2, bars=80).drop("vwap")
    features, description = engineer(panel, FeatureRule(families=("alpha158",)))
    assert description["disabled"] == [{"name": "VWAP0", "reason": "the panel has no column vwap"}]
    assert features.width == 159


def test_new_rows_of_the_family_equal_those_of_all(helpers: SimpleNamespace) -> None:
    panel = helpers.market_panel(4, entities=3, bars=150)
    since = panel["time"].unique().sort()[-3]
    family = load_family("alpha158")
    for wanted in (family, family[15:18]):
        whole = compute(panel, wanted, min_entities=2)
        assert (
            helpers.different(
                compute(panel, wanted, min_entities=2, since=since), whole.filter(pl.col("time") >= since)
            )
            == []
        )
