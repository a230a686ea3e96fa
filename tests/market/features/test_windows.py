"""Window verbs: against slow formulas, and to the last bit whatever lies before the window or beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.market.features.entities as entities
from assay.market.features import expressions as say
from assay.market.features import windows
from assay.market.features.entities import spans_of
from assay.market.features.feature import Expression
from assay.market.features.row_wise import is_row_wise
from assay.market.features.windows import WINDOWS, with_windows

X, Y = pl.col("x"), pl.col("y")
VERBS: dict[str, tuple[Callable[[int], pl.Expr], Callable[[Any, Any], Any]]] = {
    "mean": (lambda n: say.mean(X, n), lambda x, _: x.mean()),
    "linear mean": (lambda n: say.linear_mean(X, n), lambda x, _: np.average(x, weights=np.arange(len(x)) + 1)),
    "total": (lambda n: say.total(X, n), lambda x, _: x.sum()),
    "variance": (lambda n: say.variance(X, n), lambda x, _: x.var(ddof=1)),
    "variance of a population": (lambda n: say.variance(X, n, ddof=0), lambda x, _: x.var()),
    "deviation": (lambda n: say.deviation(X, n), lambda x, _: x.std(ddof=1)),
    "deviation of a population": (lambda n: say.deviation(X, n, ddof=0), lambda x, _: x.std()),
    "absolute deviation": (lambda n: say.absolute_deviation(X, n), lambda x, _: np.abs(x - x.mean()).mean()),
    "z-score": (lambda n: say.zscore(X, n), lambda x, _: (x[-1] - x.mean()) / x.std(ddof=1)),
    "skewness": (lambda n: say.skewness(X, n), lambda x, _: scipy.stats.skew(x)),
    "kurtosis": (lambda n: say.kurtosis(X, n), lambda x, _: scipy.stats.kurtosis(x)),
    "covariance": (lambda n: say.covariance(X, Y, n), lambda x, y: np.cov(x, y)[0, 1]),
    "covariance of a population": (lambda n: say.covariance(X, Y, n, ddof=0), lambda x, y: np.cov(x, y, ddof=0)[0, 1]),
    "correlation": (lambda n: say.correlation(X, Y, n), lambda x, y: np.corrcoef(x, y)[0, 1]),
    "slope": (lambda n: say.slope(X, n), lambda x, _: np.polyfit(np.arange(len(x)), x, 1)[0]),
    "r squared": (lambda n: say.r_squared(X, n), lambda x, _: np.corrcoef(np.arange(len(x)), x)[0, 1] ** 2),
}
LENGTHS = (3, 7, 30)
ALL = [verb(n).alias(f"{name} {n}") for name, (verb, _) in VERBS.items() for n in LENGTHS]


def series(seed: int, rows: tuple[int, ...] = (80, 1, 45), *, holes: float = 0.0) -> pl.DataFrame:
    """Entities of some rows each; ``holes`` is the share of missing and of infinite values."""
    rng = np.random.default_rng(seed)
    count = sum(rows)
    x, y = 5 + np.cumsum(rng.normal(0, 1, count)), rng.normal(100, 3, count)
    for column in (x, y):
        column[rng.random(count) < holes] = np.nan
        column[rng.random(count) < holes / 2] = np.inf
    names = np.repeat([f"E{i}" for i in range(len(rows))], rows)
    return pl.DataFrame({"entity": names, "x": x, "y": y}).with_columns(pl.col("x", "y").fill_nan(None))


def evaluate(table: pl.DataFrame, *expressions: pl.Expr, threads: int | None = None) -> pl.DataFrame:
    names = {name for one in expressions for name in one.meta.root_names()}
    known = with_windows(table, names, spans_of(table["entity"]), threads=threads)
    return known.select(one.over("entity") for one in expressions)


def bits(table: pl.DataFrame) -> bytes:
    return table.fill_null(np.inf).to_numpy().tobytes()


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_agrees_with_the_slow_formula(name: str) -> None:
    verb, formula = VERBS[name]
    table = series(1, holes=0.004)
    x, y = (table[column].fill_null(np.nan).to_numpy() for column in ("x", "y"))
    reads_y = "y" in verb(3).meta.root_names()[0]
    start = table.select(pl.int_range(pl.len()).over("entity"))["literal"].to_numpy()
    got = evaluate(table, *[verb(n).alias(str(n)) for n in LENGTHS])
    defined = 0
    for n in LENGTHS:
        for row in range(table.height):
            window = slice(row + 1 - n, row + 1)
            whole = (
                start[row] >= n - 1 and np.isfinite(x[window]).all() and (not reads_y or np.isfinite(y[window]).all())
            )
            expected = pytest.approx(formula(x[window], y[window]), rel=1e-9, abs=1e-9) if whole else None
            assert got[str(n)][row] == expected, (n, row)
            defined += whole
    assert defined > 100


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 79), holes=st.sampled_from([0.0, 0.02]))
def test_what_lies_before_a_window_changes_no_bit(seed: int, cut: int, holes: float) -> None:
    table = series(seed, (80,), holes=holes)
    whole, late = evaluate(table, *ALL)[cut:], evaluate(table[cut:], *ALL)
    for n in LENGTHS:
        names = [name for name in whole.columns if name.endswith(f" {n}")]
        assert bits(whole.select(names)[n - 1 :]) == bits(late.select(names)[n - 1 :])


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 79))
def test_what_comes_later_changes_no_bit(seed: int, cut: int) -> None:
    table = series(seed, (80,), holes=0.01)
    assert bits(evaluate(table, *ALL)[:cut]) == bits(evaluate(table[:cut], *ALL))


def test_a_shock_leaves_no_trace_once_it_has_left_the_window() -> None:
    table = series(3, (80,))
    shocked = table.with_columns(x=pl.when(pl.int_range(pl.len()) == 20).then(1e15).otherwise("x"))
    assert bits(evaluate(table, *ALL)[50:]) == bits(evaluate(shocked, *ALL)[50:])
    assert bits(evaluate(table, *ALL)[:50]) != bits(evaluate(shocked, *ALL)[:50])


def test_values_do_not_depend_on_threads_or_on_how_the_table_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    table = series(4, (300, 20, 700, 5, 90, 1200), holes=0.003)
    alone = bits(evaluate(table, *ALL, threads=1))
    monkeypatch.setattr(entities, "PIECE", 64)
    assert [bits(evaluate(table, *ALL, threads=threads)) for threads in (1, 2, 5)] == [alone] * 3


def test_doubling_scales_without_rounding() -> None:
    table = series(5, holes=0.01)
    scaled = table.with_columns(pl.col("x", "y") * 2.0**40)
    free = [verb(n).alias(f"{name} {n}") for name, (verb, _) in VERBS.items() for n in LENGTHS if name in SCALE_FREE]
    assert bits(evaluate(table, *free)) == bits(evaluate(scaled, *free))
    assert bits(evaluate(table, say.mean(X, 7)) * 2.0**40) == bits(evaluate(scaled, say.mean(X, 7)))


SCALE_FREE = {"z-score", "skewness", "kurtosis", "correlation", "r squared"}


@pytest.mark.parametrize("level", [0.0, 0.1, 1e9])
def test_a_flat_window_has_no_spread_to_divide_by(level: float) -> None:
    table = series(6, (40,)).with_columns(x=pl.lit(level))
    noisy = table.with_columns(x=level * (1 + 1e-14 * (pl.int_range(pl.len()) % 3)))
    for one in (table, noisy):
        got = evaluate(one, *ALL)[35:]
        undefined = {name for name in VERBS if got[f"{name} 30"].null_count() == got.height}
        assert undefined == SCALE_FREE | {"deviation", "deviation of a population"}
    still = evaluate(table, say.variance(X, 30), say.slope(X, 30).alias("slope"))[35:]
    assert set(still.rows()) == {(0.0, 0.0)}


def test_windows_of_expressions_of_windows() -> None:
    table = series(7, (60, 50))
    steps = X / say.mean(X, 5) - 1
    got = evaluate(table, say.deviation(steps - steps.shift(1), 10).alias("nested"))["nested"]
    steps_alone = table.select((X / X.rolling_mean(5) - 1).over("entity"))["x"]
    slow = pl.DataFrame({"entity": table["entity"], "x": steps_alone}).select(X.diff().rolling_std(10).over("entity"))[
        "x"
    ]
    np.testing.assert_allclose(got.to_numpy(), slow.to_numpy(), rtol=1e-8)
    assert got.null_count() == 2 * 14


def test_sources_are_found_behind_windows() -> None:
    nested = say.total(say.mean(X * pl.col("volume"), 4) - Y.shift(2), 3) / pl.col("close")
    assert Expression(nested).columns == ["close", "volume", "x", "y"]


def test_the_same_window_is_registered_and_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = say.mean((X - Y).abs(), 9)
    before = len(WINDOWS)
    second = say.mean((X - Y).abs(), 9)
    others = say.mean((X - Y).abs(), 8), say.deviation((X - Y).abs(), 9), say.deviation((X - Y).abs(), 9, ddof=0)
    assert first.meta.eq(second)
    assert len(WINDOWS) == before + 3
    walks = []
    real = windows._walk
    monkeypatch.setattr(windows, "_walk", lambda *arguments: walks.append(len(arguments[2])) or real(*arguments))
    evaluate(
        series(8, (30,)), first.alias("a"), second.alias("b"), *[one.alias(str(i)) for i, one in enumerate(others)]
    )
    assert walks == [4]


def test_windows_are_read_on_the_wanted_rows_and_those_behind_them_on_all() -> None:
    table = series(9, (60, 50))
    wanted = np.array(table.select(pl.int_range(pl.len()).over("entity"))["literal"] >= 48)
    inner = say.mean(X, 5)
    outer = say.total(inner - X, 20)
    got = with_windows(table, outer.meta.root_names(), spans_of(table["entity"], wanted))
    assert got[outer.meta.output_name()].is_not_null().to_numpy().tolist() == wanted.tolist()
    assert got[inner.meta.output_name()].null_count() == 2 * 4
    full = with_windows(table, outer.meta.root_names(), spans_of(table["entity"]))
    assert bits(got.filter(wanted).drop("entity")) == bits(full.filter(wanted).drop("entity"))


def test_an_exponential_mean_skips_what_is_missing() -> None:
    x = pl.Series("x", [1.0, None, 4.0, np.inf, 2.0])
    got = pl.DataFrame({"x": x}).select(say.exponential_mean(X, 3))["x"].to_list()
    assert got[0::2] == [1.0, 2.5, 2.25]


@pytest.mark.parametrize(
    ("expression", "row_wise"),
    [
        (X / say.mean(X, 20) - 1, True),
        (pl.when(X > Y).then(X.log()).otherwise(0.0), True),
        (pl.max_horizontal(X, Y).clip(lower_bound=0) ** 2, True),
        (-pl.col("time").dt.hour().cast(pl.Float64).sin(), True),
        (X / X.shift(1), False),
        (X.diff(), False),
        (X - X.mean(), False),
        (X.fill_null(strategy="forward"), False),
        (X.rolling_max(3) / Y, False),
        (pl.len() * X, False),
        (pl.int_range(pl.len()), False),
        (X.first(), False),
        (X.sort_by(Y), False),
        (X.over("y"), False),
        (X.map_batches(lambda column: column.shift(1)), False),
        (X.cum_sum(), False),
        (X.ewm_mean(span=3), False),
        (X.filter(Y > 0), False),
        (X.gather([0]), False),
        (X.reverse(), False),
        (X.backward_fill(), False),
    ],
)
def test_what_looks_at_other_rows_is_told_from_what_does_not(expression: pl.Expr, row_wise: bool) -> None:
    assert is_row_wise(expression) is row_wise
